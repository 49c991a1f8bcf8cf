//! `pillarbox domain add | list | remove`.

use super::arguments::{Arguments, Known, misunderstood};
use super::ask::{Door, report};
use super::table::{Column, table, text};
use super::{Failure, print};
use crate::run::control::Request;
use serde_json::json;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox domain add NAME [--mirror OTHER]
       pillarbox domain list
       pillarbox domain remove NAME

A domain of the box is one whose mail it keeps. A mirror has the addresses of another
domain and none of its own. International names may be given in either form. A domain
with accounts is not removed; its aliases go with it.

options, for every command on a box:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  pillarbox domain add example.org
  pillarbox domain add example.net --mirror example.org
";

const KNOWN: Known = Known {
    plain: &[],
    valued: &["mirror"],
};

const COLUMNS: &[Column] = &[
    ("DOMAIN", |row| match row["unicode"].as_str() {
        Some(unicode) => format!("{} ({unicode})", text(row, "domain")),
        None => text(row, "domain"),
    }),
    ("ACCOUNTS", |row| text(row, "accounts")),
    ("ALIASES", |row| text(row, "aliases")),
    ("MIRRORS", |row| text(row, "mirror-of")),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    match words.as_slice() {
        ["add", name] => {
            let mirror = arguments.value("mirror").map(str::to_owned);
            let sentence = match &mirror {
                Some(of) => format!("{name} mirrors {of} from now on"),
                None => format!("{name} is a domain of this box"),
            };
            let name = (*name).to_owned();
            let answer =
                Door::open_or_make(&arguments)?.ask(Request::DomainAdd { name, mirror })?;
            report(&arguments, &sentence, &answer.end)
        }
        ["list"] => {
            let rows = Door::open(&arguments)?.ask_all(|after| Request::DomainList { after })?;
            if arguments.json {
                return print(&format!("{}\n", json!(rows)));
            }
            print(&table(
                &rows,
                COLUMNS,
                "no domain yet; `pillarbox domain add NAME` makes one",
            ))
        }
        ["remove", name] => {
            let request = Request::DomainRemove {
                name: (*name).to_owned(),
            };
            let answer = Door::open(&arguments)?.ask(request)?;
            report(
                &arguments,
                &format!("{name} is no domain of this box any more"),
                &answer.end,
            )
        }
        words => Err(misunderstood("domain", words, HELP)),
    }
}
