//! How many messages ask the DNS at once: so many altogether, and no caller more than its share. Whoever sends from
//! slow domains only makes himself wait.

use crate::limits::{ADDRESS_SHARE_DIVISOR, AUTHENTIC_CHECKS_MAX};
use crate::net::listen;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Places of one caller (an IPv4 address, an IPv6 /64); loopback has no share.
const SHARE: usize = AUTHENTIC_CHECKS_MAX.div_ceil(ADDRESS_SHARE_DIVISOR);

/// The places.
#[derive(Default)]
pub struct Places {
    /// Who holds one, at most AUTHENTIC_CHECKS_MAX.
    taken: Mutex<Vec<IpAddr>>,
    freed: Notify,
}

/// A place; free again when it is dropped.
pub struct Place<'a> {
    places: &'a Places,
    caller: IpAddr,
}

impl Places {
    /// Waits for a place. Cancel-safe.
    pub async fn take(&self, caller: IpAddr) -> Place<'_> {
        loop {
            let mut freed = pin!(self.freed.notified());
            // Told from here on: nothing that is freed between the look and the wait is missed.
            freed.as_mut().enable();
            if let Some(place) = self.look(caller) {
                return place;
            }
            freed.await;
        }
    }

    fn look(&self, caller: IpAddr) -> Option<Place<'_>> {
        let caller = listen::caller(caller);
        let mut taken = self.taken();
        let own = taken.iter().filter(|holder| **holder == caller).count();
        let within = caller.is_loopback() || own < SHARE;
        (within && taken.len() < AUTHENTIC_CHECKS_MAX).then(|| {
            taken.push(caller);
            Place {
                places: self,
                caller,
            }
        })
    }

    fn taken(&self) -> MutexGuard<'_, Vec<IpAddr>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(at) = taken.iter().position(|holder| *holder == self.caller) {
            taken.swap_remove(at);
        }
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn a_caller_has_its_share_and_all_together_the_rest() {
        let places = Places::default();
        let try_take = async |ip: &str| {
            let taking = places.take(ip.parse().unwrap());
            timeout(Duration::from_secs(1), taking).await.ok()
        };
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push(try_take("2001:db8::1").await.unwrap());
        }
        assert!(try_take("2001:db8::2").await.is_none(), "the same /64");
        held.pop();
        held.push(try_take("2001:db8::2").await.unwrap());
        for _ in SHARE..AUTHENTIC_CHECKS_MAX {
            held.push(try_take("127.0.0.1").await.unwrap());
        }
        assert!(try_take("192.0.2.1").await.is_none());
        held.clear();
        assert!(try_take("192.0.2.1").await.is_some());
        assert!(places.taken().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told() {
        let places = Places::default();
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let mut held = Vec::new();
        for _ in 0..AUTHENTIC_CHECKS_MAX {
            held.push(places.take(ip).await);
        }
        let free = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            held.pop();
        };
        let (place, ()) = tokio::join!(timeout(Duration::from_secs(9), places.take(ip)), free);
        assert!(place.is_ok());
    }
}
