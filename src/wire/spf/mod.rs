//! SPF records (RFC 7208 sections 4.6, 5, 6 and 12): strictly as the grammar says, read where they stand.
//!
//! [`Record::parse`] checks every term of a record (an error anywhere is an error of the whole, section 4.6) and keeps
//! nothing but slices of it; [`Record::directives`] reads them again one by one, so that a record of any length costs
//! no memory. Text with macros is in [`macros`].

pub mod macros;

use crate::limits::SPF_RECORD_BYTES_MAX;
use crate::wire::network::Network;
use macros::{DomainSpec, Letters};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A record without mistakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    terms: &'a str,
    /// `redirect=`: whose record decides when no directive matches.
    pub redirect: Option<DomainSpec<'a>>,
    /// `exp=`: where the explanation of a fail stands.
    pub explanation: Option<DomainSpec<'a>>,
}

/// What a match means (section 4.6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qualifier {
    /// `+`, and without any.
    Pass,
    /// `-`.
    Fail,
    /// `~`.
    SoftFail,
    /// `?`.
    Neutral,
}

/// A mechanism and what its match means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Directive<'a> {
    /// What a match means.
    pub qualifier: Qualifier,
    /// What is looked for.
    pub mechanism: Mechanism<'a>,
    /// As published, with its qualifier: printable ASCII without spaces.
    pub text: &'a str,
}

/// Section 5. A target that is not named is the domain whose record it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism<'a> {
    /// Always.
    All,
    /// What another record says is a pass.
    Include(DomainSpec<'a>),
    /// The client is an address of the target.
    A(Option<DomainSpec<'a>>, Prefixes),
    /// The client is an address of a mail exchanger of the target.
    Mx(Option<DomainSpec<'a>>, Prefixes),
    /// The client's name is the target or below it.
    Ptr(Option<DomainSpec<'a>>),
    /// `ip4:` or `ip6:`: the client is in a network.
    Ip(Network),
    /// The target has an IPv4 address, whichever.
    Exists(DomainSpec<'a>),
}

/// How many bits of an address count, of either family (section 5.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefixes {
    /// 0 to 32.
    pub v4: u8,
    /// 0 to 128.
    pub v6: u8,
}

/// Why a record cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// What is wrong, for people.
    pub why: &'static str,
    /// The term that is wrong, cut to 64 octets, printable ASCII; empty where it is the whole record.
    pub term: String,
}

/// Whether the octets of a TXT record are an SPF record at all, right or wrong (section 4.5).
pub fn is_record(octets: &[u8]) -> bool {
    match octets.split_at_checked(VERSION.len()) {
        Some((version, rest)) => {
            version.eq_ignore_ascii_case(VERSION) && matches!(rest.first(), None | Some(b' '))
        }
        None => false,
    }
}

const VERSION: &[u8] = b"v=spf1";

impl<'a> Record<'a> {
    /// Reads a record that [`is_record`].
    pub fn parse(octets: &'a [u8]) -> Result<Record<'a>, SyntaxError> {
        let whole = |why| SyntaxError {
            why,
            term: String::new(),
        };
        if octets.len() > SPF_RECORD_BYTES_MAX {
            return Err(whole("it is too long"));
        }
        // Terms are visible characters, separated by spaces alone (section 4.6.1).
        let text = std::str::from_utf8(octets)
            .ok()
            .filter(|text| text.bytes().all(|octet| matches!(octet, b' '..=b'~')))
            .ok_or_else(|| whole("it holds octets that are no printable ASCII"))?;
        let mut record = Record {
            terms: text.get(VERSION.len()..).unwrap_or_default(),
            redirect: None,
            explanation: None,
        };
        for word in words(record.terms) {
            let wrong = |why| SyntaxError {
                why,
                term: word.chars().take(64).collect(),
            };
            match Term::parse(word).map_err(wrong)? {
                Term::Directive(_) | Term::Unknown => {}
                Term::Redirect(to) => once(&mut record.redirect, to).map_err(wrong)?,
                Term::Explanation(at) => once(&mut record.explanation, at).map_err(wrong)?,
            }
        }
        Ok(record)
    }

    /// The directives in their order.
    pub fn directives(&self) -> impl Iterator<Item = Directive<'a>> + use<'a> {
        words(self.terms).filter_map(|word| match Term::parse(word) {
            Ok(Term::Directive(directive)) => Some(directive),
            _ => None,
        })
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// Section 6: neither of the two modifiers appears twice.
fn once<'a>(to: &mut Option<DomainSpec<'a>>, value: DomainSpec<'a>) -> Result<(), &'static str> {
    match to.replace(value) {
        None => Ok(()),
        Some(_) => Err("the modifier appears twice"),
    }
}

enum Term<'a> {
    Directive(Directive<'a>),
    Redirect(DomainSpec<'a>),
    Explanation(DomainSpec<'a>),
    /// A modifier of the future: it changes nothing (section 6).
    Unknown,
}

impl<'a> Term<'a> {
    fn parse(word: &'a str) -> Result<Term<'a>, &'static str> {
        // A `=` before any `:` or `/` makes a modifier (section 4.6.1).
        let mark = word.find([':', '/', '=']);
        match mark.and_then(|at| word.split_at_checked(at)) {
            Some((name, rest)) if rest.starts_with('=') => {
                modifier(name, rest.get(1..).unwrap_or_default())
            }
            Some((name, rest)) => directive(word, name, rest),
            None => directive(word, word, ""),
        }
    }
}

fn modifier<'a>(name: &'a str, value: &'a str) -> Result<Term<'a>, &'static str> {
    if name.eq_ignore_ascii_case("redirect") {
        return DomainSpec::parse(value).map(Term::Redirect);
    }
    if name.eq_ignore_ascii_case("exp") {
        return DomainSpec::parse(value).map(Term::Explanation);
    }
    let mut octets = name.bytes();
    let good = octets
        .next()
        .is_some_and(|octet| octet.is_ascii_alphabetic())
        && octets.all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
    if !good {
        return Err("that is no name of a modifier");
    }
    macros::check(value, Letters::OfTerms).map(|_| Term::Unknown)
}

/// `name` with its qualifier; `rest` begins with `:` or `/`, or is empty.
fn directive<'a>(text: &'a str, name: &'a str, rest: &'a str) -> Result<Term<'a>, &'static str> {
    let qualifiers = [
        ('+', Qualifier::Pass),
        ('-', Qualifier::Fail),
        ('~', Qualifier::SoftFail),
        ('?', Qualifier::Neutral),
    ];
    let (qualifier, name) = qualifiers
        .into_iter()
        .find_map(|(sign, qualifier)| Some((qualifier, name.strip_prefix(sign)?)))
        .unwrap_or((Qualifier::Pass, name));
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let wanted = || rest.strip_prefix(':').ok_or("it needs `:` and a domain");
    let mechanism = if is("all") {
        match rest {
            "" => Mechanism::All,
            _ => return Err("nothing stands behind `all`"),
        }
    } else if is("include") {
        Mechanism::Include(DomainSpec::parse(wanted()?)?)
    } else if is("a") {
        let (target, prefixes) = target_and_prefixes(rest)?;
        Mechanism::A(target, prefixes)
    } else if is("mx") {
        let (target, prefixes) = target_and_prefixes(rest)?;
        Mechanism::Mx(target, prefixes)
    } else if is("ptr") {
        Mechanism::Ptr(match rest {
            "" => None,
            _ => Some(DomainSpec::parse(wanted()?)?),
        })
    } else if is("ip4") {
        let (address, prefix) = address_and_prefix::<Ipv4Addr>(rest, 32)?;
        Mechanism::Ip(Network {
            address: IpAddr::V4(address),
            prefix,
        })
    } else if is("ip6") {
        let (address, prefix) = address_and_prefix::<Ipv6Addr>(rest, 128)?;
        Mechanism::Ip(Network {
            address: IpAddr::V6(address),
            prefix,
        })
    } else if is("exists") {
        Mechanism::Exists(DomainSpec::parse(wanted()?)?)
    } else {
        return Err("there is no such mechanism");
    };
    Ok(Term::Directive(Directive {
        qualifier,
        mechanism,
        text,
    }))
}

/// `[ ":" domain-spec ] [ "/" bits ] [ "//" bits ]`. A domain-spec may hold slashes, but never ends with one and
/// digits: what looks like a prefix at the end is one.
fn target_and_prefixes(rest: &str) -> Result<(Option<DomainSpec<'_>>, Prefixes), &'static str> {
    let (rest, v6) = match cut_bits(rest) {
        Some((before, bits)) if before.ends_with('/') => {
            let before = before.strip_suffix('/').unwrap_or(before);
            (before, prefix(bits, 128)?)
        }
        _ => (rest, 128),
    };
    let (rest, v4) = match cut_bits(rest) {
        Some((before, bits)) => (before, prefix(bits, 32)?),
        None => (rest, 32),
    };
    let target = match rest.strip_prefix(':') {
        Some(target) => Some(DomainSpec::parse(target)?),
        None if rest.is_empty() => None,
        None => return Err("that is no prefix length"),
    };
    Ok((target, Prefixes { v4, v6 }))
}

/// Splits `/digits` off the end.
fn cut_bits(text: &str) -> Option<(&str, &str)> {
    let (before, bits) = text.rsplit_once('/')?;
    let digits = !bits.is_empty() && bits.bytes().all(|octet| octet.is_ascii_digit());
    digits.then_some((before, bits))
}

/// Section 5.6: no zeros in front, nothing above the family's length.
fn prefix(bits: &str, bits_max: u8) -> Result<u8, &'static str> {
    let good = bits == "0" || !bits.starts_with('0');
    bits.parse()
        .ok()
        .filter(|bits| good && *bits <= bits_max)
        .ok_or("that is no prefix length")
}

fn address_and_prefix<A: std::str::FromStr>(
    rest: &str,
    bits_max: u8,
) -> Result<(A, u8), &'static str> {
    let text = rest.strip_prefix(':').ok_or("it needs `:` and a network")?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) if bits.bytes().all(|octet| octet.is_ascii_digit()) => {
            (address, prefix(bits, bits_max)?)
        }
        Some(_) => return Err("that is no prefix length"),
        None => (text, bits_max),
    };
    let address = address.parse().map_err(|_| "that is no address")?;
    Ok((address, bits))
}

#[cfg(test)]
mod tests;
