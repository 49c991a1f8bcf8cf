//! `sequence-set` (RFC 3501 section 9): ranges of sequence numbers or UIDs, where `*` is the largest there is.

use super::scan::{Parsed, Reject, Scan};
use super::uid_set::UidSet;

/// Ranges as written; 0 stands for `*`. Bounded by the length of its command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SequenceSet(Vec<(u32, u32)>);

impl SequenceSet {
    /// The numbers that it means while `largest` is the last one (0: there is none, and `*` means nothing).
    pub fn resolve(&self, largest: u32) -> UidSet {
        let star = |n: u32| if n == 0 { largest } else { n };
        let ranges = self.0.iter().map(|(a, b)| (star(*a), star(*b)));
        UidSet::from_ranges(ranges.filter(|(a, b)| *a != 0 && *b != 0).collect())
    }
    /// The largest number that is written out, `*` apart; 0 when there is none.
    pub fn largest_written(&self) -> u32 {
        self.0.iter().map(|(a, b)| *a.max(b)).max().unwrap_or(0)
    }
    /// Whether `*` stands somewhere.
    pub fn has_star(&self) -> bool {
        self.0.iter().any(|(a, b)| *a == 0 || *b == 0)
    }
}

/// As on the wire.
impl std::fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |n: u32| {
            if n == 0 {
                "*".to_owned()
            } else {
                n.to_string()
            }
        };
        for (i, (a, b)) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            f.write_str(&text(*a))?;
            if a != b {
                write!(f, ":{}", text(*b))?;
            }
        }
        Ok(())
    }
}

impl Scan<'_> {
    /// `sequence-set`.
    pub fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        let mut ranges = Vec::new();
        loop {
            let first = self.seq_number()?;
            let last = if self.take(b':') {
                self.seq_number()?
            } else {
                first
            };
            ranges.push((first, last));
            if !self.take(b',') {
                return Ok(SequenceSet(ranges));
            }
        }
    }

    fn seq_number(&mut self) -> Parsed<u32> {
        if self.take(b'*') {
            return Ok(0);
        }
        match self.number() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(Reject::Bad("sequence set expected")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(text: &str) -> SequenceSet {
        Scan::new(text.as_bytes()).sequence_set().unwrap()
    }

    #[test]
    fn stars_are_the_largest_number() {
        assert_eq!(set("2,4:7,9,12:*").resolve(15).to_string(), "2,4:7,9,12:15");
        assert_eq!(set("*:4,5:7").resolve(10).to_string(), "4:10");
        assert_eq!(set("12:*").resolve(3).to_string(), "3:12");
        assert_eq!(set("*").resolve(0).to_string(), "");
        assert_eq!(set("1:*").resolve(0).to_string(), "");
        assert_eq!(set("4294967295").resolve(1).to_string(), "4294967295");
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for bad in ["", "0", "1:", ":1", "1,", "a", "1:0", "4294967296", "-1"] {
            assert!(Scan::new(bad.as_bytes()).sequence_set().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ranges in proptest::collection::vec((0u32..50, 0u32..50), 1..9)) {
            let written = SequenceSet(ranges).to_string();
            prop_assert_eq!(set(&written).to_string(), written);
        }
    }
}
