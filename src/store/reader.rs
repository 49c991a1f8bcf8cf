//! Looks at the index and reads ranges of the log. One lane owns each reader; no read transaction outlives a call.

mod content;

pub use super::index::query::{Place, RowRange, SummaryRef};
pub use content::ContentReader;

use super::StoreError;
use super::ids::*;
use super::index::query;
use super::row::*;
use super::shared::Shared;
use super::state::StateReader;
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::uid_set::UidSet;
use crate::wire::mime::Summary;
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;

/// One reader: a SQLite connection on the index, one on the state, and the open segments.
pub struct Reader {
    db: Connection,
    state: StateReader,
    shared: Arc<Shared>,
    /// Inside [`Reader::look`].
    looking: bool,
}

impl Reader {
    pub(super) fn new(db: Connection, state: StateReader, shared: Arc<Shared>) -> Reader {
        Reader {
            db,
            state,
            shared,
            looking: false,
        }
    }
    /// Runs `work` over one state of the index: all its questions share one read transaction, which costs two system
    /// calls instead of two a question. It must be short, since checkpoints wait for it.
    pub fn look<R>(&mut self, work: impl FnOnce(&mut Reader) -> R) -> R {
        // A transaction that cannot begin leaves each question its own, as without this.
        self.looking = self.run("BEGIN").is_ok();
        let result = work(self);
        if std::mem::take(&mut self.looking) {
            // Only a read ends here: there is nothing to lose.
            let _ = self.run("COMMIT");
        }
        result
    }
    /// Ends the state that `look` sees and takes the newest.
    fn look_again(&mut self) {
        if self.looking {
            let _ = self.run("COMMIT");
            self.looking = self.run("BEGIN").is_ok();
        }
    }
    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }
    /// All mailboxes of an account by name, `INBOX` first.
    pub fn mailboxes(&mut self, account: AccountId) -> Result<Vec<MailboxRow>, StoreError> {
        query::mailboxes(&self.db, account).map_err(StoreError::index)
    }
    /// One mailbox by name (INBOX without case).
    pub fn mailbox(
        &mut self,
        account: AccountId,
        name: &str,
    ) -> Result<Option<MailboxRow>, StoreError> {
        query::mailbox(&self.db, account, name).map_err(StoreError::index)
    }
    /// One mailbox by id.
    pub fn mailbox_by_id(&mut self, mailbox: MailboxId) -> Result<Option<MailboxRow>, StoreError> {
        query::mailbox_by_id(&self.db, mailbox).map_err(StoreError::index)
    }
    /// Subscribed names, of missing mailboxes too.
    pub fn subscriptions(&mut self, account: AccountId) -> Result<Vec<Box<str>>, StoreError> {
        query::subscriptions(&self.db, account).map_err(StoreError::index)
    }
    /// The account's keywords.
    pub fn keywords(&mut self, account: AccountId) -> Result<Keywords, StoreError> {
        query::keywords(&self.db, account).map_err(StoreError::index)
    }
    /// All UIDs from `from_uid` on.
    pub fn uids(&mut self, mailbox: MailboxId, from_uid: u32) -> Result<UidSet, StoreError> {
        query::uids(&self.db, mailbox, from_uid).map_err(StoreError::index)
    }
    /// Rows of a range of UIDs, ascending; `each` says whether to go on.
    pub fn rows(
        &mut self,
        range: RowRange,
        each: &mut dyn FnMut(&MessageRow) -> bool,
    ) -> Result<(), StoreError> {
        query::rows(&self.db, range, each).map_err(StoreError::index)
    }
    /// As [`Reader::rows`], each row with its summary, borrowed: one statement for a FETCH of ENVELOPE and the like.
    pub fn rows_with_summary(
        &mut self,
        range: RowRange,
        each: &mut dyn FnMut(&MessageRow, SummaryRef<'_>) -> bool,
    ) -> Result<(), StoreError> {
        query::rows_with_summary(&self.db, range, each).map_err(StoreError::index)
    }
    /// As [`Reader::rows`], each with the place of its content for [`Reader::content_at`]: one statement for many
    /// messages whose contents will be read.
    pub fn rows_with_place(
        &mut self,
        range: RowRange,
        each: &mut dyn FnMut(&MessageRow, Place) -> bool,
    ) -> Result<(), StoreError> {
        query::rows_with_place(&self.db, range, each).map_err(StoreError::index)
    }
    /// The first message without \Seen, for SELECT.
    pub fn first_unseen(&mut self, mailbox: MailboxId) -> Result<Option<u32>, StoreError> {
        query::first_unseen(&self.db, mailbox).map_err(StoreError::index)
    }
    /// UIDs with all bits of `flags` set (or, with `set` false, not all): for SEARCH and UNSEEN.
    pub fn uids_with_flags(
        &mut self,
        mailbox: MailboxId,
        flags: Flags,
        set: bool,
    ) -> Result<UidSet, StoreError> {
        query::uids_with_flags(&self.db, mailbox, flags, set).map_err(StoreError::index)
    }
    /// Messages up to `to_uid` whose flags changed after `since`: (uid, flags, modseq), by modseq then UID, at most `rows_max`.
    pub fn changed_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
        to_uid: u32,
        rows_max: usize,
    ) -> Result<Vec<(u32, Flags, ModSeq)>, StoreError> {
        query::changed_since(&self.db, mailbox, since, to_uid, rows_max).map_err(StoreError::index)
    }
    /// UIDs expunged after `since`; None when the history does not reach back that far.
    pub fn expunged_since(
        &mut self,
        mailbox: MailboxId,
        since: ModSeq,
    ) -> Result<Option<UidSet>, StoreError> {
        query::expunged_since(&self.db, mailbox, since).map_err(StoreError::index)
    }
    /// What the scanner said of a content.
    pub fn summary(&mut self, content: ContentId) -> Result<Summary, StoreError> {
        self.found(
            self.db
                .prepare_cached(
                    "SELECT envelope, structure, header_bytes, sent_at FROM content WHERE id = ?1",
                )
                .and_then(|mut statement| {
                    statement
                        .query_row([content.0], |row| {
                            Ok(Summary {
                                envelope: row.get(0)?,
                                structure: row.get(1)?,
                                header_bytes: row.get(2)?,
                                sent_at: row.get(3)?,
                            })
                        })
                        .optional()
                }),
        )
    }
    /// The content's id, thread and arrival.
    pub fn email(&mut self, content: ContentId) -> Result<(EmailId, ThreadId), StoreError> {
        self.found(
            self.db
                .prepare_cached("SELECT email, thread FROM content WHERE id = ?1")
                .and_then(|mut statement| {
                    statement
                        .query_row([content.0], |row| {
                            Ok((EmailId(row.get(0)?), ThreadId(row.get(1)?)))
                        })
                        .optional()
                }),
        )
    }
    /// Opens a content for reading: its location is found once and its segment leased until the value is dropped.
    pub fn content(
        &mut self,
        content: ContentId,
        prefix: u16,
    ) -> Result<ContentReader, StoreError> {
        let place = self.place(content)?;
        match self.open(place, prefix) {
            Ok(reader) => Ok(reader),
            // It may have been relocated since the look began; a new look knows the newer location.
            Err(error) => {
                self.look_again();
                let now = self.place(content)?;
                match now.at == place.at {
                    true => Err(error),
                    false => self.open(now, prefix),
                }
            }
        }
    }
    /// [`Reader::content`] of a row whose place was read with it, perhaps some time ago.
    pub fn content_at(
        &mut self,
        row: &MessageRow,
        place: Place,
    ) -> Result<ContentReader, StoreError> {
        self.open(place, row.prefix)
            .or_else(|_| self.content(row.content, row.prefix))
    }
    fn open(&self, place: Place, prefix: u16) -> Result<ContentReader, StoreError> {
        let segments = &self.shared.segments;
        let opened = segments.content_and_meta(place.at, place.email, place.inline_bytes)?;
        Ok(ContentReader::new(opened, prefix))
    }
    /// Where a content is, and how many octets of it are in the log.
    fn place(&mut self, content: ContentId) -> Result<Place, StoreError> {
        self.found(
            self.db
                .prepare_cached(query::PLACE_SQL)
                .and_then(|mut statement| {
                    statement
                        .query_row([content.0], |row| query::place_row(row, 0))
                        .optional()
                }),
        )
    }
    fn found<T>(&self, row: rusqlite::Result<Option<T>>) -> Result<T, StoreError> {
        row.map_err(StoreError::index)?
            .ok_or_else(|| StoreError("the message was expunged by another session".into()))
    }
    /// The queue, oldest first, from `after` on, at most `rows_max`.
    pub fn queue(&mut self, after: QueueId, rows_max: usize) -> Result<Vec<QueueRow>, StoreError> {
        query::queue(&self.db, after, rows_max).map_err(StoreError::index)
    }
    /// What `mail undelete` can bring back.
    pub fn expunged(
        &mut self,
        account: AccountId,
        rows_max: usize,
    ) -> Result<Vec<ExpungedRow>, StoreError> {
        query::expunged(&self.db, account, rows_max).map_err(StoreError::index)
    }
    /// The accounts, aliases and domains.
    pub fn state(&mut self) -> &mut StateReader {
        &mut self.state
    }
}
