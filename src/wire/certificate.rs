//! What we must know of an X.509 certificate: its names and its dates (RFC 5280 section 4.1), read from DER.
//! Signatures and chains are not judged here.

/// Names and dates of one certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// DNS names of subjectAltName, as written (`*.box.test` stays so).
    pub names: Vec<String>,
    /// notBefore, seconds since 1970.
    pub not_before: i64,
    /// notAfter, seconds since 1970.
    pub not_after: i64,
    /// Issuer and subject are the same: self-signed.
    pub self_signed: bool,
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const OBJECT_ID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `[2] IMPLICIT IA5String` of GeneralName.
const DNS_NAME: u8 = 0x82;
/// `[3] EXPLICIT Extensions` of TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// id-ce-subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Reads one certificate; None when it is not one.
pub fn read(der: &[u8]) -> Option<Facts> {
    let mut tbs = from_issuer(der)?;
    let issuer = tbs.expect(SEQUENCE)?;
    let mut validity = Der(tbs.expect(SEQUENCE)?);
    let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
    let subject = tbs.expect(SEQUENCE)?;
    let mut facts = Facts {
        names: Vec::new(),
        not_before,
        not_after,
        self_signed: issuer == subject,
    };
    while let Some((tag, value)) = tbs.next() {
        if tag == EXTENSIONS {
            facts.names = dns_names(value)?;
        }
    }
    Some(facts)
}

/// The SubjectPublicKeyInfo of a certificate, whole; None when it is not one.
pub fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut tbs = from_issuer(der)?;
    tbs.next()?; // issuer
    tbs.next()?; // validity
    tbs.next()?; // subject
    let from = tbs.0;
    tbs.expect(SEQUENCE)?;
    from.get(..from.len() - tbs.0.len())
}

/// TBSCertificate from its issuer on.
fn from_issuer(der: &[u8]) -> Option<Der<'_>> {
    let certificate = Der(der).expect(SEQUENCE)?;
    let mut tbs = Der(Der(certificate).expect(SEQUENCE)?);
    if tbs.peek()? == 0xa0 {
        tbs.next()?; // version
    }
    tbs.next()?; // serialNumber
    tbs.next()?; // signature
    Some(tbs)
}

fn dns_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut list = Der(Der(extensions).expect(SEQUENCE)?);
    while !list.0.is_empty() {
        let mut extension = Der(list.expect(SEQUENCE)?);
        if extension.expect(OBJECT_ID)? != SUBJECT_ALT_NAME {
            continue;
        }
        // The optional `critical` flag stands before the value.
        while let Some((tag, value)) = extension.next() {
            if tag != OCTET_STRING {
                continue;
            }
            let mut alternatives = Der(Der(value).expect(SEQUENCE)?);
            while let Some((tag, name)) = alternatives.next() {
                if tag == DNS_NAME {
                    names.push(String::from_utf8(name.to_vec()).ok()?);
                }
            }
        }
    }
    Some(names)
}

/// UTCTime `YYMMDDHHMMSSZ` (50 and more is 19xx) or GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (year + if year >= 50 { 1900 } else { 2000 }, text.get(2..)?)
        }
        (GENERALIZED_TIME, 14) => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let field = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let days = days_since_1970(year, field(0)?, field(2)?)?;
    Some(days * 86_400 + field(4)? * 3_600 + field(6)? * 60 + field(8)?)
}

/// Days of the civil calendar; the year is counted from March so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + of_year - 719_468)
}

/// A row of DER values.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value's tag and content; None at the end and on anything that is not DER.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = octets.iter().fold(0, |len, b| len << 8 | usize::from(*b));
                (len, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, value))
    }

    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, v)| v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_dates() {
        let names = vec!["box.test".to_string(), "*.box.test".to_string()];
        let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let facts = read(made.cert.der()).unwrap();
        assert_eq!(facts.names, names);
        assert!(facts.self_signed);
        assert_eq!(facts.not_before, 157_766_400); // rcgen's default: 1975-01-01
        assert_eq!(facts.not_after, 67_090_118_400);
    }

    #[test]
    fn times_of_both_kinds() {
        assert_eq!(time((UTC_TIME, b"700101000000Z")), Some(0));
        assert_eq!(time((UTC_TIME, b"491231235959Z")), Some(2_524_607_999));
        assert_eq!(
            time((GENERALIZED_TIME, b"20000229120000Z")),
            Some(951_825_600)
        );
        assert_eq!(time((GENERALIZED_TIME, b"20501301000000Z")), None);
        assert_eq!(time((UTC_TIME, b"7001010000+0Z")), None);
    }

    #[test]
    fn any_cut_is_refused_or_whole() {
        let made = rcgen::generate_simple_self_signed(vec!["box.test".to_string()]).unwrap();
        let der = made.cert.der();
        for end in 0..der.len() {
            assert_eq!(read(&der[..end]), None);
        }
    }
}
