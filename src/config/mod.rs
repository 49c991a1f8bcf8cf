//! TOML -> typed [`Config`]. An unknown key is an error with its line; the documented example is printed from here.
//!
//! Owns: the configuration file and the certificate files that it names. Never: a default that is not in
//! `example.rs`, a mistake without its line and what to do. Relative paths are relative to the file's directory.

mod access;
pub mod certificate;
pub mod checks;
pub mod dns;
pub mod example;
pub mod nearest;
pub mod places;
mod read;
pub mod reports;

use crate::limits::{
    self, Connections, DISK_RESERVE_BYTES, IMAP_CONNECTIONS_DEFAULT, MEMORY_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX, MemorySum, SMTP_CONNECTIONS_DEFAULT, SUBMISSION_CONNECTIONS_DEFAULT,
};
use crate::wire::access::Rules;
use crate::wire::address::Domain;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The whole configuration, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The box's name: banner, Received, Message-ID.
    pub hostname: Domain,
    /// The data directory.
    pub data: PathBuf,
    /// Whom to become after the ports are bound, when started as root.
    pub user: Option<String>,
    /// Where to listen.
    pub listen: Listen,
    /// Certificates by name; the first is the default. None: a self-signed one is made in the data directory.
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
    /// Who may send to this box before anything of a message is seen.
    pub access: Rules,
    /// What the checks of mail from elsewhere may do.
    pub checks: checks::Checks,
    /// Reports about mail.
    pub reports: reports::Reports,
    /// Where answers of the DNS come from.
    pub dns: dns::Dns,
    /// Login without TLS (only `try` on loopback sets it; no key of the file does).
    pub plain_text_login: bool,
}

/// Addresses per service.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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

/// One thing that is wrong in a configuration file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Counted from 1; None when something is missing or the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong, and what to write instead.
    pub text: String,
}

/// Everything that is wrong in a configuration file, in the order of its lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (n, Mistake { line, text }) in self.list.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            match line {
                Some(line) => write!(f, "{end}{file}:{line}: {text}")?,
                None => write!(f, "{end}{file}: {text}")?,
            }
        }
        Ok(())
    }
}
impl std::error::Error for Mistakes {}

impl Config {
    /// Every default, for a box of this name.
    pub fn new(hostname: Domain) -> Self {
        Config {
            hostname,
            data: "/var/lib/pillarbox".into(),
            user: None,
            listen: Listen {
                smtp: everywhere(25),
                submission: everywhere(587),
                submissions: everywhere(465),
                imap: everywhere(143),
                imaps: everywhere(993),
            },
            certificates: Vec::new(),
            message_bytes_max: MESSAGE_BYTES_MAX,
            smtp_connections_max: SMTP_CONNECTIONS_DEFAULT,
            submission_connections_max: SUBMISSION_CONNECTIONS_DEFAULT,
            imap_connections_max: IMAP_CONNECTIONS_DEFAULT,
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            disk_reserve_bytes: DISK_RESERVE_BYTES,
            detail_separator: Some('+'),
            quota_bytes: None,
            access: Rules::default(),
            checks: checks::Checks::default(),
            reports: reports::Reports::default(),
            dns: dns::Dns::default(),
            plain_text_login: false,
        }
    }

    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        let mistakes = |list| Mistakes {
            file: file.to_path_buf(),
            list,
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            mistakes(vec![Mistake {
                line: None,
                text: unreadable(&error),
            }])
        })?;
        let base = file.parent().unwrap_or(Path::new(""));
        Config::parse(&text, base).map_err(mistakes)
    }

    /// What SIGHUP makes of a changed file: this configuration with the keys of `new` that need no restart, and the
    /// names of those that do and have changed.
    pub fn reloaded(&self, new: Self) -> (Self, Vec<&'static str>) {
        let restart = [
            ("hostname", self.hostname != new.hostname),
            ("data", self.data != new.data),
            ("user", self.user != new.user),
            ("[listen]", self.listen != new.listen),
            (
                "smtp_connections_max",
                self.smtp_connections_max != new.smtp_connections_max,
            ),
            (
                "submission_connections_max",
                self.submission_connections_max != new.submission_connections_max,
            ),
            (
                "imap_connections_max",
                self.imap_connections_max != new.imap_connections_max,
            ),
            (
                "memory_bytes_max",
                self.memory_bytes_max != new.memory_bytes_max,
            ),
            (
                "disk_reserve_bytes",
                self.disk_reserve_bytes != new.disk_reserve_bytes,
            ),
            (
                "detail_separator",
                self.detail_separator != new.detail_separator,
            ),
            ("[dns]", self.dns != new.dns),
        ];
        let mut config = self.clone();
        config.message_bytes_max = new.message_bytes_max;
        config.quota_bytes = new.quota_bytes;
        config.access = new.access;
        config.checks = new.checks;
        config.reports = new.reports;
        if !new.certificates.is_empty() {
            config.certificates = new.certificates;
        }
        let restart = restart.into_iter().filter(|(_, changed)| *changed);
        (config, restart.map(|(key, _)| key).collect())
    }

    /// Checks a configuration's text; relative paths begin at `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, Vec<Mistake>> {
        read::config(text, base)
    }

    /// What the server can come to hold with these counts.
    pub fn memory(&self) -> MemorySum {
        MemorySum::worst_case(&Connections {
            smtp: self.smtp_connections_max,
            submission: self.submission_connections_max,
            imap: self.imap_connections_max,
            dns_cache_bytes: self.dns.cache_bytes as usize,
        })
    }

    /// Why the worst case does not fit `memory_bytes_max`, naming the largest term; None when it fits.
    pub fn memory_excess(&self) -> Option<String> {
        let sum = self.memory();
        let (total, ceiling) = (sum.total_bytes(), self.memory_bytes_max);
        if total <= ceiling {
            return None;
        }
        let largest = sum.largest();
        Some(format!(
            "the worst case of these limits is {} and memory_bytes_max is {}; the largest part is {} for {}; lower {} or raise memory_bytes_max",
            read::size_text(total),
            read::size_text(ceiling),
            read::size_text(largest.bytes()),
            largest.name,
            largest.setting.unwrap_or("the connection limits"),
        ))
    }
}

fn unreadable(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => "run this as root, or let the server's user read it",
        ErrorKind::InvalidData => "save it as UTF-8",
        _ => "`pillarbox config example` prints a configuration to start from",
    };
    format!("cannot be read: {error}; {hint}")
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    ]
}

const _: () = assert!(limits::MESSAGE_BYTES_MAX > limits::HEADER_BLOCK_BYTES_MAX as u64);

#[cfg(test)]
mod tests;
