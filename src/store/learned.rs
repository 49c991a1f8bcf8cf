//! `learned.sqlite`: what the box learned by itself (spam model, reputation, bans). It may be lost: a damaged or
//! unknown file is moved aside and a new one made. Today it holds reports about mail: [`outgoing`] what ours are made
//! of, [`received`] what others sent.

pub mod outgoing;
pub mod received;
#[cfg(test)]
mod tests;

use super::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// File name in the data directory.
const FILE: &str = "learned.sqlite";
/// Where an unreadable one goes; the last such file is kept.
const ASIDE: &str = "learned.sqlite.damaged";
/// Version that this program writes (`user_version`).
const VERSION: i64 = 1;

/// SQLite's page cache while the file is open, KiB (negative: KiB, not pages).
const CACHE_KIB: i64 = -32;
/// Wait for another connection: a writer's transaction takes milliseconds.
const BUSY: Duration = Duration::from_secs(2);

/// The open database.
pub struct Learned {
    db: Connection,
}

/// How [`Learned::open`] came by its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// It was there (or this is the first start).
    Kept,
    /// It was damaged or of another version: moved aside, learning starts anew.
    Anew,
}

impl Learned {
    /// Opens what was learned in a data directory whose lock the caller holds.
    pub fn open(dir: &Path) -> Result<(Learned, Opened), StoreError> {
        let path = dir.join(FILE);
        if let Ok(db) = connect(&path) {
            return Ok((Learned { db }, Opened::Kept));
        }
        let failed = |e: &dyn std::fmt::Display| {
            StoreError(format!(
                "cannot make {} ({e}); the server's user must own the data directory, and there must be free space",
                path.display()
            ))
        };
        std::fs::rename(&path, dir.join(ASIDE)).map_err(|e| failed(&e))?;
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.join(format!("{FILE}{beside}")));
        }
        let db = connect(&path).map_err(|e| failed(&e))?;
        Ok((Learned { db }, Opened::Anew))
    }

    /// Opens it beside a writer, to look at; None when nothing was learned yet.
    pub fn look(dir: &Path) -> Result<Option<Learned>, StoreError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(&path, flags)?;
            db.pragma_update(None, "cache_size", CACHE_KIB)?;
            db.busy_timeout(BUSY)?;
            Ok(db)
        };
        let db = open().map_err(|e: rusqlite::Error| failed(&e))?;
        Ok(Some(Learned { db }))
    }
}

/// In words.
fn failed(error: &rusqlite::Error) -> StoreError {
    StoreError(format!(
        "{FILE} failed ({error}): look at the disk; if it is well, stop the server and delete the file: what the box \
         learned by itself is lost, mail is not"
    ))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "normal")?;
    db.pragma_update(None, "cache_size", CACHE_KIB)?;
    db.busy_timeout(BUSY)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => db.pragma_update(None, "user_version", VERSION)?,
        VERSION => {}
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    outgoing::make_tables(&db)?;
    received::make_tables(&db)?;
    Ok(db)
}
