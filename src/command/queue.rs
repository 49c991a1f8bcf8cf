//! `pillarbox queue list | show | drop`.

use super::arguments::{Arguments, Known, misunderstood};
use super::ask::{Door, report};
use super::table::{Column, octets, table, text, time};
use super::{Failure, print};
use crate::run::control::Request;
use serde_json::{Value, json};

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox queue list
       pillarbox queue show ID
       pillarbox queue drop ID

The queue holds mail for recipients elsewhere. `drop` ends an entry without delivery and
without a bounce.

options, for every command on a box:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  pillarbox queue list
  pillarbox queue drop 17
";

const KNOWN: Known = Known {
    plain: &[],
    valued: &[],
};

const COLUMNS: &[Column] = &[
    ("ID", |row| text(row, "id")),
    ("SINCE", since),
    ("SIZE", |row| octets(row, "bytes")),
    ("FROM", |row| text(row, "sender")),
    ("TO", |row| {
        let named = row["recipients"].as_array().map_or(0, Vec::len) as u64;
        match row["recipients-count"]
            .as_u64()
            .unwrap_or(0)
            .saturating_sub(named)
        {
            0 => text(row, "recipients"),
            more => format!("{} and {more} more", text(row, "recipients")),
        }
    }),
];

const RECIPIENTS: &[Column] = &[
    ("TO", |row| text(row, "address")),
    ("NOTIFY", |row| text(row, "notify")),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    match words.as_slice() {
        ["list"] => {
            let rows = Door::open(&arguments)?.ask_all(|after| Request::QueueList { after })?;
            if arguments.json {
                return print(&format!("{}\n", json!(rows)));
            }
            print(&table(&rows, COLUMNS, "the queue is empty"))
        }
        ["show", id] => {
            let answer = Door::open(&arguments)?.ask(Request::QueueShow { id: number(id)? })?;
            let row = answer.rows.first().cloned().unwrap_or_default();
            if arguments.json {
                return print(&format!("{row}\n"));
            }
            let recipients = row["recipients"].as_array().cloned().unwrap_or_default();
            print(&format!(
                "id {}, from {}, {}, since {}\n{}",
                text(&row, "id"),
                text(&row, "sender"),
                octets(&row, "bytes"),
                since(&row),
                table(&recipients, RECIPIENTS, "no recipient is left")
            ))
        }
        ["drop", id] => {
            let answer = Door::open(&arguments)?.ask(Request::QueueDrop { id: number(id)? })?;
            let recipients = answer.end.count.unwrap_or(0);
            let sentence =
                format!("queue entry {id} is dropped: {recipients} recipients do not get it");
            report(&arguments, &sentence, &answer.end)
        }
        words => Err(misunderstood("queue", words, HELP)),
    }
}

fn since(row: &Value) -> String {
    time(
        row["received-millis"]
            .as_i64()
            .unwrap_or(0)
            .div_euclid(1000),
    )
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!(
            "{text:?} is no queue id; `pillarbox queue list` shows them"
        ))
    })
}
