//! What snapshots say and are made of: whole mailboxes, accounts, the box.

use super::Index;
use super::refer::Place;
use crate::limits::SNAPSHOT_ROWS_MAX;
use crate::store::ids::*;
use crate::store::record::*;
use crate::wire::imap::flag::Flags;
use rusqlite::{Result, params};

impl Index {
    /// Ids of all mailboxes that are not deleted.
    pub fn all_mailboxes(&self) -> Result<Vec<MailboxId>> {
        self.db
            .prepare_cached("SELECT id FROM mailbox WHERE gone = 0 ORDER BY id")?
            .query_map([], |row| Ok(MailboxId(row.get(0)?)))?
            .collect()
    }

    /// One part of a mailbox's snapshot: rows from `from_uid` on. None when the mailbox is gone.
    pub fn snapshot_part(
        &mut self,
        mailbox: MailboxId,
        part: u32,
        from_uid: u32,
    ) -> Result<Option<SnapshotMailbox>> {
        let Some(known) = self.mailboxes.look(&self.db, mailbox)?.cloned() else {
            return Ok(None);
        };
        if known.gone {
            return Ok(None);
        }
        let row = known.row;
        let subscribed = self
            .db
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM subscription WHERE account = ?1 AND name = ?2)",
            )?
            .query_row(params![row.account.0, row.name], |row| row.get(0))?;
        let rows = self.placed_rows(mailbox, from_uid)?;
        Ok(Some(SnapshotMailbox {
            mailbox: CreatedMailbox {
                mailbox,
                account: row.account,
                name: row.name,
                uid_validity: row.uid_validity,
                special_use: row.special_use,
                no_select: row.no_select,
                subscribed,
            },
            uid_next: row.uid_next,
            highest_modseq: row.highest_modseq,
            expunge_floor: known.floor_modseq,
            recent_from_uid: row.recent_from_uid,
            part,
            last: rows.len() < SNAPSHOT_ROWS_MAX,
            rows,
        }))
    }

    fn placed_rows(&mut self, mailbox: MailboxId, from_uid: u32) -> Result<Vec<PlacedRow>> {
        self.db
            .prepare_cached(
                "SELECT uid, modseq, prefix, flags, internal_secs, save_secs, c.email
                 FROM message CROSS JOIN content c ON c.id = message.content
                 WHERE mailbox = ?1 AND uid >= ?2 ORDER BY uid LIMIT ?3",
            )?
            .query_map(params![mailbox.0, from_uid, SNAPSHOT_ROWS_MAX], |row| {
                Ok(PlacedRow {
                    uid: row.get(0)?,
                    modseq: row.get(1)?,
                    prefix: row.get(2)?,
                    flags: Flags(row.get::<_, i64>(3)?.cast_unsigned()),
                    internal_secs: row.get(4)?,
                    save_secs: row.get(5)?,
                    email: EmailId(row.get(6)?),
                })
            })?
            .collect()
    }

    /// All accounts that have anything.
    pub fn account_snapshots(&mut self) -> Result<Vec<SnapshotAccount>> {
        let accounts: Vec<AccountId> = self
            .db
            .prepare_cached(
                "SELECT account FROM mailbox WHERE gone = 0 UNION SELECT account FROM keyword
                 UNION SELECT account FROM subscription",
            )?
            .query_map([], |row| Ok(AccountId(row.get(0)?)))?
            .collect::<Result<_>>()?;
        accounts
            .into_iter()
            .map(|account| {
                let mailboxes = self
                    .db
                    .prepare_cached(
                        "SELECT id FROM mailbox WHERE account = ?1 AND gone = 0 ORDER BY id",
                    )?
                    .query_map([account.0], |row| Ok(MailboxId(row.get(0)?)))?
                    .collect::<Result<_>>()?;
                Ok(SnapshotAccount {
                    account,
                    keywords: super::query::keywords(&self.db, account)?.0,
                    subscriptions: super::query::subscriptions(&self.db, account)?,
                    mailboxes,
                })
            })
            .collect()
    }

    /// Counters, removed accounts and the queue.
    pub fn box_snapshot(&mut self) -> Result<SnapshotBox> {
        let removed = self
            .db
            .prepare_cached("SELECT account FROM removed_account ORDER BY account")?
            .query_map([], |row| Ok(AccountId(row.get(0)?)))?
            .collect::<Result<_>>()?;
        let mut waiting: Vec<(QueueId, Vec<u16>)> = Vec::new();
        let mut statement = self
            .db
            .prepare_cached("SELECT queue, number FROM queue_recipient ORDER BY queue, number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (queue, number) = (QueueId(row.get(0)?), row.get(1)?);
            match waiting.last_mut() {
                Some((last, numbers)) if *last == queue => numbers.push(number),
                _ => waiting.push((queue, vec![number])),
            }
        }
        Ok(SnapshotBox {
            next_mailbox: self.meta.next_mailbox,
            next_queue: self.meta.next_queue,
            next_thread: self.meta.next_thread,
            last_uid_validity: self.meta.uid_validity,
            removed,
            waiting,
        })
    }

    /// An account as its snapshot says: keywords and subscriptions.
    pub fn set_account(&mut self, account: &SnapshotAccount) -> Result<()> {
        for sql in [
            "DELETE FROM keyword WHERE account = ?1",
            "DELETE FROM subscription WHERE account = ?1",
        ] {
            self.db.prepare_cached(sql)?.execute([account.account.0])?;
        }
        for (bit, name) in account.keywords.iter().enumerate() {
            self.db
                .prepare_cached("INSERT INTO keyword(account, bit, name) VALUES (?1, ?2, ?3)")?
                .execute(params![account.account.0, bit, name])?;
        }
        for name in &account.subscriptions {
            self.subscribe(account.account, name)?;
        }
        Ok(())
    }

    /// Accounts that stay removed.
    pub fn set_removed(&mut self, accounts: &[AccountId], lsn: Lsn) -> Result<()> {
        for account in accounts {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO removed_account(account, lsn) VALUES (?1, ?2)",
                )?
                .execute(params![account.0, lsn])?;
        }
        Ok(())
    }

    /// Whether a queue entry is there.
    pub fn has_queue(&mut self, queue: QueueId) -> Result<bool> {
        self.db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM queue WHERE id = ?1)")?
            .query_row([queue.0], |row| row.get(0))
    }

    /// Recipients of an entry that are not in `waiting` are done.
    pub fn keep_recipients(&mut self, queue: QueueId, waiting: &[u16]) -> Result<()> {
        for (number, _) in super::query::recipients(&self.db, queue)? {
            if !waiting.contains(&number) {
                self.db
                    .prepare_cached("DELETE FROM queue_recipient WHERE queue = ?1 AND number = ?2")?
                    .execute(params![queue.0, number])?;
            }
        }
        Ok(())
    }

    /// An expunged message of the account came back: its old row keeps the content no longer.
    pub fn no_longer_kept(&mut self, account: AccountId, content: i64, prefix: u16) -> Result<()> {
        if let Some(place) = self.kept_place(account, content, prefix)? {
            self.forget_kept(content, place)?;
        }
        Ok(())
    }

    /// Takes an expunged row's hold off its content.
    pub fn forget_kept(&mut self, content: i64, place: Place) -> Result<()> {
        self.db
            .prepare_cached("UPDATE expunged SET kept = 0 WHERE mailbox = ?1 AND uid = ?2")?
            .execute(params![place.mailbox.0, place.uid])?;
        self.unrefer(content, place)
    }
}
