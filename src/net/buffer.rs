//! Buffers that connections borrow while bytes are moving: an idle connection holds none.
//!
//! Large ones are few and bounded for the whole process; whoever finds none left works with a small one, slower and
//! as well. So no number of stuck peers can take the buffers away from the others.

use crate::limits::{
    CONN_BUFFER_BYTES, CONN_BUFFER_SMALL_BYTES, CONN_BUFFERS_MAX, CONN_BUFFERS_SPARE_MAX,
};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One buffer; dropping it gives it back. Its content is whatever the last holder left: nobody reads what was not
/// written.
pub(super) struct Buffer(Box<[u8]>);

/// Large buffers that are held by connections now.
static HELD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Large spares of the socket thread: a busy connection takes and returns one with every command.
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

impl Buffer {
    /// `CONN_BUFFER_BYTES`, or `CONN_BUFFER_SMALL_BYTES` when the large ones are used up.
    pub(super) fn take() -> Self {
        Buffer::large()
            .unwrap_or_else(|| Buffer(vec![0; CONN_BUFFER_SMALL_BYTES].into_boxed_slice()))
    }

    /// A large buffer, if there is one left.
    pub(super) fn large() -> Option<Self> {
        let one_more = |held: usize| (held < CONN_BUFFERS_MAX).then_some(held + 1);
        HELD.try_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        let spare = SPARE.with(|spare| spare.borrow_mut().pop());
        Some(Buffer(spare.unwrap_or_else(|| {
            vec![0; CONN_BUFFER_BYTES].into_boxed_slice()
        })))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.len() != CONN_BUFFER_BYTES {
            return;
        }
        HELD.fetch_sub(1, Ordering::Relaxed);
        let bytes = std::mem::take(&mut self.0);
        // A thread that is ending has no spares any more: the buffer is then simply freed.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < CONN_BUFFERS_SPARE_MAX {
                spare.push(bytes);
            }
        });
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Tests that need large buffers, and those that use them up, take turns.
    pub(in crate::net) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[test]
    fn large_buffers_are_bounded_and_small_ones_take_over() {
        let _turn = TURN.blocking_lock();
        let mut held = Vec::new();
        while let Some(buffer) = Buffer::large() {
            held.push(buffer);
            assert!(held.len() <= CONN_BUFFERS_MAX);
        }
        assert_eq!(Buffer::take().len(), CONN_BUFFER_SMALL_BYTES);
        drop(held);
        SPARE.with(|spare| assert_eq!(spare.borrow().len(), CONN_BUFFERS_SPARE_MAX));
        assert_eq!(Buffer::take().len(), CONN_BUFFER_BYTES);
        SPARE.with(|spare| assert_eq!(spare.borrow().len(), CONN_BUFFERS_SPARE_MAX));
    }
}
