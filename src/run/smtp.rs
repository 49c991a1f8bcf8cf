//! One SMTP or submission connection: carries out what `session/smtp` decides.

use super::authentic::sane_seconds;
use super::body::Share;
use super::lanes::now_millis;
use super::login::{LoggedIn, LoginRefused};
use super::quota;
use super::receive::{Envelope, Incoming, Known, owns_all, skip};
use super::server::Server;
use crate::config::Config;
use crate::config::checks::Trust;
use crate::limits::{
    BODY_BUFFER_WAIT_SECS, LOOKUP_KEPT_SECS, LOOKUPS_KEPT_MAX, RECIPIENTS_SHARE_BYTES,
    SMTP_COMMAND_SECS, SMTP_CONTENT_SECS, SMTP_CROWDED_COMMAND_SECS, SMTP_REPLY_SECS,
    TLS_HANDSHAKE_SECS,
};
use crate::net::conn::Conn;
use crate::net::listen;
use crate::policy::authentic::Asked;
use crate::policy::sender::{Decision, Facts, Taken};
use crate::session::smtp::{
    Action, Event, Place, Resolved, Role, SenderCheck, Session, Terms, Verified,
};
use crate::store::StoreError;
use crate::store::state::{Resolution, Target};
use crate::wire::address::Address;
use crate::wire::line::{Framed, LineFault, LineFramer};
use crate::wire::smtp::{Path, Reply};
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

const COMMAND: Duration = Duration::from_secs(SMTP_COMMAND_SECS);
const CONTENT: Duration = Duration::from_secs(SMTP_CONTENT_SECS);
const CROWDED: Duration = Duration::from_secs(SMTP_CROWDED_COMMAND_SECS);
const REPLY: Duration = Duration::from_secs(SMTP_REPLY_SECS);
const HANDSHAKE: Duration = Duration::from_secs(TLS_HANDSHAKE_SECS);

/// Serves one client to its end. A panic in here ends this connection alone: the caller spawns a task for each.
pub async fn serve(server: Arc<Server>, client: (Conn, listen::Place), role: Role) {
    let mut dialogue = Dialogue::new(&server, client, role);
    if let Err(error) = dialogue.run().await {
        log::debug!("{role:?} {}: {error}", dialogue.conn.peer());
    }
    dialogue.conn.close().await;
}

struct Dialogue<'s> {
    server: &'s Server,
    config: Arc<Config>,
    conn: Conn,
    /// Its place in the service.
    place: listen::Place,
    role: Role,
    session: Session<Known>,
    framer: LineFramer,
    /// Replies on their way to the out-buffer.
    out: Vec<u8>,
    login: Option<LoggedIn>,
    /// The content of the message that is coming in.
    incoming: Option<Box<Incoming>>,
    /// What is known of the sender of the message on its way.
    taken: Option<Box<Taken>>,
    lookups: VecDeque<Lookup>,
    /// Memory for accepted recipients beyond the dialogue's share, and for the accounts behind all of them.
    recipients: Option<OwnedSemaphorePermit>,
}

/// An answer that is kept for the next message of the same connection.
struct Lookup {
    path: Path,
    known: Known,
    at: Instant,
}

/// Content that comes next.
#[derive(Clone, Copy)]
enum Piece {
    /// All of it, up to CRLF.CRLF.
    Data,
    /// So many octets.
    Chunk { bytes: u64, last: bool },
}

/// What came while a line was waited for.
enum Next {
    /// A line at `start..end` of the input; `consume` octets go with it.
    Line {
        start: usize,
        end: usize,
        consume: usize,
    },
    Fault(LineFault),
    TooSlow,
    Drain,
    Revoked,
    Ended,
}

impl<'s> Dialogue<'s> {
    fn new(server: &'s Server, client: (Conn, listen::Place), role: Role) -> Dialogue<'s> {
        let (conn, place) = client;
        let config = server.config();
        let terms = Terms {
            hostname: config.hostname.as_str().into(),
            message_bytes_max: config.message_bytes_max,
            plain_text_login: config.plain_text_login,
        };
        Dialogue {
            server,
            config,
            conn,
            place,
            role,
            session: Session::new(role, terms),
            framer: LineFramer::default(),
            out: Vec::new(),
            login: None,
            incoming: None,
            taken: None,
            lookups: VecDeque::new(),
            recipients: None,
        }
    }

    async fn run(&mut self) -> io::Result<()> {
        if self.role == Role::Submissions {
            self.conn.start_tls(&self.server.tls, HANDSHAKE).await?;
        }
        // A client that cannot wait for the greeting is no mail server.
        let first = match self.role == Role::Mx && self.speaks_early().await? {
            true => Event::EarlyTalker,
            false => Event::Connected,
        };
        let mut action = self.session.step(first, &mut self.out);
        loop {
            if !self.out.is_empty() {
                self.conn.send(&self.out, REPLY).await?;
                self.out.clear();
            }
            if action == Action::Close {
                return Ok(());
            }
            let Some(next) = self.carry_out(action).await? else {
                return Ok(());
            };
            action = next;
        }
    }

    /// Whether anything came before the greeting. Costs an honest client no time.
    async fn speaks_early(&mut self) -> io::Result<bool> {
        // The runtime looks at its sockets before it comes back.
        tokio::task::yield_now().await;
        match self.conn.fill(Duration::ZERO).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Does what the session asked for and tells it what came of it. None at the end of the connection.
    async fn carry_out(&mut self, action: Action) -> io::Result<Option<Action>> {
        let event = match action {
            Action::Read => return self.read().await,
            Action::Close => return Ok(None),
            Action::StartTls => {
                self.conn.flush(REPLY).await?;
                self.conn.start_tls(&self.server.tls, HANDSHAKE).await?;
                self.framer = LineFramer::default();
                // What was proven in plain text (`plain_text_login`) is forgotten with the rest.
                self.login = None;
                Event::TlsReady
            }
            Action::Verify { user, password } => {
                Event::Verified(self.verify(&user, &password).await)
            }
            Action::CheckSender(sender) => Event::SenderChecked(self.check_sender(sender).await),
            Action::JudgeSender(sender) => Event::SenderJudged(self.judge_sender(sender).await),
            Action::Resolve(path) => Event::Resolved(self.resolve(path).await),
            Action::OpenContent => Event::ContentOpened(self.open_content().await),
            Action::TakeData => {
                self.conn.flush(REPLY).await?;
                return self.take(Piece::Data).await.map(Some);
            }
            Action::TakeChunk { bytes, last } => {
                return self.take(Piece::Chunk { bytes, last }).await.map(Some);
            }
            Action::SkipChunk(bytes) => {
                self.incoming = None;
                match skip(&mut self.conn, bytes).await {
                    Ok(()) => Event::Skipped,
                    Err(error) => self.content_error(error)?,
                }
            }
        };
        Ok(Some(self.session.step(event, &mut self.out)))
    }

    /// Waits for a line and hands it on.
    async fn read(&mut self) -> io::Result<Option<Action>> {
        if !self.session.holds_chunks() {
            // RSET, a new greeting or a refused chunk: the content is no longer wanted.
            self.incoming = None;
        }
        if self.session.transaction().is_none() {
            self.recipients = None;
            self.taken = None;
        }
        let event = match self.next().await? {
            Next::Line {
                start,
                end,
                consume,
            } => {
                let line = self.conn.input().get(start..end).unwrap_or_default();
                let action = self.session.step(Event::Line(line), &mut self.out);
                self.conn.consume(consume);
                return Ok(Some(action));
            }
            Next::Fault(fault) => Event::Fault(fault),
            Next::TooSlow => Event::TooSlow,
            Next::Drain => Event::Drain,
            Next::Revoked => Event::Revoked,
            Next::Ended => return Ok(None),
        };
        Ok(Some(self.session.step(event, &mut self.out)))
    }

    async fn next(&mut self) -> io::Result<Next> {
        let since = Instant::now();
        loop {
            if self
                .login
                .as_ref()
                .is_some_and(|login| login.watch.is_revoked())
            {
                return Ok(Next::Revoked);
            }
            let window = self.conn.input();
            let bytes_max = self.session.line_bytes_max(window);
            match self.framer.next(window, bytes_max) {
                Framed::Line { line, consume } => {
                    let end = consume - 2;
                    return Ok(Next::Line {
                        start: end - line.len(),
                        end,
                        consume,
                    });
                }
                Framed::Fault { fault, consume } => {
                    self.conn.consume(consume);
                    return Ok(Next::Fault(fault));
                }
                Framed::More { consume } => self.conn.consume(consume),
            }
            if let Some(end) = self.wait(since).await? {
                return Ok(end);
            }
        }
    }

    /// Waits for more input, or for a reason to stop waiting. Replies leave first: whoever pipelines gets them in
    /// one piece. A whole line must come within the deadline that began at `since`, not only its next octet.
    async fn wait(&mut self, since: Instant) -> io::Result<Option<Next>> {
        self.conn.flush(REPLY).await?;
        let waited = since.elapsed();
        let patience = match &self.incoming {
            Some(incoming) => incoming.patience().min(CONTENT.saturating_sub(waited)),
            None => COMMAND.saturating_sub(waited),
        };
        if self.is_in_the_way() && waited >= CROWDED {
            return Ok(Some(Next::TooSlow));
        }
        // The service may fill up meanwhile: it is looked at from time to time.
        let look = patience.min(CROWDED);
        let login = self.login.as_mut();
        let revoked = async {
            match login {
                Some(login) => login.watch.revoked().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.server.drained() => Ok(Some(Next::Drain)),
            () = revoked => Ok(Some(Next::Revoked)),
            filled = self.conn.fill(look) => match filled {
                Ok(0) => Ok(Some(Next::Ended)),
                Ok(_) => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::TimedOut && look < patience => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(Some(Next::TooSlow)),
                Err(error) => Err(error),
            },
        }
    }

    /// A stranger who holds a place that others wait for.
    fn is_in_the_way(&self) -> bool {
        self.login.is_none() && self.place.is_last()
    }

    async fn verify(&mut self, user: &str, password: &[u8]) -> Verified {
        let peer = self.conn.peer().ip();
        let now = std::time::Instant::now();
        match Box::pin(self.server.login.verify(peer, user, password, now)).await {
            Ok(login) => {
                let name = login.name.clone();
                self.login = Some(login);
                Verified::Granted(name)
            }
            Err(LoginRefused::Wrong) => Verified::Denied,
            Err(LoginRefused::Disabled) => Verified::Disabled,
            Err(LoginRefused::TryLater) => Verified::TryLater,
            Err(LoginRefused::Trouble(why)) => {
                log::warn!("a login cannot be checked: {why}");
                Verified::TryLater
            }
        }
    }

    async fn check_sender(&mut self, sender: Address) -> SenderCheck {
        let Some(login) = &self.login else {
            return SenderCheck::NotOwned;
        };
        if login.name == sender {
            return SenderCheck::Owned;
        }
        match owns_all(&self.server.lanes, login.account, vec![sender]).await {
            Ok(true) => SenderCheck::Owned,
            Ok(false) => SenderCheck::NotOwned,
            Err(error) => {
                log::warn!("cannot look up who owns an address: {error}");
                SenderCheck::TryLater
            }
        }
    }

    /// Why nothing is taken from a sender. What else is known of it stays for the verdict on the content.
    async fn judge_sender(&mut self, sender: Option<Address>) -> Option<Reply> {
        if self.relay() == Some(Trust::Received) {
            // Who stands behind it is not known yet.
            return None;
        }
        let facts = Facts {
            asked: Asked {
                client: self.conn.peer().ip(),
                helo: self.session.hello().map_or("", |hello| &*hello.name),
                sender: sender.as_ref(),
                hostname: self.config.hostname.as_str(),
                now_seconds: sane_seconds(now_millis().div_euclid(1000)),
            },
            own_address: Some(self.conn.local().ip()),
        };
        let judging = self.server.authentic.sender(&self.config.access, &facts);
        match Box::pin(judging).await {
            Decision::Take(taken) => {
                self.taken = Some(Box::new(taken));
                None
            }
            Decision::Refuse(refusal) => {
                let sender = facts.asked.sender.map(Address::to_string);
                let sender = sender.unwrap_or_default();
                log::info!(
                    "<{sender}> from [{}] refused: {}",
                    facts.asked.client,
                    refusal.reason
                );
                Some(refusal.reply)
            }
        }
    }

    /// Who a recipient is, with memory for the accounts behind it.
    async fn resolve(&mut self, path: Path) -> Resolved<Known> {
        let answer = self.lookup(path).await;
        let behind: usize = match &answer {
            Resolved::Known(targets) => targets.iter().map(target_bytes).sum(),
            // Somebody elsewhere, if the sender may.
            Resolved::NotOurs if self.login.is_some() => 0,
            _ => return answer,
        };
        let (held, new) = self.session.recipients_bytes();
        let bytes = behind + new.min((held + new).saturating_sub(RECIPIENTS_SHARE_BYTES));
        let Some(permit) = self.server.bodies.recipients(bytes) else {
            return Resolved::NoRoom;
        };
        match &mut self.recipients {
            Some(all) => all.merge(permit),
            none => *none = Some(permit),
        }
        answer
    }

    /// Asks the store, or what it said to this connection a moment ago.
    async fn lookup(&mut self, path: Path) -> Resolved<Known> {
        let now = Instant::now();
        let fresh = |at: Instant| now.duration_since(at).as_secs() < LOOKUP_KEPT_SECS;
        self.lookups.retain(|lookup| fresh(lookup.at));
        if let Some(lookup) = self.lookups.iter().find(|lookup| lookup.path == path) {
            return Resolved::Known(lookup.known.clone());
        }
        let (asked, hostname) = (path.clone(), self.config.hostname.clone());
        let (separator, quota) = (self.config.detail_separator, self.config.quota_bytes);
        let resolution: Result<(Resolution, bool), StoreError> = self
            .server
            .lanes
            .peek(move |reader| {
                let state = reader.state();
                state.set_detail_separator(separator);
                let resolution = match &asked {
                    Path::Address(address) => state.resolve_on(&hostname, address)?,
                    Path::Local(_) | Path::Null => state.postmaster()?,
                };
                let full = match &resolution {
                    Resolution::Known(targets) => quota::all_full(reader, targets, quota)?,
                    _ => false,
                };
                Ok((resolution, full))
            })
            .await;
        match resolution {
            // Not remembered: it may have room again a moment later.
            Ok((_, true)) => Resolved::OverQuota,
            Ok((Resolution::Known(targets), false)) => {
                let known: Known = targets.into();
                self.keep_lookup(path, &known, now);
                Resolved::Known(known)
            }
            Ok((Resolution::Unknown, _)) => Resolved::Unknown,
            Ok((Resolution::RejectListed, _)) => Resolved::RejectListed,
            Ok((Resolution::NotOurs, _)) => Resolved::NotOurs,
            Err(error) => {
                log::warn!("cannot look up a recipient: {error}");
                Resolved::TryLater
            }
        }
    }

    fn keep_lookup(&mut self, path: Path, known: &Known, at: Instant) {
        if known.len() > 1 {
            return;
        }
        if self.lookups.len() >= LOOKUPS_KEPT_MAX {
            self.lookups.pop_front();
        }
        self.lookups.push_back(Lookup {
            path,
            known: known.clone(),
            at,
        });
    }

    async fn open_content(&mut self) -> Place {
        let share = match self.role {
            Role::Mx => Share::Strangers,
            Role::Submission | Role::Submissions => Share::Accounts,
        };
        let within = Duration::from_secs(BODY_BUFFER_WAIT_SECS);
        match self.server.bodies.body(share, within).await {
            Some(body) => {
                let incoming = Incoming::new(body, self.role, self.config.message_bytes_max);
                self.incoming = Some(Box::new(incoming));
                Place::Ready
            }
            None => Place::Busy,
        }
    }

    async fn take(&mut self, piece: Piece) -> io::Result<Action> {
        let Some(mut incoming) = self.incoming.take() else {
            return Ok(Action::Close);
        };
        let envelope = envelope(
            &self.session,
            self.login.as_ref(),
            (&self.config, self.server, self.taken.as_deref()),
            self.client(),
        );
        let Some(envelope) = envelope else {
            return Ok(Action::Close);
        };
        let (conn, lanes) = (&mut self.conn, &self.server.lanes);
        let taken = match piece {
            Piece::Data => Box::pin(incoming.take_data(conn, lanes, &envelope)).await,
            Piece::Chunk { bytes, .. } => {
                Box::pin(incoming.take_chunk(conn, bytes, lanes, &envelope)).await
            }
        };
        let event = match (taken, piece) {
            (Ok(()), Piece::Chunk { bytes, last: false }) => match incoming.refusal() {
                Some(reply) => Event::ChunkTaken(Err(reply)),
                None => {
                    self.incoming = Some(incoming);
                    Event::ChunkTaken(Ok(bytes))
                }
            },
            (Ok(()), _) => Event::Finished(Box::pin(incoming.finish(lanes, &envelope)).await),
            (Err(error), _) => self.content_error(error)?,
        };
        Ok(self.session.step(event, &mut self.out))
    }

    /// What the session is told when content did not come as it should.
    fn content_error<'e>(&self, error: io::Error) -> io::Result<Event<'e, Known>> {
        match error.kind() {
            io::ErrorKind::TimedOut => Ok(Event::TooSlow),
            io::ErrorKind::QuotaExceeded => Ok(Event::Endless),
            _ => Err(error),
        }
    }

    /// How the client is trusted to tell who stands behind it.
    fn relay(&self) -> Option<Trust> {
        let relay = self.config.checks.relay(self.conn.peer().ip());
        match self.conn.proxy() {
            // A mail server of ours may come through a proxy too: then it is not the client that is judged.
            Some(_) if relay != Some(Trust::Received) => Some(Trust::Proxy),
            _ => relay,
        }
    }

    fn client(&self) -> Client {
        Client {
            role: self.role,
            peer: self.conn.peer().ip(),
            relay: self.relay(),
            tls: self.conn.tls().map(|tls| (tls.version, tls.cipher)),
        }
    }
}

fn target_bytes(target: &Target) -> usize {
    let (address, detail) = match target {
        Target::Account { name, detail, .. } => (name, detail.as_ref().map_or(0, |d| d.len())),
        Target::Remote(address) => (address, 0),
    };
    size_of::<Target>() + address.local().len() + address.domain().as_str().len() + detail
}

/// The socket's part of an envelope.
struct Client {
    role: Role,
    peer: IpAddr,
    relay: Option<Trust>,
    tls: Option<(&'static str, &'static str)>,
}

/// What a message's own fields are made of; None when there is no message, which would be a bug of ours.
fn envelope<'e>(
    session: &'e Session<Known>,
    login: Option<&'e LoggedIn>,
    (config, server, taken): (&'e Config, &'e Server, Option<&'e Taken>),
    client: Client,
) -> Option<Envelope<'e>> {
    Some(Envelope {
        mail: session.transaction()?,
        role: client.role,
        hello: session.hello(),
        peer: client.peer,
        relay: client.relay,
        tls: client.tls,
        login,
        config,
        authentic: &server.authentic,
        reports: &server.reports,
        taken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of clients may wait at once: what one costs is in the sum of `limits`.
    #[test]
    fn a_session_is_small() {
        fn size<F: Future>(_: impl Fn(Arc<Server>, (Conn, listen::Place), Role) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(serve);
        assert!(bytes <= crate::limits::SESSION_BYTES_MAX, "{bytes}");
    }
}
