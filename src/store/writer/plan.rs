//! From a change to its records: everything is checked first, then ids, UIDs, modseqs and times are chosen, and each
//! record is applied to the index at once, so that the next change of the batch builds on it.

use super::super::change::SmallBody;
use super::super::change::{Done, Outcome, Refused};
use super::super::ids::*;
use super::super::index::apply::Applied;
use super::super::index::{Index, mailbox::Mailbox};
use super::super::record::*;
use crate::limits::{KEYWORD_BYTES_MAX, KEYWORDS_MAX, MAILBOX_MESSAGES_MAX};
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::mime::Summary;
use rusqlite::OptionalExtension;

/// Why planning stopped.
pub enum Stop {
    /// This change is refused; the others of the batch go on. Nothing of it was applied.
    Refused(Refused),
    /// The index failed: the whole batch is undone.
    Index(rusqlite::Error),
}
impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Index(error)
    }
}
impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(refused)
    }
}

/// The octets behind a record.
pub enum Body {
    /// None.
    None,
    /// In a buffer of somebody's pool until the batch is written.
    Small(Box<dyn SmallBody>),
    /// In a message file: its chunks' checksums.
    File(EmailId, Vec<u32>),
}

/// A record that waits for the batch to be written.
pub struct Item {
    /// The change.
    pub record: Record,
    /// Its content.
    pub body: Body,
}

/// Plans the changes of one batch.
pub struct Planner<'a> {
    /// The tables.
    pub index: &'a mut Index,
    /// Records so far.
    pub items: &'a mut Vec<Item>,
    /// LSN of the first of them.
    pub first_lsn: Lsn,
    /// Wall clock.
    pub now_millis: i64,
    /// Source of email ids.
    pub random: fn(&mut [u8]),
}

impl Planner<'_> {
    /// The LSN of the next record.
    pub fn lsn(&self) -> Lsn {
        self.first_lsn + self.items.len() as u64
    }

    /// Wall clock in seconds.
    pub fn now_secs(&self) -> i64 {
        self.now_millis.div_euclid(1000)
    }

    /// Takes a record into the batch and applies it.
    pub fn push(
        &mut self,
        record: Record,
        body: Body,
        summary: Option<&Summary>,
    ) -> Result<Lsn, Stop> {
        let lsn = self.lsn();
        // Into the batch first: when the index fails, undoing the batch takes its message file away.
        self.items.push(Item { record, body });
        if let Some(item) = self.items.last() {
            self.index.apply(Applied {
                lsn,
                record: &item.record,
                summary,
                at: None,
            })?;
        }
        Ok(lsn)
    }

    /// [`Planner::push`] of a record without content.
    pub fn push_plain(&mut self, record: Record) -> Result<Lsn, Stop> {
        self.push(record, Body::None, None)
    }

    /// A change that needed no record.
    pub fn nothing(&self, outcome: Outcome) -> Done {
        Done {
            lsn: self.index.meta.lsn,
            touched: Vec::new(),
            outcome,
        }
    }

    /// A mailbox that is there.
    pub fn mailbox(&mut self, id: MailboxId) -> Result<&Mailbox, Stop> {
        match self.index.mailboxes.look(&self.index.db, id)? {
            Some(mailbox) if !mailbox.gone => Ok(mailbox),
            _ => Err(Refused::NoSuchMailbox.into()),
        }
    }

    /// A mailbox that holds messages.
    pub fn selectable(&mut self, id: MailboxId) -> Result<&Mailbox, Stop> {
        let mailbox = self.mailbox(id)?;
        if mailbox.row.no_select {
            return Err(Refused::NoSuchMailbox.into());
        }
        Ok(mailbox)
    }

    /// Refuses when `more` messages do not fit the mailbox or its UIDs.
    pub fn has_room(&mut self, id: MailboxId, more: u32) -> Result<(), Stop> {
        let row = &self.selectable(id)?.row;
        let messages = row.messages.checked_add(more);
        if messages.is_none_or(|messages| messages > MAILBOX_MESSAGES_MAX) {
            return Err(Refused::Limit("messages in a mailbox").into());
        }
        if row
            .uid_next
            .checked_add(more)
            .is_none_or(|next| next == u32::MAX)
        {
            return Err(Refused::Limit("UIDs of a mailbox; copy its messages to a new one").into());
        }
        Ok(())
    }

    /// Whether an account was removed.
    pub fn is_removed(&mut self, account: AccountId) -> Result<bool, Stop> {
        let removed = self
            .index
            .db
            .prepare_cached("SELECT 1 FROM removed_account WHERE account = ?1")?
            .query_row([account.0], |_| Ok(()))
            .optional()?;
        Ok(removed.is_some())
    }

    /// The UIDVALIDITY of a new mailbox: never one that was given before, and grows even if the index is lost.
    /// `ahead` counts mailboxes of the same record.
    pub fn uid_validity(&self, ahead: u32) -> u32 {
        self.index
            .meta
            .new_uid_validity(self.now_secs())
            .saturating_add(ahead)
    }

    /// Turns names into bits; new keywords get theirs by records of this batch. Call it when nothing else can refuse.
    pub fn flag_bits(&mut self, account: AccountId, names: &FlagNames) -> Result<Flags, Stop> {
        let mut bits = names.system;
        if names.keywords.is_empty() {
            return Ok(bits);
        }
        let mut known = super::super::index::query::keywords(&self.index.db, account)?.0;
        let mut new = Vec::new();
        for name in &names.keywords {
            let index = match known.iter().position(|k| k.eq_ignore_ascii_case(name)) {
                Some(index) => index,
                None => {
                    if known.len() >= KEYWORDS_MAX {
                        return Err(Refused::Limit("keywords of an account").into());
                    }
                    if name.is_empty() || name.len() > KEYWORD_BYTES_MAX {
                        return Err(Refused::Limit("octets of a keyword").into());
                    }
                    new.push(known.len());
                    known.push(name.clone());
                    known.len() - 1
                }
            };
            let index =
                u8::try_from(index).map_err(|_| Refused::Limit("keywords of an account"))?;
            bits = bits.union(Flags::keyword(index));
        }
        for index in new {
            self.push_plain(Record::Keyword(KeywordRecord {
                account,
                index: index as u8,
                name: known[index].clone(),
            }))?;
        }
        Ok(bits)
    }

    /// Bits of the keywords that exist: for taking flags away no new ones are made.
    pub fn known_flag_bits(
        &mut self,
        account: AccountId,
        names: &FlagNames,
    ) -> Result<Flags, Stop> {
        let mut bits = names.system;
        if names.keywords.is_empty() {
            return Ok(bits);
        }
        let known = super::super::index::query::keywords(&self.index.db, account)?.0;
        for name in &names.keywords {
            if let Some(index) = known.iter().position(|k| k.eq_ignore_ascii_case(name)) {
                bits = bits.union(Flags::keyword(u8::try_from(index).unwrap_or(0)));
            }
        }
        Ok(bits)
    }
}
