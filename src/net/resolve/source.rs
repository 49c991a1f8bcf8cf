//! Where answers come from, as configured, and what is made of it.

use super::ask::{Asker, Way};
use super::forward::Forwarding;
use super::iterate::{Iteration, Roots};
use super::work::Counts;
use super::{ClockIsSane, From, roots};
use crate::limits::DNS_CACHE_BYTES_DEFAULT;
use crate::wire::dns::{Answer, Name, Question};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::sync::Arc;

/// Everything that a resolver is made from.
pub struct Setup {
    /// Where answers come from.
    pub source: Source,
    /// Octets of answers that are remembered.
    pub cache_bytes: usize,
    /// Whether the clock has been set.
    pub clock_is_sane: ClockIsSane,
    /// Names below which signatures are not looked at (time servers).
    pub unvalidated: Vec<Name>,
}

/// Where answers come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// From the root down.
    Recurse {
        /// Root servers (all servers are asked on the port of the first); empty: the built-in hints.
        roots: Vec<SocketAddr>,
        /// The root's keys as DNSKEY records; empty: built in.
        anchors: String,
        /// Ask servers over IPv6 too.
        ipv6: bool,
        /// Servers on loopback and private addresses are asked: for a root of one's own, and for tests.
        private_servers: bool,
    },
    /// From these servers; checked all the same.
    Forward {
        /// At least one.
        servers: Vec<Forwarder>,
        /// The root's keys as DNSKEY records; empty: built in.
        anchors: String,
        /// Who signs certificates of servers asked over TLS, PEM; empty: the system's authorities.
        authorities: String,
    },
    /// From nobody: what is not given here does not exist (`try`).
    Nobody(Vec<(Question, Answer)>),
}

/// A server that is asked instead of the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forwarder {
    /// Where.
    pub address: SocketAddr,
    /// DNS over TLS (RFC 7858) with this name in its certificate; None: plain.
    pub tls_name: Option<String>,
}

impl Setup {
    /// A source with everything else as by default, and a clock that is sane.
    pub fn new(source: Source) -> Setup {
        Setup {
            source,
            cache_bytes: DNS_CACHE_BYTES_DEFAULT as usize,
            clock_is_sane: Arc::new(|| true),
            unvalidated: Vec::new(),
        }
    }
}

impl Source {
    pub(super) fn open(self, counts: &Arc<Counts>, clock: &ClockIsSane) -> Result<From, String> {
        let (way, anchors) = match self {
            Source::Nobody(answers) => return Ok(From::Given(answers.into_iter().collect())),
            Source::Recurse {
                roots: servers,
                anchors,
                ipv6,
                private_servers,
            } => {
                let servers = match servers.is_empty() {
                    true => roots::built_in(),
                    false => servers,
                };
                let roots = Roots {
                    servers,
                    ipv6,
                    private_servers,
                };
                (Way::Iterate(Box::new(Iteration::new(roots))), anchors)
            }
            Source::Forward {
                servers,
                anchors,
                authorities,
            } => {
                let tls = servers.iter().any(|server| server.tls_name.is_some());
                let store = if tls {
                    store(&authorities)?
                } else {
                    RootCertStore::empty()
                };
                (Way::Forward(Forwarding::new(&servers, store)?), anchors)
            }
        };
        let anchors = roots::anchors(&anchors).map_err(|why| format!("trust anchors: {why}"))?;
        Ok(From::Ask(Arc::new(Asker::new(
            way,
            anchors,
            counts.clone(),
            clock.clone(),
        ))))
    }
}

fn store(pem: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if pem.trim().is_empty() {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| format!("tls_roots: {error}"))?;
            let added = store.add(certificate);
            added.map_err(|error| {
                format!("tls_roots: a certificate that cannot be used ({error})")
            })?;
        }
    }
    match store.is_empty() {
        true => Err(
            "no certificate authority is known; name a PEM file under `tls_roots` in [dns]".into(),
        ),
        false => Ok(store),
    }
}
