//! The Sender Rewriting Scheme: a reverse-path of this box for mail that is passed on, and the way back.
//!
//! The form is that of libsrs2 and postsrsd (`SRS0=hash=day=domain=local`, `SRS1=hash=domain==rest` over somebody
//! else's), the hash the same HMAC-SHA1 over the same octets, but longer and in base32: eight characters, 40 bits,
//! compared without case as local parts may be. A reverse-path whose local part would pass 64 octets is kept in the
//! store and named by a token (`SRST=hash=day=token`).

use super::address::{Address, Domain};
use crate::limits::{SRS_DAYS_MAX, SRS_LOCAL_BYTES_MAX};
use ring::hmac;

/// Characters of a hash.
const HASH_CHARS: usize = 8;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Days are counted modulo the square of the base.
const DAYS: u32 = 1_024;

/// A reverse-path of this box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Forward {
    /// The local part is all there is to it.
    Local(String),
    /// Too long: to be kept under a token, then written by [`Srs::token`].
    TooLong,
}

/// Where mail to one of our rewritten addresses belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Back {
    /// To this address.
    Address(Address),
    /// To the address that was kept under this token.
    Token(u64),
}

/// Why there is no way back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoWay {
    /// It does not look like one of these addresses.
    NotSrs,
    /// Its hash is not ours: made up.
    Forged,
    /// It is older than `SRS_DAYS_MAX`.
    Expired,
}

/// The key, and what day it is.
pub struct Srs {
    key: hmac::Key,
    day: u32,
}

impl Srs {
    /// `secret`: of this box, random. `day`: days since 1970.
    pub fn new(secret: &[u8], day: u32) -> Srs {
        Srs {
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret),
            day: day % DAYS,
        }
    }

    /// The local part under which answers to `sender` come back to us.
    pub fn forward(&self, sender: &Address) -> Forward {
        let (local, domain) = (sender.local(), sender.domain().as_str());
        let done = if let Some(rest) = strip(local, "SRS1") {
            // Somebody else's over yet another's: the first one stays the one to go back to.
            let mut parts = rest.splitn(3, '=');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(_), Some(first), Some(rest)) => self.second(first, rest),
                _ => self.first(local, domain),
            }
        } else if let Some(rest) = strip_keeping_separator(local, "SRS0") {
            self.second(domain, rest)
        } else {
            self.first(local, domain)
        };
        match done.len() <= SRS_LOCAL_BYTES_MAX {
            true => Forward::Local(done),
            false => Forward::TooLong,
        }
    }

    /// The local part that names a kept reverse-path.
    pub fn token(&self, token: u64) -> String {
        let (day, token) = (self.stamp(), token.to_string());
        format!("SRST={}={day}={token}", self.hash(&[&day, &token]))
    }

    /// What stands behind a local part of ours.
    pub fn back(&self, local: &str) -> Result<Back, NoWay> {
        if let Some(rest) = strip(local, "SRS0") {
            let [hash, day, domain, local] = split(rest)?;
            self.check(hash, &[day, domain, local])?;
            self.check_age(day)?;
            let domain = Domain::parse(domain).map_err(|_| NoWay::Forged)?;
            let address = Address::new(local, domain).map_err(|_| NoWay::Forged)?;
            return Ok(Back::Address(address));
        }
        if let Some(rest) = strip(local, "SRS1") {
            let [hash, domain, rest] = split(rest)?;
            self.check(hash, &[domain, rest])?;
            let domain = Domain::parse(domain).map_err(|_| NoWay::Forged)?;
            let address =
                Address::new(&format!("SRS0{rest}"), domain).map_err(|_| NoWay::Forged)?;
            return Ok(Back::Address(address));
        }
        if let Some(rest) = strip(local, "SRST") {
            let [hash, day, token] = split(rest)?;
            self.check(hash, &[day, token])?;
            self.check_age(day)?;
            return token.parse().map(Back::Token).map_err(|_| NoWay::Forged);
        }
        Err(NoWay::NotSrs)
    }

    fn first(&self, local: &str, domain: &str) -> String {
        let day = self.stamp();
        let hash = self.hash(&[&day, domain, local]);
        format!("SRS0={hash}={day}={domain}={local}")
    }

    fn second(&self, domain: &str, rest: &str) -> String {
        format!("SRS1={}={domain}={rest}", self.hash(&[domain, rest]))
    }

    fn stamp(&self) -> String {
        letters([self.day / 32, self.day % 32])
    }

    /// HMAC-SHA1 over the parts in lower case, one behind the other (libsrs2).
    fn hash(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part.to_ascii_lowercase().as_bytes());
        }
        let tag = context.sign();
        let bits = tag
            .as_ref()
            .iter()
            .take(5)
            .fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
        letters((0..HASH_CHARS).map(|n| (bits >> (35 - 5 * n) & 31) as u32))
    }

    fn check(&self, hash: &str, parts: &[&str]) -> Result<(), NoWay> {
        let right = self.hash(parts);
        let given = hash.to_ascii_uppercase();
        // In constant time: nobody finds the hash letter by letter.
        let differ = right
            .bytes()
            .zip(given.bytes())
            .fold(0, |differ, (a, b)| differ | (a ^ b));
        match given.len() == right.len() && differ == 0 {
            true => Ok(()),
            false => Err(NoWay::Forged),
        }
    }

    fn check_age(&self, stamp: &str) -> Result<(), NoWay> {
        let digit = |letter: u8| {
            BASE32
                .iter()
                .position(|known| *known == letter.to_ascii_uppercase())
        };
        let mut digits = stamp.bytes().map(digit);
        let (Some(Some(high)), Some(Some(low)), None) =
            (digits.next(), digits.next(), digits.next())
        else {
            return Err(NoWay::Forged);
        };
        let then = (high * 32 + low) as u32;
        // A day from tomorrow is one of a clock that was corrected.
        match (self.day + DAYS - then) % DAYS {
            age if age <= SRS_DAYS_MAX || age == DAYS - 1 => Ok(()),
            _ => Err(NoWay::Expired),
        }
    }
}

fn letters(digits: impl IntoIterator<Item = u32>) -> String {
    let letter = |digit: u32| BASE32.get(digit as usize & 31).copied().unwrap_or(b'A');
    digits
        .into_iter()
        .map(|digit| char::from(letter(digit)))
        .collect()
}

/// What stands behind the tag and its separator, which may be `=`, `-` or `+` (libsrs2).
fn strip<'a>(local: &'a str, tag: &str) -> Option<&'a str> {
    let rest = strip_keeping_separator(local, tag)?;
    rest.get(1..)
}

fn strip_keeping_separator<'a>(local: &'a str, tag: &str) -> Option<&'a str> {
    let (head, rest) = local.split_at_checked(tag.len())?;
    (head.eq_ignore_ascii_case(tag) && rest.starts_with(['=', '-', '+'])).then_some(rest)
}

/// So many parts, the last one with whatever it holds.
fn split<const N: usize>(rest: &str) -> Result<[&str; N], NoWay> {
    let mut parts = rest.splitn(N, '=');
    let mut out = [""; N];
    for place in &mut out {
        *place = parts.next().ok_or(NoWay::NotSrs)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn srs(day: u32) -> Srs {
        Srs::new(b"a secret of this box", day)
    }

    fn local(forward: Forward) -> String {
        match forward {
            Forward::Local(local) => local,
            Forward::TooLong => panic!("too long"),
        }
    }

    #[test]
    fn there_and_back() {
        let sender = Address::parse("Anna=B@example.org").unwrap();
        let there = local(srs(20_000).forward(&sender));
        assert!(
            there.starts_with("SRS0=") && there.ends_with("=example.org=Anna=B"),
            "{there}"
        );
        let expected = Ok(Back::Address(sender));
        assert_eq!(srs(20_000).back(&there), expected);
        assert!(
            srs(20_000).back(&there.to_ascii_lowercase()).is_ok(),
            "case does not count"
        );
        assert_eq!(srs(20_000 + SRS_DAYS_MAX).back(&there), expected);
        assert_eq!(srs(20_001 + SRS_DAYS_MAX).back(&there), Err(NoWay::Expired));
        assert_eq!(srs(19_999).back(&there), expected);
        assert_eq!(srs(19_998).back(&there), Err(NoWay::Expired));
        assert_eq!(
            srs(20_000).back(&there.replace("example", "exomple")),
            Err(NoWay::Forged)
        );
        assert_eq!(
            Srs::new(b"another", 20_000).back(&there),
            Err(NoWay::Forged)
        );
        for other in ["anna", "SRS0", "SRS0=", "SRS0=a=b=c", "SRS2=a=b=c=d"] {
            assert_eq!(srs(0).back(other), Err(NoWay::NotSrs), "{other}");
        }
    }

    #[test]
    fn over_somebody_elses() {
        let first = Address::parse("SRS0=abcd=XY=example.org=anna@one.net").unwrap();
        let there = local(srs(1).forward(&first));
        assert!(
            there.starts_with("SRS1=") && there.ends_with("=one.net==abcd=XY=example.org=anna"),
            "{there}"
        );
        assert_eq!(srs(900).back(&there), Ok(Back::Address(first.clone())));
        let second = Address::new(&there, Domain::parse("two.net").unwrap()).unwrap();
        let other = Srs::new(b"of a third box", 1);
        let there = local(other.forward(&second));
        assert!(
            there.ends_with("=one.net==abcd=XY=example.org=anna"),
            "{there}"
        );
        assert_eq!(other.back(&there), Ok(Back::Address(first)));
    }

    #[test]
    fn what_is_too_long_becomes_a_token() {
        let sender = |bytes: usize| {
            let local = "x".repeat(bytes);
            Address::parse(&format!("{local}@example.org")).unwrap()
        };
        let fixed = "SRS0=12345678=AB=example.org=".len();
        let most = SRS_LOCAL_BYTES_MAX - fixed;
        assert_eq!(
            local(srs(1).forward(&sender(most))).len(),
            SRS_LOCAL_BYTES_MAX
        );
        assert_eq!(srs(1).forward(&sender(most + 1)), Forward::TooLong);
        let token = srs(1).token(u64::MAX);
        assert!(token.len() <= SRS_LOCAL_BYTES_MAX);
        assert_eq!(srs(1).back(&token), Ok(Back::Token(u64::MAX)));
        assert_eq!(
            srs(1).back(&token.replace("1844", "1845")),
            Err(NoWay::Forged)
        );
        assert_eq!(srs(9).back(&token), Err(NoWay::Expired));
    }

    proptest! {
        #[test]
        fn nothing_panics(local in ".{0,80}") {
            let _ = srs(5).back(&local);
            let _ = srs(5).back(&format!("SRS0={local}"));
            if let Ok(address) = Address::new(&local, Domain::parse("b.de").unwrap()) {
                let _ = srs(5).forward(&address);
            }
        }
    }
}
