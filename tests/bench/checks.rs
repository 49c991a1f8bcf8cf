//! What the checks of a message cost in this process: `checks_cost CASES ROUNDS`, answers of the DNS at hand.
//!
//! CASES is JSON: `{"now": seconds, "zone": {..}, "messages": [{"client", "helo", "sender", "file"}]}`, the zone as in
//! `tests/authentic/zone.rs`. Each round takes every message through all that a server does with it: end of the header,
//! the fields to cut, the checks, the verdict, the fields to add. Prints JSON: messages, their CPU microseconds (user
//! and system), the questions each asked on average, and what was not as the sender deserves.

#[path = "../authentic/zone.rs"]
mod zone;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use pillarbox::policy::authentic::canned::{Canned, ready};
use pillarbox::policy::authentic::verdict::{self, Action, Circumstances};
use pillarbox::policy::authentic::{Asked, Outcome, Verdicts, at_header, fields};
use pillarbox::wire::address::Address;
use pillarbox::wire::header::end_of_header;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::net::IpAddr;

const HOSTNAME: &str = "mx.box.test";
/// As much of a body as comes at once; about what the server reads.
const PIECE_BYTES: usize = 16 * 1024;
/// Answers remember only so many questions: they are counted over the first messages.
const COUNTED_MESSAGES: usize = 40;

struct Message {
    client: IpAddr,
    helo: String,
    sender: Address,
    octets: Vec<u8>,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let cases = std::fs::read(&words[1]).expect("the file of cases");
    let cases: Value = serde_json::from_slice(&cases).expect("JSON");
    let rounds: usize = words[2].parse().expect("a number of rounds");
    let now = cases["now"].as_i64().expect("the time");
    let dns = zone::canned(cases["zone"].as_object().expect("a zone"));
    let messages = cases["messages"].as_array().expect("messages");
    let messages: Vec<Message> = messages.iter().map(message).collect();
    let mut wrong = BTreeSet::new();
    for message in &messages {
        let (verdicts, accepted) = check(&dns, message, now);
        wrong.extend(complaint(&verdicts, accepted));
    }
    let counting = zone::canned(cases["zone"].as_object().expect("a zone"));
    let counted = &messages[..messages.len().min(COUNTED_MESSAGES)];
    for message in counted {
        check(&counting, message, now);
    }
    let before = cpu_micros();
    for _ in 0..rounds {
        for message in &messages {
            black_box(check(&dns, message, now));
        }
    }
    let cpu_micros = cpu_micros() - before;
    println!(
        "{}",
        json!({
            "messages": rounds * messages.len(),
            "cpu_us": cpu_micros,
            "questions": counting.asked().len() as f64 / counted.len() as f64,
            "wrong": wrong,
        })
    );
}

fn message(case: &Value) -> Message {
    let text = |key: &str| case[key].as_str().expect("a text");
    Message {
        client: text("client").parse().expect("an address"),
        helo: text("helo").to_owned(),
        sender: Address::parse(text("sender")).expect("a mailbox"),
        octets: std::fs::read(text("file")).expect("a message"),
    }
}

/// All that a server does with one message for the sake of its sender.
fn check(dns: &Canned, message: &Message, now: i64) -> (Verdicts, bool) {
    let asked = Asked {
        client: message.client,
        helo: &message.helo,
        sender: Some(&message.sender),
        hostname: HOSTNAME,
        now_seconds: Some(now),
    };
    let header_bytes = end_of_header(&message.octets).expect("a header");
    let (header, body) = message.octets.split_at(header_bytes);
    let mut cuts = Vec::new();
    fields::forged(header, &[HOSTNAME, "box.test"], &mut cuts);
    let mut passing = ready(at_header(dns, &asked, header));
    for piece in body.chunks(PIECE_BYTES) {
        passing.body(piece);
    }
    let verdicts = ready(passing.finish(dns));
    let circumstances = Circumstances {
        strict: false,
        relayed: false,
        score_rejects: None,
        may_defer: true,
        envelope_domain: Some(message.sender.domain().as_str()),
    };
    let verdict = verdict::judge(&verdicts, &circumstances);
    let mut added = Vec::new();
    fields::write(&mut added, &asked, &verdicts);
    black_box((&added, &cuts, &verdict.lines));
    (verdicts, verdict.action == Action::Accept)
}

/// What is not as it should be with a message whose sender did everything right.
fn complaint(verdicts: &Verdicts, accepted: bool) -> Option<String> {
    let passed = |outcome: Outcome| outcome == Outcome::Pass;
    let right = accepted
        && passed(verdicts.iprev.outcome)
        && passed(verdicts.spf_helo.outcome)
        && passed(verdicts.spf_mail_from.outcome)
        && !verdicts.dkim.is_empty()
        && verdicts.dkim.len() == verdicts.dkim_fields
        && verdicts.dkim.iter().all(|one| passed(one.outcome))
        && (passed(verdicts.arc.outcome) || verdicts.arc.sets == 0)
        && passed(verdicts.dmarc.outcome);
    (!right).then(|| format!("{verdicts:?}"))
}

fn cpu_micros() -> i64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts");
    used.user_time().num_microseconds() + used.system_time().num_microseconds()
}
