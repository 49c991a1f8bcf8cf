//! DMARC aggregate reports (RFC 9990; RFC 7489 appendix C and its drafts are understood) as values. [`Reader`] makes
//! one of XML that passes by, [`Aggregate::write`] makes XML.

mod read;
mod write;

pub use read::Reader;

use crate::limits::REPORT_ROWS_MAX;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A report.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Aggregate {
    /// Who reports: its name.
    pub organization: String,
    /// Whom to ask about it.
    pub contact: String,
    /// What else helps to ask.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub more_contact: String,
    /// Its id, unique for its reporter and domain.
    pub report_id: String,
    /// Seconds since 1970: the first.
    pub begin: u64,
    /// The last, or the first of the next period.
    pub end: u64,
    /// What was wrong with the domain's record; or, in reports of ours, what they do not hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The policy that was found.
    pub published: Published,
    /// Messages that passed DMARC and that failed, rows that are not kept included.
    pub passed: u64,
    /// See `passed`.
    pub failed: u64,
    /// Rows that are not kept.
    #[serde(default)]
    pub left_out: u64,
    /// At most `REPORT_ROWS_MAX`.
    pub rows: Vec<Row>,
}

/// The policy as the reporter found it; empty texts where it does not say.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Published {
    /// Where the record is.
    pub domain: String,
    /// For the domain.
    pub p: String,
    /// For subdomains.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sp: String,
    /// For subdomains that do not exist.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub np: String,
    /// `r` or `s`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub adkim: String,
    /// `r` or `s`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub aspf: String,
    /// Failure reporting options.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fo: String,
    /// `y` or `n`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub testing: String,
    /// `treewalk` or `psl`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub discovery: String,
}

/// Messages of one source that fared alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// The client.
    pub source: IpAddr,
    /// How many.
    pub count: u64,
    /// What was done with them.
    pub disposition: Disposition,
    /// An aligned signature passed.
    pub dkim: bool,
    /// SPF passed, aligned.
    pub spf: bool,
    /// Why something else was done than the domain asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Domain of From.
    pub header_from: String,
    /// Domain of the envelope's sender; empty for the null path, None where the report does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_from: Option<String>,
    /// Signatures, whether aligned or not; at most `REPORT_ROW_RESULTS_MAX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// SPF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
}

impl Row {
    /// Octets of its texts.
    pub fn bytes(&self) -> usize {
        let signatures = self.signatures.iter();
        let signatures = signatures.map(|one| {
            one.domain.len() + one.selector.len() + one.result.len() + one.comment.len()
        });
        let reasons = self
            .reasons
            .iter()
            .map(|one| one.kind.len() + one.comment.len());
        let sender = self.sender.as_ref();
        let sender = sender
            .map(|one| one.domain.len() + one.scope.len() + one.result.len() + one.comment.len());
        let from = self.header_from.len() + self.envelope_from.as_ref().map_or(0, String::len);
        from + signatures.chain(reasons).chain(sender).sum::<usize>()
    }

    /// Whether DMARC passed.
    pub fn passed(&self) -> bool {
        self.dkim || self.spf
    }
}

/// What was done with messages (RFC 9990: `pass` is "nothing, for they passed").
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The words of the RFC.
pub enum Disposition {
    #[default]
    None,
    Pass,
    Quarantine,
    Reject,
}

impl Disposition {
    /// As it stands in the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Disposition::None => "none",
            Disposition::Pass => "pass",
            Disposition::Quarantine => "quarantine",
            Disposition::Reject => "reject",
        }
    }
}

/// Why a policy was not followed.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// `local_policy`, `mailing_list` and so on.
    pub kind: String,
    /// More, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// What became of a signature.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// `d=`
    pub domain: String,
    /// `s=`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// A word of RFC 8601 section 2.7.1.
    pub result: String,
    /// More, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// What became of SPF.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sender {
    /// Whose record.
    pub domain: String,
    /// `mfrom`, `helo`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// A word of RFC 8601 section 2.7.2.
    pub result: String,
    /// More, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

impl Aggregate {
    /// Counts a row, and keeps it when there is room or it says more than one that is kept: failures first, then
    /// what has most messages.
    pub fn add(&mut self, row: Row) {
        let sum = if row.passed() {
            &mut self.passed
        } else {
            &mut self.failed
        };
        *sum = sum.saturating_add(row.count);
        if self.rows.len() < REPORT_ROWS_MAX {
            self.rows.push(row);
            return;
        }
        self.left_out += 1;
        let weight = |row: &Row| (!row.passed(), row.count);
        if let Some(least) = self.rows.iter_mut().min_by_key(|row| weight(row))
            && weight(least) < weight(&row)
        {
            *least = row;
        }
    }
}
