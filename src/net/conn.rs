//! One connection: a fixed in-buffer, a bounded out-buffer, a deadline on every wait, plain or TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A client's connection. Dropping it closes it.
pub struct Conn {}

/// What TLS agreed on, for Received (RFC 8314 section 4.1) and the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsInfo {
    /// `TLS1.3`
    pub version: &'static str,
    /// `TLS_AES_128_GCM_SHA256`
    pub cipher: &'static str,
    /// SNI as sent.
    pub server_name: Option<Box<str>>,
}

impl Conn {
    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        todo!()
    }
    /// Ours.
    pub fn local(&self) -> SocketAddr {
        todo!()
    }
    /// None while in plain text.
    pub fn tls(&self) -> Option<&TlsInfo> {
        todo!()
    }
    /// Octets that have come in and are not consumed yet.
    pub fn input(&self) -> &[u8] {
        todo!()
    }
    /// Marks the first `bytes` of the input as done.
    pub fn consume(&mut self, _bytes: usize) {
        todo!()
    }
    /// Waits for more input (at most `within`); 0 at the end of the stream; `WouldBlock` is never seen; a full
    /// buffer is an error of kind `StorageFull`, a passed deadline of kind `TimedOut`. Cancel-safe.
    pub async fn fill(&mut self, _within: Duration) -> io::Result<usize> {
        todo!()
    }
    /// Puts bytes into the out-buffer, writing (with the deadline) whenever it is full.
    pub async fn send(&mut self, _bytes: &[u8], _within: Duration) -> io::Result<()> {
        todo!()
    }
    /// Writes out what `send` has gathered.
    pub async fn flush(&mut self, _within: Duration) -> io::Result<()> {
        todo!()
    }
    /// STARTTLS: plain text that came in behind the command is dropped first; handshake within the deadline.
    pub async fn start_tls(
        &mut self,
        _tls: &super::tls::Acceptor,
        _within: Duration,
    ) -> io::Result<()> {
        todo!()
    }
    /// Sends what is left, then TLS close_notify and FIN; never waits long.
    pub async fn close(self) {
        todo!()
    }
}
