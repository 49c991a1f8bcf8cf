//! Listening: a permit first, then accept.
//!
//! While a service has no permit left its next clients wait in the kernel's queue, unanswered; nothing of theirs is
//! in our memory. One address holds at most its share of the permits.

use super::conn::Conn;
use crate::limits::{ACCEPT_PAUSE_MILLIS, ADDRESS_SHARE_DIVISOR, LISTEN_BACKLOG};
use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One listening socket in the runtime.
pub struct Listener {
    socket: AsyncFd<std::net::TcpListener>,
    local: SocketAddr,
}

/// The permits of one service, shared by its listening sockets.
#[derive(Clone)]
pub struct Gate {
    permits: Arc<Semaphore>,
    callers: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_address_max: usize,
}

/// A place in a service; dropping it makes room for the next client.
pub struct Place {
    permit: OwnedSemaphorePermit,
    callers: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_address_max: usize,
    key: IpAddr,
}

/// How clients are let in.
#[derive(Clone, Copy)]
pub struct Welcome<'a> {
    /// What one hears whose address has its share already (a 421 or BYE line; empty where TLS comes first).
    pub refusal: &'a [u8],
    /// Whose address may have more than its share: others stand behind it.
    pub trusts: &'a (dyn Fn(IpAddr) -> bool + Sync),
}

impl<'a> From<&'a [u8]> for Welcome<'a> {
    fn from(refusal: &'a [u8]) -> Self {
        Welcome {
            refusal,
            trusts: &|_| false,
        }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Welcome<'a> {
    fn from(refusal: &'a [u8; N]) -> Self {
        Welcome::from(refusal.as_slice())
    }
}

/// Why an address cannot be listened on: what happened, what it means, what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindError {
    /// Whose port.
    pub address: SocketAddr,
    /// What to do about it, by program.
    pub kind: BindErrorKind,
    /// For people.
    pub text: String,
}

/// Kinds of [`BindError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindErrorKind {
    /// Another program has the port.
    InUse,
    /// This machine has no such address family (IPv6 switched off): an address like `[::]` may be left out.
    NoFamily,
    /// Anything else.
    Other,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl std::error::Error for BindError {}

/// Binds and listens (outside of the runtime, so that it can be done before privileges are dropped). An IPv6 address
/// takes IPv6 clients only; `[::]` and `0.0.0.0` stand beside each other.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    listening(address).map_err(|errno| explain(address, errno))
}

/// Binds the address, or the same one with the next free port of the following `tries`.
pub fn bind_or_next(address: SocketAddr, tries: u16) -> Result<std::net::TcpListener, BindError> {
    let mut outcome = bind(address);
    for step in 1..=tries {
        match &outcome {
            Err(error) if error.kind == BindErrorKind::InUse => {}
            _ => break,
        }
        let Some(port) = address.port().checked_add(step) else {
            break;
        };
        outcome = bind(SocketAddr::new(address.ip(), port));
    }
    outcome
}

fn listening(address: SocketAddr) -> Result<std::net::TcpListener, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket::socket(family, SockType::Stream, flags, None)?;
    // A restart must not wait for connections of the last run in TIME_WAIT.
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    socket::listen(&socket, Backlog::new(LISTEN_BACKLOG)?)?;
    Ok(std::net::TcpListener::from(socket))
}

fn explain(address: SocketAddr, errno: Errno) -> BindError {
    let port = address.port();
    let (kind, text) = match errno {
        Errno::EADDRINUSE => (
            BindErrorKind::InUse,
            format!(
                "port {port} on {} is used by another program; stop it (`ss -ltnp sport = :{port}` names it) or listen on another port",
                address.ip()
            ),
        ),
        Errno::EACCES | Errno::EPERM => (
            BindErrorKind::Other,
            format!(
                "port {port} may only be taken by a privileged program; start under systemd (`pillarbox service print`) or as root with `user` in the configuration"
            ),
        ),
        Errno::EAFNOSUPPORT => (
            BindErrorKind::NoFamily,
            format!(
                "{address} cannot be listened on: this machine has no {}",
                family_name(address)
            ),
        ),
        Errno::EADDRNOTAVAIL if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => (
            BindErrorKind::NoFamily,
            format!("{address} cannot be listened on: this machine has no IPv6"),
        ),
        Errno::EADDRNOTAVAIL => (
            BindErrorKind::Other,
            format!(
                "{} is no address of this machine; correct `[listen]` in the configuration (`ip address` shows them)",
                address.ip()
            ),
        ),
        other => (
            BindErrorKind::Other,
            format!("{address} cannot be listened on: {}", other.desc()),
        ),
    };
    BindError {
        address,
        kind,
        text,
    }
}

fn family_name(address: SocketAddr) -> &'static str {
    if address.is_ipv6() { "IPv6" } else { "IPv4" }
}

impl Gate {
    /// Room for `connections_max` clients at once; one address gets at most its share of them.
    pub fn new(connections_max: usize) -> Self {
        Gate {
            permits: Arc::new(Semaphore::new(connections_max)),
            callers: Arc::default(),
            per_address_max: connections_max.div_ceil(ADDRESS_SHARE_DIVISOR),
        }
    }

    /// Free places.
    pub fn free(&self) -> usize {
        self.permits.available_permits()
    }

    /// Counts a caller in; gives the permit back when its address has its share already.
    fn enter(&self, permit: OwnedSemaphorePermit, peer: IpAddr, share: Share) -> Option<Place> {
        let key = caller(peer);
        // The box itself, its tests and a proxy beside it come from loopback.
        let share_max = match share {
            Share::One if !key.is_loopback() => self.per_address_max,
            Share::One | Share::Any => usize::MAX,
        };
        count_in(&self.callers, key, share_max).then(|| Place {
            permit,
            callers: Arc::clone(&self.callers),
            per_address_max: self.per_address_max,
            key,
        })
    }
}

/// How many connections an address may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    /// `per_address_max`.
    One,
    /// All.
    Any,
}

/// Counts a caller in, unless it has `share_max` already.
fn count_in(callers: &Mutex<HashMap<IpAddr, usize>>, key: IpAddr, share_max: usize) -> bool {
    let mut callers = callers.lock().unwrap_or_else(PoisonError::into_inner);
    let count = callers.entry(key).or_default();
    let room = *count < share_max;
    *count += usize::from(room);
    room
}

/// Counts a caller out.
fn count_out(callers: &Mutex<HashMap<IpAddr, usize>>, key: IpAddr) {
    let mut callers = callers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Entry::Occupied(mut entry) = callers.entry(key) {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

impl Place {
    /// The place belongs to `peer`, who stands behind a proxy; false when that address has its share already.
    pub fn stands_for(&mut self, peer: IpAddr) -> bool {
        let key = caller(peer);
        let entered = count_in(&self.callers, key, self.per_address_max);
        if entered {
            count_out(&self.callers, self.key);
            self.key = key;
        }
        entered
    }

    /// Whether the service has no other place free: the next client waits for one.
    pub fn is_last(&self) -> bool {
        self.permit.semaphore().available_permits() == 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        count_out(&self.callers, self.key);
    }
}

/// What counts as one caller: an IPv4 address, or an IPv6 /64 (what one customer is given).
pub fn caller(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) if v6.is_loopback() => IpAddr::V6(v6),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

impl Listener {
    /// Puts a bound socket into the runtime that is current.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types whose descriptor may change; a TcpListener's never does"
    )]
    pub fn new(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Listener {
            local: socket.local_addr()?,
            socket: AsyncFd::with_interest(socket, Interest::READABLE)?,
        })
    }

    /// Address and port.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next client, once there is a place for it. A client whose address has its share already hears the refusal
    /// and is gone. Errors of the machine (no descriptors, no memory) are waited out. Cancel-safe.
    pub async fn accept(&self, gate: &Gate, welcome: impl Into<Welcome<'_>>) -> (Conn, Place) {
        let welcome = welcome.into();
        loop {
            // A listener that waits for its first client holds no permit: several share one gate.
            let mut ready = match self.socket.readable().await {
                Ok(ready) => ready,
                Err(error) => {
                    self.wait_out(&error).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&gate.permits).acquire_owned().await else {
                // Nobody closes the semaphore.
                return std::future::pending().await;
            };
            let (socket, peer) = match ready.try_io(|socket| accept_one(socket.get_ref())) {
                Ok(Ok(accepted)) => accepted,
                Ok(Err(error)) => {
                    drop(permit);
                    self.wait_out(&error).await;
                    continue;
                }
                // Nobody there any more.
                Err(_) => continue,
            };
            let share = match (welcome.trusts)(peer.ip()) {
                true => Share::Any,
                false => Share::One,
            };
            let Some(place) = gate.enter(permit, peer.ip(), share) else {
                log::info!(
                    "{peer} has its share of connections to {} already; refused",
                    self.local
                );
                let _ = socket.try_write(welcome.refusal);
                continue;
            };
            match Conn::new(socket) {
                Ok(conn) => return (conn, place),
                // The client went away between its SYN and now.
                Err(_) => continue,
            }
        }
    }

    async fn wait_out(&self, error: &io::Error) {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                log::warn!(
                    "no new connections on {} for a moment: {error}; raise the limit of open files (LimitNOFILE) if this repeats",
                    self.local
                );
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLIS)).await;
            }
            // ECONNABORTED and network errors belong to the client that has gone.
            _ => tokio::task::yield_now().await,
        }
    }
}

fn accept_one(socket: &std::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (accepted, peer) = socket.accept()?;
    accepted.set_nonblocking(true)?;
    Ok((TcpStream::from_std(accepted)?, peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn the_permit_comes_before_accept() {
        let listener = Listener::new(bind(any()).unwrap()).unwrap();
        let gate = Gate::new(1);
        let _first = TcpStream::connect(listener.local()).await.unwrap();
        let (_conn, place) = listener.accept(&gate, b"").await;
        let _second = TcpStream::connect(listener.local()).await.unwrap();
        tokio::select! {
            biased;
            _ = listener.accept(&gate, b"") => panic!("no permit was free"),
            _ = tokio::task::yield_now() => {}
        }
        drop(place);
        listener.accept(&gate, b"").await;
    }

    #[tokio::test]
    async fn a_listener_without_clients_holds_no_permit() {
        let gate = Gate::new(1);
        let quiet = Listener::new(bind(any()).unwrap()).unwrap();
        let busy = Listener::new(bind(any()).unwrap()).unwrap();
        let _client = TcpStream::connect(busy.local()).await.unwrap();
        tokio::select! {
            biased;
            _ = quiet.accept(&gate, b"") => panic!("nobody came here"),
            (conn, _place) = busy.accept(&gate, b"") => assert_eq!(conn.local(), busy.local()),
        }
    }

    #[tokio::test]
    async fn a_second_bind_says_who_and_the_next_port_is_taken() {
        let first = bind(any()).unwrap();
        let taken = first.local_addr().unwrap();
        let error = bind(taken).unwrap_err();
        assert_eq!(error.kind, BindErrorKind::InUse);
        assert!(error.text.contains(&taken.port().to_string()));
        // Port 65535 has no next one; the kernel gives ephemeral ports below it in practice.
        if let Ok(next) = bind_or_next(taken, 50) {
            assert!(next.local_addr().unwrap().port() > taken.port());
        }
    }

    #[tokio::test]
    async fn an_address_gets_its_share_and_no_more() {
        let gate = Gate::new(2 * ADDRESS_SHARE_DIVISOR);
        let peer: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let enter = |ip| {
            let permit = Arc::clone(&gate.permits).try_acquire_owned().unwrap();
            gate.enter(permit, ip, Share::One)
        };
        let first = enter(peer).unwrap();
        let _second = enter(neighbour).unwrap();
        assert!(enter(peer).is_none(), "the /64 has its two places");
        assert!(enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        drop(first);
        assert!(enter(peer).is_some());
        assert_eq!(gate.free(), 2 * ADDRESS_SHARE_DIVISOR - 1);
        // A proxy holds as many as it wants; each place counts for the client behind it.
        let proxied = |client: &str| {
            let permit = Arc::clone(&gate.permits).try_acquire_owned().unwrap();
            let mut place = gate.enter(permit, peer, Share::Any).unwrap();
            (place.stands_for(client.parse().unwrap()), place)
        };
        let clients = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"].map(proxied);
        assert_eq!(
            clients.each_ref().map(|(fits, _)| *fits),
            [true, true, false, true]
        );
        assert_eq!(gate.callers.lock().unwrap()[&clients[0].1.key], 2);
        drop(clients);
        assert_eq!(gate.callers.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn ipv6_and_ipv4_stand_beside_each_other() {
        let Ok(v6) = bind("[::]:0".parse().unwrap()) else {
            return;
        };
        let port = v6.local_addr().unwrap().port();
        assert!(bind(SocketAddr::new("0.0.0.0".parse().unwrap(), port)).is_ok());
    }

    #[tokio::test]
    async fn a_client_that_went_away_does_not_stop_the_listener() {
        let listener = Listener::new(bind(any()).unwrap()).unwrap();
        let gate = Gate::new(2);
        drop(TcpStream::connect(listener.local()).await.unwrap());
        let mut client = TcpStream::connect(listener.local()).await.unwrap();
        let (first, _place) = listener.accept(&gate, b"").await;
        let (second, _other) = listener.accept(&gate, b"").await;
        drop((first, second));
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
