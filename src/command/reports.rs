//! `pillarbox reports`: what others report about mail in our name, and what we report to them.

mod file;
mod summary;

use super::arguments::{Arguments, Known, misunderstood};
use super::ask::Door;
use super::table::{Column, table, text, time};
use super::{Failure, print};
use crate::run::control::{Request, report_shown};
use crate::run::lanes::now_millis;
use serde_json::{Value, json};
use std::path::Path;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox reports [--days N]
       pillarbox reports list
       pillarbox reports show ID
       pillarbox reports pending
       pillarbox reports sent
       pillarbox reports read FILE

Other servers report what became of mail in the name of your domains (DMARC, rua= and ruf=)
and of TLS with this box (TLSRPT). Such mails are delivered like all mail; here stands what
they say: first in words, for the last 30 days, of reporters whose mail proved who they are;
`list` shows all of them. `pending` and `sent` are about the reports that this box makes for
others. `read` explains a file: a report, or a mail with one.

options:
  --days N        of so many days (default: 30)
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  pillarbox reports
    example.org: 3 reports of 2 reporters
      120 messages passed, 14 failed
      192.0.2.7 sent 12 messages as you that failed: no DKIM signature;
        SPF passed for bounce.test, not for you
  pillarbox reports read 'google.com!example.org!1795132800!1795219199.zip'
";

const KNOWN: Known = Known {
    plain: &[],
    valued: &["days"],
};

/// Days of the summary.
const DAYS: u64 = 30;

const LIST: &[Column] = &[
    ("ID", |row| text(row, "id")),
    ("DAY", |row| day(row, "begin-secs")),
    ("KIND", |row| text(row, "kind")),
    ("ABOUT", |row| text(row, "domain")),
    ("REPORTER", reporter),
    ("PASSED", |row| text(row, "passed")),
    ("FAILED", |row| text(row, "failed")),
];

const ITEMS: &[Column] = &[
    ("SOURCE", |row| text(row, "source")),
    ("COUNT", |row| text(row, "count")),
    ("PASSED", |row| match row["passed"].as_bool() {
        Some(true) => "yes".into(),
        _ => "no".into(),
    }),
    ("FROM", |row| match row["header-from"].is_null() {
        true => text(row, "domain"),
        false => text(row, "header-from"),
    }),
    ("DONE", |row| text(row, "disposition")),
    ("WHY", |row| text(row, "why")),
];

const PENDING: &[Column] = &[
    ("DAY", |row| day(row, "day-secs")),
    ("DOMAIN", |row| text(row, "domain")),
    ("MESSAGES", |row| text(row, "messages")),
];

const SENT: &[Column] = &[
    ("DAY", |row| day(row, "day-secs")),
    ("DOMAIN", |row| text(row, "domain")),
    ("MESSAGES", |row| text(row, "messages")),
    ("STATE", |row| text(row, "state")),
    ("TO", |row| text(row, "recipients")),
    ("WHY", |row| text(row, "why")),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    match words.as_slice() {
        [] => {
            let days = days(&arguments)?;
            let rows = Door::open(&arguments)?.ask_all(|after| Request::ReportsList { after })?;
            let from = now_millis().div_euclid(1000) - days.cast_signed() * 86_400;
            let summary = summary::of(&rows, from);
            match arguments.json {
                true => print(&format!("{}\n", summary.json())),
                false => print(&summary.text()),
            }
        }
        ["list"] => shown(
            &arguments,
            |after| Request::ReportsList { after },
            LIST,
            "no report has come",
        ),
        ["pending"] => shown(
            &arguments,
            |after| Request::ReportsPending { after },
            PENDING,
            "nothing is to be reported: what came in the last quarter of an hour is not counted yet",
        ),
        ["sent"] => shown(
            &arguments,
            |after| Request::ReportsSent { after },
            SENT,
            "no report was sent in the last 30 days",
        ),
        ["show", id] => {
            let rows = whole(&mut Door::open(&arguments)?, number(id)?)?;
            one(&arguments, &rows)
        }
        ["read", name] => {
            let report = file::read(Path::new(name))
                .map_err(|why| Failure::new(format!("{name}: {why}")))?;
            one(&arguments, &report_shown(&report))
        }
        words => Err(misunderstood("reports", words, HELP)),
    }
}

fn shown(
    arguments: &Arguments,
    page: fn(u64) -> Request,
    columns: &[Column],
    empty: &str,
) -> Result<(), Failure> {
    let rows = Door::open(arguments)?.ask_all(page)?;
    match arguments.json {
        true => print(&format!("{}\n", json!(rows))),
        false => print(&table(&rows, columns, empty)),
    }
}

/// All of a report, page by page: its head, then its items.
fn whole(door: &mut Door, id: u64) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    let mut after = 0;
    loop {
        let answer = door.ask(Request::ReportsShow { id, after })?;
        // Every page begins with the head.
        let skip = usize::from(after > 0);
        rows.extend(answer.rows.into_iter().skip(skip));
        match answer.end.next {
            Some(next) if next > after => after = next,
            _ => return Ok(rows),
        }
    }
}

fn one(arguments: &Arguments, rows: &[Value]) -> Result<(), Failure> {
    let Some((head, items)) = rows.split_first() else {
        return Ok(());
    };
    if arguments.json {
        let mut value = head.clone();
        value["items"] = json!(items);
        return print(&format!("{value}\n"));
    }
    print(&format!(
        "{}{}",
        heading(head),
        table(items, ITEMS, "it tells of no failure")
    ))
}

/// Who says what about whom, and when.
fn heading(head: &Value) -> String {
    let what = match head["kind"].as_str() {
        Some("tls") => "TLS report: sessions",
        Some("failure") => "DMARC failure report: messages",
        _ => "DMARC report: messages",
    };
    let mut out = format!(
        "{what} of {} to {}, {} passed, {} failed\n",
        reporter(head),
        text(head, "domain"),
        text(head, "passed"),
        text(head, "failed")
    );
    if head["begin-secs"].as_i64().unwrap_or(0) > 0 {
        let at = |member: &str| time(head[member].as_i64().unwrap_or(0));
        out.push_str(&format!(
            "from {} to {}\n",
            at("begin-secs"),
            at("end-secs")
        ));
    }
    let policy = &head["policy"];
    if !policy.is_null() {
        let parts = ["p", "sp", "np", "adkim", "aspf", "testing"].iter();
        let said = parts.filter_map(|name| {
            let value = policy[*name].as_str().filter(|value| !value.is_empty())?;
            Some(format!("{name}={value}"))
        });
        out.push_str(&format!(
            "policy found: {}\n",
            said.collect::<Vec<_>>().join(" ")
        ));
    }
    if let Some(more @ 1..) = head["rows-left-out"].as_u64() {
        out.push_str(&format!(
            "{more} further rows were not kept; they are in the sums\n"
        ));
    }
    if let Some(error) = head["error"].as_str() {
        out.push_str(&format!("it says: {error}\n"));
    }
    out.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The proven domain, or what it calls itself in brackets.
fn reporter(row: &Value) -> String {
    match (row["proven"].as_bool(), text(row, "reporter").as_str()) {
        (Some(true), domain) => domain.into(),
        (_, "") => format!("({})", text(row, "organization")),
        (_, domain) => format!("({domain}, not proven)"),
    }
}

fn day(row: &Value, member: &str) -> String {
    let time = time(row[member].as_i64().unwrap_or(0));
    time.split(' ').next().unwrap_or_default().into()
}

fn days(arguments: &Arguments) -> Result<u64, Failure> {
    match arguments.value("days") {
        None => Ok(DAYS),
        Some(text) => text
            .parse()
            .ok()
            .filter(|days| (1..=3_650).contains(days))
            .ok_or_else(|| Failure::usage(format!("{text:?} is no number of days, like 30"))),
    }
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!(
            "{text:?} is no number of a report; `pillarbox reports list` shows them"
        ))
    })
}
