//! What a message means for reports: a row in ours to its author's domain, and perhaps a report of others itself.

use super::Envelope;
use crate::policy::authentic::verdict::Action;
use crate::policy::authentic::{Asked, Verdicts};
use crate::policy::report::observe::{Observation, Seen, Way, observe};
use crate::policy::report::received::{self, Origin};
use crate::run::reports::Arrival;
use crate::store::Done;
use crate::store::change::Outcome;
use crate::wire::mime::Summary;
use crate::wire::report::{Attached, attached};

/// What was found of it.
#[derive(Default)]
pub(super) struct Reported {
    observation: Option<Observation>,
    /// Who sent it; None without checks, and then no report is looked for.
    origin: Option<Origin>,
}

impl Reported {
    /// Of a message with these verdicts, of which this becomes.
    pub(super) fn of(
        verdicts: &Verdicts,
        asked: &Asked<'_>,
        action: &Action,
        envelope: &Envelope<'_>,
    ) -> Reported {
        let seen = Seen {
            client: asked.client,
            envelope_domain: asked.sender.map(|sender| sender.domain().as_str()),
            action,
            way: match envelope.relay {
                Some(_) => Way::TrustedRelay,
                None => Way::Straight,
            },
        };
        let sends = envelope.config.reports.send;
        Reported {
            observation: sends.then(|| observe(verdicts, &seen)).flatten(),
            origin: Some(received::origin(verdicts)),
        }
    }

    /// Its fate is known: it counts.
    pub(super) fn count(&self, envelope: &Envelope<'_>) {
        if let Some(observation) = &self.observation {
            envelope.reports.add(observation);
        }
    }

    /// The part that may be a report of others; only where they are read.
    pub(super) fn attached(&self, summary: &Summary, envelope: &Envelope<'_>) -> Option<Attached> {
        let addresses = &envelope.config.reports.addresses;
        let is_one = |address| addresses.contains(address);
        let mut recipients = envelope.mail.recipients.iter();
        let read_here = addresses.is_empty()
            || recipients.any(|recipient| recipient.address.as_ref().is_some_and(is_one));
        (read_here && self.origin.is_some())
            .then(|| attached(&summary.structure))
            .flatten()
    }

    /// It was delivered: what may be a report is read when there is time.
    pub(super) fn delivered(
        self,
        attached: Option<Attached>,
        done: &Done,
        envelope: &Envelope<'_>,
    ) {
        self.count(envelope);
        if let (Some(attached), Some(origin), Outcome::Delivered { email, .. }) =
            (attached, self.origin, &done.outcome)
        {
            envelope.reports.arrived(Arrival {
                email: *email,
                attached,
                origin,
            });
        }
    }
}
