//! What records say of messages: copies and moves, flags, expunges, undeletes.

use super::super::refer::Place;
use super::super::{Index, content_id};
use super::placed;
use crate::store::ids::*;
use crate::store::record::*;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;
use rusqlite::{OptionalExtension, Result, params};

/// Whether an expunged message can come back: one that moved lives on elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

impl Index {
    pub(super) fn apply_copy(&mut self, copy: &CopyRecord) -> Result<()> {
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

    pub(super) fn apply_flags(&mut self, flags: &FlagsRecord) -> Result<()> {
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
        let clears = edit.clear.contains(Flags::SEEN) && !edit.set.contains(Flags::SEEN);
        let seen_changes = if edit.set.contains(Flags::SEEN) {
            -self.count_seen(mailbox, uids, 0)?
        } else if clears {
            self.count_seen(mailbox, uids, 1)?
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
        if seen_changes != 0 {
            let batch = self.mailboxes_batch();
            if let Some(mailbox) = self.mailboxes.change(&self.db, mailbox, batch)? {
                mailbox.row.unseen = mailbox.row.unseen.saturating_add_signed(seen_changes);
            }
        }
        Ok(())
    }

    /// Messages of a range whose \Seen is `seen`.
    fn count_seen(&mut self, mailbox: MailboxId, uids: (u32, u32), seen: u8) -> Result<i32> {
        self.db
            .prepare_cached(
                "SELECT count(*) FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND flags & 1 = ?4",
            )?
            .query_row(params![mailbox.0, uids.0, uids.1, seen], |row| row.get(0))
    }

    pub(super) fn apply_expunge(&mut self, expunge: &ExpungeRecord) -> Result<()> {
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

    pub(super) fn apply_undelete(&mut self, undelete: &UndeleteRecord) -> Result<()> {
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
