//! The table of segments that writer and readers share: which are live, who holds them, and the open files.

use super::format::{Link, SegmentHead, State, segment_path};
use super::{Location, disk_error};
use crate::limits::{SEGMENT_BYTES, SEGMENT_FILES_MAX};
use crate::store::StoreError;
use crate::store::disk::{Disk, DiskFile};
use crate::store::ids::Lsn;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All segments: shared by the writer and all readers.
pub struct Segments {
    pub(super) disk: Arc<dyn Disk>,
    /// `SEGMENT_BYTES`; less in tests.
    pub(super) segment_bytes: u64,
    table: Mutex<Table>,
}

pub(super) struct Table {
    pub slots: BTreeMap<u32, Slot>,
    /// Open files, the least recently used first.
    files: Vec<(u32, Arc<dyn DiskFile>)>,
}

/// What is known of one segment.
pub(super) struct Slot {
    pub head: SegmentHead,
    pub condition: Condition,
    /// Where its last batch ends.
    pub used_bytes: u64,
    /// Its last acknowledged LSN.
    pub last: Lsn,
    /// Its head, sealed or free, is known to be flushed.
    pub head_flushed: bool,
    pub leases: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// Holds records; nothing is added.
    Live,
    /// The writer's current one.
    Written,
    /// Waits for recycling.
    Free,
    /// Not to be touched: its head is unreadable, or a write to it failed before it held anything.
    Aside,
}

/// A live segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentInfo {
    /// Number.
    pub segment: u32,
    /// Generation.
    pub generation: u32,
    /// Its first LSN.
    pub first: Lsn,
    /// The last LSN acknowledged before it was begun.
    pub previous_lsn: Lsn,
    /// The segment that was written before it has been freed since.
    pub follows_freed: bool,
    /// Its last acknowledged LSN; below `first` when it has none.
    pub last: Lsn,
    /// Octets used.
    pub used_bytes: u64,
    /// Records are still added to it.
    pub written: bool,
    /// Readers that hold it.
    pub leases: usize,
}

/// Keeps a segment from being recycled until it is dropped.
pub struct Lease {
    segments: Arc<Segments>,
    segment: u32,
}

impl Segments {
    pub(super) fn new(disk: Arc<dyn Disk>, segment_bytes: u64) -> Segments {
        let table = Table {
            slots: BTreeMap::new(),
            files: Vec::new(),
        };
        Segments {
            disk,
            segment_bytes,
            table: Mutex::new(table),
        }
    }

    /// Live segments by first LSN.
    pub fn live(&self) -> Vec<SegmentInfo> {
        let table = self.table();
        let mut live: Vec<SegmentInfo> = table
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot.condition, Condition::Live | Condition::Written))
            .map(|(&segment, slot)| SegmentInfo {
                segment,
                generation: slot.head.generation,
                first: slot.head.first,
                previous_lsn: slot.head.previous_lsn,
                follows_freed: table.is_freed(slot.head.previous),
                last: slot.last,
                used_bytes: slot.used_bytes,
                written: slot.condition == Condition::Written,
                leases: slot.leases,
            })
            .collect();
        live.sort_by_key(|info| info.first);
        live
    }

    /// How many segments wait for recycling.
    pub fn free(&self) -> usize {
        let table = self.table();
        let free = |slot: &&Slot| slot.condition == Condition::Free;
        table.slots.values().filter(free).count()
    }

    /// Holds a segment; None when `at` is of an older generation or the segment is free.
    pub fn lease(self: &Arc<Self>, at: Location) -> Option<Lease> {
        self.lease_and_salt(at).map(|(lease, _)| lease)
    }

    /// The same, with the segment's salt.
    pub(super) fn lease_and_salt(self: &Arc<Self>, at: Location) -> Option<(Lease, u64)> {
        let mut table = self.table();
        let slot = table.slots.get_mut(&at.segment)?;
        let live = matches!(slot.condition, Condition::Live | Condition::Written);
        if !live || slot.head.generation != at.generation {
            return None;
        }
        slot.leases += 1;
        let lease = Lease {
            segments: self.clone(),
            segment: at.segment,
        };
        Some((lease, slot.head.salt))
    }

    /// The salt of the segment, if it still has the generation of `at`.
    pub(super) fn salt(&self, at: Location) -> Option<u64> {
        let table = self.table();
        let head = &table.slots.get(&at.segment)?.head;
        (head.generation == at.generation && head.state == State::Live).then_some(head.salt)
    }

    /// The open file of a segment; at most `SEGMENT_FILES_MAX` are kept open.
    pub(super) fn file(&self, segment: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        let mut table = self.table();
        if let Some(place) = table
            .files
            .iter()
            .position(|(number, _)| *number == segment)
        {
            let entry = table.files.remove(place);
            table.files.push(entry);
        } else {
            let path = segment_path(segment);
            let file = self
                .disk
                .open(&path, false)
                .map_err(|error| disk_error(&format!("cannot open {}", path.display()), &error))?;
            if table.files.len() >= SEGMENT_FILES_MAX {
                table.files.remove(0);
            }
            table.files.push((segment, Arc::from(file)));
        }
        let (_, file) = table.files.last().expect("an entry was pushed just now");
        Ok(file.clone())
    }

    /// Nothing panics while it holds the table; a poisoned lock's table is as good as any.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether the segment that a link names was given back since. (The first segment of a log names none.)
    fn is_freed(&self, link: Link) -> bool {
        self.slots.get(&link.segment).is_some_and(|slot| {
            slot.condition == Condition::Free || slot.head.generation > link.generation
        })
    }
}

impl Slot {
    /// A segment as its head tells it.
    pub fn of_head(head: SegmentHead, condition: Condition) -> Slot {
        let sealed = head.sealed_at > 0;
        Slot {
            head,
            condition,
            used_bytes: if sealed {
                head.sealed_at.into()
            } else {
                SEGMENT_BYTES
            },
            last: if sealed {
                head.sealed_last
            } else {
                head.previous_lsn
            },
            head_flushed: false,
            leases: 0,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(slot) = self.segments.table().slots.get_mut(&self.segment) {
            slot.leases -= 1;
        }
    }
}
