//! How fast name servers answered, so that the next query goes to one that is there.

use super::cache::Cache;
use crate::limits::{DNS_SERVERS_BYTES_MAX, DNS_WAIT_MILLIS_MAX, DNS_WAIT_MILLIS_MIN};
use ring::rand::{SecureRandom, SystemRandom};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long a server is remembered: one that was silent gets another chance then.
const REMEMBERED: Duration = Duration::from_secs(900);
/// A server that nobody asked yet is taken for this fast: between a near one and a far one.
const UNKNOWN_MILLIS: u32 = 120;
/// What a silence counts; it doubles.
const SILENT_MILLIS: u32 = 1_000;

/// The book.
pub struct Servers {
    book: Mutex<Cache<IpAddr, u32>>,
}

impl Servers {
    /// Knows nobody.
    pub fn new() -> Servers {
        Servers {
            book: Mutex::new(Cache::new(DNS_SERVERS_BYTES_MAX)),
        }
    }

    /// The fastest first; those within 40 ms of each other in an order of chance, which also spreads load and makes
    /// a forger guess the server.
    pub fn sort(&self, servers: &mut [IpAddr]) {
        let mut chance = [0_u8; 64];
        // Without chance the order is the same each time, which costs nothing but that.
        let _ = SystemRandom::new().fill(&mut chance);
        let mut book = self.book();
        let mut keyed: Vec<(u32, IpAddr)> = servers
            .iter()
            .zip(chance.iter().cycle())
            .map(|(ip, chance)| {
                let millis = book.find(ip).map_or(UNKNOWN_MILLIS, |(millis, _)| millis);
                (millis + u32::from(*chance) * 40 / 255, *ip)
            })
            .collect();
        keyed.sort_by_key(|(millis, _)| *millis);
        for (place, (_, ip)) in servers.iter_mut().zip(keyed) {
            *place = ip;
        }
    }

    /// How long to wait for a server's datagram, `again` for the second time.
    pub fn wait(&self, server: IpAddr, again: u32) -> Duration {
        let millis = self
            .book()
            .find(&server)
            .map_or(UNKNOWN_MILLIS * 2, |(millis, _)| millis);
        let wait = u64::from(millis).saturating_mul(3) << again.min(2);
        Duration::from_millis(wait.clamp(DNS_WAIT_MILLIS_MIN, DNS_WAIT_MILLIS_MAX))
    }

    /// It answered.
    pub fn answered(&self, server: IpAddr, took: Duration) {
        let took = u32::try_from(took.as_millis())
            .unwrap_or(u32::MAX)
            .min(10_000);
        let mut book = self.book();
        let mean = book.find(&server).map_or(took, |(before, _)| {
            // What was silent and answers is as fast as it answers.
            if before >= SILENT_MILLIS {
                took
            } else {
                (before * 3 + took) / 4
            }
        });
        book.keep(server, mean, size_of::<IpAddr>(), REMEMBERED);
    }

    /// It did not.
    pub fn silent(&self, server: IpAddr) {
        let mut book = self.book();
        let before = book.find(&server).map_or(0, |(millis, _)| millis);
        let millis = if before < SILENT_MILLIS {
            SILENT_MILLIS
        } else {
            (before * 2).min(16_000)
        };
        book.keep(server, millis, size_of::<IpAddr>(), REMEMBERED);
    }

    fn book(&self) -> MutexGuard<'_, Cache<IpAddr, u32>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_fast_come_first_and_the_silent_last() {
        let servers = Servers::new();
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        servers.answered(ip(1), Duration::from_millis(300));
        servers.answered(ip(2), Duration::from_millis(10));
        servers.silent(ip(3));
        let mut list = [ip(3), ip(1), ip(4), ip(2)];
        servers.sort(&mut list);
        assert_eq!(list, [ip(2), ip(4), ip(1), ip(3)]);
        assert_eq!(
            servers.wait(ip(2), 0).as_millis() as u64,
            DNS_WAIT_MILLIS_MIN
        );
        assert!(servers.wait(ip(1), 1) > servers.wait(ip(1), 0));
        assert_eq!(
            servers.wait(ip(3), 0).as_millis() as u64,
            DNS_WAIT_MILLIS_MAX
        );
        servers.answered(ip(3), Duration::from_millis(20));
        servers.sort(&mut list);
        assert_eq!(list[3], ip(1));
    }
}
