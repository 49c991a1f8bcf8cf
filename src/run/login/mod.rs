//! The gate in front of every login: failures are counted before anything is hashed, one password is hashed at a
//! time, a verified login is remembered for ten minutes, and sessions end when their credential changes.
//!
//! The way of an attempt: the address's turn -> the address's failures -> the credential -> a remembered login (ends
//! here) -> charge address and account -> a place in the short wait list -> the hash -> refund when it was right.
//! An unknown user goes the same way and costs the same.

mod failures;
mod lane;
mod remembered;
mod turns;
mod watch;

pub use watch::CredentialWatch;

use super::lanes::Lanes;
use crate::limits::{LOG_NAME_CHARS_MAX, LOGIN_WAITING_MAX, PASSWORD_BYTES_MAX};
use crate::store::state::Credential;
use crate::store::{AccountId, StoreError};
use crate::wire::address::Address;
use failures::{Charge, Failures};
use lane::HashLane;
use remembered::{Remembered, Who};
use ring::hmac;
use ring::rand::SystemRandom;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use turns::Turns;
use zeroize::Zeroizing;

/// A login that was verified.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Whose.
    pub account: AccountId,
    /// The account's name.
    pub name: Address,
    /// Of the credential.
    pub version: u64,
    /// Says when the session must end.
    pub watch: CredentialWatch,
}

/// Why a login was not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoginRefused {
    /// Unknown user or wrong password (535 5.7.8, NO [AUTHENTICATIONFAILED]).
    Wrong,
    /// Too many failures, or too many at once; the password was not looked at (454 4.7.0, NO [UNAVAILABLE]).
    TryLater,
    /// The password is right and the account disabled (535 5.7.13, NO [CONTACTADMIN]).
    Disabled,
    /// Trouble of ours, for the log (454 4.7.0, NO [UNAVAILABLE]).
    Trouble(String),
}

type Found = Result<Option<Credential>, StoreError>;
type Lookup = Box<dyn Fn(Box<str>) -> Pin<Box<dyn Future<Output = Found> + Send>> + Send + Sync>;

/// The gate; cheap to clone, one per process.
#[derive(Clone)]
pub struct Login {
    inner: Arc<Inner>,
}

struct Inner {
    lookup: Lookup,
    begun: Instant,
    /// Makes keys of unknown names, so that nobody can choose names that collide.
    name_key: hmac::Key,
    turns: Turns,
    places: Semaphore,
    lane: HashLane,
    watched: watch::Watched,
    tables: Mutex<Tables>,
}

struct Tables {
    addresses: Failures,
    accounts: Failures,
    /// Apart from accounts: made-up names must not fill the table that guards real ones.
    unknown: Failures,
    remembered: Remembered,
}

/// Which table counts a name, and its key there.
#[derive(Clone, Copy)]
enum NameKey {
    Account(u128),
    Unknown(u128),
}

/// What an attempt has been charged.
struct Charges {
    name: NameKey,
    of_address: Charge,
    of_name: Charge,
}

impl Login {
    /// A gate over the accounts that `lanes` reads.
    pub fn new(lanes: Lanes) -> Login {
        Login::over(Box::new(move |user| {
            let lanes = lanes.clone();
            // Accounts are up to date without a publish of the index.
            Box::pin(async move { lanes.peek(move |r| r.state().credential(&user)).await })
        }))
    }

    fn over(lookup: Lookup) -> Login {
        Login {
            inner: Arc::new(Inner {
                lookup,
                begun: Instant::now(),
                name_key: random_key(),
                turns: Turns::default(),
                places: Semaphore::new(LOGIN_WAITING_MAX),
                lane: HashLane::default(),
                watched: watch::Watched::default(),
                tables: Mutex::new(Tables {
                    addresses: Failures::default(),
                    accounts: Failures::default(),
                    unknown: Failures::default(),
                    remembered: Remembered::new(random_key()),
                }),
            }),
        }
    }

    /// Verifies a login of `peer`. Dropping the future (the client went away) leaves the attempt counted.
    pub async fn verify(
        &self,
        peer: IpAddr,
        user: &str,
        password: &[u8],
        now: Instant,
    ) -> Result<LoggedIn, LoginRefused> {
        let inner = &*self.inner;
        let (from, peer) = (peer, address_key(peer));
        let waited = Instant::now();
        let _turn = inner.turns.take(peer).await.ok_or(LoginRefused::TryLater)?;
        let now = inner.millis(now + waited.elapsed());
        if inner.tables().addresses.blocked(peer, now) {
            return Err(LoginRefused::TryLater);
        }
        let credential = inner.credential(user).await?;
        if let Some(known) = &credential
            && !known.disabled
            && inner.remembers(known, peer, password, now)
        {
            return inner.logged_in(user, known).await;
        }
        let charges = inner.charge(peer, inner.name_key_of(user, credential.as_ref()), now)?;
        let Ok(_place) = inner.places.try_acquire() else {
            inner.refund(charges);
            return Err(LoginRefused::TryLater);
        };
        let right = inner.hash(credential.as_ref(), password).await?;
        let (true, Some(known)) = (right, &credential) else {
            log::info!(
                "login refused from {from}: no account {} with this password",
                shown(user)
            );
            return Err(LoginRefused::Wrong);
        };
        inner.refund(charges);
        if known.disabled {
            log::info!(
                "login refused from {from}: account {} is disabled",
                shown(user)
            );
            return Err(LoginRefused::Disabled);
        }
        let session = inner.logged_in(user, known).await?;
        let who = Who {
            account: known.account,
            peer,
        };
        inner
            .tables()
            .remembered
            .remember(who, known.version, password, now);
        Ok(session)
    }

    /// A PHC string for a new password, made in the hashing lane. The error is for a person.
    pub async fn new_password(&self, password: Zeroizing<Vec<u8>>) -> Result<Box<str>, String> {
        self.inner.lane.create(password).await
    }

    /// The account's credential has this version now (or the account is gone): remembered logins are dropped, live
    /// sessions end. Call it after the change is committed.
    pub fn credential_changed(&self, account: AccountId, version: u64) {
        self.inner.tables().remembered.forget(account);
        self.inner.watched.changed(account, version);
    }
}

impl Inner {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.begun).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    async fn credential(&self, user: &str) -> Result<Option<Credential>, LoginRefused> {
        (self.lookup)(user.into())
            .await
            .map_err(|e| LoginRefused::Trouble(e.0))
    }

    fn remembers(&self, known: &Credential, peer: u128, password: &[u8], now: u64) -> bool {
        let who = Who {
            account: known.account,
            peer,
        };
        self.tables()
            .remembered
            .knows(who, known.version, password, now)
    }

    fn name_key_of(&self, user: &str, credential: Option<&Credential>) -> NameKey {
        if let Some(known) = credential {
            return NameKey::Account(u128::from(known.account.0));
        }
        let tag = hmac::sign(&self.name_key, user.to_lowercase().as_bytes());
        let first = tag.as_ref().first_chunk::<16>().copied();
        NameKey::Unknown(u128::from_be_bytes(first.unwrap_or_default()))
    }

    /// Counts the attempt as failed until it turns out to be right.
    fn charge(&self, peer: u128, name: NameKey, now: u64) -> Result<Charges, LoginRefused> {
        let mut tables = self.tables();
        let of_address = tables
            .addresses
            .charge(peer, now)
            .ok_or(LoginRefused::TryLater)?;
        let of_name = match name {
            NameKey::Account(key) => tables.accounts.charge(key, now),
            NameKey::Unknown(key) => tables.unknown.charge(key, now),
        };
        match of_name {
            Some(of_name) => Ok(Charges {
                name,
                of_address,
                of_name,
            }),
            // Nothing is tried, so nothing has failed.
            None => {
                tables.addresses.refund(of_address);
                Err(LoginRefused::TryLater)
            }
        }
    }

    fn refund(&self, charges: Charges) {
        let mut tables = self.tables();
        tables.addresses.refund(charges.of_address);
        match charges.name {
            NameKey::Account(_) => tables.accounts.refund(charges.of_name),
            NameKey::Unknown(_) => tables.unknown.refund(charges.of_name),
        }
    }

    async fn hash(
        &self,
        credential: Option<&Credential>,
        password: &[u8],
    ) -> Result<bool, LoginRefused> {
        // One that is too long is wrong, at the same cost.
        let copied = password.get(..PASSWORD_BYTES_MAX).unwrap_or(password);
        let phc = credential
            .filter(|_| password.len() <= PASSWORD_BYTES_MAX)
            .map(|known| known.phc.clone());
        self.lane
            .verify(phc, Zeroizing::new(copied.to_vec()))
            .await
            .map_err(LoginRefused::Trouble)
    }

    /// The session's watch begins before the credential is read again: a change in between is seen by one of them.
    async fn logged_in(&self, user: &str, known: &Credential) -> Result<LoggedIn, LoginRefused> {
        let watch = self.watched.watch(known.account, known.version);
        match self.credential(user).await? {
            Some(now) if now.account == known.account && now.version == known.version => {
                Ok(LoggedIn {
                    account: known.account,
                    name: known.name.clone(),
                    version: known.version,
                    watch,
                })
            }
            _ => Err(LoginRefused::Wrong),
        }
    }
}

/// An IPv4 address, or the /64 of an IPv6 address: whoever has one address of it has all of them.
fn address_key(peer: IpAddr) -> u128 {
    match peer.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        // No IPv6 prefix is as small as an IPv4 address: the lowest bits tell them apart.
        IpAddr::V6(v6) => (u128::from(v6) >> 64 << 64) | (1 << 32),
    }
}

fn random_key() -> hmac::Key {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
        .expect("without random numbers there is no TLS either: the process cannot go on")
}

/// A name that a stranger wrote, for a log line: short, in quotes, without control characters.
fn shown(user: &str) -> String {
    let short: String = user.chars().take(LOG_NAME_CHARS_MAX).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
