//! `state.sqlite`: accounts, aliases, domains and credentials. An authority: synchronous=FULL, never rebuilt.

use super::StoreError;
use super::ids::AccountId;
use crate::wire::address::{Address, Domain};

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

/// Changes; executed by the writer's lane.
pub enum StateChange {}
/// What they answer.
#[derive(Debug)]
pub enum StateDone {}

/// Reads of the state.
pub struct StateReader {}

impl StateReader {
    /// What a recipient address means (plus-addressing, aliases, mirrors, catch-all, reject list).
    pub fn resolve(&mut self, _address: &Address) -> Result<Resolution, StoreError> {
        todo!()
    }
    /// `<postmaster>` without a domain: the owner of the box.
    pub fn postmaster(&mut self) -> Result<Resolution, StoreError> {
        todo!()
    }
    /// The login `user` (`name@domain`, either IDN form; a bare local part means the first domain).
    pub fn credential(&mut self, _user: &str) -> Result<Option<Credential>, StoreError> {
        todo!()
    }
    /// Whether `account` may use `address` as a sender.
    pub fn owns(&mut self, _account: AccountId, _address: &Address) -> Result<bool, StoreError> {
        todo!()
    }
}
