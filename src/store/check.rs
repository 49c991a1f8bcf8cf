//! `store check`: every record of the log, every chunk of every message, and whether the index agrees with them and
//! with itself. It changes nothing and runs beside an open store.

use super::log::{Location, Replayed, message_path};
use super::shared::{Shared, index_path};
use super::{Options, StoreError, index, open};
use crate::limits::{CHECK_FINDINGS_MAX, CHUNK_BYTES};
use crate::store::ids::EmailId;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Messages' contents read.
    pub contents: u64,
    /// Their octets.
    pub bytes: u64,
    /// Segments in use and free.
    pub segments: (usize, usize),
    /// What is wrong, in plain words, at most `CHECK_FINDINGS_MAX`.
    pub findings: Vec<String>,
    /// How many more there are.
    pub more_findings: u64,
}

impl Report {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
    fn find(&mut self, what: String) {
        if self.findings.len() < CHECK_FINDINGS_MAX {
            self.findings.push(what);
        } else {
            self.more_findings += 1;
        }
    }
}

/// Checks the store of a server that does not run. `progress` hears what is being looked at, and how far it is.
pub fn check(options: Options, progress: &mut dyn FnMut(&str, u64)) -> Result<Report, StoreError> {
    let (writer, shared) = open(options)?;
    let mut report = check_open(&shared, progress)?;
    for line in &shared.open_report().lines {
        report.find(line.clone());
    }
    writer.close()?;
    Ok(report)
}

/// Checks a store that is open, as of the index's last publish.
pub fn check_open(
    shared: &Arc<Shared>,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Report, StoreError> {
    let db = index::connect_reader(&index_path(&shared.dir)).map_err(StoreError::index)?;
    let mut report = Report::default();
    check_log(shared, &mut report, progress)?;
    let checked = check_contents(shared, &db, &mut report, progress)
        .and_then(|()| check_tables(&db, &mut report, progress));
    if let Err(e) = checked {
        report.find(StoreError::index_text(&e));
    }
    Ok(report)
}

/// Every record of every live segment.
fn check_log(
    shared: &Shared,
    report: &mut Report,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<(), StoreError> {
    let live = shared.segments.live();
    report.segments = (live.len(), shared.segments.free());
    for info in live {
        progress("log segments", u64::from(info.segment));
        shared.segments.walk(info.segment, &mut |met| {
            match met {
                Replayed::Record { .. } => report.records += 1,
                Replayed::Damage(damage) => report.find(damage.to_string()),
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Every content that the index names: its record, its chunks, its file.
fn check_contents(
    shared: &Arc<Shared>,
    db: &Connection,
    report: &mut Report,
    progress: &mut dyn FnMut(&str, u64),
) -> rusqlite::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut after = i64::MIN;
    loop {
        // A piece at a time: no read transaction outlives it, so that checkpoints go on.
        let piece: Vec<(i64, EmailId, Location, u64)> = db
            .prepare_cached(
                "SELECT id, email, segment, generation, at, bytes FROM content WHERE id > ?1 ORDER BY id LIMIT 256",
            )?
            .query_map([after], |row| {
                let at = Location { segment: row.get(2)?, generation: row.get(3)?, offset: row.get(4)? };
                Ok((row.get(0)?, EmailId(row.get(1)?), at, row.get(5)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = piece.last() else {
            return Ok(());
        };
        after = last.0;
        for (id, email, at, bytes) in piece {
            progress("messages", report.contents);
            report.contents += 1;
            report.bytes += bytes;
            if let Err(e) = read_all(shared, email, at, bytes, &mut chunk)
                && is_still(db, id, at)?
            {
                report.find(format!("message {id}: {e}"));
            }
        }
    }
}

fn read_all(
    shared: &Arc<Shared>,
    email: EmailId,
    at: Location,
    bytes: u64,
    chunk: &mut [u8],
) -> Result<(), StoreError> {
    let content = shared.segments.content(at, email)?;
    let (_, record) = shared.segments.record(at)?;
    let agrees = record
        .content()
        .is_some_and(|meta| meta.email == email && meta.bytes == bytes);
    if content.bytes() != bytes || !agrees {
        return Err(StoreError(
            "the index and the log disagree about its size".into(),
        ));
    }
    let mut done = 0;
    while done < bytes {
        let read = content.read_at(done, chunk)?;
        if read == 0 {
            return Err(StoreError(format!(
                "{} ends too early",
                message_path(email).display()
            )));
        }
        done += read as u64;
    }
    Ok(())
}

/// Whether the index still says so: what was relocated or expunged meanwhile is no finding.
fn is_still(db: &Connection, id: i64, at: Location) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM content WHERE id = ?1 AND segment = ?2 AND at = ?3)",
    )?
    .query_row(rusqlite::params![id, at.segment, at.offset], |row| {
        row.get(0)
    })
}

/// Questions whose answer must be zero.
const RULES: [(&str, &str); 9] = [
    (
        "mailboxes whose counts differ from their messages",
        "SELECT count(*) FROM mailbox m WHERE
         (m.messages, m.unseen, m.bytes) <> (SELECT count(*), coalesce(sum(flags & 1 = 0), 0),
         coalesce(sum(served_bytes), 0) FROM message WHERE mailbox = m.id)",
    ),
    (
        "messages with a UID that is still to be given, or a modseq above their mailbox's",
        "SELECT count(*) FROM message x JOIN mailbox m ON m.id = x.mailbox
         WHERE x.uid >= m.uid_next OR x.uid = 0 OR x.modseq > m.modseq",
    ),
    (
        "messages of mailboxes that do not exist",
        "SELECT count(*) FROM message x WHERE NOT EXISTS(SELECT 1 FROM mailbox m WHERE m.id = x.mailbox AND m.gone = 0)",
    ),
    (
        "messages without a content",
        "SELECT count(*) FROM message x WHERE NOT EXISTS(SELECT 1 FROM content c WHERE c.id = x.content)",
    ),
    (
        "messages that their content does not know",
        "SELECT count(*) FROM message x JOIN content c ON c.id = x.content
         WHERE (c.home_mailbox, c.home_uid) IS NOT (x.mailbox, x.uid)
         AND NOT EXISTS(SELECT 1 FROM extra e WHERE e.content = c.id AND e.mailbox = x.mailbox AND e.uid = x.uid)",
    ),
    (
        "contents that nobody needs",
        "SELECT count(*) FROM content c WHERE c.home_uid IS NULL
         AND NOT EXISTS(SELECT 1 FROM extra e WHERE e.content = c.id)
         AND NOT EXISTS(SELECT 1 FROM queue q WHERE q.content = c.id)",
    ),
    (
        "references of contents to messages that do not exist",
        "SELECT (SELECT count(*) FROM extra e WHERE NOT EXISTS(SELECT 1 FROM message x WHERE x.mailbox = e.mailbox
           AND x.uid = e.uid AND x.content = e.content) AND NOT EXISTS(SELECT 1 FROM expunged x
           WHERE x.mailbox = e.mailbox AND x.uid = e.uid AND x.content = e.content AND x.kept = 1))
         + (SELECT count(*) FROM content c WHERE c.home_uid IS NOT NULL AND NOT EXISTS(SELECT 1 FROM message x
           WHERE x.mailbox = c.home_mailbox AND x.uid = c.home_uid AND x.content = c.id) AND NOT EXISTS(SELECT 1
           FROM expunged x WHERE x.mailbox = c.home_mailbox AND x.uid = c.home_uid AND x.content = c.id AND x.kept = 1))",
    ),
    (
        "queue entries without a content or without recipients",
        "SELECT count(*) FROM queue q WHERE NOT EXISTS(SELECT 1 FROM content c WHERE c.id = q.content)
         OR NOT EXISTS(SELECT 1 FROM queue_recipient r WHERE r.queue = q.id)",
    ),
    (
        "mailboxes of one account with one name",
        "SELECT count(*) FROM (SELECT 1 FROM mailbox WHERE gone = 0 GROUP BY account, name HAVING count(*) > 1)",
    ),
];

fn check_tables(
    db: &Connection,
    report: &mut Report,
    progress: &mut dyn FnMut(&str, u64),
) -> rusqlite::Result<()> {
    for (number, (what, sql)) in RULES.iter().enumerate() {
        progress("index", number as u64);
        let wrong: u64 = db.query_row(sql, [], |row| row.get(0))?;
        if wrong > 0 {
            report.find(format!("{wrong} {what}: run `pillarbox store rebuild`"));
        }
    }
    let answer: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if answer != "ok" {
        report.find(format!(
            "index.sqlite is damaged ({answer}): run `pillarbox store rebuild`"
        ));
    }
    Ok(())
}

/// Message files that no content names; for the report only, the next open removes them.
pub fn orphans(shared: &Shared) -> Result<Vec<String>, StoreError> {
    let db = index::connect_reader(&index_path(&shared.dir)).map_err(StoreError::index)?;
    let named = index::query::message_files(&db).map_err(StoreError::index)?;
    let named: std::collections::HashSet<_> = named.into_iter().map(message_path).collect();
    let names = shared
        .disk()
        .list(Path::new("messages"))
        .map_err(|e| StoreError(format!("cannot list messages in the data directory: {e}")))?;
    Ok(names
        .into_iter()
        .filter(|name| !named.contains(&Path::new("messages").join(name)))
        .collect())
}
