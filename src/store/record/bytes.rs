//! Numbers and strings of a record: little endian, LEB128 varints, lengths in front. Reading is total: every octet
//! string gives a value or an error, and no list is made longer than the octets that are there.

use crate::wire::imap::uid_set::UidSet;

/// Why octets are no record: what was being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// Writes values one behind another.
pub struct Put<'a>(pub &'a mut Vec<u8>);

impl Put<'_> {
    /// One octet.
    pub fn octet(&mut self, value: u8) {
        self.0.push(value);
    }
    /// A varint: 7 bits an octet, lowest first.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
    /// A signed number, zigzag.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }
    /// Eight octets, for words whose bits are spread.
    pub fn word(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Octets of a known length.
    pub fn raw(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }
    /// A length and octets.
    pub fn octets(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.raw(value);
    }
    /// UTF-8 with its length.
    pub fn text(&mut self, value: &str) {
        self.octets(value.as_bytes());
    }
    /// 0, or 1 and the value.
    pub fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.octet(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }
    /// A count and the items.
    pub fn list<T>(&mut self, items: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            put(self, item);
        }
    }
    /// The ranges as gaps and lengths.
    pub fn uids(&mut self, set: &UidSet) {
        let mut at = 0;
        self.number(set.ranges().len() as u64);
        for &(first, last) in set.ranges() {
            self.number(u64::from(first - at));
            self.number(u64::from(last - first));
            at = last;
        }
    }
}

/// Reads values from the front.
pub struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    /// Octets of a known length.
    pub fn raw(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Malformed(what))?;
        self.0 = rest;
        Ok(head)
    }
    /// An array of octets.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed(what))?;
        self.0 = rest;
        Ok(*head)
    }
    /// One octet.
    pub fn octet(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(what)?[0])
    }
    /// 0 or 1.
    pub fn truth(&mut self, what: &'static str) -> Result<bool, Malformed> {
        match self.octet(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed(what)),
        }
    }
    /// A varint in its shortest form (so that there is one encoding of each record).
    pub fn number(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet(what)?;
            let bits = u64::from(octet & 0x7f);
            if (shift == 63 && octet > 1) || (shift > 0 && octet == 0) {
                return Err(Malformed(what));
            }
            value |= bits << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed(what))
    }
    /// A varint that fits a smaller type.
    pub fn small<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, Malformed> {
        T::try_from(self.number(what)?).map_err(|_| Malformed(what))
    }
    /// A signed number.
    pub fn signed(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let value = self.number(what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
    /// Eight octets.
    pub fn word(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }
    /// A length and octets.
    pub fn octets(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let count = self.small(what)?;
        self.raw(count, what)
    }
    /// UTF-8 with its length.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.octets(what)?).map_err(|_| Malformed(what))
    }
    /// 0, or 1 and a value.
    pub fn option<T>(
        &mut self,
        what: &'static str,
        take: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.truth(what)? {
            true => take(self).map(Some),
            false => Ok(None),
        }
    }
    /// A count and the items. Each item has at least one octet, so the count is bounded by what is there.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        mut take: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count: usize = self.small(what)?;
        if count > self.0.len() {
            return Err(Malformed(what));
        }
        // Items may be larger than their encoding: room is not made ahead by the announced count alone.
        let mut items = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            items.push(take(self)?);
        }
        Ok(items)
    }
    /// The ranges of a set.
    pub fn uids(&mut self, what: &'static str) -> Result<UidSet, Malformed> {
        let mut set = UidSet::new();
        let mut at = 0u32;
        let count: usize = self.small(what)?;
        for number in 0..count {
            let gap: u32 = self.small(what)?;
            let more: u32 = self.small(what)?;
            // Ranges are disjoint and not adjacent; UID 0 does not exist (RFC 3501 section 2.3.1.1).
            if gap < 1 + u32::from(number > 0) {
                return Err(Malformed(what));
            }
            let first = at.checked_add(gap).ok_or(Malformed(what))?;
            at = first.checked_add(more).ok_or(Malformed(what))?;
            set.insert_range(first, at);
        }
        Ok(set)
    }
    /// Nothing may be left.
    pub fn end(&self) -> Result<(), Malformed> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Malformed("the end of a record")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64, signed: i64, word: u64) {
            let mut out = Vec::new();
            let mut put = Put(&mut out);
            put.number(value);
            put.signed(signed);
            put.word(word);
            let mut take = Take(&out);
            prop_assert_eq!(take.number("n"), Ok(value));
            prop_assert_eq!(take.signed("s"), Ok(signed));
            prop_assert_eq!(take.word("w"), Ok(word));
            prop_assert_eq!(take.end(), Ok(()));
        }

        #[test]
        fn sets_come_back(numbers in proptest::collection::vec(1u32.., 0..50)) {
            let set: UidSet = numbers.into_iter().collect();
            let mut out = Vec::new();
            Put(&mut out).uids(&set);
            prop_assert_eq!(Take(&out).uids("set"), Ok(set));
        }

        #[test]
        fn any_octets_are_a_value_or_an_error(octets: Vec<u8>) {
            let _ = Take(&octets).number("n");
            let _ = Take(&octets).uids("set");
            let _ = Take(&octets).text("t");
            let _ = Take(&octets).list("l", |t| t.octet("o"));
        }
    }

    #[test]
    fn a_longer_form_of_a_number_is_refused() {
        assert_eq!(Take(&[0x80, 0x00]).number("n"), Err(Malformed("n")));
        assert_eq!(Take(&[0xff; 11]).number("n"), Err(Malformed("n")));
    }

    #[test]
    fn a_count_beyond_the_octets_is_refused() {
        assert_eq!(
            Take(&[5, 1]).list("l", |t| t.octet("o")),
            Err(Malformed("l"))
        );
    }
}
