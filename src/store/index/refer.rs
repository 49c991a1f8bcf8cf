//! Who refers to a content. Counts are never stored: a content lives while a message, a kept expunged message or a
//! queue entry names it. Its first reference stands in its own row (`home_*`), the others in `extra`.

use super::Index;
use crate::store::ids::{EmailId, MailboxId};
use rusqlite::{OptionalExtension, Result, params};

/// A row that refers to a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where.
    pub mailbox: MailboxId,
    /// Which.
    pub uid: u32,
}

impl Index {
    /// Notes one more reference.
    pub(in crate::store) fn refer(&mut self, content: i64, place: Place) -> Result<()> {
        let home = self
            .db
            .prepare_cached(
                "UPDATE content SET home_mailbox = ?2, home_uid = ?3 WHERE id = ?1 AND home_uid IS NULL",
            )?
            .execute(params![content, place.mailbox.0, place.uid])?;
        if home == 0 {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO extra(content, mailbox, uid) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![content, place.mailbox.0, place.uid])?;
        }
        Ok(())
    }

    /// A reference moved with its message.
    pub(super) fn refer_elsewhere(&mut self, content: i64, from: Place, to: Place) -> Result<()> {
        let home = self
            .db
            .prepare_cached(
                "UPDATE content SET home_mailbox = ?4, home_uid = ?5 WHERE id = ?1 AND home_mailbox = ?2 AND home_uid = ?3",
            )?
            .execute(params![content, from.mailbox.0, from.uid, to.mailbox.0, to.uid])?;
        if home == 0 {
            self.db
                .prepare_cached(
                    "DELETE FROM extra WHERE content = ?1 AND mailbox = ?2 AND uid = ?3",
                )?
                .execute(params![content, from.mailbox.0, from.uid])?;
            self.refer(content, to)?;
        }
        Ok(())
    }

    /// A reference is gone; the content goes with its last one.
    pub(super) fn unrefer(&mut self, content: i64, place: Place) -> Result<()> {
        let extra = self
            .db
            .prepare_cached("DELETE FROM extra WHERE content = ?1 AND mailbox = ?2 AND uid = ?3")?
            .execute(params![content, place.mailbox.0, place.uid])?;
        if extra == 0 {
            self.db
                .prepare_cached(
                    "UPDATE content SET home_mailbox = NULL, home_uid = NULL
                     WHERE id = ?1 AND home_mailbox = ?2 AND home_uid = ?3",
                )?
                .execute(params![content, place.mailbox.0, place.uid])?;
        }
        self.collect(content)
    }

    /// All places that refer to a content.
    pub(super) fn places(&mut self, content: i64) -> Result<Vec<Place>> {
        let place = |row: &rusqlite::Row<'_>| {
            Ok(Place {
                mailbox: MailboxId(row.get(0)?),
                uid: row.get(1)?,
            })
        };
        self.db
            .prepare_cached(
                "SELECT home_mailbox, home_uid FROM content WHERE id = ?1 AND home_uid IS NOT NULL
                 UNION SELECT mailbox, uid FROM extra WHERE content = ?1",
            )?
            .query_map([content], place)?
            .collect()
    }

    /// Removes the content if nothing refers to it; makes an extra reference its home otherwise.
    pub(in crate::store) fn collect(&mut self, content: i64) -> Result<()> {
        if self.sizes_known {
            return Ok(()); // made anew: references may still come, the end of it collects
        }
        let row: Option<(Option<u32>, bool, EmailId)> = self
            .db
            .prepare_cached("SELECT home_uid, file, email FROM content WHERE id = ?1")?
            .query_row([content], |row| {
                Ok((row.get(0)?, row.get(1)?, EmailId(row.get(2)?)))
            })
            .optional()?;
        let Some((None, file, email)) = row else {
            return Ok(());
        };
        let extra: Option<(u64, u32)> = self
            .db
            .prepare_cached("SELECT mailbox, uid FROM extra WHERE content = ?1 LIMIT 1")?
            .query_row([content], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((mailbox, uid)) = extra {
            self.db
                .prepare_cached(
                    "DELETE FROM extra WHERE content = ?1 AND mailbox = ?2 AND uid = ?3",
                )?
                .execute(params![content, mailbox, uid])?;
            self.db
                .prepare_cached(
                    "UPDATE content SET home_mailbox = ?2, home_uid = ?3 WHERE id = ?1",
                )?
                .execute(params![content, mailbox, uid])?;
            return Ok(());
        }
        let queued: bool = self
            .db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM queue WHERE content = ?1)")?
            .query_row([content], |row| row.get(0))?;
        if queued {
            return Ok(());
        }
        self.db
            .prepare_cached("DELETE FROM content WHERE id = ?1")?
            .execute([content])?;
        if file {
            self.dead_files.push(email);
        }
        Ok(())
    }
}
