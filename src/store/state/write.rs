//! The one writer of the state: every change is a transaction of its own, flushed before it is answered.

use super::change::{Access, Dependents, StateChange, StateDone};
use super::resolve::{self, DomainIds, name_of};
use super::schema::{self, KIND_ACCOUNT, KIND_ALIAS, KIND_REJECT};
use super::{CATCH_ALL, ROLES, StoreError, Trouble, local_key, refuse};
use crate::limits::{ACCOUNTS_MAX, DOMAINS_MAX};
use crate::store::ids::AccountId;
use crate::wire::address::{Address, Domain};
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::path::Path;

/// Changes the state; part of the store's writer.
pub struct StateWriter {
    db: Connection,
}

impl StateWriter {
    /// Opens the state of a data directory, whose lock the caller holds; makes it when it is missing.
    pub fn open(dir: &Path) -> Result<StateWriter, StoreError> {
        Ok(StateWriter {
            db: schema::open_writer(dir)?,
        })
    }

    /// Makes one change, whole and flushed, or none of it. The error is for the person who asked.
    pub fn apply(&mut self, change: StateChange) -> Result<StateDone, String> {
        self.transact(change).map_err(|trouble| trouble.0)
    }

    #[cfg(test)]
    pub(super) fn synchronous(&self) -> i64 {
        self.db
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .expect("the pragma exists")
    }

    fn transact(&mut self, change: StateChange) -> Result<StateDone, Trouble> {
        let tx = self.db.transaction()?;
        let done = dispatch(&tx, change)?;
        tx.commit()?;
        Ok(done)
    }
}

fn dispatch(tx: &Transaction<'_>, change: StateChange) -> Result<StateDone, Trouble> {
    match change {
        StateChange::DomainAdd { name, mirror } => domain_add(tx, &name, mirror.as_ref()),
        StateChange::DomainRemove { name } => domain_remove(tx, &name),
        StateChange::AccountAdd {
            name,
            phc,
            quota_bytes,
            created_secs,
        } => account_add(tx, &name, (&phc, quota_bytes, created_secs)),
        StateChange::AccountRemove { name, aliases } => account_remove(tx, &name, aliases),
        StateChange::AccountRemoved { account } => {
            tx.execute("DELETE FROM removals WHERE account = ?1", [account.0])?;
            Ok(plain())
        }
        StateChange::AccountPassword { name, phc } => {
            let account = account_named(tx, &name)?;
            tx.execute(
                "UPDATE accounts SET phc = ?2, version = version + 1 WHERE id = ?1",
                (account, &phc),
            )?;
            changed_account(tx, account)
        }
        StateChange::AccountAccess { name, access } => {
            let account = account_named(tx, &name)?;
            tx.execute(
                "UPDATE accounts SET disabled = ?2, version = version + 1 WHERE id = ?1 AND disabled <> ?2",
                (account, access == Access::Disabled),
            )?;
            changed_account(tx, account)
        }
        StateChange::AccountQuota { name, quota_bytes } => {
            let account = account_named(tx, &name)?;
            tx.execute(
                "UPDATE accounts SET quota_bytes = ?2 WHERE id = ?1",
                (account, quota_bytes),
            )?;
            changed_account(tx, account)
        }
        StateChange::AccountOwner { name } => {
            let account = account_named(tx, &name)?;
            set_owner(tx, account)?;
            changed_account(tx, account)
        }
        StateChange::AliasAdd { alias, targets } => super::write_alias::add(tx, &alias, &targets),
        StateChange::AliasRemove { alias, targets } => {
            super::write_alias::remove(tx, &alias, &targets)
        }
        StateChange::AliasReject { address } => super::write_alias::reject(tx, &address),
    }
}

fn domain_add(
    tx: &Transaction<'_>,
    name: &Domain,
    mirror: Option<&Domain>,
) -> Result<StateDone, Trouble> {
    if name.as_str().starts_with('[') {
        return refuse(format!("{name} is an address literal, not a domain"));
    }
    if resolve::domain(tx, name)?.is_some() {
        return refuse(format!("{name} is a domain of this box already"));
    }
    if count(tx, "SELECT count(*) FROM domains")? >= DOMAINS_MAX {
        return refuse(format!(
            "this box has {DOMAINS_MAX} domains, the most that it may have"
        ));
    }
    let forwarded = names(
        tx,
        "SELECT DISTINCT alias FROM targets WHERE remote_domain = ?1 LIMIT 5",
        name.as_str(),
    )?;
    if !forwarded.is_empty() {
        return refuse(format!(
            "aliases forward to {name} as to a domain elsewhere ({}): remove those targets first, \
             then add the domain and name its addresses as targets",
            forwarded.join(", ")
        ));
    }
    let home = mirror.map(|of| mirrored(tx, of)).transpose()?;
    tx.execute(
        "INSERT INTO domains(name, mirror) VALUES(?1, ?2)",
        (name.as_str(), home),
    )?;
    Ok(plain())
}

/// The id of a domain that may be mirrored.
fn mirrored(tx: &Transaction<'_>, of: &Domain) -> Result<i64, Trouble> {
    match resolve::domain(tx, of)? {
        None => refuse(format!(
            "{of}, which is to be mirrored, is no domain of this box: `pillarbox domain add {of}` first"
        )),
        Some(ids) if ids.id != ids.home => {
            let home = domain_name(tx, ids.home)?;
            refuse(format!("{of} mirrors {home} itself: mirror {home} instead"))
        }
        Some(ids) => Ok(ids.id),
    }
}

fn domain_remove(tx: &Transaction<'_>, name: &Domain) -> Result<StateDone, Trouble> {
    let ids = ours(tx, name)?;
    let accounts = names(
        tx,
        "SELECT id FROM addresses WHERE domain = ?1 AND kind = 0 ORDER BY id LIMIT 5",
        ids.id,
    )?;
    if !accounts.is_empty() {
        return refuse(format!(
            "{name} has accounts ({}): remove them first with `pillarbox account remove`; nothing was changed",
            accounts.join(", ")
        ));
    }
    let mirrors: Vec<String> = tx
        .prepare_cached("SELECT name FROM domains WHERE mirror = ?1 LIMIT 5")?
        .query_map([ids.id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if !mirrors.is_empty() {
        return refuse(format!(
            "{} mirrors {name}: remove the mirror first with `pillarbox domain remove`",
            mirrors.join(", ")
        ));
    }
    let leading = names(
        tx,
        "SELECT DISTINCT t.alias FROM targets t JOIN addresses a ON a.id = t.to_address
         JOIN addresses x ON x.id = t.alias WHERE a.domain = ?1 AND x.domain <> ?1 LIMIT 5",
        ids.id,
    )?;
    if !leading.is_empty() {
        return refuse(format!(
            "aliases of other domains lead to {name} ({}): remove them or those targets first",
            leading.join(", ")
        ));
    }
    // Targets first: aliases of this domain may lead to each other.
    tx.execute(
        "DELETE FROM targets WHERE alias IN (SELECT id FROM addresses WHERE domain = ?1)",
        [ids.id],
    )?;
    let aliases = tx.execute("DELETE FROM addresses WHERE domain = ?1", [ids.id])?;
    tx.execute("DELETE FROM domains WHERE id = ?1", [ids.id])?;
    let notes = match aliases {
        0 => Vec::new(),
        n => vec![format!(
            "{n} aliases and reject-listed addresses of {name} went with it"
        )],
    };
    Ok(StateDone::Changed { notes })
}

fn account_add(
    tx: &Transaction<'_>,
    name: &Address,
    (phc, quota_bytes, created_secs): (&str, Option<u64>, i64),
) -> Result<StateDone, Trouble> {
    let ids = home_of(tx, name)?;
    if name.local() == CATCH_ALL {
        return refuse("`*` stands for the catch-all: use `pillarbox alias add '*@domain' TARGET`");
    }
    free_address(tx, ids, name)?;
    if count(tx, "SELECT count(*) FROM accounts")? >= ACCOUNTS_MAX {
        return refuse(format!(
            "this box has {ACCOUNTS_MAX} accounts, the most that it may have"
        ));
    }
    tx.execute(
        "INSERT INTO accounts(phc, version, disabled, quota_bytes, created_secs) VALUES(?1, 1, 0, ?2, ?3)",
        (phc, quota_bytes, created_secs),
    )?;
    let account = tx.last_insert_rowid();
    insert_address(tx, ids, name.local(), (KIND_ACCOUNT, Some(account)))?;
    let mut notes = Vec::new();
    if resolve::owner(tx)?.is_none() {
        set_owner(tx, account)?;
        notes.push(format!(
            "{name} is the owner of this box: mail to {} of every domain goes there",
            ROLES.join(", ")
        ));
    }
    account_done(tx, account, notes)
}

fn account_remove(
    tx: &Transaction<'_>,
    name: &Address,
    aliases: Dependents,
) -> Result<StateDone, Trouble> {
    let account = account_named(tx, name)?;
    let ids = home_of_any(tx, name)?;
    let Some(row) = resolve::exact(tx, ids.home, name.local())? else {
        return refuse(format!("there is no account {name}"));
    };
    let mut notes = Vec::new();
    let leading = names(
        tx,
        "SELECT DISTINCT alias FROM targets WHERE to_address = ?1 LIMIT 10",
        row.id,
    )?;
    if !leading.is_empty() {
        if aliases == Dependents::Refuse {
            return refuse(format!(
                "aliases lead to {name} ({}): give them other targets, or remove the account with --drop-aliases",
                leading.join(", ")
            ));
        }
        super::write_alias::drop_targets_to(tx, row.id, &mut notes)?;
    }
    let version: u64 = tx.query_row(
        "SELECT version + 1 FROM accounts WHERE id = ?1",
        [account],
        |row| row.get(0),
    )?;
    let was_owner = tx.execute("DELETE FROM owner WHERE account = ?1", [account])? > 0;
    tx.execute("DELETE FROM addresses WHERE id = ?1", [row.id])?;
    tx.execute("DELETE FROM accounts WHERE id = ?1", [account])?;
    tx.execute("INSERT INTO removals(account) VALUES(?1)", [account])?;
    if was_owner {
        pass_ownership(tx, &mut notes)?;
    }
    Ok(StateDone::Account {
        account: AccountId(account.unsigned_abs()),
        version,
        notes,
    })
}

/// The oldest account left becomes the owner.
fn pass_ownership(tx: &Transaction<'_>, notes: &mut Vec<String>) -> Result<(), Trouble> {
    let heir: Option<(i64, i64)> = tx
        .query_row(
            "SELECT account, id FROM addresses WHERE account IS NOT NULL ORDER BY account LIMIT 1",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((account, address)) = heir else {
        notes.push(
            "this box has no owner now: mail to postmaster is refused until there is an account"
                .to_owned(),
        );
        return Ok(());
    };
    set_owner(tx, account)?;
    notes.push(format!(
        "{} is the owner of this box now: mail to postmaster goes there; \
         `pillarbox account owner ADDRESS` names another",
        name_of(tx, address)?
    ));
    Ok(())
}

fn set_owner(tx: &Transaction<'_>, account: i64) -> Result<(), Trouble> {
    tx.execute(
        "INSERT INTO owner(one, account) VALUES(1, ?1) ON CONFLICT(one) DO UPDATE SET account = excluded.account",
        [account],
    )?;
    Ok(())
}

/// The id of the account of this name.
fn account_named(tx: &Transaction<'_>, name: &Address) -> Result<i64, Trouble> {
    let ids = home_of_any(tx, name)?;
    match resolve::exact(tx, ids.home, name.local())? {
        Some(row) if row.kind == KIND_ACCOUNT => Ok(row.account.unwrap_or_default()),
        Some(row) if row.kind == KIND_ALIAS => {
            refuse(format!("{name} is an alias, not an account"))
        }
        _ => refuse(format!(
            "there is no account {name}; `pillarbox account list` shows them"
        )),
    }
}

fn changed_account(tx: &Transaction<'_>, account: i64) -> Result<StateDone, Trouble> {
    account_done(tx, account, Vec::new())
}

fn account_done(
    tx: &Transaction<'_>,
    account: i64,
    notes: Vec<String>,
) -> Result<StateDone, Trouble> {
    let version = tx.query_row(
        "SELECT version FROM accounts WHERE id = ?1",
        [account],
        |row| row.get(0),
    )?;
    Ok(StateDone::Account {
        account: AccountId(account.unsigned_abs()),
        version,
        notes,
    })
}

pub(super) fn plain() -> StateDone {
    StateDone::Changed { notes: Vec::new() }
}

/// A domain of ours, or a refusal that says how to make it one.
pub(super) fn ours(tx: &Transaction<'_>, name: &Domain) -> Result<DomainIds, Trouble> {
    match resolve::domain(tx, name)? {
        Some(ids) => Ok(ids),
        None => refuse(format!(
            "{name} is no domain of this box: `pillarbox domain add {name}` makes it one"
        )),
    }
}

/// The domain of an address that is to be made: a mirror has none of its own.
pub(super) fn home_of(tx: &Transaction<'_>, address: &Address) -> Result<DomainIds, Trouble> {
    let ids = ours(tx, address.domain())?;
    if ids.id != ids.home {
        let home = domain_name(tx, ids.home)?;
        return refuse(format!(
            "{} mirrors {home}: make {}@{home} instead, which is then known in both",
            address.domain(),
            address.local()
        ));
    }
    Ok(ids)
}

/// The domain of an address that exists: the mirror's name will do.
pub(super) fn home_of_any(tx: &Transaction<'_>, address: &Address) -> Result<DomainIds, Trouble> {
    ours(tx, address.domain())
}

/// Refuses an address that is something already.
pub(super) fn free_address(
    tx: &Transaction<'_>,
    ids: DomainIds,
    address: &Address,
) -> Result<(), Trouble> {
    let Some(row) = resolve::exact(tx, ids.home, address.local())? else {
        return Ok(());
    };
    let name = name_of(tx, row.id)?;
    match row.kind {
        KIND_ACCOUNT => refuse(format!("{name} is an account already")),
        KIND_REJECT => refuse(format!(
            "{name} is reject-listed: `pillarbox alias remove {name}` first"
        )),
        _ => refuse(format!(
            "{name} is an alias already: `pillarbox alias remove {name}` first"
        )),
    }
}

/// A new row of `addresses`.
pub(super) fn insert_address(
    tx: &Transaction<'_>,
    ids: DomainIds,
    local: &str,
    (kind, account): (i64, Option<i64>),
) -> Result<i64, Trouble> {
    tx.execute(
        "INSERT INTO addresses(domain, key, local, kind, account) VALUES(?1, ?2, ?3, ?4, ?5)",
        (ids.home, local_key(local), local, kind, account),
    )?;
    Ok(tx.last_insert_rowid())
}

pub(super) fn count(tx: &Transaction<'_>, sql: &str) -> Result<u64, Trouble> {
    Ok(tx.query_row(sql, (), |row| row.get(0))?)
}

/// The names of the addresses whose ids `sql` finds.
pub(super) fn names(
    tx: &Transaction<'_>,
    sql: &str,
    argument: impl rusqlite::ToSql,
) -> Result<Vec<String>, Trouble> {
    let ids: Vec<i64> = tx
        .prepare_cached(sql)?
        .query_map([argument], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    ids.into_iter().map(|id| name_of(tx, id)).collect()
}

fn domain_name(tx: &Transaction<'_>, id: i64) -> Result<String, Trouble> {
    Ok(
        tx.query_row("SELECT name FROM domains WHERE id = ?1", [id], |row| {
            row.get(0)
        })?,
    )
}
