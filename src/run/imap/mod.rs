//! IMAP: one task per connection. Reads a command, asks the gate whether it may run, carries it out over the lanes,
//! tells what changed in the selected mailbox, answers. One verb a file.
//!
//! Memory: an idle session holds its TLS state, this task and the numbers of its view; buffers exist while a command
//! runs. Each verb's future is boxed, so that the task is not as large as the largest of them.

mod append;
mod asked;
mod authenticate;
mod command;
mod copy;
mod cursor;
mod expunge;
mod fetch;
mod idle;
mod job;
mod list;
mod mailboxes;
mod maps;
mod message;
mod octets;
mod own;
mod places;
mod reply;
mod search;
mod select;
mod status;
mod store;
mod sync;

use crate::config::Config;
use crate::limits::{
    IMAP_ANSWER_TAIL_BYTES_MAX, IMAP_LARGE_COMMANDS_MAX, IMAP_SMALL_COMMAND_BYTES,
};
use crate::net::conn::Conn;
use crate::run::login::CredentialWatch;
use crate::run::notify::Watch;
use crate::run::server::Server;
use crate::session::imap::gate::{
    COMMAND_PAUSE, LOGIN_WITHIN, Mistakes, Privacy, State, WRITE_PAUSE, capabilities,
    command_within, patience,
};
use crate::session::imap::view::View;
use crate::store::{AccountId, MailboxId};
use crate::wire::imap::flag::Keywords;
use crate::wire::imap::frame::{Framer, Step};
use crate::wire::imap::write::{Code, Status, put_status, put_untagged};
use maps::SeqMaps;
use places::Places;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// BYE to a session whose login is no longer in force.
const REVOKED: &str = "logged out: the password was changed, or the account disabled or removed";

/// What all IMAP sessions of the process share.
pub struct Imap {
    server: Arc<Server>,
    maps: SeqMaps,
    /// Octets for FETCH and SEARCH.
    places: Places,
    /// Permits to send a large command.
    large_commands: Arc<Semaphore>,
}

impl Imap {
    /// Puts the parts together.
    pub fn new(server: Arc<Server>) -> Arc<Imap> {
        Arc::new(Imap {
            server,
            maps: SeqMaps::default(),
            places: Places::new(),
            large_commands: Arc::new(Semaphore::new(IMAP_LARGE_COMMANDS_MAX)),
        })
    }

    /// Serves one connection to its end. On the port with TLS from the start, the handshake is done already.
    pub async fn serve(self: &Arc<Imap>, conn: Conn) {
        let mut session = Session::new(self.clone(), conn);
        let end = session.run().await;
        session.finish(end).await;
    }
}

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client is gone, or does not read.
    Gone(io::Error),
    /// The client said LOGOUT, and has its answer.
    LoggedOut,
    /// We end it, with a reason.
    Bye(&'static str),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Gone(error)
    }
}

/// One connection.
struct Session {
    imap: Arc<Imap>,
    config: Arc<Config>,
    conn: Conn,
    framer: Framer,
    /// Answers on their way; empty while the session waits.
    out: Vec<u8>,
    mistakes: Mistakes,
    user: Option<Box<User>>,
    selected: Option<Box<Selected>>,
    /// Held while a large command comes in and runs.
    large: Option<OwnedSemaphorePermit>,
    /// When the connection began: a stranger has to log in some time.
    begun: Instant,
}

/// Who is logged in.
struct User {
    account: AccountId,
    watch: CredentialWatch,
    /// As last told to the client.
    keywords: Arc<Keywords>,
}

/// The selected mailbox.
struct Selected {
    mailbox: MailboxId,
    view: View,
    watch: Watch,
    /// Expunges are held back that the client has not been told of.
    held: bool,
}

impl Session {
    fn new(imap: Arc<Imap>, conn: Conn) -> Session {
        let config = imap.server.config();
        Session {
            imap,
            config,
            conn,
            framer: Framer::default(),
            out: Vec::new(),
            mistakes: Mistakes::default(),
            user: None,
            selected: None,
            large: None,
            begun: Instant::now(),
        }
    }

    async fn run(&mut self) -> End {
        let code = Code::Capability(capabilities(self.state(), self.privacy()));
        put_status(
            &mut self.out,
            "*",
            Status::Ok,
            Some(&code),
            "Pillarbox ready",
        );
        loop {
            if let Err(end) = self.one_command().await {
                return end;
            }
        }
    }

    async fn finish(mut self, end: End) {
        match end {
            End::Gone(error) => {
                log::debug!("imap {}: {error}", self.conn.peer());
                return;
            }
            End::LoggedOut => {}
            End::Bye(why) => put_untagged(&mut self.out, &format!("BYE {why}")),
        }
        // A client that is gone already does not hear it.
        if self.flush().await.is_ok() {
            self.conn.close().await;
        }
    }

    async fn one_command(&mut self) -> Result<(), End> {
        if !self.framer.in_command() {
            self.large = None;
        }
        // Whoever sends a thousand commands at once gets the answers as they come: they do not pile up here.
        self.relieve().await?;
        match self.next_step().await? {
            Step::Continue => self.out.extend_from_slice(b"+ OK\r\n"),
            Step::Command => {
                let (tag, parsed) = crate::wire::imap::command::parse(self.framer.text());
                self.framer.clear();
                self.carry_out(tag, parsed).await?;
            }
            Step::Append(literal) => Box::pin(self.append(literal)).await?,
            Step::Refused(why) => self.refuse_frame(why)?,
            Step::Hopeless => return Err(End::Bye("literal is far too large")),
            Step::More => {}
        }
        Ok(())
    }

    /// Waits until something of a command is complete.
    async fn next_step(&mut self) -> Result<Step, End> {
        let mut begun = None;
        loop {
            let step = self.feed(Framer::feed).await?;
            if step != Step::More {
                return Ok(step);
            }
            let within = if self.framer.in_command() {
                let begun = *begun.get_or_insert_with(Instant::now);
                command_within(begun.elapsed())
            } else {
                patience(self.state())
            };
            self.more_input(within).await?;
        }
    }

    /// Waits for a whole line that is no command.
    async fn next_line(&mut self) -> Result<Step, End> {
        let begun = Instant::now();
        loop {
            let step = self.feed(Framer::feed_line).await?;
            if step != Step::More {
                return Ok(step);
            }
            self.more_input(command_within(begun.elapsed())).await?;
        }
    }

    /// Gives the framer what has come in, and no more of one command than there is room for.
    async fn feed(&mut self, into: fn(&mut Framer, &[u8]) -> (usize, Step)) -> Result<Step, End> {
        loop {
            let room = self.room_for_command().await?;
            let input = self.conn.input();
            let piece = input.get(..room).unwrap_or(input);
            let (taken, step) = into(&mut self.framer, piece);
            self.conn.consume(taken);
            if step != Step::More || self.conn.input().is_empty() {
                return Ok(step);
            }
        }
    }

    /// How much longer the command may get. One that reaches `IMAP_SMALL_COMMAND_BYTES` waits for a permit; who is not
    /// logged in has no need of such commands.
    async fn room_for_command(&mut self) -> Result<usize, End> {
        let left = IMAP_SMALL_COMMAND_BYTES.saturating_sub(self.framer.text().len());
        if self.large.is_some() {
            return Ok(usize::MAX);
        }
        if left > 0 {
            return Ok(left);
        }
        if self.user.is_none() {
            return Err(End::Bye("command is too large before login"));
        }
        let permit = self.imap.large_commands.clone().acquire_owned();
        self.large = tokio::time::timeout(COMMAND_PAUSE, permit)
            .await
            .ok()
            .and_then(Result::ok);
        match self.large {
            Some(_) => Ok(usize::MAX),
            None => Err(End::Bye("too many large commands at once; try again")),
        }
    }

    /// Writes out what is to be said and waits for octets; ends when the server stops or the password changed.
    async fn more_input(&mut self, mut within: Duration) -> Result<(), End> {
        if self.user.is_none() {
            within = within.min(LOGIN_WITHIN.saturating_sub(self.begun.elapsed()));
        }
        self.flush().await?;
        self.framer.release();
        let filled = tokio::select! {
            biased;
            filled = self.conn.fill(within) => filled,
            () = revoked(&mut self.user) => return Err(End::Bye(REVOKED)),
            () = self.imap.server.drained() => return Err(End::Bye("server is stopping")),
        };
        match filled {
            Ok(0) => Err(End::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(End::Bye("nothing came for too long"))
            }
            Err(error) => Err(End::Gone(error)),
        }
    }

    /// Writes out what is to be said when it is much: whatever an answer is made of, little of it waits for a client
    /// that does not read.
    async fn relieve(&mut self) -> Result<(), End> {
        if self.out.len() > IMAP_ANSWER_TAIL_BYTES_MAX {
            self.conn.send(&self.out, WRITE_PAUSE).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Writes out what is to be said; its buffer is given back.
    async fn flush(&mut self) -> Result<(), End> {
        let out = std::mem::take(&mut self.out);
        self.conn.send(&out, WRITE_PAUSE).await?;
        // Also when there was nothing: `relieve` and a job's last slice leave octets in the connection's buffer.
        self.conn.flush(WRITE_PAUSE).await?;
        Ok(())
    }

    fn state(&self) -> State {
        match (&self.user, &self.selected) {
            (None, _) => State::NotAuthenticated,
            (Some(_), None) => State::Authenticated,
            (Some(_), Some(selected)) => State::Selected(selected.view.access),
        }
    }

    fn privacy(&self) -> Privacy {
        match (self.conn.tls(), self.config.plain_text_login) {
            (Some(_), _) => Privacy::Tls,
            (None, true) => Privacy::PlainLoginAllowed,
            (None, false) => Privacy::PlainLoginDisabled,
        }
    }
}

async fn revoked(user: &mut Option<Box<User>>) {
    match user {
        Some(user) => user.watch.revoked().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SESSION_BYTES_MAX;

    /// Hundreds of clients wait at once: what one costs while it waits is in the sum of `limits`.
    #[test]
    fn a_session_is_small() {
        fn size<F: Future>(_: impl Fn(&'static Arc<Imap>, Conn) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(Imap::serve) + size_of::<User>() + size_of::<Selected>();
        assert!(bytes <= SESSION_BYTES_MAX, "{bytes}");
    }
}
