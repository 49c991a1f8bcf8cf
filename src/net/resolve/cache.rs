//! A table bounded in octets whose entries expire. SIEVE: who is asked for again stays, the oldest of the others goes;
//! what a stranger makes us ask once pushes out other such entries first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the table itself takes for an entry: its slot and its place in the hash table, both grown by doubling, and
/// the counts of two `Arc`s.
const ENTRY_BYTES: usize = 256;

/// The table. Not shared: its owner locks it.
pub struct Cache<K, V> {
    places: HashMap<Arc<K>, usize>,
    slots: Vec<Slot<K, V>>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
}

struct Slot<K, V> {
    key: Arc<K>,
    value: V,
    bytes: usize,
    until: Instant,
    asked_again: bool,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty one that never holds more than so many octets.
    pub fn new(bytes_max: usize) -> Self {
        Cache {
            places: HashMap::new(),
            slots: Vec::new(),
            hand: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// An entry that has not expired, and how long it is still good for.
    pub fn find(&mut self, key: &K) -> Option<(V, Duration)> {
        let place = *self.places.get(key)?;
        let left = {
            let slot = self.slots.get_mut(place)?;
            slot.asked_again = true;
            slot.until.checked_duration_since(Instant::now())
        };
        match left.filter(|left| !left.is_zero()) {
            Some(left) => self.slots.get(place).map(|slot| (slot.value.clone(), left)),
            None => {
                self.remove(place);
                None
            }
        }
    }

    /// Keeps an entry of `bytes` octets (key and value with what they point to) for a time; one under the same key
    /// goes. What is larger than an eighth of the table is not kept: nobody empties it with one answer.
    pub fn keep(&mut self, key: K, value: V, bytes: usize, time: Duration) {
        if let Some(place) = self.places.get(&key) {
            self.remove(*place);
        }
        let bytes = bytes + ENTRY_BYTES;
        if bytes > self.bytes_max / 8 || time.is_zero() {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            self.evict();
        }
        let key = Arc::new(key);
        self.places.insert(key.clone(), self.slots.len());
        self.bytes += bytes;
        self.slots.push(Slot {
            key,
            value,
            bytes,
            until: Instant::now() + time,
            asked_again: false,
        });
    }

    /// Removes an entry.
    pub fn forget(&mut self, key: &K) {
        if let Some(place) = self.places.get(key) {
            self.remove(*place);
        }
    }

    /// Entries, and octets that they are counted with.
    pub fn size(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }

    /// Removes the next entry that nobody asked for since the hand passed it. Two rounds at most: the first clears
    /// all marks.
    fn evict(&mut self) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let Some(slot) = self.slots.get_mut(self.hand) else {
                return;
            };
            if !std::mem::take(&mut slot.asked_again) {
                return self.remove(self.hand);
            }
            self.hand += 1;
        }
    }

    /// The last slot takes the place of the one that goes.
    fn remove(&mut self, place: usize) {
        let slot = self.slots.swap_remove(place);
        self.places.remove(&slot.key);
        self.bytes -= slot.bytes;
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.key.clone(), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn octets_are_bounded() {
        let each = 100;
        let mut cache = Cache::new(10 * (each + ENTRY_BYTES));
        for n in 0..9 {
            cache.keep(n, n, each, MINUTE);
        }
        assert_eq!(cache.size().0, 9);
        cache.keep(9, 9, each, MINUTE);
        assert_eq!(cache.size(), (10, 10 * (each + ENTRY_BYTES)));
        cache.keep(10, 10, each, MINUTE);
        assert_eq!(cache.size().0, 10, "one went");
        assert_eq!(cache.find(&0), None, "the oldest");
        assert!((1..11).all(|n| cache.find(&n).is_some()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_for_again_survives_a_flood() {
        let mut cache = Cache::new(100 * (ENTRY_BYTES + 8));
        for n in 0..20 {
            cache.keep(n, n, 8, MINUTE);
        }
        for flood in 1000..5000 {
            cache.keep(flood, 0, 8, MINUTE);
            if flood % 50 == 0 {
                assert!((0..20).all(|n| cache.find(&n).is_some()), "{flood}");
            }
        }
        assert!(cache.size().1 <= 100 * (ENTRY_BYTES + 8));
        assert_eq!(cache.places.len(), cache.slots.len());
    }

    #[tokio::test(start_paused = true)]
    async fn entries_expire_and_say_how_long_they_last() {
        let mut cache = Cache::new(100_000);
        cache.keep("a", 1, 1, Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(cache.find(&"a"), Some((1, Duration::from_secs(6))));
        cache.keep("a", 2, 1, Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(cache.find(&"a").unwrap().0, 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(cache.find(&"a"), None);
        assert_eq!(cache.size(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_entry_cannot_empty_the_table() {
        let mut cache = Cache::new(8000);
        cache.keep("large", 1, 1000 - ENTRY_BYTES + 1, MINUTE);
        assert_eq!(cache.size(), (0, 0));
        cache.keep("large", 1, 1000 - ENTRY_BYTES, MINUTE);
        assert_eq!(cache.size(), (1, 1000));
        cache.keep("now", 1, 1, Duration::ZERO);
        assert_eq!(cache.find(&"now"), None);
    }
}
