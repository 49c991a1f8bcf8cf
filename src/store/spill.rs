//! Large messages: files in `incoming/` while they come in, in `messages/` afterwards.

use super::StoreError;
use std::sync::Arc;

/// A large body on its way in; dropped unfinished, its file goes.
pub struct Spill {}

/// A finished and flushed file of `incoming/`; dropped without a commit, it goes.
pub struct Spilled {}

impl Spill {
    /// Opens a new file. Refused when free space (spills under way counted) is at the reserve.
    pub fn create(_shared: &Arc<super::Shared>) -> Result<Spill, StoreError> {
        todo!()
    }
    /// Appends.
    pub fn write(&mut self, _bytes: &[u8]) -> Result<(), StoreError> {
        todo!()
    }
    /// Flushes; only a finished file can be committed.
    pub fn finish(self) -> Result<Spilled, StoreError> {
        todo!()
    }
}
impl Spilled {
    /// Octets.
    pub fn bytes(&self) -> u64 {
        todo!()
    }
}
