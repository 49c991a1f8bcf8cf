//! Buffers that connections borrow while bytes are moving: an idle connection holds none.

use crate::limits::{CONN_BUFFER_BYTES, CONN_BUFFERS_SPARE_MAX};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// One buffer of `CONN_BUFFER_BYTES`; dropping it gives it back to the thread's spares.
pub(super) struct Buffer(Option<Box<[u8]>>);

thread_local! {
    /// Spares of the socket thread: a busy connection takes and returns one with every command.
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

impl Buffer {
    /// A buffer; its content is whatever the last holder left (nobody reads what was not written).
    pub(super) fn take() -> Self {
        let spare = SPARE.with(|spare| spare.borrow_mut().pop());
        Buffer(Some(spare.unwrap_or_else(|| {
            vec![0; CONN_BUFFER_BYTES].into_boxed_slice()
        })))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(bytes) = self.0.take() else { return };
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
        self.0.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spares_are_bounded_and_reused() {
        let held: Vec<Buffer> = (0..CONN_BUFFERS_SPARE_MAX + 1)
            .map(|_| Buffer::take())
            .collect();
        drop(held);
        SPARE.with(|spare| assert_eq!(spare.borrow().len(), CONN_BUFFERS_SPARE_MAX));
        let again = Buffer::take();
        assert_eq!(again.len(), CONN_BUFFER_BYTES);
        SPARE.with(|spare| assert_eq!(spare.borrow().len(), CONN_BUFFERS_SPARE_MAX - 1));
    }
}
