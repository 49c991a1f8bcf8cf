//! What records say of mailboxes and accounts: created, renamed, deleted, subscribed, removed; keywords.

use super::super::Index;
use super::super::mailbox::Mailbox;
use super::super::refer::Place;
use crate::store::ids::*;
use crate::store::record::*;
use crate::store::row::MailboxRow;
use crate::wire::imap::uid_set::UidSet;
use rusqlite::{OptionalExtension, Result, params};

impl Index {
    pub(super) fn apply_keyword(&mut self, keyword: &KeywordRecord) -> Result<()> {
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

    pub(super) fn apply_rename(&mut self, rename: &RenameRecord) -> Result<()> {
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

    pub(super) fn apply_delete(&mut self, delete: &MailboxDeleteRecord) -> Result<()> {
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

    pub(super) fn apply_subscribe(&mut self, change: &SubscribeRecord) -> Result<()> {
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

    pub(super) fn apply_account_remove(&mut self, account: AccountId, lsn: Lsn) -> Result<()> {
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
}
