//! The tables of `state.sqlite`, and how it is opened.

use super::super::StoreError;
use crate::limits::STATE_CACHE_KIB;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// File name in the data directory.
pub(super) const FILE: &str = "state.sqlite";
/// Version that this program writes (`user_version`).
const VERSION: i64 = 1;
/// "Pbox": tells our file from any other (`application_id`).
const APPLICATION_ID: i64 = 0x5062_6f78;

/// `addresses.kind`: the name of an account.
pub(super) const KIND_ACCOUNT: i64 = 0;
/// `addresses.kind`: an alias, or the catch-all.
pub(super) const KIND_ALIAS: i64 = 1;
/// `addresses.kind`: reject-listed.
pub(super) const KIND_REJECT: i64 = 2;

/// `accounts.id` is AUTOINCREMENT: an id is never given again. `addresses.key` is the local part in lower case;
/// `targets.to_address` restricts deletion, so a local target cannot go while an alias leads to it.
const TABLES: &str = "
CREATE TABLE domains(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  mirror INTEGER REFERENCES domains(id)) STRICT;
CREATE TABLE accounts(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  phc TEXT NOT NULL,
  version INTEGER NOT NULL,
  disabled INTEGER NOT NULL,
  quota_bytes INTEGER,
  created_secs INTEGER NOT NULL) STRICT;
CREATE TABLE addresses(
  id INTEGER PRIMARY KEY,
  domain INTEGER NOT NULL REFERENCES domains(id),
  key TEXT NOT NULL,
  local TEXT NOT NULL,
  kind INTEGER NOT NULL,
  account INTEGER UNIQUE REFERENCES accounts(id),
  UNIQUE(domain, key)) STRICT;
CREATE TABLE targets(
  id INTEGER PRIMARY KEY,
  alias INTEGER NOT NULL REFERENCES addresses(id) ON DELETE CASCADE,
  to_address INTEGER REFERENCES addresses(id) ON DELETE RESTRICT,
  detail TEXT,
  remote TEXT,
  remote_domain TEXT) STRICT;
CREATE INDEX targets_alias ON targets(alias);
CREATE INDEX targets_to ON targets(to_address);
CREATE INDEX targets_remote ON targets(remote_domain) WHERE remote_domain IS NOT NULL;
CREATE TABLE owner(one INTEGER PRIMARY KEY CHECK(one = 1), account INTEGER NOT NULL REFERENCES accounts(id)) STRICT;
CREATE TABLE removals(account INTEGER PRIMARY KEY) STRICT;
";

/// Opens the state for the writer; makes the file when it is missing.
pub(super) fn open_writer(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    // Made here so that it is readable by its owner alone from the first moment: it holds password hashes.
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| {
            StoreError(format!(
                "cannot open {}: {e}; the server's user must own the data directory",
                path.display()
            ))
        })?;
    let mut connection = connect(&path)?;
    prepare(&mut connection).map_err(|e| damaged(&path, &e))?;
    check_version(&mut connection, &path)?;
    Ok(connection)
}

/// Opens the state for one reader's lane; the writer has made and checked it before.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join(FILE);
    let connection = connect(&path)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|e| damaged(&path, &e))?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| damaged(path, &e))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .and_then(|()| connection.pragma_update(None, "cache_size", -(STATE_CACHE_KIB as i64)))
        .and_then(|()| connection.pragma_update(None, "foreign_keys", true))
        // As in the index: no statement is compiled anew because another number is bound.
        .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true))
        .map(drop)
        .map_err(|e| damaged(path, &e))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")
}

/// Makes the tables in an empty file; refuses what is not ours or newer than we are.
fn check_version(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let number = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|e| damaged(path, &e))
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let pages = number("page_count")?;
    match (application, version) {
        (APPLICATION_ID, VERSION) => Ok(()),
        (0, 0) if pages <= 1 => make_tables(connection).map_err(|e| damaged(path, &e)),
        (APPLICATION_ID, newer) => Err(StoreError(format!(
            "{} has format version {newer} and this program knows up to {VERSION}: \
             start the newer Pillarbox that wrote it, or restore a backup",
            path.display()
        ))),
        _ => Err(StoreError(format!(
            "{} is no state of a Pillarbox: move it away, or name another data directory",
            path.display()
        ))),
    }
}

fn make_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn damaged(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError(format!(
        "cannot open {} ({error}): accounts and aliases are kept there and nowhere else; \
         check the disk, and restore this file from a backup if it is damaged (the mail is not in it)",
        path.display()
    ))
}
