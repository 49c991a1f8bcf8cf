//! DKIM and ARC of one message over canned answers, as JSON.

use pillarbox::policy::authentic::canned::{Canned, ready};
use pillarbox::policy::authentic::{arc, dkim};
use pillarbox::wire::dkim::body::Body;
use pillarbox::wire::header::end_of_header;
use serde_json::{Value, json};

/// Outcomes and what is told of them; the body comes in pieces of so many octets.
pub fn check(dns: &Canned, message: &[u8], now: Option<i64>, piece_bytes: usize) -> Value {
    let header_bytes = end_of_header(message).unwrap_or(message.len());
    let (header, rest) = message.split_at(header_bytes);
    let asked_before = dns.asked().len();
    let mut body = Body::default();
    let signatures = ready(dkim::at_header(dns, header, now, &mut body));
    let chain = ready(arc::at_header(dns, header, now, &mut body));
    rest.chunks(piece_bytes)
        .for_each(|piece| body.update(piece));
    let hashes = body.finish();
    let fields = signatures.fields();
    let chain = chain.finish(&hashes);
    let dkim: Vec<Value> = signatures.finish(&hashes).iter().map(one).collect();
    json!({
        "fields": fields,
        "dkim": dkim,
        "arc": {
            "outcome": chain.outcome.as_str(),
            "sets": chain.sets,
            "sealer": chain.sealer,
            "reason": chain.reason,
        },
        "questions": dns.asked().len() - asked_before,
    })
}

fn one(checked: &dkim::Checked) -> Value {
    json!({
        "outcome": checked.outcome.as_str(),
        "domain": checked.domain,
        "selector": checked.selector,
        "identity": checked.identity,
        "algorithm": checked.algorithm,
        "b": checked.b_start,
        "reason": checked.reason,
        "testing": checked.testing,
    })
}
