//! Memory for answers on their way: whoever makes slices of a FETCH, or searches, holds so many octets of it.
//!
//! It is handed on slice by slice: while somebody waits, a session gives its octets back as soon as the slice is sent,
//! and queues again. A client that does not read keeps no more than what is made for it already, and all clients of
//! one account together no more than the account's share.

use crate::limits::{IMAP_ANSWERS_BYTES_MAX, IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX};
use crate::store::AccountId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a permit of the semaphores stands for, octets.
const UNIT_BYTES: usize = 1024;

/// The octets of all sessions.
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// The shares in use.
    accounts: Mutex<HashMap<AccountId, Weak<Semaphore>>>,
    waiting: AtomicUsize,
}

/// Octets that a session may hold; given back on drop.
pub(super) struct Place {
    permits: [OwnedSemaphorePermit; 2],
}

/// Counts one who waits, also when the wait is cancelled.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    pub fn new() -> Places {
        Places {
            all: Arc::new(Semaphore::new(IMAP_ANSWERS_BYTES_MAX / UNIT_BYTES)),
            accounts: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for so many octets (no more than a share has); who came first gets them first.
    pub async fn take(&self, account: AccountId, octets: usize) -> Place {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        // The share first: who waits for its own account is in nobody else's way.
        let own = acquire(self.share(account), octets).await;
        let all = acquire(self.all.clone(), octets).await;
        Place {
            permits: [own, all],
        }
    }

    /// Whether somebody waits.
    pub fn wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn share(&self, account: AccountId) -> Arc<Semaphore> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = accounts.get(&account).and_then(Weak::upgrade) {
            return share;
        }
        accounts.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(
            IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX / UNIT_BYTES,
        ));
        accounts.insert(account, Arc::downgrade(&share));
        share
    }
}

async fn acquire(semaphore: Arc<Semaphore>, octets: usize) -> OwnedSemaphorePermit {
    match semaphore.acquire_many_owned(units(octets)).await {
        Ok(permit) => permit,
        // Nobody closes them.
        Err(_) => std::future::pending().await,
    }
}

fn units(octets: usize) -> u32 {
    u32::try_from(octets.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

impl Place {
    /// Takes so many octets more, if more than half of the account's share and of all octets stays free: who is nearly
    /// alone may hold more, until others come.
    pub fn widen(&mut self, octets: usize) -> bool {
        let totals = [IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX, IMAP_ANSWERS_BYTES_MAX];
        let plenty = self.permits.iter().zip(totals).all(|(permit, total)| {
            permit.semaphore().available_permits() >= (total / 2 + octets) / UNIT_BYTES
        });
        let more = || {
            let take = |permit: &OwnedSemaphorePermit| {
                permit
                    .semaphore()
                    .clone()
                    .try_acquire_many_owned(units(octets))
            };
            Some((take(&self.permits[0]).ok()?, take(&self.permits[1]).ok()?))
        };
        match plenty.then(more).flatten() {
            Some((own, all)) => {
                self.permits[0].merge(own);
                self.permits[1].merge(all);
                true
            }
            None => false,
        }
    }

    /// Gives back all but `octets`.
    pub fn keep(&mut self, octets: usize) {
        for permit in &mut self.permits {
            let spare = permit.num_permits().saturating_sub(units(octets) as usize);
            drop(permit.split(spare));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::limits::{FETCH_BYTES, FETCH_SLICE_BYTES, FETCH_WIDE_BYTES, SEARCH_BYTES};
    use crate::net::conn::Conn;
    use crate::net::tls::tests::acceptor;
    use crate::run::imap::{Imap, Session};
    use crate::run::lanes::Lanes;
    use crate::run::notify::Notify;
    use crate::run::server::Server;
    use crate::session::imap::gate::WRITE_PAUSE;
    use crate::wire::address::Domain;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    /// What a future has at once.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn an_account_has_its_share_and_others_go_on() {
        let places = Places::new();
        let (greedy, other) = (AccountId(1), AccountId(2));
        let held: Vec<Place> =
            std::iter::from_fn(|| now(places.take(greedy, FETCH_BYTES))).collect();
        assert_eq!(held.len(), IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX / FETCH_BYTES);
        assert!(!places.wanted(), "a wait that ended is not counted");
        assert!(now(places.take(other, FETCH_BYTES)).is_some());
        drop(held);
        assert!(now(places.take(greedy, FETCH_BYTES)).is_some());
    }

    #[test]
    fn six_clients_that_stopped_leave_room_for_a_search() {
        let places = Places::new();
        let mut slow = Vec::new();
        let mut wide = 0;
        for _ in 0..6 {
            let mut place = now(places.take(AccountId(1), FETCH_BYTES)).unwrap();
            wide += u32::from(place.widen(FETCH_WIDE_BYTES - FETCH_BYTES));
            slow.push(place);
        }
        assert_eq!(wide, 1, "one that is alone gets more");
        assert!(now(places.take(AccountId(1), SEARCH_BYTES)).is_some());
    }

    #[test]
    fn a_slice_that_waits_for_its_client_holds_only_itself() {
        let places = Places::new();
        let account = AccountId(1);
        let mut slow = Vec::new();
        while let Some(mut place) = now(places.take(account, FETCH_BYTES)) {
            place.keep(10_000);
            slow.push(place);
        }
        assert_eq!(
            slow.len(),
            (IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX - FETCH_BYTES) / 10_240 + 1
        );
        slow.pop();
        let mut place = now(places.take(account, FETCH_BYTES)).unwrap();
        place.keep(usize::MAX);
        assert!(now(places.take(account, FETCH_BYTES)).is_none());
    }

    /// For how long a client that takes nothing is borne that holds octets while others want some, or nobody does.
    async fn borne(imap: &Arc<Imap>, others: bool) -> Duration {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let _deaf = tokio::net::TcpStream::connect(at).await.unwrap();
        let conn = Conn::new(listener.accept().await.unwrap().0).unwrap();
        let mut session = Session::new(imap.clone(), conn);
        let mut held = Vec::new();
        while let Some(place) = now(imap.places.take(AccountId(1), FETCH_BYTES)) {
            held.push(place);
        }
        let mut waiting = pin!(imap.places.take(AccountId(1), FETCH_BYTES));
        if others {
            assert!(now(waiting.as_mut()).is_none() && imap.places.wanted());
        }
        let begun = tokio::time::Instant::now();
        let slice = [b'x'; FETCH_SLICE_BYTES];
        while session.send_slice(&slice, true).await.is_ok() {}
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_deaf_client_is_borne_as_long_as_nobody_waits() {
        let data = std::env::temp_dir().join(format!("pillarbox-deaf-{}", std::process::id()));
        let (writer, shared) = crate::store::open(crate::store::Options {
            dir: data.clone(),
            disk: Arc::new(crate::store::disk::real::RealDisk::new(data.clone())),
            reserve_bytes: 0,
            now_millis: 0,
            random: crate::run::random::fill,
        })
        .unwrap();
        let lanes = Lanes::start(writer, shared, Notify::default()).unwrap();
        let config = Config::new(Domain::parse("box.test").unwrap());
        let (tls, _) = acceptor(&["box.test"]);
        let imap = Imap::new(Server::new(
            config,
            lanes,
            tls,
            crate::run::authentic::Names::Own(Arc::default()),
        ));
        let alone = borne(&imap, false).await;
        let crowded = borne(&imap, true).await;
        imap.server.lanes.stop();
        let _ = std::fs::remove_dir_all(&data);
        assert!(alone >= WRITE_PAUSE, "{alone:?}");
        assert!(crowded < WRITE_PAUSE / 2, "{crowded:?}");
    }
}
