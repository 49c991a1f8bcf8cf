//! `learned.sqlite`: what the box learned by itself (spam model, reputation, bans). It may be lost: a damaged or
//! unknown file is moved aside and a new one made. Only its version is in it today.

use super::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// File name in the data directory.
const FILE: &str = "learned.sqlite";
/// Where an unreadable one goes; the last such file is kept.
const ASIDE: &str = "learned.sqlite.damaged";
/// Version that this program writes (`user_version`).
const VERSION: i64 = 1;

/// The open database.
pub struct Learned {
    /// Nothing is learned yet; whoever does owns its tables.
    _db: Connection,
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
            return Ok((Learned { _db: db }, Opened::Kept));
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
        Ok((Learned { _db: db }, Opened::Anew))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "normal")?;
    db.pragma_update(None, "cache_size", -1024)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => db.pragma_update(None, "user_version", VERSION)?,
        VERSION => {}
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_moved_aside() {
        let dir = std::env::temp_dir().join(format!("pillarbox-learned-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(Learned::open(&dir).unwrap().1, Opened::Kept);
        assert_eq!(Learned::open(&dir).unwrap().1, Opened::Kept);
        std::fs::write(dir.join(FILE), vec![7u8; 8192]).unwrap();
        assert_eq!(Learned::open(&dir).unwrap().1, Opened::Anew);
        assert_eq!(Learned::open(&dir).unwrap().1, Opened::Kept);
        assert!(dir.join(ASIDE).exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
