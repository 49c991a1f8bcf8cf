//! Reads of the index: one function a question, each one prepared statement. They run on a reader's own connection
//! and outlive no call, so that a checkpoint never waits for them.

use super::mailbox::{COLUMNS, read_row};
use crate::store::ids::*;
use crate::store::log::Location;
use crate::store::row::*;
use crate::wire::address::Address;
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::uid_set::UidSet;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// What a row of FETCH needs of its content, borrowed from the row under the cursor.
#[derive(Clone, Copy, Debug)]
pub struct SummaryRef<'a> {
    /// See `Summary::envelope`.
    pub envelope: &'a [u8],
    /// See `Summary::structure`.
    pub structure: &'a [u8],
    /// Octets of the header block as received.
    pub header_bytes: u32,
    /// The Date field, seconds since 1970.
    pub sent_at: Option<i64>,
    /// RFC 8474 EMAILID.
    pub email: EmailId,
    /// RFC 8474 THREADID.
    pub thread: ThreadId,
}

/// All mailboxes of an account, `INBOX` first, then by name.
pub fn mailboxes(db: &Connection, account: AccountId) -> Result<Vec<MailboxRow>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, EXISTS(SELECT 1 FROM subscription s WHERE s.account = mailbox.account
         AND s.name = mailbox.name) FROM mailbox WHERE account = ?1 AND gone = 0 ORDER BY name <> 'INBOX', name"
    ))?;
    let rows = statement.query_map([account.0], |row| read_row(row, row.get(12)?))?;
    rows.collect()
}

/// One mailbox by name; INBOX is found in any case.
pub fn mailbox(db: &Connection, account: AccountId, name: &str) -> Result<Option<MailboxRow>> {
    let name = canonical(name);
    db.prepare_cached(&format!(
        "SELECT {COLUMNS}, EXISTS(SELECT 1 FROM subscription s WHERE s.account = mailbox.account
         AND s.name = mailbox.name) FROM mailbox WHERE account = ?1 AND name = ?2 AND gone = 0"
    ))?
    .query_row(params![account.0, name], |row| read_row(row, row.get(12)?))
    .optional()
}

/// One mailbox by id; deleted ones are not found.
pub fn mailbox_by_id(db: &Connection, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS}, EXISTS(SELECT 1 FROM subscription s WHERE s.account = mailbox.account
         AND s.name = mailbox.name) FROM mailbox WHERE id = ?1 AND gone = 0"
    ))?
    .query_row([mailbox.0], |row| read_row(row, row.get(12)?))
    .optional()
}

/// The one spelling of INBOX (RFC 3501 section 5.1); `inbox/x` is `INBOX/x` too.
pub fn canonical(name: &str) -> std::borrow::Cow<'_, str> {
    let head = name
        .get(..5)
        .filter(|head| head.eq_ignore_ascii_case("INBOX"));
    match (head, name.as_bytes().get(5)) {
        (Some(head), None | Some(b'/')) if head != "INBOX" => format!("INBOX{}", &name[5..]).into(),
        _ => name.into(),
    }
}

/// Subscribed names.
pub fn subscriptions(db: &Connection, account: AccountId) -> Result<Vec<Box<str>>> {
    db.prepare_cached(
        "SELECT name FROM subscription WHERE account = ?1 ORDER BY name <> 'INBOX', name",
    )?
    .query_map([account.0], |row| row.get(0))?
    .collect()
}

/// The keywords of an account: the position is the bit.
pub fn keywords(db: &Connection, account: AccountId) -> Result<Keywords> {
    let mut names: Vec<Box<str>> = Vec::new();
    let mut statement =
        db.prepare_cached("SELECT bit, name FROM keyword WHERE account = ?1 ORDER BY bit")?;
    let mut rows = statement.query([account.0])?;
    while let Some(row) = rows.next()? {
        let bit: usize = row.get(0)?;
        // A hole cannot happen; an unnamed bit must not shift the ones behind it.
        names.resize(bit.min(crate::limits::KEYWORDS_MAX), "".into());
        names.push(row.get(1)?);
    }
    Ok(Keywords(names))
}

/// UIDs from `from_uid` on. A mailbox without holes, by its count, first and last, is not walked through.
pub fn uids(db: &Connection, mailbox: MailboxId, from_uid: u32) -> Result<UidSet> {
    let known: Option<(u64, Option<u32>, Option<u32>)> = db
        .prepare_cached(
            "SELECT messages, (SELECT min(uid) FROM message WHERE mailbox = ?1),
             (SELECT max(uid) FROM message WHERE mailbox = ?1) FROM mailbox WHERE id = ?1",
        )?
        .query_row([mailbox.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    if let Some((messages, Some(first), Some(last))) = known
        && u64::from(last - first) + 1 == messages
    {
        let from = first.max(from_uid);
        return Ok(match from <= last {
            true => UidSet::range(from, last),
            false => UidSet::new(),
        });
    }
    uid_set(
        db,
        "SELECT uid FROM message WHERE mailbox = ?1 AND uid >= ?2 ORDER BY uid",
        params![mailbox.0, from_uid],
    )
}

/// The first message without \Seen; the walk ends there.
pub fn first_unseen(db: &Connection, mailbox: MailboxId) -> Result<Option<u32>> {
    let seen = Flags::SEEN.0.cast_signed();
    db.prepare_cached(
        "SELECT uid FROM message WHERE mailbox = ?1 AND flags & ?2 = 0 ORDER BY uid LIMIT 1",
    )?
    .query_row(params![mailbox.0, seen], |row| row.get(0))
    .optional()
}

/// UIDs of messages that have all bits of `flags` (`set`) or lack one of them.
pub fn uids_with_flags(
    db: &Connection,
    mailbox: MailboxId,
    flags: Flags,
    set: bool,
) -> Result<UidSet> {
    if flags == Flags::SEEN {
        // All or none, as is usual: the counts know.
        let unseen = "SELECT messages, unseen FROM mailbox WHERE id = ?1";
        let known: Option<(u32, u32)> = db
            .prepare_cached(unseen)?
            .query_row([mailbox.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (messages, unseen) = known.unwrap_or_default();
        let wanted = if set {
            messages.saturating_sub(unseen)
        } else {
            unseen
        };
        match wanted {
            0 => return Ok(UidSet::new()),
            all if all == messages => return uids(db, mailbox, 1),
            _ => {}
        }
    }
    uid_set(
        db,
        "SELECT uid FROM message WHERE mailbox = ?1 AND ((flags & ?2) = ?2) = ?3 ORDER BY uid",
        params![mailbox.0, flags.0.cast_signed(), set],
    )
}

fn uid_set(db: &Connection, sql: &str, with: &[&dyn rusqlite::ToSql]) -> Result<UidSet> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(with)?;
    let mut set = UidSet::new();
    while let Some(row) = rows.next()? {
        set.insert(row.get(0)?);
    }
    Ok(set)
}

const MESSAGE_COLUMNS: &str =
    "uid, flags, modseq, internal_secs, save_secs, served_bytes, content, prefix";

fn message_row(row: &Row<'_>) -> Result<MessageRow> {
    Ok(MessageRow {
        uid: row.get(0)?,
        flags: Flags(row.get::<_, i64>(1)?.cast_unsigned()),
        modseq: row.get(2)?,
        internal_secs: row.get(3)?,
        save_secs: row.get(4)?,
        served_bytes: row.get(5)?,
        content: ContentId(row.get(6)?),
        prefix: row.get(7)?,
    })
}

/// A range of rows of one mailbox.
#[derive(Clone, Copy, Debug)]
pub struct RowRange {
    /// Where.
    pub mailbox: MailboxId,
    /// First UID.
    pub from_uid: u32,
    /// Last UID.
    pub to_uid: u32,
    /// How many at most.
    pub rows_max: usize,
}

/// SQLite's LIMIT is signed; `usize::MAX` means all.
fn rows_at_most(rows_max: usize) -> i64 {
    i64::try_from(rows_max).unwrap_or(i64::MAX)
}

fn rows_sql() -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4"
    )
}

/// Rows ascending by UID until `each` says false.
pub fn rows(
    db: &Connection,
    range: RowRange,
    each: &mut dyn FnMut(&MessageRow) -> bool,
) -> Result<()> {
    let mut statement = db.prepare_cached(&rows_sql())?;
    let mut rows = statement.query(params![
        range.mailbox.0,
        range.from_uid,
        range.to_uid,
        rows_at_most(range.rows_max)
    ])?;
    while let Some(row) = rows.next()? {
        if !each(&message_row(row)?) {
            break;
        }
    }
    Ok(())
}

/// As [`rows`], each with what the scanner said of its content.
pub fn rows_with_summary(
    db: &Connection,
    range: RowRange,
    each: &mut dyn FnMut(&MessageRow, SummaryRef<'_>) -> bool,
) -> Result<()> {
    // CROSS JOIN keeps the order of the loops: the mailbox first, its contents by rowid.
    let mut statement = db.prepare_cached(&format!(
        "SELECT {MESSAGE_COLUMNS}, c.envelope, c.structure, c.header_bytes, c.sent_at, c.email, c.thread
         FROM message CROSS JOIN content c ON c.id = message.content
         WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4"
    ))?;
    let mut rows = statement.query(params![
        range.mailbox.0,
        range.from_uid,
        range.to_uid,
        rows_at_most(range.rows_max)
    ])?;
    while let Some(row) = rows.next()? {
        let summary = SummaryRef {
            envelope: row.get_ref(8)?.as_blob()?,
            structure: row.get_ref(9)?.as_blob()?,
            header_bytes: row.get(10)?,
            sent_at: row.get(11)?,
            email: EmailId(row.get(12)?),
            thread: ThreadId(row.get(13)?),
        };
        if !each(&message_row(row)?, summary) {
            break;
        }
    }
    Ok(())
}

/// Where the octets of a row's content were when the row was read.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(in crate::store) email: EmailId,
    pub(in crate::store) at: Location,
    /// Octets in the log; 0 of a message file.
    pub(in crate::store) inline_bytes: u64,
}

/// The columns of a [`Place`], of the table `content` or its alias.
const PLACE_COLUMNS: &str = "email, segment, generation, at, iif(file, 0, bytes)";

/// The place of one content.
pub const PLACE_SQL: &str =
    "SELECT email, segment, generation, at, iif(file, 0, bytes) FROM content WHERE id = ?1";

/// Reads [`PLACE_COLUMNS`] from column `first` on.
pub fn place_row(row: &Row<'_>, first: usize) -> Result<Place> {
    Ok(Place {
        email: EmailId(row.get(first)?),
        at: Location {
            segment: row.get(first + 1)?,
            generation: row.get(first + 2)?,
            offset: row.get(first + 3)?,
        },
        inline_bytes: row.get(first + 4)?,
    })
}

/// As [`rows`], each with the place of its content.
pub fn rows_with_place(
    db: &Connection,
    range: RowRange,
    each: &mut dyn FnMut(&MessageRow, Place) -> bool,
) -> Result<()> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {MESSAGE_COLUMNS}, {PLACE_COLUMNS}
         FROM message CROSS JOIN content ON content.id = message.content
         WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4"
    ))?;
    let mut rows = statement.query(params![
        range.mailbox.0,
        range.from_uid,
        range.to_uid,
        rows_at_most(range.rows_max)
    ])?;
    while let Some(row) = rows.next()? {
        if !each(&message_row(row)?, place_row(row, 8)?) {
            break;
        }
    }
    Ok(())
}

/// Messages up to `to_uid` whose flags changed after `since`, by modseq then UID.
pub fn changed_since(
    db: &Connection,
    mailbox: MailboxId,
    since: ModSeq,
    to_uid: u32,
    rows_max: usize,
) -> Result<Vec<(u32, Flags, ModSeq)>> {
    db.prepare_cached(
        "SELECT uid, flags, modseq FROM message INDEXED BY message_changed
         WHERE mailbox = ?1 AND changed = 1 AND modseq > ?2 AND uid <= ?3 ORDER BY modseq, uid LIMIT ?4",
    )?
    .query_map(params![mailbox.0, since, to_uid, rows_at_most(rows_max)], |row| {
        Ok((row.get(0)?, Flags(row.get::<_, i64>(1)?.cast_unsigned()), row.get(2)?))
    })?
    .collect()
}

/// UIDs expunged after `since`; None when the history does not reach back that far.
pub fn expunged_since(
    db: &Connection,
    mailbox: MailboxId,
    since: ModSeq,
) -> Result<Option<UidSet>> {
    let floor: Option<ModSeq> = db
        .prepare_cached("SELECT floor_modseq FROM mailbox WHERE id = ?1")?
        .query_row([mailbox.0], |row| row.get(0))
        .optional()?;
    if floor.is_none_or(|floor| since < floor) {
        return Ok(None);
    }
    let mut uids: Vec<u32> = db
        .prepare_cached("SELECT uid FROM expunged WHERE mailbox = ?1 AND modseq > ?2")?
        .query_map(params![mailbox.0, since], |row| row.get(0))?
        .collect::<Result<_>>()?;
    uids.sort_unstable();
    Ok(Some(uids.into_iter().collect()))
}

/// What `mail undelete` can bring back, the latest first.
pub fn expunged(db: &Connection, account: AccountId, rows_max: usize) -> Result<Vec<ExpungedRow>> {
    db.prepare_cached(
        "SELECT c.email, m.name, e.at_secs, e.served_bytes, c.envelope
         FROM mailbox m CROSS JOIN expunged e ON e.mailbox = m.id CROSS JOIN content c ON c.id = e.content
         WHERE m.account = ?1 AND e.kept = 1 ORDER BY e.at_secs DESC, e.uid DESC LIMIT ?2",
    )?
    .query_map(params![account.0, rows_at_most(rows_max)], |row| {
        Ok(ExpungedRow {
            email: EmailId(row.get(0)?),
            mailbox: row.get(1)?,
            expunged_secs: row.get(2)?,
            bytes: row.get(3)?,
            envelope: row.get(4)?,
        })
    })?
    .collect()
}

/// Queue entries after one, oldest first.
pub fn queue(db: &Connection, after: QueueId, rows_max: usize) -> Result<Vec<QueueRow>> {
    let mut entries: Vec<QueueRow> = db
        .prepare_cached(
            "SELECT id, sender, account, received_millis, served_bytes FROM queue WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?
        .query_map(params![after.0, rows_at_most(rows_max)], |row| {
            Ok(QueueRow {
                id: QueueId(row.get(0)?),
                sender: row.get::<_, Option<String>>(1)?.and_then(|text| Address::parse(&text).ok()),
                account: row.get::<_, Option<u64>>(2)?.map(AccountId),
                received_millis: row.get(3)?,
                bytes: row.get(4)?,
                recipients: Vec::new(),
            })
        })?
        .collect::<Result<_>>()?;
    for entry in &mut entries {
        entry.recipients = recipients(db, entry.id)?
            .into_iter()
            .map(|(_, recipient)| recipient)
            .collect();
    }
    Ok(entries)
}

/// Waiting recipients of a queue entry with their numbers.
pub fn recipients(db: &Connection, queue: QueueId) -> Result<Vec<(u16, QueueRecipient)>> {
    let mut statement = db.prepare_cached(
        "SELECT number, address, notify, orcpt FROM queue_recipient WHERE queue = ?1 ORDER BY number",
    )?;
    let mut rows = statement.query([queue.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // Written from an Address, so it parses; one that does not is damage, which `store check` names.
        if let Ok(address) = Address::parse(&row.get::<_, String>(1)?) {
            let recipient = QueueRecipient {
                address,
                notify: row.get(2)?,
                orcpt: row.get(3)?,
            };
            found.push((row.get(0)?, recipient));
        }
    }
    Ok(found)
}

/// Where the newest content is.
pub fn newest_location(db: &Connection) -> Result<Option<Location>> {
    db.query_row(
        "SELECT segment, generation, at FROM content WHERE segment >= 0 ORDER BY id DESC LIMIT 1",
        [],
        |row| {
            Ok(Location {
                segment: row.get(0)?,
                generation: row.get(1)?,
                offset: row.get(2)?,
            })
        },
    )
    .optional()
}

/// Contents that are message files.
pub fn message_files(db: &Connection) -> Result<Vec<EmailId>> {
    db.prepare_cached("SELECT email FROM content WHERE file = 1")?
        .query_map([], |row| Ok(EmailId(row.get(0)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    #[test]
    fn a_statement_is_compiled_once_whatever_is_bound() {
        let dir = std::env::temp_dir().join(format!("pillarbox-query-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let index = super::super::Index::create(&dir.join("index.sqlite")).unwrap();
        for rows_max in [1, 2, 30] {
            let range = RowRange {
                mailbox: MailboxId(1),
                from_uid: 1,
                to_uid: 9,
                rows_max,
            };
            rows(&index.db, range, &mut |_| true).unwrap();
        }
        let sql = rows_sql();
        let statement = index.db.prepare_cached(&sql).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        assert_eq!(statement.get_status(StatementStatus::Run), 3);
        drop(statement);
        drop(index);
        let _ = std::fs::remove_dir_all(&dir);
    }
}
