//! rustls with ring: certificates by SNI, reloaded in place; resumption by stateless tickets.

use super::meter::Meter;
use crate::limits::{CERTIFICATES_MAX, TLS_SEND_BYTES_MAX, TLS_TICKETS};
use crate::wire::certificate::{self, Facts};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Accepts TLS; cheap to clone; a reload reaches every clone.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<RwLock<Arc<rustls::ServerConfig>>>,
    provider: Arc<CryptoProvider>,
    ticketer: Arc<dyn ProducesTickets>,
}

/// A certificate chain and its key as PEM text; files are read by `config`, which names them here for errors.
pub struct Pem {
    /// Name of the chain's file.
    pub chain_name: String,
    /// Chain, leaf first.
    pub chain: Vec<u8>,
    /// Name of the key's file.
    pub key_name: String,
    /// Private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: zeroize::Zeroizing<Vec<u8>>,
}

/// Why a certificate cannot be used: what happened, in which file, what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsError(pub String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for TlsError {}

/// A certificate that was parsed and matches its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Names and dates of the leaf.
    pub facts: Facts,
    key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Parses the chain and the key and checks that they belong together.
    pub fn parse(pem: &Pem) -> Result<Self, TlsError> {
        Self::parse_with(pem, &rustls::crypto::ring::default_provider())
    }

    fn parse_with(pem: &Pem, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let Pem {
            chain_name,
            key_name,
            ..
        } = pem;
        let chain = CertificateDer::pem_slice_iter(&pem.chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError(format!("{chain_name} is not a PEM file: {error}; give the file that the certificate authority calls \"fullchain\"")))?;
        let Some(leaf) = chain.first() else {
            return Err(TlsError(format!(
                "{chain_name} holds no certificate (no line \"-----BEGIN CERTIFICATE-----\"); give the file that the certificate authority calls \"fullchain\""
            )));
        };
        let facts = certificate::read(leaf).ok_or_else(|| {
            TlsError(format!(
                "the first certificate in {chain_name} is damaged: it is not an X.509 certificate; fetch it again"
            ))
        })?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|_| {
            TlsError(format!(
                "{key_name} holds no private key that is understood (PEM: PKCS #8, PKCS #1 or SEC 1, without a password)"
            ))
        })?;
        let key = provider.key_provider.load_private_key(key).map_err(|_| {
            TlsError(format!(
                "the private key in {key_name} is of a kind that is not supported; use ECDSA P-256, P-384, Ed25519 or RSA of 2048 to 8192 bits"
            ))
        })?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => {
                return Err(TlsError(format!(
                    "the key in {key_name} does not belong to the first certificate in {chain_name}; give the pair that was issued together"
                )));
            }
        }
        Ok(Certificate {
            facts,
            key: Arc::new(key),
        })
    }
}

impl Acceptor {
    /// An acceptor for these certificates; the first one serves clients that name none of them.
    pub fn new(certificates: &[Pem]) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let ticketer = rustls::crypto::ring::Ticketer::new().map_err(|error| {
            TlsError(format!(
                "no random numbers for TLS tickets ({error}): the kernel's generator does not work"
            ))
        })?;
        let config = server_config(certificates, &provider, &ticketer)?;
        Ok(Acceptor {
            config: Arc::new(RwLock::new(config)),
            provider,
            ticketer,
        })
    }

    /// Takes other certificates for all handshakes from now on. On an error the old ones stay.
    pub fn reload(&self, certificates: &[Pem]) -> Result<(), TlsError> {
        let config = server_config(certificates, &self.provider, &self.ticketer)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The handshake over a socket; the caller holds the deadline.
    pub(super) async fn handshake(&self, socket: Meter) -> io::Result<TlsStream<Meter>> {
        let config = {
            let current = self.config.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&current)
        };
        TlsAcceptor::from(config)
            .accept_with(socket, |session| {
                session.set_buffer_limit(Some(TLS_SEND_BYTES_MAX));
            })
            .await
    }
}

fn server_config(
    certificates: &[Pem],
    provider: &Arc<CryptoProvider>,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    if certificates.len() > CERTIFICATES_MAX {
        return Err(TlsError(format!(
            "{} certificates are configured and {CERTIFICATES_MAX} are the most that are kept; use certificates with several names",
            certificates.len()
        )));
    }
    let certificates = certificates
        .iter()
        .map(|pem| Certificate::parse_with(pem, provider))
        .collect::<Result<Vec<_>, _>>()?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}; this is a bug")))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(BySni::new(certificates)?));
    // Nothing is kept per past session: a ticket holds it, encrypted, at the client.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::clone(ticketer);
    config.send_tls13_tickets = TLS_TICKETS;
    Ok(Arc::new(config))
}

/// The certificates and which name asks for which.
#[derive(Debug)]
struct BySni {
    first: Arc<CertifiedKey>,
    certificates: Vec<Certificate>,
}

impl BySni {
    fn new(certificates: Vec<Certificate>) -> Result<Self, TlsError> {
        let Some(first) = certificates.first() else {
            return Err(TlsError(
                "no certificate is configured; TLS needs at least one".into(),
            ));
        };
        Ok(BySni {
            first: Arc::clone(&first.key),
            certificates,
        })
    }

    /// An exact name wins over a wildcard, a wildcard over the first certificate.
    fn choose(&self, server_name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = server_name else {
            return &self.first;
        };
        let exact = |c: &&Certificate| c.facts.names.iter().any(|n| n.eq_ignore_ascii_case(name));
        let wildcard = |c: &&Certificate| c.facts.names.iter().any(|n| covers(n, name));
        let found = self
            .certificates
            .iter()
            .find(exact)
            .or_else(|| self.certificates.iter().find(wildcard));
        found.map_or(&self.first, |certificate| &certificate.key)
    }
}

/// `*.box.test` covers `mail.box.test`, and nothing deeper (RFC 6125 section 6.4.3).
fn covers(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix("*."), name.split_once('.')) {
        (Some(parent), Some((_, rest))) => parent.eq_ignore_ascii_case(rest),
        _ => false,
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.choose(hello.server_name())))
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
pub(crate) mod tests;
