//! The certificates of the configuration as the acceptor wants them, and whether their files have changed.

use crate::config::certificate::{self, PemText};
use crate::config::{CertificateFiles, Config};
use crate::net::tls::{Pem, TlsError};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Reads all configured files; every one that cannot be read is in the error, a line each.
pub fn load(config: &Config) -> Result<Vec<Pem>, TlsError> {
    let mut pems = Vec::new();
    let mut wrong = Vec::new();
    for files in &config.certificates {
        match certificate::read(files, config.user.as_deref()) {
            Ok(text) => pems.push(pem(files, text)),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    match wrong.is_empty() {
        true => Ok(pems),
        false => Err(TlsError(wrong.join("\n"))),
    }
}

/// The text of one pair with the names of its files.
pub fn pem(files: &CertificateFiles, text: PemText) -> Pem {
    Pem {
        chain_name: files.chain.display().to_string(),
        chain: text.chain,
        key_name: files.key.display().to_string(),
        key: text.key,
    }
}

/// Remembers what the files looked like. Looked at once a minute; a renewal needs no signal.
pub struct Watch {
    seen: Vec<Stamp>,
}

type Stamp = Option<(i64, i64, i64, i64, u64)>;

impl Watch {
    /// The files as they are now.
    pub fn new(config: &Config) -> Self {
        Watch {
            seen: stamps(config),
        }
    }

    /// Whether a file has changed since the last call (or `new`). A file that is being written may be reported
    /// twice; the old certificate stays in use until the new one is whole.
    pub fn changed(&mut self, config: &Config) -> bool {
        let now = stamps(config);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}

fn stamps(config: &Config) -> Vec<Stamp> {
    let both = config
        .certificates
        .iter()
        .flat_map(|files| [&files.chain, &files.key]);
    both.map(|path| stamp(path)).collect()
}

/// Times and size behind all links (certbot's `live` is links). The time of the inode's change is among them: a key
/// that could not be read is tried again once its owner or mode is mended.
fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
        found.len(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::address::Domain;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_renewed_file_is_noticed_once() {
        let directory =
            std::env::temp_dir().join(format!("pillarbox-watch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut config = Config::new(Domain::parse("a.b.test").unwrap());
        let (chain, key) = (directory.join("chain.pem"), directory.join("key.pem"));
        fs::write(&chain, "one").unwrap();
        config.certificates.push(CertificateFiles {
            chain: chain.clone(),
            key,
        });
        let mut watch = Watch::new(&config);
        assert!(!watch.changed(&config));
        fs::write(&chain, "another").unwrap();
        assert!(watch.changed(&config));
        assert!(!watch.changed(&config));
        fs::set_permissions(&chain, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(watch.changed(&config), "rights that were mended");
        let error = load(&config).err().unwrap().0;
        assert!(error.contains("key.pem does not exist"), "{error}");
        fs::remove_dir_all(&directory).unwrap();
    }
}
