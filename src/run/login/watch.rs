//! Live sessions end when their account's password or access changes: each awaits its [`CredentialWatch`].

use crate::store::AccountId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Accounts with live sessions: at most one row for each session.
#[derive(Default)]
pub(super) struct Watched {
    accounts: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    by_account: HashMap<AccountId, watch::Sender<u64>>,
    /// Rows without a session are looked for when there are this many.
    sweep_at: usize,
}

/// Tells a session that the credential which it logged in with is no longer in force.
#[derive(Clone, Debug)]
pub struct CredentialWatch {
    version: u64,
    current: watch::Receiver<u64>,
}

impl CredentialWatch {
    /// Returns when the session must end: its password was changed, or its account disabled or removed. Cancel-safe:
    /// put it into a `select!` beside reading a command.
    pub async fn revoked(&mut self) {
        let version = self.version;
        if self.current.wait_for(|now| *now != version).await.is_err() {
            // The gate is gone: the process ends, and the drain ends the session.
            std::future::pending().await
        }
    }

    /// Whether it must end, without waiting.
    pub fn is_revoked(&self) -> bool {
        *self.current.borrow() != self.version
    }
}

impl Watched {
    /// A watch for a session that logged in with this version of the credential.
    pub fn watch(&self, account: AccountId, version: u64) -> CredentialWatch {
        let mut rows = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.by_account.len() >= rows.sweep_at {
            rows.by_account
                .retain(|_, sender| sender.receiver_count() > 0);
            rows.sweep_at = 2 * rows.by_account.len() + 16;
        }
        let sender = rows
            .by_account
            .entry(account)
            .or_insert_with(|| watch::channel(version).0);
        CredentialWatch {
            version,
            current: sender.subscribe(),
        }
    }

    /// The account's credential has this version now.
    pub fn changed(&self, account: AccountId, version: u64) {
        let mut rows = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = rows.by_account.get(&account) {
            sender.send_replace(version);
            if sender.receiver_count() == 0 {
                rows.by_account.remove(&account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn sessions_of_the_account_end_and_others_go_on() {
        let watched = Watched::default();
        let mut old = watched.watch(AccountId(1), 3);
        let other = watched.watch(AccountId(2), 3);
        assert!(!old.is_revoked());
        watched.changed(AccountId(1), 4);
        old.revoked().await;
        assert!(old.is_revoked() && !other.is_revoked());
        assert!(!watched.watch(AccountId(1), 4).is_revoked());
    }

    #[test]
    fn rows_go_with_their_sessions() {
        let watched = Watched::default();
        let kept = watched.watch(AccountId(0), 1);
        for n in 1..1000 {
            drop(watched.watch(AccountId(n), 1));
        }
        assert!(watched.accounts.lock().unwrap().by_account.len() < 64);
        watched.changed(AccountId(0), 2);
        assert!(kept.is_revoked());
    }
}
