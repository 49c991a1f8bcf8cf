//! Reports about mail: DMARC aggregate (RFC 9990, RFC 7489 appendix C), DMARC failure (RFC 9991, 6591, 5965) and TLS
//! (RFC 8460), read from what strangers attach and written by ourselves.
//!
//! [`attached`] finds the part of a mail that may be a report by its form. [`Reading`] takes the part's octets in
//! chunks of any size: [`unpack`] undoes gzip and zip, [`xml`] cuts elements, [`aggregate`] and [`tls`] keep a
//! bounded extract. A bomb costs its first octets. [`aggregate::Aggregate::write`] and [`letter`] make our own.

pub mod aggregate;
mod attached;
pub mod feedback;
pub mod letter;
mod reading;
pub mod tls;
pub mod unpack;
pub mod xml;

pub use attached::{Attached, Form, attached};
pub use reading::Reading;

use crate::wire::mime::decode::to_text;
use std::fmt;

/// A report, as far as it is kept.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Report {
    /// What became of mail in the name of a domain, counted.
    Aggregate(aggregate::Aggregate),
    /// One message that failed.
    Failure(feedback::Failure),
    /// TLS between a sender and a domain's hosts, counted.
    Tls(tls::Tls),
}

/// Why octets are no report that can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is something else: most mail is no report.
    Other(&'static str),
    /// It is damaged or does not follow its format.
    Damaged(String),
    /// A bound was passed.
    TooLarge(&'static str),
    /// It unpacks to far more than a report: made to hurt.
    Bomb,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Other(what) => write!(f, "it is no report: {what}"),
            Fault::Damaged(what) => write!(f, "the report is damaged: {what}"),
            Fault::TooLarge(what) => write!(f, "the report is too large: {what}"),
            Fault::Bomb => f.write_str(
                "the report unpacks to far more than any report has, so it was not unpacked",
            ),
        }
    }
}

/// What a stranger wrote as one line of text: UTF-8 or windows-1252, without control characters, cut at `bytes_max`.
fn short(octets: &[u8], bytes_max: usize) -> String {
    // A character that was cut at the end is none.
    let whole = match std::str::from_utf8(octets) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => octets.len(),
    };
    let all = to_text(octets.get(..whole).unwrap_or_default(), encoding_rs::UTF_8);
    let mut text = String::new();
    for c in all.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if text.len() + c.len_utf8() > bytes_max {
            break;
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests;
