//! Reports for second opinions: one of ours made of rows, one of others read.
//!
//! `{"check": "report", "domain": "..", "day": days since 1970, "record": "..", "rows": [..]}` gives the XML and the
//! mail around it; `{"check": "read-report", "octets": hex}` what is kept of a report.

use pillarbox::policy::report::compose::{self, About, Reporter};
use pillarbox::policy::report::gather::Gathered;
use pillarbox::policy::report::observe::Observation;
use pillarbox::wire::address::{Address, Domain};
use pillarbox::wire::report::Reading;
use serde_json::{Value, json};

pub fn write(case: &Value) -> Value {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let mut gathered = Gathered::default();
    for row in case["rows"].as_array().expect("rows") {
        gathered.add(Observation {
            domain: text("domain"),
            organizational: text("domain"),
            record: text("record"),
            row: serde_json::from_value(row.clone()).expect("a row"),
        });
    }
    let reporter = Reporter {
        organization: "Box & Co".into(),
        contact: "postmaster@box.test".into(),
        from: Address::parse("noreply-dmarc@box.test").expect("an address"),
        domain: Domain::parse("box.test").expect("a domain"),
    };
    let (domain, day) = (text("domain"), case["day"].as_u64().expect("a day"));
    let about = About {
        domain: &domain,
        day,
    };
    let report = compose::report(&reporter, about, gathered);
    let to = [Address::parse("a@example.org").expect("an address")];
    let letter = compose::letter(&reporter, about, &report, &report.write(), &to, 0);
    let mut xml = Vec::new();
    report.write_xml(&mut xml).expect("memory");
    json!({
        "letter": String::from_utf8_lossy(&letter),
        "xml": String::from_utf8_lossy(&xml),
        "report-id": report.report_id,
        "record": text("record"),
    })
}

pub fn read(case: &Value) -> Value {
    let hex = case["octets"].as_str().unwrap_or_default().as_bytes();
    let digit = |octet: u8| char::from(octet).to_digit(16).expect("hex") as u8;
    let octets: Vec<u8> = hex
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect();
    let mut reading = Reading::of_file();
    match reading.feed(&octets).and_then(|()| reading.finish()) {
        Ok(report) => json!({ "report": report }),
        Err(fault) => json!({ "fault": fault.to_string() }),
    }
}
