//! Opening: heads of all segments, replay in order, and the writer's start behind the end.

use super::append::{Current, Log, Stage};
use super::content::{read_exact, read_patiently};
use super::format::*;
use super::scan::{Each, End, Scanned, newer_version, scan_segment};
use super::table::{Condition, Segments, Slot};
use super::{Damage, Replayed, disk_error};
use crate::limits::{BATCH_RECORDS_MAX, BLOCK_BYTES, SEGMENT_BYTES};
use crate::store::StoreError;
use crate::store::disk::{Disk, DiskFile, Flush};
use crate::store::ids::Lsn;
use std::path::Path;
use std::sync::Arc;

/// A log whose segments are known and which waits to be replayed.
pub struct Opening {
    segments: Arc<Segments>,
    random: fn(&mut [u8]),
    /// Found while heads were read; given at the start of the replay.
    damage: Vec<Damage>,
    /// Segments that lost their head and perhaps more: a step in the LSNs may be theirs.
    has_holes: bool,
    /// The end of the log, once it was scanned.
    end: Option<TheEnd>,
}

#[derive(Clone, Copy)]
struct TheEnd {
    last: Lsn,
    /// The last segment that holds a record, where its records end, and whether the log was closed there.
    tail: Option<(SegmentHead, Scanned)>,
    /// Something stood behind that counts for nothing.
    torn: bool,
    /// The disk could not read the end: any number of records may be there.
    unreadable: bool,
}

/// LSNs that are passed over when the end of the log cannot be read: more than a segment of records can have.
const UNREADABLE_LSNS: u64 = 1 << 20;

/// How far ahead of all known LSNs a segment may claim to be that is known by one of its batches alone.
const BEHEADED_LSNS_MAX: u64 = 1 << 32;

/// What a segment's first block says.
enum Head {
    Known(SegmentHead),
    /// A file that never held a durable record.
    Blank,
    /// Its head and its first batch are lost; this batch of it is not.
    Beheaded(BatchHead),
    /// Its head is lost; the head of its first batch told the rest.
    Guessed(SegmentHead),
    Lost,
}

impl Opening {
    /// Reads the heads of all segments below `log/` (made when missing). `random` gives the salts of segments.
    pub fn new(disk: Arc<dyn Disk>, random: fn(&mut [u8])) -> Result<Opening, StoreError> {
        Opening::sized(disk, random, SEGMENT_BYTES)
    }

    /// The same with smaller segments, so that tests reach their ends soon. At most `SEGMENT_BYTES`; a log may hold
    /// segments of several sizes.
    pub fn sized(
        disk: Arc<dyn Disk>,
        random: fn(&mut [u8]),
        segment_bytes: u64,
    ) -> Result<Opening, StoreError> {
        let path = Path::new("log");
        disk.create_dir(path)
            .map_err(|error| disk_error("cannot make the directory log", &error))?;
        let names = disk
            .list(path)
            .map_err(|error| disk_error("cannot list the directory log", &error))?;
        if names.is_empty() {
            disk.sync_dir(Path::new(""), Flush::SegmentName)
                .map_err(|error| disk_error("cannot flush the data directory", &error))?;
        }
        let mut opening = Opening {
            segments: Arc::new(Segments::new(disk, segment_bytes)),
            random,
            damage: Vec::new(),
            has_holes: false,
            end: None,
        };
        let numbers = names.iter().filter_map(|name| segment_number(name));
        let mut beheaded = Vec::new();
        for number in numbers {
            opening.look_at(number, &mut beheaded)?;
        }
        for (number, batch) in beheaded {
            opening.guess(number, batch);
        }
        Ok(opening)
    }

    /// Gives every record with an LSN above `after`, in order, and every damage that it meets; stops at the first
    /// error of `each`. `after` is an LSN that is known to have been acknowledged (0: none), so a log that ends
    /// before it is damaged.
    pub fn replay(&mut self, after: Lsn, each: &mut Each<'_>) -> Result<(), StoreError> {
        for damage in self.damage.drain(..) {
            each(Replayed::Damage(damage))?;
        }
        self.scan(after, after, each)
    }

    /// Random reads, for the use of `replay`'s callee too.
    pub fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Makes the writer's end. Every LSN that it gives is above `floor`.
    pub fn start(mut self, floor: Lsn) -> Result<Log, StoreError> {
        if self.end.is_none() {
            self.scan(Lsn::MAX, 0, &mut |_| Ok(()))?;
        }
        let end = self.end.expect("the scan above sets it");
        let mut log = Log {
            segments: self.segments.clone(),
            random: self.random,
            current: None,
            previous: Link::default(),
            next: end.last.max(floor) + 1,
            flushed: end.last,
            strike: None,
            heads: Vec::new(),
        };
        if let Some((head, scanned)) = end.tail {
            log.previous = Link {
                segment: head.segment,
                generation: head.generation,
            };
            if scanned.closed
                && !end.torn
                && !end.unreadable
                && scanned.used_bytes < self.segments.segment_bytes
            {
                self.go_on(&mut log, head, scanned)?;
                return Ok(log);
            }
            log.seal(log.previous, scanned.last)?;
        }
        // A batch of unknown LSNs may have been on its way at each of these: they are never given again.
        let highest = self.highest_named().max(end.last).max(floor);
        log.next = match (highest, end.tail) {
            (0, None) => 1,
            _ => highest + BATCH_RECORDS_MAX as u64 + 1,
        };
        if end.unreadable {
            log.next += UNREADABLE_LSNS;
        }
        for info in self.segments.live() {
            if info.used_bytes == FIRST_BATCH_AT {
                log.mark_free(info.segment)?;
            }
        }
        Ok(log)
    }

    /// The highest LSN that any head names, free ones too.
    fn highest_named(&self) -> Lsn {
        let table = self.segments.table();
        let named = table
            .slots
            .values()
            .map(|slot| slot.head.first.max(slot.last));
        named.fold(0, Lsn::max)
    }

    fn go_on(&self, log: &mut Log, head: SegmentHead, end: Scanned) -> Result<(), StoreError> {
        let file = self.segments.file(head.segment)?;
        if let Some(slot) = self.segments.table().slots.get_mut(&head.segment) {
            slot.condition = Condition::Written;
        }
        log.current = Some(Current {
            head,
            file,
            at: end.used_bytes,
            stage: Stage::Begun,
        });
        Ok(())
    }

    /// Scans the live segments that may hold something above `after`, always the last ones.
    fn scan(&mut self, after: Lsn, known: Lsn, each: &mut Each<'_>) -> Result<(), StoreError> {
        let live = self.live_heads();
        // Replay must not be ahead of the disk: what a killed process wrote may still be on its way there.
        if let Some(last) = live.last() {
            let flushed = self.segments.file(last.segment)?.sync_data(Flush::Batch);
            let named = flushed.and_then(|()| {
                let disk = &self.segments.disk;
                disk.sync_dir(Path::new("log"), Flush::SegmentName)
            });
            named.map_err(|error| disk_error("cannot flush the log", &error))?;
        }
        let mut end = TheEnd {
            last: live.first().map_or(0, |head| head.previous_lsn),
            tail: None,
            torn: false,
            unreadable: false,
        };
        for (place, head) in live.iter().enumerate() {
            let next = live.get(place + 1);
            if next.is_some_and(|next| next.previous_lsn <= after && place + 2 < live.len()) {
                self.pass_over(head, next.map_or(0, |next| next.previous_lsn));
                continue;
            }
            let rule = end_of(head, next, known);
            let file = self.segments.file(head.segment)?;
            if self.has_holes && place > 0 && head.previous_lsn > end.last.max(after) {
                each(Replayed::Damage(hole(
                    head.segment,
                    end.last,
                    head.previous_lsn,
                )))?;
            }
            let scanned = scan_segment(&*file, head, rule, after, each)?;
            self.settle(head, &scanned);
            end.unreadable |= scanned.unreadable;
            end.last = end.last.max(scanned.last);
            if scanned.used_bytes > FIRST_BATCH_AT {
                (end.tail, end.torn) = (Some((*head, scanned)), false);
            } else {
                end.torn = true;
            }
        }
        if self.has_holes && known == 0 && after == 0 {
            // Made anew from the log alone, nothing says that what is lost was not its end.
            let last = end.last + UNREADABLE_LSNS;
            let segment = live.last().map_or(0, |head| head.segment);
            each(Replayed::Damage(hole(segment, end.last, last)))?;
            end.unreadable = true;
        }
        self.end = Some(end);
        Ok(())
    }

    fn live_heads(&self) -> Vec<SegmentHead> {
        let table = self.segments.table();
        let live = table
            .slots
            .values()
            .filter(|slot| slot.condition == Condition::Live);
        let mut heads: Vec<SegmentHead> = live.map(|slot| slot.head).collect();
        heads.sort_by_key(|head| head.first);
        heads
    }

    /// Everything in it is below what replay needs.
    fn pass_over(&self, head: &SegmentHead, last: Lsn) {
        if let Some(slot) = self.segments.table().slots.get_mut(&head.segment) {
            slot.last = last;
        }
    }

    fn settle(&self, head: &SegmentHead, scanned: &Scanned) {
        if let Some(slot) = self.segments.table().slots.get_mut(&head.segment) {
            slot.last = scanned.last;
            slot.used_bytes = scanned.used_bytes;
        }
    }

    /// Reads the head of one segment into the table.
    fn look_at(
        &mut self,
        number: u32,
        beheaded: &mut Vec<(u32, BatchHead)>,
    ) -> Result<(), StoreError> {
        let file = self.segments.file(number)?;
        let (head, condition, what) = match read_head(&*file, number)? {
            Head::Known(head) if head.state == State::Live => (head, Condition::Live, None),
            Head::Known(head) => (head, Condition::Free, None),
            Head::Blank => (blank(number), Condition::Free, None),
            Head::Beheaded(batch) => {
                beheaded.push((number, batch));
                return Ok(());
            }
            Head::Guessed(head) => (
                head,
                Condition::Live,
                Some("its head is lost; its first batch gave what is needed"),
            ),
            Head::Lost => {
                self.lose(number);
                return Ok(());
            }
        };
        if let Some(what) = what {
            self.damaged_head(number, what);
        }
        self.know(head, condition);
        Ok(())
    }

    /// A segment by a later one of its batches, when that is one: at such a place octets of a message may stand, too,
    /// after a power cut in a segment's first batch, and they may look like anything. So its LSNs must be in reach.
    fn guess(&mut self, number: u32, batch: BatchHead) {
        if batch.first > self.highest_named().saturating_add(BEHEADED_LSNS_MAX) {
            return self.lose(number);
        }
        self.has_holes = true;
        self.damaged_head(
            number,
            "its head and first batch are lost; a later batch gave what is needed for the rest",
        );
        self.know(head_by(batch, number), Condition::Live);
    }

    fn lose(&mut self, number: u32) {
        self.has_holes = true;
        self.damaged_head(
            number,
            "its head and first batch are lost, so it cannot be read; it is left alone",
        );
        self.know(blank(number), Condition::Aside);
    }

    fn damaged_head(&mut self, segment: u32, what: &'static str) {
        let (first, last) = (1, 0);
        self.damage.push(Damage {
            segment,
            offset: 0,
            first,
            last,
            what,
        });
    }

    fn know(&self, head: SegmentHead, condition: Condition) {
        let mut table = self.segments.table();
        table
            .slots
            .insert(head.segment, Slot::of_head(head, condition));
    }
}

/// What the log knows about the end of the segment `head`; `known` is acknowledged for sure.
fn end_of(head: &SegmentHead, next: Option<&SegmentHead>, known: Lsn) -> End {
    let link = Link {
        segment: head.segment,
        generation: head.generation,
    };
    match next {
        _ if head.sealed_at > 0 => End::Acknowledged(head.sealed_last),
        Some(next) if next.previous == link => End::Acknowledged(next.previous_lsn),
        Some(_) => End::Unknown,
        None => End::Tail(known),
    }
}

fn blank(segment: u32) -> SegmentHead {
    SegmentHead {
        state: State::Free,
        segment,
        generation: 0,
        salt: 0,
        first: 0,
        previous_lsn: 0,
        previous: Link::default(),
        sealed_at: 0,
        sealed_last: 0,
    }
}

fn read_head(file: &dyn DiskFile, number: u32) -> Result<Head, StoreError> {
    let mut block = [0; BLOCK_BYTES as usize];
    let read = read_patiently(file, &mut block, 0);
    match SegmentHead::parse_block(&block, number) {
        Ok(head) => return Ok(Head::Known(head)),
        Err(HeadError::Newer(version)) => return Err(newer_version(version)),
        Err(HeadError::Bad) => {}
    }
    let zeros = read.is_ok() && block.iter().all(|octet| *octet == 0);
    let Some(batch) = batch_head(file, FIRST_BATCH_AT) else {
        // A head is written with its first batch: without both nothing was ever acknowledged, unless the block says
        // that it once held something, or something stands behind.
        let length = file.len().unwrap_or(SEGMENT_BYTES).min(SEGMENT_BYTES);
        let mut later = (FIRST_BATCH_AT..length).step_by(BLOCK_BYTES as usize);
        return Ok(match later.find_map(|at| batch_head(file, at)) {
            Some(batch) => Head::Beheaded(batch),
            None if zeros => Head::Blank,
            None => Head::Lost,
        });
    };
    let head = head_by(batch, number);
    // A power cut in the first batch of a new file may leave the batch without the head; a second batch proves that
    // there was one.
    let second = (FIRST_BATCH_AT + u64::from(batch.bytes)).next_multiple_of(BLOCK_BYTES);
    let goes_on = batch_head(file, second).is_some_and(|next| next.salt == batch.salt);
    Ok(match zeros && !goes_on {
        true => Head::Known(head),
        false => Head::Guessed(head),
    })
}

/// What a batch knows of its segment's head.
fn head_by(batch: BatchHead, number: u32) -> SegmentHead {
    SegmentHead {
        state: State::Live,
        generation: batch.generation,
        salt: batch.salt,
        first: batch.first,
        previous_lsn: batch.flushed,
        ..blank(number)
    }
}

/// LSNs behind `last` up to `next` that no segment holds, while one cannot be read.
fn hole(segment: u32, last: Lsn, next: Lsn) -> Damage {
    Damage {
        segment,
        offset: 0,
        first: last + 1,
        last: next,
        what: "what a segment without a head held may belong in front of it",
    }
}

fn batch_head(file: &dyn DiskFile, at: u64) -> Option<BatchHead> {
    let mut octets = [0; BATCH_HEAD_BYTES];
    read_exact(file, &mut octets, at)?;
    BatchHead::parse(&octets).ok()
}
