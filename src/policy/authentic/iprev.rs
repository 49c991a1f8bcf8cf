//! iprev: does the client's address have a name that leads back to it (RFC 8601 section 3)?

use super::{Dns, Outcome};
use crate::wire::dns::Name;
use std::net::IpAddr;

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Pass: a name leads back. Fail: names, but none leads back. PermError: no name.
    pub outcome: Outcome,
    /// The name that leads back, or the first that does not.
    pub name: Option<Name>,
}

/// Asks.
pub async fn check<D: Dns>(_dns: &D, _client: IpAddr) -> Checked {
    Checked {
        outcome: Outcome::None,
        name: None,
    }
}
