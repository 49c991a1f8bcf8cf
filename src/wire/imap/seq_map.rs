//! The arithmetic between UIDs and sequence numbers of one mailbox as one session sees it.
//!
//! Held as ranges of consecutive UIDs: a mailbox in which little was expunged needs a few, whatever its size. A map
//! never changes, so that sessions with the same view share one.

use super::uid_set::UidSet;

/// An immutable map; sequence numbers run from 1 to [`SeqMap::len`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SeqMap {
    ranges: Box<[Range]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    first_uid: u32,
    last_uid: u32,
    /// Sequence number of `first_uid`.
    first_seq: u32,
}

impl SeqMap {
    /// The map of a mailbox with these UIDs.
    pub fn new(uids: &UidSet) -> SeqMap {
        let mut next = 1u32;
        let ranges = uids.ranges().iter().map(|&(first_uid, last_uid)| {
            let range = Range {
                first_uid,
                last_uid,
                first_seq: next,
            };
            next = next.saturating_add(last_uid - first_uid).saturating_add(1);
            range
        });
        SeqMap {
            ranges: ranges.collect(),
        }
    }
    /// How many messages.
    pub fn len(&self) -> u32 {
        self.ranges
            .last()
            .map_or(0, |r| r.first_seq + (r.last_uid - r.first_uid))
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
    /// How many ranges it holds, of 12 octets each.
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }
    /// The largest UID; 0 when there are no messages.
    pub fn last_uid(&self) -> u32 {
        self.ranges.last().map_or(0, |r| r.last_uid)
    }
    /// The UID of a sequence number.
    pub fn uid(&self, seq: u32) -> Option<u32> {
        let at = self
            .ranges
            .partition_point(|r| r.first_seq <= seq)
            .checked_sub(1)?;
        let range = self.ranges.get(at)?;
        let uid = range.first_uid.checked_add(seq - range.first_seq)?;
        (uid <= range.last_uid).then_some(uid)
    }
    /// The sequence number of a UID.
    pub fn seq(&self, uid: u32) -> Option<u32> {
        let at = self.ranges.partition_point(|r| r.last_uid < uid);
        let range = self.ranges.get(at).filter(|r| r.first_uid <= uid)?;
        Some(range.first_seq + (uid - range.first_uid))
    }
    /// The UIDs of sequence numbers; numbers beyond the end are left out.
    pub fn uids_of(&self, seqs: &UidSet) -> UidSet {
        let mut uids = UidSet::new();
        let mut ranges = self.ranges.iter().peekable();
        for &(first, last) in seqs.ranges() {
            while let Some(range) = ranges.peek() {
                let range_last = range.first_seq + (range.last_uid - range.first_uid);
                if range_last < first {
                    ranges.next();
                    continue;
                }
                if range.first_seq > last {
                    break;
                }
                let (from, to) = (first.max(range.first_seq), last.min(range_last));
                uids.insert_range(
                    range.first_uid + (from - range.first_seq),
                    range.first_uid + (to - range.first_seq),
                );
                if range_last > last {
                    break;
                }
                ranges.next();
            }
        }
        uids
    }
    /// The sequence numbers of UIDs; UIDs that are not there are left out.
    pub fn seqs_of(&self, uids: &UidSet) -> UidSet {
        let mut seqs = UidSet::new();
        for &(first, last) in self.uids().intersection(uids).ranges() {
            if let (Some(from), Some(to)) = (self.seq(first), self.seq(last)) {
                seqs.insert_range(from, to);
            }
        }
        seqs
    }
    /// All UIDs.
    pub fn uids(&self) -> UidSet {
        UidSet::from_ranges(
            self.ranges
                .iter()
                .map(|r| (r.first_uid, r.last_uid))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_counts_as_a_list_does(uids in proptest::collection::btree_set(1u32..60, 0..30), asked in proptest::collection::btree_set(1u32..70, 0..20)) {
            let list: Vec<u32> = uids.iter().copied().collect();
            let map = SeqMap::new(&list.iter().copied().collect());
            prop_assert_eq!(map.len() as usize, list.len());
            prop_assert_eq!(map.last_uid(), list.last().copied().unwrap_or(0));
            for seq in 0..70u32 {
                prop_assert_eq!(map.uid(seq), (seq as usize).checked_sub(1).and_then(|at| list.get(at).copied()));
                prop_assert_eq!(map.seq(seq), list.iter().position(|u| *u == seq).map(|at| at as u32 + 1));
            }
            let asked: UidSet = asked.into_iter().collect();
            prop_assert_eq!(map.uids_of(&asked), asked.iter().filter_map(|s| map.uid(s)).collect());
            prop_assert_eq!(map.seqs_of(&asked), asked.iter().filter_map(|u| map.seq(u)).collect());
            prop_assert_eq!(map.uids(), list.into_iter().collect());
        }
    }

    #[test]
    fn a_large_mailbox_is_small() {
        let map = SeqMap::new(&UidSet::range(5, 4_000_004));
        assert_eq!(
            (map.len(), map.range_count(), map.uid(4_000_000)),
            (4_000_000, 1, Some(4_000_004))
        );
    }
}
