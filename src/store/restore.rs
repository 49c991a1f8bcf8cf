//! Applies records of the log when some may be missing: after damage, and when the index is made anew from a log
//! whose oldest records were reclaimed. It turns each record into what of it still counts, and leaves the rest to the
//! one function that applies records.
//!
//! * What a later complete snapshot of a mailbox says, earlier records need not.
//! * A mailbox that the last snapshot of the box does not list, although its id was given before, is deleted.
//! * A record whose mailbox is unknown otherwise goes to `Recovered`; a removed account stays removed.
//! * A mailbox that may have lost something gets a new UIDVALIDITY: its modseqs grow by one a record, so a step of
//!   more than one, or damage with nothing of the mailbox behind it, shows.

use super::StoreError;
use super::ids::*;
use super::index::Index;
use super::index::apply::{Applied, local_body, placed};
use super::index::content_id;
use super::index::refer::Place;
use super::log::{Damage, Location, Segments};
use super::record::*;
use super::summarize::summarize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What a first look at the whole log found. Empty when the index is only brought up to date.
#[derive(Default)]
pub struct Facts {
    /// First LSN of the last complete snapshot of a mailbox.
    pub snapshots: HashMap<MailboxId, Lsn>,
    /// Accounts that were removed.
    pub removed: HashSet<AccountId>,
    /// The last snapshot of the box: its LSN and what it says.
    pub last_box: Option<(Lsn, SnapshotBox)>,
    /// Mailboxes that stood in the account snapshots which belong to it.
    pub listed: HashSet<MailboxId>,
    /// Contents have their rows already.
    pub contents_known: bool,
}

/// The mailbox that takes what has none.
const RECOVERED: &str = "Recovered";

/// Applies records one by one.
pub struct Restore<'a> {
    index: &'a mut Index,
    facts: Facts,
    segments: Arc<Segments>,
    /// Mailboxes that may have lost something.
    pub lost: BTreeSet<MailboxId>,
    /// The last LSN lost to damage so far; mailboxes heard of since then in `heard`.
    damaged: Lsn,
    heard: BTreeSet<MailboxId>,
    /// Where messages of unknown mailboxes went, per account.
    recovered: BTreeMap<AccountId, MailboxId>,
    /// How many messages that are.
    pub recovered_messages: u64,
    /// Message rows whose content is lost.
    pub lost_messages: u64,
    now_secs: i64,
}

impl<'a> Restore<'a> {
    /// Starts.
    pub fn new(
        index: &'a mut Index,
        facts: Facts,
        segments: Arc<Segments>,
        now_secs: i64,
    ) -> Restore<'a> {
        Restore {
            index,
            facts,
            segments,
            lost: BTreeSet::new(),
            damaged: 0,
            heard: BTreeSet::new(),
            recovered: BTreeMap::new(),
            recovered_messages: 0,
            lost_messages: 0,
            now_secs,
        }
    }

    /// The index under work.
    pub fn index(&mut self) -> &mut Index {
        self.index
    }

    /// Records were lost here.
    pub fn damage(&mut self, damage: &Damage) {
        if damage.first <= damage.last && damage.last > self.index.meta.lsn {
            self.damaged = self.damaged.max(damage.last);
            self.heard.clear();
        }
    }

    /// The next record.
    pub fn record(&mut self, lsn: Lsn, at: Location, record: Record) -> Result<(), StoreError> {
        if lsn <= self.index.meta.lsn {
            return Ok(());
        }
        self.take(lsn, at, record).map_err(StoreError::index)
    }

    fn take(&mut self, lsn: Lsn, at: Location, record: Record) -> rusqlite::Result<()> {
        let record = match record {
            Record::Message(message) => return self.message(lsn, at, *message),
            Record::Relocation(moved) if self.facts.contents_known => {
                return self.relocated(lsn, &moved);
            }
            Record::SnapshotMailbox(part) => return self.snapshot(lsn, *part),
            Record::SnapshotAccount(account) => return self.snapshot_account(lsn, &account),
            Record::SnapshotBox(snapshot) => return self.snapshot_box(lsn, &snapshot),
            Record::Copy(copy) => match self.copy(lsn, copy)? {
                Some(copy) => Record::Copy(copy),
                None => return self.pass(lsn),
            },
            Record::Flags(flags) if self.is_past(flags.mailbox, lsn) => return self.pass(lsn),
            Record::Flags(flags) => {
                self.step(flags.mailbox, flags.modseq)?;
                Record::Flags(flags)
            }
            Record::Expunge(expunge) if self.is_past(expunge.mailbox, lsn) => {
                return self.pass(lsn);
            }
            Record::Expunge(expunge) => {
                self.step(expunge.mailbox, expunge.modseq)?;
                Record::Expunge(expunge)
            }
            Record::MailboxCreate(created) => Record::MailboxCreate(self.wanted(created, lsn)?),
            Record::MailboxRename(rename) => Record::MailboxRename(self.rename(lsn, rename)?),
            Record::MailboxDelete(delete) if self.is_past(delete.mailbox, lsn) => {
                return self.pass(lsn);
            }
            Record::Undelete(undelete) => return self.undelete(lsn, undelete),
            other => other,
        };
        let at = Some(at);
        self.index.apply(Applied {
            lsn,
            record: &record,
            summary: None,
            at,
        })
    }

    /// Nothing of the record counts any more.
    fn pass(&mut self, lsn: Lsn) -> rusqlite::Result<()> {
        self.index.meta.lsn = lsn;
        Ok(())
    }

    /// Whether a later snapshot, or a later deletion, says all that a record at `lsn` says of a mailbox.
    fn is_past(&self, mailbox: MailboxId, lsn: Lsn) -> bool {
        let snapshot = self.facts.snapshots.get(&mailbox);
        if let Some(&snapshot) = snapshot {
            return lsn < snapshot;
        }
        let Some((box_lsn, last)) = &self.facts.last_box else {
            return false;
        };
        lsn < *box_lsn && mailbox.0 < last.next_mailbox && !self.facts.listed.contains(&mailbox)
    }

    /// Of new mailboxes those that no later snapshot tells of. The names of the others were subscribed all the same,
    /// and stay so when the mailbox is renamed or deleted.
    fn wanted(
        &mut self,
        mut created: Vec<CreatedMailbox>,
        lsn: Lsn,
    ) -> rusqlite::Result<Vec<CreatedMailbox>> {
        created.retain(|one| !self.facts.removed.contains(&one.account));
        for one in &created {
            if one.subscribed && self.is_past(one.mailbox, lsn) {
                self.index.subscribe(one.account, &one.name)?;
            }
        }
        created.retain(|one| !self.is_past(one.mailbox, lsn));
        Ok(created)
    }

    /// A mailbox's modseq goes on; a jump says that something between is lost.
    fn step(&mut self, mailbox: MailboxId, modseq: ModSeq) -> rusqlite::Result<()> {
        let known = self.index.mailboxes.look(&self.index.db, mailbox)?;
        if let Some(known) = known {
            if modseq > known.row.highest_modseq + 2 {
                self.lost.insert(mailbox);
            } else if modseq == known.row.highest_modseq + 2 && self.damaged > 0 {
                // A MOVE within one mailbox takes two steps; with damage about, be careful.
                self.lost.insert(mailbox);
            }
        }
        self.heard.insert(mailbox);
        Ok(())
    }

    fn message(
        &mut self,
        lsn: Lsn,
        at: Location,
        mut message: MessageRecord,
    ) -> rusqlite::Result<()> {
        let removed = &self.facts.removed;
        message
            .locals
            .retain(|local| !removed.contains(&local.account));
        let past: Vec<bool> = message
            .locals
            .iter()
            .map(|local| self.is_past(local.mailbox, lsn))
            .collect();
        let mut past = past.into_iter();
        message.locals.retain(|_| !past.next().unwrap_or(false));
        for n in 0..message.locals.len() {
            let (mailbox, account) = (message.locals[n].mailbox, message.locals[n].account);
            if self
                .index
                .mailboxes
                .look(&self.index.db, mailbox)?
                .is_some()
            {
                self.step(mailbox, message.locals[n].modseq)?;
                continue;
            }
            let (recovered, uid, modseq) = self.recovered(account)?;
            let before = message.locals[..n]
                .iter()
                .filter(|other| other.mailbox == recovered)
                .count();
            message.locals[n].mailbox = recovered;
            message.locals[n].uid = uid + before as u32;
            message.locals[n].modseq = modseq;
            self.recovered_messages += 1;
        }
        if let Some(remote) = &message.remote
            && self.is_done(remote.queue, lsn)
        {
            message.remote = None;
        }
        if self.facts.contents_known {
            return self.place(lsn, &message);
        }
        let summary = summarize(&self.segments, at, &message.content);
        let record = Record::Message(Box::new(message));
        let applied = Applied {
            lsn,
            record: &record,
            summary: Some(&summary),
            at: Some(at),
        };
        self.index.apply(applied)
    }

    /// Rows of a message whose content has its row from the first pass.
    fn place(&mut self, lsn: Lsn, message: &MessageRecord) -> rusqlite::Result<()> {
        let content = content_id(message.content.email);
        for local in &message.locals {
            let place = Place {
                mailbox: local.mailbox,
                uid: local.uid,
            };
            self.index
                .insert_message(place, local_body(&message.content, content, local))?;
            self.index.refer(content, place)?;
        }
        if let Some(remote) = &message.remote {
            self.index.insert_queue(content, &message.content, remote)?;
        }
        self.pass(lsn)
    }

    /// Whether a queue entry was finished by the time of the last snapshot of the box.
    fn is_done(&self, queue: QueueId, lsn: Lsn) -> bool {
        self.facts.last_box.as_ref().is_some_and(|(box_lsn, last)| {
            lsn < *box_lsn
                && queue.0 < last.next_queue
                && !last.waiting.iter().any(|(waiting, _)| *waiting == queue)
        })
    }

    /// A relocation brings its queue entry along, when the record that made it is gone.
    fn relocated(&mut self, lsn: Lsn, moved: &RelocationRecord) -> rusqlite::Result<()> {
        if let Some(remote) = &moved.remote
            && !self.is_done(remote.queue, lsn)
            && !self.index.has_queue(remote.queue)?
        {
            let content = content_id(moved.content.email);
            self.index.insert_queue(content, &moved.content, remote)?;
        }
        self.pass(lsn)
    }

    fn copy(&mut self, lsn: Lsn, mut copy: CopyRecord) -> rusqlite::Result<Option<CopyRecord>> {
        let from_past = self.is_past(copy.from, lsn);
        let to_past = self.is_past(copy.to, lsn);
        if to_past || from_past {
            return self.half_copy(lsn, copy, from_past, to_past).map(|()| None);
        }
        if self
            .index
            .mailboxes
            .look(&self.index.db, copy.to)?
            .is_none()
        {
            let Some(account) = self.account_of(copy.from)? else {
                return Ok(None);
            };
            let (recovered, uid, modseq) = self.recovered(account)?;
            copy.to = recovered;
            for (n, (_, row)) in copy.rows.iter_mut().enumerate() {
                row.uid = uid + n as u32;
                row.modseq = modseq;
            }
            self.recovered_messages += copy.rows.len() as u64;
        } else if let Some((_, row)) = copy.rows.first() {
            self.step(copy.to, row.modseq)?;
        }
        if let Some(modseq) = copy.removed {
            self.step(copy.from, modseq)?;
        }
        let (to, rows) = (copy.to, std::mem::take(&mut copy.rows));
        for (uid, row) in rows {
            let from = Place {
                mailbox: copy.from,
                uid,
            };
            let content = content_id(row.email);
            if self
                .index
                .served_bytes_of(from, content, row.prefix)?
                .is_some()
            {
                copy.rows.push((uid, row));
            } else {
                self.lost_messages += 1;
                self.lost.insert(to);
            }
        }
        Ok(Some(copy))
    }

    /// One side of a COPY or MOVE stands in a snapshot already.
    fn half_copy(
        &mut self,
        lsn: Lsn,
        copy: CopyRecord,
        from_past: bool,
        to_past: bool,
    ) -> rusqlite::Result<()> {
        if !to_past {
            self.put(copy.to, copy.rows.iter().map(|(_, row)| row))?;
        }
        if !from_past && let Some(modseq) = copy.removed {
            self.step(copy.from, modseq)?;
            let uids = copy.rows.iter().map(|(uid, _)| *uid).collect();
            self.index
                .expunge_set(copy.from, &uids, modseq, copy.at_secs)?;
        }
        self.pass(lsn)
    }

    /// Complete rows into a mailbox that is there.
    fn put<'r>(
        &mut self,
        mailbox: MailboxId,
        rows: impl Iterator<Item = &'r PlacedRow>,
    ) -> rusqlite::Result<()> {
        if self
            .index
            .mailboxes
            .look(&self.index.db, mailbox)?
            .is_none()
        {
            return Ok(());
        }
        for row in rows {
            let content = content_id(row.email);
            let place = Place {
                mailbox,
                uid: row.uid,
            };
            match self.index.served_bytes_of(place, content, row.prefix)? {
                Some(served) => {
                    self.index
                        .insert_message(place, placed(row, content, served))?;
                    self.index.refer(content, place)?;
                }
                None => {
                    self.lost_messages += 1;
                    self.lost.insert(mailbox);
                }
            }
        }
        Ok(())
    }

    fn rename(&mut self, lsn: Lsn, mut rename: RenameRecord) -> rusqlite::Result<RenameRecord> {
        rename.created = self.wanted(std::mem::take(&mut rename.created), lsn)?;
        rename
            .renamed
            .retain(|(mailbox, _)| !self.is_past(*mailbox, lsn));
        if let Some(moved) = rename.moved.take() {
            // The target is made by this record: make it, then move.
            for created in std::mem::take(&mut rename.created) {
                self.index.apply_created(&created)?;
            }
            if let Some(copy) = self.copy(lsn, moved)? {
                rename.moved = Some(copy);
            }
        }
        Ok(rename)
    }

    fn undelete(&mut self, lsn: Lsn, undelete: UndeleteRecord) -> rusqlite::Result<()> {
        let past = undelete
            .rows
            .iter()
            .any(|(mailbox, _)| self.is_past(*mailbox, lsn));
        if !past && !self.facts.contents_known {
            let record = Record::Undelete(undelete);
            return self.index.apply(Applied {
                lsn,
                record: &record,
                summary: None,
                at: None,
            });
        }
        if self.facts.removed.contains(&undelete.account) {
            return self.pass(lsn);
        }
        for (mailbox, row) in &undelete.rows {
            if self.is_past(*mailbox, lsn) {
                continue;
            }
            self.step(*mailbox, row.modseq)?;
            self.put(*mailbox, std::iter::once(row))?;
            self.index
                .no_longer_kept(undelete.account, content_id(row.email), row.prefix)?;
        }
        self.pass(lsn)
    }

    /// A part of a mailbox's last complete snapshot; parts of earlier ones say nothing new.
    fn snapshot(&mut self, lsn: Lsn, part: SnapshotMailbox) -> rusqlite::Result<()> {
        let mailbox = part.mailbox.mailbox;
        let Some(&first) = self.facts.snapshots.get(&mailbox) else {
            return self.pass(lsn);
        };
        if lsn < first || self.facts.removed.contains(&part.mailbox.account) {
            return self.pass(lsn);
        }
        // Parts behind the first of a newer, incomplete snapshot do not exist: `first` is of the last complete one,
        // and an unfinished later one repeats what the tables say.
        if lsn == first {
            self.index.drop_mailbox(mailbox)?;
            self.index.apply_created(&part.mailbox)?;
        }
        if lsn - first == u64::from(part.part) {
            let batch = self.index.mailboxes_batch();
            self.put(mailbox, part.rows.iter())?;
            if let Some(hot) = self
                .index
                .mailboxes
                .change(&self.index.db, mailbox, batch)?
            {
                hot.row.uid_next = hot.row.uid_next.max(part.uid_next);
                hot.row.highest_modseq = hot.row.highest_modseq.max(part.highest_modseq);
                hot.row.recent_from_uid = hot.row.recent_from_uid.max(part.recent_from_uid);
                // What was expunged before stands in no record any more.
                hot.floor_modseq = part.highest_modseq;
            }
            self.heard.insert(mailbox);
        }
        self.pass(lsn)
    }

    fn snapshot_account(&mut self, lsn: Lsn, account: &SnapshotAccount) -> rusqlite::Result<()> {
        if self.facts.contents_known && !self.facts.removed.contains(&account.account) {
            self.index.set_account(account)?;
        }
        self.pass(lsn)
    }

    fn snapshot_box(&mut self, lsn: Lsn, snapshot: &SnapshotBox) -> rusqlite::Result<()> {
        let meta = &mut self.index.meta;
        meta.next_mailbox = meta.next_mailbox.max(snapshot.next_mailbox);
        meta.next_queue = meta.next_queue.max(snapshot.next_queue);
        meta.next_thread = meta.next_thread.max(snapshot.next_thread);
        meta.uid_validity = meta.uid_validity.max(snapshot.last_uid_validity);
        if self.facts.contents_known {
            self.index.set_removed(&snapshot.removed, lsn)?;
            for (queue, waiting) in &snapshot.waiting {
                self.index.keep_recipients(*queue, waiting)?;
            }
        }
        self.pass(lsn)
    }

    fn account_of(&mut self, mailbox: MailboxId) -> rusqlite::Result<Option<AccountId>> {
        let row = self.index.mailboxes.look(&self.index.db, mailbox)?;
        Ok(row.map(|mailbox| mailbox.row.account))
    }

    /// The account's `Recovered`, with its next UID and modseq.
    fn recovered(&mut self, account: AccountId) -> rusqlite::Result<(MailboxId, u32, ModSeq)> {
        let id = match self.recovered.get(&account) {
            Some(id) => *id,
            None => {
                let id = self.make_recovered(account)?;
                self.recovered.insert(account, id);
                id
            }
        };
        self.lost.insert(id);
        let row = self.index.mailboxes.look(&self.index.db, id)?;
        Ok(row.map_or((id, 1, 2), |mailbox| {
            (id, mailbox.row.uid_next, mailbox.row.highest_modseq + 1)
        }))
    }

    fn make_recovered(&mut self, account: AccountId) -> rusqlite::Result<MailboxId> {
        if let Some(id) = self.index.mailbox_named(account, RECOVERED)? {
            return Ok(id);
        }
        // Ids of lost records must not come again, so it takes one far above (ids are u64).
        let mailbox = MailboxId(self.index.meta.next_mailbox + (1 << 20));
        let created = CreatedMailbox {
            mailbox,
            account,
            name: RECOVERED.into(),
            uid_validity: self.new_uid_validity(),
            special_use: None,
            no_select: false,
            subscribed: true,
        };
        self.index.apply_created(&created)?;
        Ok(mailbox)
    }

    fn new_uid_validity(&self) -> u32 {
        self.index.meta.new_uid_validity(self.now_secs)
    }

    /// After the last record: mailboxes that damage may have touched get a new UIDVALIDITY. Returns them; their
    /// snapshots must be written before anybody sees them.
    pub fn finish(mut self) -> Result<Vec<MailboxId>, StoreError> {
        if self.damaged > 0 {
            let all = self.index.all_mailboxes().map_err(StoreError::index)?;
            self.lost
                .extend(all.into_iter().filter(|id| !self.heard.contains(id)));
        }
        let lost: Vec<MailboxId> = self.lost.iter().copied().collect();
        for id in &lost {
            let uid_validity = self.new_uid_validity();
            self.index.meta.uid_validity = uid_validity;
            let batch = self.index.mailboxes_batch();
            let hot = self.index.mailboxes.change(&self.index.db, *id, batch);
            if let Some(hot) = hot.map_err(StoreError::index)? {
                hot.row.uid_validity = uid_validity;
                hot.floor_modseq = hot.row.highest_modseq;
            }
        }
        Ok(lost)
    }
}
