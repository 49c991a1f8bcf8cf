//! The one writer: takes a group of changes, makes records of them, flushes once, applies them to the index.

use super::StoreError;
use super::change::{Change, Done, Refused};

/// Owns the log's end and the only writing SQLite connections.
pub struct Writer {}

impl Writer {
    /// Commits a group: at most `BATCH_CHANGES_MAX` changes, one flush for all. One answer per change, in order.
    /// The index transaction may stay open: call [`Writer::publish`] before a reader must see it.
    pub fn commit(
        &mut self,
        _changes: Vec<Change>,
        _now_millis: i64,
    ) -> Vec<Result<Done, Refused>> {
        todo!()
    }
    /// Makes everything committed visible to readers.
    pub fn publish(&mut self) -> Result<(), StoreError> {
        todo!()
    }
    /// Whether `publish` has something to do.
    pub fn unpublished(&self) -> bool {
        todo!()
    }
    /// One bounded piece of upkeep (checkpoint, relocation, expiry of retention); false when there is nothing to do.
    pub fn upkeep(&mut self, _now_millis: i64) -> Result<bool, StoreError> {
        todo!()
    }
    /// Publishes, checkpoints and marks the log as cleanly closed.
    pub fn close(self) -> Result<(), StoreError> {
        todo!()
    }
}
