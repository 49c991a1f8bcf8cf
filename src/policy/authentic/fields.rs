//! Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 section 9.1): what was found, written down; and
//! fields that claim to be ours, found.
//!
//! RFC 7208 wants its field above the Received field that we add, and RFC 8601 the other above those of others: both
//! go in front of it.

use super::{Asked, Outcome, Verdicts, dkim, spf};
use crate::wire::header::authentication_results::{
    Names, Results, claims_results, claims_spf, encode_atom,
};
use crate::wire::header::{Charset, FieldWriter, Fields};
use std::ops::Range;

/// Appends the fields of ours.
pub fn write(out: &mut Vec<u8>, asked: &Asked<'_>, verdicts: &Verdicts) {
    received_spf(out, asked, &verdicts.spf_mail_from, Identity::MailFrom);
    if asked.sender.is_some() && verdicts.spf_helo.outcome != Outcome::None {
        received_spf(out, asked, &verdicts.spf_helo, Identity::Helo);
    }
    results(out, asked, verdicts);
}

/// Appends the ranges of `header` whose fields claim to be written by us, in order: forged, not served. `names`: all
/// names of ours, the hostname and the domains, in either form of an IDN. Fields side by side become one range.
///
/// Received-SPF fields of other receivers stay: they are traces (RFC 7208 section 9.1), and say whose they are. Lines
/// that begin the block with a blank stay too: they go on with the last field in front of it, our Received, and are all
/// that some messages have.
pub fn forged(header: &[u8], names: &[&str], cuts: &mut Vec<Range<u32>>) {
    let names = Names::new(names);
    let mut last: Option<Range<u32>> = None;
    for field in Fields::new(header) {
        let claimed = match () {
            _ if field.is("Authentication-Results") => claims_results(field.value, &names),
            _ if field.is("Received-SPF") => claims_spf(field.value, &names),
            _ => false,
        };
        if !claimed {
            continue;
        }
        let cut = crate::policy::cut(&field);
        last = match last {
            Some(before) if before.end == cut.start => Some(before.start..cut.end),
            before => {
                cuts.extend(before);
                Some(cut)
            }
        };
    }
    cuts.extend(last);
}

/// Whom SPF was asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Identity {
    MailFrom,
    Helo,
}

fn received_spf(out: &mut Vec<u8>, asked: &Asked<'_>, checked: &spf::Checked, identity: Identity) {
    let sender = match asked.sender {
        Some(sender) => sender.to_string(),
        None => format!("postmaster@{}", asked.helo),
    };
    let what = match identity {
        Identity::MailFrom => "mailfrom",
        Identity::Helo => "helo",
    };
    let why = match checked.outcome {
        Outcome::TempError | Outcome::PermError => "problem",
        _ => "mechanism",
    };
    let client = asked.client.to_canonical().to_string();
    let pairs = [
        ("receiver", asked.hostname),
        ("client-ip", &*client),
        ("envelope-from", &*sender),
        ("helo", asked.helo),
        ("identity", what),
        (why, &*checked.reason),
    ];
    let mut field =
        FieldWriter::new(out, "Received-SPF", Charset::Ascii).word(checked.outcome.as_str());
    for (key, value) in pairs {
        if let Some(value) = encode_atom(value) {
            field = field.word(&format!("{key}={value};"));
        }
    }
    field.end();
}

fn results(out: &mut Vec<u8>, asked: &Asked<'_>, verdicts: &Verdicts) {
    let client = asked.client.to_canonical().to_string();
    let mut results = Results::new(out, asked.hostname);
    if verdicts.iprev.outcome != Outcome::None {
        results = results
            .method("iprev", verdicts.iprev.outcome.as_str())
            .property("policy.iprev", &client);
    }
    results = spf_results(results, asked, verdicts);
    for signature in &verdicts.dkim {
        results = dkim_result(results, signature);
    }
    if verdicts.dkim.is_empty() {
        results = results.method("dkim", "none");
    }
    if verdicts.arc.sets > 0 {
        results = results
            .method("arc", chain(verdicts.arc.outcome))
            .reason(&verdicts.arc.reason)
            .property("smtp.remote-ip", &client);
    }
    let checked = &verdicts.dmarc;
    results = results.method("dmarc", checked.outcome.as_str());
    if matches!(
        checked.outcome,
        Outcome::Fail | Outcome::TempError | Outcome::PermError
    ) {
        results = results.reason(&checked.reason);
    }
    if let Some(author) = &verdicts.author {
        results = results.property("header.from", author.as_str());
    }
    // RFC 9989 section 9.1: what is asked for once all its tags are taken into account.
    if let Some(policy) = checked.policy {
        results = results.property("policy.dmarc", policy.as_str());
    }
    results.end();
}

/// RFC 8617 knows no other results of a chain.
fn chain(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        _ => "fail",
    }
}

/// SPF of the greeting and of the reverse-path (RFC 8601 section 2.7.2). A local part that ASCII has no letters for is
/// left out.
fn spf_results<'a>(results: Results<'a>, asked: &Asked<'_>, verdicts: &Verdicts) -> Results<'a> {
    let mail_from = &verdicts.spf_mail_from;
    let Some(sender) = asked.sender else {
        return results
            .method("spf", mail_from.outcome.as_str())
            .reason(problem(mail_from))
            .property("smtp.helo", asked.helo);
    };
    let address = match sender.is_ascii() {
        true => sender.to_string(),
        false => sender.domain().to_string(),
    };
    let results = results
        .method("spf", mail_from.outcome.as_str())
        .reason(problem(mail_from))
        .property("smtp.mailfrom", &address);
    match verdicts.spf_helo.outcome {
        Outcome::None => results,
        outcome => results
            .method("spf", outcome.as_str())
            .reason(problem(&verdicts.spf_helo))
            .property("smtp.helo", asked.helo),
    }
}

/// What is wrong; which mechanism decided stands in Received-SPF.
fn problem(checked: &spf::Checked) -> &str {
    match checked.outcome {
        Outcome::TempError | Outcome::PermError => &checked.reason,
        _ => "",
    }
}

fn dkim_result<'a>(results: Results<'a>, signature: &dkim::Checked) -> Results<'a> {
    results
        .method("dkim", signature.outcome.as_str())
        .reason(&signature.reason)
        .property("header.d", &signature.domain)
        .property("header.i", &signature.identity)
        .property("header.s", &signature.selector)
        .property("header.a", &signature.algorithm)
        .property("header.b", &signature.b_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::authentic::{Traits, arc, dmarc, iprev};
    use crate::wire::address::{Address, Domain};
    use crate::wire::header::authentication_results::read;

    fn verdicts() -> Verdicts {
        Verdicts {
            iprev: iprev::Checked {
                outcome: Outcome::Pass,
                name: None,
            },
            spf_helo: spf::Checked::none("mail.example.org"),
            spf_mail_from: spf::Checked {
                outcome: Outcome::Pass,
                reason: "include:_spf.example.org".into(),
                ..spf::Checked::none("example.org")
            },
            dkim: vec![dkim::Checked {
                outcome: Outcome::Pass,
                domain: "example.org".into(),
                selector: "s1".into(),
                identity: "@example.org".into(),
                algorithm: "rsa-sha256".into(),
                b_start: "abc/ef+h".into(),
                reason: String::new(),
                testing: false,
            }],
            dkim_fields: 1,
            arc: arc::Checked {
                outcome: Outcome::None,
                sets: 0,
                sealer: None,
                reason: String::new(),
            },
            dmarc: dmarc::Checked {
                outcome: Outcome::Pass,
                policy: Some(dmarc::Policy::Reject),
                ..dmarc::Checked::none()
            },
            author: Some(Domain::parse("example.org").unwrap()),
            traits: Traits::default(),
        }
    }

    fn written(helo: &str, sender: Option<&str>, verdicts: &Verdicts) -> String {
        let sender = sender.map(|text| Address::parse(text).unwrap());
        let asked = Asked {
            client: "::ffff:192.0.2.1".parse().unwrap(),
            helo,
            sender: sender.as_ref(),
            hostname: "box.test",
            now_seconds: None,
        };
        let mut out = Vec::new();
        write(&mut out, &asked, verdicts);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written() {
        assert_eq!(
            written("mail.example.org", Some("anna@example.org"), &verdicts()),
            "Received-SPF: pass receiver=box.test; client-ip=192.0.2.1;\r\n \
             envelope-from=\"anna@example.org\"; helo=mail.example.org; identity=mailfrom;\r\n \
             mechanism=\"include:_spf.example.org\";\r\n\
             Authentication-Results: box.test;\r\n \
             iprev=pass policy.iprev=192.0.2.1;\r\n \
             spf=pass smtp.mailfrom=anna@example.org;\r\n \
             dkim=pass header.d=example.org header.i=@example.org header.s=s1\r\n \
             header.a=rsa-sha256 header.b=\"abc/ef+h\";\r\n \
             dmarc=pass header.from=example.org policy.dmarc=reject\r\n"
        );
    }

    #[test]
    fn the_null_path_is_the_greeting() {
        let text = written("mail.example.org", None, &verdicts());
        assert!(text.contains("envelope-from=\"postmaster@mail.example.org\";"));
        assert!(text.contains("spf=pass smtp.helo=mail.example.org"));
        assert_eq!(text.matches("Received-SPF").count(), 1);
    }

    #[test]
    fn nothing_that_a_peer_says_breaks_out() {
        let mut verdicts = verdicts();
        let evil = "x; dkim=pass (\r\nX-Evil: 1\r\n\r\n\0\u{e4}\"\\";
        let printable = "a\" (b; dmarc=pass header.from=box.test";
        let long = "y".repeat(999);
        for text in [evil, printable, &long] {
            verdicts.spf_mail_from.outcome = Outcome::PermError;
            verdicts.spf_mail_from.reason = text.into();
            verdicts.spf_helo.outcome = Outcome::Fail;
            verdicts.dkim = vec![dkim::Checked {
                outcome: Outcome::Fail,
                domain: text.into(),
                selector: text.into(),
                identity: text.into(),
                algorithm: text.into(),
                b_start: text.into(),
                reason: text.into(),
                testing: false,
            }];
            verdicts.dmarc.outcome = Outcome::Fail;
            verdicts.dmarc.reason = text.into();
            let out = written(text, Some("\"a; b\\\" (\"@example.org"), &verdicts);
            let names: Vec<String> = Fields::new(out.as_bytes())
                .map(|field| String::from_utf8_lossy(field.name).into_owned())
                .collect();
            assert_eq!(
                names,
                ["Received-SPF", "Received-SPF", "Authentication-Results"],
                "{out}"
            );
            assert!(out.lines().all(|line| line.len() <= 998), "too long");
            let results = Fields::new(out.as_bytes()).last().unwrap();
            let said = read(results.value).unwrap();
            let methods: Vec<&str> = said.findings.iter().map(|f| &*f.method).collect();
            assert_eq!(methods, ["iprev", "spf", "spf", "dkim", "dmarc"], "{out}");
        }
    }

    #[test]
    fn ours_is_found_among_forged() {
        let header = "Authentication-Results: box.test; a=b\r\n\
             authentication-results : BOX.TEST; a=b\r\n\
             Subject: x\r\n\
             Received-SPF: pass receiver=box.test\r\n\
             Authentication-Results: other.test; a=b\r\n\
             ARC-Authentication-Results: i=1; box.test; a=b\r\n\r\n\
             Authentication-Results: box.test; in the body\r\n";
        let mut cuts = Vec::new();
        forged(header.as_bytes(), &["box.test"], &mut cuts);
        let served: Vec<&str> = cuts
            .iter()
            .map(|cut| &header[cut.start as usize..cut.end as usize])
            .collect();
        assert_eq!(
            served,
            [
                "Authentication-Results: box.test; a=b\r\nauthentication-results : BOX.TEST; a=b\r\n",
                "Received-SPF: pass receiver=box.test\r\n"
            ]
        );
        let asked = written("h", None, &verdicts());
        let mut cuts = Vec::new();
        forged(asked.as_bytes(), &["box.test"], &mut cuts);
        assert_eq!(cuts.len(), 1);
        assert_eq!(cuts[0], 0..asked.len() as u32);
    }
}
