//! What records say of the queue: entries come with their content, recipients end one by one or all at once.

use super::super::{Index, served_bytes};
use crate::store::ids::*;
use crate::store::record::*;
use rusqlite::{OptionalExtension, Result, params};

impl Index {
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

    pub(super) fn apply_outcome(&mut self, outcome: &QueueOutcomeRecord) -> Result<()> {
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

    pub(super) fn apply_queue_end(&mut self, queue: QueueId) -> Result<()> {
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
}
