//! What we say when we hand mail on (RFC 5321 sections 3 and 4, as a client): one connection, any number of messages.
//!
//! Pure: `step(event) -> action`, commands into a buffer. MAIL and all RCPT leave together where the server can take
//! that (RFC 2920), DATA alone: a server that refused everybody never gets a content. Every recipient of every
//! message gets exactly one [`Fate`]; what is not certain is deferred, never delivered and never failed.

mod envelope;
mod greeting;
mod login;

use crate::limits::{RELAY_ANSWER_SECS, RELAY_DATA_SECS, RELAY_END_SECS, RELAY_QUIT_SECS};
use crate::wire::address::Address;
use crate::wire::smtp::{Answer, AnswerFault, Capabilities};
use zeroize::Zeroizing;

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tls {
    /// No STARTTLS, though it be offered: a handshake failed before and nothing asks for TLS.
    Never,
    /// STARTTLS where it is offered.
    Opportunistic,
    /// STARTTLS, or nothing is sent.
    Required,
    /// Under TLS from the first octet on (RFC 8314).
    Implicit,
}

/// What we log in with at a smart host; never sent without TLS.
#[derive(Clone)]
pub struct Login {
    /// User name.
    pub user: Box<str>,
    /// Password.
    pub password: Zeroizing<Box<str>>,
    /// Printable and random, for SCRAM.
    pub nonce: Box<str>,
}

/// What decides about a connection.
#[derive(Clone)]
pub struct Terms {
    /// What we call ourselves.
    pub hostname: Box<str>,
    /// See [`Tls`].
    pub tls: Tls,
    /// At a smart host.
    pub login: Option<Login>,
}

/// A message to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Reverse-path; None is `<>`.
    pub sender: Option<Address>,
    /// At least one.
    pub recipients: Vec<Recipient>,
    /// Octets of the content with CRLF, before dots are stuffed.
    pub bytes: u64,
    /// It holds octets above 127.
    pub eight_bit: bool,
    /// A line has more than 998 octets.
    pub long_lines: bool,
    /// Its header holds octets above 127 (addresses that do are seen by themselves).
    pub utf8_header: bool,
    /// ENVID as given (xtext).
    pub envid: Option<Box<str>>,
    /// RET: FULL or HDRS; None: not given.
    pub ret_full: Option<bool>,
}

/// One of its recipients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient {
    /// Who.
    pub address: Address,
    /// NOTIFY: never, success, failure, delay as bits 1, 2, 4, 8; 0: not given.
    pub notify: u8,
    /// ORCPT as given (type and xtext).
    pub orcpt: Option<Box<str>>,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The connection stands (with [`Tls::Implicit`] under TLS).
    Connected,
    /// A line of an answer, without its CRLF.
    Line(&'a [u8]),
    /// The handshake asked for by [`Action::StartTls`] is done and its certificate is what the policy wants.
    TlsReady,
    /// Answer to [`Action::NextMessage`].
    Message(Box<Message>),
    /// Answer to [`Action::NextMessage`]: there is no more for this server.
    NoMore,
    /// Answer to [`Action::SendContent`]: all of it, the final dot too, is on its way.
    ContentSent,
    /// Answer to [`Action::SendContent`]: our own copy cannot be read; what was sent has no end.
    ContentBroken,
    /// The deadline of a wait has passed.
    TooSlow,
    /// The server ended the connection.
    Closed,
}

/// What to do next. Commands that were written are sent before any wait.
#[derive(PartialEq, Debug)]
pub enum Action {
    /// Wait for a line, at most [`Relay::patience_secs`].
    Read,
    /// Do the handshake (what came in plain text behind the answer is dropped).
    StartTls,
    /// Give the next message, or say that there is none. The fates of the one before are told first.
    NextMessage,
    /// Send the content.
    SendContent(How),
    /// The message is done; then [`Action::NextMessage`] or [`Action::Close`] comes by [`Relay::after_fates`].
    Fates(Vec<Fate>),
    /// Close the connection; with what went wrong, if it was not the end of our mail.
    Close(Option<Trouble>),
}

/// How a content goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct How {
    /// Around the octets.
    pub framing: Framing,
    /// 8-bit parts and over-long lines are encoded anew: the server takes neither.
    pub seven_bit: bool,
}

/// What surrounds a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// DATA: dots stuffed, CRLF.CRLF behind it.
    Dots,
    /// BDAT: just the octets that were announced.
    Chunk,
}

/// Where in the dialogue something was said; for people and for what follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The banner.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Login,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, before the content.
    Data,
    /// While the content was on its way.
    Content,
    /// The answer to the content.
    End,
}

/// What became of one recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The server has taken the message for it. `relayed`: it cannot tell what becomes of it (no DSN).
    Delivered {
        /// The answer to the content.
        answer: Answer,
        /// The server offered DSN (RFC 3461).
        dsn: bool,
    },
    /// Not now; `uncertain`: the content was sent and no answer came, so that it may arrive twice.
    Deferred {
        /// Why.
        trouble: Trouble,
        /// See above.
        uncertain: bool,
    },
    /// Never.
    Failed(Trouble),
    /// Not in this transaction: the server takes fewer recipients at once. No attempt was made.
    TooMany,
}

/// What went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// Where.
    pub stage: Stage,
    /// What.
    pub kind: TroubleKind,
}

/// See [`Trouble`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TroubleKind {
    /// The server said so.
    Said(Answer),
    /// It said nothing in time.
    Silence,
    /// It ended the connection.
    Closed,
    /// It said what is no SMTP.
    Fault(AnswerFault),
    /// TLS is required and not offered.
    NoTls,
    /// A login is required and none of our mechanisms is offered, or TLS is missing for it.
    NoLogin,
    /// It takes no message of this size: octets that it takes.
    TooLarge(u64),
    /// It takes no addresses or headers beyond ASCII (RFC 6531).
    NoUtf8,
    /// Our own copy cannot be read.
    OurDisk,
}

/// The dialogue.
pub struct Relay {
    terms: Terms,
    state: State,
    reader: crate::wire::smtp::AnswerReader,
    can: Capabilities,
    secure: bool,
    sent: usize,
    current: Option<envelope::Current>,
    /// What the server must say at the end of SCRAM.
    verifier: Option<Box<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    Login(login::Step),
    /// Between messages.
    Idle,
    /// MAIL, or MAIL and RCPTs, were sent: the answer to this one comes next (0 is MAIL).
    Envelope(usize),
    Data,
    Content,
    End,
    Rset,
    /// The fates were told; `true`: the connection is gone.
    Told(bool),
    Quit,
    Done,
}

impl Relay {
    /// At the beginning of a connection.
    pub fn new(terms: Terms) -> Relay {
        Relay {
            secure: terms.tls == Tls::Implicit,
            terms,
            state: State::Greeting,
            reader: Default::default(),
            can: Capabilities::default(),
            sent: 0,
            current: None,
            verifier: None,
        }
    }

    /// How long the next answer may take, seconds (RFC 5321 section 4.5.3.2).
    pub fn patience_secs(&self) -> u64 {
        match self.state {
            State::Data => RELAY_DATA_SECS,
            State::End => RELAY_END_SECS,
            State::Quit => RELAY_QUIT_SECS,
            _ => RELAY_ANSWER_SECS,
        }
    }

    /// What the server can do, as far as it has said.
    pub fn capabilities(&self) -> &Capabilities {
        &self.can
    }

    /// Takes an event; commands go into `out`.
    pub fn step(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Action {
        match event {
            Event::Connected => Action::Read,
            Event::Line(line) => self.line(line, out),
            Event::TlsReady => self.tls_ready(out),
            Event::Message(message) => self.message(message, out),
            Event::NoMore => self.quit(out),
            Event::ContentSent => {
                self.state = State::End;
                Action::Read
            }
            Event::ContentBroken => self.broken(TroubleKind::OurDisk),
            Event::TooSlow => self.broken(TroubleKind::Silence),
            Event::Closed => self.broken(TroubleKind::Closed),
        }
    }

    /// After [`Action::Fates`].
    pub fn after_fates(&mut self, out: &mut Vec<u8>) -> Action {
        match self.state {
            State::Told(true) => self.close(None),
            State::Told(false) if self.can.mails_max.is_some_and(|most| self.sent >= most) => {
                self.quit(out)
            }
            _ => {
                self.state = State::Idle;
                Action::NextMessage
            }
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Action {
        let (can, hello) = (&mut self.can, self.state == State::Ehlo);
        let read = self.reader.line(line, &mut |text| {
            if hello {
                can.add(text);
            }
        });
        match read {
            Ok(None) => Action::Read,
            Ok(Some(answer)) => self.answer(answer, out),
            Err(fault) => self.broken(TroubleKind::Fault(fault)),
        }
    }

    fn answer(&mut self, answer: Answer, out: &mut Vec<u8>) -> Action {
        // RFC 5321 section 3.8: 421 ends the connection wherever it comes.
        if answer.code == 421 && self.state != State::Quit {
            return self.broken(TroubleKind::Said(answer));
        }
        match self.state {
            State::Greeting => self.greeted(answer, out),
            State::Ehlo => self.ehlo(answer, out),
            State::Helo => self.helo(answer, out),
            State::StartTls => self.starttls(answer, out),
            State::Login(step) => self.login(step, answer, out),
            State::Envelope(number) => self.envelope(number, answer, out),
            State::Data => self.data(answer, out),
            State::End => self.end(answer),
            State::Rset => match answer.is_positive() {
                true => self.tell(false),
                false => self.tell(true),
            },
            State::Quit => self.close(None),
            // An answer to nothing: the dialogue is out of step.
            State::Handshake | State::Idle | State::Content | State::Told(_) | State::Done => {
                self.broken(TroubleKind::Said(answer))
            }
        }
    }

    /// The connection cannot go on: a message under way is told its fate first.
    fn broken(&mut self, kind: TroubleKind) -> Action {
        let trouble = Trouble {
            stage: self.stage(),
            kind,
        };
        // An answer, 421 too, says that the message was not taken.
        let uncertain = self.state == State::End && !matches!(trouble.kind, TroubleKind::Said(_));
        match &mut self.current {
            Some(current) => {
                current.defer_open(&trouble, uncertain);
                self.tell(true)
            }
            None if matches!(self.state, State::Quit | State::Done | State::Told(_)) => {
                self.close(None)
            }
            None => self.close(Some(trouble)),
        }
    }

    fn stage(&self) -> Stage {
        match self.state {
            State::Greeting => Stage::Greeting,
            State::Ehlo | State::Helo => Stage::Hello,
            State::StartTls | State::Handshake => Stage::StartTls,
            State::Login(_) => Stage::Login,
            State::Idle | State::Envelope(0) | State::Rset => Stage::Mail,
            State::Envelope(_) => Stage::Rcpt,
            State::Data => Stage::Data,
            State::Content => Stage::Content,
            State::End | State::Told(_) | State::Quit | State::Done => Stage::End,
        }
    }

    fn quit(&mut self, out: &mut Vec<u8>) -> Action {
        out.extend_from_slice(b"QUIT\r\n");
        self.state = State::Quit;
        Action::Read
    }

    fn close(&mut self, trouble: Option<Trouble>) -> Action {
        self.state = State::Done;
        Action::Close(trouble)
    }
}

#[cfg(test)]
mod tests;
