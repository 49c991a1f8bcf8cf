//! Properties of what decides whom to believe: DMARC records, Authentication-Results, From.

use pillarbox::limits::*;
use pillarbox::policy::authentic::{Asked, dmarc as policy};
use pillarbox::wire::address::{Address, Domain};
use pillarbox::wire::dmarc::{Alignment, PublicSuffix, Record};
use pillarbox::wire::header::authentication_results::{
    Names, Results, claims_results, claims_spf, encode, read,
};
use pillarbox::wire::header::{FieldAddress, Fields, each_address};
use std::fmt::Write;

/// A record is read with its bounds, and what it says is read again as the same.
pub fn dmarc(data: &[u8]) {
    let mut versioned = b"v=DMARC1;".to_vec();
    versioned.extend_from_slice(data);
    assert_eq!(
        Record::parse(&versioned).is_some(),
        versioned.len() <= DMARC_RECORD_BYTES_MAX
    );
    for text in [data, &versioned] {
        let Some(record) = Record::parse(text) else {
            continue;
        };
        assert!(record.rua.len() <= DMARC_URIS_MAX && record.ruf.len() <= DMARC_URIS_MAX);
        assert!(record.reportable || record.rua.is_empty());
        assert!(record.applies() || record.broken);
        if record.broken {
            let asked = [record.own(), record.subdomain(), record.missing_subdomain()];
            assert_eq!(asked, [policy::Policy::None; 3]);
        }
        let again = written(&record);
        if again.len() <= DMARC_RECORD_BYTES_MAX {
            assert_eq!(Record::parse(again.as_bytes()), Some(record), "{again}");
        }
    }
}

/// The record as text.
fn written(record: &Record) -> String {
    let mut text = String::from("v=DMARC1");
    let policies = [("p", record.p), ("sp", record.sp), ("np", record.np)];
    for (name, policy) in policies {
        if let Some(policy) = policy {
            let _ = write!(text, "; {name}={}", policy.as_str());
        }
    }
    if record.broken && record.p.is_some() {
        let missing = if record.sp.is_none() { "sp" } else { "np" };
        let _ = write!(text, "; {missing}=broken");
    }
    text.push_str(match record.psd {
        PublicSuffix::Yes => "; psd=y",
        PublicSuffix::No => "; psd=n",
        PublicSuffix::Unknown => "",
    });
    text.push_str(if record.testing { "; t=y" } else { "" });
    for (name, alignment) in [("adkim", record.adkim), ("aspf", record.aspf)] {
        if alignment == Alignment::Strict {
            let _ = write!(text, "; {name}=s");
        }
    }
    let uris = |addresses: &[Address]| -> Vec<String> {
        let uri = |address: &Address| {
            let octets = address.to_string().into_bytes();
            octets
                .iter()
                .fold(String::from("mailto:"), |mut uri, octet| {
                    let _ = write!(uri, "%{octet:02x}");
                    uri
                })
        };
        addresses.iter().map(uri).collect()
    };
    let mut rua = uris(&record.rua);
    if record.reportable && rua.is_empty() {
        rua.push("x:".into());
    }
    let _ = write!(
        text,
        "; rua={}; ruf={}",
        rua.join(","),
        uris(&record.ruf).join(",")
    );
    let options = [
        (record.fo.any, "1"),
        (record.fo.dkim, "d"),
        (record.fo.spf, "s"),
    ];
    let options: Vec<&str> = options
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, word)| *word)
        .collect();
    if !options.is_empty() {
        let _ = write!(text, "; fo={}", options.join(":"));
    }
    text
}

/// What we write is one field that is read back as the same; every form of our name is found in a field, and nothing
/// that our own reader takes for our name is missed.
pub fn authentication_results(data: &[u8]) {
    let names = Names::new(&["box.test", "b\u{fc}cher.test"]);
    let claimed = claims_results(data, &names);
    claims_spf(data, &names);
    if let Some(said) = read(data) {
        assert!(said.findings.len() <= AUTHENTICATION_RESULTS_MAX);
        let ours = ["box.test", "xn--bcher-kva.test"];
        let is_ours = Domain::parse(&said.authserv_id).is_ok_and(|id| ours.contains(&id.as_str()));
        assert!(claimed || !is_ours, "{said:?}");
    }
    write_and_read(data);
    disguise(data);
}

fn write_and_read(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let values: Vec<&str> = text.split('|').collect();
    let mut out = Vec::new();
    let mut results = Results::new(&mut out, "box.test").method("dkim", "pass");
    for value in &values {
        results = results.property("header.i", value);
    }
    results.method("dmarc", "none").end();
    assert!(out.is_ascii() && !out.contains(&0));
    assert!(
        out.split(|&octet| octet == b'\n')
            .all(|line| line.len() <= 999)
    );
    let mut fields = Fields::new(&out);
    let field = fields.next().expect("a field");
    assert!(fields.next().is_none());
    let said = read(field.value).expect("what we write");
    let written = values.iter().filter(|value| encode(value).is_some());
    let expected: Vec<&str> = written
        .copied()
        .take(AUTHENTICATION_PROPERTIES_MAX)
        .collect();
    let found: Vec<&str> = said.findings[0]
        .properties
        .iter()
        .map(|(_, value)| &**value)
        .collect();
    assert_eq!(found, expected);
    assert_eq!(said.findings[1].method, "dmarc");
    assert!(claims_results(field.value, &Names::new(&["BOX.test."])));
}

/// Our name in a form that the octets choose.
fn disguise(data: &[u8]) {
    let mut choices = data.iter().copied();
    let mut choice = move |of: u8| choices.next().unwrap_or(0) % of;
    let blank = |choice: &mut dyn FnMut(u8) -> u8| {
        [
            "",
            " ",
            "\t",
            "\r\n ",
            " (c)",
            "(a (b) \\) ; box)",
            "(\r\n )",
        ][usize::from(choice(7))]
    };
    let mut name = String::new();
    let quoted = choice(2) == 1;
    for letter in "box.test".chars() {
        match choice(4) {
            1 => name.push(letter.to_ascii_uppercase()),
            2 if quoted => name.extend(['\\', letter]),
            3 if !quoted && letter != '.' => {
                name.push(char::from_u32(letter as u32 + 0xfee0).unwrap_or(letter))
            }
            _ => name.push(letter),
        }
    }
    if choice(3) == 1 {
        name.push('.');
    }
    if quoted {
        name = format!("\"{name}\"");
    }
    let mut value = format!("{}{name}", blank(&mut choice));
    value.push_str(blank(&mut choice));
    if choice(2) == 1 {
        let _ = write!(value, " {}", choice(3));
        value.push_str(blank(&mut choice));
    }
    value.push_str(["; none", ";spf=pass", "", ";", "; a=b c.d=\"e\""][usize::from(choice(5))]);
    assert!(
        claims_results(value.as_bytes(), &Names::new(&["Box.Test"])),
        "{value:?}"
    );
}

/// The domains of From are those of its addresses, each once, within their bound; there is one author where nothing
/// else could be meant.
pub fn authors(data: &[u8]) {
    let asked = Asked {
        client: [192, 0, 2, 1].into(),
        helo: "mail.example.org",
        sender: None,
        hostname: "box.test",
        now_seconds: None,
    };
    let (authors, traits) = policy::authors(data, &asked);
    assert!(authors.domains.len() <= DMARC_AUTHOR_DOMAINS_MAX);
    assert!(!authors.more || authors.domains.len() == DMARC_AUTHOR_DOMAINS_MAX);
    let mut from_fields = 0;
    for field in Fields::new(data).filter(|field| field.is("From")) {
        from_fields += 1;
        each_address(field.value, &mut |address| {
            if let FieldAddress::Full(address) = address {
                assert!(authors.more || authors.domains.contains(address.domain()));
            }
        });
    }
    assert_eq!(traits.from_fields, from_fields);
    assert_eq!(
        traits.from_domains,
        authors.domains.len() + usize::from(authors.more)
    );
    if let Some(only) = &authors.only {
        assert_eq!(authors.domains, std::slice::from_ref(only));
        assert!(from_fields == 1 && !traits.from_malformed);
        let twice = [b"From: a@b.example\r\n", data].concat();
        assert!(policy::authors(&twice, &asked).0.only.is_none());
    }
}
