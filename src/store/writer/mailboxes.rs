//! Planning of what changes mailboxes: CREATE, RENAME, DELETE, SUBSCRIBE, an account's first and last day.

use super::super::change::*;
use super::super::ids::*;
use super::super::index::query::canonical;
use super::super::record::*;
use super::super::row::SpecialUse;
use super::mail::Copy;
use super::plan::{Planner, Stop};
use crate::limits::{MAILBOX_DEPTH_MAX, MAILBOX_NAME_BYTES_MAX, MAILBOXES_MAX};
use crate::wire::imap::uid_set::UidSet;
use rusqlite::params;

/// The mailboxes that every account starts with.
const FIRST: [(&str, Option<SpecialUse>); 6] = [
    ("INBOX", None),
    ("Drafts", Some(SpecialUse::Drafts)),
    ("Sent", Some(SpecialUse::Sent)),
    ("Junk", Some(SpecialUse::Junk)),
    ("Trash", Some(SpecialUse::Trash)),
    ("Archive", Some(SpecialUse::Archive)),
];

impl Planner<'_> {
    /// CREATE with its superior levels.
    pub fn create(
        &mut self,
        account: AccountId,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<Done, Stop> {
        let name = canonical(name.trim_end_matches('/'));
        check_name(&name)?;
        if self.is_removed(account)? {
            return Err(Refused::NoSuchMailbox.into());
        }
        if let Some(id) = self.index.mailbox_named(account, &name)?
            && !self.mailbox(id)?.row.no_select
        {
            return Err(Refused::Exists.into());
        }
        let mut created = self.missing_superiors(account, &name)?;
        created.push(self.new_mailbox(account, &name, created.len()));
        if let Some(last) = created.last_mut() {
            last.special_use = special_use;
        }
        self.mailboxes_fit(account, created.len())?;
        let mailbox = created.last().map_or(MailboxId(0), |last| last.mailbox);
        let touched = created.iter().map(|created| created.mailbox).collect();
        let lsn = self.push_plain(Record::MailboxCreate(created))?;
        Ok(Done {
            lsn,
            touched,
            outcome: Outcome::Created { mailbox },
        })
    }

    /// Levels above `name` that do not exist, top first.
    fn missing_superiors(
        &mut self,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<CreatedMailbox>, Stop> {
        let mut missing = Vec::new();
        for (at, _) in name.match_indices('/') {
            let level = &name[..at];
            if self.index.mailbox_named(account, level)?.is_none() {
                missing.push(self.new_mailbox(account, level, missing.len()));
            }
        }
        Ok(missing)
    }

    /// A mailbox with the `ahead`-th id and UIDVALIDITY from now.
    fn new_mailbox(&self, account: AccountId, name: &str, ahead: usize) -> CreatedMailbox {
        CreatedMailbox {
            mailbox: MailboxId(self.index.meta.next_mailbox + ahead as u64),
            account,
            name: name.into(),
            uid_validity: self.uid_validity(ahead as u32),
            special_use: None,
            no_select: false,
            subscribed: false,
        }
    }

    fn mailboxes_fit(&mut self, account: AccountId, more: usize) -> Result<(), Stop> {
        let now: usize = self
            .index
            .db
            .prepare_cached("SELECT count(*) FROM mailbox WHERE account = ?1 AND gone = 0")?
            .query_row([account.0], |row| row.get(0))?;
        if now + more > MAILBOXES_MAX {
            return Err(Refused::Limit("mailboxes of an account").into());
        }
        Ok(())
    }

    /// INBOX of an account that has none.
    pub fn create_inbox(&mut self, account: AccountId) -> Result<MailboxId, Stop> {
        let mut inbox = self.new_mailbox(account, "INBOX", 0);
        inbox.subscribed = true;
        let id = inbox.mailbox;
        self.push_plain(Record::MailboxCreate(vec![inbox]))?;
        Ok(id)
    }

    /// The first mailboxes of an account; those that are there stay.
    pub fn account_mailboxes(&mut self, account: AccountId) -> Result<Done, Stop> {
        if self.is_removed(account)? {
            return Err(Refused::NoSuchMailbox.into());
        }
        let mut created = Vec::new();
        for (name, special_use) in FIRST {
            if self.index.mailbox_named(account, name)?.is_none() {
                let mut mailbox = self.new_mailbox(account, name, created.len());
                mailbox.special_use = special_use;
                mailbox.subscribed = true;
                created.push(mailbox);
            }
        }
        if created.is_empty() || created.first().is_some_and(|first| &*first.name != "INBOX") {
            return Ok(self.nothing(Outcome::Plain)); // it has its mailboxes; deleted ones stay deleted
        }
        let touched = created.iter().map(|created| created.mailbox).collect();
        let lsn = self.push_plain(Record::MailboxCreate(created))?;
        Ok(Done {
            lsn,
            touched,
            outcome: Outcome::Plain,
        })
    }

    /// RENAME.
    pub fn rename(&mut self, account: AccountId, from: &str, to: &str) -> Result<Done, Stop> {
        let (from, to) = (canonical(from), canonical(to.trim_end_matches('/')));
        check_name(&to)?;
        let Some(id) = self.index.mailbox_named(account, &from)? else {
            return Err(Refused::NoSuchMailbox.into());
        };
        if self.index.mailbox_named(account, &to)?.is_some() {
            return Err(Refused::Exists.into());
        }
        if to
            .strip_prefix(&*from)
            .is_some_and(|rest| rest.starts_with('/'))
            && from != "INBOX"
        {
            return Err(Refused::Cannot("a mailbox cannot be renamed into itself").into());
        }
        let created = self.missing_superiors(account, &to)?;
        if from == "INBOX" {
            return self.rename_inbox(id, &to, created);
        }
        self.mailboxes_fit(account, created.len())?;
        let mut renamed = vec![(id, Box::from(&*to))];
        for (inferior, name) in self.inferiors(account, &from)? {
            let new = format!("{to}{}", &name[from.len()..]);
            check_name(&new)?;
            if self.index.mailbox_named(account, &new)?.is_some() {
                return Err(Refused::Exists.into());
            }
            renamed.push((inferior, new.into()));
        }
        let touched = renamed.iter().map(|(id, _)| *id).collect();
        let record = RenameRecord {
            account,
            renamed,
            created,
            moved: None,
        };
        let lsn = self.push_plain(Record::MailboxRename(record))?;
        Ok(Done {
            lsn,
            touched,
            outcome: Outcome::Plain,
        })
    }

    /// RFC 3501 section 6.3.5: INBOX's messages move to the new name, INBOX stays empty, its inferiors stay.
    fn rename_inbox(
        &mut self,
        inbox: MailboxId,
        to: &str,
        mut created: Vec<CreatedMailbox>,
    ) -> Result<Done, Stop> {
        let account = self.mailbox(inbox)?.row.account;
        let target = self.new_mailbox(account, to, created.len());
        let new = target.mailbox;
        created.push(target);
        self.mailboxes_fit(account, created.len())?;
        let mut uids = UidSet::new();
        uids.insert_range(1, u32::MAX);
        let copy = Copy {
            from: inbox,
            uids,
            to: new,
            and_remove: true,
        };
        let moved = self.copy_record_into_new(&copy)?;
        let record = RenameRecord {
            account,
            renamed: Vec::new(),
            created,
            moved,
        };
        let lsn = self.push_plain(Record::MailboxRename(record))?;
        Ok(Done {
            lsn,
            touched: vec![inbox, new],
            outcome: Outcome::Plain,
        })
    }

    /// Mailboxes below `name`.
    fn inferiors(
        &mut self,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<(MailboxId, String)>, Stop> {
        // '0' is the character after '/': the range holds exactly the names that begin with `name/`.
        let rows = self
            .index
            .db
            .prepare_cached(
                "SELECT id, name FROM mailbox WHERE account = ?1 AND gone = 0 AND name > ?2 AND name < ?3",
            )?
            .query_map(params![account.0, format!("{name}/"), format!("{name}0")], |row| {
                Ok((MailboxId(row.get(0)?), row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// DELETE.
    pub fn delete(&mut self, account: AccountId, name: &str) -> Result<Done, Stop> {
        let name = canonical(name);
        if name == "INBOX" {
            return Err(Refused::Cannot("INBOX cannot be deleted").into());
        }
        let Some(mailbox) = self.index.mailbox_named(account, &name)? else {
            return Err(Refused::NoSuchMailbox.into());
        };
        let keep_name = !self.inferiors(account, &name)?.is_empty();
        let row = &self.mailbox(mailbox)?.row;
        if keep_name && row.no_select {
            return Err(
                Refused::Cannot("the name has inferior levels and no mailbox of its own").into(),
            );
        }
        let modseq = row.highest_modseq + 1;
        let at_secs = self.now_secs();
        let record = MailboxDeleteRecord {
            account,
            mailbox,
            keep_name,
            modseq,
            at_secs,
        };
        let lsn = self.push_plain(Record::MailboxDelete(record))?;
        Ok(Done {
            lsn,
            touched: vec![mailbox],
            outcome: Outcome::Plain,
        })
    }

    /// SUBSCRIBE and UNSUBSCRIBE.
    pub fn subscribe(&mut self, account: AccountId, name: &str, on: bool) -> Result<Done, Stop> {
        let name = canonical(name);
        if name.len() > MAILBOX_NAME_BYTES_MAX {
            return Err(Refused::Limit("octets of a mailbox name").into());
        }
        let names = super::super::index::query::subscriptions(&self.index.db, account)?;
        let has = names.iter().any(|known| **known == *name);
        if has == on {
            return Ok(self.nothing(Outcome::Plain));
        }
        if on && names.len() >= MAILBOXES_MAX {
            return Err(Refused::Limit("subscriptions of an account").into());
        }
        let record = SubscribeRecord {
            account,
            name: Box::from(&*name),
            on,
        };
        let lsn = self.push_plain(Record::Subscribe(record))?;
        Ok(Done {
            lsn,
            touched: Vec::new(),
            outcome: Outcome::Plain,
        })
    }

    /// The account and all its mail go.
    pub fn account_remove(&mut self, account: AccountId) -> Result<Done, Stop> {
        if self.is_removed(account)? {
            return Ok(self.nothing(Outcome::Counted(0)));
        }
        let ids: Vec<MailboxId> = self
            .index
            .db
            .prepare_cached("SELECT id FROM mailbox WHERE account = ?1 AND gone = 0")?
            .query_map([account.0], |row| Ok(MailboxId(row.get(0)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut messages = 0;
        for id in &ids {
            messages += u64::from(self.mailbox(*id)?.row.messages);
        }
        let lsn = self.push_plain(Record::AccountRemove(account))?;
        Ok(Done {
            lsn,
            touched: ids,
            outcome: Outcome::Counted(messages),
        })
    }
}

/// What a mailbox may be called: levels that are not empty, no control characters, within the bounds.
fn check_name(name: &str) -> Result<(), Refused> {
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return Err(Refused::Limit("octets of a mailbox name"));
    }
    if name.split('/').count() > MAILBOX_DEPTH_MAX {
        return Err(Refused::Limit("levels of a mailbox name"));
    }
    if name.split('/').any(str::is_empty) {
        return Err(Refused::Cannot("a mailbox name needs text at each level"));
    }
    if name.chars().any(char::is_control) {
        return Err(Refused::Cannot(
            "a mailbox name cannot hold control characters",
        ));
    }
    Ok(())
}
