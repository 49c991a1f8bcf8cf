//! A client behind a proxy: its address is taken from the PROXY header, which only proxies on the list may send, and
//! which they must send. Everybody else's is no protocol of ours, and gets what any other nonsense gets.

use super::server::Server;
use crate::config::checks::Trust;
use crate::limits::PROXY_SECS;
use crate::net::conn::Conn;
use crate::net::listen::Place;
use crate::wire::proxy::{self, FIXED_BYTES, NoHeader};
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a connection of a proxy cannot be used.
enum Unusable {
    /// What it sent is no header.
    NoHeader(NoHeader),
    /// It went away, or sent nothing in time.
    Io(io::Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NoHeader(why) => f.write_str(why.0),
            Unusable::Io(error) => error.fmt(f),
        }
    }
}

/// The client as it is, or as its proxy names it. None when the connection is over: `refusal` was said to a client
/// whose address has its share of connections already.
pub async fn unwrap(
    server: &Server,
    (mut conn, mut place): (Conn, Place),
    refusal: &[u8],
) -> Option<(Conn, Place)> {
    let via = conn.peer();
    if server.config().checks.relay(via.ip()) != Some(Trust::Proxy) {
        return Some((conn, place));
    }
    match Box::pin(header(&mut conn)).await {
        Ok(None) => Some((conn, place)),
        Ok(Some(ends)) => {
            conn.stands_for(ends.client, ends.server);
            let client = conn.peer();
            if place.stands_for(client.ip()) {
                return Some((conn, place));
            }
            log::info!("{client} (through {via}) has its share of connections already; refused");
            let within = Duration::from_secs(PROXY_SECS);
            // Whether it hears that is its business.
            let _ = conn.send(refusal, within).await;
            conn.close().await;
            None
        }
        Err(why) => {
            log::warn!(
                "the proxy {via} sends no PROXY header of version 2 ({why}); closed. Correct the proxy or its [[trusted_relay]]"
            );
            None
        }
    }
}

async fn header(conn: &mut Conn) -> Result<Option<proxy::Ends>, Unusable> {
    let within = Duration::from_secs(PROXY_SECS);
    let mut fixed = [0; FIXED_BYTES];
    conn.read_front(&mut fixed, within)
        .await
        .map_err(Unusable::Io)?;
    let rest = proxy::rest_bytes(&fixed).map_err(Unusable::NoHeader)?;
    let mut whole = fixed.to_vec();
    whole.resize(FIXED_BYTES + rest, 0);
    let behind = whole.get_mut(FIXED_BYTES..).unwrap_or_default();
    conn.read_front(behind, within)
        .await
        .map_err(Unusable::Io)?;
    proxy::parse(&whole).map_err(Unusable::NoHeader)
}
