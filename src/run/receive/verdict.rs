//! The verdict of the checks put into effect: INBOX, Junk, or a reply.

use super::Envelope;
use super::reported::Reported;
use crate::policy::authentic::verdict::{self, Action, Circumstances, Verdict};
use crate::policy::authentic::{Asked, Outcome};
use crate::policy::sender::{self, AfterContent, Decision};
use crate::run::authentic::{Deferred, Found, brief};
use crate::session::smtp::Recipient;
use crate::store::change::Into;
use crate::store::row::SpecialUse;
use crate::wire::smtp::Reply;

/// What becomes of a message.
#[derive(Default)]
pub(super) struct Judged {
    /// The reply, if it is not taken.
    pub refused: Option<Reply>,
    /// Where it goes otherwise.
    pub place: MailPlace,
    /// What was found and decided, for the log: what goes on a line that ends here. Empty without checks.
    pub why: String,
    /// What it means for reports.
    pub reported: Reported,
}

/// Into which mailbox of each account.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum MailPlace {
    /// INBOX.
    #[default]
    Inbox,
    /// The one for suspected mail; INBOX where there is none.
    Junk,
}

impl MailPlace {
    /// As the store knows it.
    pub(super) fn into(self) -> Into {
        match self {
            MailPlace::Inbox => Into::Inbox,
            MailPlace::Junk => Into::Special(SpecialUse::Junk),
        }
    }
}

/// Decides, and remembers for which domain a message was deferred.
pub(super) fn judge(
    found: &Found,
    asked: &Asked<'_>,
    behind: Option<&Decision>,
    envelope: &Envelope<'_>,
) -> Judged {
    let relayed = envelope.relay.is_some();
    let author = found.verdicts.author.as_ref().map(|author| author.as_str());
    let authentic = envelope.authentic;
    let verdict = verdict::judge(
        &found.verdicts,
        &Circumstances {
            strict: author.is_some_and(|author| envelope.config.checks.is_strict(author)),
            relayed,
            score_rejects: None,
            may_defer: !found.ours && author.is_some_and(|author| authentic.may_defer(author)),
            envelope_domain: asked.sender.map(|sender| sender.domain().as_str()),
        },
    );
    if let Some(author) = author {
        match (&verdict.action, found.verdicts.dmarc.outcome) {
            (Action::Defer(_), _) => authentic.note(author, Deferred::Yes),
            (_, Outcome::TempError) => {}
            _ => authentic.note(author, Deferred::No),
        }
    }
    let verdict = with_lists(verdict, found, behind, envelope);
    let refuses = matches!(verdict.action, Action::Reject(_) | Action::Defer(_));
    let action = match refuses && is_for_those_in_charge(envelope) {
        true => Action::Junk,
        false => verdict.action,
    };
    let reported = Reported::of(&found.verdicts, asked, &action, envelope);
    let (refused, place) = match action {
        Action::Accept => (None, MailPlace::Inbox),
        Action::Junk => (None, MailPlace::Junk),
        Action::Reject(reply) | Action::Defer(reply) => (Some(reply), MailPlace::Junk),
    };
    let brief = brief(&found.verdicts);
    let why = match (place, verdict.reason.as_str()) {
        (MailPlace::Inbox, "") => format!("; {brief}"),
        (MailPlace::Inbox, reason) => format!("; {brief}: {reason}"),
        (MailPlace::Junk, reason) if refused.is_none() => format!("; {brief}: Junk, {reason}"),
        (MailPlace::Junk, reason) => format!("({reason}); {brief}"),
    };
    Judged {
        refused,
        place,
        why,
        reported,
    }
}

/// Who is on the allow list is taken; a denied author is not.
fn with_lists(
    mut verdict: Verdict,
    found: &Found,
    behind: Option<&Decision>,
    envelope: &Envelope<'_>,
) -> Verdict {
    let taken = match behind {
        Some(Decision::Take(taken)) => Some(taken),
        Some(Decision::Refuse(refusal)) => {
            verdict.action = Action::Junk;
            verdict.reason = refusal.reason.clone();
            return verdict;
        }
        None => envelope.taken,
    };
    verdict.lines.extend(
        taken
            .into_iter()
            .flat_map(|taken| taken.lines.iter().cloned()),
    );
    let after = match taken.and_then(|taken| taken.allowed.clone()) {
        Some(entry) => AfterContent::Allowed(entry),
        None => {
            let sender = envelope.mail.sender.as_ref();
            sender::after_content(&envelope.config.access, sender, &found.verdicts)
        }
    };
    match after {
        AfterContent::Allowed(entry) => {
            verdict.action = Action::Accept;
            verdict.reason = format!("allow list: {entry}");
        }
        AfterContent::Refuse(refusal) => {
            verdict.action = match envelope.relay {
                Some(_) => Action::Junk,
                None => Action::Reject(refusal.reply),
            };
            verdict.reason = refusal.reason;
        }
        AfterContent::Plain => {}
    }
    verdict
}

/// Whether postmaster and abuse alone get it: they stay within reach of everybody (RFC 5321 section 4.5.1, RFC 2142).
fn is_for_those_in_charge(envelope: &Envelope<'_>) -> bool {
    let recipients = &envelope.mail.recipients;
    !recipients.is_empty() && recipients.iter().all(Recipient::is_in_charge)
}
