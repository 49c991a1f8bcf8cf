//! `pillarbox serve`: the real server. Ports first (they may need privileges), then the user, then the disk.

use super::{CONFIG_FILE, Failure, self_signed};
use crate::config::Config;
use crate::net::inherit;
use crate::run::lifecycle::{self, Source};
use crate::run::serve::{self, PortTaken, Sockets};
use crate::run::{certificates, journal, privileges};
use nix::unistd::{AccessFlags, Uid, User, access};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;

/// What `pillarbox serve --help` prints.
pub const HELP: &str = "\
pillarbox serve: run the mail server

It takes the ports, becomes the configured user when it was started as root, opens the data directory, and serves
until SIGTERM (it lets sessions finish what they are doing). SIGHUP reads configuration and certificates again; a
replaced certificate file is noticed by itself.

usage: pillarbox serve [--config FILE]

  --config FILE   default /etc/pillarbox/pillarbox.toml; `pillarbox config example` prints one

example:
  pillarbox serve --config ./pillarbox.toml
";

/// The verb.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::prelude::*;
    let mut file = PathBuf::from(CONFIG_FILE);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("config") => file = arguments.value()?.into(),
            other => return Err(other.unexpected().into()),
        }
    }
    journal::start();
    lifecycle::report_panics();
    let config = Config::load(&file).map_err(|mistakes| Failure::new(mistakes.to_string()))?;
    start(config, file).map_err(Failure::new)
}

fn start(mut config: Config, file: PathBuf) -> Result<(), String> {
    if let Some(excess) = config.memory_excess() {
        return Err(excess);
    }
    let sockets = sockets(&config)?;
    make_data_dir(&config)?;
    // Said now, while root can still look at every directory: on a reload the unprivileged user reads them.
    certificates::load(&config).map_err(|error| error.to_string())?;
    privileges::drop_to(config.user.as_deref())?;
    own_data_dir(&config)?;
    if config.certificates.is_empty() {
        log::warn!(
            "no certificate is configured: clients will see a self-signed one; add [[certificate]] to {}",
            file.display()
        );
        let names = [config.hostname.as_str()];
        config.certificates = vec![self_signed::find_or_make(&config.data.join("tls"), &names)?];
    }
    let tls = lifecycle::acceptor(&config).map_err(|error| error.to_string())?;
    let runtime =
        lifecycle::runtime().map_err(|error| format!("the runtime cannot start: {error}"))?;
    runtime.block_on(async {
        let up = lifecycle::bring_up(config, Source::File(file), tls, sockets).await?;
        for (service, address) in &up.running.addresses {
            log::info!("{} on {address}", service.name());
        }
        ready();
        up.until_told().await
    })
}

/// Sockets that systemd passes, else our own.
fn sockets(config: &Config) -> Result<Sockets, String> {
    let inherited = inherit::inherited();
    if inherited.is_empty() {
        return serve::bind(&config.listen, PortTaken::Refuse).map_err(|error| error.text);
    }
    inherited
        .into_iter()
        .map(|(name, socket)| {
            let service = serve::Service::ALL.into_iter().find(|service| service.name() == name);
            let unknown = || format!("the socket named `{name}` in LISTEN_FDNAMES is none of smtp, submission, submissions, imap, imaps");
            Ok((service.ok_or_else(unknown)?, socket))
        })
        .collect()
}

/// Root makes the data directory and gives it to the user that will own it; anybody else needs it to be there.
fn make_data_dir(config: &Config) -> Result<(), String> {
    let dir = &config.data;
    let shown = dir.display();
    if !dir.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
            format!("the data directory {shown} cannot be made: {error}; make it, owned by the server's user, mode 0700")
        })?;
        if let (true, Some(user)) = (Uid::effective().is_root(), config.user.as_deref()) {
            let user = privileges::look_up(user)?;
            nix::unistd::chown(dir, Some(user.uid), Some(user.gid)).map_err(|errno| {
                format!("{shown} cannot be given to {}: {}", user.name, errno.desc())
            })?;
        }
    }
    Ok(())
}

/// Said before anything in it fails for a less telling reason.
fn own_data_dir(config: &Config) -> Result<(), String> {
    let all = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
    access(&config.data, all).map_err(|errno| {
        let shown = config.data.display();
        let me = User::from_uid(Uid::effective()).ok().flatten();
        let me = me.map_or_else(|| Uid::effective().to_string(), |user| user.name);
        format!(
            "the data directory {shown} cannot be used by the user {me}, as whom the server runs ({}); as root: chown -R {me}: {shown}",
            errno.desc()
        )
    })
}

/// Tells systemd (Type=notify) that clients are served now; nobody is told where NOTIFY_SOCKET is not set.
fn ready() {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let told = UnixDatagram::unbound().and_then(|socket| {
        match path.as_encoded_bytes().strip_prefix(b"@") {
            Some(name) => socket.send_to_addr(b"READY=1", &SocketAddr::from_abstract_name(name)?),
            None => socket.send_to(b"READY=1", &path),
        }
    });
    if let Err(error) = told {
        log::warn!("systemd could not be told that the server is ready: {error}");
    }
}
