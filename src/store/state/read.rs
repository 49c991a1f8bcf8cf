//! Reads of the state: one per reader's lane, every answer from what is committed.

use super::resolve::{self, name_of, parsed, written};
use super::schema::{self, KIND_ACCOUNT, KIND_REJECT};
use super::{AccountRow, AliasRow, Credential, DomainRow, Resolution, StoreError, Target, Trouble};
use crate::store::ids::AccountId;
use crate::wire::address::{Address, Domain};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Reads of the state.
pub struct StateReader {
    db: Connection,
    separator: Option<char>,
}

impl StateReader {
    /// Opens the state of a data directory that a [`super::StateWriter`] has opened. Separates details by `+`.
    pub fn open(dir: &Path) -> Result<StateReader, StoreError> {
        Ok(StateReader {
            db: schema::open_reader(dir)?,
            separator: Some('+'),
        })
    }

    /// What separates the detail in `local+detail@domain`; None: nothing does.
    pub fn set_detail_separator(&mut self, separator: Option<char>) {
        self.separator = separator;
    }

    /// What a recipient address means (plus-addressing, aliases, mirrors, catch-all, reject list).
    pub fn resolve(&mut self, address: &Address) -> Result<Resolution, StoreError> {
        Ok(resolve::resolve(&self.db, address, self.separator)?)
    }

    /// What a recipient address means on a box of this name: the roles at its name lead to its owner even when the
    /// name is no domain of ours (others write there about what the box sends).
    pub fn resolve_on(
        &mut self,
        hostname: &Domain,
        address: &Address,
    ) -> Result<Resolution, StoreError> {
        match self.resolve(address)? {
            Resolution::NotOurs
                if address.domain() == hostname
                    && resolve::is_role(address.local(), self.separator) =>
            {
                match self.postmaster()? {
                    Resolution::Unknown => Ok(Resolution::NotOurs),
                    owner => Ok(owner),
                }
            }
            resolution => Ok(resolution),
        }
    }

    /// `<postmaster>` without a domain: the owner of the box.
    pub fn postmaster(&mut self) -> Result<Resolution, StoreError> {
        Ok(match resolve::owner(&self.db)? {
            Some(row) => Resolution::Known(resolve::expand(&self.db, row, None)?),
            None => Resolution::Unknown,
        })
    }

    /// The login `user` (`name@domain`, either IDN form; a bare local part means the first domain). A mirror's
    /// domain may stand in it; an alias is no login.
    pub fn credential(&mut self, user: &str) -> Result<Option<Credential>, StoreError> {
        let Some(address) = self.login_address(user)? else {
            return Ok(None);
        };
        Ok(self.credential_of(&address)?)
    }

    /// Whether `account` may use `address` as a sender: whoever gets its mail may.
    pub fn owns(&mut self, account: AccountId, address: &Address) -> Result<bool, StoreError> {
        Ok(match self.resolve(address)? {
            Resolution::Known(targets) => targets
                .iter()
                .any(|t| matches!(t, Target::Account { account: a, .. } if *a == account)),
            _ => false,
        })
    }

    /// Whether this is a domain of the box.
    pub fn is_ours(&mut self, domain: &Domain) -> Result<bool, StoreError> {
        Ok(resolve::domain(&self.db, domain)?.is_some())
    }

    /// The first domain: it completes a bare local part.
    pub fn first_domain(&mut self) -> Result<Option<Domain>, StoreError> {
        let name: Option<String> = self
            .db
            .prepare_cached("SELECT name FROM domains WHERE mirror IS NULL ORDER BY id LIMIT 1")
            .and_then(|mut s| s.query_row((), |row| row.get(0)).optional())
            .map_err(Trouble::from)?;
        Ok(name.and_then(|name| Domain::parse(&name).ok()))
    }

    /// Domains with ids after `after` (0: from the first), in the order in which they were added.
    pub fn domains(&mut self, after: u64, rows_max: usize) -> Result<Vec<DomainRow>, StoreError> {
        Ok(self.domain_rows(after, rows_max).map_err(Trouble::from)?)
    }

    /// Accounts with ids after `after` (0: from the first), in the order in which they were added.
    pub fn accounts(
        &mut self,
        after: AccountId,
        rows_max: usize,
    ) -> Result<Vec<AccountRow>, StoreError> {
        Ok(self.account_rows("c.id > ?1", after, rows_max)?)
    }

    /// The account of this name.
    pub fn account(&mut self, name: &Address) -> Result<Option<AccountRow>, StoreError> {
        let Some(credential) = self.credential_of(name)? else {
            return Ok(None);
        };
        let rows = self.account_rows("c.id = ?1", credential.account, 1)?;
        Ok(rows.into_iter().next())
    }

    /// The account of this id.
    pub fn account_by_id(&mut self, account: AccountId) -> Result<Option<AccountRow>, StoreError> {
        let rows = self.account_rows("c.id = ?1", account, 1)?;
        Ok(rows.into_iter().next())
    }

    /// The quota that an account has of its own, octets.
    pub fn quota(&mut self, account: AccountId) -> Result<Option<u64>, StoreError> {
        let quota = self
            .db
            .prepare_cached("SELECT quota_bytes FROM accounts WHERE id = ?1")
            .and_then(|mut s| s.query_row([account.0], |row| row.get(0)).optional());
        Ok(quota.map_err(Trouble::from)?.flatten())
    }

    /// Aliases, catch-alls and reject-listed addresses with ids after `after` (0: from the first).
    pub fn aliases(&mut self, after: u64, rows_max: usize) -> Result<Vec<AliasRow>, StoreError> {
        Ok(self.alias_rows(after, rows_max)?)
    }

    /// Removed accounts whose mail is still there: a crash came between.
    pub fn removals(&mut self) -> Result<Vec<AccountId>, StoreError> {
        let ids = self
            .db
            .prepare_cached("SELECT account FROM removals")
            .and_then(|mut s| {
                s.query_map((), |row| {
                    Ok(AccountId(row.get::<_, i64>(0)?.unsigned_abs()))
                })?
                .collect()
            });
        Ok(ids.map_err(Trouble::from)?)
    }

    fn login_address(&mut self, user: &str) -> Result<Option<Address>, StoreError> {
        if user.contains('@') {
            return Ok(Address::parse(user).ok());
        }
        let Some(domain) = self.first_domain()? else {
            return Ok(None);
        };
        Ok(Address::new(user, domain).ok())
    }

    fn credential_of(&self, address: &Address) -> Result<Option<Credential>, Trouble> {
        let Some(ids) = resolve::domain(&self.db, address.domain())? else {
            return Ok(None);
        };
        let Some(row) = resolve::exact(&self.db, ids.home, address.local())? else {
            return Ok(None);
        };
        let (KIND_ACCOUNT, Some(account)) = (row.kind, row.account) else {
            return Ok(None);
        };
        let name = parsed(&name_of(&self.db, row.id)?)?;
        let credential = self
            .db
            .prepare_cached("SELECT phc, version, disabled FROM accounts WHERE id = ?1")?
            .query_row([account], |row| {
                Ok(Credential {
                    account: AccountId(account.unsigned_abs()),
                    name,
                    phc: row.get::<_, String>(0)?.into_boxed_str(),
                    version: row.get(1)?,
                    disabled: row.get(2)?,
                })
            })?;
        Ok(Some(credential))
    }

    fn domain_rows(&self, after: u64, rows_max: usize) -> rusqlite::Result<Vec<DomainRow>> {
        let mut statement = self.db.prepare_cached(
            "SELECT d.id, d.name, m.name,
               (SELECT count(*) FROM addresses a WHERE a.domain = d.id AND a.kind = 0),
               (SELECT count(*) FROM addresses a WHERE a.domain = d.id AND a.kind = 1)
             FROM domains d LEFT JOIN domains m ON m.id = d.mirror
             WHERE d.id > ?1 ORDER BY d.id LIMIT ?2",
        )?;
        let rows = statement.query_map((after, rows_max), |row| {
            Ok(DomainRow {
                id: row.get(0)?,
                name: row.get::<_, String>(1)?.into_boxed_str(),
                mirror_of: row.get::<_, Option<String>>(2)?.map(String::into_boxed_str),
                accounts: row.get(3)?,
                aliases: row.get(4)?,
            })
        })?;
        rows.collect()
    }

    fn account_rows(
        &self,
        condition: &str,
        account: AccountId,
        rows_max: usize,
    ) -> Result<Vec<AccountRow>, Trouble> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT c.id, a.local, d.name, c.disabled, c.quota_bytes, c.created_secs, o.account IS NOT NULL, c.version
             FROM accounts c JOIN addresses a ON a.account = c.id JOIN domains d ON d.id = a.domain
             LEFT JOIN owner o ON o.account = c.id WHERE {condition} ORDER BY c.id LIMIT ?2"
        ))?;
        let mut rows = statement.query((account.0, rows_max))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let local: String = row.get(1)?;
            let domain: String = row.get(2)?;
            found.push(AccountRow {
                account: AccountId(row.get(0)?),
                name: parsed(&written(&local, &domain)?)?,
                disabled: row.get(3)?,
                quota_bytes: row.get(4)?,
                created_secs: row.get(5)?,
                owner: row.get(6)?,
                version: row.get(7)?,
            });
        }
        Ok(found)
    }

    fn alias_rows(&self, after: u64, rows_max: usize) -> Result<Vec<AliasRow>, Trouble> {
        let mut statement = self.db.prepare_cached(
            "SELECT a.id, a.local, d.name, a.kind FROM addresses a JOIN domains d ON d.id = a.domain
             WHERE a.kind <> 0 AND a.id > ?1 ORDER BY a.id LIMIT ?2",
        )?;
        let mut rows = statement.query((after, rows_max))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let local: String = row.get(1)?;
            let domain: String = row.get(2)?;
            found.push(AliasRow {
                id: row.get(0)?,
                address: written(&local, &domain)?.into_boxed_str(),
                targets: target_names(&self.db, row.get(0)?)?,
                rejected: row.get::<_, i64>(3)? == KIND_REJECT,
            });
        }
        Ok(found)
    }
}

/// The targets of one alias, as they were given.
pub(super) fn target_names(db: &Connection, alias: i64) -> Result<Vec<Box<str>>, Trouble> {
    let mut statement = db.prepare_cached(
        "SELECT t.remote, t.detail, a.local, d.name FROM targets t
         LEFT JOIN addresses a ON a.id = t.to_address LEFT JOIN domains d ON d.id = a.domain
         WHERE t.alias = ?1 ORDER BY t.id",
    )?;
    let mut rows = statement.query([alias])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(remote) = row.get::<_, Option<String>>(0)? {
            names.push(remote.into_boxed_str());
            continue;
        }
        let detail: Option<String> = row.get(1)?;
        let (mut local, domain): (String, String) = (row.get(2)?, row.get(3)?);
        if let Some(detail) = detail {
            local = format!("{local}+{detail}");
        }
        names.push(written(&local, &domain)?.into_boxed_str());
    }
    Ok(names)
}
