//! The socket under TLS, with a cap on octets that bring no data.
//!
//! rustls joins fragmented handshake messages up to 64 KiB before it looks at them, in the handshake and at any
//! time after it. The meter ends a connection whose octets produce nothing for longer than one record, so a TLS
//! session holds at most `TLS_QUIET_BYTES_MAX` of them, and a flood of empty records or key updates ends as well.

use crate::limits::TLS_QUIET_BYTES_MAX;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP socket that counts what was read since the last octet of data.
pub(super) struct Meter {
    pub(super) socket: TcpStream,
    quiet_bytes: usize,
}

impl Meter {
    pub(super) fn new(socket: TcpStream) -> Self {
        Meter {
            socket,
            quiet_bytes: 0,
        }
    }
    /// Data came out of what was read.
    pub(super) fn progress(&mut self) {
        self.quiet_bytes = 0;
    }
}

impl AsyncRead for Meter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.quiet_bytes >= TLS_QUIET_BYTES_MAX {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer keeps sending TLS records that hold no data",
            )));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        self.quiet_bytes += buf.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Meter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
