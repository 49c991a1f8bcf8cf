//! COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851) with COPYUID (RFC 4315).

use super::reply::{Reply, no_target, of_target};
use super::{End, Session};
use crate::store::change::{Done, Outcome};
use crate::store::{Change, MailboxId};
use crate::wire::imap::command::Numbers;
use crate::wire::imap::mailbox::MailboxName;
use crate::wire::imap::sequence_set::SequenceSet;
use crate::wire::imap::write::{Code, put_untagged};

/// What becomes of the messages that were copied.
#[derive(PartialEq, Eq)]
enum Originals {
    Stay,
    Go,
}

impl Session {
    pub(super) async fn copy(
        &mut self,
        numbers: Numbers,
        set: SequenceSet,
        name: MailboxName,
    ) -> Result<Reply, End> {
        let done = match self.commit_copy(numbers, &set, name, Originals::Stay).await {
            Ok(done) => done,
            Err(reply) => return Ok(reply),
        };
        Ok(match done.and_then(|done| copy_uid(done.outcome)) {
            Some(code) => Reply::ok_with(code, "COPY completed"),
            None => Reply::ok("COPY completed: no such messages"),
        })
    }

    pub(super) async fn move_to(
        &mut self,
        numbers: Numbers,
        set: SequenceSet,
        name: MailboxName,
    ) -> Result<Reply, End> {
        let done = match self.commit_copy(numbers, &set, name, Originals::Go).await {
            Ok(Some(done)) => done,
            Ok(None) => return Ok(Reply::ok("MOVE completed: no such messages")),
            Err(reply) => return Ok(reply),
        };
        // RFC 6851 section 4.3: COPYUID comes before the EXPUNGEs, which this session may tell at once or with the news.
        let gone = match &done.outcome {
            Outcome::Copied {
                from,
                removed: Some(modseq),
                ..
            } => Some((*modseq, from.clone())),
            _ => None,
        };
        if let Some(code) = copy_uid(done.outcome) {
            put_untagged(&mut self.out, &format!("OK [{code}] moved"));
        }
        if let Some((modseq, uids)) = gone {
            self.follow_own_expunge(done.lsn, modseq, uids).await?;
        }
        Ok(Reply::ok("MOVE completed"))
    }

    /// None: there are no such messages.
    async fn commit_copy(
        &mut self,
        numbers: Numbers,
        set: &SequenceSet,
        name: MailboxName,
        originals: Originals,
    ) -> Result<Option<Done>, Reply> {
        let Some(selected) = &self.selected else {
            return Err(Reply::bad("select a mailbox first"));
        };
        let from = selected.mailbox;
        let uids = selected.view.resolve(set, numbers).map_err(Reply::bad)?;
        let to = self.target(name).await?;
        if uids.is_empty() {
            return Ok(None);
        }
        let change = Change::Copy {
            from,
            uids,
            to,
            and_remove: originals == Originals::Go,
        };
        let done = self.imap.server.lanes.commit(change).await;
        done.map(Some).map_err(of_target)
    }

    /// The mailbox that COPY, MOVE and APPEND write to.
    pub(super) async fn target(&mut self, name: MailboxName) -> Result<MailboxId, Reply> {
        let Some(account) = self.account() else {
            return Err(Reply::bad("log in first"));
        };
        // Whoever changes names publishes before it answers, so that what readers see already will do, but for a name
        // that they do not know yet.
        let sought = name.clone();
        let lanes = &self.imap.server.lanes;
        let row = match lanes
            .peek(move |reader| reader.mailbox(account, sought.as_str()))
            .await
        {
            Ok(None) => {
                self.read(move |reader| reader.mailbox(account, name.as_str()))
                    .await
            }
            known => known,
        };
        match row {
            Ok(Some(row)) if row.no_select => Err(Reply::no(
                Code::Cannot,
                "this name only holds other mailboxes",
            )),
            Ok(Some(row)) => Ok(row.id),
            Ok(None) => Err(no_target()),
            Err(error) => Err(error.into()),
        }
    }
}

fn copy_uid(outcome: Outcome) -> Option<Code> {
    match outcome {
        Outcome::Copied {
            uid_validity,
            from,
            to,
            ..
        } if !from.is_empty() => Some(Code::CopyUid(format!("{uid_validity} {from} {to}").into())),
        _ => None,
    }
}
