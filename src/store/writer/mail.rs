//! Planning of what brings messages: delivery, APPEND, COPY and MOVE, undelete.

use super::super::change::*;
use super::super::ids::*;
use super::super::index::email_id;
use super::super::record::*;
use super::super::row::SpecialUse;
use super::plan::{Body, Planner, Stop};
use crate::limits::COPY_MESSAGES_MAX;
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::imap::uid_set::UidSet;
use rusqlite::{OptionalExtension, params};

/// APPEND's facts.
pub struct Append {
    /// Target.
    pub mailbox: MailboxId,
    /// The content.
    pub message: Message,
    /// Flags from the start.
    pub flags: FlagNames,
    /// INTERNALDATE.
    pub internal_secs: i64,
}

/// COPY's and MOVE's facts.
pub struct Copy {
    /// From where.
    pub from: MailboxId,
    /// Which.
    pub uids: UidSet,
    /// Where to.
    pub to: MailboxId,
    /// MOVE.
    pub and_remove: bool,
}

impl Planner<'_> {
    /// Mail arrives: one record for all recipients.
    pub fn deliver(&mut self, delivery: Delivery) -> Result<Done, Stop> {
        let mut targets = Vec::with_capacity(delivery.locals.len());
        for local in &delivery.locals {
            if self.is_removed(local.account)? {
                return Err(Refused::NoSuchMailbox.into());
            }
        }
        for local in &delivery.locals {
            let target = self.target(local.account, &local.into)?;
            self.has_room(target, delivery.locals.len() as u32)?;
            targets.push(target);
        }
        let mut prefixes = Prefixes::default();
        let mut locals: Vec<LocalCopy> = Vec::with_capacity(targets.len());
        for (local, &mailbox) in delivery.locals.into_iter().zip(&targets) {
            let before = locals
                .iter()
                .filter(|other| other.mailbox == mailbox)
                .count() as u32;
            let now = self.now_secs();
            let row = &self.selectable(mailbox)?.row;
            locals.push(LocalCopy {
                account: local.account,
                mailbox,
                uid: row.uid_next + before,
                modseq: row.highest_modseq + 1,
                internal_secs: now,
                save_secs: now,
                flags: local.flags,
                prefix: prefixes.number(local.prefix),
            });
        }
        let queue = QueueId(self.index.meta.next_queue);
        let remote = delivery.remote.map(|remote| RemoteEntry {
            queue,
            sender: remote.sender,
            account: remote.account,
            prefix: prefixes.number(remote.prefix),
            recipients: remote.recipients,
            envid: remote.envid,
            return_full: remote.return_full,
            eight_bit: remote.eight_bit,
            smtputf8: remote.smtputf8,
        });
        let placed = locals
            .iter()
            .map(|local| (local.mailbox, local.uid))
            .collect();
        let queue = remote.as_ref().map(|remote| remote.queue);
        let (lsn, email) = self.push_message(delivery.message, prefixes.0, locals, remote)?;
        let outcome = Outcome::Delivered {
            placed,
            queue,
            email,
        };
        Ok(Done {
            lsn,
            touched: targets,
            outcome,
        })
    }

    /// Where a delivery goes: the mailbox that it names, else INBOX (which is made if even that is missing).
    fn target(&mut self, account: AccountId, into: &Into) -> Result<MailboxId, Stop> {
        let found = match into {
            Into::Inbox => None,
            Into::Special(use_) => self.special(account, *use_)?,
            Into::Named(name) => {
                let name = super::super::index::query::canonical(name);
                self.index.mailbox_named(account, &name)?
            }
        };
        if let Some(id) = found
            && !self.mailbox(id)?.row.no_select
        {
            return Ok(id);
        }
        match self.index.mailbox_named(account, "INBOX")? {
            Some(id) => Ok(id),
            None => self.create_inbox(account),
        }
    }

    fn special(&mut self, account: AccountId, use_: SpecialUse) -> Result<Option<MailboxId>, Stop> {
        let number = super::super::index::mailbox::special_use_number(Some(use_));
        let id = self
            .index
            .db
            .prepare_cached(
                "SELECT id FROM mailbox WHERE account = ?1 AND special_use = ?2 AND gone = 0",
            )?
            .query_row(params![account.0, number], |row| Ok(MailboxId(row.get(0)?)))
            .optional()?;
        Ok(id)
    }

    /// Makes the record of a message; a large one gets its final name first.
    fn push_message(
        &mut self,
        message: Message,
        prefixes: Vec<Vec<u8>>,
        locals: Vec<LocalCopy>,
        remote: Option<RemoteEntry>,
    ) -> Result<(Lsn, EmailId), Stop> {
        let mut random = [0; 8];
        (self.random)(&mut random);
        let email = email_id(self.lsn(), random);
        let (bytes, place, body) = match message.content {
            Content::Small(small) => (
                small.bytes().len() as u64,
                ContentPlace::Inline,
                Body::Small(small),
            ),
            Content::Large(spilled) => {
                let bytes = spilled.bytes();
                let crcs = spilled.keep(email).map_err(|e| Refused::Disk(e.0))?;
                (bytes, ContentPlace::File, Body::File(email, crcs))
            }
        };
        let content = ContentMeta {
            email,
            thread: ThreadId(self.index.meta.next_thread),
            received_millis: message.received_millis,
            bytes,
            header_bytes: message.summary.header_bytes,
            cuts: message.cuts,
            prefixes,
            place,
        };
        let record = Record::Message(Box::new(MessageRecord {
            content,
            locals,
            remote,
        }));
        let lsn = self.push(record, body, Some(&message.summary))?;
        Ok((lsn, email))
    }

    /// APPEND.
    pub fn append(&mut self, append: Append) -> Result<Done, Stop> {
        let mailbox = append.mailbox;
        self.has_room(mailbox, 1)?;
        let account = self.selectable(mailbox)?.row.account;
        let flags = self.flag_bits(account, &append.flags)?;
        let save_secs = self.now_secs();
        let row = &self.selectable(mailbox)?.row;
        let (uid, uid_validity) = (row.uid_next, row.uid_validity);
        let local = LocalCopy {
            account,
            mailbox,
            uid,
            modseq: row.highest_modseq + 1,
            internal_secs: append.internal_secs,
            save_secs,
            flags,
            prefix: 0,
        };
        let (lsn, _) = self.push_message(append.message, Vec::new(), vec![local], None)?;
        let outcome = Outcome::Appended { uid_validity, uid };
        Ok(Done {
            lsn,
            touched: vec![mailbox],
            outcome,
        })
    }

    /// COPY and MOVE.
    pub fn copy(&mut self, copy: Copy) -> Result<Done, Stop> {
        let account = self.selectable(copy.from)?.row.account;
        let target = &self.selectable(copy.to)?.row;
        let uid_validity = target.uid_validity;
        if target.account != account {
            return Err(Refused::Cannot("copying between accounts is not possible").into());
        }
        let Some(record) = self.copy_record(&copy)? else {
            let (from, to) = (UidSet::new(), UidSet::new());
            return Ok(self.nothing(Outcome::Copied {
                uid_validity,
                from,
                to,
                removed: None,
            }));
        };
        let removed = record.removed;
        let from = record.rows.iter().map(|(uid, _)| *uid).collect();
        let to = record.rows.iter().map(|(_, row)| row.uid).collect();
        let lsn = self.push_plain(Record::Copy(record))?;
        let touched = if copy.and_remove {
            vec![copy.from, copy.to]
        } else {
            vec![copy.to]
        };
        Ok(Done {
            lsn,
            touched,
            outcome: Outcome::Copied {
                uid_validity,
                from,
                to,
                removed,
            },
        })
    }

    /// The record of a COPY or MOVE; None when none of the UIDs is there.
    pub fn copy_record(&mut self, copy: &Copy) -> Result<Option<CopyRecord>, Stop> {
        let row = &self.mailbox(copy.to)?.row;
        let (uid_next, modseq) = (row.uid_next, row.highest_modseq + 1);
        let rows = self.copied_rows(copy, uid_next, modseq)?;
        if rows.is_empty() {
            return Ok(None);
        }
        self.has_room(copy.to, rows.len() as u32)?;
        let source_modseq = self.mailbox(copy.from)?.row.highest_modseq + 1;
        // Within one mailbox the new row and the expunge are two steps of its modseq.
        let removed = if copy.from == copy.to {
            modseq + 1
        } else {
            source_modseq
        };
        Ok(Some(CopyRecord {
            from: copy.from,
            to: copy.to,
            rows,
            removed: copy.and_remove.then_some(removed),
            at_secs: self.now_secs(),
        }))
    }

    /// As [`Planner::copy_record`], into a mailbox that the same record makes: its first UID is 1, its creation was
    /// modseq 1.
    pub fn copy_record_into_new(&mut self, copy: &Copy) -> Result<Option<CopyRecord>, Stop> {
        let rows = self.copied_rows(copy, 1, 2)?;
        let removed = self.mailbox(copy.from)?.row.highest_modseq + 1;
        let at_secs = self.now_secs();
        let (from, to) = (copy.from, copy.to);
        Ok((!rows.is_empty()).then_some(CopyRecord {
            from,
            to,
            rows,
            removed: Some(removed),
            at_secs,
        }))
    }

    /// Rows of the source as they will stand in a mailbox whose next UID is `uid_next`.
    fn copied_rows(
        &mut self,
        copy: &Copy,
        mut uid_next: u32,
        modseq: ModSeq,
    ) -> Result<Vec<(u32, PlacedRow)>, Stop> {
        let save_secs = self.now_secs();
        let mut rows = Vec::new();
        let mut statement = self.index.db.prepare_cached(
            "SELECT uid, flags, internal_secs, prefix, email FROM message CROSS JOIN content c ON c.id = message.content
             WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
        )?;
        for &(first, last) in copy.uids.ranges() {
            let mut found = statement.query(params![copy.from.0, first, last])?;
            while let Some(row) = found.next()? {
                if rows.len() >= COPY_MESSAGES_MAX {
                    return Err(Refused::Limit("messages of one COPY or MOVE").into());
                }
                let placed = PlacedRow {
                    uid: uid_next,
                    modseq,
                    email: EmailId(row.get(4)?),
                    prefix: row.get(3)?,
                    flags: Flags(row.get::<_, i64>(1)?.cast_unsigned()),
                    internal_secs: row.get(2)?,
                    save_secs,
                };
                uid_next = uid_next
                    .checked_add(1)
                    .ok_or(Refused::Limit("UIDs of a mailbox"))?;
                rows.push((row.get(0)?, placed));
            }
        }
        Ok(rows)
    }

    /// `mail undelete`: kept messages come back into their mailbox, or INBOX where that is gone.
    pub fn undelete(&mut self, account: AccountId, emails: &[EmailId]) -> Result<Done, Stop> {
        if self.is_removed(account)? {
            return Err(Refused::NoSuchMailbox.into());
        }
        let kept = self.kept_rows(account, emails)?;
        if kept.is_empty() {
            return Ok(self.nothing(Outcome::Counted(0)));
        }
        let inbox = self.target(account, &Into::Inbox)?;
        let save_secs = self.now_secs();
        let mut next: Vec<(MailboxId, u32, ModSeq)> = Vec::new();
        let mut rows = Vec::with_capacity(kept.len());
        for (was_in, mut row) in kept {
            let target = match self.selectable(was_in) {
                Ok(_) => was_in,
                Err(Stop::Refused(_)) => inbox,
                Err(stop) => return Err(stop),
            };
            let at = match next.iter().position(|entry| entry.0 == target) {
                Some(at) => at,
                None => {
                    let row = &self.selectable(target)?.row;
                    next.push((target, row.uid_next, row.highest_modseq + 1));
                    next.len() - 1
                }
            };
            row.uid = next[at].1;
            row.modseq = next[at].2;
            row.save_secs = save_secs;
            next[at].1 = row
                .uid
                .checked_add(1)
                .ok_or(Refused::Limit("UIDs of a mailbox"))?;
            rows.push((target, row));
        }
        let count = rows.len() as u64;
        let touched = next.iter().map(|entry| entry.0).collect();
        let lsn = self.push_plain(Record::Undelete(UndeleteRecord { account, rows }))?;
        Ok(Done {
            lsn,
            touched,
            outcome: Outcome::Counted(count),
        })
    }

    /// The account's kept rows, each email once, oldest first.
    fn kept_rows(
        &mut self,
        account: AccountId,
        emails: &[EmailId],
    ) -> Result<Vec<(MailboxId, PlacedRow)>, Stop> {
        let mut statement = self.index.db.prepare_cached(
            "SELECT e.mailbox, e.flags, e.internal_secs, e.prefix, c.email
             FROM mailbox m CROSS JOIN expunged e ON e.mailbox = m.id CROSS JOIN content c ON c.id = e.content
             WHERE m.account = ?1 AND e.kept = 1 ORDER BY e.mailbox, e.uid",
        )?;
        let mut found = statement.query([account.0])?;
        let mut rows: Vec<(MailboxId, PlacedRow)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(row) = found.next()? {
            let email = EmailId(row.get(4)?);
            let wanted = emails.is_empty() || emails.contains(&email);
            if !wanted || !seen.insert((email, row.get::<_, u16>(3)?)) {
                continue;
            }
            if rows.len() >= COPY_MESSAGES_MAX {
                return Err(Refused::Limit("messages of one undelete; name some of them").into());
            }
            let flags = Flags(row.get::<_, i64>(1)?.cast_unsigned()).without(Flags::DELETED);
            let placed = PlacedRow {
                uid: 0,
                modseq: 0,
                email,
                prefix: row.get(3)?,
                flags,
                internal_secs: row.get(2)?,
                save_secs: 0,
            };
            rows.push((MailboxId(row.get(0)?), placed));
        }
        Ok(rows)
    }
}

/// The prefixes of a record, each once.
#[derive(Default)]
struct Prefixes(Vec<Vec<u8>>);

impl Prefixes {
    fn number(&mut self, prefix: Vec<u8>) -> u16 {
        let at = match self.0.iter().position(|known| *known == prefix) {
            Some(at) => at,
            None => {
                self.0.push(prefix);
                self.0.len() - 1
            }
        };
        // Recipients are bounded by RECORD_LIST_MAX long before.
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}
