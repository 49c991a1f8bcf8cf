//! The one writer: takes a group of changes, makes records of them, flushes once, applies them to the index.
//!
//! Order of a batch: each change is checked, gets its numbers and is applied to the index inside a savepoint; the
//! records are appended to the log and flushed; only then the savepoint is kept and the changes are answered. A
//! flush that fails undoes the savepoint, so the index is never ahead of the flushed log.

mod flags;
mod mail;
mod mailboxes;
mod plan;
mod reclaim;
mod upkeep;

use super::StoreError;
use super::change::{Change, Content, Done, Outcome, Refused};
use super::ids::Lsn;
use super::index::{Index, content_id};
use super::log::{AppendError, Entry, EntryContent, Log, Opening};
use super::open::replay;
use super::shared::{Health, OpenReport, Shared};
use super::state::StateWriter;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_RECORDS_MAX, CHECKPOINT_LOG_BYTES, INDEX_CHANGES_MAX,
    INDEX_WAL_BYTES_MAX,
};
use plan::{Body, Item, Planner, Stop};
use std::sync::Arc;

/// Owns the log's end and the only writing SQLite connections.
pub struct Writer {
    index: Index,
    log: Log,
    state: StateWriter,
    shared: Arc<Shared>,
    upkeep: upkeep::Upkeep,
    /// Octets of log written since the last checkpoint: what a crash would have to replay.
    unsynced_bytes: u64,
    /// Whether the index fell behind for want of room.
    index_was_full: bool,
    /// When catching up was tried last.
    caught_up_tried_millis: i64,
}

/// How often an index that is behind may be tried again.
const CATCH_UP_EVERY_MILLIS: u64 = 1_000;

/// Records that one change makes at most: its own, new keywords, an INBOX for each recipient.
const RECORDS_PER_CHANGE: usize =
    1 + crate::limits::KEYWORDS_MAX + 2 * crate::limits::RECIPIENTS_MAX;

/// What a batch may be made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Everything.
    Enough,
    /// Only what frees space.
    Reserve,
}

impl Writer {
    pub(super) fn new(index: Index, log: Log, state: StateWriter, shared: Arc<Shared>) -> Writer {
        let upkeep = upkeep::Upkeep::default();
        Writer {
            index,
            log,
            state,
            shared,
            upkeep,
            unsynced_bytes: 0,
            index_was_full: false,
            caught_up_tried_millis: 0,
        }
    }

    /// Commits a group: at most `BATCH_CHANGES_MAX` changes, one flush for all. One answer per change, in order.
    /// The index transaction may stay open: call [`Writer::publish`] before a reader must see it.
    pub fn commit(&mut self, changes: Vec<Change>, now_millis: i64) -> Vec<Result<Done, Refused>> {
        self.upkeep.tick(&mut self.index.meta, now_millis);
        let mut answers = Vec::with_capacity(changes.len());
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            self.commit_batch(&mut changes, now_millis, &mut answers);
        }
        if self.index.unpublished() >= INDEX_CHANGES_MAX {
            // A failure shows again at the next publish, which has somebody to tell.
            let _ = self.publish();
        }
        if self.unsynced_bytes >= CHECKPOINT_LOG_BYTES {
            let _ = self.checkpoint();
        }
        answers
    }

    /// As many changes as one batch of the log takes.
    fn commit_batch(
        &mut self,
        changes: &mut std::iter::Peekable<std::vec::IntoIter<Change>>,
        now_millis: i64,
        answers: &mut Vec<Result<Done, Refused>>,
    ) {
        if let Err(why) = self.fit(now_millis) {
            answers.extend(changes.map(|_| Err(why.clone())));
            return;
        }
        let room = self.room(now_millis);
        if let Err(e) = self.index.begin_batch() {
            let refused = self.index_failed(&e);
            answers.extend(changes.map(|_| Err(refused.clone())));
            return;
        }
        let from = answers.len();
        let mut items = Vec::new();
        let mut bytes = 0;
        while let Some(change) = changes.peek() {
            let more = change_bytes(change);
            let full = bytes + more > BATCH_BYTES_MAX
                || items.len() + RECORDS_PER_CHANGE > BATCH_RECORDS_MAX;
            if !items.is_empty() && full {
                break;
            }
            bytes += more;
            let Some(change) = changes.next() else { break };
            let answer = match self.plan(change, room, &mut items, now_millis) {
                Ok(done) => Ok(done),
                Err(Stop::Refused(refused)) => Err(refused),
                Err(Stop::Index(e)) => {
                    let refused = self.index_failed(&e);
                    answers.push(Err(refused.clone()));
                    self.undo(&items);
                    return take_back(&mut answers[from..], &refused);
                }
            };
            answers.push(answer);
        }
        let changes = answers.len() - from;
        if let Err(refused) = self.write(&items, changes) {
            self.undo(&items);
            take_back(&mut answers[from..], &refused);
        }
    }

    /// Whether changes can be taken; an index that is behind gets its next try at catching up.
    fn fit(&mut self, now_millis: i64) -> Result<(), Refused> {
        match self.shared.health() {
            Health::Well => Ok(()),
            Health::ReadOnly(why) => Err(Refused::Disk(why)),
            Health::Behind(why) => match self.catch_up(now_millis) {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) if self.index_was_full => Err(Refused::DiskFull),
                Ok(false) | Err(_) => Err(Refused::Disk(why)),
            },
        }
    }

    /// Whether new mail is taken; when not, what is kept for undeleting yields first.
    fn room(&mut self, now_millis: i64) -> Room {
        // A disk that cannot say how full it is will say more at the write.
        let is_full = |shared: &Shared| shared.room_bytes().is_ok_and(|bytes| bytes == 0);
        if is_full(&self.shared) {
            // What it cannot do now it tries again in a while; the refusal below is the answer until then.
            let _ = self.squeeze(now_millis);
            if is_full(&self.shared) {
                return Room::Reserve;
            }
        }
        Room::Enough
    }

    /// One change: its records, applied.
    fn plan(
        &mut self,
        change: Change,
        room: Room,
        items: &mut Vec<Item>,
        now_millis: i64,
    ) -> Result<Done, Stop> {
        if room == Room::Reserve && takes_space(&change) {
            return Err(Refused::DiskFull.into());
        }
        if let Change::State(change) = change {
            let done = self.state.apply(*change).map_err(Refused::State)?;
            let (lsn, touched) = (self.index.meta.lsn, Vec::new());
            return Ok(Done {
                lsn,
                touched,
                outcome: Outcome::State(done),
            });
        }
        let mut planner = Planner {
            first_lsn: self.log.next_lsn(),
            index: &mut self.index,
            items,
            now_millis,
            random: self.shared.random,
        };
        planner.change(change)
    }

    /// The flush, and what follows it.
    fn write(&mut self, items: &[Item], changes: usize) -> Result<(), Refused> {
        let located = if items.is_empty() {
            Vec::new()
        } else {
            let entries: Vec<Entry<'_>> = items.iter().map(Item::entry).collect();
            self.log
                .append(&entries)
                .map_err(|e| self.append_failed(e))?
        };
        for (item, at) in items.iter().zip(&located) {
            self.unsynced_bytes += item.bytes();
            if let Some(content) = item.record.content()
                && let Err(e) = self.index.locate(content_id(content.email), *at)
            {
                self.index_behind(&e);
                return Ok(());
            }
        }
        if let Err(e) = self.index.keep_batch(changes) {
            self.index_behind(&e);
        }
        Ok(())
    }

    /// Takes a batch back that was never flushed.
    fn undo(&mut self, items: &[Item]) {
        if let Err(e) = self.index.undo_batch() {
            self.index_behind(&e);
        }
        if self.log.strike().is_some() {
            // Not even its abort could be written: it may be found whole at the next open, which sees to its files.
            return;
        }
        for item in items {
            if let Body::File(email, _) = item.body {
                // Else it is an orphan, which the next open removes.
                let _ = self.shared.spills().remove_message(email);
            }
        }
    }

    fn append_failed(&mut self, error: AppendError) -> Refused {
        match error {
            AppendError::Full => Refused::DiskFull,
            AppendError::Failed(why) => Refused::Disk(why),
            AppendError::ReadOnly(why) => {
                self.shared.set_read_only(&why);
                Refused::Disk(why)
            }
            AppendError::TooLarge(what) => Refused::Limit(what),
        }
    }

    /// The index failed before anything was flushed.
    fn index_failed(&mut self, error: &rusqlite::Error) -> Refused {
        Refused::Disk(StoreError::index_text(error))
    }

    /// The log is flushed but the index does not know it: a replay brings them together.
    fn index_behind(&mut self, error: &rusqlite::Error) {
        let why = StoreError::index_text(error);
        self.index_was_full = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        self.shared.set_behind(&format!(
            "{why}; what was accepted is safe in the log; nothing more is taken until the index could be written"
        ));
    }

    /// Replays into the index what the log holds beyond it, at most every `CATCH_UP_EVERY_MILLIS`; whether the two
    /// are together again.
    pub(super) fn catch_up(&mut self, now_millis: i64) -> Result<bool, StoreError> {
        let since = now_millis.abs_diff(self.caught_up_tried_millis);
        if since < CATCH_UP_EVERY_MILLIS {
            return Ok(false);
        }
        self.caught_up_tried_millis = now_millis;
        self.index.roll_back().map_err(StoreError::index)?;
        let mut opening = Opening::new(self.shared.disk().clone(), self.shared.random)?;
        // Damage that it meets is said at the next open and by `store check`.
        let renewed = replay(
            &mut self.index,
            &mut opening,
            &mut OpenReport::default(),
            now_millis / 1000,
        )?;
        // Nobody has seen the new UIDVALIDITYs yet: the log must know them first.
        self.snapshot_mailboxes(&renewed)?;
        self.shared.set_visible(self.index.meta.lsn);
        self.shared.set_caught_up();
        Ok(true)
    }

    /// Makes everything committed visible to readers.
    pub fn publish(&mut self) -> Result<(), StoreError> {
        if let Health::ReadOnly(why) | Health::Behind(why) = self.shared.health() {
            return Err(StoreError(why));
        }
        if !self.index.is_open() {
            return Ok(());
        }
        match self.index.publish() {
            Ok(()) => {
                self.shared.set_visible(self.index.meta.lsn);
                if self.index.wal_bytes() >= INDEX_WAL_BYTES_MAX {
                    // A reader in the way, or a failure: the next publish tries again.
                    let _ = self.sync_index();
                }
                Ok(())
            }
            Err(e) => {
                self.index_behind(&e);
                Err(StoreError::index(e))
            }
        }
    }

    /// Whether `publish` has something to do.
    pub fn unpublished(&self) -> bool {
        self.index.is_open()
    }

    /// Publishes and syncs the index: replay after a crash starts here.
    fn checkpoint(&mut self) -> Result<bool, StoreError> {
        self.publish()?;
        self.sync_index()
    }

    /// The published index becomes the synced one; false when a reader was in the way.
    fn sync_index(&mut self) -> Result<bool, StoreError> {
        let lsn = self.index.meta.lsn;
        let done = self.index.checkpoint().map_err(StoreError::index)?;
        if done {
            self.unsynced_bytes = 0;
            self.upkeep.synced_lsn = lsn;
            self.remove_dead_files();
        }
        Ok(done)
    }

    /// Stands for a disk that has no more room for the index, or has it again.
    #[cfg(test)]
    pub(in crate::store) fn index_pages_max(&self, pages: u32) {
        self.index.pages_max(pages);
    }

    /// The index's LSN, for tests and reports.
    pub fn applied_lsn(&self) -> Lsn {
        self.index.meta.lsn
    }

    /// Publishes, checkpoints and marks the log as cleanly closed.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.store_meta()?;
        self.checkpoint()?;
        self.log.close()
    }

    fn remove_dead_files(&mut self) {
        for email in self.index.dead_files.drain(..) {
            // Else it is an orphan, which the next open removes.
            let _ = self.shared.spills().remove_message(email);
        }
    }
}

impl Planner<'_> {
    fn change(&mut self, change: Change) -> Result<Done, Stop> {
        match change {
            Change::Deliver(delivery) => self.deliver(*delivery),
            Change::Append {
                mailbox,
                message,
                flags,
                internal_secs,
            } => self.append(mail::Append {
                mailbox,
                message: *message,
                flags,
                internal_secs,
            }),
            Change::Copy {
                from,
                uids,
                to,
                and_remove,
            } => self.copy(mail::Copy {
                from,
                uids,
                to,
                and_remove,
            }),
            Change::Flags {
                mailbox,
                uids,
                how,
                flags,
            } => self.flags(mailbox, &uids, how, &flags),
            Change::Expunge { mailbox, uids } => self.expunge(mailbox, uids.as_ref()),
            Change::MailboxCreate {
                account,
                name,
                special_use,
            } => self.create(account, &name, special_use),
            Change::MailboxRename { account, from, to } => self.rename(account, &from, &to),
            Change::MailboxDelete { account, name } => self.delete(account, &name),
            Change::Subscribe { account, name, on } => self.subscribe(account, &name, on),
            Change::ClaimRecent { mailbox } => self.claim_recent(mailbox),
            Change::AccountMailboxes { account } => self.account_mailboxes(account),
            Change::AccountRemove { account } => self.account_remove(account),
            Change::QueueDrop { queue } => self.queue_drop(queue),
            Change::Undelete { account, emails } => self.undelete(account, &emails),
            // Taken out by the caller: it has a database of its own.
            Change::State(_) => Err(Refused::Cannot("a state change inside mail changes").into()),
        }
    }
}

impl Item {
    fn entry(&self) -> Entry<'_> {
        let content = match &self.body {
            Body::None => EntryContent::None,
            Body::Small(small) => EntryContent::Inline(small.bytes()),
            Body::File(_, crcs) => EntryContent::File(crcs),
        };
        Entry {
            record: &self.record,
            content,
        }
    }
    fn bytes(&self) -> u64 {
        match &self.body {
            Body::Small(small) => small.bytes().len() as u64 + 512,
            Body::None | Body::File(..) => 512,
        }
    }
}

/// The answers of a batch that was undone. State changes have a database of their own and stand.
fn take_back(answers: &mut [Result<Done, Refused>], refused: &Refused) {
    for answer in answers {
        if answer
            .as_ref()
            .is_ok_and(|done| !matches!(done.outcome, Outcome::State(_)))
        {
            *answer = Err(refused.clone());
        }
    }
}

/// Roughly what a change adds to its batch, octets.
fn change_bytes(change: &Change) -> usize {
    let content = |content: &Content| match content {
        Content::Small(small) => small.bytes().len(),
        Content::Large(spilled) => spilled.bytes() as usize / (8 * 1024),
    };
    let octets = match change {
        Change::Deliver(delivery) => {
            let prefixes: usize = delivery
                .locals
                .iter()
                .map(|local| local.prefix.len() + 64)
                .sum();
            content(&delivery.message.content) + prefixes
        }
        Change::Append { message, .. } => content(&message.content),
        // Up to COPY_MESSAGES_MAX rows: alone in its batch.
        Change::Copy { .. } | Change::Undelete { .. } | Change::MailboxRename { .. } => {
            BATCH_BYTES_MAX / 2 + 1
        }
        _ => 0,
    };
    octets + 512
}

/// Whether a change needs room above the reserve.
fn takes_space(change: &Change) -> bool {
    match change {
        Change::Deliver(_)
        | Change::Append { .. }
        | Change::MailboxCreate { .. }
        | Change::MailboxRename { .. }
        | Change::Undelete { .. }
        | Change::Subscribe { on: true, .. } => true,
        // MOVE is how mail gets to Trash; COPY grows only the index, but without bound.
        Change::Copy { and_remove, .. } => !and_remove,
        Change::Flags { .. }
        | Change::Expunge { .. }
        | Change::MailboxDelete { .. }
        | Change::Subscribe { .. }
        | Change::ClaimRecent { .. }
        | Change::AccountMailboxes { .. }
        | Change::AccountRemove { .. }
        | Change::QueueDrop { .. }
        | Change::State(_) => false,
    }
}
