//! The fixed head of a record on disk, 64 octets, little endian:
//!
//! ```text
//!  0 magic "PBR1"   4 version   5 kind   6 bits: 1 skippable, 2 content in a message file   7 compression (0)
//!  8 key id (0)    12 segment generation            16 LSN
//! 24 octets of the variable part                    28 octets of the content
//! 36 email id (zeros when there is no content)
//! 52 CRC32C of the chunk list   56 of the variable part   60 of the segment's salt and octets 0..60
//! ```
//!
//! Behind it stand the chunk list (CRC32C of each `CHUNK_BYTES` of the content), the variable part, and the content
//! if it is inline; then zeros up to a multiple of 8. The salt is random and never leaves the box, so that no
//! message can hold octets that look like a record of its own segment.

use super::ContentPlace;
use super::bytes::{Malformed, Take};
use crate::limits::{CHUNK_BYTES, CONTENT_CHUNKS_MAX, RECORD_META_BYTES_MAX, SEGMENT_BYTES};
use crate::store::ids::{EmailId, Lsn};

/// Octets of a frame.
pub const FRAME_BYTES: usize = 64;
/// The version that this program writes.
pub const VERSION: u8 = 1;
const MAGIC: [u8; 4] = *b"PBR1";
const SKIPPABLE: u8 = 1;
const IN_FILE: u8 = 2;
/// The highest kind that this version knows.
const KIND_MAX: u8 = 19;

/// The head of a record as a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Number of the kind.
    pub kind: u8,
    /// A reader that does not know the kind may pass over it.
    pub skippable: bool,
    /// Where the content is; inline when there is none.
    pub place: ContentPlace,
    /// Of the segment.
    pub generation: u32,
    /// Of the record.
    pub lsn: Lsn,
    /// Octets of the variable part.
    pub meta_bytes: u32,
    /// Octets of the content.
    pub content_bytes: u64,
    /// The content's name.
    pub email: EmailId,
    /// CRC32C of the chunk list.
    pub list_crc: u32,
    /// CRC32C of the variable part.
    pub meta_crc: u32,
}

/// Why octets are no frame that this version can read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// No record, an older generation's or a damaged one.
    Bad,
    /// Whole and written by a later version: what is needed.
    Newer(String),
}

impl Frame {
    /// Chunks of the content.
    pub fn chunks(&self) -> usize {
        self.content_bytes.div_ceil(CHUNK_BYTES as u64) as usize
    }
    /// Octets of the chunk list.
    pub fn list_bytes(&self) -> usize {
        self.chunks() * 4
    }
    /// Octets of the content that stand behind the record.
    pub fn inline_bytes(&self) -> u64 {
        match self.place {
            ContentPlace::Inline => self.content_bytes,
            ContentPlace::File => 0,
        }
    }
    /// Where the variable part starts, from the start of the frame.
    pub fn meta_at(&self) -> u64 {
        (FRAME_BYTES + self.list_bytes()) as u64
    }
    /// Where the inline content starts, from the start of the frame.
    pub fn content_at(&self) -> u64 {
        self.meta_at() + u64::from(self.meta_bytes)
    }
    /// Octets of the whole record with its padding.
    pub fn record_bytes(&self) -> u64 {
        (self.content_at() + self.inline_bytes()).next_multiple_of(8)
    }

    /// As octets; `salt` is the segment's.
    pub fn to_bytes(&self, salt: u64) -> [u8; FRAME_BYTES] {
        let in_file = matches!(self.place, ContentPlace::File);
        let bits = if self.skippable { SKIPPABLE } else { 0 } | if in_file { IN_FILE } else { 0 };
        let mut out = [0; FRAME_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&[VERSION, self.kind, bits, 0]);
        out[12..16].copy_from_slice(&self.generation.to_le_bytes());
        out[16..24].copy_from_slice(&self.lsn.to_le_bytes());
        out[24..28].copy_from_slice(&self.meta_bytes.to_le_bytes());
        out[28..36].copy_from_slice(&self.content_bytes.to_le_bytes());
        out[36..52].copy_from_slice(&self.email.0);
        out[52..56].copy_from_slice(&self.list_crc.to_le_bytes());
        out[56..60].copy_from_slice(&self.meta_crc.to_le_bytes());
        let crc = salted_crc(salt, &out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Checks and reads a frame of the segment with this `salt` and `generation`.
    pub fn parse(octets: &[u8], salt: u64, generation: u32) -> Result<Frame, FrameError> {
        let (body, rest) = octets.split_at_checked(60).ok_or(FrameError::Bad)?;
        let crc = rest.first_chunk::<4>().ok_or(FrameError::Bad)?;
        if body[..4] != MAGIC || u32::from_le_bytes(*crc) != salted_crc(salt, body) {
            return Err(FrameError::Bad);
        }
        let [version, kind, bits, compression] = [body[4], body[5], body[6], body[7]];
        if version > VERSION {
            return Err(newer(format!("record format {version}")));
        }
        if compression != 0 || body[8..12] != [0; 4] || bits > 3 {
            return Err(newer("compressed or encrypted records".into()));
        }
        if kind > KIND_MAX && bits & SKIPPABLE == 0 {
            return Err(newer(format!("record kind {kind}")));
        }
        let frame = fields(body).map_err(|_| FrameError::Bad)?;
        let fits = frame.meta_bytes as usize <= RECORD_META_BYTES_MAX
            && frame.content_bytes.div_ceil(CHUNK_BYTES as u64) <= CONTENT_CHUNKS_MAX as u64
            && frame.record_bytes() <= SEGMENT_BYTES;
        match fits && frame.generation == generation {
            true => Ok(frame),
            false => Err(FrameError::Bad),
        }
    }
}

fn newer(what: String) -> FrameError {
    FrameError::Newer(format!(
        "the log was written by a later version of pillarbox: this one does not know {what}; install that version again"
    ))
}

fn fields(body: &[u8]) -> Result<Frame, Malformed> {
    let take = &mut Take(body);
    take.raw(5, "magic and version")?;
    let kind = take.octet("kind")?;
    let bits = take.octet("bits")?;
    take.raw(5, "compression and key")?;
    Ok(Frame {
        kind,
        skippable: bits & SKIPPABLE != 0,
        place: match bits & IN_FILE {
            0 => ContentPlace::Inline,
            _ => ContentPlace::File,
        },
        generation: u32::from_le_bytes(take.array("generation")?),
        lsn: take.word("LSN")?,
        meta_bytes: u32::from_le_bytes(take.array("length")?),
        content_bytes: take.word("content length")?,
        email: EmailId(take.array("email id")?),
        list_crc: u32::from_le_bytes(take.array("checksum")?),
        meta_crc: u32::from_le_bytes(take.array("checksum")?),
    })
}

/// CRC32C that only somebody who knows `salt` can make.
pub fn salted_crc(salt: u64, octets: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), octets)
}

/// CRC32C of each chunk of a content.
pub fn chunk_crcs(content: &[u8]) -> Vec<u32> {
    content.chunks(CHUNK_BYTES).map(crc32c::crc32c).collect()
}
