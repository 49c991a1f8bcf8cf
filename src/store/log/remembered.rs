//! The chunk of a content that a thread read last.

use super::Location;
use super::content::{read_exact, read_patiently};
use crate::store::disk::DiskFile;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number for an open content that no other gets in this process.
pub fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

thread_local! {
    /// One chunk for each thread that reads contents: the lanes, so a handful. Contents are read front to back and in
    /// pieces; this is what keeps each of their chunks from being read twice.
    pub static REMEMBERED: RefCell<Remembered> = const { RefCell::new(Remembered::NONE) };
}

/// The chunk that was read last.
pub struct Remembered {
    /// Whose; 0 is nobody's.
    serial: u64,
    number: usize,
    /// Where it lies in `buffer`.
    range: Range<usize>,
    checked: bool,
    /// At most `HEAD_BYTES` and a chunk; grows to what was needed and stays.
    buffer: Vec<u8>,
}

impl Remembered {
    const NONE: Remembered = Remembered {
        serial: 0,
        number: 0,
        range: 0..0,
        checked: false,
        buffer: Vec::new(),
    };

    /// What lies there is nobody's.
    pub fn forget(&mut self) {
        self.serial = 0;
    }

    /// Whether it is chunk `number` of that content.
    pub fn holds(&self, serial: u64, number: usize) -> bool {
        self.serial == serial && self.number == number
    }

    /// Whether its octets have been compared with their checksum.
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// They are what was written.
    pub fn was_checked(&mut self) {
        self.checked = true;
    }

    /// None when its read failed.
    pub fn octets(&self) -> Option<&[u8]> {
        self.buffer.get(self.range.clone())
    }

    /// The first `count` octets of a record, as far as they can be read.
    pub fn read_head(&mut self, file: &dyn DiskFile, at: Location, count: usize) -> &[u8] {
        self.forget();
        // A read that fails here fails again where its octets are asked for, and is reported there.
        let count = read_patiently(file, self.room(count), at.offset.into()).unwrap_or(0);
        self.range = 0..count;
        &self.buffer[..count]
    }

    /// What [`Remembered::read_head`] read goes on to the end of the first chunk, perhaps.
    pub fn keep_first(&mut self, serial: u64, content_at: u64, bytes: usize) {
        let from = content_at as usize;
        if bytes > 0 && from + bytes <= self.range.end {
            (self.serial, self.number, self.checked) = (serial, 0, false);
            self.range = from..from + bytes;
        }
    }

    pub fn read(
        &mut self,
        file: &dyn DiskFile,
        serial: u64,
        (number, at, bytes): (usize, u64, usize),
    ) {
        let whole = read_exact(file, self.room(bytes), at).is_some();
        (self.serial, self.number, self.checked) = (serial, number, false);
        // Outside of the buffer: there are none.
        self.range = if whole {
            0..bytes
        } else {
            usize::MAX..usize::MAX
        };
    }

    fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.buffer.len() < bytes {
            self.buffer.resize(bytes, 0);
        }
        &mut self.buffer[..bytes]
    }
}
