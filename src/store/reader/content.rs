//! A message as it is served: a prefix of ours, then the content as received without its cuts.

use crate::limits::CHUNK_BYTES;
use crate::store::StoreError;
use crate::store::log::LogContent;
use crate::store::record::ContentMeta;
use std::ops::Range;

/// A leased content. It is `Send`: a session keeps it between slices, every read happens in a reader's lane.
pub struct ContentReader {
    content: LogContent,
    prefix: Vec<u8>,
    layout: Layout,
}

/// Which octets of the content are served, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Layout {
    /// Octets of the content.
    bytes: u64,
    /// Octets of its header block.
    header_bytes: u64,
    /// Ascending, disjoint, within the header block.
    cuts: Box<[Range<u32>]>,
    /// Octets of the prefix.
    prefix_bytes: u64,
}

impl Layout {
    fn cut_bytes(&self) -> u64 {
        self.cuts
            .iter()
            .map(|cut| u64::from(cut.end - cut.start))
            .sum()
    }
    fn served_bytes(&self) -> u64 {
        (self.prefix_bytes + self.bytes).saturating_sub(self.cut_bytes())
    }
    /// Where a served octet behind the prefix lies in the content, and how many follow it there without a cut.
    fn received(&self, behind_prefix: u64) -> (u64, u64) {
        let mut at = behind_prefix;
        for cut in &self.cuts {
            if at < u64::from(cut.start) {
                return (at, u64::from(cut.start) - at);
            }
            at += u64::from(cut.end - cut.start);
        }
        (at, self.bytes.saturating_sub(at))
    }
}

impl ContentReader {
    pub(in crate::store) fn new(
        (content, mut meta): (LogContent, ContentMeta),
        prefix: u16,
    ) -> ContentReader {
        let prefix = meta.prefixes.get_mut(usize::from(prefix));
        let prefix = prefix.map(std::mem::take).unwrap_or_default();
        let layout = Layout {
            bytes: meta.bytes,
            header_bytes: u64::from(meta.header_bytes),
            cuts: meta.cuts.into(),
            prefix_bytes: prefix.len() as u64,
        };
        ContentReader {
            content,
            prefix,
            layout,
        }
    }

    /// Octets as served: prefix, then the content without its cuts.
    pub fn served_bytes(&self) -> u64 {
        self.layout.served_bytes()
    }
    /// Octets of the served header block (prefix, header without cuts, empty line).
    pub fn served_header_bytes(&self) -> u64 {
        (self.layout.prefix_bytes + self.layout.header_bytes)
            .saturating_sub(self.layout.cut_bytes())
    }
    /// Shows the served header block, at most `bytes_max` octets of it; without a copy where it lies in one piece.
    pub fn with_header<R>(
        &self,
        bytes_max: usize,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, StoreError> {
        let bytes = usize::try_from(self.served_header_bytes()).unwrap_or(usize::MAX);
        let bytes = bytes.min(bytes_max);
        if self.prefix.is_empty() && self.layout.cuts.is_empty() && bytes <= CHUNK_BYTES {
            // A header that ends behind its content is the damage that the other way reports.
            let shown = |chunk: &[u8]| chunk.get(..bytes).map(look);
            match self.content.with_first_chunk(shown)? {
                Some(result) => return Ok(result),
                None => return Err(too_short()),
            }
        }
        let mut block = vec![0; bytes];
        match self.read_at(0, &mut block)? == bytes {
            true => Ok(look(&block)),
            false => Err(too_short()),
        }
    }
    /// Difference between an offset in the served message and the same octet's offset in the content as received,
    /// for octets of the body: `served = received + body_shift`.
    pub fn body_shift(&self) -> i64 {
        self.layout.prefix_bytes.cast_signed() - self.layout.cut_bytes().cast_signed()
    }
    /// Appends a range of the served message to `out`; checks each chunk.
    pub fn append(&self, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut at = range.start;
        while at < range.end {
            let before = out.len();
            let left = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            match at.checked_sub(self.layout.prefix_bytes) {
                None => {
                    let from = self.prefix.get(at as usize..).unwrap_or_default();
                    out.extend_from_slice(from.get(..left).unwrap_or(from));
                }
                Some(behind) => {
                    let (received, run) = self.layout.received(behind);
                    let run = usize::try_from(run).unwrap_or(usize::MAX).min(left);
                    self.content.append(received, run, out)?;
                }
            }
            if out.len() == before {
                return Err(too_short());
            }
            at += (out.len() - before) as u64;
        }
        Ok(())
    }
    /// Fills `into` from `at` (an offset in the served message) as far as there are octets; checks each chunk.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, StoreError> {
        let left = usize::try_from(self.served_bytes().saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let mut done = 0;
        while done < wanted {
            let at = at + done as u64;
            let room = &mut into[done..wanted];
            let read = match at.checked_sub(self.layout.prefix_bytes) {
                None => {
                    let from = &self.prefix[at as usize..];
                    let read = from.len().min(room.len());
                    room[..read].copy_from_slice(&from[..read]);
                    read
                }
                Some(behind) => {
                    let (received, run) = self.layout.received(behind);
                    let run = usize::try_from(run).unwrap_or(usize::MAX).min(room.len());
                    self.content.read_at(received, &mut room[..run])?
                }
            };
            if read == 0 {
                return Err(too_short());
            }
            done += read;
        }
        Ok(done)
    }
}

fn too_short() -> StoreError {
    StoreError("a message ends before its record says so: run `store check`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_octets_jump_over_cuts() {
        let layout = Layout {
            bytes: 20,
            header_bytes: 12,
            cuts: Box::new([0..2, 5..6, 6..8]),
            prefix_bytes: 3,
        };
        assert_eq!(layout.served_bytes(), 18);
        let served: Vec<u64> = (0..15).map(|at| layout.received(at).0).collect();
        assert_eq!(
            served,
            [2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
        );
        assert_eq!(layout.received(0).1, 3);
        assert_eq!(layout.received(3).1, 12);
    }
}
