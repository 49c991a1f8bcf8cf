//! DKIM-Signature (RFC 6376 section 3.5) and ARC-Message-Signature (RFC 8617 section 4.1.2), which is one with an
//! instance in place of an identity.

use super::tags::{Tags, items};
use super::{Algorithm, Canon, Malformed, base64};
use crate::limits::{DKIM_IDENTITY_BYTES_MAX, DKIM_SIGNED_NAMES_MAX};
use crate::wire::address::Domain;
use crate::wire::dns::Name;
use std::ops::Range;

/// Which of the two fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// DKIM-Signature.
    Dkim,
    /// ARC-Message-Signature.
    Arc,
}

/// What a signature says; all of it is well-formed, none of it verified.
#[derive(Clone, Debug)]
pub struct Signature<'a> {
    /// `a=`.
    pub algorithm: Algorithm,
    /// `b=`.
    pub signature: Vec<u8>,
    /// Where the value of `b=` stands in the field's value.
    pub signature_place: Range<usize>,
    /// `bh=`.
    pub body_hash: [u8; 32],
    /// First half of `c=`.
    pub header_canon: Canon,
    /// Second half of `c=`.
    pub body_canon: Canon,
    /// `d=` and `s=`.
    pub signer: Signer,
    /// `h=`: names as written, in order.
    pub names: Vec<&'a str>,
    /// Domain of `i=`: `d=` or below it. Of ARC, `d=`.
    pub identity_domain: Domain,
    /// `l=`: octets of the canonical body that are signed.
    pub length: Option<u64>,
    /// `t=` and `x=`.
    pub ages: Ages,
}

/// Who signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signer {
    /// `d=`.
    pub domain: Domain,
    /// `s=`, in the form of a domain.
    pub selector: Domain,
}

/// Seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ages {
    /// `t=`.
    pub signed: Option<u64>,
    /// `x=`, later than `signed`.
    pub expires: Option<u64>,
}

/// What can be told of a signature even if it is malformed; each value is safe to be shown, and empty where there is
/// none that is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Claims {
    /// `d=`, lower case A-label.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// `i=` without white space; empty also where it is too long to be shown. `@` with the domain stands for it then.
    pub identity: String,
    /// `a=`.
    pub algorithm: String,
    /// `b=` without white space.
    pub signature: String,
}

/// An algorithm that is shown; the longest known has 14.
const ALGORITHM_BYTES_MAX: usize = 16;

impl<'a> Signature<'a> {
    /// Reads the value of a field.
    pub fn parse(value: &'a [u8], kind: Kind) -> Result<Signature<'a>, Malformed> {
        let tags = Tags::parse(value)?;
        if kind == Kind::Dkim && tags.needed("v", "it has no version")? != "1" {
            return Err(Malformed("its version is not 1"));
        }
        if let Some(methods) = tags.value("q")
            && !items(methods).any(|method| method == "dns/txt")
        {
            return Err(Malformed("its key is not in the DNS"));
        }
        let (header_canon, body_canon) = canons(tags.value("c"), kind)?;
        let signer = Signer::read(&tags)?;
        let (signature, signature_place) = signature(&tags)?;
        let hash = tags.needed("bh", "it has no body hash")?;
        let hash = base64(hash).and_then(|octets| octets.try_into().ok());
        Ok(Signature {
            algorithm: Algorithm::parse(tags.needed("a", "it has no algorithm")?)?,
            signature,
            signature_place,
            body_hash: hash.ok_or(Malformed("its body hash is malformed"))?,
            header_canon,
            body_canon,
            names: names(tags.needed("h", "it signs no header fields")?, kind)?,
            identity_domain: match (kind, tags.value("i")) {
                (Kind::Dkim, Some(identity)) => identity_domain(identity, &signer.domain)?,
                _ => signer.domain.clone(),
            },
            signer,
            length: number(tags.value("l"))?,
            ages: Ages::read(&tags)?,
        })
    }
}

impl Signer {
    /// `d=` and `s=`: domain names, not literals; a selector may have several labels.
    pub(super) fn read(tags: &Tags<'_>) -> Result<Signer, Malformed> {
        let name = |text: &str, wrong| match Domain::parse(text) {
            Ok(domain) if domain.literal().is_none() => Ok(domain),
            _ => Err(Malformed(wrong)),
        };
        let signer = Signer {
            domain: name(
                tags.needed("d", "it has no domain")?,
                "its domain is no domain name",
            )?,
            selector: name(
                tags.needed("s", "it has no selector")?,
                "its selector is malformed",
            )?,
        };
        match signer.key_name() {
            Some(_) => Ok(signer),
            None => Err(Malformed("the name of its key is too long")),
        }
    }

    /// Where the key stands (RFC 6376 section 3.6.2.1); None where that is longer than a name may be.
    pub fn key_name(&self) -> Option<Name> {
        Name::parse(&format!("{}._domainkey.{}", self.selector, self.domain))
    }
}

impl Ages {
    fn read(tags: &Tags<'_>) -> Result<Ages, Malformed> {
        let ages = Ages {
            signed: number(tags.value("t"))?,
            expires: number(tags.value("x"))?,
        };
        match (ages.signed, ages.expires) {
            (Some(signed), Some(expires)) if expires <= signed => {
                Err(Malformed("it expires before it was made"))
            }
            _ => Ok(ages),
        }
    }
}

impl Claims {
    /// Reads what can be read.
    pub fn read(value: &[u8]) -> Claims {
        let Ok(tags) = Tags::parse(value) else {
            return Claims::default();
        };
        let (domain, selector) = match Signer::read(&tags) {
            Ok(signer) => (signer.domain.to_string(), signer.selector.to_string()),
            Err(_) => Default::default(),
        };
        let algorithm = tags.value("a").filter(|text| {
            text.len() <= ALGORITHM_BYTES_MAX
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
        let signature = tags.value("b").unwrap_or_default();
        let shown = |identity: &String| identity.len() <= DKIM_IDENTITY_BYTES_MAX;
        Claims {
            identity: tags
                .value("i")
                .and_then(identity)
                .filter(shown)
                .unwrap_or_default(),
            domain,
            selector,
            algorithm: algorithm.unwrap_or_default().into(),
            signature: match base64(signature) {
                Some(_) => without_blanks(signature),
                None => String::new(),
            },
        }
    }
}

/// `b=` and where it stands.
pub(super) fn signature(tags: &Tags<'_>) -> Result<(Vec<u8>, Range<usize>), Malformed> {
    let text = tags.needed("b", "it holds no signature")?;
    let octets = base64(text).ok_or(Malformed("its signature is not base64"))?;
    Ok((octets, tags.place("b").unwrap_or_default()))
}

/// Digits alone (RFC 6376 section 3.5); what is too large to be counted is as late, or as long, as can be.
pub(super) fn number(text: Option<&str>) -> Result<Option<u64>, Malformed> {
    match text {
        None => Ok(None),
        Some(text) if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(Malformed("a number in it is malformed"))
        }
        Some(text) => Ok(Some(text.parse().unwrap_or(u64::MAX))),
    }
}

/// `c=`: simple when a half is not there. RFC 8617 says nothing else of ARC, but its test suite and every sealer take
/// a missing `c=` for relaxed/relaxed.
fn canons(text: Option<&str>, kind: Kind) -> Result<(Canon, Canon), Malformed> {
    let one = |text| match text {
        "simple" => Ok(Canon::Simple),
        "relaxed" => Ok(Canon::Relaxed),
        _ => Err(Malformed("its canonicalization is not known")),
    };
    let (header, body) = match (text, kind) {
        (None, Kind::Dkim) => ("simple", "simple"),
        (None, Kind::Arc) => ("relaxed", "relaxed"),
        (Some(text), _) => text.split_once('/').unwrap_or((text, "simple")),
    };
    Ok((one(header)?, one(body)?))
}

/// `h=`. That of DKIM covers From; that of ARC covers no seal (RFC 8617 section 4.1.2), and its test suite has names
/// missing in it.
fn names(text: &str, kind: Kind) -> Result<Vec<&str>, Malformed> {
    let mut names = Vec::with_capacity(16);
    for name in items(text) {
        if name.is_empty() && kind == Kind::Arc {
            continue;
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Malformed("a name that it signs is malformed"));
        }
        if names.len() == DKIM_SIGNED_NAMES_MAX {
            return Err(Malformed("it signs too many header fields"));
        }
        names.push(name);
    }
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    match kind {
        Kind::Dkim if !has("From") => Err(Malformed("it does not sign From")),
        Kind::Arc if has("ARC-Seal") => Err(Malformed("it signs a seal")),
        _ => Ok(names),
    }
}

/// The domain of `i=`: `d=` or below it.
fn identity_domain(text: &str, domain: &Domain) -> Result<Domain, Malformed> {
    let text = identity(text).ok_or(Malformed("its identity is malformed"))?;
    let (_, of) = text
        .rsplit_once('@')
        .ok_or(Malformed("its identity has no domain"))?;
    let of = Domain::parse(of).map_err(|_| Malformed("its identity's domain is malformed"))?;
    let below = of.as_str().strip_suffix(domain.as_str());
    match below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
        true => Ok(of),
        false => Err(Malformed(
            "its identity is not of the domain that signs (i= and d=)",
        )),
    }
}

/// The text of `i=` in one word; None where it would be none.
fn identity(text: &str) -> Option<String> {
    let text = without_blanks(text);
    let good = text.contains('@') && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    good.then_some(text)
}

fn without_blanks(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}
