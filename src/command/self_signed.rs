//! A self-signed certificate, for `try` and for a box that has no other yet, and the client that believes it.

use crate::config::CertificateFiles;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Names that the certificate of `try` is good for.
pub const TRY_NAMES: [&str; 5] = ["localhost", "box.test", "mail.box.test", "127.0.0.1", "::1"];

/// Chain and key in `dir`; makes them where they are missing.
pub fn find_or_make(dir: &Path, names: &[&str]) -> Result<CertificateFiles, String> {
    let files = CertificateFiles {
        chain: dir.join("certificate.pem"),
        key: dir.join("key.pem"),
    };
    if files.chain.exists() && files.key.exists() {
        return Ok(files);
    }
    let (chain, key) =
        make(names).map_err(|error| format!("a certificate cannot be made: {error}"))?;
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(dir)?;
        super::write_private(&files.key, key.as_bytes())?;
        std::fs::write(&files.chain, chain)
    };
    write().map_err(|error| {
        format!(
            "the certificate cannot be written to {}: {error}",
            dir.display()
        )
    })?;
    Ok(files)
}

/// Chain and key as PEM.
fn make(names: &[&str]) -> Result<(String, String), rcgen::Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut params =
        rcgen::CertificateParams::new(names.iter().map(|n| (*n).to_string()).collect::<Vec<_>>())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(
        rcgen::DnType::CommonName,
        names.first().copied().unwrap_or("localhost"),
    );
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// A client's view: this one certificate is believed, nothing else.
pub fn client_config(chain: &Path) -> Result<Arc<rustls::ClientConfig>, String> {
    let certificate = CertificateDer::from_pem_file(chain)
        .map_err(|error| format!("{} cannot be read: {error}", chain.display()))?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_believed() {
        let dir =
            std::env::temp_dir().join(format!("pillarbox-self-signed-{}", std::process::id()));
        let files = find_or_make(&dir, &TRY_NAMES).unwrap();
        let first = std::fs::read(&files.chain).unwrap();
        assert_eq!(find_or_make(&dir, &TRY_NAMES).unwrap(), files);
        assert_eq!(std::fs::read(&files.chain).unwrap(), first);
        client_config(&files.chain).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
