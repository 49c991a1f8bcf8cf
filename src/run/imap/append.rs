//! APPEND (RFC 3501 section 6.3.11, RFC 4315): the message goes from the socket into a body buffer, and from there to a
//! file when it is large; it is never part of a command.

use super::reply::{Reply, of_target};
use super::{End, Session};
use crate::limits::{
    BODY_BUFFER_WAIT_SECS, CONTENT_BASE_SECS, CONTENT_BYTES_PER_SEC_MIN, IMAP_SKIPPED_BYTES_MAX,
};
use crate::run::body::{Body, Header, Share};
use crate::run::lanes::now_millis;
use crate::run::quota;
use crate::session::imap::gate::{COMMAND_PAUSE, admit};
use crate::session::imap::view::{Expunges, Naming};
use crate::store::change::{Message, Outcome};
use crate::store::{Change, MailboxId, Reader, Refused};
use crate::wire::dot::{ContentReader, LoneLf};
use crate::wire::imap::append::AppendHead;
use crate::wire::imap::command::{Command, parse};
use crate::wire::imap::frame::{Literal, Step, Sync};
use crate::wire::imap::write::Code;
use std::time::Duration;
use tokio::time::Instant;

/// A message that may come in.
struct Accepted {
    head: AppendHead,
    mailbox: MailboxId,
    incoming: Incoming,
}

/// A message that is coming in; None from the moment that it cannot be kept.
struct Incoming {
    reader: ContentReader,
    body: Option<Body>,
    refused: Option<Reply>,
}

impl Session {
    /// The framer stands behind an APPEND's head; `literal` is what follows in the stream.
    pub(super) async fn append(&mut self, literal: Literal) -> Result<(), End> {
        let (tag, parsed) = parse(self.framer.text());
        self.framer.clear();
        let tag = tag.unwrap_or_default();
        let accepted = self.may_append(parsed.map_err(Reply::from), literal).await;
        let reply = match (accepted, literal.sync) {
            (Ok(accepted), sync) => {
                if sync == Sync::Waits {
                    self.out.extend_from_slice(b"+ OK\r\n");
                }
                self.take_message(accepted, literal.bytes).await?
            }
            // The client waits, and sends nothing when it hears of the refusal.
            (Err(reply), Sync::Waits) => reply,
            (Err(reply), Sync::Flows) => {
                self.skip(literal.bytes).await?;
                self.end_of_append().await?.unwrap_or(reply)
            }
        };
        if self.news_waiting(Expunges::Told) {
            self.tell_news(Expunges::Told, Naming::Sequence, None)
                .await?;
        }
        self.answer(&tag, reply)
    }

    async fn may_append(
        &mut self,
        command: Result<Command, Reply>,
        literal: Literal,
    ) -> Result<Accepted, Reply> {
        let command = command?;
        admit(self.state(), self.privacy(), &command)?;
        let Command::Append(head) = command else {
            return Err(Reply::bad("APPEND expected"));
        };
        if literal.bytes > self.config.message_bytes_max {
            return Err(too_big());
        }
        if literal.bytes == 0 {
            return Err(Reply::no(
                Code::Cannot,
                "a message of no octets is not kept",
            ));
        }
        let mailbox = self.target(head.mailbox.clone()).await?;
        self.room_for(literal.bytes).await?;
        let patience = Duration::from_secs(BODY_BUFFER_WAIT_SECS);
        let body = self
            .imap
            .server
            .bodies
            .body(Share::Accounts, patience)
            .await;
        let busy = || {
            Reply::no(
                Code::Unavailable,
                "too many messages are coming in; try again",
            )
        };
        let incoming = Incoming {
            reader: ContentReader::new(LoneLf::Repair),
            body: Some(body.ok_or_else(busy)?),
            refused: None,
        };
        Ok(Accepted {
            head: *head,
            mailbox,
            incoming,
        })
    }

    async fn room_for(&mut self, bytes: u64) -> Result<(), Reply> {
        let (account, default) = (self.account(), self.config.quota_bytes);
        let full = move |reader: &mut Reader| match account {
            Some(account) => quota::is_full(reader, account, default, bytes),
            None => Ok(false),
        };
        // As at RCPT: mail of the last half second does not count yet.
        match self.imap.server.lanes.peek(full).await {
            Ok(true) => Err(Refused::Quota.into()),
            Ok(false) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn take_message(&mut self, mut accepted: Accepted, bytes: u64) -> Result<Reply, End> {
        let incoming = &mut accepted.incoming;
        let (begun, mut left) = (Instant::now(), bytes);
        while left > 0 {
            if self.conn.input().is_empty() {
                self.more_input(pause(begun, bytes - left)).await?;
            }
            let input = self.conn.input();
            let most = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(incoming.room());
            let window = input.get(..most.min(input.len())).unwrap_or_default();
            let taken = window.len();
            incoming.take(window);
            self.conn.consume(taken);
            left -= taken as u64;
            incoming.make_room(self).await;
        }
        if let Some(reply) = self.end_of_append().await? {
            return Ok(reply);
        }
        let Accepted {
            head,
            mailbox,
            incoming,
        } = accepted;
        let message = match incoming.finish(self).await {
            Ok(message) => Box::new(message),
            Err(reply) => return Ok(reply),
        };
        let internal_secs = head
            .internal_secs
            .unwrap_or_else(|| now_millis().div_euclid(1000));
        let change = Change::Append {
            mailbox,
            message,
            flags: head.flags,
            internal_secs,
        };
        Ok(match self.imap.server.lanes.commit(change).await {
            Ok(done) => match done.outcome {
                Outcome::Appended { uid_validity, uid } => {
                    Reply::ok_with(Code::AppendUid(uid_validity, uid), "APPEND completed")
                }
                _ => Reply::ok("APPEND completed"),
            },
            Err(refused) => of_target(refused),
        })
    }

    /// Reads the rest of the command, which must be nothing.
    async fn end_of_append(&mut self) -> Result<Option<Reply>, End> {
        let step = self.next_line().await?;
        let clean = step == Step::Command && self.framer.text().is_empty();
        self.framer.clear();
        Ok(if clean {
            None
        } else {
            Some(Reply::bad("unexpected text behind the message"))
        })
    }

    /// Passes over a refused message that is on its way.
    async fn skip(&mut self, bytes: u64) -> Result<(), End> {
        if bytes > IMAP_SKIPPED_BYTES_MAX {
            return Err(End::Bye("literal is far too large"));
        }
        let (begun, mut left) = (Instant::now(), bytes);
        while left > 0 {
            if self.conn.input().is_empty() {
                self.more_input(pause(begun, bytes - left)).await?;
            }
            let n = self
                .conn
                .input()
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            self.conn.consume(n);
            left -= n as u64;
        }
        Ok(())
    }
}

impl Incoming {
    /// Octets that may be taken at once: each LF may become two.
    fn room(&self) -> usize {
        self.body
            .as_ref()
            .map_or(usize::MAX, |body| body.room() / 2)
    }

    fn take(&mut self, window: &[u8]) {
        let body = &mut self.body;
        self.reader.counted(window, &mut |piece| {
            if let Some(body) = body {
                body.push(piece);
            }
        });
        // A CR alone stays as it is: mail that was kept elsewhere for years must not be turned away.
        if self.reader.faults().nul {
            self.refuse(Reply::no(Code::Cannot, "the message holds a NUL"));
        }
    }

    async fn make_room(&mut self, session: &Session) {
        let Some(body) = &mut self.body else { return };
        if body.bytes() > session.config.message_bytes_max {
            return self.refuse(too_big());
        }
        if !body.is_full() {
            return;
        }
        if let Err(reply) = scan(body) {
            return self.refuse(reply);
        }
        if let Err(error) = body.spill(&session.imap.server.lanes).await {
            log::warn!("imap: an appended message could not be spilled: {error}");
            self.refuse(Reply::no(
                Code::OverQuota,
                "no room for a large message now",
            ));
        }
    }

    fn refuse(&mut self, reply: Reply) {
        self.refused.get_or_insert(reply);
        self.body = None;
    }

    async fn finish(mut self, session: &Session) -> Result<Message, Reply> {
        let Some(mut body) = self.body.take() else {
            return Err(self.refused.unwrap_or_else(|| Reply::bad("no message")));
        };
        if body.bytes() > session.config.message_bytes_max {
            return Err(too_big());
        }
        scan(&mut body)?;
        let lanes = &session.imap.server.lanes;
        body.seal(lanes).await.map_err(Reply::from)?;
        body.finish(lanes, now_millis()).await.map_err(Reply::from)
    }
}

/// How long the next octets of a message may take: nobody keeps a body buffer, which mail from elsewhere needs too, by
/// sending an octet now and then.
fn pause(begun: Instant, taken_bytes: u64) -> Duration {
    let whole = CONTENT_BASE_SECS + taken_bytes / CONTENT_BYTES_PER_SEC_MIN;
    let left = Duration::from_secs(whole).saturating_sub(begun.elapsed());
    left.min(COMMAND_PAUSE)
}

/// Starts the scan as soon as the header block is there; nothing of ours is put in front.
fn scan(body: &mut Body) -> Result<(), Reply> {
    if body.is_scanned() {
        return Ok(());
    }
    if body.header() == Header::TooLarge {
        return Err(Reply::no(Code::TooBig, "the message's header is too large"));
    }
    body.start_scan(b"", Vec::new(), None);
    Ok(())
}

fn too_big() -> Reply {
    Reply::no(Code::TooBig, "the message is too large")
}
