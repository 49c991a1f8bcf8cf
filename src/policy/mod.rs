//! PURE decisions: facts in, a verdict with its reason out. Sees `wire` and `limits`; never asks, never logs.

pub mod accept;
pub mod authentic;
pub mod hint;
pub mod report;
pub mod retry;
pub mod sender;
pub mod submit;

use crate::wire::header::Field;
use std::ops::Range;

/// A field as a range that is not served. Header blocks have less than 4 GiB.
fn cut(field: &Field<'_>) -> Range<u32> {
    let end = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    end(field.range.start)..end(field.range.end)
}
