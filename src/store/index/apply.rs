//! The one function that turns a record into rows. The writer uses it before the flush, replay and rebuild after a
//! crash; so all of them agree. It decides nothing: ids, UIDs, modseqs and times stand in the record.

mod mail;
mod mailboxes;
mod queue;

use super::refer::Place;
use super::{Index, content_id, served_bytes};
use crate::store::ids::*;
use crate::store::log::Location;
use crate::store::record::*;
use crate::wire::imap::flag::Flags;
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
