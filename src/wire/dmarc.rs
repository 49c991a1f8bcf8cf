//! DMARC policy records (RFC 9989 sections 4.7 and 4.8; records of RFC 7489 are understood, their `pct`, `rf` and `ri`
//! mean nothing any more).

use crate::limits::{DMARC_RECORD_BYTES_MAX, DMARC_URIS_MAX};
use crate::wire::address::{Address, Domain};
use crate::wire::mime::decode::percent_unescape;

/// What a domain asks for when a message in its name fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Policy {
    /// Nothing.
    None,
    /// Suspect it.
    Quarantine,
    /// Do not take it.
    Reject,
}

impl Policy {
    /// As it stands in records and in Authentication-Results.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }

    /// One level milder: what `t=y` makes of it.
    pub fn milder(self) -> Policy {
        match self {
            Policy::Reject => Policy::Quarantine,
            Policy::Quarantine | Policy::None => Policy::None,
        }
    }
}

/// `adkim` and `aspf`: which domains stand for each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alignment {
    /// Those of one organizational domain.
    Relaxed,
    /// The same domain only.
    Strict,
}

/// `psd`: what kind of domain publishes the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublicSuffix {
    /// `y`: others register their domains below it.
    Yes,
    /// `n`: it is an organizational domain.
    No,
    /// `u`: the walk tells.
    Unknown,
}

/// `fo`: which failures are worth a report. Without any it is `0`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FailureOptions {
    /// `1`: as soon as one mechanism does not pass aligned, not only when all do not.
    pub any: bool,
    /// `d`: a signature failed.
    pub dkim: bool,
    /// `s`: SPF failed.
    pub spf: bool,
}

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// `p`, where it is there and good.
    pub p: Option<Policy>,
    /// `sp`, for subdomains that exist.
    pub sp: Option<Policy>,
    /// `np`, for subdomains that do not exist.
    pub np: Option<Policy>,
    /// There is no good `p`, or a `sp` or `np` that is not good: all policies are `none`, and without a good `rua` the
    /// record is not used (section 4.10.1).
    pub broken: bool,
    /// `psd`
    pub psd: PublicSuffix,
    /// `t=y`
    pub testing: bool,
    /// `adkim`
    pub adkim: Alignment,
    /// `aspf`
    pub aspf: Alignment,
    /// `rua`: who gets aggregate reports by mail; what is not `mailto:` is not here.
    pub rua: Vec<Address>,
    /// `rua` names at least one URI, of whatever scheme.
    pub reportable: bool,
    /// `ruf`: who gets failure reports by mail.
    pub ruf: Vec<Address>,
    /// `fo`
    pub fo: FailureOptions,
}

impl Record {
    /// Reads a TXT record; None where it is no DMARC record. What is wrong behind the version is as if it were not
    /// there; of a tag that stands there twice the first counts.
    pub fn parse(text: &[u8]) -> Option<Record> {
        if text.len() > DMARC_RECORD_BYTES_MAX {
            return None;
        }
        let mut tags = text.split(|&octet| octet == b';').map(tag);
        let (name, version) = tags.next()??;
        if !name.eq_ignore_ascii_case(b"v") || version != b"DMARC1" {
            return None;
        }
        let mut seen = Seen::default();
        tags.flatten()
            .for_each(|(name, value)| seen.keep(name, value));
        Some(seen.record())
    }

    /// What it asks for mail in the name of the domain where it stands, `t` not taken into account.
    pub fn own(&self) -> Policy {
        match self.broken {
            true => Policy::None,
            false => self.p.unwrap_or(Policy::None),
        }
    }

    /// The same for a subdomain that exists.
    pub fn subdomain(&self) -> Policy {
        match self.broken {
            true => Policy::None,
            false => self.sp.unwrap_or(self.own()),
        }
    }

    /// The same for a subdomain that does not exist.
    pub fn missing_subdomain(&self) -> Policy {
        match self.broken {
            true => Policy::None,
            false => self.np.unwrap_or(self.subdomain()),
        }
    }

    /// Whether DMARC applies at all by this record.
    pub fn applies(&self) -> bool {
        !self.broken || self.reportable
    }
}

/// `name = value`, trimmed; None for what is no tag.
fn tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', text)?;
    let name = text.get(..equals)?.trim_ascii();
    let value = text.get(equals + 1..)?.trim_ascii();
    let good = !name.is_empty()
        && name.iter().all(u8::is_ascii_alphabetic)
        && value
            .iter()
            .all(|octet| matches!(octet, b' '..=b'~' | b'\t'));
    good.then_some((name, value))
}

/// Values of known tags, as they stand.
#[derive(Default)]
struct Seen<'a> {
    values: [Option<&'a [u8]>; NAMES.len()],
}

const NAMES: [&[u8]; 10] = [
    b"p", b"sp", b"np", b"psd", b"t", b"adkim", b"aspf", b"rua", b"ruf", b"fo",
];

impl<'a> Seen<'a> {
    fn keep(&mut self, name: &[u8], value: &'a [u8]) {
        let known = NAMES
            .iter()
            .position(|known| name.eq_ignore_ascii_case(known));
        if let Some(place) = known.and_then(|at| self.values.get_mut(at)) {
            place.get_or_insert(value);
        }
    }

    fn record(&self) -> Record {
        let [p, sp, np, psd, t, adkim, aspf, rua, ruf, fo] = self.values;
        let bad = |value: Option<&[u8]>| value.is_some() && policy(value).is_none();
        let (rua, reportable) = destinations(rua);
        Record {
            p: policy(p),
            sp: policy(sp),
            np: policy(np),
            broken: policy(p).is_none() || bad(sp) || bad(np),
            psd: match () {
                _ if is(psd, b"y") => PublicSuffix::Yes,
                _ if is(psd, b"n") => PublicSuffix::No,
                _ => PublicSuffix::Unknown,
            },
            testing: is(t, b"y"),
            adkim: alignment(adkim),
            aspf: alignment(aspf),
            rua,
            reportable,
            ruf: destinations(ruf).0,
            fo: failure_options(fo),
        }
    }
}

fn is(value: Option<&[u8]>, word: &[u8]) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(word))
}

fn policy(value: Option<&[u8]>) -> Option<Policy> {
    [Policy::None, Policy::Quarantine, Policy::Reject]
        .into_iter()
        .find(|policy| is(value, policy.as_str().as_bytes()))
}

fn alignment(value: Option<&[u8]>) -> Alignment {
    match is(value, b"s") {
        true => Alignment::Strict,
        false => Alignment::Relaxed,
    }
}

/// A list with anything else in it is as if it were not there.
fn failure_options(value: Option<&[u8]>) -> FailureOptions {
    let mut options = FailureOptions::default();
    for word in value.unwrap_or_default().split(|&octet| octet == b':') {
        match word.trim_ascii() {
            b"0" => {}
            b"1" => options.any = true,
            b"d" | b"D" => options.dkim = true,
            b"s" | b"S" => options.spf = true,
            _ => return FailureOptions::default(),
        }
    }
    options
}

/// The mail addresses of a list of URIs, at most `DMARC_URIS_MAX`, and whether there is a URI at all.
fn destinations(value: Option<&[u8]>) -> (Vec<Address>, bool) {
    let mut addresses: Vec<Address> = Vec::new();
    let mut any = false;
    for uri in value.unwrap_or_default().split(|&octet| octet == b',') {
        // The limit of size behind an exclamation mark is RFC 7489's; it is passed over.
        let uri = uri.split(|&octet| octet == b'!').next().unwrap_or_default();
        let Some((scheme, rest)) = uri_parts(uri.trim_ascii()) else {
            continue;
        };
        any = true;
        if scheme.eq_ignore_ascii_case(b"mailto")
            && addresses.len() < DMARC_URIS_MAX
            && let Some(address) = mail_address(rest)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    (addresses, any)
}

/// Scheme and rest of a URI (RFC 3986) as far as its characters tell.
fn uri_parts(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', uri)?;
    let (scheme, rest) = (uri.get(..colon)?, uri.get(colon + 1..)?);
    let good = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet))
        && rest
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-._~:/?#[]@$&'()*+;=%".contains(octet));
    good.then_some((scheme, rest))
}

/// Behind `mailto:`; fields of a header (`?subject=`) are passed over.
fn mail_address(rest: &[u8]) -> Option<Address> {
    let path = rest.split(|&octet| octet == b'?').next()?;
    let decoded = percent_unescape(path);
    let text = std::str::from_utf8(&decoded).ok()?;
    // What a URI escapes needs no quotes there, and may need them in an address.
    match text.rsplit_once('@')? {
        (local, _) if local.starts_with('"') => Address::parse(text).ok(),
        (local, domain) => Address::new(local, Domain::parse(domain).ok()?).ok(),
    }
}

#[cfg(test)]
mod tests;
