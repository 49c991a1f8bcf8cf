//! TOML -> typed [`Config`]. An unknown key is an error with its line; the documented example is printed from here.

use crate::wire::address::Domain;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The box's name: banner, Received, Message-ID.
    pub hostname: Domain,
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// Certificates by name; the first is the default.
    pub certificates: Vec<CertificateFiles>,
    /// Largest message, octets (`MESSAGE_BYTES_MAX`).
    pub message_bytes_max: u64,
    /// Connections on port 25 at once.
    pub smtp_connections_max: usize,
    /// Connections on the submission ports at once.
    pub submission_connections_max: usize,
    /// Connections on the IMAP ports at once.
    pub imap_connections_max: usize,
    /// What the sum in `limits.rs` may reach, octets.
    pub memory_bytes_max: u64,
    /// Free space that is kept, octets.
    pub disk_reserve_bytes: u64,
    /// Separates the detail in `local+detail@domain`.
    pub detail_separator: Option<char>,
    /// Quota of an account without one of its own, octets; None is unlimited.
    pub quota_bytes: Option<u64>,
    /// Login without TLS (only `try` on loopback sets it).
    pub plain_text_login: bool,
}

/// Addresses per service.
#[derive(Clone, Debug, Default)]
pub struct Listen {
    /// Port 25.
    pub smtp: Vec<SocketAddr>,
    /// Port 587, STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// Port 465, TLS from the start.
    pub submissions: Vec<SocketAddr>,
    /// Port 143, STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// Port 993, TLS from the start.
    pub imaps: Vec<SocketAddr>,
}

/// A certificate chain and its key, PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// Chain, leaf first.
    pub chain: PathBuf,
    /// Private key.
    pub key: PathBuf,
}
