//! Key records (RFC 6376 section 3.6.1, RFC 8463 section 3), as they stand in a TXT record at
//! `selector._domainkey.domain`.

use super::tags::{Tags, items};
use super::{Malformed, base64};
use crate::limits::DKIM_KEY_BITS_MAX;
use crate::wire::certificate::Der;

/// A public key and what its owner lets it be used for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// The key itself.
    pub public: Public,
    /// `t=s`: `i=` must be of the very domain of `d=`.
    pub exact_domain: bool,
    /// `t=y`: the owner is testing.
    pub testing: bool,
    /// `h=` allows SHA-256, or says nothing.
    pub sha256: bool,
    /// `s=` allows mail, or says nothing.
    pub mail: bool,
}

/// The key itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Public {
    /// A DER RSAPublicKey (RFC 8017 appendix A.1.1).
    Rsa {
        /// As ring takes it; empty where there are more bits than `DKIM_KEY_BITS_MAX`, which is not tried.
        der: Vec<u8>,
        /// Of the modulus.
        bits: usize,
    },
    /// RFC 8032: 32 octets.
    Ed25519([u8; 32]),
    /// `p=` is empty.
    Revoked,
}

/// Why a record gives no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoKey {
    /// It is a record of something else.
    Other,
    /// It is a key record with something wrong.
    Malformed(Malformed),
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

impl Key {
    /// Reads a record, its strings joined.
    pub fn parse(record: &[u8]) -> Result<Key, NoKey> {
        let tags = Tags::parse(record).map_err(|wrong| match record.starts_with(b"v=DKIM1") {
            true => NoKey::Malformed(wrong),
            false => NoKey::Other,
        })?;
        match tags.value("v") {
            Some("DKIM1") if tags.first() == Some("v") => {}
            // "This tag MUST be the first tag in the record."
            Some("DKIM1") => {
                return Err(NoKey::Malformed(Malformed("v= is not the key's first tag")));
            }
            Some(_) => return Err(NoKey::Other),
            None => {}
        }
        let data = tags.value("p").ok_or(NoKey::Other)?;
        let public = Public::parse(tags.value("k").unwrap_or("rsa"), data);
        let flag = |wanted| {
            let mut flags = tags.value("t").into_iter().flat_map(items);
            flags.any(|flag| flag == wanted)
        };
        let allows = |tag, wanted: &[&str]| match tags.value(tag) {
            None => true,
            Some(list) => items(list).any(|item| wanted.contains(&item)),
        };
        Ok(Key {
            public: public.map_err(NoKey::Malformed)?,
            exact_domain: flag("s"),
            testing: flag("y"),
            sha256: allows("h", &["sha256"]),
            mail: allows("s", &["email", "*"]),
        })
    }
}

impl Public {
    fn parse(kind: &str, data: &str) -> Result<Public, Malformed> {
        if data.is_empty() {
            return Ok(Public::Revoked);
        }
        let octets = base64(data).ok_or(Malformed("the key is not base64"))?;
        match kind {
            "rsa" => rsa(&octets).ok_or(Malformed("the key is no RSA key")),
            "ed25519" => match octets.try_into() {
                Ok(octets) => Ok(Public::Ed25519(octets)),
                Err(_) => Err(Malformed("the key is not 32 octets of Ed25519")),
            },
            _ => Err(Malformed("the key's kind is not known")),
        }
    }
}

/// An RSA key, bare or as the SubjectPublicKeyInfo that everybody publishes.
fn rsa(octets: &[u8]) -> Option<Public> {
    let mut outer = Der(octets);
    let mut inner = Der(outer.expect(SEQUENCE)?);
    let der = match inner.next()? {
        (INTEGER, _) => octets,
        (SEQUENCE, algorithm) => {
            if Der(algorithm).expect(OBJECT_ID)? != RSA {
                return None;
            }
            inner.expect(BIT_STRING)?.strip_prefix(&[0])?
        }
        _ => return None,
    };
    let mut whole = Der(der);
    let modulus = Der(whole.expect(SEQUENCE)?).expect(INTEGER)?;
    // Positive numbers have a zero in front where their first bit is set.
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let first = *modulus.first()?;
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    let held = match bits <= DKIM_KEY_BITS_MAX {
        true => der,
        false => &[],
    };
    let nothing_behind = outer.0.is_empty() && whole.0.is_empty();
    nothing_behind.then(|| Public::Rsa {
        der: held.to_vec(),
        bits,
    })
}
