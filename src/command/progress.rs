//! How far long work on the store has come: counted in octets read, by a disk that counts and passes everything on.
//! On a terminal one line that is written over; otherwise a line now and then.

use crate::store::disk::{Disk, DiskFile, Flush};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ON_TERMINAL_EVERY: Duration = Duration::from_millis(250);
const IN_LINES_EVERY: Duration = Duration::from_secs(10);
/// Characters of the bar.
const BAR_WIDTH: u64 = 24;

/// Passes everything on and counts octets read.
pub struct CountingDisk {
    below: Arc<dyn Disk>,
    read: Arc<AtomicU64>,
}

struct CountingFile {
    below: Box<dyn DiskFile>,
    read: Arc<AtomicU64>,
}

impl CountingDisk {
    /// Over another disk.
    pub fn over(below: Arc<dyn Disk>) -> CountingDisk {
        CountingDisk {
            below,
            read: Arc::default(),
        }
    }

    /// The count.
    pub fn counter(&self) -> Arc<AtomicU64> {
        self.read.clone()
    }
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile {
            below: self.below.open(path, create)?,
            read: self.read.clone(),
        }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.below.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.below.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.below.create_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.below.list(path)
    }
    fn sync_dir(&self, path: &Path, which: Flush) -> io::Result<()> {
        self.below.sync_dir(path, which)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.below.free_bytes()
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let octets = self.below.read_at(into, offset)?;
        self.read.fetch_add(octets as u64, Ordering::Relaxed);
        Ok(octets)
    }
    fn write_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        self.below.write_at(bufs, offset)
    }
    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.below.allocate(bytes)
    }
    fn sync_data(&self, which: Flush) -> io::Result<()> {
        self.below.sync_data(which)
    }
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }
}

/// Shows progress until it is dropped.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows how much of `total` octets `count` has reached. The total is an estimate: it never shows more than 99 %.
    pub fn show(what: &'static str, count: Arc<AtomicU64>, total: u64) -> Progress {
        let (stop, stopped) = channel();
        let begun = Instant::now();
        let on_terminal = std::io::stderr().is_terminal();
        let every = match on_terminal {
            true => ON_TERMINAL_EVERY,
            false => IN_LINES_EVERY,
        };
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let done = count.load(Ordering::Relaxed);
                let line = line(what, done, total, begun.elapsed());
                // To the line's start and clear it (ECMA-48), or a line of its own.
                let _ = match on_terminal {
                    true => write!(std::io::stderr(), "\r\x1b[K{line}"),
                    false => writeln!(std::io::stderr(), "{line}"),
                };
            }
            if on_terminal {
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            }
        });
        Progress {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn line(what: &str, done: u64, total: u64, since: Duration) -> String {
    let total = total.max(1);
    let shown = done.min(total);
    let percent = (u128::from(shown) * 100 / u128::from(total)).min(99);
    let filled = (u128::from(shown) * u128::from(BAR_WIDTH) / u128::from(total)) as usize;
    let bar = format!(
        "{}{}",
        "#".repeat(filled),
        ".".repeat(BAR_WIDTH as usize - filled)
    );
    let millis = since.as_millis().max(1);
    let rate = u128::from(done) * 1000 / millis;
    let left = match rate {
        0 => "time left unknown".to_owned(),
        rate => duration(u128::from(total - shown) / rate),
    };
    let mib_tenths = rate * 10 / (1024 * 1024);
    format!(
        "{what} [{bar}] {percent} %, {}.{} MiB/s, {left}",
        mib_tenths / 10,
        mib_tenths % 10
    )
}

fn duration(secs: u128) -> String {
    match secs {
        0..60 => format!("{secs} s left"),
        60..3600 => format!("{} min {} s left", secs / 60, secs % 60),
        _ => format!("{} h {} min left", secs / 3600, secs / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left() {
        let at = |done, total, secs| line("reading", done, total, Duration::from_secs(secs));
        let mib = 1024 * 1024;
        assert_eq!(
            at(50 * mib, 200 * mib, 5),
            "reading [######..................] 25 %, 10.0 MiB/s, 15 s left"
        );
        assert!(at(0, 100, 1).ends_with("] 0 %, 0.0 MiB/s, time left unknown"));
        assert!(
            at(300 * mib, 200 * mib, 1).contains("] 99 %"),
            "an estimate may be passed"
        );
        assert!(at(mib, 600 * mib, 1).ends_with("9 min 59 s left"));
        assert!(at(mib, 8000 * mib, 1).ends_with("2 h 13 min left"));
        at(0, 0, 0);
    }
}
