//! TLS reports (RFC 8460 section 4.4): JSON, held whole up to its bound. Lists keep their first members and pass over
//! the others; members that are not known are passed over.

use super::{Fault, short};
use crate::limits::{
    REPORT_JSON_BYTES_MAX, REPORT_TEXT_BYTES_MAX, REPORT_TLS_FAILURES_MAX, REPORT_TLS_POLICIES_MAX,
};
use crate::wire::address::Domain;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// A report.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Tls {
    /// Who reports.
    #[serde(rename = "organization-name", deserialize_with = "text")]
    pub organization: String,
    /// Whom to ask about it.
    #[serde(rename = "contact-info", deserialize_with = "text")]
    pub contact: String,
    /// Its id.
    #[serde(deserialize_with = "text")]
    pub report_id: String,
    /// Which period.
    #[serde(rename = "date-range")]
    pub dates: Dates,
    /// One for each policy that was seen; at most `REPORT_TLS_POLICIES_MAX`.
    #[serde(deserialize_with = "policies")]
    pub policies: Vec<Policy>,
}

/// A period, RFC 3339 times as written.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Dates {
    /// The first second.
    #[serde(rename = "start-datetime", deserialize_with = "text")]
    pub start: String,
    /// The last.
    #[serde(rename = "end-datetime", deserialize_with = "text")]
    pub end: String,
}

/// How sessions under one policy fared.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The policy.
    pub policy: Described,
    /// Its counts.
    pub summary: Summary,
    /// What failed; at most `REPORT_TLS_FAILURES_MAX`.
    #[serde(rename = "failure-details", deserialize_with = "failures")]
    pub failures: Vec<Failed>,
}

/// A policy.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Described {
    /// `sts`, `tlsa`, `no-policy-found`.
    #[serde(rename = "policy-type", deserialize_with = "text")]
    pub kind: String,
    /// Whose.
    #[serde(rename = "policy-domain", deserialize_with = "text")]
    pub domain: String,
}

/// Sessions, counted.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// With TLS as the policy wants it.
    #[serde(rename = "total-successful-session-count", deserialize_with = "number")]
    pub succeeded: u64,
    /// Without.
    #[serde(rename = "total-failure-session-count", deserialize_with = "number")]
    pub failed: u64,
}

/// Sessions that failed alike.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Failed {
    /// `certificate-expired` and so on (RFC 8460 section 4.3).
    #[serde(rename = "result-type", deserialize_with = "text")]
    pub result: String,
    /// Who tried.
    #[serde(deserialize_with = "text")]
    pub sending_mta_ip: String,
    /// With which host.
    #[serde(deserialize_with = "text")]
    pub receiving_mx_hostname: String,
    /// At which address.
    #[serde(deserialize_with = "text")]
    pub receiving_ip: String,
    /// How often.
    #[serde(rename = "failed-session-count", deserialize_with = "number")]
    pub sessions: u64,
    /// More, for people.
    #[serde(deserialize_with = "text")]
    pub failure_reason_code: String,
}

/// Gathers the octets and reads them at their end.
#[derive(Default)]
pub struct Reader {
    octets: Vec<u8>,
}

impl Reader {
    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), Fault> {
        if self.octets.len() + octets.len() > REPORT_JSON_BYTES_MAX {
            return Err(Fault::TooLarge("its JSON has more than 64 KiB"));
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// The end.
    pub fn finish(self) -> Result<Tls, Fault> {
        let mut report: Tls = serde_json::from_slice(&self.octets)
            .map_err(|error| Fault::Damaged(format!("its JSON is no TLS report ({error})")))?;
        if report.policies.is_empty() {
            return Err(Fault::Other("its JSON has no policies of a TLS report"));
        }
        for Policy { policy, .. } in &mut report.policies {
            let domain = Domain::parse(&policy.domain).map_err(|_| {
                Fault::Damaged(format!("policy-domain {:?} is no domain", policy.domain))
            })?;
            policy.domain = domain.as_str().into();
        }
        Ok(report)
    }
}

impl Tls {
    /// Its period in seconds since 1970, as far as it can be read.
    pub fn period(&self) -> Option<(i64, i64)> {
        Some((seconds(&self.dates.start)?, seconds(&self.dates.end)?))
    }

    /// Sessions that succeeded and failed under all policies.
    pub fn sessions(&self) -> (u64, u64) {
        self.policies.iter().fold((0, 0), |(good, bad), policy| {
            (
                good.saturating_add(policy.summary.succeeded),
                bad.saturating_add(policy.summary.failed),
            )
        })
    }
}

/// `2026-11-20T00:00:00Z`, with a fraction or an offset too (RFC 3339), in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] | [] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let part = |range| {
                zone.get(range)
                    .and_then(|digits: &str| digits.parse::<i64>().ok())
            };
            let minutes = part(1..3)? * 60 + part(4..6)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    // Days since 1970 by eras of 400 years whose years begin in March.
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let day_of_era =
        (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + (153 * month + 2) / 5 + day
            - 1;
    let days = (year / 400) * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60)
}

/// A text, cut at its bound; another value is none.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(short(text.as_bytes(), REPORT_TEXT_BYTES_MAX))
        }
        fn visit_unit<E>(self) -> Result<String, E> {
            Ok(String::new())
        }
        fn visit_u64<E>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        // Some write a list where one is enough: its first text.
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
            let first = list.next_element::<String>()?.unwrap_or_default();
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(short(first.as_bytes(), REPORT_TEXT_BYTES_MAX))
        }
    }
    deserializer.deserialize_any(Text)
}

/// A number, in quotes too.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a count")
        }
        fn visit_u64<E>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse()
                .map_err(|_| E::custom("a count that is no number"))
        }
        fn visit_unit<E>(self) -> Result<u64, E> {
            Ok(0)
        }
    }
    deserializer.deserialize_any(Number)
}

fn policies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Policy>, D::Error> {
    first(deserializer, REPORT_TLS_POLICIES_MAX)
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Failed>, D::Error> {
    first(deserializer, REPORT_TLS_FAILURES_MAX)
}

/// The first members of a list; the others are passed over.
fn first<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    members_max: usize,
) -> Result<Vec<T>, D::Error> {
    struct First<T>(usize, PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut kept = Vec::new();
            while kept.len() < self.0 {
                match list.next_element()? {
                    Some(member) => kept.push(member),
                    None => return Ok(kept),
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(kept)
        }
    }
    deserializer.deserialize_any(First(members_max, PhantomData))
}
