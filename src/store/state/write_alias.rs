//! Aliases, catch-alls and the reject list. A change that would make a loop, a chain too long or too many targets is
//! refused here, so that resolving never meets one.

use super::change::StateDone;
use super::resolve::{self, AddressRow, expand, name_of};
use super::schema::{KIND_ALIAS, KIND_REJECT};
use super::write::{count, free_address, home_of, home_of_any, insert_address, names, plain};
use super::{CATCH_ALL, ROLES, Trouble, refuse};
use crate::limits::{ALIAS_REFERRERS_MAX, ALIAS_TARGETS_MAX, ALIASES_MAX};
use crate::wire::address::Address;
use rusqlite::Transaction;
use std::collections::BTreeSet;

/// Details in targets stand behind this, whatever the configured separator is: the target is kept without it.
const TARGET_SEPARATOR: Option<char> = Some('+');

/// Makes an alias, or gives one more targets.
pub(super) fn add(
    tx: &Transaction<'_>,
    alias: &Address,
    targets: &[Address],
) -> Result<StateDone, Trouble> {
    let ids = home_of(tx, alias)?;
    if targets.is_empty() {
        return refuse(format!(
            "alias {alias} needs a target: an account, another alias or an address elsewhere"
        ));
    }
    let mut notes = Vec::new();
    let row = match resolve::exact(tx, ids.home, alias.local())? {
        Some(row) if row.kind == KIND_ALIAS => {
            notes.push(format!(
                "{alias} was an alias already: it has more targets now"
            ));
            row
        }
        _ => {
            free_address(tx, ids, alias)?;
            room(tx)?;
            let id = insert_address(tx, ids, alias.local(), (KIND_ALIAS, None))?;
            AddressRow {
                id,
                kind: KIND_ALIAS,
                account: None,
            }
        }
    };
    for target in targets {
        add_target(tx, row.id, target, &mut notes)?;
    }
    let written: u64 = tx.query_row(
        "SELECT count(*) FROM targets WHERE alias = ?1",
        [row.id],
        |row| row.get(0),
    )?;
    if written > ALIAS_TARGETS_MAX as u64 {
        return refuse(format!(
            "{alias} would have {written} targets; {ALIAS_TARGETS_MAX} are the most: \
             a mailing list wants list software"
        ));
    }
    check_all_that_lead_to(tx, row)?;
    Ok(StateDone::Changed { notes })
}

/// Removes an alias, some of its targets, or an address from the reject list.
pub(super) fn remove(
    tx: &Transaction<'_>,
    alias: &Address,
    targets: &[Address],
) -> Result<StateDone, Trouble> {
    let ids = home_of_any(tx, alias)?;
    let row = match resolve::exact(tx, ids.home, alias.local())? {
        Some(row) if row.kind == KIND_ALIAS || (row.kind == KIND_REJECT && targets.is_empty()) => {
            row
        }
        Some(row) if row.kind == KIND_REJECT => {
            return refuse(format!("{alias} is reject-listed and has no targets"));
        }
        Some(_) => {
            return refuse(format!(
                "{alias} is an account, not an alias: `pillarbox account remove {alias}` removes it"
            ));
        }
        None => {
            return refuse(format!(
                "there is no alias {alias}; `pillarbox alias list` shows them"
            ));
        }
    };
    for target in targets {
        remove_target(tx, row.id, alias, target)?;
    }
    let left: u64 = tx.query_row(
        "SELECT count(*) FROM targets WHERE alias = ?1",
        [row.id],
        |row| row.get(0),
    )?;
    if !targets.is_empty() && left > 0 {
        return Ok(plain());
    }
    let leading = names(
        tx,
        "SELECT DISTINCT alias FROM targets WHERE to_address = ?1 LIMIT 10",
        row.id,
    )?;
    if !leading.is_empty() {
        return refuse(format!(
            "other aliases lead to {alias} ({}): give them other targets first",
            leading.join(", ")
        ));
    }
    tx.execute("DELETE FROM addresses WHERE id = ?1", [row.id])?;
    let notes = if targets.is_empty() {
        Vec::new()
    } else {
        vec![format!("{alias} is gone: it lost its last target")]
    };
    Ok(StateDone::Changed { notes })
}

/// Puts an address on the reject list.
pub(super) fn reject(tx: &Transaction<'_>, address: &Address) -> Result<StateDone, Trouble> {
    let ids = home_of(tx, address)?;
    if address.local() == CATCH_ALL {
        return refuse(
            "unknown addresses are refused where there is no catch-all: `pillarbox alias remove '*@domain'`",
        );
    }
    if address.local().eq_ignore_ascii_case(ROLES[0]) {
        return refuse(
            "postmaster must be reachable (RFC 5321 section 4.5.1): it cannot be refused",
        );
    }
    free_address(tx, ids, address)?;
    room(tx)?;
    insert_address(tx, ids, address.local(), (KIND_REJECT, None))?;
    Ok(plain())
}

/// An account goes: its aliases lose this target, and go with their last one.
pub(super) fn drop_targets_to(
    tx: &Transaction<'_>,
    address: i64,
    notes: &mut Vec<String>,
) -> Result<(), Trouble> {
    let mut gone = vec![address];
    // Each turn removes an address, so this ends.
    while let Some(address) = gone.pop() {
        let leading: Vec<i64> = tx
            .prepare_cached("SELECT DISTINCT alias FROM targets WHERE to_address = ?1")?
            .query_map([address], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        tx.execute("DELETE FROM targets WHERE to_address = ?1", [address])?;
        for alias in leading {
            let left: i64 = tx.query_row(
                "SELECT count(*) FROM targets WHERE alias = ?1",
                [alias],
                |row| row.get(0),
            )?;
            let name = name_of(tx, alias)?;
            if left > 0 {
                notes.push(format!("alias {name} lost this target"));
                continue;
            }
            notes.push(format!("alias {name} is gone: it lost its last target"));
            gone.push(alias);
        }
    }
    // Nothing leads to these any more, and they lead nowhere.
    tx.execute(
        "DELETE FROM addresses WHERE kind = 1 AND NOT EXISTS(SELECT 1 FROM targets t WHERE t.alias = addresses.id)",
        (),
    )?;
    Ok(())
}

fn add_target(
    tx: &Transaction<'_>,
    alias: i64,
    target: &Address,
    notes: &mut Vec<String>,
) -> Result<(), Trouble> {
    let (to_address, detail, remote) = locate(tx, target)?;
    let known: bool = tx.query_row(
        "SELECT EXISTS(SELECT 1 FROM targets WHERE alias = ?1
         AND to_address IS ?2 AND detail IS ?3 AND remote IS ?4)",
        (alias, to_address, &detail, &remote),
        |row| row.get(0),
    )?;
    if known {
        notes.push(format!("{target} was a target of it already"));
        return Ok(());
    }
    let domain = remote.is_some().then(|| target.domain().as_str());
    tx.execute(
        "INSERT INTO targets(alias, to_address, detail, remote, remote_domain) VALUES(?1, ?2, ?3, ?4, ?5)",
        (alias, to_address, &detail, &remote, domain),
    )?;
    Ok(())
}

fn remove_target(
    tx: &Transaction<'_>,
    alias: i64,
    name: &Address,
    target: &Address,
) -> Result<(), Trouble> {
    let (to_address, detail, remote) = locate(tx, target)?;
    let removed = tx.execute(
        "DELETE FROM targets WHERE alias = ?1 AND to_address IS ?2 AND detail IS ?3 AND remote IS ?4",
        (alias, to_address, &detail, &remote),
    )?;
    if removed == 0 {
        return refuse(format!(
            "{name} has no target {target}; `pillarbox alias list` shows them"
        ));
    }
    Ok(())
}

/// A target's columns: the address of ours with its detail, or the address elsewhere.
type Columns = (Option<i64>, Option<Box<str>>, Option<String>);

fn locate(tx: &Transaction<'_>, target: &Address) -> Result<Columns, Trouble> {
    let Some(ids) = resolve::domain(tx, target.domain())? else {
        return Ok((None, None, Some(target.to_string())));
    };
    if target.local() == CATCH_ALL {
        return refuse(format!("{target} is no address that mail could go to"));
    }
    match resolve::named(tx, ids.home, target.local(), TARGET_SEPARATOR)? {
        Some((row, _)) if row.kind == KIND_REJECT => refuse(format!(
            "{target} is reject-listed: no alias may lead to it"
        )),
        Some((row, detail)) => Ok((Some(row.id), detail, None)),
        None => refuse(format!(
            "{target} is neither an account nor an alias of this box: \
             `pillarbox account add {target}` makes one"
        )),
    }
}

fn room(tx: &Transaction<'_>) -> Result<(), Trouble> {
    if count(tx, "SELECT count(*) FROM addresses WHERE kind <> 0")? >= ALIASES_MAX {
        return refuse(format!(
            "this box has {ALIASES_MAX} aliases, the most that it may have"
        ));
    }
    Ok(())
}

/// Expands the changed alias and every alias that leads to it: a new loop goes through it.
fn check_all_that_lead_to(tx: &Transaction<'_>, row: AddressRow) -> Result<(), Trouble> {
    let (mut seen, mut next) = (BTreeSet::from([row.id]), vec![row.id]);
    while let Some(id) = next.pop() {
        let alias = AddressRow {
            id,
            kind: KIND_ALIAS,
            account: None,
        };
        expand(tx, alias, None)?;
        let leading: Vec<i64> = tx
            .prepare_cached("SELECT DISTINCT alias FROM targets WHERE to_address = ?1")?
            .query_map([id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        next.extend(leading.into_iter().filter(|alias| seen.insert(*alias)));
        if seen.len() > ALIAS_REFERRERS_MAX {
            return refuse(format!(
                "more than {ALIAS_REFERRERS_MAX} aliases lead to {}: let some of them lead to its targets themselves",
                name_of(tx, row.id)?
            ));
        }
    }
    Ok(())
}
