//! The log: segment files `log/NNNNNNNN.seg`, written in batches by one [`Log`], read at random through [`Segments`],
//! and read in order by an [`Opening`] before it becomes a [`Log`].
//!
//! Invariants:
//! * A batch is written by one vectored write and acknowledged after one flush; each batch names the last LSN that
//!   was acknowledged before it. So one batch at most is in doubt, and it is the last of its segment: whatever
//!   fails, the writer goes on in another segment.
//! * A block that holds an acknowledged record is never rewritten before its segment is recycled, and a segment is
//!   recycled only after its head says on the disk that it is free.
//! * A segment's head names the segment written before it and the last LSN acknowledged by then: that decides about
//!   the doubtful batch there. Before a segment is freed, that word is written into the older segment itself (it is
//!   *sealed*), so that the chain holds whichever segments go.

mod append;
mod content;
pub mod format;
mod open;
mod remembered;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod walk;

pub use append::Log;
pub use content::{LogContent, message_path};
pub use open::Opening;
pub use table::{Lease, SegmentInfo, Segments};

use super::StoreError;
use super::ids::Lsn;
use super::record::Record;

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

impl std::fmt::Display for AppendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AppendError::Full => f.write_str("no room for another segment of the log"),
            AppendError::Failed(why) => write!(
                f,
                "the log could not be written ({why}); this change is undone"
            ),
            AppendError::ReadOnly(why) => write!(
                f,
                "the log cannot be written ({why}) and takes no change until the disk is mended and pillarbox started anew"
            ),
            AppendError::TooLarge(which) => {
                write!(f, "too large for one batch of the log: {which}")
            }
        }
    }
}

/// What a replay meets.
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
    /// Lost records, inclusive; empty (`first > last`) when no whole record is lost.
    pub first: Lsn,
    /// Last lost.
    pub last: Lsn,
    /// What is wrong with it, for people.
    pub what: &'static str,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage {
            segment,
            offset,
            first,
            last,
            what,
        } = self;
        write!(
            f,
            "log segment {segment:08} is damaged at octet {offset}: {what}; "
        )?;
        if first > last {
            write!(f, "no change is lost")
        } else {
            write!(f, "changes {first} to {last} are lost")
        }
    }
}

/// An error of the disk in the store's words.
fn disk_error(doing: &str, error: &std::io::Error) -> StoreError {
    StoreError(format!(
        "{doing}: {error}; see whether the disk is healthy and mounted"
    ))
}
