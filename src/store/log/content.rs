//! Random reads: one record, or ranges of its content, each chunk checked as it is read.

use super::table::{Lease, Segments};
use super::{Location, disk_error};
use crate::limits::{CHUNK_BYTES, RECORD_META_BYTES_MAX};
use crate::store::StoreError;
use crate::store::disk::{DiskFile, Flush};
use crate::store::ids::{EmailId, Lsn};
use crate::store::record::frame::{FRAME_BYTES, Frame, FrameError};
use crate::store::record::{ContentPlace, Record, decode};
use std::path::PathBuf;
use std::sync::Arc;

/// An open content: its segment is leased until this is dropped, and a message file is held open.
pub struct LogContent {
    file: Arc<dyn DiskFile>,
    /// Where the content starts in `file`.
    starts_at: u64,
    bytes: u64,
    crcs: Vec<u32>,
    name: String,
    _lease: Lease,
}

/// How often a read is tried before its octets are taken for lost.
const READ_ATTEMPTS: usize = 3;

/// The file of a large message.
pub fn message_path(email: EmailId) -> PathBuf {
    let hex: String = email.0.iter().map(|octet| format!("{octet:02x}")).collect();
    PathBuf::from("messages").join(hex)
}

impl Segments {
    /// Opens the content of the message or relocation record at `at` for reading; checks that it is `email`'s.
    pub fn content(
        self: &Arc<Self>,
        at: Location,
        email: EmailId,
    ) -> Result<LogContent, StoreError> {
        self.content_and_record(at, email)
            .map(|(content, _)| content)
    }

    /// The same with the record: what serving a message needs, by one read of the record's head.
    pub fn content_and_record(
        self: &Arc<Self>,
        at: Location,
        email: EmailId,
    ) -> Result<(LogContent, Record), StoreError> {
        let lease = self
            .lease(at)
            .ok_or_else(|| damaged(at, "its segment was recycled"))?;
        let file = self.file(at.segment)?;
        let head = Head::read(&*file, at);
        let frame = self.frame(&head, at)?;
        if frame.email != email {
            return Err(damaged(at, "it holds another message"));
        }
        let record = record_of(&head, at, &frame)?;
        let crcs = chunk_list(&head, at, &frame)?;
        let (file, starts_at, name) = match frame.place {
            ContentPlace::Inline => (
                file,
                u64::from(at.offset) + frame.content_at(),
                format!("log segment {:08}", at.segment),
            ),
            ContentPlace::File => {
                let path = message_path(email);
                let name = path.display().to_string();
                let open = self.disk.open(&path, false);
                let file =
                    open.map_err(|error| disk_error(&format!("cannot open {name}"), &error))?;
                (Arc::from(file), 0, name)
            }
        };
        let content = LogContent {
            file,
            starts_at,
            bytes: frame.content_bytes,
            crcs,
            name,
            _lease: lease,
        };
        Ok((content, record))
    }

    /// Reads one record.
    pub fn record(&self, at: Location) -> Result<(Lsn, Record), StoreError> {
        let file = self.file(at.segment)?;
        let head = Head::read(&*file, at);
        let frame = self.frame(&head, at)?;
        Ok((frame.lsn, record_of(&head, at, &frame)?))
    }

    fn frame(&self, file: &dyn DiskFile, at: Location) -> Result<Frame, StoreError> {
        let salt = self
            .salt(at)
            .ok_or_else(|| damaged(at, "its segment was recycled"))?;
        let mut octets = [0; FRAME_BYTES];
        read_exact(file, &mut octets, at.offset.into())
            .ok_or_else(|| damaged(at, "its head cannot be read"))?;
        Frame::parse(&octets, salt, at.generation).map_err(|error| match error {
            FrameError::Bad => damaged(at, "its head has another checksum"),
            FrameError::Newer(why) => StoreError(why),
        })
    }
}

impl LogContent {
    /// Octets.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The CRC32C of each chunk (the relocation of a message file writes them again).
    pub fn chunk_crcs(&self) -> &[u32] {
        &self.crcs
    }

    /// Fills `into` from `at` as far as there are octets; checks each chunk that it touches. Whole chunks at chunk
    /// boundaries are read without a copy.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, StoreError> {
        let wanted = self.bytes.saturating_sub(at).min(into.len() as u64) as usize;
        let mut scratch = Vec::new();
        let mut done = 0;
        while done < wanted {
            let from = at + done as u64;
            let number = (from / CHUNK_BYTES as u64) as usize;
            let skip = (from % CHUNK_BYTES as u64) as usize;
            let chunk_bytes = self.chunk_bytes(number);
            let rest = &mut into[done..wanted];
            if skip == 0 && rest.len() >= chunk_bytes {
                self.read_chunk(number, &mut rest[..chunk_bytes])?;
                done += chunk_bytes;
            } else {
                scratch.resize(chunk_bytes, 0);
                self.read_chunk(number, &mut scratch)?;
                let count = rest.len().min(chunk_bytes - skip);
                rest[..count].copy_from_slice(&scratch[skip..skip + count]);
                done += count;
            }
        }
        Ok(done)
    }

    fn chunk_bytes(&self, number: usize) -> usize {
        let start = (number * CHUNK_BYTES) as u64;
        (self.bytes - start).min(CHUNK_BYTES as u64) as usize
    }

    fn read_chunk(&self, number: usize, into: &mut [u8]) -> Result<(), StoreError> {
        let offset = self.starts_at + (number * CHUNK_BYTES) as u64;
        let whole = read_exact(&*self.file, into, offset).is_some();
        if whole && self.crcs.get(number) == Some(&crc32c::crc32c(into)) {
            return Ok(());
        }
        Err(StoreError(format!(
            "{} is damaged at octet {offset}: this part of a message is lost; run `pillarbox store check` and look at the disk",
            self.name
        )))
    }
}

fn damaged(at: Location, what: &str) -> StoreError {
    StoreError(format!(
        "log segment {:08} has no readable record at octet {}: {what}; run `pillarbox store check`",
        at.segment, at.offset
    ))
}

fn record_of(file: &dyn DiskFile, at: Location, frame: &Frame) -> Result<Record, StoreError> {
    let meta = read_meta(file, at.offset.into(), frame)
        .ok_or_else(|| damaged(at, "its variable part has another checksum"))?;
    decode(frame, &meta).map_err(|error| damaged(at, error.0))
}

/// The first octets of a record, read at once: its frame, chunk list and variable part nearly always lie within. What
/// does not is read from the file.
struct Head<'f> {
    file: &'f dyn DiskFile,
    starts_at: u64,
    octets: [u8; HEAD_BYTES],
    count: usize,
}

const HEAD_BYTES: usize = 512;

impl Head<'_> {
    fn read(file: &dyn DiskFile, at: Location) -> Head<'_> {
        let mut octets = [0; HEAD_BYTES];
        let starts_at = at.offset.into();
        // A read that fails here fails again where its octets are asked for, and is reported there.
        let count = read_patiently(file, &mut octets, starts_at).unwrap_or(0);
        Head {
            file,
            starts_at,
            octets,
            count,
        }
    }
}

impl DiskFile for Head<'_> {
    fn read_at(&self, into: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let held = &self.octets[..self.count];
        let from = offset
            .checked_sub(self.starts_at)
            .and_then(|from| usize::try_from(from).ok());
        match from.and_then(|from| held.get(from..from.checked_add(into.len())?)) {
            Some(octets) => {
                into.copy_from_slice(octets);
                Ok(octets.len())
            }
            None => self.file.read_at(into, offset),
        }
    }
    fn write_at(&self, bufs: &[&[u8]], offset: u64) -> std::io::Result<()> {
        self.file.write_at(bufs, offset)
    }
    fn allocate(&self, bytes: u64) -> std::io::Result<()> {
        self.file.allocate(bytes)
    }
    fn sync_data(&self, which: Flush) -> std::io::Result<()> {
        self.file.sync_data(which)
    }
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
}

/// The checked chunk list of a record.
fn chunk_list(file: &dyn DiskFile, at: Location, frame: &Frame) -> Result<Vec<u32>, StoreError> {
    read_list(file, at.offset.into(), frame)
        .ok_or_else(|| damaged(at, "its chunk list has another checksum"))
}

/// The chunk list of the record at `offset`; None when it is damaged.
pub(super) fn read_list(file: &dyn DiskFile, offset: u64, frame: &Frame) -> Option<Vec<u32>> {
    let mut octets = vec![0; frame.list_bytes()];
    read_exact(file, &mut octets, offset + FRAME_BYTES as u64)?;
    let (crcs, _) = octets.as_chunks::<4>();
    let whole = crc32c::crc32c(&octets) == frame.list_crc;
    whole.then(|| crcs.iter().map(|crc| u32::from_le_bytes(*crc)).collect())
}

/// The variable part of the record at `offset`; None when it is damaged.
pub(super) fn read_meta(file: &dyn DiskFile, offset: u64, frame: &Frame) -> Option<Vec<u8>> {
    let bytes = frame.meta_bytes as usize;
    if bytes > RECORD_META_BYTES_MAX {
        return None;
    }
    let mut meta = vec![0; bytes];
    read_exact(file, &mut meta, offset + frame.meta_at())?;
    (crc32c::crc32c(&meta) == frame.meta_crc).then_some(meta)
}

/// Fills `into`; None when the file ends before or cannot be read.
pub(super) fn read_exact(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> Option<()> {
    let count = read_patiently(file, into, offset).ok()?;
    (count == into.len()).then_some(())
}

/// Reads, and tries again: a card that fails once often succeeds the next time, and what is taken for lost stays lost.
pub(super) fn read_patiently(
    file: &dyn DiskFile,
    into: &mut [u8],
    offset: u64,
) -> std::io::Result<usize> {
    let mut result = file.read_at(into, offset);
    for _ in 1..READ_ATTEMPTS {
        if result.is_ok() {
            break;
        }
        result = file.read_at(into, offset);
    }
    result
}
