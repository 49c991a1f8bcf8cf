//! The log on the real disk: what was appended comes back, after a close and after a sudden end.

use super::*;
use crate::store::disk::Disk;
use crate::store::disk::real::RealDisk;
use crate::store::ids::*;
use crate::store::record::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub fn random(into: &mut [u8]) {
    static STATE: AtomicU64 = AtomicU64::new(1);
    for octet in into {
        let n = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        *octet = (n ^ (n >> 29))
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .to_be_bytes()[0];
    }
}

pub fn message(number: u64, bytes: usize) -> (Record, Vec<u8>) {
    let mut email = [7; 16];
    email[..8].copy_from_slice(&number.to_le_bytes());
    let content: Vec<u8> = (0..bytes).map(|i| (i as u64 * 31 + number) as u8).collect();
    let record = Record::Message(Box::new(MessageRecord {
        content: ContentMeta {
            email: EmailId(email),
            thread: ThreadId(number),
            received_millis: -5,
            bytes: bytes as u64,
            header_bytes: 20,
            cuts: std::iter::once(3..9).collect(),
            prefixes: vec![b"Return-Path: <>\r\n".to_vec()],
            place: ContentPlace::Inline,
        },
        locals: vec![],
        remote: None,
    }));
    (record, content)
}

pub fn all(disk: &Arc<dyn Disk>) -> (Vec<(Lsn, Location, Record)>, Vec<Damage>, Log) {
    let mut opening = Opening::new(disk.clone(), random).unwrap();
    let (mut records, mut damage) = (vec![], vec![]);
    opening
        .replay(0, &mut |replayed| {
            match replayed {
                Replayed::Record { lsn, at, record } => records.push((lsn, at, record)),
                Replayed::Damage(found) => damage.push(found),
            }
            Ok(())
        })
        .unwrap();
    let log = opening.start(0).unwrap();
    (records, damage, log)
}

fn scratch(name: &str) -> (Arc<dyn Disk>, std::path::PathBuf) {
    let root = std::env::temp_dir().join(format!("pillarbox-log-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).unwrap();
    (Arc::new(RealDisk::new(root.clone())), root)
}

#[test]
fn what_was_appended_is_found_and_read() {
    let (disk, root) = scratch("round");
    let mut written = vec![];
    for run in 0..4u64 {
        let (records, damage, mut log) = all(&disk);
        assert_eq!(damage, []);
        assert_eq!(records, written);
        for number in 0..5 {
            let (a, octets) = message(run * 100 + number, 70_000 + number as usize);
            let b = Record::QueueDrop(QueueId(number));
            let first = log.next_lsn();
            let entries = [
                Entry {
                    record: &a,
                    content: EntryContent::Inline(&octets),
                },
                Entry {
                    record: &b,
                    content: EntryContent::None,
                },
            ];
            let at = log.append(&entries).unwrap();
            let email = a.content().unwrap().email;
            let content = log.segments().content(at[0], email).unwrap();
            let mut back = vec![0; 80_000];
            assert_eq!(content.read_at(0, &mut back).unwrap(), octets.len());
            assert_eq!(back[..octets.len()], octets);
            assert_eq!(content.read_at(32_760, &mut back[..20]).unwrap(), 20);
            assert_eq!(back[..20], octets[32_760..32_780]);
            assert_eq!(
                log.segments().record(at[1]).unwrap(),
                (first + 1, b.clone())
            );
            written.push((first, at[0], a));
            written.push((first + 1, at[1], b));
        }
        if run % 2 == 0 {
            log.close().unwrap();
        }
    }
    std::fs::remove_dir_all(root).unwrap();
}

mod crash;
mod damage;
mod failure;
mod workload;
