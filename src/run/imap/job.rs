//! A FETCH in slices: in a reader's lane a slice fills a buffer from rows, summaries and contents; the socket's task
//! writes it out while the next slice fills another one. Whatever the size of a message, only slices of it are held.

use super::cursor::Cursor;
use super::message::{Open, Progress, Told, slice_room};
use super::places::Place;
use super::{End, Session};
use crate::limits::{
    FETCH_BYTES, FETCH_SLICE_BYTES, FETCH_SUMMARY_BYTES, FETCH_WIDE_BYTES, FETCH_WIDE_SLICE_BYTES,
    IMAP_ANSWER_TAIL_BYTES_MAX, IMAP_ANSWER_UNREAD_SECS, MAILBOX_MESSAGES_MAX,
};
use crate::net::conn::Patience;
use crate::session::imap::gate::WRITE_PAUSE;
use crate::store::reader::{Place as Placed, RowRange, SummaryRef};
use crate::store::row::MessageRow;
use crate::store::{AccountId, MailboxId, ModSeq, Reader, StoreError};
use crate::wire::imap::command::Access;
use crate::wire::imap::fetch::{Item, Sight};
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long a slice may keep a reader from others.
const SLICE_TIME: Duration = Duration::from_millis(10);
/// Rows that are read ahead of the contents.
const ROWS_AHEAD: usize = 32;
/// A client that takes longer for a slice is slow.
const SLOW_AFTER: Duration = Duration::from_millis(200);

/// One FETCH, between its slices.
pub(super) struct Job {
    account: AccountId,
    mailbox: MailboxId,
    access: Access,
    pub told: Told,
    /// Only messages that changed.
    pub filter: Option<Filter>,
    uids: UidSet,
    cursor: Cursor,
    rows: VecDeque<(MessageRow, Placed)>,
    open: Option<Box<Open>>,
    /// Messages of which BODY[] and the like was sent while they were not \Seen.
    pub read_unseen: UidSet,
    /// How many rows there were: fewer than `uids` says that some have been expunged meanwhile.
    rows_seen: u64,
    /// Messages that could not be read.
    pub damaged: u32,
    needs: Needs,
    started: bool,
}

/// Which messages are worth telling of.
pub(super) struct Filter {
    /// Only those with a higher modseq.
    pub changed_after: ModSeq,
    /// And not those that the client changed itself.
    pub own: Option<(ModSeq, Arc<UidSet>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Rows,
    Summaries,
    Contents,
    /// And the structure, to find parts.
    Parts,
}

/// How a slice ended.
pub(super) enum Slice {
    /// There is more to come.
    More,
    /// That was all.
    Last,
    /// In the middle of a literal the content could not be read: the framing is lost.
    Broken,
}

impl Session {
    /// A job over messages of the selected mailbox.
    pub(super) fn job(&self, items: Vec<Item>, uids: UidSet) -> Option<Box<Job>> {
        let (selected, user) = (self.selected.as_ref()?, self.user.as_ref()?);
        Some(Box::new(Job {
            account: user.account,
            mailbox: selected.mailbox,
            access: selected.view.access,
            needs: items.iter().map(needs).max().unwrap_or(Needs::Rows),
            told: Told::new(
                items,
                selected.view.map.clone(),
                selected.view.recent.clone(),
                user.keywords.clone(),
            ),
            filter: None,
            uids,
            cursor: Cursor::default(),
            rows: VecDeque::new(),
            open: None,
            read_unseen: UidSet::new(),
            rows_seen: 0,
            damaged: 0,
            started: false,
        }))
    }

    /// Runs a job to its end; the end of the last slice stays in `out`.
    pub(super) async fn run_job(&mut self, job: Box<Job>) -> Result<Box<Job>, End> {
        let (imap, account) = (self.imap.clone(), job.account);
        let mut out = std::mem::take(&mut self.out);
        let mut made = Made {
            job,
            slice: Slice::More,
            full: Vec::new(),
        };
        let mut pace = Pace::Quick;
        loop {
            let mut place = imap.places.take(account, made.job.bytes()).await;
            made.job.told.slice_bytes = FETCH_SLICE_BYTES;
            made = self.next_slice(made.job, out).await?;
            let mut other = Vec::new();
            while made.goes_on() && pace == Pace::Quick && !imap.places.wanted() {
                if made.job.told.slice_bytes == FETCH_SLICE_BYTES
                    && place.widen(FETCH_WIDE_BYTES - FETCH_BYTES)
                {
                    made.job.told.slice_bytes = FETCH_WIDE_SLICE_BYTES;
                }
                (made, other, pace) = self.send_and_make(made, other, &mut place).await?;
            }
            drop(other);
            if !made.goes_on() && made.full.len() <= IMAP_ANSWER_TAIL_BYTES_MAX {
                self.out = made.full;
                break;
            }
            // Others wait, or the client is slow: only this slice is held while it is sent.
            made.job.rest();
            made.full.shrink_to_fit();
            place.keep(made.full.len());
            let sent = self.send_slice(&made.full, made.goes_on());
            pace = pace.and(timed(sent).await?);
            if !made.goes_on() {
                break;
            }
            out = Vec::new();
        }
        if let Slice::Broken = made.slice {
            return Err(End::Bye("a message is damaged; see the server's log"));
        }
        self.told_keywords(made.job.told.keywords.clone());
        Ok(made.job)
    }

    /// While the client takes a slice, the reader fills the next one into the other buffer. Returns that, and the
    /// buffer that has been sent.
    async fn send_and_make(
        &mut self,
        made: Made,
        other: Vec<u8>,
        place: &mut Place,
    ) -> Result<(Made, Vec<u8>, Pace), End> {
        let Made { job, mut full, .. } = made;
        let lanes = self.imap.server.lanes.clone();
        let next = lanes.read(move |reader| one_slice(reader, job, other));
        let (next, pace) = {
            let mut sent = pin!(self.send_slice(&full, true));
            let (next, in_time) = tokio::join!(next, timeout(SLOW_AFTER, &mut sent));
            let mut next = next.map_err(unreadable)?;
            match in_time {
                Ok(sent) => sent.map(|()| (next, Pace::Quick))?,
                Err(_) => {
                    next.job.rest();
                    next.full.shrink_to_fit();
                    place.keep(full.capacity() + next.full.capacity());
                    sent.await?;
                    (next, Pace::Slow)
                }
            }
        };
        full.clear();
        Ok((next, full, pace))
    }

    /// Sends what counts as octets of a [`Place`]: while others wait for theirs, a client that takes nothing is cut off.
    pub(super) async fn send_slice(&mut self, slice: &[u8], goes_on: bool) -> Result<(), End> {
        let imap = &self.imap;
        let wanted = || imap.places.wanted();
        let patience = || Patience {
            within: WRITE_PAUSE,
            pause: Duration::from_secs(IMAP_ANSWER_UNREAD_SECS),
            in_the_way: &wanted,
        };
        self.conn.send(slice, patience()).await?;
        if goes_on {
            self.conn.flush(patience()).await?;
        }
        Ok(())
    }

    async fn next_slice(&self, job: Box<Job>, out: Vec<u8>) -> Result<Made, End> {
        self.read(move |reader| one_slice(reader, job, out))
            .await
            .map_err(unreadable)
    }
}

fn unreadable(error: StoreError) -> End {
    log::error!("imap: {error}");
    End::Bye("the mailbox cannot be read; see the server's log")
}

fn one_slice(reader: &mut Reader, mut job: Box<Job>, mut out: Vec<u8>) -> Result<Made, StoreError> {
    if job.started {
        // All that it will need; the first slice may be the only one, and small.
        out.reserve_exact(slice_room(job.told.slice_bytes).saturating_sub(out.len()));
    }
    let slice = job.fill(reader, &mut out)?;
    Ok(Made {
        job,
        slice,
        full: out,
    })
}

/// Whether a wait was longer than `SLOW_AFTER`.
async fn timed(sent: impl Future<Output = Result<(), End>>) -> Result<Pace, End> {
    let began = tokio::time::Instant::now();
    sent.await?;
    Ok(if began.elapsed() < SLOW_AFTER {
        Pace::Quick
    } else {
        Pace::Slow
    })
}

/// A job with its newest slice.
struct Made {
    job: Box<Job>,
    slice: Slice,
    full: Vec<u8>,
}

impl Made {
    fn goes_on(&self) -> bool {
        matches!(self.slice, Slice::More)
    }
}

/// Whether a client takes slices as fast as they are made. One that did not is not trusted with two at a time again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Quick,
    Slow,
}

impl Pace {
    fn and(self, other: Pace) -> Pace {
        if self == Pace::Quick { other } else { self }
    }
}

fn needs(item: &Item) -> Needs {
    match item {
        Item::Uid | Item::Flags | Item::InternalDate | Item::Size => Needs::Rows,
        Item::Envelope | Item::Body | Item::BodyStructure => Needs::Summaries,
        Item::Section(section) if section.section.path.is_empty() => Needs::Contents,
        Item::Section(_) => Needs::Parts,
    }
}

impl Job {
    /// Whether messages were gone that the client still counts.
    pub fn missed(&self) -> bool {
        self.filter.is_none() && self.rows_seen < self.uids.count()
    }

    /// What it holds while it makes slices.
    fn bytes(&self) -> usize {
        match self.needs_summary() {
            true => FETCH_BYTES + FETCH_SUMMARY_BYTES,
            false => FETCH_BYTES,
        }
    }

    /// Holds no more than it must until the next slice.
    fn rest(&mut self) {
        if let Some(open) = &mut self.open {
            open.rest();
        }
    }

    fn fill(&mut self, reader: &mut Reader, out: &mut Vec<u8>) -> Result<Slice, StoreError> {
        let until = Instant::now() + SLICE_TIME;
        if !self.started {
            self.started = true;
            out.reserve(FETCH_SLICE_BYTES / 4);
            self.look_up_keywords(reader, out)?;
        }
        match self.needs {
            Needs::Rows | Needs::Summaries => self.fill_from_index(reader, out, until),
            Needs::Contents | Needs::Parts => self.fill_from_contents(reader, out, until),
        }
    }

    /// A keyword may have been used elsewhere for the first time: the client hears of its name before it sees it.
    fn look_up_keywords(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        if !self.told.items.contains(&Item::Flags) {
            return Ok(());
        }
        let keywords = reader.keywords(self.account)?;
        if keywords != *self.told.keywords {
            super::select::put_flag_names(out, &keywords, self.access);
            self.told.keywords = Arc::new(keywords);
        }
        Ok(())
    }

    /// From rows alone, or with the summaries beside them.
    fn fill_from_index(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
        until: Instant,
    ) -> Result<Slice, StoreError> {
        let aim = self.told.slice_bytes;
        while let Some((first, last)) = self.cursor.next(&self.uids) {
            let (mut stopped_at, mut seen) = (None, 0);
            let mut each = |row: &MessageRow, summary: Option<SummaryRef<'_>>| {
                seen += 1;
                if self.wanted(row) {
                    self.told.put_indexed(row, summary.as_ref(), out);
                }
                let full = out.len() >= aim || (seen % 64 == 0 && Instant::now() >= until);
                if full {
                    stopped_at = Some(row.uid);
                }
                !full
            };
            let range = RowRange {
                mailbox: self.mailbox,
                from_uid: first,
                to_uid: last,
                rows_max: MAILBOX_MESSAGES_MAX as usize,
            };
            match self.needs {
                Needs::Rows => reader.rows(range, &mut |row| each(row, None))?,
                _ => {
                    reader.rows_with_summary(range, &mut |row, summary| each(row, Some(summary)))?
                }
            }
            self.rows_seen += seen;
            self.cursor.advance(stopped_at, last);
            if stopped_at.is_some() || out.len() >= aim || Instant::now() >= until {
                return Ok(self.more_or_last());
            }
        }
        Ok(Slice::Last)
    }

    fn more_or_last(&self) -> Slice {
        match self.cursor.next(&self.uids) {
            Some(_) => Slice::More,
            None => Slice::Last,
        }
    }

    fn wanted(&self, row: &MessageRow) -> bool {
        let Some(filter) = &self.filter else {
            return true;
        };
        let own = filter
            .own
            .as_ref()
            .is_some_and(|(modseq, uids)| row.modseq == *modseq && uids.contains(row.uid));
        row.modseq > filter.changed_after && !own
    }

    fn fill_from_contents(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
        until: Instant,
    ) -> Result<Slice, StoreError> {
        loop {
            let opened = match self.open.take() {
                Some(mut open) => {
                    if open.rested {
                        (open.envelope, open.structure) = self.summary(reader, &open.row)?;
                        open.rested = false;
                    }
                    Some(open)
                }
                None => self.open_next(reader)?,
            };
            let Some(mut open) = opened else {
                return Ok(Slice::Last);
            };
            let (new, start) = (open.is_new(), out.len());
            match open.put(&self.told, out) {
                Ok(Progress::Whole) => self.read_whole(&open.row),
                Ok(Progress::Part) => {
                    self.open = Some(open);
                    return Ok(Slice::More);
                }
                Err(error) => {
                    log::error!("imap: a message cannot be read: {error}");
                    if !new {
                        return Ok(Slice::Broken);
                    }
                    out.truncate(start);
                    self.damaged += 1;
                }
            }
            if out.len() >= self.told.slice_bytes || Instant::now() >= until {
                return Ok(Slice::More);
            }
        }
    }

    /// Opens the next message; None when there is none.
    fn open_next(&mut self, reader: &mut Reader) -> Result<Option<Box<Open>>, StoreError> {
        loop {
            let Some((row, place)) = self.next_row(reader)? else {
                return Ok(None);
            };
            let content = match reader.content_at(&row, place) {
                Ok(content) => content,
                Err(error) => {
                    log::error!("imap: a message cannot be opened: {error}");
                    self.damaged += 1;
                    continue;
                }
            };
            let (envelope, structure) = self.summary(reader, &row)?;
            return Ok(Some(Box::new(Open::new(row, content, envelope, structure))));
        }
    }

    /// Envelope and structure of a message, where an item needs them.
    fn summary(
        &self,
        reader: &mut Reader,
        row: &MessageRow,
    ) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
        if !self.needs_summary() {
            return Ok((Vec::new(), Vec::new()));
        }
        let summary = reader.summary(row.content)?;
        Ok((summary.envelope, summary.structure))
    }

    fn needs_summary(&self) -> bool {
        self.needs == Needs::Parts
            || self
                .told
                .items
                .iter()
                .any(|item| needs(item) == Needs::Summaries)
    }

    fn next_row(
        &mut self,
        reader: &mut Reader,
    ) -> Result<Option<(MessageRow, Placed)>, StoreError> {
        while self.rows.is_empty() {
            let Some((first, last)) = self.cursor.next(&self.uids) else {
                return Ok(None);
            };
            let rows = &mut self.rows;
            let range = RowRange {
                mailbox: self.mailbox,
                from_uid: first,
                to_uid: last,
                rows_max: ROWS_AHEAD,
            };
            reader.rows_with_place(range, &mut |row, place| {
                rows.push_back((row.clone(), place));
                true
            })?;
            self.rows_seen += self.rows.len() as u64;
            let read_to = self
                .rows
                .back()
                .filter(|_| self.rows.len() == ROWS_AHEAD)
                .map(|(row, _)| row.uid);
            self.cursor.advance(read_to, last);
        }
        Ok(self.rows.pop_front())
    }

    fn read_whole(&mut self, row: &MessageRow) {
        let leaves_trace =
            |item: &Item| matches!(item, Item::Section(section) if section.sight == Sight::Seen);
        if !row.flags.contains(Flags::SEEN) && self.told.items.iter().any(leaves_trace) {
            self.read_unseen.insert(row.uid);
        }
    }
}
