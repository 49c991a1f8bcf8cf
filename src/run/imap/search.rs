//! SEARCH and UID SEARCH (RFC 3501 section 6.4.4, RFC 4731) in slices: what the index knows is answered at once, then
//! message by message for those that are left.

use super::asked::{Asked, Budget, Needles, Stop};
use super::cursor::Cursor;
use super::reply::Reply;
use super::{End, Session};
use crate::limits::{MAILBOX_MESSAGES_MAX, SEARCH_BYTES, SEARCH_FLAGS_MAX};
use crate::session::imap::search::{Ask, ENVELOPE_FIELDS, Index, Node, answer, plan};
use crate::store::reader::{RowRange, SummaryRef};
use crate::store::row::MessageRow;
use crate::store::{MailboxId, Reader, StoreError};
use crate::wire::imap::command::{Numbers, Tag};
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::scan::Scan;
use crate::wire::imap::search::{EnvelopeField, Key, Search};
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::Code;
use crate::wire::mime::date;
use crate::wire::mime::search::{Needle, envelope_holds};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a slice may keep a reader from others.
const SLICE_TIME: Duration = Duration::from_millis(10);
/// Messages that wait for a look at their content.
const ROWS_AHEAD: usize = 64;
/// Questions to rows between two looks at the clock; a row itself is worth a few.
const ASKS_AT_ONCE: u32 = 256;

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
            Err(Unplanned::TooMuch) => {
                return Ok(Reply::no(Code::Limit, "too many sets of messages at once"));
            }
            Err(Unplanned::Trouble(error)) => return Ok(error.into()),
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
            if imap.places.wanted() && hunt.asked.is_none() {
                // Between messages a search holds next to nothing: it queues again behind the others.
                drop(place);
                place = imap.places.take(account, SEARCH_BYTES).await;
            }
        }
        let found = match numbers {
            Numbers::Uid => hunt.found,
            Numbers::Sequence => map.seqs_of(&hunt.found),
        };
        drop(place);
        self.out.extend_from_slice(b"* ");
        for piece in answer(search.wanted, tag, numbers, &found) {
            self.out.extend_from_slice(piece.as_bytes());
            self.relieve().await?;
        }
        self.out.extend_from_slice(b"\r\n");
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
    /// How many flags were looked up: each took a walk through the mailbox.
    flags: usize,
}

/// Why a search does not begin.
enum Unplanned {
    /// More sets than one search may hold.
    TooMuch,
    Trouble(StoreError),
}

impl From<StoreError> for Unplanned {
    fn from(error: StoreError) -> Unplanned {
        Unplanned::Trouble(error)
    }
}

impl Index for Leaves<'_> {
    type Error = Unplanned;

    fn all(&self) -> &UidSet {
        &self.ground.all
    }

    fn set(&mut self, key: &Key) -> Result<Option<UidSet>, Unplanned> {
        let ground = self.ground;
        Ok(match key {
            Key::All => Some(UidSet::range(1, u32::MAX)),
            Key::Flag(flag, set) => self.flagged(*flag, *set)?,
            Key::Keyword(name, set) => match ground.keywords.find(name) {
                Some(flag) => self.flagged(flag, *set)?,
                None => None,
            },
            Key::Recent(true) => Some((*ground.recent).clone()),
            Key::Recent(false) => Some(ground.all.difference(&ground.recent)),
            Key::Uid(set) => Some(set.resolve(ground.map.last_uid().max(1))),
            Key::Sequence(set) => Some(ground.map.uids_of(&set.resolve(ground.map.len()))),
            _ => None,
        })
    }

    fn keyword(&self, name: &str) -> Option<Flags> {
        self.ground.keywords.find(name)
    }

    fn too_much(&self) -> Unplanned {
        Unplanned::TooMuch
    }
}

impl Leaves<'_> {
    /// None when the rows are to be asked instead.
    fn flagged(&mut self, flag: Flags, set: bool) -> Result<Option<UidSet>, StoreError> {
        if self.flags == SEARCH_FLAGS_MAX {
            return Ok(None);
        }
        self.flags += 1;
        let uids = self
            .reader
            .uids_with_flags(self.ground.mailbox, flag, set)?;
        Ok(Some(uids))
    }
}

/// One search, between its slices.
struct Hunt {
    mailbox: MailboxId,
    node: Node,
    needles: Needles,
    candidates: UidSet,
    cursor: Cursor,
    /// Messages that the index alone could not decide.
    undecided: VecDeque<MessageRow>,
    /// The one in the middle of which the slice ended.
    asked: Option<Box<Asked>>,
    found: UidSet,
    damaged: u32,
    done: bool,
}

/// A question that only the content answers.
struct Deferred;

fn begin(reader: &mut Reader, ground: Ground, key: &Key) -> Result<Hunt, Unplanned> {
    let node = plan(
        key,
        &mut Leaves {
            ground: &ground,
            reader,
            flags: 0,
        },
    )?;
    let mut needles = HashMap::new();
    node.each_text(&mut |text| {
        needles
            .entry(text.into())
            .or_insert_with(|| Arc::new(Needle::new(text)));
    });
    let mut hunt = Hunt {
        mailbox: ground.mailbox,
        candidates: node.candidates(&ground.all),
        node,
        needles,
        cursor: Cursor::default(),
        undecided: VecDeque::new(),
        asked: None,
        found: UidSet::new(),
        damaged: 0,
        done: false,
    };
    if let Node::Set(set) = &hunt.node {
        hunt.found = set.intersection(&ground.all);
        hunt.done = true;
    }
    Ok(hunt)
}

impl Hunt {
    fn slice(&mut self, reader: &mut Reader) -> Result<(), StoreError> {
        let mut budget = Budget::new(SLICE_TIME);
        let until = budget.until;
        while !budget.is_spent() {
            let asked = self.asked.take();
            let next = || Some(Box::new(Asked::new(self.undecided.pop_front()?)));
            if let Some(asked) = asked.or_else(next) {
                self.decide_by_content(reader, asked, &mut budget);
            } else if !self.decide_by_rows(reader, until)? {
                self.done = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Decides what rows and summaries decide, until `ROWS_AHEAD` messages are left undecided; false at the end.
    fn decide_by_rows(&mut self, reader: &mut Reader, until: Instant) -> Result<bool, StoreError> {
        let Some((from_uid, last)) = self.cursor.next(&self.candidates) else {
            return Ok(false);
        };
        let (node, needles) = (&self.node, &self.needles);
        let (found, undecided) = (&mut self.found, &mut self.undecided);
        let (mut stopped_at, mut asks) = (None, 0u32);
        let mut each = |row: &MessageRow, envelope: &[u8]| {
            let held = node.holds(row.uid, &mut |ask| {
                asks += 1;
                answer_by_row(ask, row, envelope, needles)
            });
            match held {
                Ok(true) => found.insert(row.uid),
                Ok(false) => {}
                Err(Deferred) => undecided.push_back(row.clone()),
            }
            asks += ASKS_AT_ONCE / 64;
            let look = asks >= ASKS_AT_ONCE;
            if look {
                asks = 0;
            }
            let go_on = undecided.len() < ROWS_AHEAD && (!look || Instant::now() < until);
            if !go_on {
                stopped_at = Some(row.uid);
            }
            go_on
        };
        let range = RowRange {
            mailbox: self.mailbox,
            from_uid,
            to_uid: last,
            rows_max: MAILBOX_MESSAGES_MAX as usize,
        };
        if node.needs_summaries() {
            reader.rows_with_summary(range, &mut |row, s: SummaryRef<'_>| each(row, s.envelope))?;
        } else {
            reader.rows(range, &mut |row| each(row, b""))?;
        }
        self.cursor.advance(stopped_at, last);
        Ok(true)
    }

    fn decide_by_content(
        &mut self,
        reader: &mut Reader,
        mut asked: Box<Asked>,
        budget: &mut Budget,
    ) {
        let uid = asked.row.uid;
        let mut message = asked.again(reader, &self.needles, budget);
        // The envelope was asked before, when it was at hand; here its questions go to the summary again.
        match self.node.holds(uid, &mut |ask| message.answer(ask)) {
            Ok(true) => self.found.insert(uid),
            Ok(false) => {}
            Err(Stop::Paused) => self.asked = Some(asked),
            Err(Stop::Failed(error)) => {
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
    needles: &Needles,
) -> Result<bool, Deferred> {
    Ok(match ask {
        Ask::Flag(flag, set) => row.flags.contains(*flag) == *set,
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
pub(super) fn envelope_index(field: u8) -> usize {
    match ENVELOPE_FIELDS.get(usize::from(field)) {
        Some(EnvelopeField::From) => 2,
        Some(EnvelopeField::To) => 5,
        Some(EnvelopeField::Cc) => 6,
        Some(EnvelopeField::Bcc) => 7,
        Some(EnvelopeField::Subject) | None => 1,
    }
}

/// The day of the Date field on its writer's calendar (RFC 3501 section 6.4.4: "disregarding time and timezone").
pub(super) fn sent_day(envelope: &[u8]) -> Option<i64> {
    let mut scan = Scan::new(envelope);
    scan.expect(b'(', "").ok()?;
    let value = scan.nstring().ok()??;
    date::parse(&value).map(|moment| moment.day_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SEARCH_SLICE_BYTES;
    use crate::store::change::{Content, Message};
    use crate::store::disk::real::RealDisk;
    use crate::store::{AccountId, Change, Options};
    use crate::wire::imap::flag::FlagNames;
    use crate::wire::mime::Scanner;

    const BYTES: usize = 3_000_000;

    /// Text without a needle, and "needle" at the end.
    fn content() -> Vec<u8> {
        let mut octets = b"Subject: straw\r\n\r\n".to_vec();
        while octets.len() < BYTES {
            octets.extend_from_slice(b"hay hay hay hay hay hay hay hay\r\n");
        }
        octets.extend_from_slice(b"needle\r\n");
        octets
    }

    fn append(octets: Vec<u8>, mailbox: MailboxId) -> Change {
        let (header, body) = octets.split_at(b"Subject: straw\r\n\r\n".len());
        let mut scanner = Scanner::new(b"", header, &[]);
        scanner.body(body);
        let message = Message {
            summary: scanner.finish(),
            content: Content::Small(Box::new(octets)),
            cuts: Vec::new(),
            received_millis: 0,
        };
        Change::Append {
            mailbox,
            message: Box::new(message),
            flags: FlagNames::default(),
            internal_secs: 0,
        }
    }

    #[test]
    fn a_large_message_is_searched_in_slices() {
        let dir =
            std::env::temp_dir().join(format!("pillarbox-search-slices-{}", std::process::id()));
        let (mut writer, shared) = crate::store::open(Options {
            dir: dir.clone(),
            disk: Arc::new(RealDisk::new(dir.clone())),
            reserve_bytes: 0,
            now_millis: 0,
            random: crate::run::random::fill,
        })
        .unwrap();
        let account = AccountId(1);
        writer.commit(vec![Change::AccountMailboxes { account }], 0);
        writer.publish().unwrap();
        let mut reader = shared.reader().unwrap();
        let mailbox = reader.mailbox(account, "INBOX").unwrap().unwrap().id;
        writer.commit(vec![append(content(), mailbox)], 0)[0]
            .as_ref()
            .unwrap();
        writer.publish().unwrap();
        let all = UidSet::range(1, 1);
        for (text, found, scans) in [
            ("BODY needle", true, 1),
            ("TEXT straw", true, 0),
            ("BODY straw", false, 1),
            ("BODY NEEDLE TEXT needle", true, 2),
            ("OR BODY nothing (NOT BODY straw TEXT needle)", true, 3),
            ("BODY needle NOT TEXT needle", false, 2),
        ] {
            let ground = Ground {
                mailbox,
                map: Arc::new(SeqMap::new(&all)),
                all: all.clone(),
                recent: Arc::default(),
                keywords: Arc::default(),
            };
            let key = Scan::new(text.as_bytes()).search().unwrap().key;
            let mut hunt = begin(&mut reader, ground, &key).ok().unwrap();
            let mut slices = 0;
            while !hunt.done {
                hunt.slice(&mut reader).unwrap();
                slices += 1;
            }
            assert_eq!((hunt.found.contains(1), hunt.damaged), (found, 0), "{text}");
            assert!(
                slices >= scans * BYTES / SEARCH_SLICE_BYTES,
                "{text}: {slices}"
            );
        }
        drop((reader, writer));
        let _ = std::fs::remove_dir_all(&dir);
    }
}
