//! The control socket: `control.sock` in the data directory, by which `pillarbox account` and its like reach a server
//! that runs. Only root and the server's own user are heard. A request is one line of JSON; rows of the answer come
//! a line each, then the line that ends it.

mod execute;
mod reports;
mod request;
mod rows;

pub use execute::{Hands, execute, settle};
pub use reports::shown as report_shown;
pub use request::{Answer, End, Line, OnAliases, Request, Secret};

use super::server::Server;
use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_IDLE_SECS, CONTROL_LINE_BYTES_MAX};
use crate::wire::address::{Address, Domain};
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// File name in the data directory.
const SOCKET: &str = "control.sock";

/// Where the socket of a data directory is. Keep the value while the path is used.
pub struct SocketPath {
    path: PathBuf,
    _directory: std::fs::File,
}

impl SocketPath {
    /// A path that fits into a socket address (108 octets), however deep the data directory is.
    pub fn of(data: &Path) -> io::Result<SocketPath> {
        let directory = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_DIRECTORY)
            .open(data)?;
        let mut path = data.join(SOCKET);
        if path.as_os_str().len() > 100 {
            path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
        }
        Ok(SocketPath {
            path,
            _directory: directory,
        })
    }

    /// The path to bind or connect to.
    pub fn as_path(&self) -> &Path {
        &self.path
    }
}

/// Starts to listen and to finish what a crash interrupted. Call it inside the runtime, with the store's lock held.
pub fn start(server: &Arc<Server>) -> Result<(), String> {
    let hands = Hands {
        lanes: server.lanes.clone(),
        login: server.login.clone(),
    };
    let data = server.config().data.clone();
    let (listener, path) = bind(&data).map_err(|e| {
        format!(
            "cannot make {} ({e}): commands could not reach the server; \
             the server's user must own the data directory",
            data.join(SOCKET).display()
        )
    })?;
    let server = server.clone();
    tokio::spawn(async move {
        if let Err(why) = settle(&hands).await {
            log::warn!("accounts were not brought in order: {why}; the next start tries again");
        }
        serve(listener, &hands, server.drained()).await;
        let _ = std::fs::remove_file(path.as_path());
    });
    Ok(())
}

/// The domain and its first account, made or given this password: what `try` starts from. May be repeated.
pub async fn make_first_account(
    server: &Server,
    domain: Domain,
    name: Address,
    password: &str,
) -> Result<(), String> {
    let hands = Hands {
        lanes: server.lanes.clone(),
        login: server.login.clone(),
    };
    execute::make_first_account(&hands, domain, name, password).await
}

/// The data directory's lock is ours, so a socket that is there was left behind.
fn bind(data: &Path) -> io::Result<(UnixListener, SocketPath)> {
    let path = SocketPath::of(data)?;
    match std::fs::remove_file(path.as_path()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path.as_path())?;
    std::fs::set_permissions(path.as_path(), PermissionsExt::from_mode(0o600))?;
    Ok((listener, path))
}

/// Accepts until `stop` is ready: a permit first, then the connection.
async fn serve(listener: UnixListener, hands: &Hands, stop: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            () = &mut stop => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) if is_heard(&stream) => {
                let hands = hands.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    // What goes wrong here is the asker's to see: it gets no answer.
                    let _ = converse(stream, &hands).await;
                });
            }
            Ok(_) => log::warn!("a stranger on the control socket was turned away"),
            // Out of descriptors, most likely: others end meanwhile.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

fn is_heard(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn converse(mut stream: UnixStream, hands: &Hands) -> io::Result<()> {
    while let Some(line) = read_line(&mut stream).await? {
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => execute(hands, request).await,
            Err(e) => Err(format!(
                "the server does not understand this request ({e}): it and the command must be of one version"
            )),
        };
        drop(line);
        for line in lines(answer) {
            stream.write_all(&line).await?;
        }
    }
    Ok(())
}

/// An answer as it goes over the socket, with LFs.
fn lines(answer: Result<Answer, String>) -> impl Iterator<Item = Vec<u8>> {
    let (rows, last) = match answer {
        Ok(answer) => (answer.rows, Line::Done(answer.end)),
        Err(why) => (Vec::new(), Line::Error(why)),
    };
    rows.into_iter()
        .map(Line::Row)
        .chain(std::iter::once(last))
        .map(|line| {
            let mut octets = serde_json::to_vec(&line).unwrap_or_default();
            octets.push(b'\n');
            octets
        })
}

/// One line without its LF; None at the end. It may hold a password, so it is wiped.
async fn read_line(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Whole from the start: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(CONTROL_LINE_BYTES_MAX));
    let idle = Duration::from_secs(CONTROL_IDLE_SECS);
    loop {
        // A request comes alone: its sender waits for the answer before it sends another.
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Some(line));
        }
        let room = CONTROL_LINE_BYTES_MAX - line.len();
        if room == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut limited = (&mut *stream).take(room as u64);
        let read = tokio::time::timeout(idle, limited.read_buf(&mut *line)).await??;
        if read == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests;
