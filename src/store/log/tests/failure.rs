//! The disk fails at its Nth operation; and what a batch costs when it does not.

use super::workload::{Run, SMALL_SEGMENT_BYTES};
use super::*;
use crate::store::disk::Flush;
use crate::store::disk::failing::{FailingDisk, Lasting};
use crate::store::disk::full::FullDisk;
use crate::store::disk::recording::{Crash, RecordingDisk};

#[test]
fn whatever_fails_no_promise_is_broken() {
    for lasting in [Lasting::Once, Lasting::Forever] {
        let mut at = 1;
        loop {
            let recorder = RecordingDisk::new();
            let disk = Arc::new(FailingDisk::new(Arc::new(recorder.clone()), at, lasting));
            let mut run = Run::new(disk.clone(), recorder.clone(), 3);
            run.go(25);
            for crash in [Crash::Kept, Crash::Dropped, Crash::Torn(at)] {
                let left = recorder.after(recorder.operations(), crash);
                let checked = run.promises.check(&left, usize::MAX);
                assert_eq!(
                    checked,
                    Ok(()),
                    "operation {at} fails {lasting:?}, then {crash:?}"
                );
            }
            if at > disk.operations() {
                break;
            }
            // Every operation at first, then with growing strides: reads of the scan are many and alike.
            at += 1 + at / 50;
        }
    }
}

#[test]
fn a_full_disk_refuses_before_anything_is_written_and_recovers() {
    let recorder = RecordingDisk::new();
    let full = Arc::new(FullDisk::new(
        Arc::new(recorder.clone()),
        3 * SMALL_SEGMENT_BYTES,
    ));
    let disk: Arc<dyn Disk> = full.clone();
    let opening = Opening::sized(disk, random, SMALL_SEGMENT_BYTES).unwrap();
    let mut log = opening.start(0).unwrap();
    let mut written = 0;
    let (record, octets) = message(1, 15_000);
    let entries = [Entry {
        record: &record,
        content: EntryContent::Inline(&octets),
    }];
    let refused = loop {
        let lsn = log.next_lsn();
        match log.append(&entries) {
            Ok(_) => written += 1,
            Err(error) => {
                assert_eq!(log.next_lsn(), lsn);
                break error;
            }
        }
    };
    assert_eq!((refused, written), (AppendError::Full, 9));
    // What needs little goes on in the room that was reserved.
    let small = [Entry {
        record: &Record::QueueDrop(QueueId(1)),
        content: EntryContent::None,
    }];
    log.append(&small).unwrap();
    let oldest = log.segments().live()[0].segment;
    assert!(log.mark_free(oldest).unwrap());
    log.append(&entries).unwrap();
    full.resize(5 * SMALL_SEGMENT_BYTES);
    for _ in 0..4 {
        log.append(&entries).unwrap();
    }
}

#[test]
fn a_batch_costs_one_flush_and_few_octets_more_than_its_mail() {
    let recorder = RecordingDisk::new();
    let opening = Opening::new(Arc::new(recorder.clone()), random).unwrap();
    let mut log = opening.start(0).unwrap();
    let batch: Vec<_> = (0..64).map(|n| message(n, 50_000)).collect();
    let entries: Vec<Entry<'_>> = batch
        .iter()
        .map(|(record, octets)| Entry {
            record,
            content: EntryContent::Inline(octets),
        })
        .collect();
    let payload = 64 * 50_000;
    for number in 1..=5 {
        log.append(&entries).unwrap();
        assert_eq!(recorder.flushes(Flush::Batch), number);
    }
    assert_eq!(recorder.flushes(Flush::SegmentName), 2);
    assert!(
        recorder.page_bytes() * 100 <= 5 * payload * 102,
        "{}",
        recorder.page_bytes()
    );
    let before = (recorder.page_bytes(), recorder.flushes(Flush::Batch));
    for entry in entries.chunks(1).take(50) {
        log.append(entry).unwrap();
    }
    assert_eq!(recorder.flushes(Flush::Batch) - before.1, 50);
    let each = (recorder.page_bytes() - before.0) / 50;
    assert!(
        each * 100 <= 50_000 * 110,
        "{each} octets for a message of 50,000"
    );
}

#[test]
fn bounds_of_a_batch() {
    let opening = Opening::new(Arc::new(RecordingDisk::new()), random).unwrap();
    let mut log = opening.start(0).unwrap();
    let record = Record::QueueDrop(QueueId(1));
    let entries = |count| -> Vec<Entry<'_>> {
        (0..count)
            .map(|_| Entry {
                record: &record,
                content: EntryContent::None,
            })
            .collect()
    };
    let max = crate::limits::BATCH_RECORDS_MAX;
    assert_eq!(log.append(&entries(max - 1)).unwrap().len(), max - 1);
    assert_eq!(log.append(&entries(max)).unwrap().len(), max);
    assert!(matches!(
        log.append(&entries(max + 1)),
        Err(AppendError::TooLarge(_))
    ));
    assert!(matches!(log.append(&[]), Err(AppendError::TooLarge(_))));
    let (record, mut octets) = message(1, 1000);
    octets.pop();
    let lying = [Entry {
        record: &record,
        content: EntryContent::Inline(&octets),
    }];
    assert!(matches!(log.append(&lying), Err(AppendError::TooLarge(_))));
}
