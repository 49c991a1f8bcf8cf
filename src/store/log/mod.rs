//! The log: segment files `log/NNNNNNNN.seg`, written in batches by one [`Log`], read at random through [`Segments`],
//! and in order by a [`Scan`] at open.

use super::StoreError;
use super::disk::Disk;
use super::ids::*;
use super::record::Record;
use std::sync::Arc;

/// Where a record starts. Keep all of it in the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Location {
    /// Number of the segment file.
    pub segment: u32,
    /// The segment's generation when it was written.
    pub generation: u32,
    /// Octets from the start of the segment.
    pub offset: u32,
}

/// One record to be written, with the content behind it. Entry `n` of a batch gets the LSN `Log::next_lsn() + n`.
pub struct Entry<'a> {
    /// The change.
    pub record: &'a Record,
    /// The octets of its content.
    pub content: EntryContent<'a>,
}

/// The octets of a record's content.
#[derive(Clone, Copy)]
pub enum EntryContent<'a> {
    /// The record has none.
    None,
    /// They go into the log.
    Inline(&'a [u8]),
    /// They are in a message file whose name is durable; the CRC32C of each of its chunks.
    File(&'a [u32]),
}

/// Why an append did not happen; nothing of it is acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AppendError {
    /// No room for another segment; try again when there is.
    Full,
    /// The write or flush failed, the batch is undone, the log goes on in another segment.
    Failed(String),
    /// That failed too: the log takes nothing more until it is opened anew.
    ReadOnly(String),
    /// The caller's mistake: a batch or record over its bound.
    TooLarge(&'static str),
}

/// A log that has been looked at and waits to be replayed.
pub struct Opening {}

impl Opening {
    /// Reads the heads of all segments below `log/` (made when missing). `random` seeds the salts of segments.
    pub fn new(_disk: Arc<dyn Disk>, _random: fn(&mut [u8])) -> Result<Opening, StoreError> {
        todo!()
    }
    /// Gives every record with an LSN above `after`, in order; stops at the first error of `each`. Must run to its
    /// end (once) before `start`, since it finds the end of the log.
    pub fn replay(
        &mut self,
        _after: Lsn,
        _each: &mut dyn FnMut(Replayed) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Random reads, for the use of `replay`'s callee too.
    pub fn segments(&self) -> Arc<Segments> {
        todo!()
    }
    /// Makes the writer's end. Every LSN that it gives is above `floor`.
    pub fn start(self, _floor: Lsn) -> Result<Log, StoreError> {
        todo!()
    }
}

/// What a scan meets.
#[derive(Debug)]
pub enum Replayed {
    /// A record in order.
    Record {
        /// Its number.
        lsn: Lsn,
        /// Where it is.
        at: Location,
        /// The change.
        record: Record,
    },
    /// Acknowledged records that cannot be read.
    Damage(Damage),
}

/// A damaged place of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Segment.
    pub segment: u32,
    /// Octets from its start.
    pub offset: u64,
    /// Lost records, inclusive; empty (`first > last`) when only octets of a content are damaged.
    pub first: Lsn,
    /// Last lost.
    pub last: Lsn,
    /// What is wrong with it, for people.
    pub what: String,
}

/// The writer's end.
pub struct Log {}

impl Log {
    /// The LSN of the next record.
    pub fn next_lsn(&self) -> Lsn {
        todo!()
    }
    /// Writes all entries as one batch with one flush. Returns where each is.
    pub fn append(&mut self, _entries: &[Entry<'_>]) -> Result<Vec<Location>, AppendError> {
        todo!()
    }
    /// Random reads.
    pub fn segments(&self) -> &Arc<Segments> {
        todo!()
    }
    /// Gives a segment back for recycling; the caller vouches that nothing in it is needed. False while it is leased
    /// or written.
    pub fn mark_free(&mut self, _segment: u32) -> Result<bool, StoreError> {
        todo!()
    }
    /// Marks the log as closed in order.
    pub fn close(self) -> Result<(), StoreError> {
        todo!()
    }
}

/// All segments: shared by the writer and all readers.
pub struct Segments {}

/// A live segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentInfo {
    /// Number.
    pub segment: u32,
    /// Generation.
    pub generation: u32,
    /// Its first LSN.
    pub first: Lsn,
    /// Octets used.
    pub used_bytes: u64,
    /// Records are still added to it.
    pub written: bool,
    /// Readers that hold it.
    pub leases: usize,
}

impl Segments {
    /// Live segments by first LSN.
    pub fn live(&self) -> Vec<SegmentInfo> {
        todo!()
    }
    /// How many segments wait for recycling.
    pub fn free(&self) -> usize {
        todo!()
    }
    /// Holds a segment; None when `at` is of an older generation.
    pub fn lease(self: &Arc<Self>, _at: Location) -> Option<Lease> {
        todo!()
    }
    /// Opens the content of the message or relocation record at `at` for reading; checks that it is `email`'s.
    pub fn content(
        self: &Arc<Self>,
        _at: Location,
        _email: EmailId,
    ) -> Result<LogContent, StoreError> {
        todo!()
    }
    /// Reads one record.
    pub fn record(&self, _at: Location) -> Result<(Lsn, Record), StoreError> {
        todo!()
    }
}

/// Keeps a segment from being recycled.
pub struct Lease {}

/// An open content, leased.
pub struct LogContent {}

impl LogContent {
    /// Octets.
    pub fn bytes(&self) -> u64 {
        todo!()
    }
    /// Fills `into` from `at` as far as there are octets; checks each chunk that it touches.
    pub fn read_at(&self, _at: u64, _into: &mut [u8]) -> Result<usize, StoreError> {
        todo!()
    }
    /// The CRC32C of each chunk (a relocation of a message file writes them again).
    pub fn chunk_crcs(&self) -> &[u32] {
        todo!()
    }
}
