//! Tests of the store as a whole, each on a directory of its own.

mod basic;
mod costs;
mod crash;
mod files;
mod model;
mod trouble;

use super::change::*;
use super::disk::{Disk, real::RealDisk};
use super::*;
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::imap::uid_set::UidSet;
use crate::wire::mime::{Scanner, Summary};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Some clock: 2026-11-20.
pub const NOW: i64 = 1_795_132_800_000;
/// The account of most tests.
pub const ANNA: AccountId = AccountId(1);

/// A directory that goes with the test.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("pillarbox-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temp directory takes another");
        Dir(path)
    }
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(RealDisk::new(self.0.clone()))
    }
    pub fn options(&self) -> Options {
        self.options_over(self.disk())
    }
    pub fn options_over(&self, disk: Arc<dyn Disk>) -> Options {
        Options {
            dir: self.0.clone(),
            disk,
            reserve_bytes: 0,
            now_millis: NOW,
            random: seeded,
        }
    }
    pub fn open(&self) -> (Writer, Arc<Shared>) {
        open(self.options()).expect("the store opens")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// "Random" bytes that never repeat within a run.
pub fn seeded(into: &mut [u8]) {
    static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9);
    for chunk in into.chunks_mut(8) {
        let mut x = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(x ^ (x >> 31)).to_le_bytes()[..chunk.len()]);
    }
}

/// Splits a message and scans it.
pub fn summary_of(bytes: &[u8]) -> Summary {
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map_or(bytes.len(), |at| at + 4);
    let mut scanner = Scanner::new(b"", &bytes[..end], &[]);
    scanner.body(&bytes[end..]);
    scanner.finish()
}

/// A message of some size.
pub fn text(subject: &str, body_bytes: usize) -> Vec<u8> {
    let mut bytes = format!("From: a@box.test\r\nSubject: {subject}\r\n\r\n").into_bytes();
    while bytes.len() < body_bytes {
        bytes.extend_from_slice(format!("line {} of {subject}\r\n", bytes.len()).as_bytes());
    }
    bytes
}

pub fn message(bytes: &[u8]) -> Message {
    Message {
        summary: summary_of(bytes),
        content: Content::Small(Box::new(bytes.to_vec())),
        cuts: Vec::new(),
        received_millis: NOW,
    }
}

pub fn deliver(account: AccountId, prefix: &str, bytes: &[u8]) -> Change {
    Change::Deliver(Box::new(Delivery {
        message: message(bytes),
        locals: vec![LocalDelivery {
            account,
            into: Into::Inbox,
            prefix: prefix.as_bytes().to_vec(),
            flags: Default::default(),
        }],
        remote: None,
    }))
}

pub fn one(writer: &mut Writer, change: Change) -> Done {
    try_one(writer, change).expect("the change is made")
}

pub fn try_one(writer: &mut Writer, change: Change) -> Result<Done, Refused> {
    writer
        .commit(vec![change], NOW)
        .pop()
        .expect("one answer per change")
}

pub fn names(flags: Flags, keywords: &[&str]) -> FlagNames {
    FlagNames {
        system: flags,
        keywords: keywords.iter().map(|k| Box::from(*k)).collect(),
    }
}

/// Expunges messages and ends their retention at once: what they hold is garbage, and reclaimed.
pub fn expunge_for_good(writer: &mut Writer, mailbox: MailboxId, uids: UidSet) {
    let flags = names(Flags::DELETED, &[]);
    let how = FlagsHow::Add;
    one(
        writer,
        Change::Flags {
            mailbox,
            uids,
            how,
            flags,
        },
    );
    let uids = None;
    one(writer, Change::Expunge { mailbox, uids });
    writer.end_retention().expect("retention ends");
    while writer.upkeep(NOW).expect("upkeep") {}
}

/// All octets of a message as served.
pub fn served(reader: &mut Reader, row: &row::MessageRow) -> Vec<u8> {
    let content = reader
        .content(row.content, row.prefix)
        .expect("the content is there");
    assert_eq!(content.served_bytes(), row.served_bytes);
    let mut bytes = vec![0; row.served_bytes as usize];
    let read = content.read_at(0, &mut bytes).expect("the content reads");
    assert_eq!(read, bytes.len());
    bytes
}

/// All rows of a mailbox.
pub fn rows(reader: &mut Reader, mailbox: MailboxId) -> Vec<row::MessageRow> {
    let mut rows = Vec::new();
    let range = reader::RowRange {
        mailbox,
        from_uid: 1,
        to_uid: u32::MAX,
        rows_max: usize::MAX >> 1,
    };
    reader
        .rows(range, &mut |row| {
            rows.push(row.clone());
            true
        })
        .expect("rows can be read");
    rows
}
