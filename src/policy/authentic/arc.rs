//! ARC (RFC 8617): what did those see who passed the message on?

use super::{Dns, Outcome};

/// What came of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// None without a set; Pass, Fail, TempError.
    pub outcome: Outcome,
    /// Sets, whatever their worth.
    pub sets: usize,
    /// Who sealed last (`d=` of the newest seal), lower case A-label.
    pub sealer: Option<String>,
    /// What is wrong, for people.
    pub reason: String,
}

/// A chain whose header fields were verified and whose body hash is still open.
#[derive(Default, Debug)]
pub struct AtHeader {}

/// Finds the sets, asks for their keys and verifies what they say of the header block.
pub async fn at_header<D: Dns>(_dns: &D, _header: &[u8], _now_seconds: Option<i64>) -> AtHeader {
    AtHeader::default()
}

impl AtHeader {
    /// Takes the next octets of the body.
    pub fn body(&mut self, _octets: &[u8]) {}

    /// Compares the body hash.
    pub fn finish(self) -> Checked {
        Checked {
            outcome: Outcome::None,
            sets: 0,
            sealer: None,
            reason: String::new(),
        }
    }
}
