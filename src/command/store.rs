//! `pillarbox store check | rebuild`.

use super::arguments::{Arguments, Known, misunderstood};
use super::ask::Place;
use super::progress::{CountingDisk, Progress};
use super::{Failure, print};
use crate::store::check::Report;
use crate::store::{self, Options};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox store check
       pillarbox store rebuild

`check` reads every record and every octet of mail, compares the index with them, and
names what is wrong; its exit code is 1 then. `rebuild` makes index.sqlite anew from the
log, which holds all mail; it is done by itself when the index is missing or damaged. The
server must not run meanwhile.

options, for every command on a box:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml)
  --data DIR      its data directory instead
  --json          the answer as JSON

example:
  systemctl stop pillarbox
  pillarbox store check
  systemctl start pillarbox
";

const KNOWN: Known = Known {
    plain: &[],
    valued: &[],
};

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    match arguments.words().as_slice() {
        ["check"] => check(&arguments),
        ["rebuild"] => rebuild(&arguments),
        words => Err(misunderstood("store", words, HELP)),
    }
}

fn check(arguments: &Arguments) -> Result<(), Failure> {
    let place = offline(arguments)?;
    let (options, disk) = counted(&place);
    // The log's records, then what they hold: the messages of the log, and those that are files.
    let total = 2 * octets_in(&place.data.join("log")) + octets_in(&place.data.join("messages"));
    let progress = Progress::show("checking", disk.counter(), total);
    let checked = store::check::check(options, &mut |_, _| {});
    drop(progress);
    let report = checked.map_err(|e| Failure::new(e.0))?;
    if arguments.json {
        let value = json!({
            "ok": report.is_clean(), "records": report.records, "contents": report.contents,
            "bytes": report.bytes, "findings": report.findings, "more-findings": report.more_findings,
        });
        print(&format!("{value}\n"))?;
    } else {
        print(&described(&report))?;
    }
    match report.findings.len() as u64 + report.more_findings {
        0 => Ok(()),
        wrong => Err(Failure::new(format!(
            "{wrong} things are wrong with the store; what is not named here is well and stays readable"
        ))),
    }
}

fn described(report: &Report) -> String {
    let mut text: String = report
        .findings
        .iter()
        .map(|line| format!("wrong: {line}\n"))
        .collect();
    if report.more_findings > 0 {
        text.push_str(&format!("and {} more\n", report.more_findings));
    }
    text.push_str(&format!(
        "checked {} records, {} messages of {} octets\n",
        report.records, report.contents, report.bytes
    ));
    text
}

fn rebuild(arguments: &Arguments) -> Result<(), Failure> {
    let place = offline(arguments)?;
    let (options, disk) = counted(&place);
    // The log is read twice: once to find what is last, once to apply it.
    let total = 2 * octets_in(&place.data.join("log"));
    let progress = Progress::show("reading the log", disk.counter(), total);
    let rebuilt = store::rebuild(options);
    drop(progress);
    let failed = |e: store::StoreError| Failure::new(e.0);
    let (writer, shared) = rebuilt.map_err(failed)?;
    writer.close().map_err(failed)?;
    let report = shared.open_report();
    if arguments.json {
        let value = json!({ "ok": true, "records": report.replayed, "notes": report.lines });
        return print(&format!("{value}\n"));
    }
    let notes = report.lines.iter().map(|line| format!("note: {line}\n"));
    print(&format!(
        "the index is made anew from the log\n{}",
        notes.collect::<String>()
    ))
}

/// A box whose server does not run.
fn offline(arguments: &Arguments) -> Result<Place, Failure> {
    let place = Place::of(arguments)?;
    if place.connect().is_some() {
        return Err(Failure::new(format!(
            "the server of {} runs, and this needs the store for itself: stop it first (`systemctl stop pillarbox`)",
            place.data.display()
        )));
    }
    place.must_hold("store: is the directory right?")?;
    place.become_owner()?;
    Ok(place)
}

/// The box's options over a disk that counts.
fn counted(place: &Place) -> (Options, Arc<CountingDisk>) {
    let mut options = place.options();
    let disk = Arc::new(CountingDisk::over(options.disk.clone()));
    options.disk = disk.clone();
    (options, disk)
}

fn octets_in(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|meta| meta.len())
        .sum()
}
