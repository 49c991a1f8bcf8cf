//! The services: which socket leads to which session, and how they all end.
//!
//! One accept loop per listening socket, one task per connection. A session that panics ends alone: its task is
//! caught, the hook of `command/serve.rs` reports it, its place and its buffers are given back.

use super::server::Server;
use super::{imap::Imap, proxy, smtp};
use crate::config::{Config, Listen};
use crate::limits::{DRAIN_MILLIS, PORT_TRIES, TLS_HANDSHAKE_SECS};
use crate::net::conn::Conn;
use crate::net::listen::{self, BindError, BindErrorKind, Gate, Listener, Place, Welcome};
use crate::session::smtp::Role;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a listening socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Mail from elsewhere, port 25.
    Smtp,
    /// Submission with STARTTLS, port 587.
    Submission,
    /// Submission over TLS, port 465.
    Submissions,
    /// IMAP with STARTTLS, port 143.
    Imap,
    /// IMAP over TLS, port 993.
    Imaps,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 5] = [
        Service::Smtp,
        Service::Submission,
        Service::Submissions,
        Service::Imap,
        Service::Imaps,
    ];

    /// Its addresses in the configuration.
    pub fn addresses(self, listen: &Listen) -> &[SocketAddr] {
        match self {
            Service::Smtp => &listen.smtp,
            Service::Submission => &listen.submission,
            Service::Submissions => &listen.submissions,
            Service::Imap => &listen.imap,
            Service::Imaps => &listen.imaps,
        }
    }

    /// As it is called in `[listen]`, in `try --json` and in LISTEN_FDNAMES.
    pub fn name(self) -> &'static str {
        match self {
            Service::Smtp => "smtp",
            Service::Submission => "submission",
            Service::Submissions => "submissions",
            Service::Imap => "imap",
            Service::Imaps => "imaps",
        }
    }

    /// What a client hears whose address has its share of connections already; nothing where TLS comes first.
    fn refusal(self) -> &'static [u8] {
        match self {
            Service::Smtp | Service::Submission => {
                b"421 4.7.0 Too many connections from your address\r\n"
            }
            Service::Imap => b"* BYE Too many connections from your address\r\n",
            Service::Submissions | Service::Imaps => b"",
        }
    }
}

/// What to do when a port is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortTaken {
    /// Say so and give up.
    Refuse,
    /// Take the next free one (`try`).
    Next,
}

/// Bound sockets, before the runtime exists and privileges are dropped.
pub type Sockets = Vec<(Service, TcpListener)>;

/// Binds everything that is configured. An address of a family that this machine does not have is left out when its
/// service has another one.
pub fn bind(listen: &Listen, taken: PortTaken) -> Result<Sockets, BindError> {
    let mut sockets = Sockets::new();
    for service in Service::ALL {
        let mut missing = None;
        for address in service.addresses(listen) {
            let socket = match taken {
                PortTaken::Refuse => listen::bind(*address),
                PortTaken::Next => listen::bind_or_next(*address, PORT_TRIES),
            };
            match socket {
                Ok(socket) => sockets.push((service, socket)),
                Err(error) if error.kind == BindErrorKind::NoFamily => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if !sockets.iter().any(|(s, _)| *s == service) => return Err(error),
            _ => {}
        }
    }
    Ok(sockets)
}

/// The services while they run.
pub struct Running {
    /// Where each socket really listens.
    pub addresses: Vec<(Service, SocketAddr)>,
    server: Arc<Server>,
    /// Ends when the last session has dropped its sender.
    sessions: mpsc::Receiver<()>,
}

/// Starts to accept on all sockets.
pub fn start(server: &Arc<Server>, sockets: Sockets) -> io::Result<Running> {
    let config = server.config();
    let gates = Gates::new(&config);
    let imap = Imap::new(server.clone());
    let (live, sessions) = mpsc::channel(1);
    let mut addresses = Vec::new();
    for (service, socket) in sockets {
        let listener = Listener::new(socket)?;
        addresses.push((service, listener.local()));
        let door = Door {
            service,
            gate: gates.of(service).clone(),
            server: server.clone(),
            imap: imap.clone(),
            live: live.clone(),
        };
        tokio::spawn(door.accept_all(listener));
    }
    Ok(Running {
        addresses,
        server: server.clone(),
        sessions,
    })
}

impl Running {
    /// The address of the first socket of a service.
    pub fn address(&self, service: Service) -> Option<SocketAddr> {
        self.addresses
            .iter()
            .find(|(s, _)| *s == service)
            .map(|(_, address)| *address)
    }

    /// Stops accepting, lets every session come to its next safe point, and waits for that at most `DRAIN_MILLIS`.
    pub async fn drain(mut self) {
        self.server.start_drain();
        let last_one_out = self.sessions.recv();
        if tokio::time::timeout(Duration::from_millis(DRAIN_MILLIS), last_one_out)
            .await
            .is_err()
        {
            log::warn!(
                "some sessions did not come to an end in time and were cut; nothing acknowledged is lost"
            );
        }
    }
}

/// Places per kind of service: the two submission ports share theirs, so do the two IMAP ports.
struct Gates {
    smtp: Gate,
    submission: Gate,
    imap: Gate,
}

impl Gates {
    fn new(config: &Config) -> Gates {
        Gates {
            smtp: Gate::new(config.smtp_connections_max),
            submission: Gate::new(config.submission_connections_max),
            imap: Gate::new(config.imap_connections_max),
        }
    }
    fn of(&self, service: Service) -> &Gate {
        match service {
            Service::Smtp => &self.smtp,
            Service::Submission | Service::Submissions => &self.submission,
            Service::Imap | Service::Imaps => &self.imap,
        }
    }
}

/// One listening socket and where it leads.
struct Door {
    service: Service,
    gate: Gate,
    server: Arc<Server>,
    imap: Arc<Imap>,
    live: mpsc::Sender<()>,
}

impl Door {
    async fn accept_all(self, listener: Listener) {
        // The configuration of the moment: SIGHUP may change it.
        let trusts = |peer| self.server.config().checks.relay(peer).is_some();
        let welcome = Welcome {
            refusal: self.service.refusal(),
            trusts: &trusts,
        };
        loop {
            let client = tokio::select! {
                biased;
                () = self.server.drained() => return,
                accepted = listener.accept(&self.gate, welcome) => accepted,
            };
            let (server, imap, live, service) = (
                self.server.clone(),
                self.imap.clone(),
                self.live.clone(),
                self.service,
            );
            tokio::spawn(async move {
                session(server, imap, client, service).await;
                drop(live);
            });
        }
    }
}

async fn session(server: Arc<Server>, imap: Arc<Imap>, client: (Conn, Place), service: Service) {
    let Some((mut conn, place)) = proxy::unwrap(&server, client, service.refusal()).await else {
        return;
    };
    match service {
        Service::Smtp => smtp::serve(server, (conn, place), Role::Mx).await,
        Service::Submission => smtp::serve(server, (conn, place), Role::Submission).await,
        Service::Submissions => smtp::serve(server, (conn, place), Role::Submissions).await,
        Service::Imap => imap.serve(conn).await,
        Service::Imaps => {
            // A client that cannot do TLS has nothing to say on this port.
            let within = Duration::from_secs(TLS_HANDSHAKE_SECS);
            if conn.start_tls(&server.tls, within).await.is_ok() {
                imap.serve(conn).await;
            }
        }
    }
}
