//! A signer for tests: Ed25519 with a key that everybody knows.

use super::canned::Canned;
use crate::wire::base64::encode;
use crate::wire::dkim::Canon;
use crate::wire::dkim::body::{Body, Wanted};
use crate::wire::dkim::header::{Block, Own};
use crate::wire::dkim::signature::{Kind, Signature};
use crate::wire::dns::{Answer, Kind as RecordKind, Record};
use crate::wire::header::{Fields, end_of_header};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A TXT answer of these records.
pub fn txt(texts: &[&str]) -> Answer {
    let record = |text: &&str| Record::Txt(text.as_bytes().into());
    Answer::insecure(texts.iter().map(record).collect())
}

/// One name with these TXT records.
pub fn dns(name: &str, texts: &[&str]) -> Canned {
    Canned::default().with(name, RecordKind::Txt, txt(texts))
}

fn key_pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The value of `p=` that belongs to the signer's key.
pub fn key_data() -> String {
    base64(key_pair().public_key().as_ref())
}

/// The key record.
pub fn key_record() -> String {
    format!("v=DKIM1; k=ed25519; p={}", key_data())
}

/// In one line.
pub fn base64(octets: &[u8]) -> String {
    let mut out = Vec::new();
    encode(octets, &mut out);
    String::from_utf8(out).unwrap()
}

/// The value of `b=` over these octets.
pub fn sign(octets: &[u8]) -> String {
    base64(key_pair().sign(digest(&SHA256, octets).as_ref()).as_ref())
}

/// `message` with a signature on top: `tags`, then `bh=` (unless one is among the tags), then `b=`. Tags that are
/// malformed get an invented one.
pub fn signed(name: &str, kind: Kind, tags: &str, message: &str) -> String {
    let (header, rest) = message.split_at(end_of_header(message.as_bytes()).unwrap());
    let canon = match tags.contains("/relaxed") {
        true => Canon::Relaxed,
        false => Canon::Simple,
    };
    let length = tags.split("l=").nth(1).and_then(|rest| rest.parse().ok());
    let wanted = Wanted { canon, length };
    let mut body = Body::default();
    body.want(wanted);
    body.update(rest.as_bytes());
    let hash = base64(&body.finish().of(wanted).unwrap_or_default());
    let tags = match tags.contains("bh=") {
        true => tags.to_string(),
        false => format!("{tags}; bh={hash}"),
    };
    let with = |b: &str| format!("{name}: {tags}; b={b}\r\n{header}");
    let unsigned = with("AAAA");
    let field = Fields::new(unsigned.as_bytes()).next().unwrap();
    let Ok(signature) = Signature::parse(field.value, kind) else {
        return unsigned.clone() + rest;
    };
    let own = Own {
        field: &field,
        signature: &signature.signature_place,
    };
    let block = Block::new(unsigned.as_bytes());
    let octets = block.signed(&signature.names, signature.header_canon, own);
    with(&sign(&octets)) + rest
}
