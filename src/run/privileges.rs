//! Giving up root: after the ports are bound, before the first client.

use nix::sys::prctl;
use nix::unistd::{self, Uid, User};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Becomes `user` for good when the process is root, and gives up gaining privileges by exec in any case. Call it
/// before threads are started and after everything that only root may open. The text of an error says what to do.
pub fn drop_to(user: Option<&str>) -> Result<(), String> {
    if Uid::effective().is_root() {
        match user {
            Some(user) => become_user(user)?,
            None => log::warn!(
                "running as root: set `user` in the configuration, or start by the unit of `pillarbox service print`"
            ),
        }
    }
    prctl::set_no_new_privs().map_err(|errno| {
        format!(
            "the kernel refused no_new_privs ({}); Linux 3.5 or later is needed",
            errno.desc()
        )
    })
}

/// For commands that root types: becomes the owner of the data directory, so that no file in it is root's and out of
/// reach for the server. Does nothing for anybody but root, or when the directory is root's or not there.
pub fn act_as_owner(directory: &Path) -> Result<(), String> {
    let Ok(found) = std::fs::metadata(directory) else {
        return Ok(());
    };
    if !Uid::effective().is_root() || found.uid() == 0 {
        return Ok(());
    }
    match User::from_uid(Uid::from_raw(found.uid())) {
        Ok(Some(owner)) => become_user(&owner.name),
        _ => Err(format!(
            "{} belongs to the user number {}, whom this machine does not know; give it to the server's user: chown -R pillarbox: {0}",
            directory.display(),
            found.uid()
        )),
    }
}

/// The numbers of a user; an error says how to create it.
pub fn look_up(user: &str) -> Result<User, String> {
    match User::from_name(user) {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => Err(format!(
            "there is no user {user}; create it with `useradd --system --home-dir /var/lib/pillarbox {user}` or correct `user` in the configuration"
        )),
        Err(errno) => Err(format!(
            "the user {user} cannot be looked up: {}",
            errno.desc()
        )),
    }
}

/// The user that a server may become: one that is there and is not root.
pub fn look_up_server(user: &str) -> Result<User, String> {
    let entry = look_up(user)?;
    match entry.uid.is_root() {
        true => Err(format!(
            "`user` is {user}, which is root; name an unprivileged user"
        )),
        false => Ok(entry),
    }
}

fn become_user(user: &str) -> Result<(), String> {
    let entry = look_up_server(user)?;
    let failed = |what: &str, errno: nix::Error| {
        format!(
            "cannot become the user {user}: {what} failed ({})",
            errno.desc()
        )
    };
    let name = std::ffi::CString::new(user).map_err(|_| "`user` holds a NUL".to_string())?;
    // Groups first: once the user id is changed there is no right left to change them.
    unistd::initgroups(&name, entry.gid).map_err(|errno| failed("initgroups", errno))?;
    unistd::setgid(entry.gid).map_err(|errno| failed("setgid", errno))?;
    unistd::setuid(entry.uid).map_err(|errno| failed("setuid", errno))?;
    if unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err("root was given up and could be taken back: refusing to run".to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_said_with_the_command() {
        let error = look_up("no-such-user-here").unwrap_err();
        assert!(error.contains("useradd --system"), "{error}");
        assert_eq!(look_up("root").unwrap().uid, Uid::from_raw(0));
        assert!(look_up_server("root").unwrap_err().contains("unprivileged"));
    }
}
