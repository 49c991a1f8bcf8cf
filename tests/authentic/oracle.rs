//! A tiny door to the checks for second opinions: one case as JSON a line in, one result as JSON a line out.
//!
//! `{"check": "spf", "zone": {..}, "client": "192.0.2.1", "helo": "..", "sender": "local@domain" or ""}` gives
//! `{"outcome": "pass", "reason": "..", "explanation": ".." or null}`. `{"check": "signatures", "zone": {..},
//! "message": "..", "now": seconds or null}` gives DKIM and ARC of a message whose characters are octets. Zones are as in `zone.rs`.
//! `{"check": "write", "helo": "..", "sender": "..", "values": {..}}` gives the fields that are written (`results.rs`),
//! Reports stand in `reports.rs`.
//! `{"check": "read", "value": "..", "names": [..]}` what an Authentication-Results field says and whether it claims to
//! be written by one of the names.

#[path = "reports.rs"]
mod reports;
#[path = "results.rs"]
mod results;
#[path = "signatures.rs"]
mod signatures;
#[path = "zone.rs"]
mod zone;

use pillarbox::policy::authentic::canned::ready;
use pillarbox::policy::authentic::spf;
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let result = match case["check"].as_str() {
            Some("spf") => spf(&case),
            Some("signatures") => of_message(&case),
            Some("write") => results::write(&case),
            Some("read") => results::read(&case),
            Some("report") => reports::write(&case),
            Some("read-report") => reports::read(&case),
            other => panic!("no such check: {other:?}"),
        };
        writeln!(out, "{result}")?;
        out.flush()?;
    }
    Ok(())
}

fn spf(case: &Value) -> Value {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let (local, domain) = text("sender")
        .rsplit_once('@')
        .unwrap_or(("", text("helo")));
    let identity = spf::Identity {
        client: text("client").parse().expect("an address"),
        helo: text("helo"),
        local,
        domain,
        hostname: "box.test",
        now_seconds: Some(0),
    };
    let zone = zone::canned(case["zone"].as_object().expect("a zone"));
    let checked = ready(spf::check(&zone, &identity));
    json!({
        "outcome": checked.outcome.as_str(),
        "reason": checked.reason,
        "explanation": checked.explanation,
    })
}

fn of_message(case: &Value) -> Value {
    let text = case["message"].as_str().unwrap_or_default().chars();
    let message: Vec<u8> = text.map(|c| u8::try_from(c).expect("an octet")).collect();
    let zone = zone::canned(case["zone"].as_object().expect("a zone"));
    signatures::check(&zone, &message, case["now"].as_i64(), 4093)
}
