//! One segment read in order: which batches are whole, which is torn, and what is damage.
//!
//! The last batch in front of any place is in doubt until something newer says whether it was acknowledged: the next
//! batch's `flushed`, the segment's seal, or the head of the segment written after it. So one batch is held back
//! (its head only), and memory stays the same however large the log is.

use super::content::{read_exact, read_list, read_meta, read_patiently};
use super::format::*;
use super::{Damage, Location, Replayed};
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES, SEGMENT_BYTES};
use crate::store::StoreError;
use crate::store::disk::{DiskFile, Flush};
use crate::store::ids::Lsn;
use crate::store::record::frame::{FRAME_BYTES, Frame, FrameError};
use crate::store::record::{ContentPlace, Record, decode};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known about the end of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The last LSN that was acknowledged in it.
    Acknowledged(Lsn),
    /// The log ends here; everything up to this LSN is known to have been acknowledged.
    Tail(Lsn),
    /// Segments behind it went; whatever is whole was acknowledged.
    Unknown,
}

/// Where a scan came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned {
    /// The last LSN that counts.
    pub last: Lsn,
    /// Where the last batch that counts ends.
    pub used_bytes: u64,
    /// The last record says that the log was closed, and nothing stands behind it.
    pub closed: bool,
    /// The log ends here and the disk failed to read some of it: there may be more.
    pub unreadable: bool,
}

/// The callee of a replay.
pub(super) type Each<'a> = dyn FnMut(Replayed) -> Result<(), StoreError> + 'a;

/// Scans the segment with this head; gives records above `after` and all damage to `each`.
pub(super) fn scan_segment(
    file: &dyn DiskFile,
    head: &SegmentHead,
    end: End,
    after: Lsn,
    each: &mut Each<'_>,
) -> Result<Scanned, StoreError> {
    let watched = Watched {
        file,
        failed: AtomicBool::new(false),
    };
    let file = &watched;
    let length = file.len().unwrap_or(SEGMENT_BYTES).min(SEGMENT_BYTES);
    let mut scan = Scan {
        file,
        head,
        after,
        each,
        last: head.previous_lsn,
        used_bytes: FIRST_BATCH_AT,
        closed: false,
    };
    let mut doubtful: Option<Batch> = None;
    let mut search = FIRST_BATCH_AT;
    loop {
        let above = doubtful
            .as_ref()
            .map_or(scan.last, |batch| batch.head.last());
        let found = find_batch(file, head, search, above)?;
        let (known, until) = match &found {
            Some(next) => (End::Acknowledged(next.head.flushed), next.at),
            None => (end, length),
        };
        scan.settle(doubtful.take(), known, until)?;
        match &found {
            Some(next) => search = next.end(),
            None => break,
        }
        doubtful = found;
    }
    let unreadable = matches!(end, End::Tail(_)) && watched.has_failed();
    if unreadable {
        (scan.each)(Replayed::Damage(Damage {
            segment: head.segment,
            offset: scan.used_bytes,
            first: scan.last + 1,
            last: scan.last,
            what: "the disk cannot read the end of the log, and nobody knows whether something was there",
        }))?;
    }
    let closed = scan.closed && !unreadable && !batch_was_begun(file, head, scan.used_bytes);
    Ok(Scanned {
        last: scan.last,
        used_bytes: scan.used_bytes,
        closed,
        unreadable,
    })
}

struct Scan<'a, 'e> {
    file: &'a Watched<'a>,
    head: &'a SegmentHead,
    after: Lsn,
    each: &'a mut Each<'e>,
    last: Lsn,
    used_bytes: u64,
    closed: bool,
}

/// The file under a scan. What the disk cannot read is damage even at the end of the log: a torn batch reads well.
struct Watched<'a> {
    file: &'a dyn DiskFile,
    failed: AtomicBool,
}

impl Watched<'_> {
    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl DiskFile for Watched<'_> {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let result = read_patiently(self.file, into, offset);
        self.failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }
    fn write_at(&self, _bufs: &[&[u8]], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn allocate(&self, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync_data(&self, _which: Flush) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

/// A batch whose head is whole.
struct Batch {
    at: u64,
    head: BatchHead,
}

impl Batch {
    /// The block behind it.
    fn end(&self) -> u64 {
        (self.at + u64::from(self.head.bytes)).next_multiple_of(BLOCK_BYTES)
    }
    fn records(&self) -> Region {
        Region {
            from: self.at + BATCH_HEAD_BYTES as u64,
            to: self.at + u64::from(self.head.bytes),
            above: self.head.first - 1,
            last: self.head.last(),
        }
    }
}

/// A range of the segment that holds records of a range of LSNs.
#[derive(Clone, Copy)]
struct Region {
    from: u64,
    to: u64,
    /// LSNs above this one
    above: Lsn,
    /// and up to this one.
    last: Lsn,
}

/// A record whose frame, chunk list and variable part are whole.
struct Found {
    offset: u64,
    frame: Frame,
    content_is_whole: bool,
}

impl Scan<'_, '_> {
    /// Decides about the batch in doubt and about what stands between it and `until`.
    fn settle(&mut self, batch: Option<Batch>, end: End, until: u64) -> Result<(), StoreError> {
        let mut from = self.used_bytes;
        if let Some(batch) = batch {
            let dropped = match end {
                End::Acknowledged(last) => last < batch.head.first,
                End::Tail(last) => {
                    last < batch.head.last() && !self.is_whole(&batch)? && !self.file.has_failed()
                }
                End::Unknown => false,
            };
            if !dropped {
                self.take_batch(&batch)?;
                self.used_bytes = batch.end();
            }
            from = batch.end();
        }
        let acknowledged = match end {
            End::Acknowledged(last) | End::Tail(last) => last,
            End::Unknown => self.last,
        };
        if acknowledged > self.last {
            let region = Region {
                from,
                to: until,
                above: self.last,
                last: acknowledged,
            };
            self.salvage(region, "a batch has no readable head")?;
            self.used_bytes = until;
        }
        Ok(())
    }

    /// Gives an acknowledged batch; damage costs what it hits and nothing else.
    fn take_batch(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let region = batch.records();
        if region.last <= self.after {
            self.last = region.last;
            // Whether the log was closed is asked of its last record even when nobody needs to see that one.
            self.closed = batch.head.count == 1 && self.holds_closed(region)?;
            return Ok(());
        }
        if !self.is_whole(batch)? {
            return self.salvage(region, "records of a batch have other checksums");
        }
        walk(
            self.file,
            self.head,
            region,
            Contents::Trusted,
            &mut |found| {
                give(
                    self.file,
                    self.head,
                    self.after,
                    &found,
                    self.each,
                    &mut self.closed,
                )
            },
        )?;
        self.last = region.last;
        Ok(())
    }

    fn holds_closed(&self, region: Region) -> Result<bool, StoreError> {
        let mut closed = false;
        walk(
            self.file,
            self.head,
            region,
            Contents::Trusted,
            &mut |found| {
                closed = found.frame.kind == Record::Closed.kind();
                Ok(())
            },
        )?;
        Ok(closed)
    }

    /// Every record is there, in order, with every octet.
    fn is_whole(&self, batch: &Batch) -> Result<bool, StoreError> {
        let region = batch.records();
        let (mut next_lsn, mut next_at) = (batch.head.first, region.from);
        walk(
            self.file,
            self.head,
            region,
            Contents::Checked,
            &mut |found| {
                if found.frame.lsn == next_lsn && found.offset == next_at && found.content_is_whole
                {
                    next_lsn += 1;
                    next_at += found.frame.record_bytes();
                }
                Ok(())
            },
        )?;
        Ok(next_lsn == region.last + 1 && next_at == region.to)
    }

    /// Gives what is whole in a damaged region and reports the rest.
    fn salvage(&mut self, region: Region, what: &'static str) -> Result<(), StoreError> {
        let mut expected = region.above + 1;
        let (file, head, after) = (self.file, self.head, self.after);
        let (each, closed) = (&mut *self.each, &mut self.closed);
        let damage = |offset: u64, first: Lsn, last: Lsn, what: &'static str| {
            Replayed::Damage(Damage {
                segment: head.segment,
                offset,
                first,
                last,
                what,
            })
        };
        walk(file, head, region, Contents::Checked, &mut |found| {
            let lsn = found.frame.lsn;
            if lsn < expected {
                return Ok(());
            }
            if lsn > expected {
                each(damage(region.from, expected, lsn - 1, what))?;
            }
            if !found.content_is_whole {
                each(damage(
                    found.offset,
                    lsn,
                    lsn - 1,
                    "octets of a message are lost",
                ))?;
            }
            expected = lsn + 1;
            give(file, head, after, &found, each, closed)
        })?;
        if expected <= region.last {
            each(damage(region.from, expected, region.last, what))?;
        }
        self.last = region.last;
        self.closed = false;
        Ok(())
    }
}

/// Decodes a record and gives it, if it is above `after`. The log's own records are not given.
fn give(
    file: &dyn DiskFile,
    head: &SegmentHead,
    after: Lsn,
    found: &Found,
    each: &mut Each<'_>,
    closed: &mut bool,
) -> Result<(), StoreError> {
    *closed = found.frame.kind == Record::Closed.kind();
    let lsn = found.frame.lsn;
    if lsn <= after {
        return Ok(());
    }
    let record = read_meta(file, found.offset, &found.frame)
        .and_then(|meta| decode(&found.frame, &meta).ok());
    let at = Location {
        segment: head.segment,
        generation: head.generation,
        offset: found.offset as u32,
    };
    match record {
        Some(Record::Closed | Record::Abort(_)) => Ok(()),
        Some(record) => each(Replayed::Record { lsn, at, record }),
        None => each(Replayed::Damage(Damage {
            segment: head.segment,
            offset: found.offset,
            first: lsn,
            last: lsn,
            what: "a record makes no sense",
        })),
    }
}

/// The first batch at or behind `from` whose head is whole and whose LSNs are above `above`.
fn find_batch(
    file: &dyn DiskFile,
    head: &SegmentHead,
    from: u64,
    above: Lsn,
) -> Result<Option<Batch>, StoreError> {
    // A length that cannot be asked for is no reason to see less.
    let length = file.len().unwrap_or(SEGMENT_BYTES).min(SEGMENT_BYTES);
    let mut at = from;
    while at + (BATCH_HEAD_BYTES as u64) <= length {
        let mut octets = [0; BATCH_HEAD_BYTES];
        if read_exact(file, &mut octets, at).is_some() {
            match BatchHead::parse(&octets) {
                Ok(batch) if is_ours(&batch, head) && batch.first > above => {
                    return Ok(Some(Batch { at, head: batch }));
                }
                // Octets of a message may look like anything, but they do not know the salt.
                Err(HeadError::Newer(version)) if has_salt(&octets, head) => {
                    return Err(newer_version(version));
                }
                _ => {}
            }
        }
        at += BLOCK_BYTES;
    }
    Ok(None)
}

fn is_ours(batch: &BatchHead, head: &SegmentHead) -> bool {
    batch.generation == head.generation && batch.salt == head.salt
}

fn has_salt(octets: &[u8; BATCH_HEAD_BYTES], head: &SegmentHead) -> bool {
    octets[12..20] == head.salt.to_le_bytes()
}

/// Whether something of this generation was begun at `at`, however broken.
fn batch_was_begun(file: &dyn DiskFile, head: &SegmentHead, at: u64) -> bool {
    let mut octets = [0; BATCH_HEAD_BYTES];
    read_exact(file, &mut octets, at).is_some() && has_salt(&octets, head)
}

pub(super) fn newer_version(version: u8) -> StoreError {
    StoreError(format!(
        "the log was written by a later version of pillarbox (log format {version}); install that version again"
    ))
}

/// Whether a walk looks at the octets of contents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Checked,
    Trusted,
}

/// Gives every readable record of a region in order; after something unreadable it looks for the next frame.
fn walk(
    file: &dyn DiskFile,
    head: &SegmentHead,
    region: Region,
    contents: Contents,
    each: &mut dyn FnMut(Found) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut window = Window {
        file,
        start: 0,
        octets: Vec::new(),
    };
    let mut at = region.from;
    while at + FRAME_BYTES as u64 <= region.to {
        let frame = match window.frame_at(at, head) {
            Ok(frame) => frame,
            Err(FrameError::Newer(why)) => return Err(StoreError(why)),
            Err(FrameError::Bad) => {
                at += 8;
                continue;
            }
        };
        let fits = at + frame.record_bytes() <= region.to;
        if !fits || frame.lsn <= region.above || frame.lsn > region.last {
            at += 8;
            continue;
        }
        let next = at + frame.record_bytes();
        if let Some(crcs) = read_list(file, at, &frame)
            && read_meta(file, at, &frame).is_some()
        {
            let content_is_whole = contents == Contents::Trusted
                || frame.place == ContentPlace::File
                || content_is_whole(file, at + frame.content_at(), frame.content_bytes, &crcs);
            each(Found {
                offset: at,
                frame,
                content_is_whole,
            })?;
        }
        at = next;
    }
    Ok(())
}

fn content_is_whole(file: &dyn DiskFile, at: u64, bytes: u64, crcs: &[u32]) -> bool {
    let mut chunk = vec![0; CHUNK_BYTES.min(bytes as usize)];
    let (mut at, mut left) = (at, bytes);
    crcs.iter().all(|&crc| {
        let count = left.min(CHUNK_BYTES as u64) as usize;
        let whole = read_exact(file, &mut chunk[..count], at).is_some();
        (at, left) = (at + count as u64, left - count as u64);
        whole && crc32c::crc32c(&chunk[..count]) == crc
    })
}

/// A piece of the file in memory, so that looking for a frame at each multiple of 8 does not read each by itself.
struct Window<'a> {
    file: &'a dyn DiskFile,
    start: u64,
    octets: Vec<u8>,
}

const WINDOW_BYTES: usize = 16 * 1024;

impl Window<'_> {
    fn frame_at(&mut self, at: u64, head: &SegmentHead) -> Result<Frame, FrameError> {
        let inside =
            at >= self.start && at + FRAME_BYTES as u64 <= self.start + self.octets.len() as u64;
        if !inside {
            self.octets.resize(WINDOW_BYTES, 0);
            // What cannot be read is no record; zeros are none either.
            let count = self.file.read_at(&mut self.octets, at).unwrap_or(0);
            self.octets[count..].fill(0);
            self.start = at;
        }
        let from = (at - self.start) as usize;
        Frame::parse(
            &self.octets[from..from + FRAME_BYTES],
            head.salt,
            head.generation,
        )
    }
}
