//! What may be said when, in SMTP and submission: `step(event) -> action`, replies into a buffer.
//!
//! Pure: who a recipient is, whether a password is right and what became of a message are events. The states are
//! those of RFC 5321 section 4.1.4: no greeting, greeted, a sender, recipients, chunks of content. `R` is whatever
//! the caller wants to keep about a recipient of this box.

mod content;
mod envelope;
mod greeting;
mod login;

#[cfg(test)]
mod tests;

use crate::limits::{BAD_COMMANDS_MAX, SMTP_AUTH_LINE_BYTES_MAX, SMTP_LINE_BYTES_MAX};
use crate::wire::address::Address;
use crate::wire::line::LineFault;
use crate::wire::sasl;
use crate::wire::smtp::{Command, CommandError, Path, Reply, parse};
use zeroize::Zeroizing;

/// Which door the client came through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Port 25: mail from strangers, for this box only; no AUTH.
    Mx,
    /// Port 587: people's own programs, STARTTLS first.
    Submission,
    /// Port 465: the same under TLS from the start.
    Submissions,
}

impl Role {
    /// Port 587 or 465.
    pub fn is_submission(self) -> bool {
        self != Role::Mx
    }
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Our name.
    pub hostname: Box<str>,
    /// Largest message, octets.
    pub message_bytes_max: u64,
    /// AUTH without TLS (only on loopback).
    pub plain_text_login: bool,
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a, R> {
    /// The client is there (under TLS already with [`Role::Submissions`]) and has kept silent.
    Connected,
    /// The client spoke before it was greeted.
    EarlyTalker,
    /// A line without its CRLF.
    Line(&'a [u8]),
    /// A line that is none.
    Fault(LineFault),
    /// The handshake asked for by [`Action::StartTls`] is done.
    TlsReady,
    /// Answer to [`Action::Verify`].
    Verified(Verified),
    /// Answer to [`Action::CheckSender`].
    SenderChecked(SenderCheck),
    /// Answer to [`Action::JudgeSender`]: why nothing is taken from it, except for those in charge.
    SenderJudged(Option<Reply>),
    /// Answer to [`Action::Resolve`].
    Resolved(Resolved<R>),
    /// Answer to [`Action::OpenContent`].
    ContentOpened(Place),
    /// A chunk that was not the last one has been taken or, with the reply that says why, passed over.
    ChunkTaken(Result<u64, Reply>),
    /// The message is committed or refused; the reply says which.
    Finished(Reply),
    /// Answer to [`Action::SkipChunk`].
    Skipped,
    /// Refused content that goes on without an end.
    Endless,
    /// The deadline of a wait has passed.
    TooSlow,
    /// The server wants to stop. Told between commands only.
    Drain,
    /// The account's password was changed, or the account disabled or removed. Told between commands only.
    Revoked,
}

/// What to do next. Replies that were written are sent before any wait.
#[derive(PartialEq, Debug)]
pub enum Action {
    /// Wait for a line.
    Read,
    /// Send what was written and close.
    Close,
    /// Send what was written, drop what has come in, do the handshake.
    StartTls,
    /// Check a login.
    Verify {
        /// As given.
        user: Box<str>,
        /// As given.
        password: Zeroizing<Vec<u8>>,
    },
    /// May the login send as this address?
    CheckSender(Address),
    /// Is mail taken from this sender (None: the null path), as far as client and greeting can tell?
    JudgeSender(Option<Address>),
    /// Who is this recipient? A [`Path::Local`] is the postmaster.
    Resolve(Path),
    /// Get a place for a content.
    OpenContent,
    /// Send 354 and take content up to CRLF.CRLF, then finish the message.
    TakeData,
    /// Take so many octets of content; after the last chunk, finish the message.
    TakeChunk {
        /// Octets that follow.
        bytes: u64,
        /// Whether they are the end.
        last: bool,
    },
    /// Pass over so many octets.
    SkipChunk(u64),
}

/// What became of a login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verified {
    /// It is this account.
    Granted(Address),
    /// Wrong.
    Denied,
    /// Right, but the account is disabled.
    Disabled,
    /// Too many tries, or no place to check one.
    TryLater,
}

/// Whether a login may use an address as sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SenderCheck {
    /// Yes.
    Owned,
    /// No.
    NotOwned,
    /// We cannot say now.
    TryLater,
}

/// Who a recipient is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolved<R> {
    /// Somebody of this box.
    Known(R),
    /// In a domain of this box, but nobody.
    Unknown,
    /// Somebody who takes no mail.
    RejectListed,
    /// In a domain of somebody else.
    NotOurs,
    /// Of this box, but cannot take mail now (the mailbox is full).
    OverQuota,
    /// Too many recipients of all messages together.
    NoRoom,
    /// We cannot say now.
    TryLater,
}

/// Whether there is room for a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Yes.
    Ready,
    /// Not in time.
    Busy,
}

/// How the client greeted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// What it calls itself: one word of any characters.
    pub name: Box<str>,
    /// EHLO.
    pub extended: bool,
}

/// A message on its way.
#[derive(Debug)]
pub struct Transaction<R> {
    /// Reverse-path; None is `<>`.
    pub sender: Option<Address>,
    /// BODY=8BITMIME.
    pub eight_bit: bool,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// RET=FULL.
    pub return_full: bool,
    /// ENVID.
    pub envid: Option<Box<str>>,
    /// Accepted recipients, at most `RECIPIENTS_MAX`.
    pub recipients: Vec<Recipient<R>>,
}

/// One accepted recipient.
#[derive(Debug)]
pub struct Recipient<R> {
    /// As given; None is `<postmaster>`.
    pub address: Option<Address>,
    /// Where it goes.
    pub route: Route<R>,
    /// NOTIFY.
    pub notify: u8,
    /// ORCPT.
    pub orcpt: Option<Box<str>>,
}

impl<R> Recipient<R> {
    /// Whether those in charge of the box get it.
    pub fn is_in_charge(&self) -> bool {
        is_in_charge(self.address.as_ref())
    }
}

/// Whether an address is postmaster or abuse, who stay within reach of everybody (RFC 5321 section 4.5.1, RFC 2142
/// section 2). None is `<postmaster>`.
fn is_in_charge(address: Option<&Address>) -> bool {
    let local = address.map_or("postmaster", Address::local);
    ["postmaster", "abuse"]
        .iter()
        .any(|name| local.eq_ignore_ascii_case(name))
}

/// Where a recipient's mail goes.
#[derive(Debug)]
pub enum Route<R> {
    /// Stays here.
    Local(R),
    /// Goes out, on behalf of an authenticated sender: the one place where this is constructed is
    /// `envelope::resolved`.
    Remote,
}

/// Content by BDAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Chunks {
    /// No chunk yet.
    None,
    /// Some were taken.
    Some,
    /// One was refused: so is everything up to LAST or RSET.
    Failed,
}

/// What an answer that is still out belongs to.
#[derive(Debug)]
enum Waiting {
    Nothing,
    Sender(Box<Transaction<()>>),
    Recipient {
        address: Option<Address>,
        notify: u8,
        orcpt: Option<Box<str>>,
    },
    Data,
    Chunk {
        bytes: u64,
        last: bool,
    },
    Skip(Reply),
}

/// One connection's dialogue.
pub struct Session<R> {
    role: Role,
    terms: Terms,
    secure: bool,
    hello: Option<Hello>,
    login: Option<Address>,
    exchange: Option<sasl::Exchange>,
    mail: Option<Box<Transaction<R>>>,
    /// Why nothing is taken from the sender.
    sender_refused: Option<Reply>,
    chunks: Chunks,
    waiting: Waiting,
    bad_commands: u32,
    idle_commands: u32,
    refused_recipients: u32,
}

const SYNTAX_LF: Reply = Reply::new(
    500,
    "5.5.2",
    "Lines end with CR and LF; this one was skipped",
);
const TOO_LONG: Reply = Reply::new(500, "5.5.6", "Line too long; it was skipped");
const TOO_SLOW: Reply = Reply::new(421, "4.4.2", "Too slow; closing");
const ENDLESS: Reply = Reply::new(552, "5.3.4", "Far too large to be read; closing");
const STOPPING: Reply = Reply::new(421, "4.3.2", "Stopping for a while; come back later");
const REVOKED: Reply = Reply::new(
    421,
    "4.7.0",
    "Logged out: the password was changed, or the account disabled or removed",
);
const EARLY: Reply = Reply::new(554, "5.5.1", "You spoke before the greeting; goodbye");
const TOO_MANY_BAD: Reply = Reply::new(421, "4.7.0", "Too many errors; goodbye");
const CHATTING: Reply = Reply::new(421, "4.7.0", "Many commands and no mail; goodbye");
const CONFUSED: Reply = Reply::new(421, "4.3.0", "Lost track of the dialogue; closing");

impl<R> Session<R> {
    /// Before the greeting.
    pub fn new(role: Role, terms: Terms) -> Session<R> {
        Session {
            role,
            terms,
            secure: role == Role::Submissions,
            hello: None,
            login: None,
            exchange: None,
            mail: None,
            sender_refused: None,
            chunks: Chunks::None,
            waiting: Waiting::Nothing,
            bad_commands: 0,
            idle_commands: 0,
            refused_recipients: 0,
        }
    }

    /// Goes on by one event; replies are appended to `out`.
    pub fn step(&mut self, event: Event<'_, R>, out: &mut Vec<u8>) -> Action {
        match (
            event,
            std::mem::replace(&mut self.waiting, Waiting::Nothing),
        ) {
            (Event::Connected, _) => self.greet(out),
            (Event::EarlyTalker, _) => close(&EARLY, out),
            (Event::Endless, _) => close(&ENDLESS, out),
            (Event::TooSlow, _) => close(&TOO_SLOW, out),
            (Event::Drain, _) => close(&STOPPING, out),
            (Event::Revoked, _) => close(&REVOKED, out),
            (Event::Fault(LineFault::TooLong), _) => self.exchange_fault(&TOO_LONG, out),
            (Event::Fault(LineFault::BareLf | LineFault::BareCr), _) => {
                self.exchange_fault(&SYNTAX_LF, out)
            }
            (Event::Line(line), _) => self.line(line, out),
            (Event::TlsReady, _) => self.tls_ready(),
            (Event::Verified(verified), _) => self.verified(verified, out),
            (Event::SenderChecked(check), Waiting::Sender(mail)) => {
                self.sender_checked(check, *mail, out)
            }
            (Event::SenderJudged(refused), Waiting::Sender(mail)) => {
                self.sender_refused = refused;
                self.begin(*mail, out)
            }
            (
                Event::Resolved(resolved),
                Waiting::Recipient {
                    address,
                    notify,
                    orcpt,
                },
            ) => self.resolved(resolved, address, (notify, orcpt), out),
            (Event::ContentOpened(place), Waiting::Data) => self.data_opened(place, out),
            (Event::ContentOpened(place), Waiting::Chunk { bytes, last }) => {
                self.chunks_opened(place, bytes, last)
            }
            (Event::Skipped, Waiting::Skip(reply)) => self.answer(&reply, out),
            (Event::ChunkTaken(taken), _) => self.chunk_taken(taken, out),
            (Event::Finished(reply), _) => self.finished(&reply, out),
            // An answer that nobody asked for: our bug, and no reason to guess.
            (
                Event::SenderChecked(_)
                | Event::SenderJudged(_)
                | Event::Resolved(_)
                | Event::ContentOpened(_)
                | Event::Skipped,
                _,
            ) => close(&CONFUSED, out),
        }
    }

    /// Longest line that is taken now, CRLF counted; `start` is what has come of it.
    pub fn line_bytes_max(&self, start: &[u8]) -> usize {
        let auth = || {
            self.role.is_submission()
                && start
                    .get(..4)
                    .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"))
        };
        match self.exchange.is_some() || auth() {
            true => SMTP_AUTH_LINE_BYTES_MAX,
            false => SMTP_LINE_BYTES_MAX,
        }
    }

    /// The message on its way, from MAIL to the reply that ends it.
    pub fn transaction(&self) -> Option<&Transaction<R>> {
        self.mail.as_deref()
    }

    /// How the client greeted.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// The account that is logged in.
    pub fn login(&self) -> Option<&Address> {
        self.login.as_ref()
    }

    /// Whether content of a chunked message is being kept between commands.
    pub fn holds_chunks(&self) -> bool {
        self.chunks == Chunks::Some
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Action {
        if let Some(exchange) = self.exchange.take() {
            return self.exchange_line(exchange, line, out);
        }
        match parse(line) {
            Ok(command) => self.command(command, out),
            Err(CommandError::Refused(reply)) => self.bad(&reply, out),
            Err(CommandError::FramingLost(reply) | CommandError::OtherProtocol(reply)) => {
                close(&reply, out)
            }
        }
    }

    fn command(&mut self, command: Command<'_>, out: &mut Vec<u8>) -> Action {
        use Command as C;
        let idle = matches!(
            command,
            C::Helo(_) | C::Ehlo(_) | C::Rset | C::Noop | C::Help | C::Vrfy
        );
        if idle && self.chats() {
            return close(&CHATTING, out);
        }
        match command {
            Command::Helo(name) => self.hello_command(name, false, out),
            Command::Ehlo(name) => self.hello_command(name, true, out),
            Command::Mail(mail) => self.mail_command(mail, out),
            Command::Rcpt(rcpt) => self.rcpt_command(rcpt, out),
            Command::Data => self.data_command(out),
            Command::Bdat { bytes, last } => self.bdat_command(bytes, last, out),
            Command::Rset => {
                self.reset();
                self.answer(&Reply::new(250, "2.0.0", "Forgotten"), out)
            }
            Command::Noop => self.answer(&Reply::new(250, "2.0.0", "OK"), out),
            Command::Quit => close(&Reply::new(221, "2.0.0", "Goodbye"), out),
            Command::Help => self.help(out),
            // RFC 5321 section 7.3: neither yes nor no.
            Command::Vrfy => self.answer(
                &Reply::new(252, "2.5.0", "Cannot say; send mail and it will be seen"),
                out,
            ),
            Command::Expn => self.bad(&Reply::new(502, "5.5.1", "No lists are shown here"), out),
            Command::StartTls => self.starttls_command(out),
            Command::Auth { mechanism, initial } => self.auth_command(mechanism, initial, out),
        }
    }

    /// RSET and everything that means the same: the sender, the recipients and the content go.
    fn reset(&mut self) {
        self.mail = None;
        self.sender_refused = None;
        self.chunks = Chunks::None;
    }

    /// A reply after which the next command comes.
    fn answer(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Action {
        reply.write(out);
        Action::Read
    }

    /// A reply to a command that should not have come; the last one of too many closes.
    fn bad(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Action {
        reply.write(out);
        self.bad_commands += 1;
        match self.bad_commands >= BAD_COMMANDS_MAX {
            true => close(&TOO_MANY_BAD, out),
            false => Action::Read,
        }
    }

    /// Waits for the answer to `action`.
    fn ask(&mut self, waiting: Waiting, action: Action) -> Action {
        self.waiting = waiting;
        action
    }
}

/// A reply after which nothing comes.
fn close(reply: &Reply, out: &mut Vec<u8>) -> Action {
    reply.write(out);
    Action::Close
}
