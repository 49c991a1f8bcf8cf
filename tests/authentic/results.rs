//! Authentication-Results for second opinions: written from any values, and read.

use pillarbox::policy::authentic::{Asked, Outcome, Traits, Verdicts};
use pillarbox::policy::authentic::{arc, dkim, dmarc, fields, iprev, spf};
use pillarbox::wire::address::{Address, Domain};
use pillarbox::wire::header::authentication_results::{self, Names};
use serde_json::{Value, json};

/// The fields for these values: whatever is in `values` is what a check found.
pub fn write(case: &Value) -> Value {
    let values = &case["values"];
    let text = |key: &str| values[key].as_str().unwrap_or_default().to_owned();
    let spf = |domain: &str, key: &str| spf::Checked {
        outcome: Outcome::PermError,
        reason: text(key),
        ..spf::Checked::none(domain)
    };
    let verdicts = Verdicts {
        iprev: iprev::Checked {
            outcome: Outcome::Pass,
            name: None,
        },
        spf_helo: spf("helo.test", "helo reason"),
        spf_mail_from: spf("sender.test", "mailfrom reason"),
        dkim: vec![dkim::Checked {
            outcome: Outcome::Fail,
            domain: text("header.d"),
            selector: text("header.s"),
            identity: text("header.i"),
            algorithm: text("header.a"),
            b_start: text("header.b"),
            reason: text("dkim reason"),
            testing: false,
        }],
        dkim_fields: 1,
        arc: arc::Checked {
            outcome: Outcome::Fail,
            sets: 1,
            sealer: None,
            reason: text("arc reason"),
        },
        dmarc: dmarc::Checked {
            outcome: Outcome::Fail,
            policy: Some(dmarc::Policy::Reject),
            reason: text("dmarc reason"),
            ..dmarc::Checked::none()
        },
        author: Domain::parse(&text("header.from")).ok(),
        traits: Traits::default(),
    };
    let sender = Address::parse(case["sender"].as_str().unwrap_or_default()).ok();
    let asked = Asked {
        client: case["client"]
            .as_str()
            .unwrap_or("192.0.2.1")
            .parse()
            .expect("an address"),
        helo: case["helo"].as_str().unwrap_or_default(),
        sender: sender.as_ref(),
        hostname: "box.test",
        now_seconds: None,
    };
    let mut out = Vec::new();
    fields::write(&mut out, &asked, &verdicts);
    json!({ "fields": String::from_utf8_lossy(&out) })
}

/// What a field says, and whether it claims to be ours.
pub fn read(case: &Value) -> Value {
    let value = case["value"].as_str().unwrap_or_default().as_bytes();
    let names: Vec<&str> = case["names"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let said = authentication_results::read(value).map(|said| {
        let findings: Vec<Value> = said
            .findings
            .iter()
            .map(|one| json!([one.method, one.result, one.reason, one.properties]))
            .collect();
        json!({ "id": said.authserv_id, "version": said.version, "findings": findings })
    });
    json!({
        "said": said,
        "claimed": authentication_results::claims_results(value, &Names::new(&names)),
    })
}
