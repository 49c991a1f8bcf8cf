//! TLSA records against certificates (RFC 6698, 7671, 7672): what is usable for SMTP, and what matches.

use super::certificate;
use super::dns::Record;
use ring::digest;

/// What a TLSA record says, as far as SMTP uses it (RFC 7672 section 3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tlsa {
    /// Which certificate is meant.
    pub usage: Usage,
    /// Which part of it.
    selector: Selector,
    /// What of that part stands in the record.
    matching: Matching,
    data: Box<[u8]>,
}

/// Which certificate a record means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// 2, DANE-TA: one above the server's.
    TrustAnchor,
    /// 3, DANE-EE: the server's own. Its name and dates do not count (RFC 7672 section 3.1.1).
    EndEntity,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Selector {
    Certificate,
    PublicKey,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Matching {
    Full,
    Sha256,
    Sha512,
}

impl Tlsa {
    /// A usable record; None for what SMTP does not use: usages 0 and 1 (RFC 7672 section 3.1.3), unknown numbers,
    /// digests of the wrong length.
    pub fn usable(record: &Record) -> Option<Tlsa> {
        let Record::Tlsa {
            usage,
            selector,
            matching,
            data,
        } = record
        else {
            return None;
        };
        let usage = match usage {
            2 => Usage::TrustAnchor,
            3 => Usage::EndEntity,
            _ => return None,
        };
        let selector = match selector {
            0 => Selector::Certificate,
            1 => Selector::PublicKey,
            _ => return None,
        };
        let matching = match (matching, data.len()) {
            (0, 1..) => Matching::Full,
            (1, 32) => Matching::Sha256,
            (2, 64) => Matching::Sha512,
            _ => return None,
        };
        Some(Tlsa {
            usage,
            selector,
            matching,
            data: data.clone(),
        })
    }

    /// Whether a certificate (DER) is the one that the record means.
    pub fn matches(&self, der: &[u8]) -> bool {
        let part = match self.selector {
            Selector::Certificate => Some(der),
            Selector::PublicKey => certificate::public_key(der),
        };
        let Some(part) = part else {
            return false;
        };
        match self.matching {
            Matching::Full => *part == *self.data,
            Matching::Sha256 => digest::digest(&digest::SHA256, part).as_ref() == &*self.data,
            Matching::Sha512 => digest::digest(&digest::SHA512, part).as_ref() == &*self.data,
        }
    }

    /// The trust anchor itself, where it stands in the record (`2 0 0`): the server need not send it.
    pub fn anchor(&self) -> Option<&[u8]> {
        let whole = self.usage == Usage::TrustAnchor
            && self.selector == Selector::Certificate
            && self.matching == Matching::Full;
        whole.then_some(&*self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Record {
        Record::Tlsa {
            usage,
            selector,
            matching,
            data: data.into(),
        }
    }

    #[test]
    fn what_smtp_uses() {
        let good = [0; 32];
        for (usage, selector, matching, data, usable) in [
            (3, 1, 1, &good[..], true),
            (2, 0, 1, &good, true),
            (3, 1, 2, &[0; 64], true),
            (3, 0, 0, &[1], true),
            (0, 0, 1, &good, false),
            (1, 0, 1, &good, false),
            (255, 0, 1, &good, false),
            (3, 2, 1, &good, false),
            (3, 1, 3, &good, false),
            (3, 1, 1, &good[..31], false),
            (3, 1, 2, &good, false),
            (3, 0, 0, &[], false),
        ] {
            let record = record(usage, selector, matching, data);
            assert_eq!(Tlsa::usable(&record).is_some(), usable, "{record:?}");
        }
    }

    #[test]
    fn each_part_in_each_form() {
        let made = rcgen::generate_simple_self_signed(["mx.b.de".to_string()]).unwrap();
        let der = made.cert.der().to_vec();
        let key = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
        let other = rcgen::generate_simple_self_signed(["mx.b.de".to_string()]).unwrap();
        for (selector, part) in [(0, der.clone()), (1, key)] {
            let sha256 = digest::digest(&digest::SHA256, &part);
            let sha512 = digest::digest(&digest::SHA512, &part);
            for (matching, data) in [(0, &part[..]), (1, sha256.as_ref()), (2, sha512.as_ref())] {
                let tlsa = Tlsa::usable(&record(3, selector, matching, data)).unwrap();
                assert!(tlsa.matches(&der), "3 {selector} {matching}");
                assert!(!tlsa.matches(other.cert.der()), "3 {selector} {matching}");
                assert!(!tlsa.matches(b"no certificate"));
            }
        }
    }
}
