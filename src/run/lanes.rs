//! The threads that may touch the disk or burn time: writer 1, readers 2, hashing 1. The socket thread sends them
//! work through bounded channels and awaits the answer.

use crate::store::{Change, Done, Reader, Refused, Shared, StoreError};
use std::sync::Arc;

/// Doors to the lanes; cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    shared: Arc<Shared>,
}

impl Lanes {
    /// The store's shared part.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
    /// Sends one change to the writer, which commits it together with whatever else is ready; returns when it is
    /// durable. Sessions of the touched mailboxes are woken.
    pub async fn commit(&self, _change: Change) -> Result<Done, Refused> {
        todo!()
    }
    /// Runs `work` in a reader's lane. Everything committed before this call is visible to it. `work` must stay
    /// within 10 ms or so: long jobs are slices with a cursor.
    pub async fn read<R: Send + 'static>(
        &self,
        _work: impl FnOnce(&mut Reader) -> R + Send + 'static,
    ) -> R {
        todo!()
    }
    /// Runs disk work that needs no reader (spills) in a reader's lane.
    pub async fn disk<R: Send + 'static>(
        &self,
        _work: impl FnOnce(&Arc<Shared>) -> R + Send + 'static,
    ) -> R {
        todo!()
    }
}

/// Kept for symmetry with the store's error type in signatures of jobs.
pub type LaneError = StoreError;
