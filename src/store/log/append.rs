//! The writer's end of the log: one vectored write and one flush per batch, recycling, and what happens on failure.

use super::format::*;
use super::table::{Condition, Segments, Slot};
use super::{AppendError, Entry, EntryContent, Location, disk_error};
use crate::limits::*;
use crate::store::StoreError;
use crate::store::disk::{DiskFile, Flush};
use crate::store::ids::{EmailId, Lsn};
use crate::store::record::frame::{FRAME_BYTES, Frame, chunk_crcs};
use crate::store::record::{AbortRecord, ContentPlace, Record, encode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The writer's end. There is one.
pub struct Log {
    pub(super) segments: Arc<Segments>,
    pub(super) random: fn(&mut [u8]),
    /// The segment that is written; None after a start or a failure: the next batch takes another.
    pub(super) current: Option<Current>,
    /// The segment that was written last, for the chain.
    pub(super) previous: Link,
    /// The LSN of the next record.
    pub(super) next: Lsn,
    /// The last LSN acknowledged.
    pub(super) flushed: Lsn,
    /// Why nothing is written any more.
    pub(super) strike: Option<String>,
    /// Heads of the batch being written; kept for the next one.
    pub(super) heads: Vec<u8>,
}

/// The segment that is written.
pub(super) struct Current {
    pub head: SegmentHead,
    pub file: Arc<dyn DiskFile>,
    /// Where the next batch starts.
    pub at: u64,
    pub stage: Stage,
}

/// How far a segment has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A new file: its head and name are not durable.
    Created,
    /// An old file: its head is not durable.
    Recycled,
    /// Holds a batch.
    Begun,
}

/// One entry laid out: its head (frame, chunk list, variable part) lies in `Log::heads`.
struct Piece {
    frame: Frame,
    head_at: usize,
    head_bytes: usize,
    padding: usize,
}

static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];
/// Above this size the buffer of heads is given back after a batch.
const HEADS_KEPT_BYTES: usize = 256 * 1024;

impl Log {
    /// The LSN of the next record.
    pub fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// The last LSN acknowledged.
    pub fn flushed_lsn(&self) -> Lsn {
        self.flushed
    }

    /// Random reads.
    pub fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Why the log takes nothing more, if it does not.
    pub fn strike(&self) -> Option<&str> {
        self.strike.as_deref()
    }

    /// Writes all entries as one batch with one flush (two, with its name, in a new file). Returns where each is.
    pub fn append(&mut self, entries: &[Entry<'_>]) -> Result<Vec<Location>, AppendError> {
        if let Some(why) = &self.strike {
            return Err(AppendError::ReadOnly(why.clone()));
        }
        let mut pieces = self.lay_out(entries)?;
        let bytes = batch_bytes(&pieces);
        if FIRST_BATCH_AT + bytes > self.segments.segment_bytes {
            return Err(AppendError::TooLarge("octets of the batch"));
        }
        self.make_room(bytes)?;
        match self.write(entries, &mut pieces) {
            Ok(locations) => Ok(locations),
            Err(error) => Err(self.poison(entries.len() as u64, &error)),
        }
    }

    /// Marks the log as closed in order, so that the next start goes on behind it.
    pub fn close(mut self) -> Result<(), StoreError> {
        let closed = [Entry {
            record: &Record::Closed,
            content: EntryContent::None,
        }];
        match self.append(&closed) {
            Ok(_) => Ok(()),
            Err(error) => Err(StoreError(error.to_string())),
        }
    }

    /// Gives a segment back for recycling; the caller vouches that nothing in it is needed. False while it is leased
    /// or written, or is not live.
    pub fn mark_free(&mut self, segment: u32) -> Result<bool, StoreError> {
        let head = {
            let mut table = self.segments.table();
            let Some(slot) = table.slots.get_mut(&segment) else {
                return Ok(false);
            };
            if slot.condition != Condition::Live || slot.leases > 0 {
                return Ok(false);
            }
            // Nobody can take a lease from here on.
            slot.condition = Condition::Aside;
            // Its last LSN stays in the free head: numbers are not given again even if all segments are free.
            sealed(slot, slot.last)
        };
        let freed = self.free_on_disk(head);
        let mut table = self.segments.table();
        if let Some(slot) = table.slots.get_mut(&segment) {
            // After a failure the head on the disk may say either; both are true enough for a segment without need.
            slot.condition = Condition::Live;
            if freed.is_ok() {
                (slot.condition, slot.head_flushed) = (Condition::Free, true);
                slot.head = SegmentHead {
                    state: State::Free,
                    ..head
                };
            }
        }
        freed.map(|()| true)
    }

    /// Writes a head that says free. What it said about its predecessor's end is written there first.
    fn free_on_disk(&mut self, head: SegmentHead) -> Result<(), StoreError> {
        self.seal(head.previous, head.previous_lsn)?;
        let free = SegmentHead {
            state: State::Free,
            ..head
        };
        self.write_head(free, Durable::Now)
            .map_err(|error| disk_error("cannot mark a segment of the log as free", &error))
    }

    /// Makes durable in the head of segment `link` that `last` was the last LSN acknowledged there.
    pub(super) fn seal(&self, link: Link, last: Lsn) -> Result<(), StoreError> {
        let head = {
            let table = self.segments.table();
            match table.slots.get(&link.segment) {
                Some(slot)
                    if slot.head.generation == link.generation
                        && slot.head.state == State::Live
                        && !slot.head_flushed =>
                {
                    sealed(slot, last)
                }
                _ => return Ok(()),
            }
        };
        self.write_head(head, Durable::Now)
            .map_err(|error| disk_error("cannot seal a segment of the log", &error))?;
        let mut table = self.segments.table();
        if let Some(slot) = table.slots.get_mut(&link.segment) {
            slot.head = head;
            slot.head_flushed = true;
        }
        Ok(())
    }

    fn write_head(&self, head: SegmentHead, durable: Durable) -> io::Result<()> {
        let file = self
            .segments
            .file(head.segment)
            .map_err(|error| io::Error::other(error.0))?;
        file.write_at(&[&head.to_block()], 0)?;
        match durable {
            Durable::Now => file.sync_data(Flush::SegmentHeader),
            Durable::Sometime => Ok(()),
        }
    }

    /// Encodes what stands in front of each content. The frames come when segment and LSN are known.
    fn lay_out(&mut self, entries: &[Entry<'_>]) -> Result<Vec<Piece>, AppendError> {
        if entries.is_empty() || entries.len() > BATCH_RECORDS_MAX {
            return Err(AppendError::TooLarge("records of the batch"));
        }
        self.heads.clear();
        self.heads.shrink_to(HEADS_KEPT_BYTES);
        entries
            .iter()
            .map(|entry| lay_out_one(&mut self.heads, entry))
            .collect()
    }

    /// Takes another segment when the current one has no room for `bytes`.
    fn make_room(&mut self, bytes: u64) -> Result<(), AppendError> {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.at + bytes <= self.segments.segment_bytes)
        {
            return Ok(());
        }
        let taken = match self.take_segment() {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                return Err(AppendError::Full);
            }
            Err(error) => return Err(AppendError::Failed(error.to_string())),
        };
        self.leave();
        self.current = Some(taken);
        Ok(())
    }

    /// Seals the current segment; without a flush, since the next segment's head says the same.
    fn leave(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        let mut table = self.segments.table();
        let Some(slot) = table.slots.get_mut(&current.head.segment) else {
            return;
        };
        slot.condition = Condition::Live;
        let head = sealed(slot, slot.last);
        drop(table);
        if self.write_head(head, Durable::Sometime).is_ok()
            && let Some(slot) = self.segments.table().slots.get_mut(&head.segment)
        {
            slot.head = head;
        }
    }

    /// A free segment, or a new file with its room reserved. Nothing is durable of it yet.
    fn take_segment(&mut self) -> io::Result<Current> {
        let mut salt = [0; 8];
        (self.random)(&mut salt);
        let mut head = SegmentHead {
            state: State::Live,
            segment: 0,
            generation: 1,
            salt: u64::from_le_bytes(salt),
            first: self.next,
            previous_lsn: self.flushed,
            previous: self.previous,
            sealed_at: 0,
            sealed_last: 0,
        };
        let (free, highest) = {
            let table = self.segments.table();
            let mut slots = table.slots.values();
            let free = slots.find(|slot| slot.condition == Condition::Free);
            let highest = table.slots.keys().next_back().copied().unwrap_or(0);
            (free.map(|slot| (slot.head, slot.head_flushed)), highest)
        };
        let (file, stage) = match free {
            Some((free, flushed)) => {
                head.segment = free.segment;
                head.generation = free.generation + 1;
                self.recycle(&free, flushed)?
            }
            None => {
                head.segment = highest + 1;
                (self.create(&segment_path(head.segment))?, Stage::Created)
            }
        };
        let slot = Slot::of_head(head, Condition::Written);
        self.segments.table().slots.insert(
            head.segment,
            Slot {
                used_bytes: FIRST_BATCH_AT,
                ..slot
            },
        );
        Ok(Current {
            head,
            file,
            at: FIRST_BATCH_AT,
            stage,
        })
    }

    fn recycle(&self, free: &SegmentHead, flushed: bool) -> io::Result<(Arc<dyn DiskFile>, Stage)> {
        let file = self.segments.file(free.segment);
        let file = file.map_err(|error| io::Error::other(error.0))?;
        if free.generation == 0 {
            // A file that a crash left without a head: its room and its name are in doubt.
            file.allocate(self.segments.segment_bytes)?;
            return Ok((file, Stage::Created));
        }
        if !flushed {
            // An earlier process marked it as free, and may have died before that was on the disk.
            file.sync_data(Flush::SegmentHeader)?;
        }
        Ok((file, Stage::Recycled))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let disk = &self.segments.disk;
        let file = disk.open(path, true)?;
        if let Err(error) = file.allocate(self.segments.segment_bytes) {
            // Best effort: at the next open an empty file is taken for a free segment.
            let _ = disk.remove(path);
            return Err(error);
        }
        Ok(Arc::from(file))
    }

    /// The one write and the one flush.
    fn write(&mut self, entries: &[Entry<'_>], pieces: &mut [Piece]) -> io::Result<Vec<Location>> {
        let current = self.current.as_mut().expect("room was made before");
        let (head, first) = (current.head, self.next);
        let mut locations = Vec::with_capacity(pieces.len());
        let mut bytes = BATCH_HEAD_BYTES as u64;
        for (lsn, piece) in (first..).zip(pieces.iter_mut()) {
            piece.frame.generation = head.generation;
            piece.frame.lsn = lsn;
            let frame = piece.frame.to_bytes(head.salt);
            self.heads[piece.head_at..piece.head_at + FRAME_BYTES].copy_from_slice(&frame);
            locations.push(Location {
                segment: head.segment,
                generation: head.generation,
                offset: (current.at + bytes) as u32,
            });
            bytes += piece.frame.record_bytes();
        }
        let batch = BatchHead {
            generation: head.generation,
            salt: head.salt,
            first,
            count: pieces.len() as u32,
            bytes: bytes as u32,
            flushed: self.flushed,
        };
        let (block, batch) = (head.to_block(), batch.to_bytes());
        let mut bufs: Vec<&[u8]> = Vec::with_capacity(3 + 3 * pieces.len());
        if current.stage != Stage::Begun {
            bufs.push(&block);
        }
        bufs.push(&batch);
        for (piece, entry) in pieces.iter().zip(entries) {
            bufs.push(&self.heads[piece.head_at..piece.head_at + piece.head_bytes]);
            if let EntryContent::Inline(content) = entry.content {
                bufs.push(content);
            }
            bufs.push(&ZEROS[..piece.padding]);
        }
        let end = (current.at + bytes).next_multiple_of(BLOCK_BYTES);
        bufs.push(&ZEROS[..(end - current.at - bytes) as usize]);
        let from = if current.stage == Stage::Begun {
            current.at
        } else {
            0
        };
        current.file.write_at(&bufs, from)?;
        current.file.sync_data(Flush::Batch)?;
        if current.stage == Stage::Created {
            self.segments
                .disk
                .sync_dir(Path::new("log"), Flush::SegmentName)?;
        }
        (current.at, current.stage) = (end, Stage::Begun);
        self.acknowledge(head, end, first + pieces.len() as u64);
        Ok(locations)
    }

    fn acknowledge(&mut self, head: SegmentHead, end: u64, next: Lsn) {
        self.next = next;
        self.flushed = next - 1;
        self.previous = Link {
            segment: head.segment,
            generation: head.generation,
        };
        if let Some(slot) = self.segments.table().slots.get_mut(&head.segment) {
            slot.used_bytes = end;
            slot.last = next - 1;
        }
    }

    /// After a failed write or flush nothing is known of the current segment's end. Nothing more goes there; an
    /// abort record goes to another segment, whose head says where the acknowledged ones end.
    fn poison(&mut self, count: u64, error: &io::Error) -> AppendError {
        let Some(current) = self.current.take() else {
            return AppendError::Failed(error.to_string());
        };
        let head = current.head;
        let poisoned = Link {
            segment: head.segment,
            generation: head.generation,
        };
        if let Some(slot) = self.segments.table().slots.get_mut(&head.segment) {
            slot.condition = match current.stage {
                Stage::Begun => Condition::Live,
                Stage::Created | Stage::Recycled => Condition::Aside,
            };
        }
        let abort = Record::Abort(AbortRecord {
            first: self.next,
            last: self.next + count - 1,
            segment: head.segment,
            generation: head.generation,
        });
        self.previous = poisoned;
        self.next += count;
        match self.append_abort(&abort) {
            Ok(()) => {
                // It would hold without this: the next segment's head says the same until that one is freed.
                let _ = self.seal(poisoned, self.flushed_before_abort());
                AppendError::Failed(error.to_string())
            }
            Err(second) => {
                let why = format!("{error}, and then {second}");
                self.strike = Some(why.clone());
                AppendError::ReadOnly(why)
            }
        }
    }

    /// The abort record is the only record of its batch, just acknowledged.
    fn flushed_before_abort(&self) -> Lsn {
        self.current
            .as_ref()
            .map_or(self.flushed, |current| current.head.previous_lsn)
    }

    fn append_abort(&mut self, abort: &Record) -> io::Result<()> {
        let entries = [Entry {
            record: abort,
            content: EntryContent::None,
        }];
        let mut pieces = self
            .lay_out(&entries)
            .map_err(|error| io::Error::other(error.to_string()))?;
        self.current = Some(self.take_segment()?);
        self.write(&entries, &mut pieces).map(|_| ())
    }
}

/// When a head must be on the disk.
#[derive(Clone, Copy)]
enum Durable {
    Now,
    Sometime,
}

/// The head of `slot`, saying that `last` was the last LSN acknowledged in it.
fn sealed(slot: &Slot, last: Lsn) -> SegmentHead {
    SegmentHead {
        sealed_at: slot.used_bytes as u32,
        sealed_last: last,
        ..slot.head
    }
}

fn batch_bytes(pieces: &[Piece]) -> u64 {
    let records: u64 = pieces.iter().map(|piece| piece.frame.record_bytes()).sum();
    (BATCH_HEAD_BYTES as u64 + records).next_multiple_of(BLOCK_BYTES)
}

fn lay_out_one(heads: &mut Vec<u8>, entry: &Entry<'_>) -> Result<Piece, AppendError> {
    let head_at = heads.len();
    heads.resize(head_at + FRAME_BYTES, 0);
    let inline_crcs;
    let (crcs, place): (&[u32], _) = match entry.content {
        EntryContent::None => (&[], ContentPlace::Inline),
        EntryContent::File(crcs) => (crcs, ContentPlace::File),
        EntryContent::Inline(content) => {
            inline_crcs = chunk_crcs(content);
            (&inline_crcs, ContentPlace::Inline)
        }
    };
    let (content_bytes, email) = match entry.record.content() {
        Some(meta) => (meta.bytes, meta.email),
        None => (0, EmailId([0; 16])),
    };
    let prefixes = entry.record.content().map_or(0, |meta| meta.prefixes.len());
    if prefixes > RECORD_LIST_MAX {
        return Err(AppendError::TooLarge("prefixes of a record"));
    }
    let inline_fits = match entry.content {
        EntryContent::Inline(content) => content.len() as u64 == content_bytes,
        _ => true,
    };
    if !inline_fits || content_bytes.div_ceil(CHUNK_BYTES as u64) != crcs.len() as u64 {
        return Err(AppendError::TooLarge(
            "content of another length than its record says",
        ));
    }
    if crcs.len() > CONTENT_CHUNKS_MAX {
        return Err(AppendError::TooLarge("content"));
    }
    for crc in crcs {
        heads.extend_from_slice(&crc.to_le_bytes());
    }
    let meta_at = heads.len();
    encode(entry.record, heads);
    if heads.len() - meta_at > RECORD_META_BYTES_MAX {
        return Err(AppendError::TooLarge("record"));
    }
    let frame = Frame {
        kind: entry.record.kind(),
        skippable: false,
        place,
        generation: 0,
        lsn: 0,
        meta_bytes: (heads.len() - meta_at) as u32,
        content_bytes,
        email,
        list_crc: crc32c::crc32c(&heads[head_at + FRAME_BYTES..meta_at]),
        meta_crc: crc32c::crc32c(&heads[meta_at..]),
    };
    let padding = frame.record_bytes() - frame.content_at() - frame.inline_bytes();
    Ok(Piece {
        head_at,
        head_bytes: heads.len() - head_at,
        padding: padding as usize,
        frame,
    })
}
