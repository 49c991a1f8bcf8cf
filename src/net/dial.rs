//! Connections that we make: to other mail servers, with TLS as the policy wants it.
//!
//! Three degrees of trust: anyone (opportunistic TLS: it keeps listeners out, nothing more), whoever proves a name to
//! a certificate authority (MTA-STS, a smart host), and whoever DANE names (RFC 7672).

use super::conn::Conn;
use super::meter::Meter;
use super::tls::TlsError;
use crate::limits::TLS_SEND_BYTES_MAX;
use crate::wire::dane::{Tlsa, Usage};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose certificate is good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Anyone's.
    Anyone,
    /// One for the server's name from an authority that is known.
    Name,
    /// One that a record names (at least one usable); trust anchors also need one of these names.
    Dane {
        /// Usable records.
        records: Vec<Tlsa>,
        /// The server's name and the domain that the mail is for.
        names: Vec<Box<str>>,
    },
}

/// Why there is no TLS; the words of RFC 8460 section 4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// `certificate-host-mismatch`
    HostMismatch,
    /// `certificate-expired`
    Expired,
    /// `certificate-not-trusted`
    NotTrusted,
    /// `validation-failure`: no record of DANE matches, a handshake that failed otherwise.
    Validation,
    /// The connection broke or was too slow.
    Connection,
}

/// TLS that did not come about.
#[derive(Debug)]
pub struct NoTls {
    /// For reports.
    pub refusal: Refusal,
    /// For people.
    pub why: String,
}

/// Makes connections; cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    provider: Arc<CryptoProvider>,
    by_name: Arc<WebPkiServerVerifier>,
}

impl Dialer {
    /// Knows the public authorities (Mozilla's list) and those in `extra`, PEM texts with the names of their files.
    pub fn new(extra: &[(String, Vec<u8>)]) -> Result<Dialer, TlsError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for (name, pem) in extra {
            let wrong = |why: String| TlsError(format!("{name} holds no root certificates: {why}"));
            for der in CertificateDer::pem_slice_iter(pem) {
                let der = der.map_err(|error| wrong(error.to_string()))?;
                roots.add(der).map_err(|error| wrong(error.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let by_name =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| {
                    TlsError(format!("TLS cannot be set up: {error}; this is a bug"))
                })?;
        Ok(Dialer { provider, by_name })
    }

    /// Connects, from `source` where one is given.
    pub async fn connect(
        &self,
        address: SocketAddr,
        source: Option<IpAddr>,
        within: Duration,
    ) -> io::Result<Conn> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = source.filter(|source| source.is_ipv4() == address.is_ipv4()) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let connected = timeout(within, socket.connect(address)).await;
        Conn::new(connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
    }

    /// The handshake over a socket; the caller holds the deadline.
    pub(super) async fn handshake(
        &self,
        socket: Meter,
        host: &str,
        trust: &Trust,
    ) -> io::Result<TlsStream<Meter>> {
        let name = ServerName::try_from(host.to_string())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no server's name"))?;
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier {
                trust: trust.clone(),
                by_name: Arc::clone(&self.by_name),
                provider: Arc::clone(&self.provider),
            }))
            .with_no_client_auth();
        // Connections are few and far between: nothing is kept of one.
        config.resumption = rustls::client::Resumption::disabled();
        TlsConnector::from(Arc::new(config))
            .connect_with(name, socket, |session| {
                session.set_buffer_limit(Some(TLS_SEND_BYTES_MAX));
            })
            .await
    }
}

/// What a failed handshake means.
pub(super) fn refusal(error: &io::Error) -> Refusal {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Refusal::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Refusal::HostMismatch
            }
            CertificateError::UnknownIssuer => Refusal::NotTrusted,
            _ => Refusal::Validation,
        },
        Some(_) => Refusal::Validation,
        None => Refusal::Connection,
    }
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    by_name: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Anyone => Ok(ServerCertVerified::assertion()),
            Trust::Name => self.by_name.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            Trust::Dane { records, names } => {
                let chain = Chain {
                    end_entity,
                    intermediates,
                    provider: &self.provider,
                    now,
                };
                chain.verify(records, names)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.unless_anyone(verify_tls12_signature(message, cert, dss, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.unless_anyone(verify_tls13_signature(message, cert, dss, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl Verifier {
    /// Where anyone is good enough, a certificate so old that its signature cannot be checked is, too: the other
    /// choice would be no encryption at all.
    fn unless_anyone(
        &self,
        checked: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust {
            Trust::Anyone => Ok(HandshakeSignatureValid::assertion()),
            _ => checked,
        }
    }
}

/// What a server sent.
struct Chain<'a> {
    end_entity: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    provider: &'a CryptoProvider,
    now: UnixTime,
}

impl Chain<'_> {
    /// RFC 7672 section 3.1: one record that matches is enough.
    fn verify(
        &self,
        records: &[Tlsa],
        names: &[Box<str>],
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut error = CertificateError::UnknownIssuer;
        for record in records {
            let checked = match record.usage {
                Usage::EndEntity if record.matches(self.end_entity) => Ok(()),
                Usage::EndEntity => continue,
                Usage::TrustAnchor => self.under_anchor(record, names),
            };
            match checked {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                // What is wrong with a certificate that was meant says more than that others do not match.
                Err(CertificateError::UnknownIssuer) => {}
                Err(other) => error = other,
            }
        }
        // For reports: DANE's failures are failed validations, whoever signed.
        Err(rustls::Error::InvalidCertificate(match error {
            CertificateError::UnknownIssuer => CertificateError::ApplicationVerificationFailure,
            other => other,
        }))
    }

    fn under_anchor(&self, record: &Tlsa, names: &[Box<str>]) -> Result<(), CertificateError> {
        let in_record = record.anchor().map(CertificateDer::from);
        let sent = self.intermediates.iter().chain([self.end_entity]);
        let matching = sent.filter(|der| record.matches(der)).cloned();
        let mut outcome = Err(CertificateError::UnknownIssuer);
        for anchor in matching.chain(in_record) {
            outcome = self.anchored(&anchor, names);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn anchored(
        &self,
        anchor: &CertificateDer<'_>,
        names: &[Box<str>],
    ) -> Result<(), CertificateError> {
        let anchor =
            webpki::anchor_from_trusted_cert(anchor).map_err(|_| CertificateError::BadEncoding)?;
        let leaf = webpki::EndEntityCert::try_from(self.end_entity)
            .map_err(|_| CertificateError::BadEncoding)?;
        let anchors = [anchor];
        leaf.verify_for_usage(
            self.provider.signature_verification_algorithms.all,
            &anchors,
            self.intermediates,
            self.now,
            webpki::KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(|error| match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
                CertificateError::Expired
            }
            _ => CertificateError::UnknownIssuer,
        })?;
        let named = names.iter().any(|name| {
            ServerName::try_from(&**name)
                .is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        });
        match named {
            true => Ok(()),
            false => Err(CertificateError::NotValidForName),
        }
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
