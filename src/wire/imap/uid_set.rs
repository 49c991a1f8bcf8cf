//! A set of UIDs (or sequence numbers) as ascending, disjoint, non-adjacent inclusive ranges.

/// Sorted inclusive ranges; numbers are 1..=u32::MAX.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct UidSet(Vec<(u32, u32)>);

impl UidSet {
    /// No member.
    pub fn new() -> UidSet {
        UidSet::default()
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
                for range in &self.0[from..to] {
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
