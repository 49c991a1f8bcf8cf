//! What the verdicts do: accept, Junk, reject, defer, each with its reason; and score lines for the spam engine.
//!
//! A failing `p=reject` alone is Junk, because mail of lists fails it too (RFC 9989 section 7.4). It is refused where
//! nothing speaks for a list or a forwarder (see `plainly_forged`), where the score says the same, or where the
//! configuration is strict for the domain. SPF alone refuses nothing. From a trusted relay nothing is refused: it
//! would bounce the mail to strangers.

use super::{Outcome, Verdicts, dmarc};
use crate::wire::address::Domain;
use crate::wire::dmarc::Policy;
use crate::wire::smtp::Reply;

/// One line of a score, as `X-Spam-Status` will show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScoreLine {
    /// `SPF_FAIL` and the like: one of [`RULES`].
    pub name: &'static str,
    /// Thousandths of a point; more is worse.
    pub millis: i32,
    /// For people.
    pub why: String,
}

/// A line that can be said: its name, thousandths of a point, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// As it stands in a score.
    pub name: &'static str,
    /// Thousandths of a point; more is worse.
    pub millis: i32,
    /// For people.
    pub meaning: &'static str,
}

const fn rule(name: &'static str, millis: i32, meaning: &'static str) -> Rule {
    Rule {
        name,
        millis,
        meaning,
    }
}

/// Every line. What passes tells who sent a message, not that it is wanted: it weighs little. What fails weighs more,
/// and a broken policy of the author most.
pub const RULES: [Rule; 34] = [
    rule("SPF_PASS", -100, "the envelope's domain names the client"),
    rule(
        "SPF_FAIL",
        1_500,
        "the envelope's domain says no to the client",
    ),
    rule(
        "SPF_SOFTFAIL",
        700,
        "the envelope's domain says rather no to the client",
    ),
    rule(
        "SPF_NEUTRAL",
        0,
        "the envelope's domain says nothing of the client",
    ),
    rule("SPF_NONE", 200, "the envelope's domain has no SPF record"),
    rule("SPF_DNS", 0, "no answer about SPF"),
    rule("SPF_BROKEN", 300, "the SPF record is broken"),
    rule("HELO_PASS", 0, "the greeting's domain names the client"),
    rule(
        "HELO_FAIL",
        1_000,
        "the greeting's domain says no to the client",
    ),
    rule("DKIM_VALID", -100, "a signature is valid"),
    rule(
        "DKIM_INVALID",
        200,
        "no signature is valid, though there are some",
    ),
    rule(
        "DKIM_WEAK",
        100,
        "signatures are valid but too weak to count",
    ),
    rule("DKIM_DNS", 0, "no answer about a signature's key"),
    rule("DKIM_NONE", 100, "there is no signature"),
    rule(
        "DMARC_PASS",
        -300,
        "the author's domain stands behind the message",
    ),
    rule("DMARC_NONE", 100, "the author's domain has no policy"),
    rule(
        "DMARC_FAIL_NONE",
        500,
        "the author's domain does not stand behind the message and asks for nothing",
    ),
    rule(
        "DMARC_FAIL_QUARANTINE",
        2_500,
        "the author's domain wants the message suspected",
    ),
    rule(
        "DMARC_FAIL_REJECT",
        4_000,
        "the author's domain wants the message refused",
    ),
    rule(
        "DMARC_DNS",
        500,
        "no answer about the author's domain, and nothing else speaks for it",
    ),
    rule(
        "DMARC_DNS_ALIGNED",
        0,
        "no answer about the author's policy, but SPF or a signature speaks for its domain",
    ),
    rule(
        "DMARC_BROKEN",
        1_000,
        "From names too many domains to ask for",
    ),
    rule(
        "ARC_PASS",
        -100,
        "those who passed the message on vouch for what they saw",
    ),
    rule(
        "ARC_FAIL",
        500,
        "the seals of those who passed the message on are broken",
    ),
    rule("ARC_DNS", 0, "no answer about a seal's key"),
    rule(
        "IPREV_PASS",
        0,
        "the client's address has a name that leads back",
    ),
    rule(
        "IPREV_FAIL",
        1_000,
        "the client's address has names, but none leads back",
    ),
    rule("IPREV_NONE", 1_500, "the client's address has no name"),
    rule("IPREV_DNS", 0, "no answer about the client's name"),
    rule("FROM_NONE", 1_000, "there is no From field"),
    rule("FROM_SEVERAL", 3_000, "there are several From fields"),
    rule(
        "FROM_MALFORMED",
        2_500,
        "From does not clearly name an address",
    ),
    rule("FROM_DOMAINS", 1_500, "From names several domains"),
    rule(
        "TRUSTED_RELAY",
        0,
        "a trusted relay brought what would have been refused",
    ),
];

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Into INBOX.
    Accept,
    /// Into Junk.
    Junk,
    /// Refused for good.
    Reject(Reply),
    /// Refused for now.
    Defer(Reply),
}

/// The decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What becomes of it.
    pub action: Action,
    /// Why, one line, for logs and `X-Spam-Status`.
    pub reason: String,
    /// What the spam engine makes of the checks.
    pub lines: Vec<ScoreLine>,
}

/// What decides besides the verdicts.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The configuration is strict for the author's domain: a failing `p=reject` rejects.
    pub strict: bool,
    /// It came through a trusted relay: nothing is refused.
    pub relayed: bool,
    /// The score reaches the reject threshold; None until there is a score.
    pub score_rejects: Option<bool>,
    /// 451 may be given: no answer of the DNS for this domain for less than 4 hours.
    pub may_defer: bool,
    /// Envelope sender's domain, for alignment; None for the null path.
    pub envelope_domain: Option<&'a str>,
}

/// Decides.
pub fn judge(verdicts: &Verdicts, circumstances: &Circumstances<'_>) -> Verdict {
    let (mut action, reason) = decide(verdicts, circumstances);
    let mut lines = lines(verdicts);
    if circumstances.relayed {
        let milder = match &action {
            Action::Reject(_) => Some(Action::Junk),
            Action::Defer(_) => Some(Action::Accept),
            Action::Accept | Action::Junk => None,
        };
        if let Some(milder) = milder {
            action = milder;
            lines.push(line("TRUSTED_RELAY", &reason));
        }
    }
    Verdict {
        action,
        reason,
        lines,
    }
}

/// As for a client that is no trusted relay.
fn decide(verdicts: &Verdicts, circumstances: &Circumstances<'_>) -> (Action, String) {
    let checked = &verdicts.dmarc;
    let author = author(verdicts);
    match (checked.outcome, checked.policy) {
        (Outcome::Fail, Some(Policy::Reject)) => fails_reject(verdicts, circumstances, &author),
        (Outcome::Fail, Some(Policy::Quarantine)) => {
            let reason = format!("DMARC: {author} wants it suspected (p=quarantine)");
            (Action::Junk, reason)
        }
        (Outcome::TempError, policy) if needs_answer(checked, policy) => {
            let reason = format!("DMARC: no answer about {author} ({})", checked.reason);
            match circumstances.may_defer {
                true => (Action::Defer(defer(&author)), reason),
                false => ambiguous(verdicts).unwrap_or((Action::Accept, reason)),
            }
        }
        _ => ambiguous(verdicts).unwrap_or((Action::Accept, String::new())),
    }
}

/// Whether the outcome hangs on an answer that the DNS did not give. If it cannot be reached at all, mail flows.
fn needs_answer(checked: &dmarc::Checked, policy: Option<Policy>) -> bool {
    policy != Some(Policy::None)
        && !checked.spf_aligned
        && !checked.dkim_aligned
        && !checked.unreachable
}

fn fails_reject(
    verdicts: &Verdicts,
    circumstances: &Circumstances<'_>,
    author: &str,
) -> (Action, String) {
    let (status, why) = match () {
        _ if circumstances.strict => ("5.7.1", "this server is strict for that domain"),
        _ if circumstances.score_rejects == Some(true) => ("5.7.1", "and it looks like spam"),
        _ if plainly_forged(verdicts, circumstances) => {
            ("5.7.26", "SPF fails and there is no DKIM signature")
        }
        _ => {
            let reason =
                format!("DMARC: {author} wants it refused (p=reject); it may be list mail");
            return (Action::Junk, reason);
        }
    };
    let reason = format!("DMARC: {author} wants it refused (p=reject); {why}");
    let text = format!("Refused by the DMARC policy of {author} (p=reject): {why}");
    (Action::Reject(Reply::with_text(550, status, text)), reason)
}

/// Nothing speaks for a list or a forwarder: SPF fails for a domain that stands for the author's, and nobody signed,
/// distributed or passed on the message.
fn plainly_forged(verdicts: &Verdicts, circumstances: &Circumstances<'_>) -> bool {
    verdicts.spf_mail_from.outcome == Outcome::Fail
        && verdicts.dkim_fields == 0
        && verdicts.arc.sets == 0
        && !verdicts.traits.list
        && !verdicts.traits.relayed
        && circumstances.envelope_domain.is_some()
        && verdicts.dmarc.envelope_aligned
}

/// What DMARC has nothing to say about but readers could be deceived by (RFC 9989 section 11.5): a header that names
/// its author twice, or not clearly.
fn ambiguous(verdicts: &Verdicts) -> Option<(Action, String)> {
    let traits = &verdicts.traits;
    let reason = match () {
        _ if traits.from_fields > 1 => "several From fields",
        _ if traits.from_malformed => "From does not clearly name an address",
        _ if verdicts.dmarc.outcome == Outcome::PermError => "From names too many domains",
        _ => return None,
    };
    Some((Action::Junk, reason.into()))
}

/// RFC 7372 has no 4.7.x for DMARC; 4.7.24 is SPF's, 4.7.0 is "other".
fn defer(author: &str) -> Reply {
    let text =
        format!("The DNS does not answer about the DMARC policy of {author}; try again later");
    Reply::with_text(451, "4.7.0", text)
}

/// Whose policy it is about, for people.
fn author(verdicts: &Verdicts) -> String {
    let only = verdicts.author.as_ref().map(Domain::as_str);
    let record = verdicts.dmarc.record_domain.as_deref();
    only.or(record).unwrap_or("the author's domain").into()
}

fn line(name: &'static str, why: &str) -> ScoreLine {
    let rule = RULES.iter().find(|rule| rule.name == name);
    ScoreLine {
        name,
        millis: rule.map_or(0, |rule| rule.millis),
        why: match why {
            "" => rule.map_or("", |rule| rule.meaning).into(),
            why => why.into(),
        },
    }
}

/// One line for each check, and for what is odd about From.
fn lines(verdicts: &Verdicts) -> Vec<ScoreLine> {
    let mut lines = vec![spf(verdicts), dkim(verdicts), dmarc(&verdicts.dmarc)];
    match verdicts.spf_helo.outcome {
        Outcome::Pass => lines.push(line("HELO_PASS", "")),
        Outcome::Fail => lines.push(line("HELO_FAIL", &verdicts.spf_helo.reason)),
        _ => {}
    }
    match (verdicts.arc.sets, verdicts.arc.outcome) {
        (0, _) => {}
        (_, Outcome::Pass) => lines.push(line("ARC_PASS", "")),
        (_, Outcome::TempError) => lines.push(line("ARC_DNS", &verdicts.arc.reason)),
        _ => lines.push(line("ARC_FAIL", &verdicts.arc.reason)),
    }
    let iprev = match verdicts.iprev.outcome {
        Outcome::Pass => Some("IPREV_PASS"),
        Outcome::Fail => Some("IPREV_FAIL"),
        Outcome::PermError => Some("IPREV_NONE"),
        Outcome::TempError => Some("IPREV_DNS"),
        Outcome::None | Outcome::SoftFail | Outcome::Neutral | Outcome::Policy => None,
    };
    lines.extend(iprev.map(|name| line(name, "")));
    let traits = &verdicts.traits;
    let odd = [
        ("FROM_NONE", traits.from_fields == 0),
        ("FROM_SEVERAL", traits.from_fields > 1),
        ("FROM_MALFORMED", traits.from_malformed),
        ("FROM_DOMAINS", traits.from_domains > 1),
    ];
    lines.extend(
        odd.into_iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| line(name, "")),
    );
    lines
}

fn spf(verdicts: &Verdicts) -> ScoreLine {
    let checked = &verdicts.spf_mail_from;
    let name = match checked.outcome {
        Outcome::Pass => "SPF_PASS",
        Outcome::Fail => "SPF_FAIL",
        Outcome::SoftFail => "SPF_SOFTFAIL",
        Outcome::Neutral | Outcome::Policy => "SPF_NEUTRAL",
        Outcome::None => "SPF_NONE",
        Outcome::TempError => "SPF_DNS",
        Outcome::PermError => "SPF_BROKEN",
    };
    line(name, &checked.reason)
}

/// The best of the signatures.
fn dkim(verdicts: &Verdicts) -> ScoreLine {
    let any = |outcome| verdicts.dkim.iter().any(|one| one.outcome == outcome);
    let name = match () {
        _ if any(Outcome::Pass) => "DKIM_VALID",
        _ if any(Outcome::TempError) => "DKIM_DNS",
        _ if any(Outcome::Policy) => "DKIM_WEAK",
        _ if verdicts.dkim_fields > 0 => "DKIM_INVALID",
        _ => "DKIM_NONE",
    };
    line(name, "")
}

fn dmarc(checked: &dmarc::Checked) -> ScoreLine {
    let name = match (checked.outcome, checked.policy) {
        (Outcome::Pass, _) => "DMARC_PASS",
        (Outcome::Fail, Some(Policy::Reject)) => "DMARC_FAIL_REJECT",
        (Outcome::Fail, Some(Policy::Quarantine)) => "DMARC_FAIL_QUARANTINE",
        (Outcome::Fail, _) => "DMARC_FAIL_NONE",
        (Outcome::TempError, _) if checked.spf_aligned || checked.dkim_aligned => {
            "DMARC_DNS_ALIGNED"
        }
        (Outcome::TempError, _) => "DMARC_DNS",
        (Outcome::PermError, _) => "DMARC_BROKEN",
        _ => "DMARC_NONE",
    };
    line(name, &checked.reason)
}

#[cfg(test)]
mod tests;
