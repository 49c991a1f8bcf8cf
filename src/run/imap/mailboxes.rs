//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7).

use super::reply::Reply;
use super::{End, Session};
use crate::store::{AccountId, Change};
use crate::wire::imap::mailbox::MailboxName;
use crate::wire::imap::write::Code;

impl Session {
    pub(super) async fn create(&mut self, name: MailboxName) -> Result<Reply, End> {
        if name.has_wildcard() {
            return Ok(wildcard());
        }
        let name = name.into_inner();
        self.change("CREATE completed", |account| Change::MailboxCreate {
            account,
            name,
            special_use: None,
        })
        .await
    }

    pub(super) async fn delete(&mut self, name: MailboxName) -> Result<Reply, End> {
        if name.is_inbox() {
            return Ok(Reply::no(Code::Cannot, "INBOX cannot be deleted"));
        }
        let name = name.into_inner();
        let reply = self
            .change("DELETE completed", |account| Change::MailboxDelete {
                account,
                name,
            })
            .await?;
        self.unselect_if_gone().await;
        Ok(reply)
    }

    /// A client that deletes the mailbox that it has selected has it selected no more; other sessions of it end.
    async fn unselect_if_gone(&mut self) {
        let Some(mailbox) = self.selected.as_ref().map(|selected| selected.mailbox) else {
            return;
        };
        let row = self.read(move |reader| reader.mailbox_by_id(mailbox)).await;
        if !matches!(row, Ok(Some(row)) if !row.no_select) {
            self.selected = None;
        }
    }

    pub(super) async fn rename(
        &mut self,
        from: MailboxName,
        to: MailboxName,
    ) -> Result<Reply, End> {
        if to.has_wildcard() {
            return Ok(wildcard());
        }
        let (from, to) = (from.into_inner(), to.into_inner());
        self.change("RENAME completed", |account| Change::MailboxRename {
            account,
            from,
            to,
        })
        .await
    }

    /// RFC 3501 section 6.3.6: a name stays subscribed whether its mailbox exists or not.
    pub(super) async fn subscribe(&mut self, name: MailboxName, on: bool) -> Result<Reply, End> {
        let name = name.into_inner();
        let text = if on {
            "SUBSCRIBE completed"
        } else {
            "UNSUBSCRIBE completed"
        };
        self.change(text, |account| Change::Subscribe { account, name, on })
            .await
    }

    async fn change(
        &mut self,
        done: &'static str,
        change: impl FnOnce(AccountId) -> Change,
    ) -> Result<Reply, End> {
        let Some(account) = self.account() else {
            return Ok(Reply::bad("log in first"));
        };
        Ok(match self.imap.server.lanes.commit(change(account)).await {
            Ok(_) => {
                // COPY and APPEND look names up in what has been published.
                self.read(|_| ()).await;
                Reply::ok(done)
            }
            Err(refused) => refused.into(),
        })
    }
}

fn wildcard() -> Reply {
    Reply::no(
        Code::Cannot,
        "a mailbox name with % or * could not be listed",
    )
}
