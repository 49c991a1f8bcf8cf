//! One password at a time for each address: the others of that address wait behind it, in order. So an address holds
//! one place of the hashing lane, and what the first attempt teaches (a remembered login, a failure) is known to the
//! next.

use crate::limits::LOGIN_WAITING_PER_ADDRESS_MAX;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Addresses that are logging in.
#[derive(Default)]
pub(super) struct Turns {
    addresses: Mutex<HashMap<u128, Address>>,
}

#[derive(Default)]
struct Address {
    lock: Arc<AsyncMutex<()>>,
    /// Whoever has the turn or waits for it.
    present: usize,
}

/// The address's turn, until it is dropped.
pub(super) struct Turn<'a> {
    _lock: OwnedMutexGuard<()>,
    _presence: Presence<'a>,
}

struct Presence<'a> {
    turns: &'a Turns,
    key: u128,
}

impl Turns {
    /// Waits for the address's turn; None when too many wait.
    pub async fn take(&self, key: u128) -> Option<Turn<'_>> {
        let (lock, presence) = self.enter(key)?;
        Some(Turn {
            _lock: lock.lock_owned().await,
            _presence: presence,
        })
    }

    fn enter(&self, key: u128) -> Option<(Arc<AsyncMutex<()>>, Presence<'_>)> {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let address = addresses.entry(key).or_default();
        if address.present > LOGIN_WAITING_PER_ADDRESS_MAX {
            return None;
        }
        address.present += 1;
        Some((address.lock.clone(), Presence { turns: self, key }))
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let mut addresses = self
            .turns
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = addresses.get_mut(&self.key) {
            address.present -= 1;
            if address.present == 0 {
                addresses.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn one_at_a_time_and_no_trace_afterwards() {
        let turns = Turns::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(turns.take(1));
        let Poll::Ready(Some(turn)) = first.as_mut().poll(&mut context) else {
            panic!("the first waits for nobody");
        };
        let mut waiting: Vec<_> = (0..LOGIN_WAITING_PER_ADDRESS_MAX)
            .map(|_| Box::pin(turns.take(1)))
            .collect();
        for wait in &mut waiting {
            assert!(wait.as_mut().poll(&mut context).is_pending());
        }
        let mut over = Box::pin(turns.take(1));
        assert!(matches!(
            over.as_mut().poll(&mut context),
            Poll::Ready(None)
        ));
        let mut other = Box::pin(turns.take(2));
        assert!(matches!(
            other.as_mut().poll(&mut context),
            Poll::Ready(Some(_))
        ));
        drop(turn);
        assert!(matches!(
            waiting[0].as_mut().poll(&mut context),
            Poll::Ready(Some(_))
        ));
        drop((waiting, first, over, other));
        assert!(turns.addresses.lock().unwrap().is_empty());
    }
}
