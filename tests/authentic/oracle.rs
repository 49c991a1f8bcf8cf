//! A tiny door to the checks for second opinions: one case as JSON a line in, one result as JSON a line out.
//!
//! `{"check": "spf", "zone": {..}, "client": "192.0.2.1", "helo": "..", "sender": "local@domain" or ""}` gives
//! `{"outcome": "pass", "reason": "..", "explanation": ".." or null}`. Zones are as in `zone.rs`.

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
            other => panic!("no such check: {other:?}"),
        };
        writeln!(out, "{result}")?;
    }
    out.flush()
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
