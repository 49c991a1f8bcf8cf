//! The exclusive lock on a data directory: `lock`, held with flock(2) for as long as the store is open, its text the
//! holder's process id. The kernel drops it with the process, so nothing is left to clean after a crash.

use super::StoreError;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Held while it lives.
pub struct DirLock {
    _file: Flock<File>,
}

impl DirLock {
    /// Takes the lock or says who holds it.
    pub fn take(dir: &Path) -> Result<DirLock, StoreError> {
        let path = dir.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| StoreError(format!("cannot open {}: {e}", path.display())))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                let text = format!("{}\n", std::process::id());
                let written = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| file.write_all(text.as_bytes()));
                // The text only helps people; the lock itself holds without it (a full disk must still open).
                drop(written);
                Ok(DirLock { _file: file })
            }
            Err((mut file, _)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                Err(StoreError(format!(
                    "{} is in use by {holder}; stop it, or use its control socket, before opening the store again",
                    dir.display()
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder() {
        let dir = std::env::temp_dir().join(format!("pillarbox-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a temp dir can be made");
        let first = DirLock::take(&dir).expect("the first lock is free");
        let error = DirLock::take(&dir).err().expect("the second is refused").0;
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        DirLock::take(&dir).expect("free again");
        std::fs::remove_dir_all(&dir).expect("a temp dir can go");
    }
}
