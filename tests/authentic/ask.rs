//! The checks of arriving mail behind lines of text, for the scripts of this directory: each line is a JSON object
//! and is answered by one.
//!
//! `{"dns": {"name": {"TXT": ["..."]}}, "now": 1700000000, "bytes": N}` with N octets of a message behind its line end:
//! DKIM and ARC of it. `dns` may be left out: then it stays as it was. A name that is not there does not exist; the text
//! `TIMEOUT` in place of a list is no answer.

use pillarbox::policy::authentic::canned::{Canned, ready};
use pillarbox::policy::authentic::{arc, dkim};
use pillarbox::wire::dkim::body::Body;
use pillarbox::wire::dns::{Answer, Kind, Record, TroubleKind};
use pillarbox::wire::header::end_of_header;
use serde_json::{Value, json};
use std::io::{self, BufRead, Read, Write};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut dns = Canned::default();
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let asked: Value = serde_json::from_str(&line).map_err(io::Error::other)?;
        if let Some(names) = asked["dns"].as_object() {
            dns = Canned::default();
            for (name, kinds) in names {
                dns = dns.with(name, Kind::Txt, texts(&kinds["TXT"]));
            }
        }
        let mut message = vec![0; asked["bytes"].as_u64().unwrap_or(0) as usize];
        input.read_exact(&mut message)?;
        let answer = check(&dns, &message, asked["now"].as_i64());
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
}

fn texts(list: &Value) -> Answer {
    let Some(texts) = list.as_array() else {
        return Answer::trouble(TroubleKind::Timeout, "no server answers");
    };
    let record = |text: &Value| Record::Txt(text.as_str().unwrap_or_default().as_bytes().into());
    Answer::insecure(texts.iter().map(record).collect())
}

fn check(dns: &Canned, message: &[u8], now: Option<i64>) -> Value {
    let header_bytes = end_of_header(message).unwrap_or(message.len());
    let (header, rest) = message.split_at(header_bytes);
    let before = dns.asked().len();
    let mut body = Body::default();
    let signatures = ready(dkim::at_header(dns, header, now, &mut body));
    let chain = ready(arc::at_header(dns, header, now, &mut body));
    rest.chunks(4093).for_each(|piece| body.update(piece));
    let hashes = body.finish();
    let fields = signatures.fields();
    let chain = chain.finish(&hashes);
    let dkim: Vec<Value> = signatures.finish(&hashes).iter().map(one).collect();
    json!({
        "fields": fields,
        "dkim": dkim,
        "arc": { "outcome": chain.outcome.as_str(), "sets": chain.sets, "sealer": chain.sealer, "reason": chain.reason },
        "questions": dns.asked().len() - before,
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
