//! DATA and BDAT (RFC 3030): when content may come, and what is said of it.

use super::{Action, Chunks, Place, Session, Waiting, close};
use crate::limits::REFUSED_CONTENT_TIMES_MAX;
use crate::wire::smtp::Reply;

const NO_ROOM: Reply = Reply::new(452, "4.3.1", "Too many messages at once; try again");
const MAIL_FIRST: Reply = Reply::new(503, "5.5.1", "MAIL and RCPT first");
const NO_RECIPIENTS: Reply = Reply::new(554, "5.5.1", "No recipient was accepted");

impl<R> Session<R> {
    pub(super) fn data_command(&mut self, out: &mut Vec<u8>) -> Action {
        if self.chunks != Chunks::None {
            return self.bad(&Reply::new(503, "5.5.1", "No DATA behind BDAT"), out);
        }
        match self.no_content() {
            Some(reply) => self.bad(&reply, out),
            None => self.ask(Waiting::Data, Action::OpenContent),
        }
    }

    pub(super) fn data_opened(&mut self, place: Place, out: &mut Vec<u8>) -> Action {
        match place {
            Place::Ready => {
                Reply::new(354, "", "Go on; end with CRLF.CRLF").write(out);
                Action::TakeData
            }
            Place::Busy => self.answer(&NO_ROOM, out),
        }
    }

    pub(super) fn bdat_command(&mut self, bytes: u64, last: bool, out: &mut Vec<u8>) -> Action {
        // The octets come whatever is said: all of them are read before the reply, or the connection ends.
        let endless = self
            .terms
            .message_bytes_max
            .saturating_mul(REFUSED_CONTENT_TIMES_MAX);
        if bytes > endless {
            return close(&super::ENDLESS, out);
        }
        let refusal = match self.chunks {
            Chunks::Failed => Some(Reply::new(503, "5.5.1", "A chunk was refused; RSET first")),
            Chunks::None | Chunks::Some => self.no_content(),
        };
        if let Some(reply) = refusal {
            // Chunks behind a refused one are the client's pipeline (RFC 3030 section 2), not its mistakes.
            if self.chunks != Chunks::Failed {
                self.bad_commands += 1;
            }
            if self.bad_commands >= crate::limits::BAD_COMMANDS_MAX {
                reply.write(out);
                return close(&super::TOO_MANY_BAD, out);
            }
            return self.skip(bytes, last, reply);
        }
        match self.chunks {
            Chunks::Some => Action::TakeChunk { bytes, last },
            Chunks::None | Chunks::Failed => {
                self.ask(Waiting::Chunk { bytes, last }, Action::OpenContent)
            }
        }
    }

    pub(super) fn chunks_opened(&mut self, place: Place, bytes: u64, last: bool) -> Action {
        match place {
            Place::Ready => {
                self.chunks = Chunks::Some;
                Action::TakeChunk { bytes, last }
            }
            Place::Busy => self.skip(bytes, last, NO_ROOM),
        }
    }

    pub(super) fn chunk_taken(&mut self, taken: Result<u64, Reply>, out: &mut Vec<u8>) -> Action {
        match taken {
            Ok(bytes) => {
                let text = format!("{bytes} octets taken");
                self.answer(&Reply::with_text(250, "2.0.0", text), out)
            }
            Err(reply) => {
                self.chunks = Chunks::Failed;
                self.ended(&reply, out)
            }
        }
    }

    /// The end of a message, good or bad: the next one may begin.
    pub(super) fn finished(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Action {
        self.reset();
        if !reply.is_refusal() {
            // Who delivers mail may err in between.
            self.bad_commands = 0;
            self.idle_commands = 0;
        }
        self.ended(reply, out)
    }

    fn ended(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Action {
        match reply.code {
            421 => close(reply, out),
            _ => self.answer(reply, out),
        }
    }

    /// Why no content may come now.
    fn no_content(&self) -> Option<Reply> {
        match &self.mail {
            None => Some(MAIL_FIRST),
            Some(mail) if mail.recipients.is_empty() => Some(NO_RECIPIENTS),
            Some(_) => None,
        }
    }

    fn skip(&mut self, bytes: u64, last: bool, reply: Reply) -> Action {
        match (last, &self.mail) {
            // The message is over; so is what was said of it.
            (true, _) => self.reset(),
            (false, Some(_)) => self.chunks = Chunks::Failed,
            (false, None) => {}
        }
        self.ask(Waiting::Skip(reply), Action::SkipChunk(bytes))
    }
}
