//! EXPUNGE and UID EXPUNGE (RFC 3501 section 6.4.3, RFC 4315). Where somebody else changed the mailbox, too, the EXPUNGE
//! responses come with the news behind the command.

use super::reply::Reply;
use super::{End, Session};
use crate::store::Change;
use crate::store::change::Outcome;
use crate::wire::imap::command::Numbers;
use crate::wire::imap::sequence_set::SequenceSet;

impl Session {
    /// Removes what is \Deleted, of `set` (UIDs) where given. Only messages that the client knows of: one that another
    /// session has just added with \Deleted is not this client's to remove.
    pub(super) async fn expunge(&mut self, set: Option<SequenceSet>) -> Result<Reply, End> {
        let Some(selected) = &self.selected else {
            return Ok(Reply::bad("select a mailbox first"));
        };
        let uids = match set {
            None => selected.view.map.uids(),
            Some(set) => match selected.view.resolve(&set, Numbers::Uid) {
                Ok(uids) => uids,
                Err(text) => return Ok(Reply::bad(text)),
            },
        };
        if uids.is_empty() {
            return Ok(Reply::ok("EXPUNGE completed"));
        }
        let change = Change::Expunge {
            mailbox: selected.mailbox,
            uids: Some(uids),
        };
        Ok(match self.imap.server.lanes.commit(change).await {
            Ok(done) => {
                if let Outcome::Expunged { uids, modseq } = done.outcome {
                    self.follow_own_expunge(done.lsn, modseq, uids).await?;
                }
                Reply::ok("EXPUNGE completed")
            }
            Err(refused) => refused.into(),
        })
    }
}
