//! `index.sqlite`: what the log says, as tables. Derived, lazy, and never ahead of the flushed log.
//!
//! One transaction stays open over many batches of the writer; each batch is a savepoint in it, so that a batch whose
//! flush fails leaves no trace. [`Index::publish`] commits: only then readers see it. The LSN that the tables reach
//! stands in the same transaction.

pub mod apply;
pub mod mailbox;
pub mod query;
pub mod reclaim;
pub mod refer;
pub mod schema;
pub mod snapshot;

use super::ids::*;
use super::record::ContentMeta;
use crate::limits::INDEX_CACHE_KIB;
use mailbox::Mailboxes;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, params};
use std::path::Path;

/// The one row of `meta`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Meta {
    /// Every record up to this one is applied.
    pub lsn: Lsn,
    /// Next mailbox id.
    pub next_mailbox: u64,
    /// Next queue id.
    pub next_queue: u64,
    /// Next thread id.
    pub next_thread: u64,
    /// The UIDVALIDITY given last.
    pub uid_validity: u32,
    /// How long the box has been up in all, seconds: the clock of retention, which no wrong wall clock moves.
    pub uptime_secs: u64,
}

impl Meta {
    /// A UIDVALIDITY that was never given before, and grows even if the index is lost: the clock, when that is one
    /// (before 2020 or past 2100 it is not).
    pub fn new_uid_validity(&self, now_secs: i64) -> u32 {
        let clock = u32::try_from(now_secs)
            .ok()
            .filter(|secs| (1_577_836_800..4_102_444_800).contains(secs))
            .unwrap_or(1);
        self.uid_validity.saturating_add(1).max(clock)
    }
}

/// The writing connection.
pub struct Index {
    /// Used by the files of this directory and the planner's look-ups.
    pub(in crate::store) db: Connection,
    /// Rows under work.
    pub(in crate::store) mailboxes: Mailboxes,
    /// Counters.
    pub meta: Meta,
    /// Message files that nobody names any more; they may go once the index is synced.
    pub dead_files: Vec<EmailId>,
    /// Only while the index is made anew: `rebuild_size` holds the served sizes of all contents.
    pub(in crate::store) sizes_known: bool,
    batch: u64,
    before: Option<(Meta, usize)>,
    open: bool,
    unpublished: usize,
}

/// How an index file turned out to be.
pub enum Opened {
    /// Usable.
    Ready(Box<Index>),
    /// Missing, damaged, of another version: why. To be made anew.
    Unusable(String),
}

impl Index {
    /// Opens an index that is there.
    pub fn open(path: &Path) -> Opened {
        if !path.exists() {
            return Opened::Unusable("index.sqlite is missing".into());
        }
        let tried = connect(path).and_then(|db| Ok((read_meta(&db)?, db)));
        match tried {
            Ok((Some(meta), db)) => Opened::Ready(Box::new(Index::of(db, meta))),
            Ok((None, _)) => Opened::Unusable("index.sqlite has another format".into()),
            Err(e) => Opened::Unusable(format!("index.sqlite cannot be read ({e})")),
        }
    }

    /// Makes an empty one; files in the way are removed.
    pub fn create(path: &Path) -> Result<Index> {
        for ending in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            // Missing is the usual case; anything else shows when SQLite opens it.
            let _ = std::fs::remove_file(name);
        }
        let db = connect(path)?;
        db.execute_batch(schema::TABLES)?;
        db.execute_batch(schema::REBUILD_TABLES)?;
        let meta = Meta {
            next_mailbox: 1,
            next_queue: 1,
            next_thread: 1,
            ..Meta::default()
        };
        Ok(Index::of(db, meta))
    }

    fn of(db: Connection, meta: Meta) -> Index {
        Index {
            db,
            mailboxes: Mailboxes::default(),
            meta,
            dead_files: Vec::new(),
            sizes_known: false,
            batch: 0,
            before: None,
            open: false,
            unpublished: 0,
        }
    }

    /// Starts a batch: until [`Index::keep_batch`] it can be undone.
    pub fn begin_batch(&mut self) -> Result<()> {
        if !self.open {
            self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            self.open = true;
        }
        self.db.prepare_cached("SAVEPOINT batch")?.execute([])?;
        self.batch += 1;
        self.before = Some((self.meta, self.dead_files.len()));
        Ok(())
    }

    /// The batch is flushed, it counts.
    pub fn keep_batch(&mut self, changes: usize) -> Result<()> {
        self.db.prepare_cached("RELEASE batch")?.execute([])?;
        self.before = None;
        self.unpublished += changes;
        self.mailboxes.keep(&self.db)
    }

    /// The batch never was.
    pub fn undo_batch(&mut self) -> Result<()> {
        self.mailboxes.undo();
        if let Some((meta, files)) = self.before.take() {
            self.meta = meta;
            self.dead_files.truncate(files);
        }
        self.db.prepare_cached("ROLLBACK TO batch")?.execute([])?;
        self.db.prepare_cached("RELEASE batch")?.execute([])?;
        Ok(())
    }

    /// The number of the batch, under which changed mailbox rows are remembered for its undoing.
    pub fn mailboxes_batch(&self) -> u64 {
        self.batch
    }

    /// Where the newest content is.
    pub fn newest_location(&self) -> Result<Option<super::log::Location>> {
        query::newest_location(&self.db)
    }

    /// Contents that are message files.
    pub fn message_files(&self) -> Result<Vec<EmailId>> {
        query::message_files(&self.db)
    }

    /// How many changes wait for [`Index::publish`].
    pub fn unpublished(&self) -> usize {
        self.unpublished
    }

    /// Whether a transaction is open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The file may have this many pages from now on: a full disk for tests.
    #[cfg(test)]
    pub fn pages_max(&self, pages: u32) {
        let set = self
            .db
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
        set.expect("a pragma is understood");
    }

    /// Commits what is open.
    pub fn publish(&mut self) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        self.write_meta()?;
        self.publish_unfinished()
    }

    /// Commits a part of a rebuild: without its row of `meta` the file counts for nothing yet.
    pub fn publish_unfinished(&mut self) -> Result<()> {
        self.mailboxes.write_dirty(&self.db)?;
        self.db.prepare_cached("COMMIT")?.execute([])?;
        self.open = false;
        self.unpublished = 0;
        Ok(())
    }

    fn write_meta(&mut self) -> Result<()> {
        let meta = self.meta;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO meta(one, version, lsn, next_mailbox, next_queue, next_thread, uid_validity,
                 uptime_secs) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                schema::version(),
                meta.lsn,
                meta.next_mailbox,
                meta.next_queue,
                meta.next_thread,
                meta.uid_validity,
                meta.uptime_secs
            ])?;
        Ok(())
    }

    /// Whether a content has its row.
    pub fn has_content(&self, content: i64) -> Result<bool> {
        self.db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM content WHERE id = ?1)")?
            .query_row([content], |row| row.get(0))
    }

    /// Made anew: the served size of a content behind one of its prefixes.
    pub fn note_size(&self, content: i64, prefix: u16, bytes: u64) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO rebuild_size(content, prefix, bytes) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![content, prefix, bytes])?;
        Ok(())
    }

    /// Made anew, all records applied: contents that nobody refers to go, and the file counts from here on.
    pub fn finish_rebuild(&mut self) -> Result<()> {
        self.begin_batch()?;
        self.db.execute_batch("DROP TABLE rebuild_size")?;
        self.sizes_known = false;
        let homeless: Vec<i64> = self
            .db
            .prepare("SELECT id FROM content WHERE home_uid IS NULL")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_>>()?;
        for content in homeless {
            self.collect(content)?;
        }
        self.keep_batch(1)?;
        self.publish()
    }

    /// Throws away the open transaction and all that memory knows; the tables are as of the last publish.
    pub fn roll_back(&mut self) -> Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        self.open = false;
        self.unpublished = 0;
        self.before = None;
        self.mailboxes.forget();
        self.dead_files.clear();
        match read_meta(&self.db)? {
            Some(meta) => self.meta = meta,
            None => return Err(rusqlite::Error::QueryReturnedNoRows),
        }
        Ok(())
    }

    /// Octets of the write-ahead log; 0 right after a checkpoint.
    pub fn wal_bytes(&self) -> u64 {
        let path = self.db.path().map(|path| format!("{path}-wal"));
        let file = path.and_then(|path| std::fs::metadata(path).ok());
        file.map_or(0, |file| file.len())
    }

    /// Copies the write-ahead log into the database and syncs both; false when a reader was in the way.
    pub fn checkpoint(&mut self) -> Result<bool> {
        let busy: i64 = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(busy == 0)
    }
}

/// Opens a connection with our settings.
fn connect(path: &Path) -> Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.execute_batch(schema::PRAGMAS)?;
    db.pragma_update(None, "cache_size", -(INDEX_CACHE_KIB as i64))?;
    db.set_prepared_statement_cache_capacity(96);
    // Else a statement whose plan might depend on a number, as on that of a LIMIT, is compiled anew each time that
    // another one is bound: more work than most of our questions.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(db)
}

/// A reader's connection.
pub fn connect_reader(path: &Path) -> Result<Connection> {
    let db = connect(path)?;
    db.execute_batch("PRAGMA query_only = ON")?;
    Ok(db)
}

/// None: not one of ours.
fn read_meta(db: &Connection) -> Result<Option<Meta>> {
    let tables: i64 = db.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('meta', 'message', 'content')",
        [],
        |row| row.get(0),
    )?;
    if tables != 3 {
        return Ok(None);
    }
    db.query_row(
        "SELECT lsn, next_mailbox, next_queue, next_thread, uid_validity, uptime_secs FROM meta WHERE version = ?1",
        [schema::version()],
        |row| {
            Ok(Meta {
                lsn: row.get(0)?,
                next_mailbox: row.get(1)?,
                next_queue: row.get(2)?,
                next_thread: row.get(3)?,
                uid_validity: row.get(4)?,
                uptime_secs: row.get(5)?,
            })
        },
    )
    .optional()
}

/// The content's row is named after the LSN of the record that brought it, which the first half of its email id
/// repeats: so neither needs an index of random keys, whose pages would be most of what a delivery writes.
pub fn content_id(email: EmailId) -> i64 {
    let mut lsn = [0; 8];
    lsn.copy_from_slice(&email.0[..8]);
    i64::from_be_bytes(lsn)
}

/// The email id of the content that record `lsn` brings: the LSN, then 64 random bits.
pub fn email_id(lsn: Lsn, random: [u8; 8]) -> EmailId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&lsn.to_be_bytes());
    id[8..].copy_from_slice(&random);
    EmailId(id)
}

/// Octets as served with prefix number `prefix`.
pub fn served_bytes(content: &ContentMeta, prefix: u16) -> u64 {
    let cut: u64 = content
        .cuts
        .iter()
        .map(|cut| u64::from(cut.end - cut.start))
        .sum();
    let prefix = content
        .prefixes
        .get(usize::from(prefix))
        .map_or(0, Vec::len);
    content.bytes - cut.min(content.bytes) + prefix as u64
}
