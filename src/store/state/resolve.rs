//! What an address means: its domain (or the one that it mirrors), then the exact local part, then the one without
//! its detail, then the roles, then the catch-all. Reader and writer ask the same questions.

use super::schema::{KIND_ACCOUNT, KIND_REJECT};
use super::{CATCH_ALL, ROLES, Resolution, Target, Trouble, local_key};
use crate::limits::{ALIAS_DEPTH_MAX, ALIAS_TARGETS_MAX};
use crate::store::ids::AccountId;
use crate::wire::address::{Address, Domain};
use rusqlite::{Connection, OptionalExtension, Row};

/// A row of `addresses`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AddressRow {
    pub id: i64,
    pub kind: i64,
    pub account: Option<i64>,
}

/// A row of `domains`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DomainIds {
    /// Its own.
    pub id: i64,
    /// Where its addresses are: itself, or the one that it mirrors.
    pub home: i64,
}

/// What stands for a recipient before aliases are followed.
pub(super) enum Place {
    NotOurs,
    Unknown,
    /// The row, and what stood behind the separator.
    Row(AddressRow, Option<Box<str>>),
}

/// Resolves a recipient address.
pub(super) fn resolve(
    db: &Connection,
    address: &Address,
    separator: Option<char>,
) -> Result<Resolution, Trouble> {
    match place(db, address, separator)? {
        Place::NotOurs => Ok(Resolution::NotOurs),
        Place::Unknown => Ok(Resolution::Unknown),
        Place::Row(row, _) if row.kind == KIND_REJECT => Ok(Resolution::RejectListed),
        Place::Row(row, detail) => Ok(Resolution::Known(expand(db, row, detail)?)),
    }
}

/// The owner of the box, for the roles and for `<postmaster>`.
pub(super) fn owner(db: &Connection) -> Result<Option<AddressRow>, Trouble> {
    let found = db
        .prepare_cached(
            "SELECT a.id, a.kind, a.account FROM owner o JOIN addresses a ON a.account = o.account",
        )?
        .query_row((), address_row)
        .optional()?;
    Ok(found)
}

/// A domain of ours.
pub(super) fn domain(db: &Connection, name: &Domain) -> Result<Option<DomainIds>, Trouble> {
    let found = db
        .prepare_cached("SELECT id, coalesce(mirror, id) FROM domains WHERE name = ?1")?
        .query_row([name.as_str()], |row| {
            Ok(DomainIds {
                id: row.get(0)?,
                home: row.get(1)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// The row of exactly this local part (compared without case).
pub(super) fn exact(
    db: &Connection,
    home: i64,
    local: &str,
) -> Result<Option<AddressRow>, Trouble> {
    let found = db
        .prepare_cached("SELECT id, kind, account FROM addresses WHERE domain = ?1 AND key = ?2")?
        .query_row((home, local_key(local)), address_row)
        .optional()?;
    Ok(found)
}

/// `local` without its detail, and the detail. A separator in front separates nothing.
pub(super) fn split_detail(local: &str, separator: Option<char>) -> Option<(&str, &str)> {
    let (base, detail) = local.split_once(separator?)?;
    (!base.is_empty()).then_some((base, detail))
}

/// Whether mail to this local part goes to the owner, when nobody else has it.
pub(super) fn is_role(local: &str, separator: Option<char>) -> bool {
    let base = split_detail(local, separator).map_or(local, |(base, _)| base);
    ROLES.iter().any(|role| role.eq_ignore_ascii_case(base))
}

/// A row, and what stood behind the separator.
pub(super) type Named = (AddressRow, Option<Box<str>>);

/// Everything but the catch-all and the roles: what an alias may lead to.
pub(super) fn named(
    db: &Connection,
    home: i64,
    local: &str,
    separator: Option<char>,
) -> Result<Option<Named>, Trouble> {
    if let Some(row) = exact(db, home, local)? {
        return Ok(Some((row, None)));
    }
    let Some((base, detail)) = split_detail(local, separator) else {
        return Ok(None);
    };
    Ok(exact(db, home, base)?.map(|row| (row, Some(detail.into()))))
}

fn place(db: &Connection, address: &Address, separator: Option<char>) -> Result<Place, Trouble> {
    let Some(ids) = domain(db, address.domain())? else {
        return Ok(Place::NotOurs);
    };
    if let Some((row, detail)) = named(db, ids.home, address.local(), separator)? {
        return Ok(Place::Row(row, detail));
    }
    if is_role(address.local(), separator)
        && let Some(row) = owner(db)?
    {
        return Ok(Place::Row(row, None));
    }
    Ok(match exact(db, ids.home, CATCH_ALL)? {
        Some(row) => Place::Row(row, None),
        None => Place::Unknown,
    })
}

/// Follows aliases from `row`. Its own detail goes on to targets that name none.
pub(super) fn expand(
    db: &Connection,
    row: AddressRow,
    detail: Option<Box<str>>,
) -> Result<Vec<Target>, Trouble> {
    let mut walk = Walk {
        db,
        path: Vec::new(),
        steps: 0,
        targets: Vec::new(),
    };
    walk.visit(row, detail)?;
    Ok(walk.targets)
}

struct Walk<'a> {
    db: &'a Connection,
    /// Aliases above the one that is looked at.
    path: Vec<i64>,
    steps: usize,
    targets: Vec<Target>,
}

impl Walk<'_> {
    fn visit(&mut self, row: AddressRow, detail: Option<Box<str>>) -> Result<(), Trouble> {
        // Many aliases over the same few accounts would have few targets and very many ways to them.
        self.steps += 1;
        if self.steps > ALIAS_TARGETS_MAX * ALIAS_DEPTH_MAX {
            return self.too_many();
        }
        if row.kind == KIND_ACCOUNT
            && let Some(account) = row.account
        {
            return self.account(row.id, account, detail);
        }
        if self.path.contains(&row.id) {
            return Err(Trouble(format!(
                "{} would lead back to itself: an alias must end at an account or an address elsewhere",
                name_of(self.db, row.id)?
            )));
        }
        if self.path.len() == ALIAS_DEPTH_MAX {
            return Err(Trouble(format!(
                "aliases lead to aliases more than {ALIAS_DEPTH_MAX} times at {}: \
                 let the alias lead to the account itself",
                name_of(self.db, row.id)?
            )));
        }
        self.path.push(row.id);
        self.alias(row.id, detail)?;
        self.path.pop();
        Ok(())
    }

    fn alias(&mut self, id: i64, detail: Option<Box<str>>) -> Result<(), Trouble> {
        let db = self.db;
        let mut statement = db.prepare_cached(
            "SELECT a.id, a.kind, a.account, t.detail, t.remote
             FROM targets t LEFT JOIN addresses a ON a.id = t.to_address WHERE t.alias = ?1 ORDER BY t.id",
        )?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            if let Some(remote) = row.get::<_, Option<String>>(4)? {
                self.push(Target::Remote(parsed(&remote)?))?;
                continue;
            }
            let own: Option<String> = row.get(3)?;
            let detail = own.map(String::into_boxed_str).or_else(|| detail.clone());
            self.visit(address_row(row)?, detail)?;
        }
        Ok(())
    }

    fn account(
        &mut self,
        address: i64,
        account: i64,
        detail: Option<Box<str>>,
    ) -> Result<(), Trouble> {
        let name = parsed(&name_of(self.db, address)?)?;
        let account = AccountId(account.unsigned_abs());
        self.push(Target::Account {
            account,
            name,
            detail,
        })
    }

    /// An account that is reached in several ways gets one copy.
    fn push(&mut self, target: Target) -> Result<(), Trouble> {
        let known = self.targets.iter().any(|other| match (other, &target) {
            (Target::Account { account: a, .. }, Target::Account { account: b, .. }) => a == b,
            (a, b) => a == b,
        });
        if known {
            return Ok(());
        }
        if self.targets.len() == ALIAS_TARGETS_MAX {
            return self.too_many();
        }
        self.targets.push(target);
        Ok(())
    }

    fn too_many(&self) -> Result<(), Trouble> {
        Err(Trouble(format!(
            "this would lead to more than {ALIAS_TARGETS_MAX} targets, the most that one address may have: \
             a mailing list wants list software"
        )))
    }
}

/// `local@domain` of a row, as it was written.
pub(super) fn name_of(db: &Connection, address: i64) -> Result<String, Trouble> {
    let (local, domain) = db
        .prepare_cached(
            "SELECT a.local, d.name FROM addresses a JOIN domains d ON d.id = a.domain WHERE a.id = ?1",
        )?
        .query_row([address], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
    written(&local, &domain)
}

/// The text of an address from its columns.
pub(super) fn written(local: &str, domain: &str) -> Result<String, Trouble> {
    if local == CATCH_ALL {
        return Ok(format!("{CATCH_ALL}@{domain}"));
    }
    let domain = Domain::parse(domain).map_err(|e| unreadable(domain, &e.0))?;
    let address = Address::new(local, domain).map_err(|e| unreadable(local, &e.0))?;
    Ok(address.to_string())
}

/// An address that the state keeps.
pub(super) fn parsed(text: &str) -> Result<Address, Trouble> {
    Address::parse(text).map_err(|e| unreadable(text, &e.0))
}

fn unreadable(text: &str, why: &str) -> Trouble {
    Trouble(format!(
        "state.sqlite holds {text:?}, which is no address ({why}): restore the file from a backup"
    ))
}

pub(super) fn address_row(row: &Row<'_>) -> rusqlite::Result<AddressRow> {
    Ok(AddressRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        account: row.get(2)?,
    })
}
