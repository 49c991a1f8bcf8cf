//! One message from its first octet to its reply: content into a body, its header judged, the checks' verdict, the
//! delivery committed.

mod header;
mod reported;
mod verdict;

pub use header::owns_all;

use super::authentic::Authentic;
use super::body::{Body, Header};
use super::lanes::{Lanes, now_millis};
use super::login::LoggedIn;
use super::reports::Reports;
use crate::config::Config;
use crate::config::checks::Trust;
use crate::limits::{
    CONTENT_BASE_SECS, CONTENT_BYTES_PER_SEC_MIN, REFUSED_CONTENT_TIMES_MAX, SMTP_CONTENT_SECS,
    SMTP_REPLY_SECS,
};
use crate::net::conn::Conn;
use crate::policy::authentic::fields;
use crate::policy::sender::{Decision, Facts, Taken};
use crate::session::smtp::{Hello, Role, Route, Transaction};
use crate::store::change::{Delivery, LocalDelivery, RemoteDelivery};
use crate::store::row::QueueRecipient;
use crate::store::state::Target;
use crate::store::{Change, Refused, StoreError};
use crate::wire::address::Address;
use crate::wire::dot::{ContentReader, LoneLf};
use crate::wire::header::{Protocol, Received, delivered_to, return_path};
use crate::wire::imap::flag::Flags;
use crate::wire::smtp::Reply;
use header::Origin;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use verdict::{Judged, MailPlace};

/// Accounts (and, for aliases, addresses elsewhere) behind one recipient.
pub type Known = Arc<[Target]>;

const TOO_LARGE: Reply = Reply::new(552, "5.3.4", "The message is too large");
const HEADER_TOO_LARGE: Reply = Reply::new(554, "5.6.0", "The header is too large");
const NO_SPACE: Reply = Reply::new(452, "4.3.1", "No room for a large message now");
const TROUBLE: Reply = Reply::new(451, "4.3.0", "Trouble with the disk; try again");

/// Who sends a message and how: what the header fields of ours are made of.
pub struct Envelope<'a> {
    /// Sender and recipients.
    pub mail: &'a Transaction<Known>,
    /// Which port.
    pub role: Role,
    /// The client's greeting.
    pub hello: Option<&'a Hello>,
    /// The client's address.
    pub peer: IpAddr,
    /// How the client is trusted to tell who stands behind it, on port 25.
    pub relay: Option<Trust>,
    /// Version and cipher of TLS, where it is on.
    pub tls: Option<(&'static str, &'static str)>,
    /// The login, on submission.
    pub login: Option<&'a LoggedIn>,
    /// The configuration of this connection.
    pub config: &'a Config,
    /// The checks.
    pub authentic: &'a Authentic,
    /// Reports about mail.
    pub reports: &'a Reports,
    /// What is known of the sender since MAIL, on port 25.
    pub taken: Option<&'a Taken>,
}

/// A content that is coming in. Refused ones are read to their end without being kept.
pub struct Incoming {
    reader: ContentReader,
    body: Option<Body>,
    refused: Option<Reply>,
    examined: Option<Examined>,
    bytes_max: u64,
    taken_bytes: u64,
    started: Instant,
    id: String,
    received_millis: i64,
    eight_bit: bool,
}

/// What the header block led to.
struct Examined {
    /// Fields of ours that go in front for everybody, below Received.
    added: Vec<u8>,
    /// What the checks found. It stands above the Received field that it belongs to (RFC 7208 section 9.1).
    results: Vec<u8>,
    /// Whose message it is.
    origin: Origin,
    /// What the rules for senders say of who stands behind a trusted relay; at MAIL he was not known.
    behind: Option<Decision>,
}

impl Incoming {
    /// At its start. `bytes_max`: the configured size of a message.
    pub fn new(body: Body, role: Role, bytes_max: u64) -> Incoming {
        let lone_lf = match role {
            Role::Mx => LoneLf::Refuse,
            Role::Submission | Role::Submissions => LoneLf::Repair,
        };
        Incoming {
            reader: ContentReader::new(lone_lf),
            body: Some(body),
            refused: None,
            examined: None,
            bytes_max,
            taken_bytes: 0,
            started: Instant::now(),
            id: super::random::hex_id(),
            received_millis: now_millis(),
            eight_bit: false,
        }
    }

    /// How long the next octets may take.
    pub fn patience(&self) -> Duration {
        let whole = CONTENT_BASE_SECS + self.taken_bytes / CONTENT_BYTES_PER_SEC_MIN;
        let left = Duration::from_secs(whole).saturating_sub(self.started.elapsed());
        left.min(Duration::from_secs(SMTP_CONTENT_SECS))
    }

    /// Takes DATA up to CRLF.CRLF. An error ends the connection.
    pub async fn take_data(
        &mut self,
        conn: &mut Conn,
        lanes: &Lanes,
        envelope: &Envelope<'_>,
    ) -> io::Result<()> {
        loop {
            let window = self.window(conn);
            let (body, eight_bit) = (&mut self.body, &mut self.eight_bit);
            let taken = self
                .reader
                .dotted(window, &mut |piece| keep(body, eight_bit, piece));
            conn.consume(taken.consume);
            self.account(taken.consume)?;
            if taken.ended {
                return Ok(());
            }
            self.make_room(lanes, envelope).await;
            self.wait(conn).await?;
        }
    }

    /// Takes a chunk of BDAT. An error ends the connection.
    pub async fn take_chunk(
        &mut self,
        conn: &mut Conn,
        mut bytes: u64,
        lanes: &Lanes,
        envelope: &Envelope<'_>,
    ) -> io::Result<()> {
        while bytes > 0 {
            self.wait(conn).await?;
            let window = self.window(conn);
            let within = usize::try_from(bytes)
                .unwrap_or(usize::MAX)
                .min(window.len());
            let window = window.get(..within).unwrap_or_default();
            let (body, eight_bit) = (&mut self.body, &mut self.eight_bit);
            self.reader
                .counted(window, &mut |piece| keep(body, eight_bit, piece));
            conn.consume(within);
            bytes -= within as u64;
            self.account(within)?;
            self.make_room(lanes, envelope).await;
        }
        Ok(())
    }

    /// Why the content cannot be kept, as far as is known.
    pub fn refusal(&self) -> Option<Reply> {
        let faults = self.reader.faults();
        let fault = match () {
            _ if faults.nul => Some("The message holds a NUL"),
            _ if faults.bare_cr => Some("The message holds a CR without LF"),
            _ if faults.bare_lf => Some("The message holds a LF without CR"),
            _ => None,
        };
        match fault {
            Some(text) => Some(Reply::new(554, "5.6.0", text)),
            None => self.refused.clone(),
        }
    }

    /// The end of the content: examines what is left and commits. The reply is final.
    pub async fn finish(mut self, lanes: &Lanes, envelope: &Envelope<'_>) -> Reply {
        self.reader.finish_counted();
        if self.refusal().is_none() {
            self.examine(lanes, envelope).await;
        }
        if let Some(reply) = self.refusal() {
            return reply;
        }
        let (Some(mut body), Some(mut examined)) = (self.body.take(), self.examined.take()) else {
            return TROUBLE;
        };
        let checks = match body.seal(lanes).await {
            Ok(checks) => checks,
            Err(error) => return no_space(&error),
        };
        let mut judged = Judged::default();
        if let Some(checks) = checks {
            let found = envelope.authentic.finish(checks).await;
            let seconds = self.received_millis.div_euclid(1000);
            let asked = examined.origin.asked(envelope, seconds);
            judged = verdict::judge(&found, &asked, examined.behind.as_ref(), envelope);
            fields::write(&mut examined.results, &asked, &found.verdicts);
        }
        if let Some(reply) = judged.refused {
            judged.reported.count(envelope);
            log::info!(
                "{}: refused with {} {}",
                self.line(envelope),
                reply.code,
                judged.why
            );
            return reply;
        }
        let bytes = body.bytes();
        let message = match body.finish(lanes, self.received_millis).await {
            Ok(message) => message,
            Err(error) => return no_space(&error),
        };
        let attached = judged.reported.attached(&message.summary, envelope);
        let delivery = Delivery {
            message,
            locals: self.locals(&examined, judged.place, envelope),
            remote: self.remote(&examined, envelope),
        };
        let committed = lanes.commit(Change::Deliver(Box::new(delivery))).await;
        match committed {
            Ok(done) => {
                judged.reported.delivered(attached, &done, envelope);
                let recipients = envelope.mail.recipients.len();
                log::info!(
                    "{}: {bytes} octets for {recipients} recipients{}",
                    self.line(envelope),
                    judged.why
                );
                Reply::with_text(250, "2.0.0", format!("Kept as {}", self.id))
            }
            Err(refused) => reply_to(&refused),
        }
    }

    /// How a line of the log about this message begins.
    fn line(&self, envelope: &Envelope<'_>) -> String {
        let sender = envelope.mail.sender.as_ref().map(Address::to_string);
        let sender = sender.unwrap_or_default();
        format!("mail {} from <{sender}> [{}]", self.id, envelope.peer)
    }

    /// As much of the input as fits into the buffer, even if each LF becomes two octets.
    fn window<'c>(&self, conn: &'c Conn) -> &'c [u8] {
        let input = conn.input();
        let room = self
            .body
            .as_ref()
            .map_or(input.len(), |body| body.room() / 2);
        input.get(..room.min(input.len())).unwrap_or_default()
    }

    /// Counts what came, and ends the connection of a peer that never stops.
    fn account(&mut self, bytes: usize) -> io::Result<()> {
        self.taken_bytes += bytes as u64;
        if self
            .body
            .as_ref()
            .is_some_and(|body| body.bytes() > self.bytes_max)
        {
            self.refuse(TOO_LARGE);
        }
        if self.reader.faults().any() {
            self.body = None;
        }
        match self.taken_bytes > self.bytes_max.saturating_mul(REFUSED_CONTENT_TIMES_MAX) {
            true => Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "endless content",
            )),
            false => Ok(()),
        }
    }

    fn refuse(&mut self, reply: Reply) {
        self.refused.get_or_insert(reply);
        self.body = None;
    }

    /// Waits for input when there is none.
    async fn wait(&mut self, conn: &mut Conn) -> io::Result<()> {
        match conn.input().is_empty() {
            true => more(conn, self.patience()).await,
            false => Ok(()),
        }
    }

    /// Spills a full buffer, after its header was examined.
    async fn make_room(&mut self, lanes: &Lanes, envelope: &Envelope<'_>) {
        if !self.body.as_ref().is_some_and(Body::is_full) {
            return;
        }
        if self.examined.is_none() {
            self.examine(lanes, envelope).await;
        }
        if let Some(body) = &mut self.body
            && let Err(error) = body.spill(lanes).await
        {
            self.refuse(no_space(&error));
        }
    }

    /// Judges the header block and starts the scan, once.
    async fn examine(&mut self, lanes: &Lanes, envelope: &Envelope<'_>) {
        if self.examined.is_some() {
            return;
        }
        let Some(body) = &mut self.body else {
            return;
        };
        let seconds = self.received_millis.div_euclid(1000);
        let mut origin = Origin::of(envelope);
        let (mut checks, mut behind) = (None, None);
        let examined = match (body.header(), envelope.login) {
            (Header::TooLarge, _) => Err(HEADER_TOO_LARGE),
            (Header::Block(block), Some(login)) => {
                let from = (login, &*self.id, seconds);
                header::submitted(block, from, envelope, lanes).await
            }
            (Header::Block(block), None) => {
                let examined = header::incoming(block, envelope);
                if examined.is_ok() {
                    let authentic = envelope.authentic;
                    if envelope.relay == Some(Trust::Received) {
                        origin = origin.behind(block, &envelope.config.checks);
                        let facts = Facts {
                            asked: origin.asked(envelope, seconds),
                            own_address: None,
                        };
                        behind = Some(authentic.sender(&envelope.config.access, &facts).await);
                    }
                    let asked = origin.asked(envelope, seconds);
                    checks = Some(authentic.at_header(&asked, block).await);
                }
                examined
            }
        };
        match examined {
            Ok((added, cuts)) => {
                body.start_scan(&added, cuts, checks);
                self.examined = Some(Examined {
                    added,
                    results: Vec::new(),
                    origin,
                    behind,
                });
            }
            Err(reply) => self.refuse(reply),
        }
    }

    /// One copy for each account, whatever number of addresses led to it.
    fn locals(
        &self,
        examined: &Examined,
        place: MailPlace,
        envelope: &Envelope<'_>,
    ) -> Vec<LocalDelivery> {
        let mut locals: Vec<LocalDelivery> = Vec::new();
        let received = self.received(envelope);
        for recipient in &envelope.mail.recipients {
            let Route::Local(targets) = &recipient.route else {
                continue;
            };
            for target in targets.iter() {
                let Target::Account { account, name, .. } = target else {
                    continue;
                };
                if locals.iter().any(|local| local.account == *account) {
                    continue;
                }
                let mut prefix =
                    Vec::with_capacity(384 + examined.results.len() + examined.added.len());
                return_path(&mut prefix, envelope.mail.sender.as_ref());
                delivered_to(
                    &mut prefix,
                    name,
                    recipient.address.as_ref().unwrap_or(name),
                );
                prefix.extend_from_slice(&examined.results);
                prefix.extend_from_slice(&received);
                prefix.extend_from_slice(&examined.added);
                locals.push(LocalDelivery {
                    account: *account,
                    into: place.into(),
                    prefix,
                    flags: Flags::default(),
                });
            }
        }
        locals
    }

    /// One queue entry for everybody elsewhere.
    fn remote(&self, examined: &Examined, envelope: &Envelope<'_>) -> Option<RemoteDelivery> {
        let mail = envelope.mail;
        let mut recipients: Vec<QueueRecipient> = Vec::new();
        let mut add = |address: &Address, notify, orcpt: &Option<Box<str>>| {
            if !recipients.iter().any(|known| known.address == *address) {
                recipients.push(QueueRecipient {
                    address: address.clone(),
                    notify,
                    orcpt: orcpt.clone(),
                });
            }
        };
        for recipient in &mail.recipients {
            match (&recipient.route, &recipient.address) {
                (Route::Remote, Some(address)) => {
                    add(address, recipient.notify, &recipient.orcpt);
                }
                (Route::Remote, None) => {}
                (Route::Local(targets), _) => {
                    for target in targets.iter() {
                        if let Target::Remote(address) = target {
                            add(address, recipient.notify, &recipient.orcpt);
                        }
                    }
                }
            }
        }
        if recipients.is_empty() {
            return None;
        }
        let mut prefix = examined.results.clone();
        prefix.extend_from_slice(&self.received(envelope));
        prefix.extend_from_slice(&examined.added);
        Some(RemoteDelivery {
            sender: mail.sender.clone(),
            account: envelope.login.map(|login| login.account),
            prefix,
            recipients,
            envid: mail.envid.clone(),
            return_full: mail.return_full,
            eight_bit: mail.eight_bit || self.eight_bit,
            smtputf8: mail.smtputf8,
        })
    }

    /// The Received field. Of a submission it does not say where it came from.
    fn received(&self, envelope: &Envelope<'_>) -> Vec<u8> {
        let mail = envelope.mail;
        let from = (envelope.role == Role::Mx).then(|| {
            let name = envelope.hello.map_or("", |hello| &*hello.name);
            (name, envelope.peer)
        });
        let recipient = match mail.recipients.as_slice() {
            [only] => only.address.as_ref(),
            _ => None,
        };
        let protocol = Protocol {
            extended: envelope.hello.is_some_and(|hello| hello.extended),
            secure: envelope.tls.is_some(),
            authenticated: envelope.login.is_some(),
            utf8: mail.smtputf8,
        };
        let mut field = Vec::with_capacity(256);
        Received {
            from,
            by: envelope.config.hostname.as_str(),
            with: protocol.name(),
            tls: envelope.tls,
            id: &self.id,
            recipient,
            seconds: self.received_millis.div_euclid(1000),
        }
        .write(&mut field);
        field
    }
}

/// Passes over octets that nobody wants.
pub async fn skip(conn: &mut Conn, mut bytes: u64) -> io::Result<()> {
    let started = Instant::now();
    let mut skipped = 0u64;
    while bytes > 0 {
        if conn.input().is_empty() {
            let whole = CONTENT_BASE_SECS + skipped / CONTENT_BYTES_PER_SEC_MIN;
            let left = Duration::from_secs(whole).saturating_sub(started.elapsed());
            more(conn, left.min(Duration::from_secs(SMTP_CONTENT_SECS))).await?;
        }
        let here = (conn.input().len() as u64).min(bytes);
        conn.consume(usize::try_from(here).unwrap_or(usize::MAX));
        bytes -= here;
        skipped += here;
    }
    Ok(())
}

/// Waits for octets of a content. What was said before leaves first: a client may wait for it.
async fn more(conn: &mut Conn, within: Duration) -> io::Result<()> {
    conn.flush(Duration::from_secs(SMTP_REPLY_SECS)).await?;
    match conn.fill(within).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn keep(body: &mut Option<Body>, eight_bit: &mut bool, piece: &[u8]) {
    if let Some(body) = body {
        body.push(piece);
        *eight_bit = *eight_bit || !piece.is_ascii();
    }
}

fn no_space(error: &StoreError) -> Reply {
    log::warn!("a large message cannot be kept: {error}");
    NO_SPACE
}

/// What the writer's refusal means to a peer.
fn reply_to(refused: &Refused) -> Reply {
    match refused {
        Refused::Quota => Reply::new(452, "4.2.2", "The mailbox is full"),
        Refused::DiskFull => Reply::new(452, "4.3.1", "The disk is full"),
        Refused::Limit(_) => Reply::new(452, "4.2.2", "The mailbox has no place left"),
        // An account that was removed since RCPT: the next attempt is told so for this recipient alone.
        Refused::NoSuchMailbox => Reply::new(451, "4.3.0", "A recipient has just gone; try again"),
        Refused::Disk(_) | Refused::Exists | Refused::Cannot(_) | Refused::State(_) => {
            log::error!("a message was not kept: {refused}");
            TROUBLE
        }
    }
}
