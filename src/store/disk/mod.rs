//! The small trait through which the store reaches files, so that a recording, failing or full disk can stand under
//! it in tests. Paths are relative to the data directory.

pub mod failing;
pub mod full;
pub mod real;
pub mod recording;

use std::io;
use std::path::Path;

/// Every place of the store that flushes. A test disk can leave one out: the crash test must then fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Flush {
    /// The batch that is being acknowledged.
    Batch,
    /// A new segment's name in its directory.
    SegmentName,
    /// A segment marked free or recycled.
    SegmentHeader,
    /// A large message's octets.
    MessageFile,
    /// A large message's name in its directory.
    MessageName,
}

/// Files below one directory.
pub trait Disk: Send + Sync {
    /// Opens for reading and writing; `create` makes it (it must not exist then).
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Renames (replacing).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory (and is content if it exists).
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Flushes a directory: names in it are durable.
    fn sync_dir(&self, path: &Path, which: Flush) -> io::Result<()>;
    /// Free octets for this process.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// One open file.
pub trait DiskFile: Send + Sync {
    /// Fills as much of `into` as there is.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bufs`, one behind another.
    fn write_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Makes sure that the first `bytes` octets have a place on the disk; new ones read as zeros.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// fdatasync.
    fn sync_data(&self, which: Flush) -> io::Result<()>;
    /// Octets.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has none.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
