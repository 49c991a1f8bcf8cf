//! Questions of upkeep: which contents a segment still holds, what is past its retention.

use super::Index;
use super::refer::Place;
use crate::store::ids::*;
use crate::store::log::Location;
use rusqlite::{Result, params};
use std::collections::HashMap;

/// A content in a segment.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Its row.
    pub content: i64,
    /// Its id.
    pub email: EmailId,
    /// Where.
    pub at: Location,
    /// Octets, 0 for a message file.
    pub log_bytes: u64,
}

impl Index {
    /// Octets of contents that each segment holds for somebody.
    pub fn live_bytes(&self) -> Result<HashMap<u32, u64>> {
        self.db
            .prepare_cached(
                "SELECT segment, sum(iif(file, 0, bytes)) FROM content INDEXED BY content_segment
                 WHERE segment >= 0 GROUP BY segment",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Messages of all mailboxes, as of the last publish.
    pub fn messages(&self) -> Result<u64> {
        self.db
            .prepare_cached("SELECT coalesce(sum(messages), 0) FROM mailbox")?
            .query_row([], |row| row.get(0))
    }

    /// Contents of a segment, at most `rows_max`.
    pub fn contents_of(&self, segment: u32, rows_max: usize) -> Result<Vec<Live>> {
        self.db
            .prepare_cached(
                "SELECT id, email, segment, generation, at, iif(file, 0, bytes) FROM content
                 INDEXED BY content_segment WHERE segment = ?1 AND segment >= 0 LIMIT ?2",
            )?
            .query_map(params![segment, rows_max], |row| {
                Ok(Live {
                    content: row.get(0)?,
                    email: EmailId(row.get(1)?),
                    at: Location {
                        segment: row.get(2)?,
                        generation: row.get(3)?,
                        offset: row.get(4)?,
                    },
                    log_bytes: row.get(5)?,
                })
            })?
            .collect()
    }

    /// The queue entry that needs a content.
    pub fn queue_of(&self, content: i64) -> Result<Option<QueueId>> {
        use rusqlite::OptionalExtension;
        self.db
            .prepare_cached("SELECT id FROM queue WHERE content = ?1 LIMIT 1")?
            .query_row([content], |row| Ok(QueueId(row.get(0)?)))
            .optional()
    }

    /// Segments, with their generations, that contents lie in.
    pub fn segments_named(&self) -> Result<Vec<(u32, u32)>> {
        use rusqlite::OptionalExtension;
        let mut named = Vec::new();
        let mut last = (-1, -1);
        // From one to the next by the index: a look at every content would make opening slow.
        while let Some(next) = self
            .db
            .prepare_cached(
                "SELECT segment, generation FROM content INDEXED BY content_segment
                 WHERE segment >= 0 AND (segment, generation) > (?1, ?2) ORDER BY segment, generation LIMIT 1",
            )?
            .query_row([last.0, last.1], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()?
        {
            last = next;
            named.push((next.0 as u32, next.1 as u32));
        }
        Ok(named)
    }

    /// An index older than the last round of reclaiming may still keep expunged messages whose room was given away:
    /// they cannot come back.
    pub fn forget_expunged_in(&mut self, segment: u32, generation: u32) -> Result<()> {
        let contents: Vec<i64> = self
            .db
            .prepare("SELECT id FROM content INDEXED BY content_segment WHERE segment >= 0 AND segment = ?1 AND generation = ?2")?
            .query_map([segment, generation], |row| row.get(0))?
            .collect::<Result<_>>()?;
        contents
            .into_iter()
            .try_for_each(|content| self.forget_expunged(content))
    }

    /// No expunged message that has this content can come back.
    pub fn forget_expunged(&mut self, content: i64) -> Result<()> {
        for place in self.places(content)? {
            let kept = self
                .db
                .prepare_cached(
                    "UPDATE expunged SET kept = 0 WHERE mailbox = ?1 AND uid = ?2 AND content = ?3",
                )?
                .execute(params![place.mailbox.0, place.uid, content])?;
            if kept > 0 {
                self.unrefer(content, place)?;
            }
        }
        Ok(())
    }

    /// Whether the retention of anything is over.
    pub fn has_expired(&self, before_uptime_secs: u64) -> Result<bool> {
        self.db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM expunged WHERE at_uptime < ?1)")?
            .query_row([before_uptime_secs], |row| row.get(0))
    }

    /// Ends the retention of the oldest expunged messages whose time is over, at most `rows_max`. Their mailboxes'
    /// history of expunges begins behind them. Returns how many.
    pub fn expire(&mut self, before_uptime_secs: u64, rows_max: usize) -> Result<usize> {
        let rows: Vec<(u64, u32, ModSeq, i64, bool)> = self
            .db
            .prepare_cached(
                "SELECT mailbox, uid, modseq, content, kept FROM expunged INDEXED BY expunged_age
                 WHERE at_uptime < ?1 ORDER BY at_uptime LIMIT ?2",
            )?
            .query_map(params![before_uptime_secs, rows_max], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            })?
            .collect::<Result<_>>()?;
        for &(mailbox, uid, modseq, content, kept) in &rows {
            let place = Place {
                mailbox: MailboxId(mailbox),
                uid,
            };
            self.db
                .prepare_cached("DELETE FROM expunged WHERE mailbox = ?1 AND uid = ?2")?
                .execute(params![mailbox, uid])?;
            if kept {
                self.unrefer(content, place)?;
            }
            self.raise_floor(place.mailbox, modseq)?;
        }
        Ok(rows.len())
    }

    fn raise_floor(&mut self, mailbox: MailboxId, modseq: ModSeq) -> Result<()> {
        let batch = self.mailboxes_batch();
        let Some(hot) = self.mailboxes.change(&self.db, mailbox, batch)? else {
            return Ok(());
        };
        hot.floor_modseq = hot.floor_modseq.max(modseq);
        if !hot.gone {
            return Ok(());
        }
        let left: bool = self
            .db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM expunged WHERE mailbox = ?1)")?
            .query_row([mailbox.0], |row| row.get(0))?;
        if !left {
            self.mailboxes.remove(&self.db, mailbox)?;
        }
        Ok(())
    }
}
