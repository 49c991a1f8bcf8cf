//! SPF (RFC 7208): may this client send for that domain?

use super::{Asked, Dns, Outcome};

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// RFC 7208 section 2.6.
    pub outcome: Outcome,
    /// The domain that was asked; empty where there was none.
    pub domain: String,
    /// What decided, as it was published ("include:_spf.example.org"), or what is wrong.
    pub reason: String,
    /// What the domain says about a fail (`exp=`), printable ASCII.
    pub explanation: Option<String>,
}

impl Checked {
    /// Nothing was asked.
    pub fn none(domain: &str) -> Checked {
        Checked {
            outcome: Outcome::None,
            domain: domain.into(),
            reason: String::new(),
            explanation: None,
        }
    }
}

/// The greeting's domain.
pub async fn check_helo<D: Dns>(_dns: &D, asked: &Asked<'_>) -> Checked {
    Checked::none(asked.helo)
}

/// The reverse-path's domain; of the null path, `postmaster` at the greeting.
pub async fn check_mail_from<D: Dns>(_dns: &D, asked: &Asked<'_>) -> Checked {
    Checked::none(
        asked
            .sender
            .map_or(asked.helo, |sender| sender.domain().as_str()),
    )
}
