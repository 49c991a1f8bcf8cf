//! Keys of signatures: asked for, and held against what was signed. DKIM and ARC share it.

use super::{Dns, Outcome};
use crate::limits::{DKIM_KEY_BITS_MAX, DKIM_KEY_BITS_MIN, DKIM_KEYS_MAX, DKIM_TROUBLE_BYTES_MAX};
use crate::wire::address::Domain;
use crate::wire::dkim::key::{Key, NoKey, Public};
use crate::wire::dkim::signature::Signer;
use crate::wire::dkim::{Algorithm, Malformed};
use crate::wire::dns::{Kind, Outcome as Answered, Question, Record};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use std::borrow::Cow;

/// What is wrong: an outcome other than Pass, with a reason for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// What it comes to.
    pub outcome: Outcome,
    /// A phrase. What the DNS said may be in it.
    pub reason: Cow<'static, str>,
}

impl Wrong {
    /// With a fixed reason.
    pub fn new(outcome: Outcome, reason: &'static str) -> Wrong {
        let reason = reason.into();
        Wrong { outcome, reason }
    }
}

impl From<Malformed> for Wrong {
    fn from(Malformed(reason): Malformed) -> Wrong {
        Wrong::new(Outcome::PermError, reason)
    }
}

/// What is held against a key.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// How it was signed.
    pub algorithm: Algorithm,
    /// `b=`.
    pub signature: &'a [u8],
    /// The canonical octets of the header.
    pub octets: &'a [u8],
    /// `d=`.
    pub domain: &'a Domain,
    /// Domain of `i=`.
    pub identity: &'a Domain,
}

/// Asks for the keys of a signer: one question. What stands at the name besides keys is passed over (wildcards put
/// SPF records there); of several keys each may be the one, so that the order of an answer decides nothing.
pub async fn ask<D: Dns>(dns: &D, signer: &Signer) -> Result<Vec<Key>, Wrong> {
    let permanent = |reason| Wrong::new(Outcome::PermError, reason);
    let name = signer
        .key_name()
        .ok_or(permanent("the name of its key is too long"))?;
    let answer = dns.ask(Question::new(name, Kind::Txt)).await;
    let records = match &answer.outcome {
        Answered::Records(records) => records,
        Answered::NoData | Answered::NoSuchName => return Err(permanent("there is no key")),
        Answered::Trouble(trouble) => {
            return Err(Wrong {
                outcome: Outcome::TempError,
                reason: format!("its key is not known now: {}", start(&trouble.why)).into(),
            });
        }
    };
    let (mut keys, mut wrong) = (Vec::new(), permanent("what stands there is no key"));
    for record in records.iter() {
        let Record::Txt(text) = record else { continue };
        match Key::parse(text) {
            Ok(key) => keys.push(key),
            Err(NoKey::Malformed(malformed)) => wrong = malformed.into(),
            Err(NoKey::Other) => {}
        }
        if keys.len() > DKIM_KEYS_MAX {
            return Err(permanent("there are too many keys"));
        }
    }
    match keys.is_empty() {
        true => Err(wrong),
        false => Ok(keys),
    }
}

fn start(text: &str) -> &str {
    let end = text.floor_char_boundary(DKIM_TROUBLE_BYTES_MAX);
    text.get(..end).unwrap_or_default()
}

/// Holds a signature against keys; Ok has the key that made it.
pub fn verify<'k>(keys: &'k [Key], signed: &Signed<'_>) -> Result<&'k Key, Wrong> {
    let mut wrong = Wrong::new(Outcome::PermError, "there is no key");
    for key in keys {
        match verify_one(key, signed) {
            Ok(()) => return Ok(key),
            // A key that might have made it tells more than one that could not.
            Err(found) if wrong.outcome != Outcome::Fail => wrong = found,
            Err(_) => {}
        }
    }
    Err(wrong)
}

fn verify_one(key: &Key, signed: &Signed<'_>) -> Result<(), Wrong> {
    let permanent = |reason| Err(Wrong::new(Outcome::PermError, reason));
    if key.public == Public::Revoked {
        return permanent("its key was revoked");
    }
    if !key.mail {
        return permanent("its key is not for mail (s=)");
    }
    if !key.sha256 {
        return permanent("its key is not for SHA-256 (h=)");
    }
    if key.exact_domain && signed.identity != signed.domain {
        return permanent("its key is not for subdomains (t=s)");
    }
    let right = match (signed.algorithm, &key.public) {
        (Algorithm::RsaSha256, Public::Rsa { der, bits }) => {
            // RFC 8301 section 3.2.
            if *bits < DKIM_KEY_BITS_MIN {
                return Err(Wrong::new(Outcome::Policy, "its key is too short to count"));
            }
            if *bits > DKIM_KEY_BITS_MAX {
                return Err(Wrong::new(Outcome::Policy, "its key is too long to try"));
            }
            let algorithm = &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
            UnparsedPublicKey::new(algorithm, der).verify(signed.octets, signed.signature)
        }
        (Algorithm::Ed25519Sha256, Public::Ed25519(octets)) => {
            let hash = digest(&SHA256, signed.octets);
            UnparsedPublicKey::new(&ED25519, octets).verify(hash.as_ref(), signed.signature)
        }
        _ => return permanent("its key is of another kind (k= and a=)"),
    };
    right.map_err(|_| Wrong::new(Outcome::Fail, "the signature is wrong"))
}
