//! What may be asked of the [`super::StateWriter`], and what it answers.

use super::super::ids::AccountId;
use crate::wire::address::{Address, Domain};

/// Whether an account may log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It may.
    Enabled,
    /// It may not; mail is still received.
    Disabled,
}

/// What happens to aliases that lead to a removed account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dependents {
    /// The removal is refused and names them.
    Refuse,
    /// They lose this target, and go when it was their last.
    Drop,
}

/// Changes; executed by the writer's lane, each one transaction.
#[derive(Clone, Debug)]
pub enum StateChange {
    /// A domain becomes one of ours.
    DomainAdd {
        /// Its name.
        name: Domain,
        /// The domain whose addresses it has too.
        mirror: Option<Domain>,
    },
    /// A domain without accounts goes, with its aliases.
    DomainRemove {
        /// Its name.
        name: Domain,
    },
    /// A new account; the first one is the owner of the box.
    AccountAdd {
        /// Its login and first address.
        name: Address,
        /// PHC string of argon2id.
        phc: Box<str>,
        /// Octets; None is the configured default.
        quota_bytes: Option<u64>,
        /// The clock, seconds since 1970.
        created_secs: i64,
    },
    /// The account goes from the state; its mail goes by `Change::AccountRemove`, then `AccountRemoved` ends it.
    AccountRemove {
        /// Its login.
        name: Address,
        /// What happens to aliases that lead to it.
        aliases: Dependents,
    },
    /// The mail of a removed account is gone too.
    AccountRemoved {
        /// Whose.
        account: AccountId,
    },
    /// A new password.
    AccountPassword {
        /// Its login.
        name: Address,
        /// PHC string of argon2id.
        phc: Box<str>,
    },
    /// `account enable` and `account disable`.
    AccountAccess {
        /// Its login.
        name: Address,
        /// From now on.
        access: Access,
    },
    /// A quota of its own, or the configured default.
    AccountQuota {
        /// Its login.
        name: Address,
        /// Octets; None is the configured default.
        quota_bytes: Option<u64>,
    },
    /// Another account gets the mail of postmaster and the like.
    AccountOwner {
        /// Its login.
        name: Address,
    },
    /// A new alias, or more targets for one; the local part `*` is the domain's catch-all.
    AliasAdd {
        /// The address.
        alias: Address,
        /// At least one: accounts and aliases of this box, addresses elsewhere.
        targets: Vec<Address>,
    },
    /// An alias, some of its targets, or an address on the reject list goes.
    AliasRemove {
        /// The address.
        alias: Address,
        /// These targets; the whole alias when empty.
        targets: Vec<Address>,
    },
    /// Mail to this address is refused from now on.
    AliasReject {
        /// The address.
        address: Address,
    },
}

/// What they answer, when it is done and flushed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StateDone {
    /// An account was added, changed or removed: its sessions compare the version.
    Account {
        /// Whose.
        account: AccountId,
        /// Of its credential from now on.
        version: u64,
        /// What else changed by it, in words for a person.
        notes: Vec<String>,
    },
    /// Anything else.
    Changed {
        /// What else changed by it, in words for a person.
        notes: Vec<String>,
    },
}

impl StateDone {
    /// What else changed, in words for a person.
    pub fn notes(&self) -> &[String] {
        match self {
            StateDone::Account { notes, .. } | StateDone::Changed { notes } => notes,
        }
    }
}
