//! A report of ours, put together.

use super::gather::Gathered;
use crate::limits::REPORT_TEXT_BYTES_MAX;
use crate::wire::address::{Address, Domain};
use crate::wire::dmarc::{Alignment, FailureOptions, Policy, Record};
use crate::wire::report::aggregate::{Aggregate, Published};
use crate::wire::report::letter::Letter;

/// Seconds of a day.
pub const DAY_SECS: u64 = 24 * 3600;

/// Who reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reporter {
    /// Name, for people.
    pub organization: String,
    /// Whom to ask about a report.
    pub contact: String,
    /// From and envelope sender of reports: in `domain`, so that DMARC passes.
    pub from: Address,
    /// A domain of the box.
    pub domain: Domain,
}

/// Whose report about which day.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Where the policy stands.
    pub domain: &'a str,
    /// Days since 1970.
    pub day: u64,
}

/// The report about a domain's day.
pub fn report(reporter: &Reporter, about: About<'_>, gathered: Gathered) -> Aggregate {
    let begin = about.day * DAY_SECS;
    let mut report = Aggregate {
        organization: reporter.organization.clone(),
        contact: reporter.contact.clone(),
        report_id: format!("{begin}.{}@{}", about.domain, reporter.domain.as_str()),
        begin,
        end: begin + DAY_SECS - 1,
        error: left_out(gathered.left_out),
        published: published(about.domain, &gathered.record),
        left_out: gathered.left_out,
        ..Aggregate::default()
    };
    // Not `add`: that is for what others send, and keeps less.
    for row in gathered.rows() {
        let sum = match row.passed() {
            true => &mut report.passed,
            false => &mut report.failed,
        };
        *sum += row.count;
        report.rows.push(row);
    }
    report
}

/// Leaves out the half of the rows that have fewest messages, and says so.
pub fn halve(report: &mut Aggregate) {
    let half = report.rows.len().div_ceil(2);
    let gone: u64 = report.rows.drain(half..).map(|row| row.count).sum();
    report.left_out += gone;
    report.error = left_out(report.left_out);
}

fn left_out(messages: u64) -> String {
    match messages {
        0 => String::new(),
        more => format!("{more} further messages are in no record of this report"),
    }
}

/// The mail around it; `packed` is what [`Aggregate::write`] made.
pub fn letter(
    reporter: &Reporter,
    about: About<'_>,
    report: &Aggregate,
    packed: &[u8],
    to: &[Address],
    now_seconds: i64,
) -> Vec<u8> {
    let text = format!(
        "This is a DMARC aggregate report (RFC 9990): what became of mail that\n\
         names {} as its author and reached {} on one day.\n\n\
         Messages that passed: {}\nMessages that failed: {}\n\n\
         The attachment holds it for machines. Your DMARC record (rua=) asks for\n\
         it; questions go to {}.\n",
        about.domain,
        reporter.domain.as_str(),
        report.passed,
        report.failed,
        reporter.contact
    );
    let text: String = text.chars().filter(char::is_ascii).collect();
    Letter {
        from: &reporter.from,
        to,
        about: about.domain,
        submitter: &reporter.domain,
        report_id: &report.report_id,
        begin: report.begin,
        end: report.end,
        now_seconds,
        text: &text,
        packed,
    }
    .write()
}

/// The policy as RFC 9990 section 3.1.1.5 wants it: what is not in the record has its default.
fn published(domain: &str, text: &str) -> Published {
    let Some(record) = Record::parse(text.as_bytes()) else {
        return Published {
            domain: domain.into(),
            p: Policy::None.as_str().into(),
            ..Published::default()
        };
    };
    let policy = |policy: Policy| policy.as_str().to_owned();
    Published {
        domain: domain.into(),
        p: policy(record.own()),
        sp: policy(record.subdomain()),
        np: policy(record.missing_subdomain()),
        adkim: alignment(record.adkim).into(),
        aspf: alignment(record.aspf).into(),
        fo: failure_options(record.fo),
        testing: if record.testing { "y" } else { "n" }.into(),
        discovery: "treewalk".into(),
    }
}

fn alignment(mode: Alignment) -> &'static str {
    match mode {
        Alignment::Relaxed => "r",
        Alignment::Strict => "s",
    }
}

fn failure_options(options: FailureOptions) -> String {
    let words = [("1", options.any), ("d", options.dkim), ("s", options.spf)];
    let said: Vec<&str> = words
        .iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| *word)
        .collect();
    match said.is_empty() {
        true => "0".into(),
        false => said.join(":"),
    }
}

/// The name of an organization as far as a report holds it.
pub fn organization(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(REPORT_TEXT_BYTES_MAX / 4)
        .collect()
}
