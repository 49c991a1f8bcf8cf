//! `pillarbox try`: a whole box in one directory, on loopback, tried by its own first message.

mod dialogue;
mod show;

use super::self_signed;
use super::{Failure, print};
use crate::config::{CertificateFiles, Config, Listen};
use crate::run::lifecycle::{self, Source, Up};
use crate::run::serve::{self, PortTaken, Service};
use crate::run::{journal, password};
use crate::wire::address::{Address, Domain};
use crate::wire::header::write_date;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What `pillarbox try --help` prints.
pub const HELP: &str = "\
pillarbox try: a whole mail server to play with, on this machine only

It makes a box in ./try-box (certificate, domain box.test, one account), starts every service on loopback, sends
itself a first message by SMTP, reads it back by IMAP, and tells you how to do the same. Nobody outside can reach it.
Login without TLS is allowed here, because here it never leaves the machine.

usage: pillarbox try [--dir DIR] [--json]

  --dir DIR   where the box lives; a second run finds the same mail (default ./try-box)
  --json      print one line when it is ready: smtp, submission, submissions, imap, imaps (each \"host:port\"),
              account, password, certificate (file), data (directory), pid

example:
  pillarbox try --dir /tmp/box
";

/// First ports; the next free one is taken where one is in use.
const PORTS: [(Service, u16); 5] = [
    (Service::Smtp, 2525),
    (Service::Submission, 2587),
    (Service::Submissions, 2465),
    (Service::Imap, 2143),
    (Service::Imaps, 2993),
];
const DOMAIN: &str = "box.test";
const ACCOUNT: &str = "you@box.test";

/// What is shown when the box is up.
pub(crate) struct Ready {
    data: PathBuf,
    smtp: SocketAddr,
    submission: SocketAddr,
    submissions: SocketAddr,
    imap: SocketAddr,
    imaps: SocketAddr,
    account: String,
    password: String,
    certificate: PathBuf,
    /// What was done and how long it took.
    steps: Vec<(String, Duration)>,
}

/// The verb.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::prelude::*;
    let (mut dir, mut json) = (PathBuf::from("try-box"), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("dir") => dir = arguments.value()?.into(),
            Long("json") => json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    journal::start();
    lifecycle::report_panics();
    let runtime = lifecycle::runtime().map_err(|error| Failure::new(error.to_string()))?;
    runtime.block_on(go(&dir, json)).map_err(Failure::new)
}

async fn go(dir: &Path, json: bool) -> Result<(), String> {
    let mut steps = Steps(Vec::new());
    let dir = make_dir(dir)?;
    let started = Instant::now();
    let files = self_signed::find_or_make(&dir.join("tls"), &self_signed::TRY_NAMES)?;
    steps.done("certificate for localhost and box.test", started);
    let config = config(&dir, files.clone())?;
    let sockets = serve::bind(&config.listen, PortTaken::Next).map_err(|error| error.text)?;
    let taken = taken_ports(&sockets);
    let started = Instant::now();
    let tls = lifecycle::acceptor(&config).map_err(|error| error.to_string())?;
    let up = lifecycle::bring_up(config, Source::Made, tls, sockets).await?;
    steps.done("store opened, every service listens", started);
    // Not before: when the box itself is in use, its ports are too, and that is said alone.
    eprint!("{taken}");
    match prepare(&up, &dir, &files, steps).await {
        Ok(ready) => {
            let text = if json {
                show::json(&ready) + "\n"
            } else {
                show::page(&ready)
            };
            print(&text).map_err(|failure| failure.text)?;
            up.until_told().await
        }
        Err(error) => {
            up.down().await;
            Err(error)
        }
    }
}

/// What took how long.
struct Steps(Vec<(String, Duration)>);

impl Steps {
    fn done(&mut self, what: &str, since: Instant) {
        self.0.push((what.to_string(), since.elapsed()));
    }
}

fn make_dir(dir: &Path) -> Result<PathBuf, String> {
    // Mail of people who only try is nobody else's either.
    let mut private = std::fs::DirBuilder::new();
    private
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::canonicalize(dir))
        .map_err(|error| {
            format!(
                "{} cannot be made: {error}; choose another with --dir",
                dir.display()
            )
        })
}

fn config(dir: &Path, certificate: CertificateFiles) -> Result<Config, String> {
    let domain = Domain::parse(DOMAIN).map_err(|error| error.0)?;
    let at = |service| {
        let port = PORTS
            .iter()
            .find(|(s, _)| *s == service)
            .map_or(0, |(_, port)| *port);
        vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]
    };
    let mut config = Config::new(domain);
    config.data = dir.to_path_buf();
    config.listen = Listen {
        smtp: at(Service::Smtp),
        submission: at(Service::Submission),
        submissions: at(Service::Submissions),
        imap: at(Service::Imap),
        imaps: at(Service::Imaps),
    };
    config.certificates = vec![certificate];
    config.plain_text_login = true;
    Ok(config)
}

fn taken_ports(sockets: &serve::Sockets) -> String {
    let mut said = String::new();
    for (service, socket) in sockets {
        let wanted = PORTS
            .iter()
            .find(|(s, _)| s == service)
            .map_or(0, |(_, port)| *port);
        let got = socket.local_addr().map_or(0, |address| address.port());
        if got != wanted {
            said.push_str(&format!(
                "port {wanted} is used by another program; {} takes {got}\n",
                service.name()
            ));
        }
    }
    said
}

/// Domain, account, and the first message there and back.
async fn prepare(
    up: &Up,
    dir: &Path,
    files: &CertificateFiles,
    mut steps: Steps,
) -> Result<Ready, String> {
    let started = Instant::now();
    let password = account(up, dir).await?;
    steps.done(&format!("domain {DOMAIN}, account {ACCOUNT}"), started);
    let at = |service: Service| {
        up.running
            .address(service)
            .ok_or_else(|| format!("{} does not listen", service.name()))
    };
    let mut ready = Ready {
        data: dir.to_path_buf(),
        smtp: at(Service::Smtp)?,
        submission: at(Service::Submission)?,
        submissions: at(Service::Submissions)?,
        imap: at(Service::Imap)?,
        imaps: at(Service::Imaps)?,
        account: ACCOUNT.into(),
        password,
        certificate: files.chain.clone(),
        steps: Vec::new(),
    };
    welcome(&ready, dir, &mut steps).await?;
    ready.steps = steps.0;
    Ok(ready)
}

/// Makes domain and account on the first run; the password is kept beside the box, for this account only.
async fn account(up: &Up, dir: &Path) -> Result<String, String> {
    let file = dir.join("try-password");
    if let Ok(password) = std::fs::read_to_string(&file) {
        return Ok(password.trim().to_string());
    }
    let password = password::generate()?.to_string();
    let domain = Domain::parse(DOMAIN).map_err(|error| error.0)?;
    let name = Address::parse(ACCOUNT).map_err(|error| error.0)?;
    crate::run::control::make_first_account(&up.server, domain, name, &password).await?;
    super::write_private(&file, password.as_bytes())
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    Ok(password)
}

async fn welcome(ready: &Ready, dir: &Path, steps: &mut Steps) -> Result<(), String> {
    let tls = self_signed::client_config(&ready.certificate)?;
    let marker = dir.join("try-welcomed");
    let known = std::fs::read_to_string(&marker).ok();
    let message_id = match &known {
        Some(message_id) => message_id.clone(),
        None => format!("<{}@{DOMAIN}>", *password::generate()?),
    };
    if known.is_none() {
        let started = Instant::now();
        let date = write_date(crate::run::lanes::now_millis() / 1000);
        let message = show::welcome(&ready.account, &message_id, &date);
        let reply = dialogue::send(ready.smtp, tls.clone(), &ready.account, &message)
            .await
            .map_err(|error| format!("the welcome message was not accepted: {error}"))?;
        steps.done(
            &format!("welcome message sent by SMTP with STARTTLS: {reply}"),
            started,
        );
        std::fs::write(&marker, &message_id).map_err(|error| error.to_string())?;
    }
    let started = Instant::now();
    let login = (ready.account.as_str(), ready.password.as_str());
    match dialogue::read_back(ready.imaps, tls, login, &message_id).await {
        Ok(octets) => {
            let body = "one process, one data directory.";
            if !octets
                .windows(body.len())
                .any(|window| window == body.as_bytes())
            {
                return Err("the welcome message came back changed; this is a bug".into());
            }
            steps.done(
                &format!("read back by IMAP over TLS: {} octets", octets.len()),
                started,
            );
            Ok(())
        }
        // On a later run its owner may have moved it away: that is no failure.
        Err(_) if known.is_some() => {
            steps.done(
                "logged in by IMAP over TLS; the welcome message has been moved away",
                started,
            );
            Ok(())
        }
        Err(error) => Err(format!("the welcome message was not found again: {error}")),
    }
}
