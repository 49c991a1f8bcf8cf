//! A disk in memory that remembers every operation in order, and can say what would be left of it after a power cut
//! behind any of them.
//!
//! What is durable: the octets of a file up to its last `sync_data`; a name up to the last `sync_dir` of its
//! directory (a rename: of the directory that it goes into). Directories themselves are durable at once. Of the rest
//! a [`Crash`] keeps nothing, everything, or a seeded choice.

use super::{Disk, DiskFile, Flush};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The recording disk. A clone is the same disk.
#[derive(Clone, Default)]
pub struct RecordingDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    image: Image,
    operations: Vec<Operation>,
    omitted: Option<Flush>,
    /// What the disk held before the first operation.
    start: Image,
}

/// Files by number, names of files.
#[derive(Clone, Default)]
struct Image {
    files: Vec<Sparse>,
    names: BTreeMap<PathBuf, usize>,
}

/// A file that takes memory only for blocks that were written.
#[derive(Clone, Default)]
struct Sparse {
    blocks: BTreeMap<u64, Box<[u8]>>,
    len: u64,
}

/// One change of the disk, or one flush.
#[derive(Clone, Debug)]
enum Operation {
    Create {
        path: PathBuf,
        file: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: usize,
    },
    Remove {
        path: PathBuf,
    },
    Write {
        file: usize,
        offset: u64,
        octets: Arc<[u8]>,
    },
    Allocate {
        file: usize,
        bytes: u64,
    },
    SyncFile {
        file: usize,
        which: Flush,
    },
    SyncDir {
        path: PathBuf,
        which: Flush,
    },
}

/// What a power cut leaves of what was not flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// Nothing.
    Dropped,
    /// Everything: the process was killed, the machine went on.
    Kept,
    /// Some of the 4 KiB pages and names, in whatever order they were written.
    Reordered(u64),
    /// Some of the 512-octet sectors and names.
    Torn(u64),
}

const PAGE: u64 = 4096;
const SECTOR: u64 = 512;

impl RecordingDisk {
    /// An empty disk.
    pub fn new() -> RecordingDisk {
        RecordingDisk::default()
    }

    /// From now on flushes of this kind do nothing: the crash test must then fail.
    pub fn omit(&self, which: Flush) {
        self.inner().omitted = Some(which);
    }

    /// How many operations were recorded.
    pub fn operations(&self) -> usize {
        self.inner().operations.len()
    }

    /// How many flushes of one kind were recorded.
    pub fn flushes(&self, which: Flush) -> usize {
        let inner = self.inner();
        let flushed = |operation: &&Operation| match operation {
            Operation::SyncFile { which: w, .. } | Operation::SyncDir { which: w, .. } => {
                *w == which
            }
            _ => false,
        };
        inner.operations.iter().filter(flushed).count()
    }

    /// Octets that a device would have been sent: whole pages of every write.
    pub fn page_bytes(&self) -> u64 {
        let inner = self.inner();
        let pages = inner.operations.iter().map(|operation| match operation {
            Operation::Write { offset, octets, .. } => {
                (offset + octets.len() as u64).next_multiple_of(PAGE) - offset / PAGE * PAGE
            }
            _ => 0,
        });
        pages.sum()
    }

    /// A new disk with what a power cut after the first `count` operations leaves.
    pub fn after(&self, count: usize, crash: Crash) -> RecordingDisk {
        let inner = self.inner();
        let image = inner.crashed(count, crash);
        let (start, operations, omitted) = (image.clone(), Vec::new(), inner.omitted);
        let inner = Inner {
            image,
            operations,
            omitted,
            start,
        };
        RecordingDisk {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The same disk as it was behind the first `count` operations, what was not flushed still in doubt: the machine
    /// goes on after its process was killed, and may yet lose power.
    pub fn continued(&self, count: usize) -> RecordingDisk {
        let inner = self.inner();
        let count = count.min(inner.operations.len());
        let inner = Inner {
            image: inner.crashed(count, Crash::Kept),
            operations: inner.operations[..count].to_vec(),
            omitted: inner.omitted,
            start: inner.start.clone(),
        };
        RecordingDisk {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Inverts octets of a file behind everybody's back.
    pub fn damage(&self, path: &Path, offset: u64, count: u64) {
        let mut inner = self.inner();
        let Some(&file) = inner.image.names.get(path) else {
            return;
        };
        let file = &mut inner.image.files[file];
        for at in offset..offset + count {
            let mut octet = [0];
            file.read(&mut octet, at);
            file.write(&[octet[0] ^ 0xff], at);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn record(&mut self, operation: Operation) {
        let which = match &operation {
            Operation::SyncFile { which, .. } | Operation::SyncDir { which, .. } => Some(*which),
            _ => None,
        };
        if which.is_none() || which != self.omitted {
            self.image.apply(&operation, &mut |_| true, PAGE);
            self.operations.push(operation);
        }
    }

    fn crashed(&self, count: usize, crash: Crash) -> Image {
        let operations = &self.operations[..count.min(self.operations.len())];
        let mut image = self.start.clone();
        let (seed, unit) = match crash {
            Crash::Dropped | Crash::Kept => (0, PAGE),
            Crash::Reordered(seed) => (seed, PAGE),
            Crash::Torn(seed) => (seed, SECTOR),
        };
        let mut random = seed;
        for (operation, durable) in operations.iter().zip(durable(operations)) {
            image.apply(
                operation,
                &mut |_| match crash {
                    _ if durable => true,
                    Crash::Dropped => false,
                    Crash::Kept => true,
                    Crash::Reordered(_) | Crash::Torn(_) => next(&mut random) & 1 == 0,
                },
                unit,
            );
        }
        image
    }
}

/// Of each operation, whether a later flush made it durable.
fn durable(operations: &[Operation]) -> Vec<bool> {
    let mut files = BTreeSet::new();
    let mut directories = BTreeSet::new();
    let mut durable = vec![false; operations.len()];
    for (place, operation) in operations.iter().enumerate().rev() {
        durable[place] = match operation {
            Operation::SyncFile { file, .. } => files.insert(*file),
            Operation::SyncDir { path, .. } => directories.insert(path.as_path()),
            Operation::Write { file, .. } | Operation::Allocate { file, .. } => {
                files.contains(file)
            }
            Operation::Create { path, .. }
            | Operation::Rename { to: path, .. }
            | Operation::Remove { path } => path
                .parent()
                .is_some_and(|directory| directories.contains(directory)),
        };
    }
    durable
}

impl Image {
    /// Applies what `kept` keeps; a write is asked about in pieces of `unit` octets.
    fn apply(&mut self, operation: &Operation, kept: &mut dyn FnMut(u64) -> bool, unit: u64) {
        match operation {
            Operation::Create { path, file } => {
                // The file is there without its name too: what is flushed of it may get one by a rename.
                if self.files.len() <= *file {
                    self.files.resize(*file + 1, Sparse::default());
                }
                if kept(0) {
                    self.names.insert(path.clone(), *file);
                }
            }
            Operation::Rename { from, to, file } => {
                if kept(0) {
                    self.names.remove(from);
                    self.names.insert(to.clone(), *file);
                }
            }
            Operation::Remove { path } => {
                if kept(0) {
                    self.names.remove(path);
                }
            }
            Operation::Write {
                file,
                offset,
                octets,
            } => {
                let end = offset + octets.len() as u64;
                let mut at = *offset;
                while at < end {
                    let stop = ((at / unit + 1) * unit).min(end);
                    if kept(at) {
                        let piece = &octets[(at - offset) as usize..(stop - offset) as usize];
                        self.files[*file].write(piece, at);
                    }
                    at = stop;
                }
            }
            Operation::Allocate { file, bytes } => {
                if kept(0) {
                    let file = &mut self.files[*file];
                    file.len = file.len.max(*bytes);
                }
            }
            Operation::SyncFile { .. } | Operation::SyncDir { .. } => {}
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Sparse {
    fn write(&mut self, octets: &[u8], offset: u64) {
        let mut at = offset;
        let mut rest = octets;
        while !rest.is_empty() {
            let skip = (at % PAGE) as usize;
            let (piece, behind) = rest.split_at(rest.len().min(PAGE as usize - skip));
            let block = self
                .blocks
                .entry(at / PAGE)
                .or_insert_with(|| vec![0; PAGE as usize].into());
            block[skip..skip + piece.len()].copy_from_slice(piece);
            at += piece.len() as u64;
            rest = behind;
        }
        self.len = self.len.max(at);
    }

    fn read(&self, into: &mut [u8], offset: u64) -> usize {
        let count = self.len.saturating_sub(offset).min(into.len() as u64) as usize;
        let mut done = 0;
        while done < count {
            let at = offset + done as u64;
            let skip = (at % PAGE) as usize;
            let piece = &mut into[done..count];
            let length = piece.len().min(PAGE as usize - skip);
            match self.blocks.get(&(at / PAGE)) {
                Some(block) => piece[..length].copy_from_slice(&block[skip..skip + length]),
                None => piece[..length].fill(0),
            }
            done += length;
        }
        count
    }
}

struct RecordingFile {
    disk: RecordingDisk,
    file: usize,
}

impl Disk for RecordingDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner();
        let file = if create {
            if inner.image.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = inner.image.files.len();
            inner.record(Operation::Create {
                path: path.into(),
                file,
            });
            file
        } else {
            inner.image.file(path)?
        };
        Ok(Box::new(RecordingFile {
            disk: self.clone(),
            file,
        }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        let file = inner.image.file(from)?;
        inner.record(Operation::Rename {
            from: from.into(),
            to: to.into(),
            file,
        });
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.image.file(path)?;
        inner.record(Operation::Remove { path: path.into() });
        Ok(())
    }
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        let names = inner
            .image
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        Ok(names
            .filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()))
            .collect())
    }
    fn sync_dir(&self, path: &Path, which: Flush) -> io::Result<()> {
        self.inner().record(Operation::SyncDir {
            path: path.into(),
            which,
        });
        Ok(())
    }
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX / 2)
    }
}

impl DiskFile for RecordingFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.disk.inner().image.files[self.file].read(into, offset))
    }
    fn write_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        let octets = bufs.concat().into();
        let file = self.file;
        self.disk.inner().record(Operation::Write {
            file,
            offset,
            octets,
        });
        Ok(())
    }
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let file = self.file;
        self.disk
            .inner()
            .record(Operation::Allocate { file, bytes });
        Ok(())
    }
    fn sync_data(&self, which: Flush) -> io::Result<()> {
        let file = self.file;
        self.disk
            .inner()
            .record(Operation::SyncFile { file, which });
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.inner().image.files[self.file].len)
    }
}

/// SplitMix64: the same seed gives the same crash.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &RecordingDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(path), false).ok()?;
        let mut octets = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut octets, 0).unwrap();
        Some(octets)
    }

    #[test]
    fn only_what_was_flushed_is_left() {
        let disk = RecordingDisk::new();
        let file = disk.open(Path::new("d/a"), true).unwrap();
        file.write_at(&[b"one", b"two"], 0).unwrap();
        file.sync_data(Flush::MessageFile).unwrap();
        file.write_at(&[b"three"], 6).unwrap();
        assert_eq!(read(&disk.after(4, Crash::Dropped), "d/a"), None);
        disk.sync_dir(Path::new("d"), Flush::MessageName).unwrap();
        disk.rename(Path::new("d/a"), Path::new("d/b")).unwrap();
        let all = disk.operations();
        let left = disk.after(all, Crash::Dropped);
        assert_eq!(read(&left, "d/a").as_deref(), Some(&b"onetwo"[..]));
        assert_eq!(read(&left, "d/b"), None);
        let left = disk.after(all, Crash::Kept);
        assert_eq!(read(&left, "d/b").as_deref(), Some(&b"onetwothree"[..]));
        assert_eq!(left.list(Path::new("d")).unwrap(), ["b"]);
    }

    #[test]
    fn a_torn_write_keeps_whole_sectors() {
        let disk = RecordingDisk::new();
        let file = disk.open(Path::new("a"), true).unwrap();
        disk.sync_dir(Path::new(""), Flush::SegmentName).unwrap();
        file.write_at(&[&[1; 8192]], 0).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let octets = read(&disk.after(9, Crash::Torn(seed)), "a").unwrap();
            assert!(octets.chunks(512).all(|s| s.iter().all(|o| *o == s[0])));
            seen.insert(octets);
        }
        assert!(seen.len() > 10);
    }

    #[test]
    fn an_omitted_flush_does_nothing() {
        let disk = RecordingDisk::new();
        disk.omit(Flush::Batch);
        let file = disk.open(Path::new("a"), true).unwrap();
        disk.sync_dir(Path::new(""), Flush::SegmentName).unwrap();
        file.write_at(&[b"x"], 0).unwrap();
        file.sync_data(Flush::Batch).unwrap();
        assert_eq!(disk.flushes(Flush::Batch), 0);
        assert_eq!(read(&disk.after(9, Crash::Dropped), "a").unwrap(), b"");
    }
}
