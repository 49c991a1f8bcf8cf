//! A seeded workload on the log alone, what it was promised, and a check of what a disk holds against that.

use super::*;
use crate::store::disk::recording::RecordingDisk;
use crate::store::spill::Spills;
use std::collections::BTreeMap;

pub const SMALL_SEGMENT_BYTES: u64 = 64 * 1024;

/// Everything that was tried.
#[derive(Default)]
pub struct Promises {
    tried: BTreeMap<Lsn, Tried>,
}

struct Tried {
    record: Record,
    octets: Vec<u8>,
    /// When it was acknowledged.
    answer: Answer,
    /// When its segment was given back.
    freed: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// None yet, or one that promises nothing.
    Unknown,
    Acknowledged(usize),
    /// The log said that it is undone.
    Undone,
}

pub struct Run {
    /// What the log reaches.
    pub disk: Arc<dyn Disk>,
    /// The disk below, whose operations are counted.
    pub recorder: RecordingDisk,
    pub promises: Promises,
    pub dice: u64,
}

impl Run {
    pub fn new(disk: Arc<dyn Disk>, recorder: RecordingDisk, seed: u64) -> Run {
        Run {
            disk,
            recorder,
            promises: Promises::default(),
            dice: seed,
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.dice >> 33) % sides
    }

    /// Some runs of a log, each with some batches; every end is a close or a sudden one.
    pub fn go(&mut self, steps: usize) {
        let mut log = None;
        let mut left = steps;
        while left > 0 {
            left -= 1;
            let Some(open) = log.as_mut() else {
                log = self.open();
                continue;
            };
            let open: &mut (Log, Arc<Spills>) = open;
            match self.roll(12) {
                0 => {
                    let (log, _) = log.take().unwrap();
                    let _ = log.close();
                }
                1 => log = None,
                2 | 3 => self.free_one(&mut open.0),
                4 => self.append_file(open),
                _ => self.append(&mut open.0),
            }
            if log.as_ref().is_some_and(|(log, _)| log.strike().is_some()) {
                log = None;
            }
        }
    }

    fn open(&mut self) -> Option<(Log, Arc<Spills>)> {
        let mut opening = Opening::sized(self.disk.clone(), random, SMALL_SEGMENT_BYTES).ok()?;
        let mut wanted = std::collections::BTreeSet::new();
        let replayed = opening.replay(0, &mut |replayed| {
            if let Replayed::Record { record, .. } = replayed {
                wanted.extend(record.content().map(|content| content.email));
            }
            Ok(())
        });
        replayed.ok()?;
        let spills = Spills::new(self.disk.clone(), random, 0).ok()?;
        spills.sweep(&mut |email| wanted.contains(&email)).ok()?;
        Some((opening.start(0).ok()?, spills))
    }

    fn free_one(&mut self, log: &mut Log) {
        let Some(info) = log.segments().live().into_iter().find(|info| !info.written) else {
            return;
        };
        for (_, tried) in self
            .promises
            .tried
            .range_mut(info.first..=info.last.max(info.first))
        {
            tried.freed.get_or_insert(self.recorder.operations());
        }
        let _ = log.mark_free(info.segment);
    }

    fn append(&mut self, log: &mut Log) {
        let count = 1 + self.roll(3);
        let batch: Vec<_> = (0..count)
            .map(|n| {
                let bytes = if self.roll(3) == 0 {
                    self.roll(14_000)
                } else {
                    self.roll(600)
                };
                message(log.next_lsn() + n, bytes as usize)
            })
            .collect();
        let entries: Vec<Entry<'_>> = batch
            .iter()
            .map(|(record, octets)| Entry {
                record,
                content: EntryContent::Inline(octets),
            })
            .collect();
        let first = self.promise(log, &batch);
        let result = log.append(&entries);
        self.answer(first, count, result);
    }

    fn append_file(&mut self, (log, spills): &mut (Log, Arc<Spills>)) {
        let (mut record, octets) = message(log.next_lsn(), 40_000);
        let Record::Message(meta) = &mut record else {
            unreachable!()
        };
        meta.content.place = ContentPlace::File;
        let email = meta.content.email;
        let kept = spills.create().and_then(|mut spill| {
            spill.write(&octets[..7])?;
            spill.write(&octets[7..])?;
            spill.finish()?.keep(email)
        });
        let Ok(crcs) = kept else { return };
        let batch = [(record, octets)];
        let first = self.promise(log, &batch);
        let result = log.append(&[Entry {
            record: &batch[0].0,
            content: EntryContent::File(&crcs),
        }]);
        self.answer(first, 1, result);
    }

    fn promise(&mut self, log: &Log, batch: &[(Record, Vec<u8>)]) -> Lsn {
        for (lsn, (record, octets)) in (log.next_lsn()..).zip(batch) {
            let (record, octets) = (record.clone(), octets.clone());
            let tried = Tried {
                record,
                octets,
                answer: Answer::Unknown,
                freed: None,
            };
            // Numbers of a batch that left no trace on the disk may come again; nobody has seen them.
            if let Some(earlier) = self.promises.tried.insert(lsn, tried) {
                let seen = matches!(earlier.answer, Answer::Acknowledged(_));
                assert!(!seen, "LSN {lsn} was given twice");
            }
        }
        log.next_lsn()
    }

    fn answer(&mut self, first: Lsn, count: u64, result: Result<Vec<Location>, AppendError>) {
        let answer = match result {
            Ok(_) => Answer::Acknowledged(self.recorder.operations()),
            Err(AppendError::Failed(_)) => Answer::Undone,
            Err(AppendError::ReadOnly(_)) => Answer::Unknown,
            Err(other) => panic!("{other}"),
        };
        for (_, tried) in self.promises.tried.range_mut(first..first + count) {
            tried.answer = answer;
        }
    }
}

impl Promises {
    /// Opens `disk` as it is after the first `count` operations of the workload, and looks for everything promised.
    pub fn check(&self, disk: &RecordingDisk, count: usize) -> Result<(), String> {
        let arc: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut opening =
            Opening::sized(arc.clone(), random, SMALL_SEGMENT_BYTES).map_err(|e| e.0)?;
        let mut found = BTreeMap::new();
        let mut last = 0;
        let replayed = opening.replay(0, &mut |replayed| match replayed {
            Replayed::Damage(damage) => Err(StoreError(damage.to_string())),
            Replayed::Record { lsn, .. } if lsn <= last => {
                Err(StoreError(format!("{lsn} after {last}")))
            }
            Replayed::Record { lsn, at, record } => {
                last = lsn;
                found.insert(lsn, (at, record));
                Ok(())
            }
        });
        replayed.map_err(|e| e.0)?;
        self.nothing_is_missing(&found, count)?;
        let wanted = |email| {
            found
                .values()
                .any(|(_, r)| r.content().is_some_and(|c| c.email == email))
        };
        let spills = Spills::new(arc, random, 0).map_err(|e| e.0)?;
        spills.sweep(&mut |email| wanted(email)).map_err(|e| e.0)?;
        for (lsn, (at, record)) in &found {
            self.is_as_tried(*lsn, *at, record, opening.segments())?;
        }
        self.goes_on(opening.start(0).map_err(|e| e.0)?, count)
    }

    fn nothing_is_missing(
        &self,
        found: &BTreeMap<Lsn, (Location, Record)>,
        count: usize,
    ) -> Result<(), String> {
        for (lsn, tried) in &self.tried {
            let acknowledged = matches!(tried.answer, Answer::Acknowledged(at) if at <= count);
            let freed = tried.freed.is_some_and(|at| at <= count);
            if acknowledged && !freed && !found.contains_key(lsn) {
                return Err(format!("{lsn} was acknowledged and is missing"));
            }
            // An abort that is itself recorded holds; while it is being written the batch may still appear.
            if tried.answer == Answer::Undone && count == usize::MAX && found.contains_key(lsn) {
                return Err(format!("{lsn} was undone and is there"));
            }
        }
        Ok(())
    }

    fn is_as_tried(
        &self,
        lsn: Lsn,
        at: Location,
        record: &Record,
        segments: &Arc<Segments>,
    ) -> Result<(), String> {
        let tried = self
            .tried
            .get(&lsn)
            .ok_or(format!("{lsn} was never written"))?;
        if tried.record != *record {
            return Err(format!("{lsn} is another record"));
        }
        // The file of a message may go when its segment is given back.
        let email = record
            .content()
            .map_or(EmailId([0; 16]), |content| content.email);
        let content = segments.content(at, email).map_err(|e| e.0)?;
        let mut octets = vec![0; tried.octets.len() + 1];
        let count = content.read_at(0, &mut octets).map_err(|e| e.0)?;
        match octets[..count] == tried.octets {
            true => Ok(()),
            false => Err(format!("{lsn} has other octets")),
        }
    }

    /// A new record gets a new LSN and is found.
    fn goes_on(&self, mut log: Log, count: usize) -> Result<(), String> {
        let known = |tried: &Tried| matches!(tried.answer, Answer::Acknowledged(at) if at <= count);
        let used = self.tried.iter().rev().find(|(_, tried)| known(tried));
        if used.is_some_and(|(lsn, _)| log.next_lsn() <= *lsn) {
            return Err(format!("LSN {} would be given twice", log.next_lsn()));
        }
        let (record, octets) = message(9_999, 100);
        let lsn = log.next_lsn();
        let entries = [Entry {
            record: &record,
            content: EntryContent::Inline(&octets),
        }];
        let at = log.append(&entries).map_err(|e| e.to_string())?[0];
        match log.segments().record(at) {
            Ok((again, same)) if again == lsn && same == record => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}
