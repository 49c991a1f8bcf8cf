//! SEARCH and UID SEARCH (RFC 3501 section 6.4.4, RFC 4731) in slices: what the index knows is answered at once, then
//! message by message for those that are left.

use super::octets::read_exactly;
use super::reply::Reply;
use super::{End, Session};
use crate::limits::{
    FETCH_SLICE_BYTES, HEADER_BLOCK_BYTES_MAX, MAILBOX_MESSAGES_MAX, SEARCH_BYTES,
};
use crate::session::imap::search::{Ask, ENVELOPE_FIELDS, Index, Node, answer, plan};
use crate::store::reader::{ContentReader, RowRange, SummaryRef};
use crate::store::row::MessageRow;
use crate::store::{MailboxId, Reader, StoreError};
use crate::wire::imap::command::{Numbers, Tag};
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::scan::Scan;
use crate::wire::imap::search::{EnvelopeField, Key, Search};
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::{Code, put_untagged};
use crate::wire::mime::date;
use crate::wire::mime::search::{Needle, Progress, Scope, Searcher, envelope_holds, field_holds};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a slice may keep a reader from others.
const SLICE_TIME: Duration = Duration::from_millis(10);
/// Messages that wait for a look at their content.
const ROWS_AHEAD: usize = 64;

impl Session {
    pub(super) async fn search(
        &mut self,
        tag: &Tag,
        numbers: Numbers,
        search: Search,
    ) -> Result<Reply, End> {
        let (Some(selected), Some(user)) = (&self.selected, &self.user) else {
            return Ok(Reply::bad("select a mailbox first"));
        };
        let (mailbox, map) = (selected.mailbox, selected.view.map.clone());
        let ground = Ground {
            mailbox,
            all: map.uids(),
            map: map.clone(),
            recent: selected.view.recent.clone(),
            keywords: user.keywords.clone(),
        };
        let key = search.key;
        let (imap, account) = (self.imap.clone(), user.account);
        let mut place = imap.places.take(account, SEARCH_BYTES).await;
        let mut hunt = match self.read(move |reader| begin(reader, ground, &key)).await {
            Ok(hunt) => Box::new(hunt),
            Err(error) => return Ok(error.into()),
        };
        while !hunt.done {
            let (back, result) = self
                .read(move |reader| {
                    let result = hunt.slice(reader);
                    (hunt, result)
                })
                .await;
            if let Err(error) = result {
                return Ok(error.into());
            }
            hunt = back;
            self.still_there()?;
            if imap.places.wanted() {
                // Between messages a search holds next to nothing: it queues again behind the others.
                drop(place);
                place = imap.places.take(account, SEARCH_BYTES).await;
            }
        }
        let found = match numbers {
            Numbers::Uid => hunt.found,
            Numbers::Sequence => map.seqs_of(&hunt.found),
        };
        put_untagged(&mut self.out, &answer(search.wanted, tag, numbers, &found));
        Ok(if hunt.damaged > 0 {
            Reply::no(
                Code::ServerBug,
                "some messages are damaged and were not searched; see the server's log",
            )
        } else {
            Reply::ok("SEARCH completed")
        })
    }

    /// A long search ends with the server or the login.
    fn still_there(&self) -> Result<(), End> {
        if self.imap.server.draining() {
            return Err(End::Bye("server is stopping"));
        }
        match &self.user {
            Some(user) if user.watch.is_revoked() => Err(End::Bye(super::REVOKED)),
            _ => Ok(()),
        }
    }
}

/// Where a search happens.
struct Ground {
    mailbox: MailboxId,
    all: UidSet,
    map: Arc<SeqMap>,
    recent: Arc<UidSet>,
    keywords: Arc<Keywords>,
}

/// Answers leaf keys from the index.
struct Leaves<'a> {
    ground: &'a Ground,
    reader: &'a mut Reader,
}

impl Index for Leaves<'_> {
    type Error = StoreError;

    fn all(&self) -> &UidSet {
        &self.ground.all
    }

    fn set(&mut self, key: &Key) -> Result<Option<UidSet>, StoreError> {
        let ground = self.ground;
        Ok(Some(match key {
            Key::All => ground.all.clone(),
            Key::Flag(flag, set) => self.flagged(*flag, *set)?,
            Key::Keyword(name, set) => match (ground.keywords.find(name), set) {
                (Some(flag), set) => self.flagged(flag, *set)?,
                (None, true) => UidSet::new(),
                (None, false) => ground.all.clone(),
            },
            Key::Recent(true) => (*ground.recent).clone(),
            Key::Recent(false) => ground.all.difference(&ground.recent),
            Key::Uid(set) => set.resolve(ground.map.last_uid().max(1)),
            Key::Sequence(set) => ground.map.uids_of(&set.resolve(ground.map.len())),
            _ => return Ok(None),
        }))
    }
}

impl Leaves<'_> {
    fn flagged(&mut self, flag: Flags, set: bool) -> Result<UidSet, StoreError> {
        self.reader.uids_with_flags(self.ground.mailbox, flag, set)
    }
}

/// One search, between its slices.
struct Hunt {
    mailbox: MailboxId,
    node: Node,
    needles: HashMap<Box<str>, Needle>,
    candidates: UidSet,
    range: usize,
    next_uid: u32,
    /// Messages that the index alone could not decide, with their structure.
    undecided: VecDeque<(MessageRow, Vec<u8>)>,
    found: UidSet,
    damaged: u32,
    done: bool,
}

/// A question that only the content answers.
struct Deferred;

fn begin(reader: &mut Reader, ground: Ground, key: &Key) -> Result<Hunt, StoreError> {
    let node = plan(
        key,
        &mut Leaves {
            ground: &ground,
            reader,
        },
    )?;
    let mut needles = HashMap::new();
    node.each_text(&mut |text| {
        needles
            .entry(text.into())
            .or_insert_with(|| Needle::new(text));
    });
    let mut hunt = Hunt {
        mailbox: ground.mailbox,
        candidates: node.candidates(&ground.all),
        node,
        needles,
        range: 0,
        next_uid: 0,
        undecided: VecDeque::new(),
        found: UidSet::new(),
        damaged: 0,
        done: false,
    };
    if let Node::Set(set) = &hunt.node {
        hunt.found = set.clone();
        hunt.done = true;
    }
    Ok(hunt)
}

impl Hunt {
    fn slice(&mut self, reader: &mut Reader) -> Result<(), StoreError> {
        let until = Instant::now() + SLICE_TIME;
        while Instant::now() < until {
            if let Some((row, structure)) = self.undecided.pop_front() {
                self.decide_by_content(reader, &row, &structure);
            } else if !self.decide_by_rows(reader, until)? {
                self.done = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Decides what rows and summaries decide, until `ROWS_AHEAD` messages are left undecided; false at the end.
    fn decide_by_rows(&mut self, reader: &mut Reader, until: Instant) -> Result<bool, StoreError> {
        let Some(&(first, last)) = self.candidates.ranges().get(self.range) else {
            return Ok(false);
        };
        let from_uid = first.max(self.next_uid);
        let (node, needles) = (&self.node, &self.needles);
        let (found, undecided) = (&mut self.found, &mut self.undecided);
        let (mut stopped_at, mut seen) = (None, 0u32);
        let mut each = |row: &MessageRow, envelope: &[u8], structure: &[u8]| {
            match node.holds(row.uid, &mut |ask| {
                answer_by_row(ask, row, envelope, needles)
            }) {
                Ok(true) => found.insert(row.uid),
                Ok(false) => {}
                Err(Deferred) => undecided.push_back((row.clone(), structure.to_vec())),
            }
            seen += 1;
            let go_on = undecided.len() < ROWS_AHEAD && (seen % 64 != 0 || Instant::now() < until);
            if !go_on {
                stopped_at = Some(row.uid);
            }
            go_on
        };
        if node.needs_summaries() {
            let range = RowRange {
                mailbox: self.mailbox,
                from_uid,
                to_uid: last,
                rows_max: MAILBOX_MESSAGES_MAX as usize,
            };
            reader.rows_with_summary(range, &mut |row, s: SummaryRef<'_>| {
                each(row, s.envelope, s.structure)
            })?;
        } else {
            reader.rows(
                self.mailbox,
                from_uid,
                last,
                MAILBOX_MESSAGES_MAX as usize,
                &mut |row| each(row, b"", b""),
            )?;
        }
        match stopped_at
            .and_then(|uid| uid.checked_add(1))
            .filter(|next| *next <= last)
        {
            Some(next) => self.next_uid = next,
            None => {
                self.range += 1;
                self.next_uid = 0;
            }
        }
        Ok(true)
    }

    fn decide_by_content(&mut self, reader: &mut Reader, row: &MessageRow, structure: &[u8]) {
        let mut message = Message {
            row,
            structure,
            reader,
            content: None,
            header: None,
        };
        let (node, needles) = (&self.node, &self.needles);
        // The envelope was asked before, when it was at hand; here its questions go to the header block.
        match node.holds(row.uid, &mut |ask| message.answer(ask, needles)) {
            Ok(true) => self.found.insert(row.uid),
            Ok(false) => {}
            Err(error) => {
                log::error!("imap: a message cannot be searched: {error}");
                self.damaged += 1;
            }
        }
    }
}

fn answer_by_row(
    ask: &Ask,
    row: &MessageRow,
    envelope: &[u8],
    needles: &HashMap<Box<str>, Needle>,
) -> Result<bool, Deferred> {
    Ok(match ask {
        Ask::Larger(bytes) => row.served_bytes > *bytes,
        Ask::Smaller(bytes) => row.served_bytes < *bytes,
        Ask::Internal(test) => test.holds(row.internal_secs),
        Ask::Sent(test) => sent_day(envelope).is_some_and(|secs| test.holds(secs)),
        Ask::Envelope(field, text) => needles
            .get(text)
            .is_some_and(|needle| envelope_holds(envelope, envelope_index(*field), needle)),
        Ask::Header(..) | Ask::Body(_) | Ask::Text(_) => return Err(Deferred),
    })
}

/// The position in an ENVELOPE.
fn envelope_index(field: u8) -> usize {
    match ENVELOPE_FIELDS.get(usize::from(field)) {
        Some(EnvelopeField::From) => 2,
        Some(EnvelopeField::To) => 5,
        Some(EnvelopeField::Cc) => 6,
        Some(EnvelopeField::Bcc) => 7,
        Some(EnvelopeField::Subject) | None => 1,
    }
}

/// The day of the Date field on its writer's calendar (RFC 3501 section 6.4.4: "disregarding time and timezone").
fn sent_day(envelope: &[u8]) -> Option<i64> {
    let mut scan = Scan::new(envelope);
    scan.expect(b'(', "").ok()?;
    let value = scan.nstring().ok()??;
    date::parse(&value).map(|moment| moment.day_secs())
}

/// One message while it is asked.
struct Message<'a> {
    row: &'a MessageRow,
    structure: &'a [u8],
    reader: &'a mut Reader,
    content: Option<ContentReader>,
    header: Option<Vec<u8>>,
}

impl Message<'_> {
    fn answer(
        &mut self,
        ask: &Ask,
        needles: &HashMap<Box<str>, Needle>,
    ) -> Result<bool, StoreError> {
        let text = match ask {
            Ask::Envelope(_, text) | Ask::Header(_, text) | Ask::Body(text) | Ask::Text(text) => {
                text
            }
            Ask::Larger(_) | Ask::Smaller(_) | Ask::Internal(_) | Ask::Sent(_) => "",
        };
        let missing = || StoreError("a search text was not prepared; this is a bug".into());
        let needle = || needles.get(text).ok_or_else(missing);
        Ok(match ask {
            Ask::Larger(bytes) => self.row.served_bytes > *bytes,
            Ask::Smaller(bytes) => self.row.served_bytes < *bytes,
            Ask::Internal(test) => test.holds(self.row.internal_secs),
            Ask::Sent(test) => sent_day(&self.reader.summary(self.row.content)?.envelope)
                .is_some_and(|secs| test.holds(secs)),
            Ask::Envelope(field, _) => {
                let envelope = self.reader.summary(self.row.content)?.envelope;
                envelope_holds(&envelope, envelope_index(*field), needle()?)
            }
            Ask::Header(name, _) => field_holds(self.header()?, name, needle()?),
            Ask::Body(_) => self.text_holds(needle()?, Scope::Body)?,
            Ask::Text(_) => self.text_holds(needle()?, Scope::Text)?,
        })
    }

    fn content(&mut self) -> Result<&ContentReader, StoreError> {
        if self.content.is_none() {
            self.content = Some(self.reader.content(self.row.content, self.row.prefix)?);
        }
        self.content.as_ref().ok_or_else(|| {
            StoreError("a content was opened and is not there; this is a bug".into())
        })
    }

    fn header(&mut self) -> Result<&[u8], StoreError> {
        if self.header.is_none() {
            let content = self.content()?;
            let bytes = usize::try_from(content.served_header_bytes()).unwrap_or(usize::MAX);
            let mut block = vec![0; bytes.min(2 * HEADER_BLOCK_BYTES_MAX)];
            read_exactly(content, 0, &mut block)?;
            self.header = Some(block);
        }
        Ok(self.header.as_deref().unwrap_or_default())
    }

    /// Streams what of the message can hold the needle.
    fn text_holds(&mut self, needle: &Needle, scope: Scope) -> Result<bool, StoreError> {
        let mut searcher = Searcher::new(needle, scope, self.structure);
        if scope == Scope::Text && searcher.header(self.header()?) == Progress::Found {
            return Ok(true);
        }
        let content = self.content()?;
        let shift = content.body_shift();
        let mut buffer = Vec::new();
        while let Some(range) = searcher.wanted() {
            let bytes = (range.end - range.start).min(FETCH_SLICE_BYTES as u64);
            buffer.resize(usize::try_from(bytes).unwrap_or(0), 0);
            let Some(at) = range.start.checked_add_signed(shift) else {
                return Ok(false);
            };
            read_exactly(content, at, &mut buffer)?;
            if searcher.feed(range.start, &buffer) == Progress::Found {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
