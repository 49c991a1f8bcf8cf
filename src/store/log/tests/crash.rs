//! Power cuts: behind every operation, with what was not flushed dropped, kept, reordered or torn. Leaving out any
//! one flush must be seen.

use super::workload::Run;
use super::*;
use crate::store::disk::Flush;
use crate::store::disk::recording::{Crash, RecordingDisk};

fn recorded(seed: u64, omitted: Option<Flush>) -> Run {
    let recorder = RecordingDisk::new();
    if let Some(which) = omitted {
        recorder.omit(which);
    }
    let mut run = Run::new(Arc::new(recorder.clone()), recorder, seed);
    run.go(60);
    run
}

/// The first broken promise among power cuts behind every `stride`th operation.
fn broken(run: &Run, stride: usize) -> Option<String> {
    let operations = run.recorder.operations();
    for count in (0..=operations).step_by(stride) {
        let seed = count as u64;
        let crashes = [
            Crash::Dropped,
            Crash::Kept,
            Crash::Reordered(seed),
            Crash::Torn(seed),
            Crash::Torn(!seed),
        ];
        for crash in crashes {
            let disk = run.recorder.after(count, crash);
            if let Err(what) = run.promises.check(&disk, count) {
                return Some(format!("{crash:?} after {count} of {operations}: {what}"));
            }
        }
        // Killed, opened again, and only then the power goes: what the second process saw must have been flushed.
        let disk = run.recorder.continued(count);
        if let Err(what) = run.promises.check(&disk, count) {
            return Some(format!("killed after {count} of {operations}: {what}"));
        }
        let again = disk.after(disk.operations(), Crash::Dropped);
        if let Err(what) = again_without_surprise(&disk, &again) {
            return Some(format!(
                "killed and dropped after {count} of {operations}: {what}"
            ));
        }
    }
    None
}

/// Everything that a replay of `before` gave is given by `after` too.
fn again_without_surprise(before: &RecordingDisk, after: &RecordingDisk) -> Result<(), String> {
    let list = |disk: &RecordingDisk| {
        let (records, damage, _) = all(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
        match damage.first() {
            Some(damage) => Err(damage.to_string()),
            None => Ok(records
                .into_iter()
                .map(|(lsn, _, _)| lsn)
                .collect::<Vec<_>>()),
        }
    };
    let (before, after) = (list(before)?, list(after)?);
    // A segment that was about to be free may be live again.
    match before.iter().all(|lsn| after.contains(lsn)) {
        true => Ok(()),
        false => Err(format!("{before:?} became {after:?}")),
    }
}

#[test]
fn a_power_cut_anywhere_breaks_no_promise() {
    // Every operation of one run, a sample of more.
    for seed in 0..6 {
        let run = recorded(seed, None);
        let stride = if seed < 1 { 1 } else { 7 };
        assert_eq!(broken(&run, stride), None, "seed {seed}");
    }
}

#[test]
fn every_flush_is_needed() {
    let flushes = [
        Flush::Batch,
        Flush::SegmentName,
        Flush::SegmentHeader,
        Flush::MessageFile,
        Flush::MessageName,
    ];
    for which in flushes {
        let seen = (0..6).find_map(|seed| broken(&recorded(seed, Some(which)), 1));
        assert!(seen.is_some(), "nobody misses {which:?}");
    }
}
