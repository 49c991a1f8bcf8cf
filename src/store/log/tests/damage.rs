//! Damage behind everybody's back: told from a torn tail, reported, the rest kept; leases and generations.

use super::*;
use crate::store::disk::recording::{Crash, RecordingDisk};
use std::path::Path;

const SEGMENT: u64 = 256 * 1024;

fn filled(batches: u64) -> (RecordingDisk, Vec<Location>) {
    let disk = RecordingDisk::new();
    let opening = Opening::sized(Arc::new(disk.clone()), random, SEGMENT).unwrap();
    let mut log = opening.start(0).unwrap();
    let mut places = vec![];
    for number in 0..batches {
        let batch = [message(number * 2, 3000), message(number * 2 + 1, 3000)];
        let entries = batch.each_ref().map(|(record, octets)| Entry {
            record,
            content: EntryContent::Inline(octets),
        });
        places.extend(log.append(&entries).unwrap());
    }
    (disk, places)
}

fn lsns(disk: &RecordingDisk) -> (Vec<Lsn>, Vec<Damage>) {
    let (records, damage, _) = all(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
    (records.into_iter().map(|(lsn, _, _)| lsn).collect(), damage)
}

const FIRST: &str = "log/00000001.seg";

#[test]
fn a_damaged_content_costs_itself_alone() {
    let (disk, places) = filled(4);
    disk.damage(Path::new(FIRST), u64::from(places[2].offset) + 500, 10);
    let (found, damage) = lsns(&disk);
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(damage.len(), 1);
    assert!(damage[0].first > damage[0].last);
    let opening = Opening::new(Arc::new(disk), random).unwrap();
    let email = message(2, 0).0.content().unwrap().email;
    let content = opening.segments().content(places[2], email).unwrap();
    let error = content.read_at(0, &mut [0; 100]).unwrap_err();
    assert!(error.0.contains("store check"), "{error}");
}

#[test]
fn a_damaged_frame_costs_one_record() {
    let (disk, places) = filled(4);
    disk.damage(Path::new(FIRST), places[2].offset.into(), 4);
    let (found, damage) = lsns(&disk);
    assert_eq!(found, [1, 2, 4, 5, 6, 7, 8]);
    assert_eq!((damage[0].first, damage[0].last, damage.len()), (3, 3, 1));
}

#[test]
fn a_damaged_batch_head_costs_nothing() {
    let (disk, places) = filled(4);
    let head = u64::from(places[2].offset) / 4096 * 4096;
    disk.damage(Path::new(FIRST), head, 64);
    let (found, damage) = lsns(&disk);
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(damage, []);
}

#[test]
fn a_damaged_block_costs_what_it_holds() {
    let (disk, places) = filled(4);
    let block = u64::from(places[2].offset) / 4096 * 4096;
    disk.damage(Path::new(FIRST), block, 4096);
    let (found, damage) = lsns(&disk);
    assert_eq!(found.len(), 6);
    assert!(!found.contains(&3));
    assert_eq!(damage[0].first, 3);
}

#[test]
fn damage_in_the_last_batch_is_a_torn_tail_and_leaves_it_out_whole() {
    let (disk, places) = filled(4);
    disk.damage(Path::new(FIRST), u64::from(places[7].offset) + 200, 1);
    assert_eq!(lsns(&disk), (vec![1, 2, 3, 4, 5, 6], vec![]));
    // It stays out when something newer stands behind it.
    let (found, damage) = lsns(&disk);
    assert_eq!((found.len(), damage), (6, vec![]));
}

#[test]
fn the_last_batch_counts_as_damaged_when_the_index_knows_it() {
    let (disk, places) = filled(4);
    disk.damage(Path::new(FIRST), places[7].offset.into(), 1);
    let mut opening = Opening::new(Arc::new(disk), random).unwrap();
    let mut damage = vec![];
    opening
        .replay(8, &mut |replayed| {
            damage.extend(match replayed {
                Replayed::Damage(found) => Some(found),
                Replayed::Record { .. } => None,
            });
            Ok(())
        })
        .unwrap();
    assert!(opening.start(8).unwrap().next_lsn() > 8);
}

#[test]
fn a_segment_whose_head_is_lost_is_read_by_its_first_batch() {
    let (disk, _) = filled(4);
    disk.damage(Path::new(FIRST), 0, 4096);
    let (found, damage) = lsns(&disk);
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(damage.len(), 1);
}

#[test]
fn a_segment_without_its_beginning_gives_the_rest() {
    let (disk, places) = filled(4);
    // Inverted, and as a card gives a block that it lost.
    for zeroed in [false, true] {
        let disk = disk.after(disk.operations(), Crash::Kept);
        let end = u64::from(places[2].offset) / 4096 * 4096;
        match zeroed {
            false => disk.damage(Path::new(FIRST), 0, end),
            true => {
                let file = disk.open(Path::new(FIRST), false).unwrap();
                file.write_at(&[&vec![0; end as usize]], 0).unwrap();
            }
        }
        let (found, damage) = lsns(&disk);
        assert_eq!(found, [3, 4, 5, 6, 7, 8], "{zeroed}");
        // Once for the head, once because nobody knows what else is lost.
        assert_eq!(damage.len(), 2, "{damage:?}");
        let next = Opening::new(Arc::new(disk), random).unwrap().start(8);
        assert!(next.unwrap().next_lsn() > 8);
    }
}

#[test]
fn what_a_lost_segment_held_is_said_to_be_lost() {
    // Three segments; of the one in the middle nothing is left, or all is zeros behind its head.
    let (disk, places) = filled(70);
    let middle: Vec<u64> = (1..)
        .zip(&places)
        .filter(|(_, at)| at.segment == 2)
        .map(|(lsn, _)| lsn)
        .collect();
    assert!(places.iter().any(|at| at.segment == 3));
    disk.damage(Path::new("log/00000002.seg"), 0, SEGMENT);
    let (found, damage) = lsns(&disk);
    assert!(middle.iter().all(|lsn| !found.contains(lsn)));
    assert_eq!(found.len() + middle.len(), places.len());
    let lost = damage
        .iter()
        .find(|damage| damage.first == middle[0])
        .unwrap();
    assert_eq!(lost.last, middle[middle.len() - 1]);
    // It is left alone, and an index that has seen it all hears of no loss.
    let mut opening = Opening::sized(Arc::new(disk), random, SEGMENT).unwrap();
    let mut lost = 0;
    opening
        .replay(places.len() as u64, &mut |replayed| {
            lost +=
                u32::from(matches!(replayed, Replayed::Damage(found) if found.first <= found.last));
            Ok(())
        })
        .unwrap();
    assert_eq!((lost, opening.segments().free()), (0, 0));
}

#[test]
fn a_batch_that_claims_to_be_far_ahead_is_not_believed() {
    let (disk, _) = filled(4);
    let forged = format::BatchHead {
        generation: 1,
        salt: 7,
        first: u64::MAX - 9,
        count: 1,
        bytes: 100,
        flushed: 0,
    };
    let file = disk.open(Path::new("log/00000002.seg"), true).unwrap();
    file.write_at(&[&forged.to_bytes()], 3 * 4096).unwrap();
    let (found, _) = lsns(&disk);
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8]);
    let log = Opening::new(Arc::new(disk), random)
        .unwrap()
        .start(8)
        .unwrap();
    assert!(log.next_lsn() < 1 << 33);
}

#[test]
fn a_recycled_segment_shows_nothing_of_its_past() {
    let (disk, places) = filled(40);
    let opening = Opening::sized(Arc::new(disk.clone()), random, SEGMENT).unwrap();
    let segments = opening.segments().clone();
    let mut log = opening.start(0).unwrap();
    let email = message(0, 0).0.content().unwrap().email;
    let lease = segments.lease(places[0]).unwrap();
    assert!(!log.mark_free(1).unwrap());
    drop(lease);
    assert!(log.mark_free(1).unwrap());
    assert!(segments.lease(places[0]).is_none());
    let (record, octets) = message(77, 100);
    let entries = [Entry {
        record: &record,
        content: EntryContent::Inline(&octets),
    }];
    let at = log.append(&entries).unwrap()[0];
    assert_eq!((at.segment, at.generation), (1, 2));
    assert!(segments.content(places[0], email).is_err());
    drop(log);
    let (records, damage, _) = all(&(Arc::new(disk) as Arc<dyn Disk>));
    assert_eq!(damage, []);
    let in_first: Vec<_> = records
        .iter()
        .filter(|(_, at, _)| at.segment == 1)
        .collect();
    assert_eq!(in_first.len(), 1);
    assert_eq!(in_first[0].2, record);
}
