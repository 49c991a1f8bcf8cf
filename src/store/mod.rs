//! The only room that touches the disk. One log is the truth (design section 4).
//!
//! Everything here is synchronous: `run/lanes.rs` owns the threads. One [`Writer`] takes what all sessions have
//! ready, writes it as one batch, flushes once and answers all of them; any number of [`Reader`]s look at the index
//! and read ranges of the log. Nothing of a change is answered before its record is flushed, and nothing of it is in
//! the committed index before that either.
//!
//! # Which files and rows make which state
//!
//! | there is | that means | a crash may leave | who cleans it |
//! |---|---|---|---|
//! | `lock`, locked by flock | a process has the store open | the file without the lock | nobody: the kernel drops the lock |
//! | `format` | which version wrote the directory | `format.new` | the next open writes it again |
//! | `log/N.seg`, head says live | its batches up to the end that the chain of heads names are acknowledged | a torn batch at the end of the last one | the next open leaves it behind and takes another segment |
//! | `log/N.seg`, head says free | its room may be used again; nothing in it counts | a head that says live although all is copied | reclaiming, in a later round |
//! | `log/N.seg` without a head | an allocated file that never held a record | the same | the next segment that is needed |
//! | `log/N.seg` whose head is lost | what its batches tell of it is read; the rest counts as lost | - | reported at open; mailboxes that it may have touched get a new UIDVALIDITY when the index is made anew |
//! | a batch whose head names a later flushed LSN before it | it is acknowledged; if unreadable it is damage | - | reported at open and by `store check` |
//! | `incoming/HEX` | a large body on its way in | the file, whole or not | the next open removes all of them |
//! | `messages/HEX` and a `content` row with `file` | a large message | - | removed when nobody refers to it and the index is synced |
//! | `messages/HEX` and no row after replay | its record was never written, or nobody needs it | the same | the next open removes it |
//! | a `content` row with `file` and no `messages/HEX` | its retention ended when an index that is lost now knew that | the same | the next open: it can no longer be undeleted |
//! | `index.sqlite`, `meta.lsn` = n | every record up to n is applied, none above | an older n, never a newer | the next open replays the rest |
//! | `index.sqlite` without its row of `meta` | it was being made anew | the same | the next open makes it anew |
//! | no `index.sqlite` | nothing | the same | the next open makes it from the log |
//! | row in `message` | a message that a client sees | | |
//! | row in `expunged`, `kept` = 1 | it can be undeleted | | upkeep, after seven days of uptime or for want of room |
//! | row in `expunged`, `kept` = 0 | history for QRESYNC; it moved or came back | | the same |
//! | row in `mailbox`, `gone` = 1 | deleted, messages of it can be undeleted | | goes with the last of them |
//! | row in `content`, `segment` = -1 | its batch is being written | never: the savepoint goes | |
//! | row in `content`, nothing refers to it | cannot be: the last reference takes it along | | `store check` says so |
//! | row in `queue` and `queue_recipient` | recipients elsewhere that still wait | | an outcome, or `queue drop` |
//! | `removed_account` | the account stays removed, whatever old records say | | nobody: ids are never given again |
//! | copies in the log whose content row names another place | reclaiming was cut off | the same | reclaiming, as garbage |
//! | `state.sqlite` | accounts, aliases, domains: the authority, flushed by itself | a rolled back change | SQLite |
//! | an account in `state.sqlite` without INBOX | it was just added | the same | its first delivery makes INBOX |
//! | `learned.sqlite` | may be lost | | made anew |

pub mod change;
pub mod check;
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
