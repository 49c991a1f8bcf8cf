//! Random reads: one record, or ranges of its content, each chunk checked as it is read.

use super::remembered::{REMEMBERED, Remembered, serial};
use super::table::{Lease, Segments};
use super::{Location, disk_error};
use crate::limits::{CHUNK_BYTES, RECORD_META_BYTES_MAX};
use crate::store::StoreError;
use crate::store::disk::DiskFile;
use crate::store::ids::{EmailId, Lsn};
use crate::store::record::frame::{FRAME_BYTES, Frame, FrameError};
use crate::store::record::{ContentMeta, ContentPlace, Record, decode, decode_content};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

/// An open content: its segment is leased until this is dropped, and a message file is held open.
pub struct LogContent {
    file: Arc<dyn DiskFile>,
    /// Where the content starts in `file`.
    starts_at: u64,
    bytes: u64,
    crcs: Vec<u32>,
    place: Where,
    /// Its name among the chunks that threads remember.
    serial: u64,
    _lease: Lease,
}

/// Where a content lies, for messages to people.
enum Where {
    Segment(u32),
    File(EmailId),
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
        self.content_and_meta(at, email, 0)
            .map(|(content, _)| content)
    }

    /// The same with what is known of it: what serving a message needs, by one read of the record's head. Of a content
    /// that is expected to have `inline_bytes` in the log that read takes the first chunk along, for the first
    /// [`LogContent::read_at`] of this thread; and the records behind it, when they are asked for one after another.
    pub fn content_and_meta(
        self: &Arc<Self>,
        at: Location,
        email: EmailId,
        inline_bytes: u64,
    ) -> Result<(LogContent, ContentMeta), StoreError> {
        REMEMBERED.with_borrow_mut(|chunk| {
            let opened = self.open_content(at, email, inline_bytes, chunk);
            if opened.is_err() && chunk.was_read_ahead() {
                // It was perhaps not yet written when it was read along with the record before it.
                chunk.forget();
                return self.open_content(at, email, inline_bytes, chunk);
            }
            opened
        })
    }

    fn open_content(
        self: &Arc<Self>,
        at: Location,
        email: EmailId,
        inline_bytes: u64,
        chunk: &mut Remembered,
    ) -> Result<(LogContent, ContentMeta), StoreError> {
        let (lease, salt) = self
            .lease_and_salt(at)
            .ok_or_else(|| damaged(at, "its segment was recycled"))?;
        let file = self.file(at.segment)?;
        let head = Head {
            file: &*file,
            starts_at: at.offset.into(),
            octets: chunk.read_head(&*file, at, inline_bytes.min(CHUNK_BYTES as u64) as usize),
        };
        let frame = head.frame(at, salt)?;
        if frame.email != email {
            return Err(damaged(at, "it holds another message"));
        }
        let meta = decode_content(&frame, &head.meta(at, &frame)?);
        let meta = meta.map_err(|error| damaged(at, error.0))?;
        let crcs = head.chunk_list(at, &frame)?;
        let serial = serial();
        let (file, starts_at, place) = match frame.place {
            ContentPlace::Inline => {
                let first_bytes = frame.content_bytes.min(CHUNK_BYTES as u64) as usize;
                chunk.keep_first(serial, frame.content_at(), first_bytes);
                let starts_at = u64::from(at.offset) + frame.content_at();
                (file, starts_at, Where::Segment(at.segment))
            }
            ContentPlace::File => {
                let path = message_path(email);
                let open = self.disk.open(&path, false);
                let file = open.map_err(|error| {
                    disk_error(&format!("cannot open {}", path.display()), &error)
                })?;
                (Arc::from(file), 0, Where::File(email))
            }
        };
        let content = LogContent {
            file,
            starts_at,
            bytes: frame.content_bytes,
            crcs,
            place,
            serial,
            _lease: lease,
        };
        Ok((content, meta))
    }

    /// Reads one record.
    pub fn record(&self, at: Location) -> Result<(Lsn, Record), StoreError> {
        let file = self.file(at.segment)?;
        let mut octets = [0; HEAD_BYTES];
        // A read that fails here fails again where its octets are asked for, and is reported there.
        let count = read_patiently(&*file, &mut octets, at.offset.into()).unwrap_or(0);
        let head = Head {
            file: &*file,
            starts_at: at.offset.into(),
            octets: &octets[..count],
        };
        let salt = self
            .salt(at)
            .ok_or_else(|| damaged(at, "its segment was recycled"))?;
        let frame = head.frame(at, salt)?;
        let record = decode(&frame, &head.meta(at, &frame)?);
        Ok((frame.lsn, record.map_err(|error| damaged(at, error.0))?))
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
    /// boundaries are read without a copy; of others the thread remembers the last, so that a chunk which is read in
    /// pieces is read and checked once.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, StoreError> {
        REMEMBERED.with_borrow_mut(|chunk| self.read_by(chunk, at, into))
    }

    /// Appends what there is of `bytes` octets from `at` on, checked as by [`LogContent::read_at`].
    pub fn append(&self, at: u64, bytes: usize, out: &mut Vec<u8>) -> Result<(), StoreError> {
        REMEMBERED.with_borrow_mut(|chunk| {
            let end = self.bytes.min(at.saturating_add(bytes as u64));
            let mut at = at;
            while at < end {
                let number = (at / CHUNK_BYTES as u64) as usize;
                let skip = (at % CHUNK_BYTES as u64) as usize;
                let chunk_bytes = self.chunk_bytes(number);
                let count = (chunk_bytes - skip).min((end - at) as usize);
                let before = out.len();
                if count == chunk_bytes && !chunk.holds(self.serial, number) {
                    out.resize(before + count, 0);
                    let whole = &mut out[before..];
                    let read = read_exact(&*self.file, whole, self.chunk_at(number));
                    self.check(number, read.map(|()| &*whole))?;
                } else {
                    let octets = self.remembered(chunk, number)?;
                    out.extend_from_slice(&octets[skip..skip + count]);
                }
                at += count as u64;
            }
            Ok(())
        })
    }

    /// Shows the first chunk, checked, without a copy (of an empty content: nothing).
    pub fn with_first_chunk<R>(&self, look: impl FnOnce(&[u8]) -> R) -> Result<R, StoreError> {
        if self.bytes == 0 {
            return Ok(look(&[]));
        }
        REMEMBERED.with_borrow_mut(|chunk| self.remembered(chunk, 0).map(look))
    }

    fn read_by(
        &self,
        chunk: &mut Remembered,
        at: u64,
        into: &mut [u8],
    ) -> Result<usize, StoreError> {
        let wanted = self.bytes.saturating_sub(at).min(into.len() as u64) as usize;
        let mut done = 0;
        while done < wanted {
            let from = at + done as u64;
            let number = (from / CHUNK_BYTES as u64) as usize;
            let skip = (from % CHUNK_BYTES as u64) as usize;
            let chunk_bytes = self.chunk_bytes(number);
            let rest = &mut into[done..wanted];
            if skip == 0 && rest.len() >= chunk_bytes && !chunk.holds(self.serial, number) {
                let whole = &mut rest[..chunk_bytes];
                let read = read_exact(&*self.file, whole, self.chunk_at(number));
                self.check(number, read.map(|()| &*whole))?;
                done += chunk_bytes;
            } else {
                let octets = self.remembered(chunk, number)?;
                let count = rest.len().min(chunk_bytes - skip);
                rest[..count].copy_from_slice(&octets[skip..skip + count]);
                done += count;
            }
        }
        Ok(done)
    }

    /// The octets of a chunk, checked, from memory when they are there.
    fn remembered<'c>(
        &self,
        chunk: &'c mut Remembered,
        number: usize,
    ) -> Result<&'c [u8], StoreError> {
        if !chunk.holds(self.serial, number) {
            let (at, bytes) = (self.chunk_at(number), self.chunk_bytes(number));
            chunk.read(&*self.file, self.serial, (number, at, bytes));
        }
        if !chunk.is_checked() {
            let mut checked = self.check(number, chunk.octets());
            if checked.is_err() && chunk.was_read_ahead() {
                let (at, bytes) = (self.chunk_at(number), self.chunk_bytes(number));
                chunk.read(&*self.file, self.serial, (number, at, bytes));
                checked = self.check(number, chunk.octets());
            }
            if let Err(error) = checked {
                chunk.forget();
                return Err(error);
            }
            chunk.was_checked();
        }
        Ok(chunk.octets().unwrap_or_default())
    }

    fn chunk_bytes(&self, number: usize) -> usize {
        let start = (number * CHUNK_BYTES) as u64;
        (self.bytes - start).min(CHUNK_BYTES as u64) as usize
    }

    fn chunk_at(&self, number: usize) -> u64 {
        self.starts_at + (number * CHUNK_BYTES) as u64
    }

    fn check(&self, number: usize, octets: Option<&[u8]>) -> Result<(), StoreError> {
        let crc = octets.map(crc32c::crc32c);
        if crc.is_some() && self.crcs.get(number).copied() == crc {
            return Ok(());
        }
        let offset = self.chunk_at(number);
        let name = match self.place {
            Where::Segment(segment) => format!("log segment {segment:08}"),
            Where::File(email) => message_path(email).display().to_string(),
        };
        Err(StoreError(format!(
            "{name} is damaged at octet {offset}: this part of a message is lost; run `pillarbox store check` and look at the disk"
        )))
    }
}

fn damaged(at: Location, what: &str) -> StoreError {
    StoreError(format!(
        "log segment {:08} has no readable record at octet {}: {what}; run `pillarbox store check`",
        at.segment, at.offset
    ))
}

/// The first octets of a record, read at once: its frame, chunk list and variable part nearly always lie within. What
/// does not is read from the file.
struct Head<'f> {
    file: &'f dyn DiskFile,
    starts_at: u64,
    octets: &'f [u8],
}

pub(super) const HEAD_BYTES: usize = 512;

impl Head<'_> {
    /// `bytes` octets from `from` of the record on.
    fn part(&self, from: u64, bytes: usize) -> Option<Cow<'_, [u8]>> {
        let start = usize::try_from(from).ok()?;
        match self.octets.get(start..start.checked_add(bytes)?) {
            Some(octets) => Some(Cow::Borrowed(octets)),
            None => {
                let mut octets = vec![0; bytes];
                read_exact(self.file, &mut octets, self.starts_at + from)?;
                Some(Cow::Owned(octets))
            }
        }
    }

    fn frame(&self, at: Location, salt: u64) -> Result<Frame, StoreError> {
        let octets = self
            .part(0, FRAME_BYTES)
            .ok_or_else(|| damaged(at, "its head cannot be read"))?;
        Frame::parse(&octets, salt, at.generation).map_err(|error| match error {
            FrameError::Bad => damaged(at, "its head has another checksum"),
            FrameError::Newer(why) => StoreError(why),
        })
    }

    /// The checked variable part.
    fn meta(&self, at: Location, frame: &Frame) -> Result<Cow<'_, [u8]>, StoreError> {
        let bytes = frame.meta_bytes as usize;
        (bytes <= RECORD_META_BYTES_MAX)
            .then(|| self.part(frame.meta_at(), bytes))
            .flatten()
            .filter(|meta| crc32c::crc32c(meta) == frame.meta_crc)
            .ok_or_else(|| damaged(at, "its variable part has another checksum"))
    }

    /// The checked chunk list.
    fn chunk_list(&self, at: Location, frame: &Frame) -> Result<Vec<u32>, StoreError> {
        self.part(FRAME_BYTES as u64, frame.list_bytes())
            .and_then(|octets| list(&octets, frame))
            .ok_or_else(|| damaged(at, "its chunk list has another checksum"))
    }
}

/// The chunk list of the record at `offset`; None when it is damaged.
pub(super) fn read_list(file: &dyn DiskFile, offset: u64, frame: &Frame) -> Option<Vec<u32>> {
    let mut octets = vec![0; frame.list_bytes()];
    read_exact(file, &mut octets, offset + FRAME_BYTES as u64)?;
    list(&octets, frame)
}

fn list(octets: &[u8], frame: &Frame) -> Option<Vec<u32>> {
    let (crcs, _) = octets.as_chunks::<4>();
    let whole = crc32c::crc32c(octets) == frame.list_crc;
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
