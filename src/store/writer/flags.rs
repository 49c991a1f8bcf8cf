//! Planning of what changes or removes messages: STORE, EXPUNGE, \Recent, queue drops.

use super::super::change::*;
use super::super::ids::*;
use super::super::record::*;
use super::plan::{Planner, Stop};
use crate::limits::FLAGS_AFTER_MAX;
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::imap::uid_set::UidSet;
use rusqlite::params;

impl Planner<'_> {
    /// STORE: only messages whose flags really change are in the record.
    pub fn flags(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        how: FlagsHow,
        names: &FlagNames,
    ) -> Result<Done, Stop> {
        let account = self.selectable(mailbox)?.row.account;
        let bits = match how {
            FlagsHow::Remove => self.known_flag_bits(account, names)?,
            FlagsHow::Replace | FlagsHow::Add => self.flag_bits(account, names)?,
        };
        let edit = match how {
            FlagsHow::Replace => FlagEdit {
                clear: Flags(u64::MAX),
                set: bits,
            },
            FlagsHow::Add => FlagEdit {
                clear: Flags(0),
                set: bits,
            },
            FlagsHow::Remove => FlagEdit {
                clear: bits,
                set: Flags(0),
            },
        };
        let (changed, after) = self.flags_after(mailbox, uids, edit)?;
        let modseq = self.selectable(mailbox)?.row.highest_modseq;
        if changed.is_empty() {
            return Ok(self.nothing(Outcome::Flagged {
                modseq,
                changed,
                after,
            }));
        }
        let modseq = modseq + 1;
        let edits = vec![(changed.clone(), edit)];
        let lsn = self.push_plain(Record::Flags(FlagsRecord {
            mailbox,
            modseq,
            edits,
        }))?;
        let outcome = Outcome::Flagged {
            modseq,
            changed,
            after,
        };
        Ok(Done {
            lsn,
            touched: vec![mailbox],
            outcome,
        })
    }

    /// Which messages of a set an edit really changes, and what all of them are behind it.
    fn flags_after(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        edit: FlagEdit,
    ) -> Result<(UidSet, Option<Vec<FlagsAfter>>), Stop> {
        let mut statement = self.index.db.prepare_cached(
            "SELECT uid, flags, modseq FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
        )?;
        let (mut changed, mut after) = (UidSet::new(), Some(Vec::new()));
        for &(first, last) in uids.ranges() {
            let mut rows = statement.query(params![mailbox.0, first, last])?;
            while let Some(row) = rows.next()? {
                let (uid, before) = (row.get(0)?, Flags(row.get::<_, i64>(1)?.cast_unsigned()));
                let flags = Flags((before.0 & !edit.clear.0) | edit.set.0);
                if flags != before {
                    changed.insert(uid);
                }
                let modseq_before = row.get(2)?;
                match &mut after {
                    Some(list) if list.len() < FLAGS_AFTER_MAX => list.push(FlagsAfter {
                        uid,
                        flags,
                        modseq_before,
                    }),
                    _ => after = None,
                }
            }
        }
        Ok((changed, after))
    }

    /// EXPUNGE and UID EXPUNGE.
    pub fn expunge(&mut self, mailbox: MailboxId, uids: Option<&UidSet>) -> Result<Done, Stop> {
        let modseq = self.selectable(mailbox)?.row.highest_modseq + 1;
        let all = UidSet::from_iter([1]);
        let mut everything = all;
        everything.insert_range(1, u32::MAX);
        let uids = self.select(
            mailbox,
            uids.unwrap_or(&everything),
            "SELECT uid FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND flags & ?4 <> 0 AND ?5 = 0
             ORDER BY uid",
            &[Flags::DELETED.0.cast_signed(), 0],
        )?;
        if uids.is_empty() {
            return Ok(self.nothing(Outcome::Expunged { uids, modseq }));
        }
        let record = ExpungeRecord {
            mailbox,
            modseq,
            uids: uids.clone(),
            at_secs: self.now_secs(),
        };
        let lsn = self.push_plain(Record::Expunge(record))?;
        Ok(Done {
            lsn,
            touched: vec![mailbox],
            outcome: Outcome::Expunged { uids, modseq },
        })
    }

    /// The UIDs of a set that a question with two numbers picks.
    fn select(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        sql: &str,
        with: &[i64; 2],
    ) -> Result<UidSet, Stop> {
        let mut statement = self.index.db.prepare_cached(sql)?;
        let mut picked = UidSet::new();
        for &(first, last) in uids.ranges() {
            let mut rows = statement.query(params![mailbox.0, first, last, with[0], with[1]])?;
            while let Some(row) = rows.next()? {
                picked.insert(row.get(0)?);
            }
        }
        Ok(picked)
    }

    /// A session takes what is recent; no record, since \Recent may be shown again after a crash, but not lost.
    pub fn claim_recent(&mut self, mailbox: MailboxId) -> Result<Done, Stop> {
        let row = &self.selectable(mailbox)?.row;
        let (from, next) = (row.recent_from_uid, row.uid_next);
        if from >= next {
            return Ok(self.nothing(Outcome::Recent { from_uid: 0 }));
        }
        let batch = self.index.mailboxes_batch();
        if let Some(hot) = self
            .index
            .mailboxes
            .change(&self.index.db, mailbox, batch)?
        {
            hot.row.recent_from_uid = next;
        }
        Ok(self.nothing(Outcome::Recent { from_uid: from }))
    }

    /// `queue drop`.
    pub fn queue_drop(&mut self, queue: QueueId) -> Result<Done, Stop> {
        let recipients: u64 = self
            .index
            .db
            .prepare_cached("SELECT count(*) FROM queue_recipient WHERE queue = ?1")?
            .query_row([queue.0], |row| row.get(0))?;
        if recipients == 0 {
            return Ok(self.nothing(Outcome::Counted(0)));
        }
        let lsn = self.push_plain(Record::QueueDrop(queue))?;
        Ok(Done {
            lsn,
            touched: Vec::new(),
            outcome: Outcome::Counted(recipients),
        })
    }
}
