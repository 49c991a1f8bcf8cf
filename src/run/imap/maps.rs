//! Sequence maps of selected mailboxes, shared between the sessions that see the same.

use crate::limits::SEQ_MAP_RANGES_MAX;
use crate::store::MailboxId;
use crate::wire::imap::seq_map::SeqMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All live maps. A map lives as long as a session holds it.
#[derive(Default)]
pub(super) struct SeqMaps {
    live: Mutex<HashMap<MailboxId, Vec<Weak<SeqMap>>>>,
}

/// Whether the maps together are within `SEQ_MAP_RANGES_MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// They are.
    Enough,
    /// Another session must not begin.
    None,
}

impl SeqMaps {
    /// The map that another session of the mailbox holds already, if it is equal; else `map`, for others to share.
    pub fn share(&self, mailbox: MailboxId, map: Arc<SeqMap>) -> (Arc<SeqMap>, Room) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let maps = live.entry(mailbox).or_default();
        maps.retain(|map| map.strong_count() > 0);
        if let Some(same) = maps
            .iter()
            .filter_map(Weak::upgrade)
            .find(|other| **other == *map)
        {
            return (same, Room::Enough);
        }
        maps.push(Arc::downgrade(&map));
        live.retain(|_, maps| maps.iter().any(|map| map.strong_count() > 0));
        let ranges: usize = live
            .values()
            .flatten()
            .filter_map(Weak::upgrade)
            .map(|map| map.range_count())
            .sum();
        (
            map,
            if ranges > SEQ_MAP_RANGES_MAX {
                Room::None
            } else {
                Room::Enough
            },
        )
    }

    /// The map that takes the place of one with `before` ranges, which nobody may hold any more for this view; None when
    /// it is one of those that grew beyond what all maps may be together.
    pub fn grow(&self, mailbox: MailboxId, before: usize, map: Arc<SeqMap>) -> Option<Arc<SeqMap>> {
        let grown = map.range_count() > before;
        let (map, room) = self.share(mailbox, map);
        (room == Room::Enough || !grown).then_some(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::uid_set::UidSet;

    fn map(uids: impl Iterator<Item = u32>) -> Arc<SeqMap> {
        Arc::new(SeqMap::new(&uids.collect::<UidSet>()))
    }

    #[test]
    fn equal_views_are_one_and_the_sum_is_bounded() {
        let maps = SeqMaps::default();
        let (a, _) = maps.share(MailboxId(1), map(1..9));
        let (b, _) = maps.share(MailboxId(1), map(1..9));
        assert!(Arc::ptr_eq(&a, &b));
        let most = SEQ_MAP_RANGES_MAX as u32 - 1;
        let (_kept, room) = maps.share(MailboxId(2), map((1..=most).map(|n| 2 * n)));
        assert_eq!(room, Room::Enough);
        let (over, room) = maps.share(MailboxId(3), map([1].into_iter()));
        assert_eq!(room, Room::None);
        drop((over, _kept));
        assert_eq!(
            maps.share(MailboxId(3), map([1].into_iter())).1,
            Room::Enough
        );
    }
    #[test]
    fn a_view_that_grows_has_an_end() {
        let maps = SeqMaps::default();
        let most = SEQ_MAP_RANGES_MAX as u32;
        let (_kept, _) = maps.share(MailboxId(2), map((1..most - 2).map(|n| 2 * n)));
        // `most - 3` ranges are there; one's own may be up to three.
        let of = |ranges: u32| map((1..=ranges).map(|n| 2 * n));
        for (before, after, fits) in [(1, 2, true), (2, 3, true), (3, 4, false), (5, 4, true)] {
            let grown = maps.grow(MailboxId(3), before, of(after));
            assert_eq!(grown.is_some(), fits, "{before} to {after}");
        }
    }
}
