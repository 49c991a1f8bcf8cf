//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 5819, RFC 6154).

use super::reply::Reply;
use super::status::put_status_line;
use super::{End, Session};
use crate::limits::{IMAP_ANSWER_TAIL_BYTES_MAX, IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX};
use crate::session::imap::list::{Known, Listed, list, lsub};
use crate::store::row::{MailboxRow, SpecialUse};
use crate::store::{AccountId, Reader, StoreError};
use crate::wire::imap::list::List;
use crate::wire::imap::write::{put_mailbox, put_untagged};

type Decide = fn(&List, &[Known<'_>], &[Box<str>]) -> Vec<Listed>;

impl Session {
    pub(super) async fn list(&mut self, command: List) -> Result<Reply, End> {
        // RFC 3501 section 6.3.8: an empty pattern asks for the delimiter.
        if !command.extended && command.patterns.iter().all(|p| p.is_empty()) {
            put_untagged(&mut self.out, "LIST (\\Noselect) \"/\" \"\"");
            return Ok(Reply::ok("LIST completed"));
        }
        self.put_lines("LIST", command, list, "LIST completed")
            .await
    }

    pub(super) async fn lsub(&mut self, command: List) -> Result<Reply, End> {
        self.put_lines("LSUB", command, lsub, "LSUB completed")
            .await
    }

    async fn put_lines(
        &mut self,
        word: &'static str,
        command: List,
        decide: Decide,
        done: &'static str,
    ) -> Result<Reply, End> {
        let Some(account) = self.account() else {
            return Ok(Reply::bad("log in first"));
        };
        let lines = self
            .read(move |reader| lines(reader, account, word, &command, decide))
            .await;
        Ok(match lines {
            Ok(lines) => {
                let share = lines.len().min(IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX);
                if share > IMAP_ANSWER_TAIL_BYTES_MAX {
                    let imap = self.imap.clone();
                    let _place = imap.places.take(account, share).await;
                    self.out.extend_from_slice(&lines);
                    drop(lines);
                    let out = std::mem::take(&mut self.out);
                    self.send_slice(&out, false).await?;
                } else {
                    self.out.extend_from_slice(&lines);
                }
                Reply::ok(done)
            }
            Err(error) => error.into(),
        })
    }
}

/// All lines of the answer; bounded by `MAILBOXES_MAX` names.
fn lines(
    reader: &mut Reader,
    account: AccountId,
    word: &str,
    command: &List,
    decide: Decide,
) -> Result<Vec<u8>, StoreError> {
    let rows = reader.mailboxes(account)?;
    let subscribed = reader.subscriptions(account)?;
    let known: Vec<Known<'_>> = rows.iter().map(known).collect();
    let mut out = Vec::new();
    for listed in decide(command, &known, &subscribed) {
        put_listed(word, &listed, &mut out);
        let row = rows
            .iter()
            .find(|row| *row.name == *listed.name)
            .filter(|_| listed.selectable);
        if let (Some(row), false) = (row, command.wanted.status.is_empty()) {
            put_status_line(reader, row, &command.wanted.status, &mut out)?;
        }
    }
    Ok(out)
}

fn known(row: &MailboxRow) -> Known<'_> {
    let special_use = row.special_use.map(|special| match special {
        SpecialUse::Drafts => "\\Drafts",
        SpecialUse::Sent => "\\Sent",
        SpecialUse::Junk => "\\Junk",
        SpecialUse::Trash => "\\Trash",
        SpecialUse::Archive => "\\Archive",
    });
    Known {
        name: &row.name,
        no_select: row.no_select,
        special_use,
    }
}

fn put_listed(word: &str, listed: &Listed, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("* {word} ({}) \"/\" ", listed.attributes.join(" ")).as_bytes());
    put_mailbox(out, &listed.name);
    if listed.child_info {
        out.extend_from_slice(b" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    }
    out.extend_from_slice(b"\r\n");
}
