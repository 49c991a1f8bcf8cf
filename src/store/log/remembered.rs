//! The chunk of a content that a thread read last, and what was read of the log along with it.
//!
//! Messages of a mailbox often lie one after another in the log. When two that do were asked for, the next read takes
//! as many octets as the buffer holds, and the records that lie in them cost no read of their own. What was read
//! ahead may have been written since: whoever finds it wrong reads it again before taking it for damaged.

use super::Location;
use super::content::{HEAD_BYTES, read_exact, read_patiently};
use crate::limits::CHUNK_BYTES;
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
    /// What lies in the buffer as it lies in the log, if it does.
    window: Option<Window>,
    /// Where the last record began and how far its read was to go.
    last: Option<Window>,
    /// Where in the buffer the record begins that [`Remembered::read_head`] showed last.
    head_at: usize,
    /// That one lay in the window already.
    ahead: bool,
    /// At most `HEAD_BYTES` and a chunk; grows to what was needed and stays.
    buffer: Vec<u8>,
}

/// Octets of a segment.
#[derive(Clone, Copy)]
struct Window {
    from: Location,
    bytes: usize,
}

/// Records with no more than so much between them lie one after another (a batch starts on a block).
const GAP_BYTES_MAX: usize = 8 * 1024;

impl Window {
    /// Where `at` lies behind its start, if it is the same life of the same segment.
    fn offset_of(&self, at: Location) -> Option<usize> {
        let same = (self.from.segment, self.from.generation) == (at.segment, at.generation);
        let offset = at.offset.checked_sub(self.from.offset)?;
        same.then_some(offset as usize)
    }
}

impl Remembered {
    const NONE: Remembered = Remembered {
        serial: 0,
        number: 0,
        range: 0..0,
        checked: false,
        window: None,
        last: None,
        head_at: 0,
        ahead: false,
        buffer: Vec::new(),
    };

    /// What lies there is nobody's.
    pub fn forget(&mut self) {
        (self.serial, self.window, self.ahead) = (0, None, false);
    }

    /// Whether it was read before somebody asked for it.
    pub fn was_read_ahead(&self) -> bool {
        self.ahead
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

    /// The first octets of a record, as far as they can be read: its head and `content_bytes` octets more. With
    /// none of those wanted, they are read from the disk in any case.
    pub fn read_head(&mut self, file: &dyn DiskFile, at: Location, content_bytes: usize) -> &[u8] {
        self.serial = 0;
        let count = HEAD_BYTES + content_bytes;
        let in_window = self.window.and_then(|window| {
            let offset = window.offset_of(at)?;
            (content_bytes > 0 && offset + count <= window.bytes).then_some(offset)
        });
        self.ahead = in_window.is_some();
        self.head_at = in_window.unwrap_or(0);
        self.range = match in_window {
            Some(offset) => offset..offset + count,
            None => 0..self.read_window(file, at, content_bytes),
        };
        self.last = (content_bytes > 0).then_some(Window {
            from: at,
            bytes: count,
        });
        &self.buffer[self.range.clone()]
    }

    /// Reads from `at` on: what is wanted, or what the buffer holds when the record before was the last that was read.
    fn read_window(&mut self, file: &dyn DiskFile, at: Location, content_bytes: usize) -> usize {
        let follows = |last: Window| {
            last.offset_of(at)
                .is_some_and(|offset| (1..=last.bytes + GAP_BYTES_MAX).contains(&offset))
        };
        let bytes = match content_bytes > 0 && self.last.is_some_and(follows) {
            true => HEAD_BYTES + CHUNK_BYTES,
            false => HEAD_BYTES + content_bytes,
        };
        // A read that fails here fails again where its octets are asked for, and is reported there.
        let bytes = read_patiently(file, self.room(bytes), at.offset.into()).unwrap_or(0);
        self.window = Some(Window { from: at, bytes });
        bytes
    }

    /// What [`Remembered::read_head`] read goes on to the end of the first chunk, perhaps.
    pub fn keep_first(&mut self, serial: u64, content_at: u64, bytes: usize) {
        let from = self.head_at + content_at as usize;
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
        self.forget();
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
