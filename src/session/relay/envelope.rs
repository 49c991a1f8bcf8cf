//! One message: MAIL, RCPT, DATA or BDAT, and what became of each recipient.

use super::{
    Action, Fate, Framing, How, Message, Recipient, Relay, Stage, State, Trouble, TroubleKind,
};
use crate::limits::RECIPIENTS_MAX;
use crate::wire::smtp::Answer;

/// The message under way.
pub(super) struct Current {
    message: Box<Message>,
    /// None: still open. Accepted ones stay open until the content is answered.
    fates: Vec<Option<Fate>>,
    accepted: Vec<bool>,
    /// Recipients that are asked for in this transaction: the first so many.
    asked: usize,
    how: How,
}

impl Current {
    fn refuse_all(&mut self, fate: &Fate) {
        for open in self.fates.iter_mut().filter(|fate| fate.is_none()) {
            *open = Some(fate.clone());
        }
    }

    /// The connection broke: what is open is tried again.
    pub(super) fn defer_open(&mut self, trouble: &Trouble, uncertain: bool) {
        self.refuse_all(&Fate::Deferred {
            trouble: trouble.clone(),
            uncertain,
        });
    }

    fn any_accepted(&self) -> bool {
        self.accepted.contains(&true)
    }
}

impl Relay {
    pub(super) fn message(&mut self, message: Box<Message>, out: &mut Vec<u8>) -> Action {
        let most = self.can.recipients_max.unwrap_or(RECIPIENTS_MAX);
        let asked = message.recipients.len().min(most.min(RECIPIENTS_MAX));
        let seven_bit = !self.can.eight_bit && (message.eight_bit || message.long_lines)
            || message.long_lines && !self.can.chunking;
        let chunk = self.can.chunking && !seven_bit;
        let mut current = Current {
            fates: vec![None; message.recipients.len()],
            accepted: vec![false; message.recipients.len()],
            asked,
            how: How {
                framing: if chunk { Framing::Chunk } else { Framing::Dots },
                seven_bit,
            },
            message,
        };
        for late in current.fates.iter_mut().skip(asked) {
            *late = Some(Fate::TooMany);
        }
        self.sent += 1;
        if let Some(kind) = self.cannot_take(&current.message) {
            current.refuse_all(&Fate::Failed(Trouble {
                stage: Stage::Mail,
                kind,
            }));
            self.current = Some(current);
            return self.tell(false);
        }
        self.write_mail(&current.message, current.how.seven_bit, out);
        if self.can.pipelining {
            for recipient in current.message.recipients.iter().take(asked) {
                self.write_rcpt(recipient, out);
            }
        }
        self.current = Some(current);
        self.state = State::Envelope(0);
        Action::Read
    }

    /// What the server would refuse for certain.
    fn cannot_take(&self, message: &Message) -> Option<TroubleKind> {
        if needs_utf8(message) && !self.can.smtputf8 {
            return Some(TroubleKind::NoUtf8);
        }
        match self.can.size {
            Some(most) if most > 0 && message.bytes > most => Some(TroubleKind::TooLarge(most)),
            _ => None,
        }
    }

    fn write_mail(&self, message: &Message, seven_bit: bool, out: &mut Vec<u8>) {
        let path = message.sender.as_ref().map(ToString::to_string);
        let mut line = format!("MAIL FROM:<{}>", path.unwrap_or_default());
        if self.can.size.is_some() {
            line += &format!(" SIZE={}", message.bytes);
        }
        if message.eight_bit && self.can.eight_bit && !seven_bit {
            line += " BODY=8BITMIME";
        }
        if needs_utf8(message) {
            line += " SMTPUTF8";
        }
        if self.can.dsn {
            match message.ret_full {
                Some(true) => line += " RET=FULL",
                Some(false) => line += " RET=HDRS",
                None => {}
            }
            if let Some(envid) = &message.envid {
                line += &format!(" ENVID={envid}");
            }
        }
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn write_rcpt(&self, recipient: &Recipient, out: &mut Vec<u8>) {
        let mut line = format!("RCPT TO:<{}>", recipient.address);
        if self.can.dsn {
            let names = [(1, "NEVER"), (2, "SUCCESS"), (4, "FAILURE"), (8, "DELAY")];
            let wanted: Vec<&str> = names
                .iter()
                .filter(|(bit, _)| recipient.notify & bit != 0)
                .map(|(_, name)| *name)
                .collect();
            if !wanted.is_empty() {
                line += &format!(" NOTIFY={}", wanted.join(","));
            }
            if let Some(orcpt) = &recipient.orcpt {
                line += &format!(" ORCPT={orcpt}");
            }
        }
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// The answer to MAIL (number 0) or to the number-th RCPT.
    pub(super) fn envelope(&mut self, number: usize, answer: Answer, out: &mut Vec<u8>) -> Action {
        let Some(current) = &mut self.current else {
            return self.broken(TroubleKind::Said(answer));
        };
        match number.checked_sub(1) {
            None if !answer.is_positive() => {
                let fate = refused(Stage::Mail, answer);
                current.refuse_all(&fate);
            }
            None => {}
            Some(index) => current.note(index, answer),
        }
        let refused_at_mail = !current.fates.contains(&None) && !current.any_accepted();
        if number < current.asked && (self.can.pipelining || !refused_at_mail) {
            if !self.can.pipelining
                && let Some(next) = current.message.recipients.get(number).cloned()
            {
                self.write_rcpt(&next, out);
            }
            self.state = State::Envelope(number + 1);
            return Action::Read;
        }
        self.content_or_reset(out)
    }

    fn content_or_reset(&mut self, out: &mut Vec<u8>) -> Action {
        let Some(current) = &self.current else {
            return self.close(None);
        };
        if !current.any_accepted() {
            out.extend_from_slice(b"RSET\r\n");
            self.state = State::Rset;
            return Action::Read;
        }
        match current.how.framing {
            Framing::Chunk => {
                out.extend_from_slice(
                    format!("BDAT {} LAST\r\n", current.message.bytes).as_bytes(),
                );
                self.state = State::Content;
                Action::SendContent(current.how)
            }
            Framing::Dots => {
                out.extend_from_slice(b"DATA\r\n");
                self.state = State::Data;
                Action::Read
            }
        }
    }

    pub(super) fn data(&mut self, answer: Answer, out: &mut Vec<u8>) -> Action {
        let Some(current) = &mut self.current else {
            return self.broken(TroubleKind::Said(answer));
        };
        if answer.code == 354 {
            self.state = State::Content;
            return Action::SendContent(current.how);
        }
        if answer.code < 400 {
            return self.broken(TroubleKind::Said(answer));
        }
        current.refuse_all(&refused(Stage::Data, answer));
        out.extend_from_slice(b"RSET\r\n");
        self.state = State::Rset;
        Action::Read
    }

    pub(super) fn end(&mut self, answer: Answer) -> Action {
        let Some(current) = &mut self.current else {
            return self.broken(TroubleKind::Said(answer));
        };
        let dsn = self.can.dsn;
        let fate = match answer.code {
            200..=299 => Fate::Delivered { answer, dsn },
            _ => refused(Stage::End, answer),
        };
        current.refuse_all(&fate);
        self.tell(false)
    }

    /// Tells the fates of the message under way; `gone`: there is no connection any more.
    pub(super) fn tell(&mut self, gone: bool) -> Action {
        let fates = self.current.take().map_or(Vec::new(), |current| {
            let open = Fate::Deferred {
                trouble: Trouble {
                    stage: Stage::Mail,
                    kind: TroubleKind::Closed,
                },
                uncertain: false,
            };
            let told = current.fates.into_iter();
            told.map(|fate| fate.unwrap_or_else(|| open.clone()))
                .collect()
        });
        self.state = State::Told(gone);
        Action::Fates(fates)
    }
}

impl Current {
    fn note(&mut self, index: usize, answer: Answer) {
        let earlier = self.any_accepted();
        let (Some(fate), Some(accepted)) =
            (self.fates.get_mut(index), self.accepted.get_mut(index))
        else {
            return;
        };
        if fate.is_some() {
            // MAIL was refused: what the server says of recipients means nothing.
            return;
        }
        // RFC 5321 section 4.5.3.1.10: 552 is meant as 452 here.
        let too_many = matches!(answer.code, 451 | 452) && answer.has_status(5, 3)
            || matches!(answer.code, 452 | 552) && earlier && answer.status.is_none();
        match answer.code {
            200..=299 => *accepted = true,
            _ if too_many && earlier => *fate = Some(Fate::TooMany),
            _ => *fate = Some(refused(Stage::Rcpt, answer)),
        }
    }
}

fn refused(stage: Stage, answer: Answer) -> Fate {
    let permanent = answer.is_permanent();
    let trouble = Trouble {
        stage,
        kind: TroubleKind::Said(answer),
    };
    match permanent {
        true => Fate::Failed(trouble),
        false => Fate::Deferred {
            trouble,
            uncertain: false,
        },
    }
}

fn needs_utf8(message: &Message) -> bool {
    let sender = message.sender.iter();
    let mut all = sender.chain(
        message
            .recipients
            .iter()
            .map(|recipient| &recipient.address),
    );
    message.utf8_header || !all.all(|address| address.is_ascii())
}
