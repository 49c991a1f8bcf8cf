//! What writer, readers and watchers of one store share: cheap to ask from any thread.

use super::disk::Disk;
use super::ids::Lsn;
use super::index;
use super::lock::DirLock;
use super::log::Segments;
use super::reader::Reader;
use super::spill::Spills;
use super::state::StateReader;
use super::{Options, StoreError};
use crate::limits::SEGMENT_BYTES;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the store takes changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// It does.
    Well,
    /// The log holds more than the index could be told (no room, an I/O error): nothing more is taken until the
    /// index has caught up, which is tried again and again; why, for people.
    Behind(String),
    /// It only answers reads until it is opened anew; why, for people.
    ReadOnly(String),
}

/// What opening found worth saying, one line each.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OpenReport {
    /// For the journal: why the index was made anew, what was damaged.
    pub lines: Vec<String>,
    /// Files of messages without a record that were removed: a crash leaves them, nothing is wrong with the store.
    pub orphans: usize,
    /// Records replayed into the index.
    pub replayed: u64,
}

/// The shared part of an open store. Holds the lock of the data directory until the last user is gone.
pub struct Shared {
    pub(super) dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) segments: Arc<Segments>,
    pub(super) random: fn(&mut [u8]),
    spills: Arc<Spills>,
    visible: AtomicU64,
    health: Mutex<Health>,
    report: OpenReport,
    _lock: Option<DirLock>,
}

/// What [`Shared::new`] is made of beside the options.
pub(super) struct Parts {
    pub segments: Arc<Segments>,
    pub spills: Arc<Spills>,
    pub visible: Lsn,
    pub report: OpenReport,
    pub lock: Option<DirLock>,
}

impl Shared {
    pub(super) fn new(options: &Options, parts: Parts) -> Shared {
        Shared {
            dir: options.dir.clone(),
            disk: options.disk.clone(),
            segments: parts.segments,
            random: options.random,
            spills: parts.spills,
            visible: AtomicU64::new(parts.visible),
            health: Mutex::new(Health::Well),
            report: parts.report,
            _lock: parts.lock,
        }
    }

    /// The highest LSN whose effect every new read of a [`Reader`] sees.
    pub fn visible_lsn(&self) -> Lsn {
        self.visible.load(Ordering::Acquire)
    }

    pub(super) fn set_visible(&self, lsn: Lsn) {
        self.visible.store(lsn, Ordering::Release);
    }

    /// A reader of its own SQLite connection (1 MiB cache) over this store.
    pub fn reader(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let db = index::connect_reader(&index_path(&self.dir)).map_err(StoreError::index)?;
        Ok(Reader::new(db, StateReader::open(&self.dir)?, self.clone()))
    }

    /// Whether changes are taken.
    pub fn health(&self) -> Health {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_read_only(&self, why: &str) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if *health == Health::Well {
            *health = Health::ReadOnly(why.to_owned());
        }
    }

    pub(super) fn set_behind(&self, why: &str) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*health, Health::ReadOnly(_)) {
            *health = Health::Behind(why.to_owned());
        }
    }

    pub(super) fn set_caught_up(&self) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*health, Health::Behind(_)) {
            *health = Health::Well;
        }
    }

    /// What opening found.
    pub fn open_report(&self) -> &OpenReport {
        &self.report
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The disk under the log and the message files.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Large messages on their way in.
    pub fn spills(&self) -> &Arc<Spills> {
        &self.spills
    }

    /// Octets above the reserve that new mail may still take: free space and free segments, without what spills
    /// under way will need.
    pub fn room_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.spills.room_bytes()? + self.segments.free() as u64 * SEGMENT_BYTES)
    }
}

/// `index.sqlite` in a data directory.
pub fn index_path(dir: &Path) -> PathBuf {
    dir.join("index.sqlite")
}
