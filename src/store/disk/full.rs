//! A disk with a budget of octets: what goes beyond fails with "no space left". Files that go give their room back.

use super::{Disk, DiskFile, Flush};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands in front of another disk, empty at first.
pub struct FullDisk {
    inner: Arc<dyn Disk>,
    room: Arc<Room>,
}

struct Room {
    used_bytes: AtomicU64,
    budget_bytes: AtomicU64,
}

struct FullFile {
    inner: Box<dyn DiskFile>,
    room: Arc<Room>,
}

impl FullDisk {
    /// A disk of `budget_bytes`.
    pub fn new(inner: Arc<dyn Disk>, budget_bytes: u64) -> FullDisk {
        let (used_bytes, budget_bytes) = (AtomicU64::new(0), AtomicU64::new(budget_bytes));
        FullDisk {
            inner,
            room: Arc::new(Room {
                used_bytes,
                budget_bytes,
            }),
        }
    }
    /// Makes the disk larger or smaller; what is there stays.
    pub fn resize(&self, budget_bytes: u64) {
        self.room
            .budget_bytes
            .store(budget_bytes, Ordering::Relaxed);
    }
    /// Octets of all files.
    pub fn used_bytes(&self) -> u64 {
        self.room.used_bytes.load(Ordering::Relaxed)
    }
}

impl Room {
    fn free(&self) -> u64 {
        let budget = self.budget_bytes.load(Ordering::Relaxed);
        budget.saturating_sub(self.used_bytes.load(Ordering::Relaxed))
    }
    /// Tests write from one thread at a time, so looking and taking need not be one step.
    fn take(&self, bytes: u64) -> io::Result<()> {
        if bytes > self.free() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Disk for FullDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.inner.open(path, create)?;
        Ok(Box::new(FullFile {
            inner,
            room: self.room.clone(),
        }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let bytes = self.inner.open(path, false)?.len()?;
        self.inner.remove(path)?;
        self.room.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(())
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }
    fn sync_dir(&self, path: &Path, which: Flush) -> io::Result<()> {
        self.inner.sync_dir(path, which)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.room.free())
    }
}

impl DiskFile for FullFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(into, offset)
    }
    fn write_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        let end = offset + bufs.iter().map(|buf| buf.len() as u64).sum::<u64>();
        self.room.take(end.saturating_sub(self.inner.len()?))?;
        self.inner.write_at(bufs, offset)
    }
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.room.take(bytes.saturating_sub(self.inner.len()?))?;
        self.inner.allocate(bytes)
    }
    fn sync_data(&self, which: Flush) -> io::Result<()> {
        self.inner.sync_data(which)
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::recording::RecordingDisk;
    use super::*;

    #[test]
    fn the_budget_holds_to_the_octet() {
        let disk = FullDisk::new(Arc::new(RecordingDisk::new()), 10);
        let a = disk.open(Path::new("a"), true).unwrap();
        a.write_at(&[b"123456"], 0).unwrap();
        a.write_at(&[b"xx"], 2).unwrap();
        let full = a.write_at(&[b"78901"], 6).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        a.allocate(10).unwrap();
        assert!(a.allocate(11).is_err());
        assert_eq!(disk.free_bytes().unwrap(), 0);
        disk.remove(Path::new("a")).unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 10);
    }
}
