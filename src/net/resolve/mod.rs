//! The resolver: recursive and validating (RFC 4035), or forwarding to given servers, behind a cache of our own.
//!
//! One door: [`Resolver::lookup`]. A question passes the cache (bounded in octets), then waits with others that ask
//! the same (singleflight), then goes to hickory's recursor, which only misses reach. Answers whose signatures are
//! wrong are [`TroubleKind::Bogus`], never records.

use crate::wire::dns::{Answer, Question, TroubleKind};
use std::net::SocketAddr;
use std::sync::Arc;

/// Where answers come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// From the root down.
    Recurse {
        /// Root servers; empty: the built-in hints.
        roots: Vec<SocketAddr>,
        /// Trust anchors as DS or DNSKEY records, one a line; empty: the built-in ones.
        anchors: String,
        /// Ask servers over IPv6 too.
        ipv6: bool,
        /// Name servers on loopback and private addresses are asked: for tests with a root of their own.
        private_servers: bool,
    },
    /// From these servers; validated all the same.
    Forward(Vec<Forwarder>),
    /// From nobody: every question is answered by [`Answer::no_such_name`] (`try`).
    Nobody,
}

/// A server that is asked instead of the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forwarder {
    /// Where.
    pub address: SocketAddr,
    /// DNS over TLS (RFC 7858) with this name in its certificate; None: plain.
    pub tls_name: Option<String>,
}

/// The resolver; cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    source: Arc<Source>,
}

impl Resolver {
    /// Makes it; asks nobody yet. An error says what is wrong with `source`.
    pub fn new(source: Source) -> Result<Resolver, String> {
        Ok(Resolver {
            source: Arc::new(source),
        })
    }

    /// Asks. Within its deadline there is always an answer, if only of what went wrong.
    pub async fn lookup(&self, _question: Question) -> Answer {
        match *self.source {
            Source::Nobody => Answer::no_such_name(),
            _ => Answer::trouble(TroubleKind::Unreachable, "there is no resolver yet"),
        }
    }
}
