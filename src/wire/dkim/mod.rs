//! DKIM and ARC as octets (RFC 6376, 8301, 8463, 8617): tag lists, signatures, seals, key records, canonical forms.
//!
//! [`signature`] and [`seal`] read what stands in header fields, [`key`] what stands in the DNS, [`header`] makes the
//! octets that a signature covers, [`body`] hashes a body while it passes. Who is believed is decided in `policy`.
//! Malformed values are refused as RFC 6376 section 6.1.1 wants it: nothing is guessed.

pub mod body;
pub mod header;
pub mod key;
pub mod seal;
pub mod signature;
pub mod tags;
#[cfg(test)]
mod tests;

use crate::limits::SMTP_AUTH_LINE_BYTES_MAX;

/// Why a tag list, a signature or a key is not one: a phrase for people, without anything that a peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// How octets are made comparable (RFC 6376 section 3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canon {
    /// As they are.
    Simple,
    /// White space, and the case of field names, do not count.
    Relaxed,
}

/// How a signature is made; the hash is SHA-256 in all of them (RFC 8301 section 3.1 has ended SHA-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// RFC 6376 section 3.3.2: PKCS #1 v1.5.
    RsaSha256,
    /// RFC 8463: PureEdDSA over the SHA-256 hash.
    Ed25519Sha256,
}

impl Algorithm {
    /// Reads the value of `a=`.
    pub fn parse(text: &str) -> Result<Algorithm, Malformed> {
        match text {
            "rsa-sha256" => Ok(Algorithm::RsaSha256),
            "ed25519-sha256" => Ok(Algorithm::Ed25519Sha256),
            "rsa-sha1" => Err(Malformed("rsa-sha1 no longer counts (RFC 8301)")),
            _ => Err(Malformed("the algorithm is not known")),
        }
    }
}

/// Base64 with white space anywhere (RFC 6376 section 3.5, `b=`); unused bits are zero and padding is there, so that
/// one signature has one form. None for anything else, for nothing, and for more than a key of 64 kbit would take.
fn base64(text: &str) -> Option<Vec<u8>> {
    let letters = text.bytes().filter(|b| !b.is_ascii_whitespace());
    let letters: Vec<u8> = letters.take(SMTP_AUTH_LINE_BYTES_MAX + 1).collect();
    let octets = crate::wire::sasl::decode(&letters)?;
    (!octets.is_empty()).then(|| octets.to_vec())
}
