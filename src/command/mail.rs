//! `pillarbox mail expunged | undelete`.

use super::arguments::{Arguments, Known, misunderstood};
use super::ask::{Door, report};
use super::table::{Column, octets, table, text, time};
use super::{Failure, print};
use crate::run::control::Request;
use serde_json::json;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox mail expunged ACCOUNT
       pillarbox mail undelete ACCOUNT EMAIL...
       pillarbox mail undelete ACCOUNT --all

Expunged messages can come back until their space is used again, at least for 7 days.
`expunged` lists them; `undelete` puts them into the mailbox that they were in, or into
INBOX, as new messages.

options, for every command on a box:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  pillarbox mail expunged ana@example.org
  pillarbox mail undelete ana@example.org 4f0c2a9e6b7d41d2a58e0f3b9c1d7e64
";

const KNOWN: Known = Known {
    plain: &["all"],
    valued: &[],
};

const COLUMNS: &[Column] = &[
    ("EMAIL", |row| text(row, "email")),
    ("EXPUNGED", |row| {
        time(row["expunged-secs"].as_i64().unwrap_or(0))
    }),
    ("SIZE", |row| octets(row, "bytes")),
    ("MAILBOX", |row| text(row, "mailbox")),
    ("SUBJECT", |row| text(row, "subject")),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    match words.as_slice() {
        ["expunged", account] => {
            let account = (*account).to_owned();
            let answer = Door::open(&arguments)?.ask(Request::MailExpunged { account })?;
            if arguments.json {
                return print(&format!("{}\n", json!(answer.rows)));
            }
            for note in &answer.end.notes {
                eprintln!("note: {note}");
            }
            print(&table(
                &answer.rows,
                COLUMNS,
                "nothing that could come back",
            ))
        }
        ["undelete", account, emails @ ..] if emails.is_empty() == arguments.has("all") => {
            let request = Request::MailUndelete {
                account: (*account).to_owned(),
                emails: emails.iter().map(|id| (*id).to_owned()).collect(),
            };
            let mut answer = Door::open(&arguments)?.ask(request)?;
            let count = answer.end.count.unwrap_or(0);
            let missing = (emails.len() as u64).saturating_sub(count);
            if missing > 0 {
                answer.end.notes.push(format!(
                    "{missing} could not come back: back already, another account's, or their space has been used; \
                     `pillarbox mail expunged {account}` lists what can"
                ));
            }
            let back = match count {
                1 => "1 message is back".to_string(),
                count => format!("{count} messages are back"),
            };
            report(&arguments, &back, &answer.end)
        }
        words => Err(misunderstood("mail", words, HELP)),
    }
}
