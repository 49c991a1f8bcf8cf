//! STORE and UID STORE (RFC 3501 section 6.4.6).

use super::reply::Reply;
use super::sync::Own;
use super::{End, Session};
use crate::session::imap::view::{Expunges, Naming};
use crate::store::Change;
use crate::store::change::{FlagsHow, Outcome};
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
        let outcome = match self.imap.server.lanes.commit(change).await {
            Ok(done) => done.outcome,
            Err(refused) => return Ok(refused.into()),
        };
        let (modseq, changed) = match outcome {
            Outcome::Flagged { modseq, changed } => (modseq, changed),
            _ => (0, UidSet::new()),
        };
        self.echo(numbers, store.echo, modseq, uids, changed)
            .await?;
        Ok(Reply::ok("STORE completed"))
    }

    /// Without .SILENT the flags of all messages of the set are told, of unchanged ones too: clients count on it.
    async fn echo(
        &mut self,
        numbers: Numbers,
        echo: StoreEcho,
        modseq: u64,
        uids: UidSet,
        changed: UidSet,
    ) -> Result<(), End> {
        let (expunges, naming, items) = match numbers {
            Numbers::Sequence => (Expunges::Held, Naming::Sequence, vec![Item::Flags]),
            Numbers::Uid => (
                Expunges::Told,
                Naming::WithUid,
                vec![Item::Uid, Item::Flags],
            ),
        };
        let unchanged = uids.difference(&changed);
        let own = match echo {
            StoreEcho::Silent => Some(Own {
                modseq,
                uids: Arc::new(changed),
            }),
            StoreEcho::Told => None,
        };
        if self.news_waiting(expunges) {
            self.tell_news(expunges, naming, own).await?;
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
