//! A disk that fails: the Nth operation, once or from then on. A write that fails has written half of its octets.

use super::{Disk, DiskFile, Flush};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands in front of another disk.
pub struct FailingDisk {
    inner: Arc<dyn Disk>,
    plan: Arc<Plan>,
}

/// How long a disk fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// One operation.
    Once,
    /// This many operations.
    For(u64),
    /// Every operation from then on.
    Forever,
}

struct Plan {
    done: AtomicU64,
    at: u64,
    lasting: Lasting,
}

struct FailingFile {
    inner: Box<dyn DiskFile>,
    plan: Arc<Plan>,
}

impl FailingDisk {
    /// Fails operation `at` (from 1).
    pub fn new(inner: Arc<dyn Disk>, at: u64, lasting: Lasting) -> FailingDisk {
        let plan = Arc::new(Plan {
            done: AtomicU64::new(0),
            at,
            lasting,
        });
        FailingDisk { inner, plan }
    }
    /// How many operations were asked for: a loop over `at` ends above this.
    pub fn operations(&self) -> u64 {
        self.plan.done.load(Ordering::Relaxed)
    }
}

impl Plan {
    fn step(&self) -> io::Result<()> {
        let number = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let fails = match self.lasting {
            Lasting::Once => number == self.at,
            Lasting::For(count) => (self.at..self.at + count).contains(&number),
            Lasting::Forever => number >= self.at,
        };
        match fails {
            true => Err(io::Error::other("the disk fails, as this test wants")),
            false => Ok(()),
        }
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        self.plan.step()?;
        let inner = self.inner.open(path, create)?;
        Ok(Box::new(FailingFile {
            inner,
            plan: self.plan.clone(),
        }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step()?;
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        self.inner.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.step()?;
        self.inner.create_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.plan.step()?;
        self.inner.list(path)
    }
    fn sync_dir(&self, path: &Path, which: Flush) -> io::Result<()> {
        self.plan.step()?;
        self.inner.sync_dir(path, which)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.plan.step()?;
        self.inner.free_bytes()
    }
}

impl DiskFile for FailingFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.plan.step()?;
        self.inner.read_at(into, offset)
    }
    fn write_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        if let Err(error) = self.plan.step() {
            let octets = bufs.concat();
            self.inner
                .write_at(&[&octets[..octets.len() / 2]], offset)?;
            return Err(error);
        }
        self.inner.write_at(bufs, offset)
    }
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.plan.step()?;
        self.inner.allocate(bytes)
    }
    /// A failed flush has flushed nothing; the octets are still what a reader sees.
    fn sync_data(&self, which: Flush) -> io::Result<()> {
        self.plan.step()?;
        self.inner.sync_data(which)
    }
    fn len(&self) -> io::Result<u64> {
        self.plan.step()?;
        self.inner.len()
    }
}
