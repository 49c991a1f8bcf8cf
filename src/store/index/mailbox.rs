//! The rows of mailboxes that the writer works on, in memory until the transaction is published: a delivery changes
//! its mailbox's counters, and fifty deliveries into one INBOX write its row once.

use crate::limits::HOT_MAILBOXES_MAX;
use crate::store::ids::{AccountId, MailboxId, ModSeq};
use crate::store::row::{MailboxRow, SpecialUse};
use crate::wire::imap::flag::Flags;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use std::collections::HashMap;

/// A mailbox as the writer holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    /// The row; `subscribed` is not kept here.
    pub row: MailboxRow,
    /// Deleted; its messages may still be undeleted.
    pub gone: bool,
    /// Expunges up to this modseq may be missing from the history.
    pub floor_modseq: ModSeq,
}

impl Mailbox {
    /// Counts a message in.
    pub fn arrived(&mut self, uid: u32, flags: Flags, modseq: ModSeq, served_bytes: u64) {
        self.row.messages += 1;
        self.row.unseen += u32::from(!flags.contains(Flags::SEEN));
        self.row.bytes += served_bytes;
        self.row.uid_next = self.row.uid_next.max(uid.saturating_add(1));
        self.row.highest_modseq = self.row.highest_modseq.max(modseq);
    }
    /// Counts a message out.
    pub fn left(&mut self, flags: Flags, modseq: ModSeq, served_bytes: u64) {
        self.row.messages = self.row.messages.saturating_sub(1);
        let unseen = u32::from(!flags.contains(Flags::SEEN));
        self.row.unseen = self.row.unseen.saturating_sub(unseen);
        self.row.bytes = self.row.bytes.saturating_sub(served_bytes);
        self.row.highest_modseq = self.row.highest_modseq.max(modseq);
    }
    /// Counts a change of flags.
    pub fn reflagged(&mut self, old: Flags, new: Flags, modseq: ModSeq) {
        match (old.contains(Flags::SEEN), new.contains(Flags::SEEN)) {
            (true, false) => self.row.unseen += 1,
            (false, true) => self.row.unseen = self.row.unseen.saturating_sub(1),
            _ => {}
        }
        self.row.highest_modseq = self.row.highest_modseq.max(modseq);
    }
}

/// The rows in memory. Within a batch the old values are kept, so that a batch whose flush fails leaves no trace.
#[derive(Default)]
pub struct Mailboxes {
    hot: HashMap<MailboxId, Hot>,
    /// Values before the batch; None: was not in memory.
    undo: Vec<(MailboxId, Option<Hot>)>,
}

#[derive(Clone)]
struct Hot {
    mailbox: Mailbox,
    dirty: bool,
    /// Number of the batch that saved an undo value last.
    batch: u64,
}

/// Columns of a mailbox in the order that [`read_row`] wants.
pub const COLUMNS: &str = "id, account, name, uid_validity, uid_next, modseq, messages, unseen, bytes, recent_from, \
                           special_use, no_select";

/// Reads [`COLUMNS`]; `subscribed` is said by the caller.
pub fn read_row(row: &Row<'_>, subscribed: bool) -> Result<MailboxRow> {
    Ok(MailboxRow {
        id: MailboxId(row.get(0)?),
        account: AccountId(row.get(1)?),
        name: row.get::<_, Box<str>>(2)?,
        uid_validity: row.get(3)?,
        uid_next: row.get(4)?,
        highest_modseq: row.get(5)?,
        messages: row.get(6)?,
        unseen: row.get(7)?,
        bytes: row.get(8)?,
        recent_from_uid: row.get(9)?,
        special_use: special_use_of(row.get(10)?),
        subscribed,
        no_select: row.get(11)?,
    })
}

/// The number of a special use in the index.
pub fn special_use_number(use_: Option<SpecialUse>) -> u8 {
    match use_ {
        None => 0,
        Some(SpecialUse::Drafts) => 1,
        Some(SpecialUse::Sent) => 2,
        Some(SpecialUse::Junk) => 3,
        Some(SpecialUse::Trash) => 4,
        Some(SpecialUse::Archive) => 5,
    }
}

fn special_use_of(number: u8) -> Option<SpecialUse> {
    match number {
        1 => Some(SpecialUse::Drafts),
        2 => Some(SpecialUse::Sent),
        3 => Some(SpecialUse::Junk),
        4 => Some(SpecialUse::Trash),
        5 => Some(SpecialUse::Archive),
        _ => None,
    }
}

impl Mailboxes {
    /// The mailbox, gone or not; None when there is no row at all.
    pub fn look(&mut self, db: &Connection, id: MailboxId) -> Result<Option<&Mailbox>> {
        Ok(self.hot(db, id)?.map(|hot| &hot.mailbox))
    }

    /// The mailbox to be changed in batch number `batch`.
    pub fn change(
        &mut self,
        db: &Connection,
        id: MailboxId,
        batch: u64,
    ) -> Result<Option<&mut Mailbox>> {
        if self.hot(db, id)?.is_none() {
            return Ok(None);
        }
        let Some(hot) = self.hot.get_mut(&id) else {
            return Ok(None);
        };
        if hot.batch != batch {
            self.undo.push((id, Some(hot.clone())));
            hot.batch = batch;
        }
        hot.dirty = true;
        Ok(Some(&mut hot.mailbox))
    }

    /// Puts a new row into the database and into memory.
    pub fn create(&mut self, db: &Connection, mailbox: Mailbox, batch: u64) -> Result<()> {
        write_row(db, &mailbox)?;
        let id = mailbox.row.id;
        self.undo.push((id, self.hot.get(&id).cloned()));
        let dirty = false;
        self.hot.insert(
            id,
            Hot {
                mailbox,
                dirty,
                batch,
            },
        );
        Ok(())
    }

    /// Writes one row now: names are looked up by SQL. Call it when the name or `gone` changes.
    pub fn write_now(&mut self, db: &Connection, id: MailboxId) -> Result<()> {
        match self.hot.get(&id) {
            Some(hot) => write_row(db, &hot.mailbox),
            None => Ok(()),
        }
    }

    /// Takes a row out of database and memory.
    pub fn remove(&mut self, db: &Connection, id: MailboxId) -> Result<()> {
        db.prepare_cached("DELETE FROM mailbox WHERE id = ?1")?
            .execute([id.0])?;
        if let Some(hot) = self.hot.remove(&id) {
            self.undo.push((id, Some(hot)));
        }
        Ok(())
    }

    /// The batch is flushed: its values stay. Keeps memory bounded.
    pub fn keep(&mut self, db: &Connection) -> Result<()> {
        self.undo.clear();
        if self.hot.len() > HOT_MAILBOXES_MAX {
            self.write_dirty(db)?;
            self.hot.clear();
        }
        Ok(())
    }

    /// The batch failed: the values before it come back (its SQL was rolled back by the caller).
    pub fn undo(&mut self) {
        for (id, old) in self.undo.drain(..).rev() {
            match old {
                Some(hot) => self.hot.insert(id, hot),
                None => self.hot.remove(&id),
            };
        }
    }

    /// Writes what only memory knows; before a COMMIT and before SQL looks at counters.
    pub fn write_dirty(&mut self, db: &Connection) -> Result<()> {
        for hot in self.hot.values_mut().filter(|hot| hot.dirty) {
            write_counters(db, &hot.mailbox)?;
            hot.dirty = false;
        }
        Ok(())
    }

    /// Forgets everything: the transaction was rolled back.
    pub fn forget(&mut self) {
        self.hot.clear();
        self.undo.clear();
    }

    fn hot(&mut self, db: &Connection, id: MailboxId) -> Result<Option<&mut Hot>> {
        use std::collections::hash_map::Entry;
        match self.hot.entry(id) {
            Entry::Occupied(hot) => Ok(Some(hot.into_mut())),
            Entry::Vacant(place) => Ok(load(db, id)?.map(|mailbox| {
                place.insert(Hot {
                    mailbox,
                    dirty: false,
                    batch: 0,
                })
            })),
        }
    }
}

fn load(db: &Connection, id: MailboxId) -> Result<Option<Mailbox>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS}, gone, floor_modseq FROM mailbox WHERE id = ?1"
    ))?
    .query_row([id.0], |row| {
        Ok(Mailbox {
            row: read_row(row, false)?,
            gone: row.get(12)?,
            floor_modseq: row.get(13)?,
        })
    })
    .optional()
}

/// All that can change without [`Mailboxes::write_now`]: not what the index of names is made of, which would be
/// written anew each time that a counter changes.
fn write_counters(db: &Connection, mailbox: &Mailbox) -> Result<()> {
    let row = &mailbox.row;
    db.prepare_cached(
        "UPDATE mailbox SET uid_validity = ?2, uid_next = ?3, modseq = ?4, messages = ?5, unseen = ?6, bytes = ?7,
         recent_from = ?8, special_use = ?9, no_select = ?10, floor_modseq = ?11 WHERE id = ?1",
    )?
    .execute(params![
        row.id.0,
        row.uid_validity,
        row.uid_next,
        row.highest_modseq,
        row.messages,
        row.unseen,
        row.bytes,
        row.recent_from_uid,
        special_use_number(row.special_use),
        row.no_select,
        mailbox.floor_modseq
    ])?;
    Ok(())
}

fn write_row(db: &Connection, mailbox: &Mailbox) -> Result<()> {
    let row = &mailbox.row;
    db.prepare_cached(
        "INSERT OR REPLACE INTO mailbox(id, account, name, uid_validity, uid_next, modseq, messages, unseen, bytes,
         recent_from, special_use, no_select, gone, floor_modseq) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    )?
    .execute(params![
        row.id.0,
        row.account.0,
        row.name,
        row.uid_validity,
        row.uid_next,
        row.highest_modseq,
        row.messages,
        row.unseen,
        row.bytes,
        row.recent_from_uid,
        special_use_number(row.special_use),
        row.no_select,
        mailbox.gone,
        mailbox.floor_modseq
    ])?;
    Ok(())
}
