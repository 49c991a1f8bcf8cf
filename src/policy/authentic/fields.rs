//! Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 section 9.1): what was found, written down; and
//! fields that claim to be ours, found.

use super::{Asked, Verdicts};
use std::ops::Range;

/// Appends the fields of ours.
pub fn write(_out: &mut Vec<u8>, _asked: &Asked<'_>, _verdicts: &Verdicts) {}

/// Appends the ranges of `header` whose fields claim to be written by us, in order: forged, not served. `names`: all
/// names of ours, the hostname and the domains, in either form of an IDN.
pub fn forged(_header: &[u8], _names: &[&str], _cuts: &mut Vec<Range<u32>>) {}
