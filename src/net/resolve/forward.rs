//! Asking given servers instead of the root. They find answers; we check them all the same, and never believe AD.

use super::Forwarder;
use super::exchange::{self, Fault, Manner, OverTls};
use super::iterate::words;
use super::servers::Servers;
use super::tidy;
use super::work::{Stop, Work};
use crate::limits::DNS_TRIES_MAX;
use crate::wire::dns::TroubleKind;
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::Name;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::Instant;

/// The servers, in the order in which they are configured.
pub struct Forwarding {
    servers: Vec<(SocketAddr, Option<OverTls>)>,
    book: Servers,
}

impl Forwarding {
    /// Asks nobody yet; an error says which server's name is none.
    pub fn new(servers: &[Forwarder], authorities: RootCertStore) -> Result<Forwarding, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?;
        let mut config = config
            .with_root_certificates(authorities)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"dot".to_vec()];
        let config = Arc::new(config);
        let one = |server: &Forwarder| {
            let Some(name) = &server.tls_name else {
                return Ok((server.address, None));
            };
            let parsed = ServerName::try_from(name.clone())
                .map_err(|_| format!("{name} is no name that a certificate can have"))?;
            let tls = OverTls::new(server.address, parsed, config.clone());
            Ok((server.address, Some(tls)))
        };
        Ok(Forwarding {
            servers: servers.iter().map(one).collect::<Result<_, String>>()?,
            book: Servers::new(),
        })
    }

    /// The answer of one of them: the fastest that answers.
    pub async fn ask(&self, query: &Query, work: &Work) -> Result<Message, Stop> {
        let mut order: Vec<IpAddr> = self.servers.iter().map(|(at, _)| at.ip()).collect();
        self.book.sort(&mut order);
        let mut last = String::new();
        let (mut reached, mut silent) = (false, false);
        let twice = order.len() * 2;
        let rounds: Vec<IpAddr> = order
            .into_iter()
            .cycle()
            .take(twice.min(DNS_TRIES_MAX))
            .collect();
        for (n, ip) in rounds.into_iter().enumerate() {
            let again = u32::from(n >= twice / 2);
            for (at, tls) in self.servers.iter().filter(|(at, _)| at.ip() == ip) {
                work.query()?;
                let start = Instant::now();
                let answer = match tls {
                    Some(tls) => tls.ask(query).await,
                    None => {
                        let wait = self.book.wait(ip, again + 1);
                        exchange::ask(*at, query, Manner::Forwarded, wait).await
                    }
                };
                match answer {
                    Ok(message) => {
                        reached = true;
                        self.book.answered(ip, start.elapsed());
                        let code = message.metadata.response_code;
                        if matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
                            return tidy::answer(message, query, &Name::root());
                        }
                        last = format!("{at} answered {code}");
                    }
                    Err(fault) => {
                        reached |= matches!(fault, Fault::Nonsense(_) | Fault::TooLarge(_));
                        silent |= fault == Fault::Silent;
                        self.book.silent(ip);
                        last = format!("{at} {}", words(&fault));
                    }
                }
                work.fault();
            }
        }
        let (name, kind) = (&query.name, query.query_type);
        let stop = if reached {
            let why = format!("no answer for {name} {kind}: {last}");
            Stop::new(TroubleKind::ServerFailure, why)
        } else if silent && !name.is_root() {
            // They may wait for servers of the name that are silent on purpose: whether we have lost them, the root's
            // keys say (`state`). A name's owner must not be able to turn off the checks of everybody's mail.
            let why = format!("no answer for {name} {kind} came in time: {last}");
            Stop::new(TroubleKind::Timeout, why)
        } else {
            let why =
                format!("no server that is configured under `forward` answers; the last, {last}");
            Stop::new(TroubleKind::Unreachable, why)
        };
        Err(work.stop(stop))
    }
}
