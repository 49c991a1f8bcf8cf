//! `state.sqlite`: domains, accounts, aliases and credentials. An authority: synchronous=FULL, never rebuilt.
//!
//! One [`StateWriter`] lives in the store's writer; each reader's lane has a [`StateReader`] of its own. Names are
//! compared without case and kept as they were written; a domain is compared as A-labels, so that both forms of an
//! IDN are one name. Invariants, kept by the writer and by foreign keys:
//!
//! * an address is one thing: an account's name, an alias, or reject-listed;
//! * a mirror has no addresses of its own, and the domain that it mirrors is no mirror;
//! * every local target of an alias exists, no chain of aliases is a loop or longer than `ALIAS_DEPTH_MAX`, and what
//!   an alias expands to is never more than `ALIAS_TARGETS_MAX`;
//! * an account's id is never given again; its credential's version only grows.

mod change;
mod read;
mod resolve;
mod schema;
mod write;
mod write_alias;

pub use change::{Access, Dependents, StateChange, StateDone};
pub use read::StateReader;
pub use write::StateWriter;

use super::StoreError;
use super::ids::AccountId;
use crate::wire::address::Address;

/// What an address means to this box.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// Its domain is not one of ours.
    NotOurs,
    /// Its domain is ours, nobody has it (550 5.1.1).
    Unknown,
    /// On the reject list (550 5.7.1).
    RejectListed,
    /// These accounts of the box and addresses elsewhere (an alias of several targets; at most `ALIAS_TARGETS_MAX`).
    Known(Vec<Target>),
}

/// Where one recipient's mail goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// An account; disabled ones still receive.
    Account {
        /// Whose.
        account: AccountId,
        /// Its login, for Delivered-To.
        name: Address,
        /// What stood behind the `+`.
        detail: Option<Box<str>>,
    },
    /// An address elsewhere (relaying is another issue's; today the alias command refuses it).
    Remote(Address),
}

/// What a login is checked against.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whose.
    pub account: AccountId,
    /// The account's name (its first address).
    pub name: Address,
    /// PHC string of argon2id.
    pub phc: Box<str>,
    /// Grows with every change of the password or disabling: a session compares it.
    pub version: u64,
    /// May not log in.
    pub disabled: bool,
}

/// A domain as `domain list` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DomainRow {
    /// Its place in the list.
    pub id: u64,
    /// A-labels.
    pub name: Box<str>,
    /// The domain whose addresses it has.
    pub mirror_of: Option<Box<str>>,
    /// Names of accounts in it.
    pub accounts: u64,
    /// Aliases in it, with its catch-all.
    pub aliases: u64,
}

/// An account as `account list` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRow {
    /// Its id.
    pub account: AccountId,
    /// Its login and first address.
    pub name: Address,
    /// May not log in.
    pub disabled: bool,
    /// Octets; None is the configured default.
    pub quota_bytes: Option<u64>,
    /// When it was made, seconds since 1970.
    pub created_secs: i64,
    /// Gets the mail of postmaster and the like.
    pub owner: bool,
    /// Its credential's version.
    pub version: u64,
}

/// An alias, a catch-all or a reject-listed address as `alias list` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AliasRow {
    /// Its place in the list.
    pub id: u64,
    /// `local@domain`; `*@domain` is the catch-all.
    pub address: Box<str>,
    /// As they were given; none for a reject-listed address.
    pub targets: Vec<Box<str>>,
    /// Mail to it is refused.
    pub rejected: bool,
}

/// The local part under which a domain's catch-all is kept.
pub(crate) const CATCH_ALL: &str = "*";

/// Local parts of every domain that go to the owner of the box where nobody else has them (RFC 5321 section 4.5.1,
/// RFC 2142).
pub(crate) const ROLES: [&str; 4] = ["postmaster", "abuse", "mailer-daemon", "root"];

/// Why the state did not answer or change, in words for a person.
#[derive(Debug)]
struct Trouble(String);

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble(format!(
            "state.sqlite failed ({error}): nothing was changed; look at the disk and its free space, then try again"
        ))
    }
}
impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> StoreError {
        StoreError(trouble.0)
    }
}

/// Shorthand for a refusal.
fn refuse<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble(why.into()))
}

/// How a local part is compared.
fn local_key(local: &str) -> String {
    local.to_lowercase()
}

#[cfg(test)]
mod tests;
