//! The one function that turns a record into rows. The writer uses it before the flush, replay and rebuild after a
//! crash; so all of them agree. It decides nothing: ids, UIDs, modseqs and times stand in the record.

use super::mailbox::Mailbox;
use super::refer::Place;
use super::{Index, content_id, served_bytes};
use crate::store::ids::*;
use crate::store::log::Location;
use crate::store::record::*;
use crate::store::row::MailboxRow;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::mime::Summary;
use rusqlite::{OptionalExtension, Result, params};

/// What a message row has beside its key.
#[derive(Clone, Copy, Debug)]
pub struct MessageBody {
    /// Flags.
    pub flags: Flags,
    /// Last change.
    pub modseq: ModSeq,
    /// INTERNALDATE.
    pub internal_secs: i64,
    /// SAVEDATE.
    pub save_secs: i64,
    /// As served.
    pub served_bytes: u64,
    /// Its content.
    pub content: i64,
    /// The number of its prefix.
    pub prefix: u16,
}

/// A record on its way into the tables.
#[derive(Clone, Copy)]
pub struct Applied<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// The change.
    pub record: &'a Record,
    /// For a message: what the scanner said.
    pub summary: Option<&'a Summary>,
    /// For a message or relocation: where it is, when that is known already.
    pub at: Option<Location>,
}

impl Index {
    /// Applies one record. LSNs come in order; one that is applied already is passed over.
    pub fn apply(&mut self, applied: Applied<'_>) -> Result<()> {
        if applied.lsn <= self.meta.lsn {
            return Ok(());
        }
        match applied.record {
            Record::Message(message) => self.apply_message(message, applied)?,
            Record::Copy(copy) => self.apply_copy(copy)?,
            Record::Flags(flags) => self.apply_flags(flags)?,
            Record::Expunge(expunge) => self.apply_expunge(expunge)?,
            Record::Keyword(keyword) => self.apply_keyword(keyword)?,
            Record::MailboxCreate(created) => {
                created.iter().try_for_each(|one| self.apply_created(one))?;
            }
            Record::MailboxRename(rename) => self.apply_rename(rename)?,
            Record::MailboxDelete(delete) => self.apply_delete(delete)?,
            Record::Subscribe(subscribe) => self.apply_subscribe(subscribe)?,
            Record::AccountRemove(account) => self.apply_account_remove(*account, applied.lsn)?,
            Record::QueueOutcome(outcome) => self.apply_outcome(outcome)?,
            Record::QueueDrop(queue) => self.apply_queue_end(*queue)?,
            Record::Undelete(undelete) => self.apply_undelete(undelete)?,
            Record::Relocation(moved) => {
                if let Some(at) = applied.at {
                    self.locate(content_id(moved.content.email), at)?;
                }
            }
            // The tables are what the snapshots say already; only a rebuild reads them (`rebuild`).
            Record::SnapshotBox(_) | Record::SnapshotAccount(_) | Record::SnapshotMailbox(_) => {}
            Record::Abort(_) | Record::Closed | Record::Skipped { .. } => {}
        }
        self.meta.lsn = applied.lsn;
        Ok(())
    }

    /// Notes where a content is.
    pub fn locate(&mut self, content: i64, at: Location) -> Result<()> {
        self.db
            .prepare_cached(
                "UPDATE content SET segment = ?2, generation = ?3, at = ?4 WHERE id = ?1",
            )?
            .execute(params![content, at.segment, at.generation, at.offset])?;
        Ok(())
    }

    fn apply_message(&mut self, message: &MessageRecord, applied: Applied<'_>) -> Result<()> {
        let content = content_id(message.content.email);
        let home = message.locals.first().map(|local| Place {
            mailbox: local.mailbox,
            uid: local.uid,
        });
        self.insert_content(content, &message.content, home, applied)?;
        self.place_copies(content, message)?;
        if let Some(remote) = &message.remote {
            self.insert_queue(content, &message.content, remote)?;
        }
        self.meta.next_thread = self.meta.next_thread.max(message.content.thread.0 + 1);
        Ok(())
    }

    /// The message rows of an arriving content; the first is its home already.
    fn place_copies(&mut self, content: i64, message: &MessageRecord) -> Result<()> {
        for (n, local) in message.locals.iter().enumerate() {
            let place = Place {
                mailbox: local.mailbox,
                uid: local.uid,
            };
            self.insert_message(place, local_body(&message.content, content, local))?;
            if n > 0 {
                self.refer(content, place)?;
            }
        }
        Ok(())
    }

    /// Makes the row of a content.
    pub(in crate::store) fn insert_content(
        &mut self,
        content: i64,
        meta: &ContentMeta,
        home: Option<Place>,
        applied: Applied<'_>,
    ) -> Result<()> {
        let at = applied.at.map_or((-1, 0, 0), |at| {
            (i64::from(at.segment), at.generation, at.offset)
        });
        let nothing: &[u8] = &[];
        let (envelope, structure, sent_at) = match applied.summary {
            Some(summary) => (&*summary.envelope, &*summary.structure, summary.sent_at),
            None => (nothing, nothing, None),
        };
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO content(id, segment, generation, at, file, bytes, header_bytes, home_mailbox,
                 home_uid, thread, received_millis, sent_at, email, envelope, structure)
                 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            )?
            .execute(params![
                content,
                at.0,
                at.1,
                at.2,
                meta.place == ContentPlace::File,
                meta.bytes,
                meta.header_bytes,
                home.map(|home| home.mailbox.0),
                home.map(|home| home.uid),
                meta.thread.0,
                meta.received_millis,
                sent_at,
                meta.email.0,
                envelope,
                structure
            ])?;
        Ok(())
    }

    /// Puts a new row into a mailbox and counts it.
    pub(in crate::store) fn insert_message(
        &mut self,
        place: Place,
        body: MessageBody,
    ) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO message(mailbox, uid, flags, modseq, changed, internal_secs, save_secs, served_bytes,
                 content, prefix) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                place.mailbox.0,
                place.uid,
                body.flags.0.cast_signed(),
                body.modseq,
                body.internal_secs,
                body.save_secs,
                body.served_bytes,
                body.content,
                body.prefix
            ])?;
        let batch = self.mailboxes_batch();
        if let Some(mailbox) = self.mailboxes.change(&self.db, place.mailbox, batch)? {
            mailbox.arrived(place.uid, body.flags, body.modseq, body.served_bytes);
        }
        Ok(())
    }

    /// A message row.
    pub(in crate::store) fn message(&mut self, place: Place) -> Result<Option<MessageBody>> {
        self.db
            .prepare_cached(
                "SELECT flags, modseq, internal_secs, save_secs, served_bytes, content, prefix FROM message
                 WHERE mailbox = ?1 AND uid = ?2",
            )?
            .query_row(params![place.mailbox.0, place.uid], |row| {
                Ok(MessageBody {
                    flags: Flags(row.get::<_, i64>(0)?.cast_unsigned()),
                    modseq: row.get(1)?,
                    internal_secs: row.get(2)?,
                    save_secs: row.get(3)?,
                    served_bytes: row.get(4)?,
                    content: row.get(5)?,
                    prefix: row.get(6)?,
                })
            })
            .optional()
    }

    fn apply_copy(&mut self, copy: &CopyRecord) -> Result<()> {
        for (source_uid, row) in &copy.rows {
            let from = Place {
                mailbox: copy.from,
                uid: *source_uid,
            };
            let to = Place {
                mailbox: copy.to,
                uid: row.uid,
            };
            let content = content_id(row.email);
            let Some(served_bytes) = self.served_bytes_of(from, content, row.prefix)? else {
                continue; // lost by damage: `rebuild` counts it
            };
            self.insert_message(to, placed(row, content, served_bytes))?;
            match copy.removed {
                None => self.refer(content, to)?,
                Some(modseq) => {
                    self.expunge_one(from, modseq, copy.at_secs, Kept::No)?;
                    self.refer_elsewhere(content, from, to)?;
                }
            }
        }
        Ok(())
    }

    /// Served size of a content behind a prefix: from the source's row, or, while the index is made anew, from what
    /// the first pass found. None: the content is lost.
    pub(in crate::store) fn served_bytes_of(
        &mut self,
        from: Place,
        content: i64,
        prefix: u16,
    ) -> Result<Option<u64>> {
        if self.sizes_known {
            return self
                .db
                .prepare_cached(
                    "SELECT bytes FROM rebuild_size WHERE content = ?1 AND prefix = ?2",
                )?
                .query_row(params![content, prefix], |row| row.get(0))
                .optional();
        }
        let source = self.message(from)?;
        if let Some(source) = source.filter(|row| row.content == content && row.prefix == prefix) {
            return Ok(Some(source.served_bytes));
        }
        self.db
            .prepare_cached(
                "SELECT served_bytes FROM expunged WHERE mailbox = ?1 AND uid = ?2 AND content = ?3 AND prefix = ?4",
            )?
            .query_row(params![from.mailbox.0, from.uid, content, prefix], |row| {
                row.get(0)
            })
            .optional()
    }

    fn apply_flags(&mut self, flags: &FlagsRecord) -> Result<()> {
        for (uids, edit) in &flags.edits {
            for &(first, last) in uids.ranges() {
                self.edit_flags(flags.mailbox, (first, last), *edit, flags.modseq)?;
            }
        }
        let batch = self.mailboxes_batch();
        if let Some(mailbox) = self.mailboxes.change(&self.db, flags.mailbox, batch)? {
            mailbox.row.highest_modseq = mailbox.row.highest_modseq.max(flags.modseq);
        }
        Ok(())
    }

    fn edit_flags(
        &mut self,
        mailbox: MailboxId,
        uids: (u32, u32),
        edit: FlagEdit,
        modseq: ModSeq,
    ) -> Result<()> {
        let touches_seen = edit.clear.union(edit.set).contains(Flags::SEEN);
        let before = if touches_seen {
            self.unseen(mailbox, uids)?
        } else {
            0
        };
        self.db
            .prepare_cached(
                "UPDATE message SET flags = (flags & ~?4) | ?5, modseq = ?6, changed = 1
                 WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3",
            )?
            .execute(params![
                mailbox.0,
                uids.0,
                uids.1,
                edit.clear.0.cast_signed(),
                edit.set.0.cast_signed(),
                modseq
            ])?;
        if touches_seen {
            let after = self.unseen(mailbox, uids)?;
            let batch = self.mailboxes_batch();
            if let Some(mailbox) = self.mailboxes.change(&self.db, mailbox, batch)? {
                mailbox.row.unseen = (mailbox.row.unseen + after).saturating_sub(before);
            }
        }
        Ok(())
    }

    fn unseen(&mut self, mailbox: MailboxId, uids: (u32, u32)) -> Result<u32> {
        self.db
            .prepare_cached(
                "SELECT count(*) FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND flags & 1 = 0",
            )?
            .query_row(params![mailbox.0, uids.0, uids.1], |row| row.get(0))
    }

    fn apply_expunge(&mut self, expunge: &ExpungeRecord) -> Result<()> {
        self.expunge_set(
            expunge.mailbox,
            &expunge.uids,
            expunge.modseq,
            expunge.at_secs,
        )
    }

    /// Moves rows into the history; their contents stay referred to from there.
    pub(in crate::store) fn expunge_set(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        modseq: ModSeq,
        at_secs: i64,
    ) -> Result<()> {
        for &(first, last) in uids.ranges() {
            let (messages, unseen, bytes): (u32, u32, u64) = self
                .db
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(flags & 1 = 0), 0), coalesce(sum(served_bytes), 0) FROM message
                     WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3",
                )?
                .query_row(params![mailbox.0, first, last], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?;
            self.db
                .prepare_cached(
                    "INSERT OR REPLACE INTO expunged(mailbox, uid, modseq, at_uptime, at_secs, kept, flags, internal_secs,
                     served_bytes, content, prefix)
                     SELECT mailbox, uid, ?4, ?5, ?6, 1, flags, internal_secs, served_bytes, content, prefix
                     FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3",
                )?
                .execute(params![mailbox.0, first, last, modseq, self.meta.uptime_secs, at_secs])?;
            self.db
                .prepare_cached("DELETE FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3")?
                .execute(params![mailbox.0, first, last])?;
            let batch = self.mailboxes_batch();
            if let Some(mailbox) = self.mailboxes.change(&self.db, mailbox, batch)? {
                let row = &mut mailbox.row;
                row.messages = row.messages.saturating_sub(messages);
                row.unseen = row.unseen.saturating_sub(unseen);
                row.bytes = row.bytes.saturating_sub(bytes);
                row.highest_modseq = row.highest_modseq.max(modseq);
            }
        }
        Ok(())
    }

    /// One message out of its mailbox into the history.
    fn expunge_one(
        &mut self,
        place: Place,
        modseq: ModSeq,
        at_secs: i64,
        kept: Kept,
    ) -> Result<()> {
        let Some(row) = self.message(place)? else {
            return Ok(());
        };
        self.db
            .prepare_cached("DELETE FROM message WHERE mailbox = ?1 AND uid = ?2")?
            .execute(params![place.mailbox.0, place.uid])?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO expunged(mailbox, uid, modseq, at_uptime, at_secs, kept, flags, internal_secs,
                 served_bytes, content, prefix) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            )?
            .execute(params![
                place.mailbox.0,
                place.uid,
                modseq,
                self.meta.uptime_secs,
                at_secs,
                kept == Kept::Yes,
                row.flags.0.cast_signed(),
                row.internal_secs,
                row.served_bytes,
                row.content,
                row.prefix
            ])?;
        let batch = self.mailboxes_batch();
        if let Some(mailbox) = self.mailboxes.change(&self.db, place.mailbox, batch)? {
            mailbox.left(row.flags, modseq, row.served_bytes);
        }
        Ok(())
    }

    fn apply_keyword(&mut self, keyword: &KeywordRecord) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO keyword(account, bit, name) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![keyword.account.0, keyword.index, keyword.name])?;
        Ok(())
    }

    pub(in crate::store) fn apply_created(&mut self, created: &CreatedMailbox) -> Result<()> {
        self.meta.next_mailbox = self.meta.next_mailbox.max(created.mailbox.0 + 1);
        self.meta.uid_validity = self.meta.uid_validity.max(created.uid_validity);
        self.clear_name(created.account, &created.name)?;
        let row = MailboxRow {
            id: created.mailbox,
            account: created.account,
            name: created.name.clone(),
            uid_validity: created.uid_validity,
            uid_next: 1,
            highest_modseq: 1,
            messages: 0,
            unseen: 0,
            bytes: 0,
            recent_from_uid: 1,
            special_use: created.special_use,
            subscribed: created.subscribed,
            no_select: created.no_select,
        };
        let batch = self.mailboxes_batch();
        self.mailboxes.create(
            &self.db,
            Mailbox {
                row,
                gone: false,
                floor_modseq: 0,
            },
            batch,
        )?;
        if created.subscribed {
            self.subscribe(created.account, &created.name)?;
        }
        Ok(())
    }

    /// A name that only held inferiors gives way to the mailbox that takes it. (A selectable one in the way can only
    /// be there when records were lost: it keeps its messages under another name.)
    fn clear_name(&mut self, account: AccountId, name: &str) -> Result<()> {
        let Some(id) = self.mailbox_named(account, name)? else {
            return Ok(());
        };
        let batch = self.mailboxes_batch();
        if let Some(old) = self.mailboxes.change(&self.db, id, batch)? {
            if old.row.no_select {
                old.gone = true;
            } else {
                old.row.name = format!("{name} (recovered {})", id.0).into();
            }
            self.mailboxes.write_now(&self.db, id)?;
        }
        Ok(())
    }

    /// The id of a mailbox that is not gone.
    pub(in crate::store) fn mailbox_named(
        &mut self,
        account: AccountId,
        name: &str,
    ) -> Result<Option<MailboxId>> {
        self.db
            .prepare_cached("SELECT id FROM mailbox WHERE account = ?1 AND name = ?2 AND gone = 0")?
            .query_row(params![account.0, name], |row| Ok(MailboxId(row.get(0)?)))
            .optional()
    }

    fn apply_rename(&mut self, rename: &RenameRecord) -> Result<()> {
        rename
            .created
            .iter()
            .try_for_each(|created| self.apply_created(created))?;
        let batch = self.mailboxes_batch();
        for (id, name) in &rename.renamed {
            if let Some(mailbox) = self.mailboxes.change(&self.db, *id, batch)? {
                mailbox.row.name = name.clone();
                self.mailboxes.write_now(&self.db, *id)?;
            }
        }
        match &rename.moved {
            Some(copy) => self.apply_copy(copy),
            None => Ok(()),
        }
    }

    fn apply_delete(&mut self, delete: &MailboxDeleteRecord) -> Result<()> {
        let all: UidSet = {
            let mut all = UidSet::new();
            all.insert_range(1, u32::MAX);
            all
        };
        self.expunge_set(delete.mailbox, &all, delete.modseq, delete.at_secs)?;
        let batch = self.mailboxes_batch();
        if let Some(mailbox) = self.mailboxes.change(&self.db, delete.mailbox, batch)? {
            mailbox.row.highest_modseq = mailbox.row.highest_modseq.max(delete.modseq);
            mailbox.row.special_use = None;
            if delete.keep_name {
                mailbox.row.no_select = true;
            } else {
                mailbox.gone = true;
            }
            self.mailboxes.write_now(&self.db, delete.mailbox)?;
        }
        Ok(())
    }

    fn apply_subscribe(&mut self, change: &SubscribeRecord) -> Result<()> {
        if change.on {
            return self.subscribe(change.account, &change.name);
        }
        self.db
            .prepare_cached("DELETE FROM subscription WHERE account = ?1 AND name = ?2")?
            .execute(params![change.account.0, change.name])?;
        Ok(())
    }

    pub(in crate::store) fn subscribe(&mut self, account: AccountId, name: &str) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO subscription(account, name) VALUES (?1, ?2)")?
            .execute(params![account.0, name])?;
        Ok(())
    }

    fn apply_account_remove(&mut self, account: AccountId, lsn: Lsn) -> Result<()> {
        let ids: Vec<MailboxId> = self
            .db
            .prepare_cached("SELECT id FROM mailbox WHERE account = ?1")?
            .query_map([account.0], |row| Ok(MailboxId(row.get(0)?)))?
            .collect::<Result<_>>()?;
        for id in ids {
            self.drop_mailbox(id)?;
        }
        for sql in [
            "DELETE FROM keyword WHERE account = ?1",
            "DELETE FROM subscription WHERE account = ?1",
        ] {
            self.db.prepare_cached(sql)?.execute([account.0])?;
        }
        self.db
            .prepare_cached("INSERT OR REPLACE INTO removed_account(account, lsn) VALUES (?1, ?2)")?
            .execute(params![account.0, lsn])?;
        Ok(())
    }

    /// Takes a mailbox away with its rows, its history and the contents that only it referred to.
    pub(in crate::store) fn drop_mailbox(&mut self, mailbox: MailboxId) -> Result<()> {
        let rows: Vec<(u32, i64)> = self
            .db
            .prepare_cached(
                "SELECT uid, content FROM message WHERE mailbox = ?1
                 UNION ALL SELECT uid, content FROM expunged WHERE mailbox = ?1 AND kept = 1",
            )?
            .query_map([mailbox.0], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        for sql in [
            "DELETE FROM message WHERE mailbox = ?1",
            "DELETE FROM expunged WHERE mailbox = ?1",
        ] {
            self.db.prepare_cached(sql)?.execute([mailbox.0])?;
        }
        for (uid, content) in rows {
            self.unrefer(content, Place { mailbox, uid })?;
        }
        self.mailboxes.remove(&self.db, mailbox)
    }

    pub(in crate::store) fn insert_queue(
        &mut self,
        content: i64,
        meta: &ContentMeta,
        remote: &RemoteEntry,
    ) -> Result<()> {
        let options = u8::from(remote.return_full)
            | u8::from(remote.eight_bit) << 1
            | u8::from(remote.smtputf8) << 2;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO queue(id, content, prefix, account, sender, received_millis, served_bytes, envid,
                 options) VALUES (?,?,?,?,?,?,?,?,?)",
            )?
            .execute(params![
                remote.queue.0,
                content,
                remote.prefix,
                remote.account.map(|account| account.0),
                remote.sender.as_ref().map(ToString::to_string),
                meta.received_millis,
                served_bytes(meta, remote.prefix),
                remote.envid,
                options
            ])?;
        for (number, recipient) in remote.recipients.iter().enumerate() {
            self.db
                .prepare_cached(
                    "INSERT OR REPLACE INTO queue_recipient(queue, number, address, notify, orcpt) VALUES (?,?,?,?,?)",
                )?
                .execute(params![
                    remote.queue.0,
                    number,
                    recipient.address.to_string(),
                    recipient.notify,
                    recipient.orcpt
                ])?;
        }
        self.meta.next_queue = self.meta.next_queue.max(remote.queue.0 + 1);
        Ok(())
    }

    fn apply_outcome(&mut self, outcome: &QueueOutcomeRecord) -> Result<()> {
        for number in &outcome.recipients {
            self.db
                .prepare_cached("DELETE FROM queue_recipient WHERE queue = ?1 AND number = ?2")?
                .execute(params![outcome.queue.0, number])?;
        }
        let left: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM queue_recipient WHERE queue = ?1")?
            .query_row([outcome.queue.0], |row| row.get(0))?;
        if left == 0 {
            self.apply_queue_end(outcome.queue)?;
        }
        Ok(())
    }

    fn apply_queue_end(&mut self, queue: QueueId) -> Result<()> {
        let content: Option<i64> = self
            .db
            .prepare_cached("DELETE FROM queue WHERE id = ?1 RETURNING content")?
            .query_row([queue.0], |row| row.get(0))
            .optional()?;
        self.db
            .prepare_cached("DELETE FROM queue_recipient WHERE queue = ?1")?
            .execute([queue.0])?;
        match content {
            Some(content) => self.collect(content),
            None => Ok(()),
        }
    }

    fn apply_undelete(&mut self, undelete: &UndeleteRecord) -> Result<()> {
        for (mailbox, row) in &undelete.rows {
            let content = content_id(row.email);
            let to = Place {
                mailbox: *mailbox,
                uid: row.uid,
            };
            let Some(from) = self.kept_place(undelete.account, content, row.prefix)? else {
                continue; // lost by damage
            };
            let Some(served_bytes) = self.served_bytes_of(from, content, row.prefix)? else {
                continue;
            };
            self.insert_message(to, placed(row, content, served_bytes))?;
            self.db
                .prepare_cached("UPDATE expunged SET kept = 0 WHERE mailbox = ?1 AND uid = ?2")?
                .execute(params![from.mailbox.0, from.uid])?;
            self.refer_elsewhere(content, from, to)?;
        }
        Ok(())
    }

    /// An expunged row of the account that still keeps the content.
    pub(in crate::store) fn kept_place(
        &mut self,
        account: AccountId,
        content: i64,
        prefix: u16,
    ) -> Result<Option<Place>> {
        for place in self.places(content)? {
            let kept: bool = self
                .db
                .prepare_cached(
                    "SELECT EXISTS(SELECT 1 FROM expunged e JOIN mailbox m ON m.id = e.mailbox WHERE e.mailbox = ?1
                     AND e.uid = ?2 AND e.content = ?3 AND e.prefix = ?4 AND e.kept = 1 AND m.account = ?5)",
                )?
                .query_row(
                    params![place.mailbox.0, place.uid, content, prefix, account.0],
                    |row| row.get(0),
                )?;
            if kept {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// Whether an expunged message can come back: one that moved lives on elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

/// The row of one local copy.
pub(in crate::store) fn local_body(
    meta: &ContentMeta,
    content: i64,
    local: &LocalCopy,
) -> MessageBody {
    MessageBody {
        flags: local.flags,
        modseq: local.modseq,
        internal_secs: local.internal_secs,
        save_secs: local.save_secs,
        served_bytes: served_bytes(meta, local.prefix),
        content,
        prefix: local.prefix,
    }
}

/// The row of a copy that stands complete in its record.
pub(in crate::store) fn placed(row: &PlacedRow, content: i64, served_bytes: u64) -> MessageBody {
    MessageBody {
        flags: row.flags,
        modseq: row.modseq,
        internal_secs: row.internal_secs,
        save_secs: row.save_secs,
        served_bytes,
        content,
        prefix: row.prefix,
    }
}
