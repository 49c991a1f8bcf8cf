//! A walk over the ranges of a UID set, in reads that may end early.

use crate::wire::imap::uid_set::UidSet;

/// Where a walk goes on: a range of the set and the next UID in it (0: its first).
#[derive(Default)]
pub(super) struct Cursor {
    range: usize,
    next_uid: u32,
}

impl Cursor {
    /// What is to be read next, first and last UID; None at the end.
    pub fn next(&self, uids: &UidSet) -> Option<(u32, u32)> {
        let (first, last) = *uids.ranges().get(self.range)?;
        Some((first.max(self.next_uid), last))
    }

    /// A read up to `last` ended: there, or early behind `read_to`.
    pub fn advance(&mut self, read_to: Option<u32>, last: u32) {
        let next = read_to.and_then(|uid| uid.checked_add(1));
        match next.filter(|next| *next <= last) {
            Some(next) => self.next_uid = next,
            None => {
                *self = Cursor {
                    range: self.range + 1,
                    next_uid: 0,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_all_ranges_and_goes_on_behind_the_last_that_was_read() {
        let mut uids = UidSet::range(3, 9);
        uids.insert_range(u32::MAX, u32::MAX);
        let mut cursor = Cursor::default();
        assert_eq!(cursor.next(&uids), Some((3, 9)));
        cursor.advance(Some(5), 9);
        assert_eq!(cursor.next(&uids), Some((6, 9)));
        cursor.advance(Some(9), 9);
        assert_eq!(cursor.next(&uids), Some((u32::MAX, u32::MAX)));
        cursor.advance(Some(u32::MAX), u32::MAX);
        assert_eq!(cursor.next(&uids), None);
        let mut whole = Cursor::default();
        whole.advance(None, 9);
        assert_eq!(whole.next(&uids), Some((u32::MAX, u32::MAX)));
    }
}
