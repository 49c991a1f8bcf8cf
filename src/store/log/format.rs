//! The heads of segments and batches, little endian.
//!
//! A segment starts with one block of `BLOCK_BYTES` whose first sector holds its head, and whose sector at
//! [`HEAD_COPY_AT`] holds it once more. Batches follow, each from the start of a block. A head is rewritten in place
//! (sealed, freed, recycled); no record lies in its block, so nothing acknowledged is at stake.

use crate::limits::{BATCH_RECORDS_MAX, BLOCK_BYTES, SEGMENT_BYTES};
use crate::store::ids::Lsn;
use crate::store::record::bytes::{Malformed, Take};

/// Where the first batch starts.
pub const FIRST_BATCH_AT: u64 = BLOCK_BYTES;
/// Where the second copy of a segment's head stands.
pub const HEAD_COPY_AT: usize = 2048;
/// Octets of a batch's head.
pub const BATCH_HEAD_BYTES: usize = 64;
const SEGMENT_MAGIC: [u8; 4] = *b"PBS1";
const BATCH_MAGIC: [u8; 4] = *b"PBB1";
/// The version of segments and batches that this program writes.
const VERSION: u8 = 1;
const SEGMENT_HEAD_BYTES: usize = 80;

/// What a segment is for. The order matters: of two heads of one generation the later state is the newer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// Holds records.
    Live,
    /// Waits for recycling.
    Free,
}

/// Which segment was written before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// Number; 0 is none.
    pub segment: u32,
    /// Its generation.
    pub generation: u32,
}

/// The head of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHead {
    /// Live or free.
    pub state: State,
    /// Its number, as in its name; from 1.
    pub segment: u32,
    /// How often it was taken into use.
    pub generation: u32,
    /// Random; part of every checksum in it.
    pub salt: u64,
    /// Its first LSN.
    pub first: Lsn,
    /// The last LSN acknowledged before it.
    pub previous_lsn: Lsn,
    /// The segment that was written before it.
    pub previous: Link,
    /// Where its last acknowledged batch ends; 0 while it is written.
    pub sealed_at: u32,
    /// Its last acknowledged LSN, when sealed.
    pub sealed_last: Lsn,
}

/// The head of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHead {
    /// Its segment's.
    pub generation: u32,
    /// Its segment's.
    pub salt: u64,
    /// LSN of its first record; the others follow without a gap.
    pub first: Lsn,
    /// Records.
    pub count: u32,
    /// Octets of head and records.
    pub bytes: u32,
    /// The last LSN acknowledged when it was written.
    pub flushed: Lsn,
}

/// Why a head cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeadError {
    /// It is none, or damaged.
    Bad,
    /// A later version wrote it.
    Newer(u8),
}

impl SegmentHead {
    /// The whole first block of a segment.
    pub fn to_block(self) -> [u8; BLOCK_BYTES as usize] {
        let mut head = Vec::with_capacity(SEGMENT_HEAD_BYTES);
        head.extend_from_slice(&SEGMENT_MAGIC);
        head.extend_from_slice(&[VERSION, u8::from(self.state == State::Free), 0, 0]);
        head.extend_from_slice(&self.segment.to_le_bytes());
        head.extend_from_slice(&self.generation.to_le_bytes());
        head.extend_from_slice(&self.salt.to_le_bytes());
        head.extend_from_slice(&self.first.to_le_bytes());
        head.extend_from_slice(&self.previous_lsn.to_le_bytes());
        head.extend_from_slice(&self.previous.segment.to_le_bytes());
        head.extend_from_slice(&self.previous.generation.to_le_bytes());
        head.extend_from_slice(&self.sealed_at.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&self.sealed_last.to_le_bytes());
        head.extend_from_slice(&[0; 12]);
        head.extend_from_slice(&crc32c::crc32c(&head).to_le_bytes());
        let mut block = [0; BLOCK_BYTES as usize];
        block[..head.len()].copy_from_slice(&head);
        block[HEAD_COPY_AT..HEAD_COPY_AT + head.len()].copy_from_slice(&head);
        block
    }

    /// Reads the first block of segment `number`: the newer of the two copies that are whole.
    pub fn parse_block(block: &[u8], number: u32) -> Result<SegmentHead, HeadError> {
        let first = SegmentHead::parse(block, number);
        let second = SegmentHead::parse(block.get(HEAD_COPY_AT..).unwrap_or(&[]), number);
        match (first, second) {
            (Err(HeadError::Newer(version)), _) | (_, Err(HeadError::Newer(version))) => {
                Err(HeadError::Newer(version))
            }
            (Ok(a), Ok(b)) if b.age() > a.age() => Ok(b),
            (Ok(head), _) | (_, Ok(head)) => Ok(head),
            _ => Err(HeadError::Bad),
        }
    }

    /// Grows with every rewriting of a segment's head.
    fn age(&self) -> (u32, State, u32) {
        (self.generation, self.state, self.sealed_at)
    }

    fn parse(octets: &[u8], number: u32) -> Result<SegmentHead, HeadError> {
        let body = checked(octets, SEGMENT_HEAD_BYTES, SEGMENT_MAGIC)?;
        let head = SegmentHead::fields(body).map_err(|_| HeadError::Bad)?;
        let sane = u64::from(head.sealed_at) <= SEGMENT_BYTES && head.segment == number;
        if sane { Ok(head) } else { Err(HeadError::Bad) }
    }

    fn fields(body: &[u8]) -> Result<SegmentHead, Malformed> {
        let take = &mut Take(body);
        take.raw(5, "magic and version")?;
        let state = match take.octet("state")? {
            0 => State::Live,
            1 => State::Free,
            _ => return Err(Malformed("state")),
        };
        take.raw(2, "reserved")?;
        Ok(SegmentHead {
            state,
            segment: short(take)?,
            generation: short(take)?,
            salt: take.word("salt")?,
            first: take.word("first LSN")?,
            previous_lsn: take.word("previous LSN")?,
            previous: Link {
                segment: short(take)?,
                generation: short(take)?,
            },
            sealed_at: {
                let at = short(take)?;
                take.raw(4, "reserved")?;
                at
            },
            sealed_last: take.word("last LSN")?,
        })
    }
}

impl BatchHead {
    /// As octets.
    pub fn to_bytes(self) -> [u8; BATCH_HEAD_BYTES] {
        let mut out = [0; BATCH_HEAD_BYTES];
        out[0..4].copy_from_slice(&BATCH_MAGIC);
        out[4] = VERSION;
        out[8..12].copy_from_slice(&self.generation.to_le_bytes());
        out[12..20].copy_from_slice(&self.salt.to_le_bytes());
        out[20..28].copy_from_slice(&self.first.to_le_bytes());
        out[28..32].copy_from_slice(&self.count.to_le_bytes());
        out[32..36].copy_from_slice(&self.bytes.to_le_bytes());
        out[36..44].copy_from_slice(&self.flushed.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a head without asking which segment it belongs to.
    pub fn parse(octets: &[u8]) -> Result<BatchHead, HeadError> {
        let body = checked(octets, BATCH_HEAD_BYTES, BATCH_MAGIC)?;
        let head = BatchHead::fields(body).map_err(|_| HeadError::Bad)?;
        let sane = (1..=BATCH_RECORDS_MAX as u32).contains(&head.count)
            && head.bytes as usize >= BATCH_HEAD_BYTES
            && u64::from(head.bytes) <= SEGMENT_BYTES
            && head.flushed < head.first
            && head.first.checked_add(u64::from(head.count)).is_some();
        if sane { Ok(head) } else { Err(HeadError::Bad) }
    }

    /// LSN of its last record.
    pub fn last(&self) -> Lsn {
        self.first + u64::from(self.count) - 1
    }

    fn fields(body: &[u8]) -> Result<BatchHead, Malformed> {
        let take = &mut Take(body);
        take.raw(8, "magic and version")?;
        Ok(BatchHead {
            generation: short(take)?,
            salt: take.word("salt")?,
            first: take.word("first LSN")?,
            count: short(take)?,
            bytes: short(take)?,
            flushed: take.word("flushed LSN")?,
        })
    }
}

fn short(take: &mut Take<'_>) -> Result<u32, Malformed> {
    Ok(u32::from_le_bytes(take.array("number")?))
}

/// Magic, checksum (the last four octets) and version.
fn checked(octets: &[u8], bytes: usize, magic: [u8; 4]) -> Result<&[u8], HeadError> {
    let whole = octets.get(..bytes).ok_or(HeadError::Bad)?;
    let (body, crc) = whole.split_last_chunk::<4>().ok_or(HeadError::Bad)?;
    if body[..4] != magic || u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
        return Err(HeadError::Bad);
    }
    match body[4] {
        0..=VERSION => Ok(body),
        version => Err(HeadError::Newer(version)),
    }
}

/// The name of a segment's file.
pub fn segment_path(number: u32) -> std::path::PathBuf {
    format!("log/{number:08}.seg").into()
}

/// The number in a name of `log/`.
pub fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (number > 0 && digits.len() == 8).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SegmentHead {
        SegmentHead {
            state: State::Live,
            segment: 7,
            generation: 3,
            salt: 0x0123_4567_89ab_cdef,
            first: 100,
            previous_lsn: 99,
            previous: Link {
                segment: 6,
                generation: 2,
            },
            sealed_at: 0,
            sealed_last: 0,
        }
    }

    #[test]
    fn either_copy_of_a_head_is_enough() {
        let block = head().to_block();
        for damaged in [0, HEAD_COPY_AT] {
            let mut block = block;
            block[damaged + 20] ^= 1;
            assert_eq!(SegmentHead::parse_block(&block, 7), Ok(head()));
        }
        let mut both = block;
        both[1] ^= 1;
        both[HEAD_COPY_AT + 30] ^= 1;
        assert_eq!(SegmentHead::parse_block(&both, 7), Err(HeadError::Bad));
        assert_eq!(SegmentHead::parse_block(&block, 8), Err(HeadError::Bad));
    }

    #[test]
    fn the_newer_copy_counts_after_a_torn_rewriting() {
        let old = head().to_block();
        for newer in [
            SegmentHead {
                state: State::Free,
                ..head()
            },
            SegmentHead {
                sealed_at: 8192,
                sealed_last: 120,
                ..head()
            },
            SegmentHead {
                generation: 4,
                ..head()
            },
        ] {
            let new = newer.to_block();
            let mut first_only = old;
            first_only[..512].copy_from_slice(&new[..512]);
            assert_eq!(SegmentHead::parse_block(&first_only, 7), Ok(newer));
            let mut second_only = new;
            second_only[..512].copy_from_slice(&old[..512]);
            assert_eq!(SegmentHead::parse_block(&second_only, 7), Ok(newer));
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut block = head().to_block();
        block[4] = 9;
        let crc = crc32c::crc32c(&block[..SEGMENT_HEAD_BYTES - 4]);
        block[SEGMENT_HEAD_BYTES - 4..SEGMENT_HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(
            SegmentHead::parse_block(&block, 7),
            Err(HeadError::Newer(9))
        );
    }

    #[test]
    fn every_flipped_bit_of_a_batch_head_is_seen() {
        let head = BatchHead {
            generation: 1,
            salt: 5,
            first: 10,
            count: 3,
            bytes: 400,
            flushed: 9,
        };
        let octets = head.to_bytes();
        assert_eq!(BatchHead::parse(&octets), Ok(head));
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(BatchHead::parse(&flipped).is_err(), "bit {bit}");
        }
        assert_eq!(BatchHead::parse(&octets[..63]), Err(HeadError::Bad));
    }

    #[test]
    fn names_of_segments() {
        assert_eq!(segment_path(12).to_str(), Some("log/00000012.seg"));
        assert_eq!(segment_number("00000012.seg"), Some(12));
        for other in ["12.seg", "00000000.seg", "00000012.tmp", "abcdefgh.seg"] {
            assert_eq!(segment_number(other), None, "{other}");
        }
    }
}
