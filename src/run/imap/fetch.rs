//! FETCH and UID FETCH (RFC 3501 section 6.4.5).

use super::reply::Reply;
use super::store::naming;
use super::{End, Session};
use crate::store::Change;
use crate::store::change::FlagsHow;
use crate::wire::imap::command::{Access, Numbers};
use crate::wire::imap::fetch::{Fetch, Item};
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::imap::store::StoreEcho;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::Code;

impl Session {
    pub(super) async fn fetch(&mut self, numbers: Numbers, fetch: Fetch) -> Result<Reply, End> {
        let Some(selected) = &self.selected else {
            return Ok(Reply::bad("select a mailbox first"));
        };
        let uids = match selected.view.resolve(&fetch.set, numbers) {
            Ok(uids) => uids,
            Err(text) => return Ok(Reply::bad(text)),
        };
        let mut items = fetch.items;
        // RFC 3501 section 6.4.8: answers to UID FETCH have the UID, asked or not.
        if numbers == Numbers::Uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        if uids.is_empty() {
            return Ok(Reply::ok("FETCH completed"));
        }
        let Some(job) = self.job(items, uids) else {
            return Ok(Reply::bad("select a mailbox first"));
        };
        let mut job = self.run_job(job).await?;
        self.mark_seen(numbers, std::mem::take(&mut job.read_unseen))
            .await?;
        Ok(if job.damaged > 0 {
            Reply::no(
                Code::ServerBug,
                "some messages are damaged and were left out; see the server's log",
            )
        } else if job.missed() {
            Reply::ok_with(Code::ExpungeIssued, "some of the messages are expunged")
        } else {
            Reply::ok("FETCH completed")
        })
    }

    /// BODY[...] without PEEK sets \Seen; the FETCH FLAGS that says so comes with the news behind the command. It is set
    /// behind the answer: a client that loses its connection has not read what it did not get.
    async fn mark_seen(&mut self, numbers: Numbers, uids: UidSet) -> Result<(), End> {
        let Some(selected) = &self.selected else {
            return Ok(());
        };
        if uids.is_empty() || selected.view.access == Access::ReadOnly {
            return Ok(());
        }
        let change = Change::Flags {
            mailbox: selected.mailbox,
            uids,
            how: FlagsHow::Add,
            flags: FlagNames {
                system: Flags::SEEN,
                keywords: Vec::new(),
            },
        };
        match self.commit_flags(change).await {
            // What cannot be told now comes with the news.
            Ok(own) => {
                self.follow_own_flags(&own, naming(numbers), StoreEcho::Told)
                    .await?;
            }
            // The messages were read all the same; they stay unseen.
            Err(refused) => log::warn!("imap: \\Seen could not be set: {refused}"),
        }
        Ok(())
    }
}
