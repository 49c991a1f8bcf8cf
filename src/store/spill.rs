//! Large messages: files in `incoming/` while they come in, in `messages/` (named after the email id) afterwards.
//!
//! A file of `incoming/` belongs to nobody until its record is in the log: dropped, it goes; after a crash,
//! [`Spills::sweep`] removes it. A file of `messages/` without a record is an orphan and goes there too.

use super::StoreError;
use super::disk::{Disk, DiskFile, Flush};
use super::ids::EmailId;
use super::log::message_path;
use crate::limits::CHUNK_BYTES;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all spills share: the disk, and how much is under way.
pub struct Spills {
    disk: Arc<dyn Disk>,
    random: fn(&mut [u8]),
    reserve_bytes: u64,
    /// Octets that spills under way may still write, as they were announced or found.
    under_way_bytes: AtomicU64,
}

/// A large body on its way in; dropped unfinished, its file goes.
pub struct Spill {
    file: Box<dyn DiskFile>,
    name: Incoming,
    bytes: u64,
    /// CRC32C of the whole chunks, and of the one that is being filled.
    crcs: Vec<u32>,
    open_crc: u32,
    /// Free space is claimed up to this length.
    claimed_to: u64,
}

/// A finished and flushed file of `incoming/`; dropped without a commit, it goes.
pub struct Spilled {
    name: Incoming,
    bytes: u64,
    crcs: Vec<u32>,
}

/// A name in `incoming/` that removes itself, and its claim on free space.
struct Incoming {
    spills: Arc<Spills>,
    path: Option<PathBuf>,
    claimed_bytes: u64,
}

/// Free space is asked for once per this many octets written.
const CLAIM_BYTES: u64 = 1024 * 1024;

impl Spills {
    /// Makes the two directories. New mail is refused when less than `reserve_bytes` would stay free.
    pub fn new(
        disk: Arc<dyn Disk>,
        random: fn(&mut [u8]),
        reserve_bytes: u64,
    ) -> Result<Arc<Spills>, StoreError> {
        for directory in ["incoming", "messages"] {
            disk.create_dir(Path::new(directory)).map_err(|error| {
                StoreError(format!("cannot make the directory {directory}: {error}"))
            })?;
        }
        let under_way_bytes = AtomicU64::new(0);
        Ok(Arc::new(Spills {
            disk,
            random,
            reserve_bytes,
            under_way_bytes,
        }))
    }

    /// Opens a new file. Refused when free space (spills under way counted) is at the reserve.
    pub fn create(self: &Arc<Self>) -> Result<Spill, StoreError> {
        let mut random = [0; 16];
        (self.random)(&mut random);
        let mut name = Incoming {
            spills: self.clone(),
            path: None,
            claimed_bytes: 0,
        };
        name.claim()?;
        let path = Path::new("incoming").join(hex(&random));
        let file = self
            .disk
            .open(&path, true)
            .map_err(|error| failed("make", &path, &error))?;
        name.path = Some(path);
        Ok(Spill {
            file,
            name,
            bytes: 0,
            crcs: Vec::new(),
            open_crc: 0,
            claimed_to: CLAIM_BYTES,
        })
    }

    /// Free octets above the reserve, spills under way taken off: what new mail may use.
    pub fn room_bytes(&self) -> Result<u64, StoreError> {
        let free = self
            .disk
            .free_bytes()
            .map_err(|error| StoreError(format!("cannot ask for free space: {error}")))?;
        let kept = self.reserve_bytes + self.under_way_bytes.load(Ordering::Relaxed);
        Ok(free.saturating_sub(kept))
    }

    /// At open, after the replay: removes everything of `incoming/`, and the files of `messages/` that no record
    /// names. Returns how many went.
    pub fn sweep(&self, is_wanted: &mut dyn FnMut(EmailId) -> bool) -> Result<usize, StoreError> {
        let mut removed = 0;
        for directory in ["incoming", "messages"] {
            let path = Path::new(directory);
            let names = self
                .disk
                .list(path)
                .map_err(|error| failed("list", path, &error))?;
            for name in names {
                // A name that is no email id is none of ours: it stays.
                let Some(email) = email_of(&name) else {
                    continue;
                };
                if directory == "messages" && is_wanted(email) {
                    continue;
                }
                let path = path.join(name);
                self.disk
                    .remove(&path)
                    .map_err(|error| failed("remove", &path, &error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the file of a content that nobody needs any more; being gone already is no error.
    pub fn remove_message(&self, email: EmailId) -> Result<(), StoreError> {
        let path = message_path(email);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

impl Spill {
    /// Opens a new file. Refused when free space (spills under way counted) is at the reserve.
    pub fn create(shared: &Arc<super::Shared>) -> Result<Spill, StoreError> {
        shared.spills().create()
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let end = self.bytes + bytes.len() as u64;
        if end > self.claimed_to {
            // What was written has left the free space by itself.
            self.name.unclaim();
            self.name.claim()?;
            self.claimed_to = end + CLAIM_BYTES;
        }
        let path = self.name.path.as_deref().unwrap_or(Path::new("incoming"));
        self.file
            .write_at(&[bytes], self.bytes)
            .map_err(|error| failed("write", path, &error))?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let filled = (self.bytes % CHUNK_BYTES as u64) as usize;
            let (part, behind) = rest.split_at(rest.len().min(CHUNK_BYTES - filled));
            self.open_crc = crc32c::crc32c_append(self.open_crc, part);
            self.bytes += part.len() as u64;
            if filled + part.len() == CHUNK_BYTES {
                self.crcs.push(std::mem::take(&mut self.open_crc));
            }
            rest = behind;
        }
        Ok(())
    }

    /// Flushes; only a finished file can be committed.
    pub fn finish(mut self) -> Result<Spilled, StoreError> {
        if !self.bytes.is_multiple_of(CHUNK_BYTES as u64) {
            self.crcs.push(self.open_crc);
        }
        let path = self.name.path.as_deref().unwrap_or(Path::new("incoming"));
        self.file
            .sync_data(Flush::MessageFile)
            .map_err(|error| failed("flush", path, &error))?;
        // Its octets are on the disk now, so free space knows of them.
        self.name.unclaim();
        Ok(Spilled {
            name: self.name,
            bytes: self.bytes,
            crcs: self.crcs,
        })
    }

    /// Octets so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Spilled {
    /// Octets.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The CRC32C of each chunk, for `EntryContent::File`.
    pub fn chunk_crcs(&self) -> &[u32] {
        &self.crcs
    }

    /// Fills `into` from `at` as far as there are octets (for a scan before the commit).
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, StoreError> {
        let path = self.name.path.as_deref().unwrap_or(Path::new("incoming"));
        let open = self.name.spills.disk.open(path, false);
        open.and_then(|file| file.read_at(into, at))
            .map_err(|error| failed("read", path, &error))
    }

    /// Gives the file its name for ever and makes that durable. The writer calls this just before it appends the
    /// record; when that fails, [`Spills::remove_message`] undoes it (and so does the sweep at the next open).
    /// Returns the CRC32C of each chunk.
    pub fn keep(mut self, email: EmailId) -> Result<Vec<u32>, StoreError> {
        let to = message_path(email);
        let disk = self.name.spills.disk.clone();
        let from = self.name.path.as_deref().unwrap_or(Path::new("incoming"));
        disk.rename(from, &to)
            .map_err(|error| failed("rename", from, &error))?;
        self.name.path = Some(to.clone());
        disk.sync_dir(Path::new("messages"), Flush::MessageName)
            .map_err(|error| failed("flush the name of", &to, &error))?;
        self.name.path = None;
        Ok(std::mem::take(&mut self.crcs))
    }
}

impl Incoming {
    /// Claims another piece of the free space.
    fn claim(&mut self) -> Result<(), StoreError> {
        if self.spills.room_bytes()? < CLAIM_BYTES {
            return Err(StoreError(
                "disk is full: free space has come down to the reserve; expunge mail or make room"
                    .into(),
            ));
        }
        self.spills
            .under_way_bytes
            .fetch_add(CLAIM_BYTES, Ordering::Relaxed);
        self.claimed_bytes += CLAIM_BYTES;
        Ok(())
    }

    fn unclaim(&mut self) {
        let claimed = std::mem::take(&mut self.claimed_bytes);
        self.spills
            .under_way_bytes
            .fetch_sub(claimed, Ordering::Relaxed);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.unclaim();
        if let Some(path) = self.path.take() {
            // What stays here by an error is swept at the next open.
            let _ = self.spills.disk.remove(&path);
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn email_of(name: &str) -> Option<EmailId> {
    let number = u128::from_str_radix(name, 16).ok()?;
    let ours = name.len() == 32 && !name.starts_with('+');
    ours.then_some(EmailId(number.to_be_bytes()))
}

fn failed(doing: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError(format!(
        "cannot {doing} {}: {error}; see whether the disk is healthy and has room",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::full::FullDisk;
    use crate::store::disk::recording::RecordingDisk;
    use crate::store::record::frame::chunk_crcs;
    use std::sync::atomic::AtomicU8;

    fn random(into: &mut [u8]) {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        into.fill(NEXT.fetch_add(1, Ordering::Relaxed));
    }

    fn names(disk: &dyn Disk) -> [usize; 2] {
        ["incoming", "messages"].map(|path| disk.list(Path::new(path)).unwrap().len())
    }

    #[test]
    fn checksums_are_those_of_the_chunks_however_the_octets_come() {
        let disk = Arc::new(RecordingDisk::new());
        let spills = Spills::new(disk.clone(), random, 0).unwrap();
        let octets: Vec<u8> = (0..3 * CHUNK_BYTES).map(|n| (n / 7) as u8).collect();
        for bytes in [
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            3 * CHUNK_BYTES,
        ] {
            for step in [1000, CHUNK_BYTES, 50_000] {
                let mut spill = spills.create().unwrap();
                for piece in octets[..bytes].chunks(step) {
                    spill.write(piece).unwrap();
                }
                let spilled = spill.finish().unwrap();
                assert_eq!(spilled.chunk_crcs(), chunk_crcs(&octets[..bytes]));
                let mut back = vec![0; bytes + 1];
                assert_eq!(spilled.read_at(0, &mut back).unwrap(), bytes);
                assert_eq!(back[..bytes], octets[..bytes]);
            }
        }
        assert_eq!(names(&*disk), [0, 0]);
    }

    #[test]
    fn a_file_is_kept_by_its_name_or_goes() {
        let disk = Arc::new(RecordingDisk::new());
        let spills = Spills::new(disk.clone(), random, 0).unwrap();
        let unfinished = spills.create().unwrap();
        let finished = spills.create().unwrap().finish().unwrap();
        assert_eq!(names(&*disk), [2, 0]);
        drop((unfinished, finished));
        assert_eq!(names(&*disk), [0, 0]);
        for number in 1..=3 {
            let spilled = spills.create().unwrap().finish().unwrap();
            spilled.keep(EmailId([number; 16])).unwrap();
        }
        std::mem::forget(spills.create().unwrap());
        assert_eq!(names(&*disk), [1, 3]);
        let removed = spills
            .sweep(&mut |email| email == EmailId([2; 16]))
            .unwrap();
        assert_eq!((removed, names(&*disk)), (3, [0, 1]));
        spills.remove_message(EmailId([2; 16])).unwrap();
        spills.remove_message(EmailId([2; 16])).unwrap();
        assert_eq!(names(&*disk), [0, 0]);
    }

    #[test]
    fn what_is_under_way_counts_against_free_space() {
        let full = Arc::new(FullDisk::new(Arc::new(RecordingDisk::new()), 0));
        let spills = Spills::new(full.clone(), random, 500).unwrap();
        for (room, granted) in [
            (CLAIM_BYTES - 1, 0),
            (CLAIM_BYTES, 1),
            (CLAIM_BYTES + 1, 1),
            (2 * CLAIM_BYTES, 2),
        ] {
            full.resize(500 + room);
            let open: Vec<Spill> = std::iter::from_fn(|| spills.create().ok())
                .take(9)
                .collect();
            assert_eq!(open.len(), granted, "{room}");
        }
        assert_eq!(spills.room_bytes().unwrap(), 2 * CLAIM_BYTES);
    }
}
