//! One connection: a bounded in-buffer and out-buffer, a deadline on every wait, plain or TLS.
//!
//! Both buffers are borrowed only while bytes are in them (see `buffer.rs`): a client in IDLE costs its socket, its
//! TLS session and its task. Nothing here knows a protocol; `fill`, `input`, `consume` and `send` are all of it.

use super::buffer::Buffer;
use super::dial::{Dialer, NoTls, Refusal, Trust, refusal};
use super::meter::Meter;
use super::tls::Acceptor;
use crate::limits::{CONN_BUFFER_BYTES, CONN_LINGER_BYTES_MAX, CONN_LINGER_MILLIS_MAX};
use nix::sys::socket::{setsockopt, sockopt};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

/// A client's connection. Dropping it closes it.
pub struct Conn {
    stream: Stream,
    peer: SocketAddr,
    local: SocketAddr,
    /// The proxy that the connection came through.
    proxy: Option<SocketAddr>,
    tls: Option<Box<TlsInfo>>,
    input: Window,
    output: Window,
}

/// What TLS agreed on, for Received (RFC 8314 section 4.1) and the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsInfo {
    /// `TLS1.3`
    pub version: &'static str,
    /// `TLS_AES_128_GCM_SHA256`
    pub cipher: &'static str,
    /// SNI as sent, in lower case.
    pub server_name: Option<Box<str>>,
}

/// How long a peer may take for what we send. A plain `Duration` is the deadline alone.
pub struct Patience<'a> {
    /// For each buffer full.
    pub within: Duration,
    /// A peer that takes nothing for so long has to go when it is in the way.
    pub pause: Duration,
    /// Whether it is in the way now; asked after each pause.
    pub in_the_way: &'a (dyn Fn() -> bool + Sync),
}

impl From<Duration> for Patience<'_> {
    fn from(within: Duration) -> Self {
        Patience {
            within,
            pause: within,
            in_the_way: &|| false,
        }
    }
}

/// Bytes `start..end` of a buffer that exists only while there are some.
#[derive(Default)]
struct Window {
    buffer: Option<Buffer>,
    start: usize,
    end: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Meter>>),
    /// A handshake that failed or was cancelled took the socket with it.
    Gone,
}

impl Conn {
    /// A connection over an accepted (or, in tests, any connected) socket, in plain text.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        // A client that vanished without a FIN is found out within 4 minutes even while nobody writes to it.
        setsockopt(&socket, sockopt::KeepAlive, &true)?;
        setsockopt(&socket, sockopt::TcpKeepIdle, &120)?;
        setsockopt(&socket, sockopt::TcpKeepInterval, &30)?;
        setsockopt(&socket, sockopt::TcpKeepCount, &4)?;
        Ok(Conn {
            peer: unmapped(socket.peer_addr()?),
            local: unmapped(socket.local_addr()?),
            stream: Stream::Plain(socket),
            proxy: None,
            tls: None,
            input: Window::default(),
            output: Window::default(),
        })
    }

    /// The client's address (an IPv4 one is never in its IPv6-mapped form).
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
    /// Ours.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
    /// The proxy that it came through, if there is one.
    pub fn proxy(&self) -> Option<SocketAddr> {
        self.proxy
    }
    /// The peer is a proxy: `peer` and `local` are the ends of the connection that it took.
    pub fn stands_for(&mut self, peer: SocketAddr, local: SocketAddr) {
        self.proxy = Some(self.peer);
        (self.peer, self.local) = (unmapped(peer), unmapped(local));
    }
    /// None while in plain text.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }
    /// Octets that have come in and are not consumed yet; at most `CONN_BUFFER_BYTES`.
    pub fn input(&self) -> &[u8] {
        self.input.bytes()
    }
    /// Marks the first `bytes` of the input as done (more than there are: all of them).
    pub fn consume(&mut self, bytes: usize) {
        self.input.consume(bytes);
    }

    /// Waits for more input (at most `within`); 0 at the end of the stream; `WouldBlock` is never seen; a full
    /// buffer (`CONN_BUFFER_BYTES`; less only while the whole server is short of buffers, but never below
    /// `CONN_BUFFER_SMALL_BYTES`) is an error of kind `StorageFull`, a passed deadline of kind `TimedOut`. Cancel-safe.
    /// A peer that ends TLS without close_notify is an error of kind `UnexpectedEof`.
    pub async fn fill(&mut self, within: Duration) -> io::Result<usize> {
        if self.input.is_full() {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the input buffer is full",
            ));
        }
        let (stream, input) = (&mut self.stream, &mut self.input);
        let read = poll_fn(|cx| poll_fill(stream, input, cx));
        timeout(within, read).await.map_err(|_| timed_out())?
    }

    /// Reads just so many octets from the front of a plain connection, past the buffers: before anything else is read,
    /// and not one octet more, for TLS may begin behind them.
    pub async fn read_front(&mut self, front: &mut [u8], within: Duration) -> io::Result<()> {
        let Stream::Plain(socket) = &mut self.stream else {
            return Err(gone());
        };
        let read = timeout(within, socket.read_exact(front)).await;
        read.map_err(|_| timed_out())?.map(|_| ())
    }

    /// Puts bytes into the out-buffer, writing whenever it is full. Each buffer full must be taken by the peer
    /// within the deadline (kind `TimedOut` otherwise). After an error or a cancelled call part of the bytes may
    /// have left: only `close` makes sense then.
    pub async fn send(
        &mut self,
        mut bytes: &[u8],
        within: impl Into<Patience<'_>>,
    ) -> io::Result<()> {
        let within = within.into();
        while !bytes.is_empty() {
            if bytes.len() >= CONN_BUFFER_BYTES && self.output.bytes().is_empty() {
                // More than a buffer full: nothing is gained by a copy of it.
                return write(&mut self.stream, Source::Slice(bytes), &within).await;
            }
            let taken = self.output.push(bytes);
            bytes = bytes.get(taken..).unwrap_or_default();
            if !bytes.is_empty() {
                self.write_out(&within).await?;
            }
        }
        Ok(())
    }

    /// Writes out what `send` has gathered; its buffer is released.
    pub async fn flush(&mut self, within: impl Into<Patience<'_>>) -> io::Result<()> {
        let within = within.into();
        self.write_out(&within).await
    }

    /// TLS from here on: after STARTTLS, or at once on the ports that start with it. Plain text that came in behind
    /// the command is dropped first (RFC 3207 section 6); what `send` gathered is written before. The handshake must
    /// end within the deadline. After an error the connection is gone; every later call fails.
    pub async fn start_tls(&mut self, tls: &Acceptor, within: Duration) -> io::Result<()> {
        self.write_out(&within.into()).await?;
        self.input.clear();
        let Stream::Plain(socket) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(gone());
        };
        // Boxed: the handshake's state would otherwise be in every session's task for its whole life.
        let handshake = Box::pin(tls.handshake(Meter::new(socket)));
        let mut stream = timeout(within, handshake)
            .await
            .map_err(|_| timed_out())??;
        stream.get_mut().0.progress();
        let asked_for = stream.get_ref().1.server_name().map(Into::into);
        self.secured(stream.into(), asked_for);
        Ok(())
    }

    /// TLS from here on, as the client of `host`: like [`Conn::start_tls`].
    pub async fn start_tls_to(
        &mut self,
        dialer: &Dialer,
        host: &str,
        trust: &Trust,
        within: Duration,
    ) -> Result<(), NoTls> {
        let broken = |error: io::Error| NoTls {
            refusal: refusal(&error),
            why: error.to_string(),
        };
        self.write_out(&within.into()).await.map_err(broken)?;
        self.input.clear();
        let Stream::Plain(socket) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(broken(gone()));
        };
        let handshake = Box::pin(dialer.handshake(Meter::new(socket), host, trust));
        let done = timeout(within, handshake).await.map_err(|_| NoTls {
            refusal: Refusal::Connection,
            why: "the TLS handshake took too long".into(),
        })?;
        let mut stream = done.map_err(broken)?;
        stream.get_mut().0.progress();
        self.secured(stream.into(), None);
        Ok(())
    }

    fn secured(&mut self, stream: TlsStream<Meter>, asked_for: Option<Box<str>>) {
        self.tls = Some(Box::new(TlsInfo::of(&stream, asked_for)));
        self.stream = Stream::Tls(Box::new(stream));
    }

    /// Sends what is left, then TLS close_notify and FIN, and waits briefly for the peer's end, because closing over
    /// unread input would send a reset and the peer might lose our last reply. Never waits longer than
    /// `CONN_LINGER_MILLIS_MAX`.
    pub async fn close(mut self) {
        let linger = Duration::from_millis(CONN_LINGER_MILLIS_MAX);
        // Nobody is left to be told of an error here.
        let _ = timeout(linger, async {
            self.write_out(&linger.into()).await?;
            self.input.clear();
            match &mut self.stream {
                Stream::Plain(socket) => {
                    socket.shutdown().await?;
                    drain(socket).await
                }
                Stream::Tls(stream) => {
                    stream.shutdown().await?;
                    drain(&mut stream.get_mut().0.socket).await
                }
                Stream::Gone => Ok(()),
            }
        })
        .await;
    }

    /// Writes the out-buffer and flushes it to the socket, as long as patience lasts.
    async fn write_out(&mut self, patience: &Patience<'_>) -> io::Result<()> {
        if self.output.bytes().is_empty() {
            return Ok(());
        }
        write(&mut self.stream, Source::Window(&mut self.output), patience).await?;
        self.output.clear();
        Ok(())
    }
}

/// What is being written; it shrinks as it leaves, so that a cancelled write can go on.
enum Source<'a> {
    Window(&'a mut Window),
    Slice(&'a [u8]),
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Source::Window(window) => window.bytes(),
            Source::Slice(slice) => slice,
        }
    }
    fn consume(&mut self, bytes: usize) {
        match self {
            Source::Window(window) => window.consume(bytes),
            Source::Slice(slice) => *slice = slice.get(bytes..).unwrap_or_default(),
        }
    }
}

/// Writes all of it and flushes it to the socket, as long as patience lasts.
async fn write(
    stream: &mut Stream,
    mut source: Source<'_>,
    patience: &Patience<'_>,
) -> io::Result<()> {
    let (mut left, mut counted) = (patience.within, source.bytes().len());
    loop {
        let before = source.bytes().len();
        let pause = patience.pause.min(left);
        match timeout(pause, poll_fn(|cx| poll_write_out(stream, &mut source, cx))).await {
            Ok(written) => return written,
            Err(_) => left -= pause,
        }
        let now = source.bytes().len();
        if counted - now >= CONN_BUFFER_BYTES {
            (left, counted) = (patience.within, now);
        }
        let deaf = now == before;
        if left.is_zero() || (deaf && (patience.in_the_way)()) {
            return Err(timed_out());
        }
    }
}

/// Writes on where the last call stopped.
fn poll_write_out(
    stream: &mut Stream,
    source: &mut Source<'_>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !source.bytes().is_empty() {
        let written = ready!(stream.poll_write(cx, source.bytes()))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        source.consume(written);
    }
    stream.poll_flush(cx)
}

/// One read into the window. Its buffer exists while it holds bytes or while a read is tried, not while waiting.
fn poll_fill(
    stream: &mut Stream,
    input: &mut Window,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = ReadBuf::new(input.space());
    let outcome = stream.poll_read(cx, &mut space);
    let read = space.filled().len();
    input.end += read;
    if input.bytes().is_empty() {
        input.clear();
    }
    ready!(outcome)?;
    Poll::Ready(Ok(read))
}

/// Reads and drops what the peer still sends, up to a bound.
async fn drain(socket: &mut TcpStream) -> io::Result<()> {
    let mut scrap = [0; 512];
    let mut left = CONN_LINGER_BYTES_MAX;
    while left > 0 {
        match socket.read(&mut scrap).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

impl Window {
    fn bytes(&self) -> &[u8] {
        let whole = self.buffer.as_deref().unwrap_or_default();
        whole.get(self.start..self.end).unwrap_or_default()
    }
    fn consume(&mut self, bytes: usize) {
        self.start = self.end.min(self.start.saturating_add(bytes));
        if self.start == self.end {
            // The buffer itself stays until the next wait: a busy connection needs it again at once.
            (self.start, self.end) = (0, 0);
        }
    }
    fn clear(&mut self) {
        *self = Window::default();
    }
    /// No room, and a larger buffer is not to be had. A small buffer that is full is exchanged here.
    fn is_full(&mut self) -> bool {
        let Some(buffer) = &mut self.buffer else {
            return false;
        };
        if self.end - self.start < buffer.len() {
            return false;
        }
        if buffer.len() < CONN_BUFFER_BYTES
            && let Some(mut large) = Buffer::large()
            && let Some(front) = large.get_mut(..buffer.len())
        {
            // Full, so that start is 0 and all of it is bytes.
            front.copy_from_slice(buffer);
            *buffer = large;
            return false;
        }
        true
    }
    /// Room behind the bytes; they move to the front when the end is reached.
    fn space(&mut self) -> &mut [u8] {
        let buffer = self.buffer.get_or_insert_with(Buffer::take);
        if self.end == buffer.len() && self.start > 0 {
            buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        buffer.get_mut(self.end..).unwrap_or_default()
    }
    /// Appends as much as fits; says how much that was.
    fn push(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let taken = space.len().min(bytes.len());
        if let (Some(to), Some(from)) = (space.get_mut(..taken), bytes.get(..taken)) {
            to.copy_from_slice(from);
        }
        self.end += taken;
        taken
    }
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, to),
            Stream::Tls(stream) => poll_decrypted(stream, cx, to),
            Stream::Gone => Poll::Ready(Err(gone())),
        }
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, from),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, from),
            Stream::Gone => Poll::Ready(Err(gone())),
        }
    }
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Gone => Poll::Ready(Err(gone())),
        }
    }
}

/// What one read of the socket brought. Not tokio-rustls' own `poll_read`: that reads on until `to` is full, and many
/// small records in a row would look to the meter as if no data came of them.
fn poll_decrypted(
    stream: &mut TlsStream<Meter>,
    cx: &mut Context<'_>,
    to: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let data = ready!(Pin::new(&mut *stream).poll_fill_buf(cx))?;
    let taken = data.len().min(to.remaining());
    to.put_slice(data.get(..taken).unwrap_or_default());
    Pin::new(&mut *stream).consume(taken);
    if taken > 0 {
        stream.get_mut().0.progress();
    }
    Poll::Ready(Ok(()))
}

impl TlsInfo {
    fn of(stream: &TlsStream<Meter>, server_name: Option<Box<str>>) -> Self {
        let session = stream.get_ref().1;
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS1.3",
            _ => "TLS",
        };
        let cipher = session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown");
        TlsInfo {
            version,
            // rustls writes TLS13_AES_128_GCM_SHA256 where the registry says TLS_AES_128_GCM_SHA256.
            cipher: match cipher {
                "TLS13_AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
                "TLS13_AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
                "TLS13_CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
                other => other,
            },
            server_name,
        }
    }
}

/// `::ffff:192.0.2.1` as the IPv4 address that it is.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer was too slow")
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the connection ended in its TLS handshake",
    )
}

#[cfg(test)]
#[path = "conn_tests.rs"]
mod tests;
