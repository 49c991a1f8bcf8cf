//! Reads the certificate files that a configuration names, and explains why that failed.
//!
//! The usual mistake: certbot keeps keys in directories that only root may enter, and the server is not root. So a
//! file that root could read is looked at with the eyes of the server's user as well.

use super::CertificateFiles;
use crate::limits::CERTIFICATE_FILE_BYTES_MAX;
use nix::unistd::{Uid, User};
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What the files hold.
pub struct PemText {
    /// The chain's text.
    pub chain: Vec<u8>,
    /// The key's text; wiped when it is dropped.
    pub key: Zeroizing<Vec<u8>>,
}

/// Why a certificate file cannot be used, with the command that mends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Unreadable {}

/// Reads both files. When root reads them for a `user`, they must be readable for that user too, who will read them on
/// a reload; rights given by an ACL are not seen.
pub fn read(files: &CertificateFiles, user: Option<&str>) -> Result<PemText, Unreadable> {
    Ok(PemText {
        chain: read_one(&files.chain, user)?,
        key: Zeroizing::new(read_one(&files.key, user)?),
    })
}

fn read_one(path: &Path, user: Option<&str>) -> Result<Vec<u8>, Unreadable> {
    let shown = path.display();
    if let Some(user) = user
        && Uid::effective().is_root()
    {
        readable_for(path, user)?;
    }
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Unreadable(format!(
            "{shown} does not exist; correct `chain` and `key` under [[certificate]], or fetch the certificate first"
        )),
        ErrorKind::PermissionDenied => locked(path, user.unwrap_or("pillarbox")),
        _ => Unreadable(format!("{shown} cannot be read: {error}")),
    })?;
    let mut text = Vec::new();
    let most = CERTIFICATE_FILE_BYTES_MAX;
    file.take(most + 1)
        .read_to_end(&mut text)
        .map_err(|error| Unreadable(format!("{shown} cannot be read: {error}")))?;
    if text.len() as u64 > most {
        return Err(Unreadable(format!(
            "{shown} is larger than {most} octets: this is no certificate or key file"
        )));
    }
    Ok(text)
}

/// Whether `user` could open the file: every directory on the way to it (links followed) and the file itself.
fn readable_for(path: &Path, user: &str) -> Result<(), Unreadable> {
    let user_entry = match User::from_name(user) {
        Ok(Some(entry)) => entry,
        _ => {
            return Err(Unreadable(format!(
                "there is no user {user} on this machine; create it (`useradd --system {user}`) or correct `user`"
            )));
        }
    };
    let groups = groups_of(user, user_entry.gid.as_raw());
    for step in steps(path) {
        // What cannot be looked at is reported when it is opened.
        let Ok(found) = fs::metadata(&step) else {
            continue;
        };
        let needed = if found.is_dir() { 0o1 } else { 0o4 };
        if !allowed(&found, user_entry.uid.as_raw(), &groups, needed) {
            return Err(locked(path, user));
        }
    }
    Ok(())
}

/// The path and its directories as named, and those that its links lead to.
fn steps(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = path.ancestors().map(Path::to_path_buf).collect();
    if let Ok(real) = fs::canonicalize(path) {
        all.extend(real.ancestors().map(Path::to_path_buf));
    }
    all.retain(|step| !step.as_os_str().is_empty());
    all
}

fn allowed(found: &Metadata, uid: u32, groups: &[u32], needed: u32) -> bool {
    let mode = found.mode();
    let bits = if uid == 0 {
        return true;
    } else if found.uid() == uid {
        mode >> 6
    } else if groups.contains(&found.gid()) {
        mode >> 3
    } else {
        mode
    };
    bits & needed == needed
}

fn groups_of(user: &str, primary: u32) -> Vec<u32> {
    let mut groups = vec![primary];
    if let Ok(text) = fs::read_to_string("/etc/group") {
        for line in text.lines() {
            // name:password:number:member,member
            let fields: Vec<&str> = line.split(':').collect();
            if let [_, _, number, members] = fields.as_slice()
                && members.split(',').any(|member| member == user)
                && let Ok(number) = number.parse()
            {
                groups.push(number);
            }
        }
    }
    groups
}

fn locked(path: &Path, user: &str) -> Unreadable {
    let shown = path.display();
    let command = match certbot_name(path) {
        Some((root, name)) => format!(
            "certbot keeps it for root alone; as root: chgrp {user} {root}/live {root}/archive {root}/archive/{name}/privkey*.pem && chmod 0750 {root}/live {root}/archive && chmod 0640 {root}/archive/{name}/privkey*.pem (renewals keep this)"
        ),
        None => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            let open = fs::metadata(directory).is_ok_and(|found| found.mode() & 0o1 != 0);
            let directory = directory.display();
            match open {
                // Not a word about /etc and the like.
                true => format!("as root: chgrp {user} {shown} && chmod g+r {shown}"),
                false => format!(
                    "as root: chgrp {user} {directory} {shown} && chmod g+x {directory} && chmod g+r {shown}"
                ),
            }
        }
    };
    Unreadable(format!(
        "{shown} cannot be read by the user {user}; {command}"
    ))
}

/// `/etc/letsencrypt/live/NAME/privkey.pem` -> (`/etc/letsencrypt`, NAME)
fn certbot_name(path: &Path) -> Option<(String, String)> {
    let directory = path.parent()?;
    let name = directory.file_name()?.to_str()?;
    let live = directory.parent()?;
    (live.file_name()? == "live").then(|| {
        let root = live.parent().unwrap_or(Path::new("/"));
        (root.display().to_string(), name.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let files = CertificateFiles {
            chain: "/nowhere/chain.pem".into(),
            key: "/nowhere/key.pem".into(),
        };
        let error = read(&files, None).err().unwrap();
        assert!(
            error.0.starts_with("/nowhere/chain.pem does not exist"),
            "{error}"
        );
    }

    #[test]
    fn certbot_is_recognised_and_the_command_is_whole() {
        let path = Path::new("/etc/letsencrypt/live/mail.box.test/privkey.pem");
        let text = locked(path, "pillarbox").0;
        assert!(
            text.contains("chgrp pillarbox /etc/letsencrypt/live /etc/letsencrypt/archive"),
            "{text}"
        );
        assert!(
            text.contains("chmod 0640 /etc/letsencrypt/archive/mail.box.test/privkey*.pem"),
            "{text}"
        );
        assert_eq!(certbot_name(Path::new("/etc/ssl/key.pem")), None);
        let text = locked(Path::new("/etc/key.pem"), "pillarbox").0;
        assert!(text.contains("chgrp pillarbox /etc/key.pem"), "{text}");
    }

    #[test]
    fn the_file_is_seen_with_the_users_eyes() {
        use std::os::unix::fs::PermissionsExt;
        let directory = std::env::temp_dir().join(format!("pillarbox-cert-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let key = directory.join("key.pem");
        fs::write(&key, "x").unwrap();
        let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        let owner = fs::metadata(&key).unwrap();
        assert!(!allowed(&owner, owner.uid().wrapping_add(1), &[], 4));
        assert!(!allowed(
            &owner,
            owner.uid().wrapping_add(1),
            &[owner.gid()],
            4
        ));
        mode(0o640);
        let owner = fs::metadata(&key).unwrap();
        assert!(allowed(
            &owner,
            owner.uid().wrapping_add(1),
            &[owner.gid()],
            4
        ));
        assert!(
            readable_for(&key, "no-such-user-here")
                .unwrap_err()
                .0
                .contains("there is no user")
        );
        fs::remove_dir_all(&directory).unwrap();
    }
}
