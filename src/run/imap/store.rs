//! STORE and UID STORE (RFC 3501 section 6.4.6).

use super::own::OwnFlags;
use super::reply::Reply;
use super::sync::Own;
use super::{End, Session};
use crate::session::imap::view::{Expunges, Naming};
use crate::store::change::{FlagsHow, Outcome};
use crate::store::{Change, Refused};
use crate::wire::imap::command::Numbers;
use crate::wire::imap::fetch::Item;
use crate::wire::imap::store::{Store, StoreEcho, StoreHow};
use crate::wire::imap::uid_set::UidSet;
use std::sync::Arc;

impl Session {
    pub(super) async fn store(&mut self, numbers: Numbers, store: Store) -> Result<Reply, End> {
        let Some(selected) = &self.selected else {
            return Ok(Reply::bad("select a mailbox first"));
        };
        let uids = match selected.view.resolve(&store.set, numbers) {
            Ok(uids) => uids,
            Err(text) => return Ok(Reply::bad(text)),
        };
        if uids.is_empty() {
            return Ok(Reply::ok("STORE completed"));
        }
        let how = match store.how {
            StoreHow::Replace => FlagsHow::Replace,
            StoreHow::Add => FlagsHow::Add,
            StoreHow::Remove => FlagsHow::Remove,
        };
        let change = Change::Flags {
            mailbox: selected.mailbox,
            uids: uids.clone(),
            how,
            flags: store.flags,
        };
        let own = match self.commit_flags(change).await {
            Ok(own) => own,
            Err(refused) => return Ok(refused.into()),
        };
        if !self
            .follow_own_flags(&own, naming(numbers), store.echo)
            .await?
        {
            self.echo(numbers, store.echo, uids, own).await?;
        }
        Ok(Reply::ok("STORE completed"))
    }

    /// Commits a `Change::Flags`.
    pub(super) async fn commit_flags(&self, change: Change) -> Result<OwnFlags, Refused> {
        let done = self.imap.server.lanes.commit(change).await?;
        let (modseq, changed, after) = match done.outcome {
            Outcome::Flagged {
                modseq,
                changed,
                after,
            } => (modseq, changed, after),
            _ => (0, UidSet::new(), None),
        };
        Ok(OwnFlags {
            lsn: done.lsn,
            modseq,
            changed,
            after,
        })
    }

    /// Without .SILENT the flags of all messages of the set are told, of unchanged ones too: clients count on it.
    async fn echo(
        &mut self,
        numbers: Numbers,
        echo: StoreEcho,
        uids: UidSet,
        own: OwnFlags,
    ) -> Result<(), End> {
        let (expunges, items) = match numbers {
            Numbers::Sequence => (Expunges::Held, vec![Item::Flags]),
            Numbers::Uid => (Expunges::Told, vec![Item::Uid, Item::Flags]),
        };
        let unchanged = uids.difference(&own.changed);
        let known = self.selected.as_ref().map_or(0, |s| s.view.modseq);
        let unsaid = match echo {
            StoreEcho::Silent => Some(Own {
                modseq: own.modseq,
                uids: Arc::new(own.unsurprising(known)),
            }),
            StoreEcho::Told => None,
        };
        if self.news_waiting(expunges) {
            self.tell_news(expunges, naming(numbers), unsaid).await?;
        }
        if echo == StoreEcho::Told
            && !unchanged.is_empty()
            && let Some(job) = self.job(items, unchanged)
        {
            self.run_job(job).await?;
        }
        Ok(())
    }
}

/// How answers to a command that counts so name messages.
pub(super) fn naming(numbers: Numbers) -> Naming {
    match numbers {
        Numbers::Sequence => Naming::Sequence,
        Numbers::Uid => Naming::WithUid,
    }
}
