//! One file per command-line verb.
//!
//! Every verb has the same door: `pub const HELP: &str` (its last part an example) and
//! `pub fn run(arguments: lexopt::Parser) -> Result<(), Failure>`, and one row in [`VERBS`]. `--help` and
//! `--version` are answered here, before the verb sees its arguments. Results go to stdout, everything else to
//! stderr; exit codes are 0, 1 (it did not work) and 2 (the command line was not understood).

pub mod account;
pub mod alias;
mod arguments;
mod ask;
pub mod config;
pub mod dns;
pub mod domain;
pub mod mail;
mod password;
mod progress;
pub mod queue;
pub mod reports;
pub mod self_signed;
pub mod serve;
pub mod service;
pub mod store;
mod table;
pub mod try_box;

use crate::config::{Config, nearest};
use nix::sys::stat::{Mode, umask};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where `serve` and every verb that needs the box look when no `--config` is given.
pub const CONFIG_FILE: &str = "/etc/pillarbox/pillarbox.toml";

/// One verb of the command line.
struct Verb {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(lexopt::Parser) -> Result<(), Failure>,
}

/// All verbs, in the order in which `--help` shows them.
const VERBS: &[Verb] = &[
    Verb {
        name: "try",
        summary: "make a box in ./try-box and play with it",
        help: try_box::HELP,
        run: try_box::run,
    },
    Verb {
        name: "serve",
        summary: "run the server",
        help: serve::HELP,
        run: serve::run,
    },
    Verb {
        name: "domain",
        summary: "domains whose mail this box keeps",
        help: domain::HELP,
        run: domain::run,
    },
    Verb {
        name: "account",
        summary: "who has a mailbox: logins, passwords, quotas",
        help: account::HELP,
        run: account::run,
    },
    Verb {
        name: "alias",
        summary: "addresses that lead to accounts, catch-alls, refused addresses",
        help: alias::HELP,
        run: alias::run,
    },
    Verb {
        name: "queue",
        summary: "mail that waits for recipients elsewhere",
        help: queue::HELP,
        run: queue::run,
    },
    Verb {
        name: "reports",
        summary: "what others say of mail in your name, and what you report",
        help: reports::HELP,
        run: reports::run,
    },
    Verb {
        name: "mail",
        summary: "bring back what was expunged",
        help: mail::HELP,
        run: mail::run,
    },
    Verb {
        name: "store",
        summary: "check all that is kept, or make the index anew",
        help: store::HELP,
        run: store::run,
    },
    Verb {
        name: "dns",
        summary: "ask the DNS as the server does, and see whether the answer is secure",
        help: dns::HELP,
        run: dns::run,
    },
    Verb {
        name: "config",
        summary: "print the documented configuration, or check yours",
        help: config::HELP,
        run: config::run,
    },
    Verb {
        name: "service",
        summary: "print the systemd unit",
        help: service::HELP,
        run: service::run,
    },
];

/// Why a command did not work. The text says what happened, what it means and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// For people; may have several lines.
    pub text: String,
    /// 1, or 2 when the command line was not understood.
    pub code: u8,
}

impl Failure {
    /// The command was understood and did not work.
    pub fn new(text: impl Into<String>) -> Self {
        Failure {
            text: text.into(),
            code: 1,
        }
    }
    /// The command line was not understood.
    pub fn usage(text: impl Into<String>) -> Self {
        Failure {
            text: text.into(),
            code: 2,
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Failure::usage(error.to_string())
    }
}

/// Parses argv and runs the command.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    // Whatever a command makes is for the box's user alone, mail first of all; SQLite asks for 0644.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let args: Vec<OsString> = args.skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A usage text stands by itself.
            let name = if failure.text.contains("usage: ") {
                ""
            } else {
                "pillarbox: "
            };
            eprintln!("{name}{}", failure.text.trim_end());
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(args: &[OsString]) -> Result<(), Failure> {
    let Some((first, rest)) = args.split_first() else {
        return Err(Failure::usage(overview()));
    };
    match first.to_str().unwrap_or_default() {
        "--help" | "-h" | "help" => match rest.first().and_then(|name| name.to_str()) {
            Some(name) => print(verb(name)?.help),
            None => print(&overview()),
        },
        "--version" | "-V" | "version" => {
            print(concat!("pillarbox ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        name => {
            let verb = verb(name)?;
            let mut options = rest.iter().take_while(|arg| *arg != "--");
            if options.any(|arg| arg == "--help" || arg == "-h") {
                return print(verb.help);
            }
            (verb.run)(lexopt::Parser::from_args(rest))
        }
    }
}

fn verb(name: &str) -> Result<&'static Verb, Failure> {
    VERBS.iter().find(|verb| verb.name == name).ok_or_else(|| {
        let known = VERBS.iter().map(|verb| verb.name);
        let hint = match nearest::nearest(name, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "`pillarbox --help` lists them".to_string(),
        };
        Failure::usage(format!("there is no command `{name}`; {hint}"))
    })
}

fn overview() -> String {
    let mut text = String::from(
        "pillarbox: a whole mail server in one process\n\nusage: pillarbox COMMAND [ARGUMENTS]\n\n",
    );
    for verb in VERBS {
        let _ = writeln!(text, "  {:<9} {}", verb.name, verb.summary);
    }
    text.push_str("\n`pillarbox COMMAND --help` explains one of them, with an example.\n");
    text
}

/// Writes to stdout; a reader that went away (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("stdout cannot be written: {error}"))),
    }
}

/// The configuration of `--config FILE`, or of [`CONFIG_FILE`]; every mistake with its line.
pub fn load_config(file: Option<&Path>) -> Result<Config, Failure> {
    let file = file.unwrap_or(Path::new(CONFIG_FILE));
    Config::load(file).map_err(|mistakes| Failure::new(mistakes.to_string()))
}

/// The value of `--config`, for verbs that parse their own arguments.
pub fn config_file(parser: &mut lexopt::Parser) -> Result<PathBuf, Failure> {
    Ok(PathBuf::from(parser.value()?))
}

/// Writes a file that only its owner may read.
pub fn write_private(file: &Path, octets: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600);
    open.open(file)?.write_all(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<(), Failure> {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        dispatch(&args)
    }

    #[test]
    fn an_unknown_verb_names_the_nearest() {
        let failure = run("confg check").unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(
            failure.text.contains("did you mean `config`?"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn every_verb_has_help_with_an_example() {
        for verb in VERBS {
            assert!(verb.help.contains("\nexample:\n"), "{}", verb.name);
            assert!(
                verb.help.contains(&format!("pillarbox {}", verb.name)),
                "{}",
                verb.name
            );
            assert!(overview().contains(verb.summary));
            assert!(run(&format!("{} --help", verb.name)).is_ok());
        }
    }

    #[test]
    fn nothing_at_all_is_answered_with_the_overview() {
        assert!(run("").unwrap_err().text.contains("usage: pillarbox"));
    }
}
