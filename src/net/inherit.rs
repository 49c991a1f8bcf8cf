//! Listening sockets handed over by the supervisor (systemd's LISTEN_FDS protocol, sd_listen_fds(3)).
//!
//! The only `unsafe` of this room: taking ownership of a descriptor by its number.
#![allow(unsafe_code)]

use crate::limits::LISTEN_SOCKETS_MAX;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// The sockets and their names (`FileDescriptorName=` of the socket unit: smtp, submission, submissions, imap,
/// imaps). Empty when there are none, and on every call but the first. What is no listening socket is closed.
pub fn inherited() -> Vec<(String, TcpListener)> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let variable = |name| std::env::var(name).unwrap_or_default();
    let names = variable("LISTEN_FDNAMES");
    let count = handed_over(
        &variable("LISTEN_PID"),
        &variable("LISTEN_FDS"),
        std::process::id(),
    );
    let mut names = names.split(':');
    let mut sockets = Vec::new();
    for number in (FIRST..).take(count) {
        let name = names.next().unwrap_or_default().to_string();
        // Not open: the variables lie.
        if fcntl(looked_at(number), FcntlArg::F_GETFD).is_err() {
            break;
        }
        // SAFETY: LISTEN_PID names this very process, so descriptors FIRST..FIRST+count were opened for it by its
        // supervisor and belong to nobody else in it; each is open (checked above) and is taken once, because TAKEN
        // lets only one call get here and the loop passes each number once.
        let owned = unsafe { OwnedFd::from_raw_fd(number) };
        let _ = fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        if getsockopt(&owned, sockopt::AcceptConn).unwrap_or(false) {
            sockets.push((name, TcpListener::from(owned)));
        }
    }
    sockets
}

fn looked_at(number: RawFd) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: only asked for its flags; a closed number answers EBADF, and -1 is never passed (FIRST is 3).
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

/// How many descriptors are for this process.
fn handed_over(pid: &str, count: &str, own_pid: u32) -> usize {
    if pid.parse() != Ok(own_pid) {
        return 0;
    }
    // One socket per service and address.
    count.parse().unwrap_or(0).min(5 * LISTEN_SOCKETS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_addressed_to_this_process_is_taken() {
        assert_eq!(handed_over("7", "2", 7), 2);
        assert_eq!(handed_over("7", "2", 8), 0);
        assert_eq!(handed_over("", "2", 8), 0);
        assert_eq!(handed_over("7", "many", 7), 0);
        assert_eq!(handed_over("7", "1000000", 7), 5 * LISTEN_SOCKETS_MAX);
    }
}
