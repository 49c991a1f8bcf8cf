//! What the verdicts do: accept, Junk, reject, defer, each with its reason; and score lines for the spam engine.

use super::Verdicts;
use crate::wire::smtp::Reply;

/// One line of a score, as `X-Spam-Status` will show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScoreLine {
    /// `SPF_FAIL` and the like.
    pub name: &'static str,
    /// Thousandths of a point; more is worse.
    pub millis: i32,
    /// For people.
    pub why: String,
}

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
pub fn judge(_verdicts: &Verdicts, _circumstances: &Circumstances<'_>) -> Verdict {
    Verdict {
        action: Action::Accept,
        reason: String::new(),
        lines: Vec::new(),
    }
}
