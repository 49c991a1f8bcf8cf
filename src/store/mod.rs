//! The only room that touches the disk. One log is the truth (design section 4).
//!
//! Everything here is synchronous: `run/lanes.rs` owns the threads. One [`Writer`] takes what all sessions have
//! ready, writes it as one batch, flushes once and answers all of them; any number of [`Reader`]s look at the index
//! and read ranges of the log.

pub mod change;
pub mod disk;
pub mod ids;
pub mod index;
pub mod learned;
pub mod lock;
pub mod log;
mod open;
pub mod reader;
mod rebuild;
pub mod record;
mod restore;
pub mod row;
pub mod shared;
pub mod spill;
pub mod state;
mod summarize;
pub mod writer;

pub use change::{Change, Done, Refused};
pub use ids::{AccountId, EmailId, Lsn, MailboxId, ModSeq, QueueId, ThreadId};
pub use open::{open, rebuild};
pub use reader::Reader;
pub use shared::{Health, OpenReport, Shared};
pub use writer::Writer;

use std::path::PathBuf;
use std::sync::Arc;

/// How a store is opened.
pub struct Options {
    /// The data directory; made when missing.
    pub dir: PathBuf,
    /// The disk under the log and the large messages (SQLite's files are beside it on the real one).
    pub disk: Arc<dyn disk::Disk>,
    /// Free space below which new mail is refused, octets.
    pub reserve_bytes: u64,
    /// The clock at open, milliseconds since 1970.
    pub now_millis: i64,
    /// Random bytes for ids; the same door that tests seed.
    pub random: fn(&mut [u8]),
}

/// Why a store cannot be opened or went on strike. The text says what happened, what it means and what to do.
#[derive(Debug)]
pub struct StoreError(pub String);

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for StoreError {}

impl StoreError {
    /// The index failed.
    pub(crate) fn index(error: rusqlite::Error) -> StoreError {
        StoreError(StoreError::index_text(&error))
    }
    /// In words.
    pub(crate) fn index_text(error: &rusqlite::Error) -> String {
        format!(
            "index.sqlite failed ({error}): look at the disk; if it is well, delete the file, it is made anew"
        )
    }
}

#[cfg(test)]
mod tests;
