//! `pillarbox alias add | list | remove | reject`.

use super::arguments::{Arguments, Known, misunderstood};
use super::ask::{Door, report};
use super::table::{Column, table, text};
use super::{Failure, print};
use crate::run::control::Request;
use serde_json::json;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox alias add ADDRESS TARGET...
       pillarbox alias list
       pillarbox alias remove ADDRESS [TARGET...]
       pillarbox alias reject ADDRESS

An alias is an address whose mail goes to accounts or other aliases. `add` gives an alias
that exists more targets; `remove` takes some of them away, or the whole alias. The alias
'*@domain' is the domain's catch-all: it gets what nobody else has. `reject` refuses mail
to an address, also when there is a catch-all; `remove` ends that.

options, for every command on a box:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  pillarbox alias add family@example.org ana@example.org ben@example.org
  pillarbox alias add '*@example.org' ana@example.org
  pillarbox alias reject old-shop@example.org
";

const KNOWN: Known = Known {
    plain: &[],
    valued: &[],
};

const COLUMNS: &[Column] = &[
    ("ALIAS", |row| text(row, "alias")),
    ("TARGETS", |row| match row["rejected"].as_bool() {
        Some(true) => "(rejected)".into(),
        _ => text(row, "targets"),
    }),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    match words.as_slice() {
        ["add", alias, targets @ ..] if !targets.is_empty() => {
            let sentence = format!("{alias} leads to {}", targets.join(", "));
            let (alias, targets) = ((*alias).to_owned(), owned(targets));
            simple(&arguments, Request::AliasAdd { alias, targets }, &sentence)
        }
        ["remove", alias, targets @ ..] => {
            let sentence = match targets {
                [] => format!("{alias} is removed"),
                targets => format!("{alias} does not lead to {} any more", targets.join(", ")),
            };
            let (alias, targets) = ((*alias).to_owned(), owned(targets));
            simple(
                &arguments,
                Request::AliasRemove { alias, targets },
                &sentence,
            )
        }
        ["reject", address] => {
            let sentence = format!("mail to {address} is refused from now on");
            let address = (*address).to_owned();
            simple(&arguments, Request::AliasReject { address }, &sentence)
        }
        ["list"] => {
            let rows = Door::open(&arguments)?.ask_all(|after| Request::AliasList { after })?;
            if arguments.json {
                return print(&format!("{}\n", json!(rows)));
            }
            print(&table(
                &rows,
                COLUMNS,
                "no alias yet; `pillarbox alias add ADDRESS TARGET` makes one",
            ))
        }
        words => Err(misunderstood("alias", words, HELP)),
    }
}

fn simple(arguments: &Arguments, request: Request, sentence: &str) -> Result<(), Failure> {
    let answer = Door::open(arguments)?.ask(request)?;
    report(arguments, sentence, &answer.end)
}
