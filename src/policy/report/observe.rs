//! One message as a row of the report to its author's domain (RFC 9990 section 3.1).

use crate::limits::REPORT_ROW_RESULTS_MAX;
use crate::policy::authentic::verdict::Action;
use crate::policy::authentic::{Outcome, Verdicts, dkim};
use crate::wire::dmarc::{Policy, Record};
use crate::wire::report::aggregate::{Disposition, Reason, Row, Sender, Signature};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the verdicts do not say.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The client: behind a trusted relay, the relay's client.
    pub client: IpAddr,
    /// Domain of the reverse-path; None for the null path.
    pub envelope_domain: Option<&'a str>,
    /// What became of the message.
    pub action: &'a Action,
    /// How it came.
    pub way: Way,
}

/// How a message came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From its client.
    Straight,
    /// Through a trusted relay, from which nothing is refused.
    TrustedRelay,
}

/// A message as it is reported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// Where the policy stands.
    pub domain: String,
    /// The author's organizational domain, as far as it was needed; otherwise `domain`.
    pub organizational: String,
    /// The record.
    pub record: String,
    /// The row, counting 1.
    pub row: Row,
}

/// The row of a message; None where nobody wants a report about it, nothing was found out, or it comes again (451).
pub fn observe(verdicts: &Verdicts, seen: &Seen<'_>) -> Option<Observation> {
    let checked = &verdicts.dmarc;
    let domain = checked.record_domain.clone()?;
    let record = Record::parse(checked.record.as_bytes())?;
    let author = verdicts.author.as_ref()?;
    let passed = match checked.outcome {
        Outcome::Pass => true,
        Outcome::Fail => false,
        _ => return None,
    };
    if record.rua.is_empty() || matches!(seen.action, Action::Defer(_)) {
        return None;
    }
    let organizational = checked.organizational.clone().unwrap_or(domain.clone());
    let asked = checked.policy.unwrap_or(Policy::None);
    let disposition = match passed {
        true if asked == Policy::None => Disposition::None,
        true => Disposition::Pass,
        false => done(asked, seen.action),
    };
    let reasons = match passed {
        true => Vec::new(),
        false => reasons(verdicts, seen, &record, disposition),
    };
    let row = Row {
        source: seen.client.to_canonical(),
        count: 1,
        disposition,
        dkim: checked.dkim_aligned,
        spf: checked.spf_aligned,
        reasons,
        header_from: author.as_str().into(),
        envelope_from: Some(seen.envelope_domain.unwrap_or_default().into()),
        signatures: signatures(&verdicts.dkim, author.as_str(), &organizational),
        sender: Some(Sender {
            domain: verdicts.spf_mail_from.domain.clone(),
            scope: "mfrom".into(),
            result: verdicts.spf_mail_from.outcome.as_str().into(),
            comment: String::new(),
        }),
    };
    Some(Observation {
        domain,
        organizational,
        record: checked.record.clone(),
        row,
    })
}

/// What was done because of the policy: never more than it asks for. Where spam ends up is nobody's business (RFC 9990
/// section 8.3).
fn done(asked: Policy, action: &Action) -> Disposition {
    match (asked, action) {
        (Policy::None, _) | (_, Action::Accept | Action::Defer(_)) => Disposition::None,
        (Policy::Quarantine, _) | (Policy::Reject, Action::Junk) => Disposition::Quarantine,
        (Policy::Reject, Action::Reject(_)) => Disposition::Reject,
    }
}

/// Why less was done than the domain publishes (RFC 9990 section 3.1.6).
fn reasons(
    verdicts: &Verdicts,
    seen: &Seen<'_>,
    record: &Record,
    disposition: Disposition,
) -> Vec<Reason> {
    let reason = |kind: &str, comment: &str| Reason {
        kind: kind.into(),
        comment: comment.into(),
    };
    let mut reasons = Vec::new();
    let published = [record.own(), record.subdomain(), record.missing_subdomain()];
    if record.testing && published.iter().any(|policy| *policy != Policy::None) {
        reasons.push(reason("policy_test_mode", ""));
    }
    let asked = verdicts.dmarc.policy.unwrap_or(Policy::None);
    let less = match asked {
        Policy::None => false,
        Policy::Quarantine => disposition == Disposition::None,
        Policy::Reject => disposition != Disposition::Reject,
    };
    if less {
        reasons.push(match () {
            _ if seen.way == Way::TrustedRelay => reason(
                "trusted_forwarder",
                "nothing is refused from a relay of ours",
            ),
            _ if disposition == Disposition::None => reason("local_policy", "taken all the same"),
            _ if verdicts.traits.list => reason("mailing_list", "quarantined instead of rejected"),
            _ => reason(
                "local_policy",
                "quarantined instead of rejected (RFC 9989 section 7.4)",
            ),
        });
    }
    reasons
}

/// Those that say most (RFC 9990 section 3.3): passed and aligned first, failed last.
fn signatures(found: &[dkim::Checked], author: &str, organizational: &str) -> Vec<Signature> {
    let rank = |one: &&dkim::Checked| {
        let under = one.domain.strip_suffix(organizational);
        match () {
            _ if one.outcome != Outcome::Pass => 3,
            _ if one.domain == author => 0,
            _ if under.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) => 1,
            _ => 2,
        }
    };
    let mut found: Vec<&dkim::Checked> =
        found.iter().filter(|one| !one.domain.is_empty()).collect();
    found.sort_by_key(rank);
    let shown = found.into_iter().take(REPORT_ROW_RESULTS_MAX);
    shown
        .map(|one| Signature {
            domain: one.domain.clone(),
            selector: one.selector.clone(),
            // SPF's word; DKIM has none of it.
            result: match one.outcome {
                Outcome::SoftFail => Outcome::Fail.as_str().into(),
                outcome => outcome.as_str().into(),
            },
            comment: String::new(),
        })
        .collect()
}
