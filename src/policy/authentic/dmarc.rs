//! DMARC (RFC 9989; records of RFC 7489 are understood): does the domain of From stand behind the message?

use super::{Dns, Outcome, Traits, dkim, spf};
use crate::wire::address::Domain;

/// What a domain asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Policy {
    /// Nothing.
    None,
    /// Suspect it.
    Quarantine,
    /// Do not take it.
    Reject,
}

/// Whom From names.
#[derive(Clone, Default, Debug)]
pub struct Authors {
    /// The one domain; None where there is no From, several fields, several domains or none that is one.
    pub only: Option<Domain>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// None: no policy applies. Pass, Fail, TempError, PermError.
    pub outcome: Outcome,
    /// What the domain asks for now that it failed (`t=y` taken into account).
    pub policy: Policy,
    /// The domain whose record was used.
    pub record_domain: Option<String>,
    /// The organizational domain of the author.
    pub organizational: Option<String>,
    /// SPF passed and is aligned.
    pub spf_aligned: bool,
    /// A signature passed and is aligned.
    pub dkim_aligned: bool,
    /// The record as published, for reports; empty without one.
    pub record: String,
    /// What decided, for people.
    pub reason: String,
}

impl Checked {
    /// Nothing was asked or applies.
    pub fn none() -> Checked {
        Checked {
            outcome: Outcome::None,
            policy: Policy::None,
            record_domain: None,
            organizational: None,
            spf_aligned: false,
            dkim_aligned: false,
            record: String::new(),
            reason: String::new(),
        }
    }
}

/// Whom From names, and what else the header shows.
pub fn authors(_header: &[u8]) -> (Authors, Traits) {
    (Authors::default(), Traits::default())
}

/// Asks.
pub async fn check<D: Dns>(
    _dns: &D,
    _authors: &Authors,
    _spf: &spf::Checked,
    _dkim: &[dkim::Checked],
) -> Checked {
    Checked::none()
}
