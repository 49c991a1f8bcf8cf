//! STATUS (RFC 3501 section 6.3.10); LIST-STATUS answers with the same lines.

use super::reply::Reply;
use super::{End, Session};
use crate::store::row::MailboxRow;
use crate::store::{Reader, StoreError};
use crate::wire::imap::mailbox::MailboxName;
use crate::wire::imap::status::StatusItem;
use crate::wire::imap::write::{Code, put_mailbox, put_number};

impl Session {
    pub(super) async fn status(
        &mut self,
        name: MailboxName,
        items: Vec<StatusItem>,
    ) -> Result<Reply, End> {
        let Some(account) = self.account() else {
            return Ok(Reply::bad("log in first"));
        };
        let line = self.read(move |reader| -> Result<Option<Vec<u8>>, StoreError> {
            match reader.mailbox(account, name.as_str())? {
                Some(row) if !row.no_select => {
                    let mut line = Vec::new();
                    put_status_line(reader, &row, &items, &mut line)?;
                    Ok(Some(line))
                }
                _ => Ok(None),
            }
        });
        Ok(match line.await {
            Ok(Some(line)) => {
                self.out.extend_from_slice(&line);
                Reply::ok("STATUS completed")
            }
            Ok(None) => Reply::no(Code::Nonexistent, "mailbox does not exist"),
            Err(error) => error.into(),
        })
    }
}

/// `* STATUS name (MESSAGES 7)` and CRLF.
pub(super) fn put_status_line(
    reader: &mut Reader,
    row: &MailboxRow,
    items: &[StatusItem],
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    out.extend_from_slice(b"* STATUS ");
    put_mailbox(out, &row.name);
    out.extend_from_slice(b" (");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(item.name().as_bytes());
        out.push(b' ');
        let value = match item {
            StatusItem::Messages => u64::from(row.messages),
            StatusItem::Recent if row.recent_from_uid >= row.uid_next => 0,
            StatusItem::Recent => reader.uids(row.id, row.recent_from_uid)?.count(),
            StatusItem::UidNext => u64::from(row.uid_next),
            StatusItem::UidValidity => u64::from(row.uid_validity),
            StatusItem::Unseen => u64::from(row.unseen),
        };
        put_number(out, value);
    }
    out.extend_from_slice(b")\r\n");
    Ok(())
}
