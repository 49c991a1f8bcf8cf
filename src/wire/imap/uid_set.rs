//! A set of UIDs (or sequence numbers) as ascending, disjoint, non-adjacent inclusive ranges.

/// Sorted inclusive ranges; numbers are 1..=u32::MAX.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct UidSet(Vec<(u32, u32)>);

impl UidSet {
    /// No member.
    pub fn new() -> UidSet {
        UidSet::default()
    }
    /// One range, in either order.
    pub fn range(first: u32, last: u32) -> UidSet {
        UidSet(vec![(first.min(last), first.max(last))])
    }
    /// All of `ranges`, which may stand in any order, overlap, and have their ends swapped.
    pub fn from_ranges(mut ranges: Vec<(u32, u32)>) -> UidSet {
        for range in &mut ranges {
            *range = (range.0.min(range.1), range.0.max(range.1));
        }
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let joins = next.0 <= before.1.saturating_add(1);
            if joins {
                before.1 = before.1.max(next.1);
            }
            joins
        });
        UidSet(ranges)
    }
    /// Adds one number; cheap when numbers come in ascending order.
    pub fn insert(&mut self, number: u32) {
        self.insert_range(number, number);
    }
    /// Adds `first..=last` (in either order).
    pub fn insert_range(&mut self, first: u32, last: u32) {
        let (first, last) = (first.min(last), first.max(last));
        match self.0.last_mut() {
            None => self.0.push((first, last)),
            Some(end) if first > end.1.saturating_add(1) => self.0.push((first, last)),
            Some(end) if first >= end.0 => end.1 = end.1.max(last),
            Some(_) => {
                let from = self.0.partition_point(|r| r.1.saturating_add(1) < first);
                let to = self.0.partition_point(|r| r.0 <= last.saturating_add(1));
                let mut merged = (first, last);
                for range in self.0.get(from..to).unwrap_or_default() {
                    merged = (merged.0.min(range.0), merged.1.max(range.1));
                }
                self.0.splice(from..to, [merged]);
            }
        }
    }
    /// Whether `number` is a member.
    pub fn contains(&self, number: u32) -> bool {
        let at = self.0.partition_point(|r| r.1 < number);
        self.0.get(at).is_some_and(|r| r.0 <= number)
    }
    /// Members of both.
    pub fn intersection(&self, other: &UidSet) -> UidSet {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (first, last) = (x.0.max(y.0), x.1.min(y.1));
            if first <= last {
                both.push((first, last));
            }
            if x.1 < y.1 {
                a.next()
            } else {
                b.next()
            };
        }
        UidSet(both)
    }
    /// Members of either.
    pub fn union(&self, other: &UidSet) -> UidSet {
        UidSet::from_ranges(self.0.iter().chain(&other.0).copied().collect())
    }
    /// Members of this one that the other has not.
    pub fn difference(&self, other: &UidSet) -> UidSet {
        let mut rest = Vec::new();
        let mut holes = other.0.iter().peekable();
        for &(mut first, last) in &self.0 {
            let mut open = true;
            while let Some(&&(from, to)) = holes.peek() {
                if to < first {
                    holes.next();
                } else if from > last {
                    break;
                } else {
                    if from > first {
                        rest.push((first, from - 1));
                    }
                    if to >= last {
                        open = false;
                        break;
                    }
                    first = to + 1;
                    holes.next();
                }
            }
            if open {
                rest.push((first, last));
            }
        }
        UidSet(rest)
    }
    /// The smallest member.
    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|r| r.0)
    }
    /// The largest member.
    pub fn last(&self) -> Option<u32> {
        self.0.last().map(|r| r.1)
    }
    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }
    /// How many members.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|r| u64::from(r.1 - r.0) + 1).sum()
    }
    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|r| r.0..=r.1)
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> UidSet {
        let mut set = UidSet::new();
        numbers.into_iter().for_each(|n| set.insert(n));
        set
    }
}

/// As on the wire: `1:4,9`.
impl std::fmt::Display for UidSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ranges() -> impl Strategy<Value = Vec<(u32, u32)>> {
        proptest::collection::vec((1u32..60, 1u32..60), 0..8)
    }
    fn model(ranges: &[(u32, u32)]) -> BTreeSet<u32> {
        ranges
            .iter()
            .flat_map(|(a, b)| *a.min(b)..=*a.max(b))
            .collect()
    }

    proptest! {
        #[test]
        fn it_is_a_set(a in ranges(), b in ranges()) {
            let (ma, mb) = (model(&a), model(&b));
            let (sa, sb) = (UidSet::from_ranges(a.clone()), UidSet::from_ranges(b));
            let mut inserted = UidSet::new();
            a.iter().for_each(|(x, y)| inserted.insert_range(*x, *y));
            prop_assert_eq!(&inserted, &sa);
            prop_assert_eq!(sa.iter().collect::<BTreeSet<_>>(), ma.clone());
            prop_assert_eq!(sa.count(), ma.len() as u64);
            prop_assert_eq!(sa.intersection(&sb), ma.intersection(&mb).copied().collect());
            prop_assert_eq!(sa.union(&sb), ma.union(&mb).copied().collect());
            prop_assert_eq!(sa.difference(&sb), ma.difference(&mb).copied().collect());
            (0..62).for_each(|n| assert_eq!(sa.contains(n), ma.contains(&n)));
        }
    }

    #[test]
    fn the_largest_number_does_not_overflow() {
        let mut set = UidSet::range(u32::MAX, u32::MAX);
        set.insert_range(1, u32::MAX);
        set.insert(7);
        assert_eq!(set.to_string(), "1:4294967295");
        assert_eq!(set.difference(&UidSet::range(1, u32::MAX)), UidSet::new());
    }
}
