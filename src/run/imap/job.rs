//! A FETCH in slices: in a reader's lane a slice fills a buffer from rows, summaries and contents; the socket's task
//! writes it out while the next slice fills another one. Whatever the size of a message, only slices of it are held.

use super::octets::{self, Octets};
use super::{End, Session};
use crate::limits::{FETCH_SLICE_BYTES, MAILBOX_MESSAGES_MAX};
use crate::session::imap::gate::WRITE_PAUSE;
use crate::store::reader::{ContentReader, RowRange, SummaryRef};
use crate::store::row::MessageRow;
use crate::store::{AccountId, MailboxId, ModSeq, Reader, StoreError};
use crate::wire::imap::command::Access;
use crate::wire::imap::date::date_time;
use crate::wire::imap::fetch::{Item, SectionItem, Sight};
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::{Recent, put_flags, put_literal_head, put_number};
use crate::wire::mime::body::{Form, push_body};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a slice may keep a reader from others.
const SLICE_TIME: Duration = Duration::from_millis(10);
/// Rows that are read ahead of the contents.
const ROWS_AHEAD: usize = 64;

/// One FETCH, between its slices.
pub(super) struct Job {
    account: AccountId,
    mailbox: MailboxId,
    access: Access,
    items: Vec<Item>,
    map: Arc<SeqMap>,
    recent: Arc<UidSet>,
    /// As told to the client; new ones are looked up and told before they are used.
    pub keywords: Arc<Keywords>,
    /// Only messages that changed.
    pub filter: Option<Filter>,
    uids: UidSet,
    /// Where it goes on: a range of `uids` and the next UID in it (0: its first).
    range: usize,
    next_uid: u32,
    rows: VecDeque<MessageRow>,
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

/// A message whose answer is being written.
struct Open {
    row: MessageRow,
    content: ContentReader,
    envelope: Vec<u8>,
    structure: Vec<u8>,
    next_item: usize,
    /// A literal under way: `at..end` of the served message.
    literal: Option<(u64, u64)>,
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
            items,
            map: selected.view.map.clone(),
            recent: selected.view.recent.clone(),
            keywords: user.keywords.clone(),
            filter: None,
            uids,
            range: 0,
            next_uid: 0,
            rows: VecDeque::new(),
            open: None,
            read_unseen: UidSet::new(),
            rows_seen: 0,
            damaged: 0,
            started: false,
        }))
    }

    /// Runs a job to its end; the last slice stays in `out`.
    pub(super) async fn run_job(&mut self, job: Box<Job>) -> Result<Box<Job>, End> {
        let out = std::mem::take(&mut self.out);
        let (mut job, mut slice, mut full) = self.next_slice(job, out).await?;
        let mut spare = Vec::new();
        while let Slice::More = slice {
            // While the client takes this slice, the reader fills the next one.
            let lanes = self.imap.server.lanes.clone();
            let next = lanes.read(move |reader| one_slice(reader, job, spare));
            let sent = async {
                self.conn.send(&full, WRITE_PAUSE).await?;
                self.conn.flush(WRITE_PAUSE).await
            };
            let (next, sent) = tokio::join!(next, sent);
            sent?;
            spare = full;
            spare.clear();
            (job, slice, full) = next.map_err(unreadable)?;
        }
        self.out = full;
        if let Slice::Broken = slice {
            return Err(End::Bye("a message is damaged; see the server's log"));
        }
        self.told_keywords(job.keywords.clone());
        Ok(job)
    }

    async fn next_slice(
        &self,
        job: Box<Job>,
        out: Vec<u8>,
    ) -> Result<(Box<Job>, Slice, Vec<u8>), End> {
        self.read(move |reader| one_slice(reader, job, out))
            .await
            .map_err(unreadable)
    }
}

fn unreadable(error: StoreError) -> End {
    log::error!("imap: {error}");
    End::Bye("the mailbox cannot be read; see the server's log")
}

fn one_slice(
    reader: &mut Reader,
    mut job: Box<Job>,
    mut out: Vec<u8>,
) -> Result<(Box<Job>, Slice, Vec<u8>), StoreError> {
    let slice = job.fill(reader, &mut out)?;
    Ok((job, slice, out))
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

    fn fill(&mut self, reader: &mut Reader, out: &mut Vec<u8>) -> Result<Slice, StoreError> {
        let until = Instant::now() + SLICE_TIME;
        if !self.started {
            self.started = true;
            out.reserve(FETCH_SLICE_BYTES / 4);
            self.look_up_keywords(reader, out)?;
        }
        match self.needs {
            Needs::Rows => self.fill_from_rows(reader, out, until),
            Needs::Summaries => self.fill_from_summaries(reader, out, until),
            Needs::Contents | Needs::Parts => self.fill_from_contents(reader, out, until),
        }
    }

    /// A keyword may have been used elsewhere for the first time: the client hears of its name before it sees it.
    fn look_up_keywords(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        if !self.items.contains(&Item::Flags) {
            return Ok(());
        }
        let keywords = reader.keywords(self.account)?;
        if keywords != *self.keywords {
            super::select::put_flag_names(out, &keywords, self.access);
            self.keywords = Arc::new(keywords);
        }
        Ok(())
    }

    /// The next range of UIDs that is to be read.
    fn next_range(&self) -> Option<(u32, u32)> {
        let (first, last) = *self.uids.ranges().get(self.range)?;
        Some((first.max(self.next_uid), last))
    }

    /// A read of a range ended: at its end, or early because the slice is full.
    fn advance(&mut self, read_to: Option<u32>, last: u32) {
        match read_to
            .and_then(|uid| uid.checked_add(1))
            .filter(|next| *next <= last)
        {
            Some(next) => self.next_uid = next,
            None => {
                self.range += 1;
                self.next_uid = 0;
            }
        }
    }

    fn fill_from_rows(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
        until: Instant,
    ) -> Result<Slice, StoreError> {
        while let Some((first, last)) = self.next_range() {
            let mut stopped_at = None;
            let mut seen = 0;
            reader.rows(
                self.mailbox,
                first,
                last,
                MAILBOX_MESSAGES_MAX as usize,
                &mut |row| {
                    seen += 1;
                    if self.wanted(row) {
                        self.put_row(row, out);
                    }
                    let full = out.len() >= FETCH_SLICE_BYTES
                        || (seen % 64 == 0 && Instant::now() >= until);
                    if full {
                        stopped_at = Some(row.uid);
                    }
                    !full
                },
            )?;
            self.rows_seen += seen;
            self.advance(stopped_at, last);
            if stopped_at.is_some() || out.len() >= FETCH_SLICE_BYTES || Instant::now() >= until {
                return Ok(self.more_or_last());
            }
        }
        Ok(Slice::Last)
    }

    fn fill_from_summaries(
        &mut self,
        reader: &mut Reader,
        out: &mut Vec<u8>,
        until: Instant,
    ) -> Result<Slice, StoreError> {
        while let Some((first, last)) = self.next_range() {
            let mut stopped_at = None;
            let mut seen = 0;
            let range = RowRange {
                mailbox: self.mailbox,
                from_uid: first,
                to_uid: last,
                rows_max: MAILBOX_MESSAGES_MAX as usize,
            };
            reader.rows_with_summary(range, &mut |row, summary| {
                seen += 1;
                self.put_summary(row, &summary, out);
                let full =
                    out.len() >= FETCH_SLICE_BYTES || (seen % 64 == 0 && Instant::now() >= until);
                if full {
                    stopped_at = Some(row.uid);
                }
                !full
            })?;
            self.rows_seen += seen;
            self.advance(stopped_at, last);
            if stopped_at.is_some() || out.len() >= FETCH_SLICE_BYTES || Instant::now() >= until {
                return Ok(self.more_or_last());
            }
        }
        Ok(Slice::Last)
    }

    fn more_or_last(&self) -> Slice {
        if self.next_range().is_some() {
            Slice::More
        } else {
            Slice::Last
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
            if self.open.is_none() && !self.open_next(reader, out)? {
                return Ok(Slice::Last);
            }
            let started_here = self
                .open
                .as_ref()
                .is_some_and(|open| open.next_item == 0 && open.literal.is_none());
            let start = out.len();
            if started_here {
                self.put_start(out);
            }
            match self.put_open(out) {
                Ok(true) => self.close_message(),
                Ok(false) => return Ok(Slice::More),
                Err(error) => {
                    log::error!("imap: a message cannot be read: {error}");
                    if !started_here {
                        return Ok(Slice::Broken);
                    }
                    out.truncate(start);
                    self.damaged += 1;
                    self.open = None;
                }
            }
            if out.len() >= FETCH_SLICE_BYTES || Instant::now() >= until {
                return Ok(Slice::More);
            }
        }
    }

    /// Opens the next message; false when there is none.
    fn open_next(&mut self, reader: &mut Reader, _out: &mut Vec<u8>) -> Result<bool, StoreError> {
        loop {
            let Some(row) = self.next_row(reader)? else {
                return Ok(false);
            };
            let content = match reader.content(row.content, row.prefix) {
                Ok(content) => content,
                Err(error) => {
                    log::error!("imap: a message cannot be opened: {error}");
                    self.damaged += 1;
                    continue;
                }
            };
            let (envelope, structure) = if self.needs_summary() {
                let summary = reader.summary(row.content)?;
                (summary.envelope, summary.structure)
            } else {
                (Vec::new(), Vec::new())
            };
            self.open = Some(Box::new(Open {
                row,
                content,
                envelope,
                structure,
                next_item: 0,
                literal: None,
            }));
            return Ok(true);
        }
    }

    fn needs_summary(&self) -> bool {
        self.needs == Needs::Parts
            || self
                .items
                .iter()
                .any(|item| needs(item) == Needs::Summaries)
    }

    fn next_row(&mut self, reader: &mut Reader) -> Result<Option<MessageRow>, StoreError> {
        while self.rows.is_empty() {
            let Some((first, last)) = self.next_range() else {
                return Ok(None);
            };
            let rows = &mut self.rows;
            reader.rows(self.mailbox, first, last, ROWS_AHEAD, &mut |row| {
                rows.push_back(row.clone());
                true
            })?;
            self.rows_seen += self.rows.len() as u64;
            let read_to = self
                .rows
                .back()
                .filter(|_| self.rows.len() == ROWS_AHEAD)
                .map(|row| row.uid);
            self.advance(read_to, last);
        }
        Ok(self.rows.pop_front())
    }

    fn put_start(&self, out: &mut Vec<u8>) {
        if let Some(open) = &self.open {
            self.put_head(&open.row, out);
        }
    }

    fn close_message(&mut self) {
        let Some(open) = self.open.take() else { return };
        let leaves_trace =
            |item: &Item| matches!(item, Item::Section(section) if section.sight == Sight::Seen);
        if !open.row.flags.contains(Flags::SEEN) && self.items.iter().any(leaves_trace) {
            self.read_unseen.insert(open.row.uid);
        }
    }

    /// Goes on with the open message; false when the slice is full before its end.
    fn put_open(&mut self, out: &mut Vec<u8>) -> Result<bool, StoreError> {
        let Some(mut open) = self.open.take() else {
            return Ok(true);
        };
        let done = self.put_items(&mut open, out);
        self.open = Some(open);
        done
    }

    fn put_items(&self, open: &mut Open, out: &mut Vec<u8>) -> Result<bool, StoreError> {
        loop {
            if let Some((at, end)) = open.literal {
                let room = FETCH_SLICE_BYTES.saturating_sub(out.len()) as u64;
                let n = room.min(end - at);
                put_octets(&open.content, at, n, out)?;
                open.literal = Some((at + n, end)).filter(|(at, end)| at < end);
                if open.literal.is_some() {
                    return Ok(false);
                }
            }
            let Some(item) = self.items.get(open.next_item) else {
                out.extend_from_slice(b")\r\n");
                return Ok(true);
            };
            if open.next_item > 0 {
                out.push(b' ');
            }
            open.next_item += 1;
            match item {
                Item::Section(section) => put_section(section, open, out)?,
                Item::Envelope => put_envelope(&open.envelope, out),
                Item::Body => put_structure(&open.structure, Form::Body, out),
                Item::BodyStructure => put_structure(&open.structure, Form::BodyStructure, out),
                item => self.put_item(item, &open.row, out),
            }
        }
    }

    /// `* 7 FETCH (`
    fn put_head(&self, row: &MessageRow, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* ");
        put_number(out, u64::from(self.map.seq(row.uid).unwrap_or(0)));
        out.extend_from_slice(b" FETCH (");
    }

    fn put_row(&self, row: &MessageRow, out: &mut Vec<u8>) {
        self.put_head(row, out);
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            self.put_item(item, row, out);
        }
        out.extend_from_slice(b")\r\n");
    }

    fn put_summary(&self, row: &MessageRow, summary: &SummaryRef<'_>, out: &mut Vec<u8>) {
        self.put_head(row, out);
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            match item {
                Item::Envelope => put_envelope(summary.envelope, out),
                Item::Body => put_structure(summary.structure, Form::Body, out),
                Item::BodyStructure => put_structure(summary.structure, Form::BodyStructure, out),
                item => self.put_item(item, row, out),
            }
        }
        out.extend_from_slice(b")\r\n");
    }

    fn put_item(&self, item: &Item, row: &MessageRow, out: &mut Vec<u8>) {
        match item {
            Item::Uid => {
                out.extend_from_slice(b"UID ");
                put_number(out, u64::from(row.uid));
            }
            Item::Flags => {
                let recent = if self.recent.contains(row.uid) {
                    Recent::Yes
                } else {
                    Recent::No
                };
                put_flags(out, row.flags, &self.keywords, recent);
            }
            Item::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                out.extend_from_slice(date_time(row.internal_secs).as_bytes());
            }
            Item::Size => {
                out.extend_from_slice(b"RFC822.SIZE ");
                put_number(out, row.served_bytes);
            }
            // Written by whoever has the summary or the content.
            Item::Envelope | Item::Body | Item::BodyStructure | Item::Section(_) => {}
        }
    }
}

fn put_envelope(envelope: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"ENVELOPE ");
    out.extend_from_slice(envelope);
}

fn put_structure(structure: &[u8], form: Form, out: &mut Vec<u8>) {
    out.extend_from_slice(match form {
        Form::Body => b"BODY ",
        Form::BodyStructure => b"BODYSTRUCTURE ",
    });
    push_body(out, structure, form);
}

fn put_section(item: &SectionItem, open: &mut Open, out: &mut Vec<u8>) -> Result<(), StoreError> {
    use std::io::Write;
    let found = octets::find(item, &open.content, &open.structure)?;
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{item} ");
    match found {
        Octets::Missing => out.extend_from_slice(b"NIL"),
        Octets::Held(held) if held.is_empty() => out.extend_from_slice(b"\"\""),
        Octets::Held(held) => {
            put_literal_head(out, held.len() as u64);
            out.extend_from_slice(&held);
        }
        Octets::Range(start, end) if start == end => out.extend_from_slice(b"\"\""),
        Octets::Range(start, end) => {
            put_literal_head(out, end - start);
            // What fits into a slice is read at once, so that damage is found before the message is half sent.
            if end - start <= FETCH_SLICE_BYTES as u64 {
                put_octets(&open.content, start, end - start, out)?;
            } else {
                open.literal = Some((start, end));
            }
        }
    }
    Ok(())
}

/// Appends `bytes` octets of the served message.
fn put_octets(
    content: &ContentReader,
    at: u64,
    bytes: u64,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let before = out.len();
    out.resize(
        before.saturating_add(usize::try_from(bytes).unwrap_or(0)),
        0,
    );
    match out.get_mut(before..) {
        Some(room) => octets::read_exactly(content, at, room),
        None => Ok(()),
    }
}
