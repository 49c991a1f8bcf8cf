//! `pillarbox config example | check`.

use super::{CONFIG_FILE, Failure, config_file, load_config, print};
use crate::config::places::Places;
use crate::config::{CertificateFiles, Config, certificate, example};
use crate::net::tls::Certificate;
use crate::run::{certificates, privileges};
use lexopt::Arg::{Long, Value};
use nix::unistd::{Uid, User};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox config example
       pillarbox config check [--config FILE]

`example` prints the whole configuration with every key explained; as printed it says
the defaults. `check` reads a configuration (default: /etc/pillarbox/pillarbox.toml)
and names every mistake with its line: unknown keys, wrong values, certificates that are
missing, unreadable for the server's user, expired, or not made for their key.

example:
  pillarbox config example > /etc/pillarbox/pillarbox.toml
  pillarbox config check
";

/// Runs the verb.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Failure> {
    let (mut action, mut file) = (None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(word) if action.is_none() => action = Some(word.to_string_lossy().into_owned()),
            Long("config") => file = Some(config_file(&mut arguments)?),
            other => return Err(other.unexpected().into()),
        }
    }
    match action.as_deref() {
        Some("example") => print(&example::text()),
        Some("check") => check(
            &load_config(file.as_deref())?,
            &file.unwrap_or_else(|| PathBuf::from(CONFIG_FILE)),
        ),
        Some(other) => Err(Failure::usage(format!(
            "`config {other}` is not known; there are `config example` and `config check`"
        ))),
        None => Err(Failure::usage(HELP)),
    }
}

fn check(config: &Config, file: &Path) -> Result<(), Failure> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64);
    let (mut wrong, mut notes) = (Vec::new(), Vec::new());
    let places = Places::of(file);
    let at = |line: Option<usize>, text: String| match line {
        Some(line) => format!("{}:{line}: {text}", file.display()),
        None => text,
    };
    let user = config.user.as_deref().map(privileges::look_up_server);
    if let Some(Err(error)) = &user {
        wrong.push(at(places.user, error.clone()));
    }
    // A user that is not there has been named already: once is enough.
    let reader = reader(config).filter(|_| !matches!(user, Some(Err(_))));
    for (n, files) in config.certificates.iter().enumerate() {
        let line = places.certificates.get(n).copied();
        match certificate::read(files, reader.as_deref()) {
            Err(error) => wrong.push(at(line, error.to_string())),
            Ok(text) => match Certificate::parse(&certificates::pem(files, text)) {
                Err(error) => wrong.push(at(line, error.to_string())),
                Ok(parsed) => dates(files, &parsed, now, &mut wrong, &mut notes),
            },
        }
    }
    if config.certificates.is_empty() {
        notes.push("no certificate is configured: a self-signed one will be made".to_string());
    }
    for note in &notes {
        eprintln!("note: {note}");
    }
    if !wrong.is_empty() {
        return Err(Failure::new(wrong.join("\n")));
    }
    print(&format!(
        "the configuration is good: {} with {} certificate(s), at most {} MiB of memory\n",
        config.hostname,
        config.certificates.len(),
        config.memory().total_bytes().div_ceil(1024 * 1024)
    ))
}

/// Who will read the certificates: the configured user, or the one whom the unit starts the server as.
fn reader(config: &Config) -> Option<String> {
    let owner = std::fs::metadata(&config.data).map(|found| found.uid());
    let owner = owner.ok().filter(|uid| *uid != 0).map(Uid::from_raw);
    let owner = owner.and_then(|uid| User::from_uid(uid).ok().flatten());
    let usual = || User::from_name("pillarbox").ok().flatten();
    let found = || owner.or_else(usual).map(|user| user.name);
    config.user.clone().or_else(found)
}

fn dates(
    files: &CertificateFiles,
    parsed: &Certificate,
    now: i64,
    wrong: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    const DAY: i64 = 86_400;
    let chain = files.chain.display();
    let left = parsed.facts.not_after - now;
    if left < 0 {
        wrong.push(format!(
            "the certificate in {chain} expired {} day(s) ago: clients will refuse it; renew it",
            -left / DAY
        ));
    } else if left < 14 * DAY {
        notes.push(format!(
            "the certificate in {chain} expires in {} day(s); renew it",
            left / DAY
        ));
    }
    if parsed.facts.not_before > now {
        wrong.push(format!(
            "the certificate in {chain} is not valid yet; check the clock of this machine (`date`)"
        ));
    }
}
