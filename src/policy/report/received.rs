//! Which received reports are kept, and under whose name.
//!
//! Anybody can write a report and send it to any address of the box. So a report counts only when it is about a domain
//! of the box; it stands under the domain that DMARC proved for its mail, and all that prove none are one reporter, of
//! whom little is kept. Numbers of each are bounded where they are kept.

use crate::policy::authentic::{Outcome, Verdicts};
use crate::wire::address::Domain;
use crate::wire::report::Report;

/// Who sent a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The author's domain; empty where there is none.
    pub domain: String,
    /// The mail proved that domain: DMARC passed, or a signature of just that domain (RFC 8460 section 3: reports about
    /// TLS are signed by their sender's domain).
    pub proven: bool,
}

/// Who sent the mail of these verdicts.
pub fn origin(verdicts: &Verdicts) -> Origin {
    let domain = verdicts.author.as_ref().map_or("", Domain::as_str);
    let signed = verdicts
        .dkim
        .iter()
        .any(|one| one.outcome == Outcome::Pass && !domain.is_empty() && one.domain == domain);
    Origin {
        domain: domain.into(),
        proven: signed || verdicts.dmarc.outcome == Outcome::Pass,
    }
}

/// The domains that a report is about, at most as many as it keeps policies.
pub fn about(report: &Report) -> Vec<&str> {
    match report {
        Report::Aggregate(report) => vec![&report.published.domain],
        Report::Failure(failure) => vec![&failure.domain],
        Report::Tls(report) => {
            let policies = report.policies.iter();
            policies
                .map(|policy| policy.policy.domain.as_str())
                .collect()
        }
    }
}

/// The domain that a report is about, if it or one above it is a domain of the box.
pub fn ours<'a>(report: &'a Report, is_ours: &mut dyn FnMut(&Domain) -> bool) -> Option<&'a str> {
    about(report).into_iter().find(|domain| {
        let mut rest = Some(*domain);
        while let Some(here) = rest {
            if Domain::parse(here).is_ok_and(|here| is_ours(&here)) {
                return true;
            }
            rest = here.split_once('.').map(|(_, above)| above);
        }
        false
    })
}
