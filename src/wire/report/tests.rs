//! Reports as they occur, and as whoever wants to hurt would write them.

mod packed;

use super::aggregate::{Aggregate, Disposition, Published, Reason, Row, Sender, Signature};
use super::*;
use crate::limits::*;
use crate::wire::address::{Address, Domain};
use crate::wire::mime::{Scanner, field};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn read_chunked(octets: &[u8], chunk_bytes: usize) -> Result<Report, Fault> {
    let mut reading = Reading::of_file();
    for chunk in octets.chunks(chunk_bytes.max(1)) {
        reading.feed(chunk)?;
    }
    reading.finish()
}

/// However it is cut, it is the same.
fn read(octets: &[u8]) -> Result<Report, Fault> {
    let whole = read_chunked(octets, usize::MAX);
    if octets.len() < 100_000 {
        for chunk_bytes in [1, 7, 4096] {
            let cut = read_chunked(octets, chunk_bytes);
            // Errors name what was seen first, which may differ.
            assert_eq!(whole.is_ok(), cut.is_ok(), "{whole:?} {cut:?}");
            if whole.is_ok() {
                assert_eq!(whole, cut);
            }
        }
    }
    whole
}

fn aggregate(octets: &[u8]) -> Aggregate {
    match read(octets) {
        Ok(Report::Aggregate(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn fault(octets: &[u8]) -> String {
    match read(octets) {
        Err(fault) => fault.to_string(),
        Ok(report) => panic!("{report:?}"),
    }
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(octets).unwrap();
    packed.finish().unwrap()
}

/// As old receivers write it: no namespace, no version, empty reasons, extra elements, capital letters.
const OLD: &str = r#"<?xml version="1.0" encoding="windows-1252"?>
<!-- made by hand --><feedback xmlns:x='http://dmarc.example/"odd"'>
 <report_metadata><org_name>Caf&#xE9; &amp; Co</org_name><email>dmarc@receiver.test</email>
  <extra_contact_info>https://receiver.test/?a=1&b=2</extra_contact_info>
  <report_id>r-1</report_id><date_range><begin>1795132800</begin><end>1795219199</end></date_range></report_metadata>
 <policy_published><domain>Example.ORG</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
 <record><row><source_ip>192.0.2.7</source_ip><count>12</count>
   <policy_evaluated><disposition>none</disposition><dkim>FAIL</dkim><spf>fail</spf><reason><type></type><comment/></reason></policy_evaluated></row>
  <identifiers><header_from>example.org</header_from></identifiers>
  <auth_results><dkim><domain>other.test</domain><result>Pass</result><human_result/></dkim>
   <spf><domain>bounce.test</domain><result>pass</result></spf></auth_results></record>
 <record><row><source_ip>::ffff:198.51.100.1</source_ip><count>3</count>
   <policy_evaluated><disposition>none</disposition><dkim>Pass</dkim><spf>fail</spf></policy_evaluated></row>
  <identifiers><envelope_from/><header_from>example.org</header_from></identifiers><auth_results/>
  <x:more><dkim><domain>nobody.test</domain></dkim></x:more></record>
</feedback>
trailing rubbish < &"#;

#[test]
fn an_old_report_is_read() {
    let report = aggregate(OLD.as_bytes());
    assert_eq!(report.organization, "Café & Co");
    assert_eq!(report.more_contact, "https://receiver.test/?a=1&b=2");
    assert_eq!((report.begin, report.end), (1_795_132_800, 1_795_219_199));
    assert_eq!(report.published.domain, "example.org");
    assert_eq!((report.passed, report.failed), (3, 12));
    let [first, second] = report.rows.as_slice() else {
        panic!("{:?}", report.rows)
    };
    assert_eq!(first.source.to_string(), "192.0.2.7");
    assert!(first.reasons.is_empty() && !first.passed());
    assert_eq!(first.signatures[0].result, "pass");
    assert_eq!(first.sender.as_ref().unwrap().domain, "bounce.test");
    assert_eq!(second.source.to_string(), "198.51.100.1");
    assert_eq!(second.envelope_from.as_deref(), Some(""));
    assert!(second.signatures.is_empty(), "an extension is not ours");
    let in_schema = OLD.replace("<feedback ", "<xs:schema targetNamespace=\"x\"><feedback ");
    assert_eq!(aggregate(in_schema.as_bytes()), report);
}

#[test]
fn marks_and_charsets() {
    let marked = [b"\xef\xbb\xbf\r\n".as_slice(), OLD.as_bytes()].concat();
    assert_eq!(aggregate(&marked).rows.len(), 2);
    let latin = OLD.replace("Caf&#xE9;", "Caf\u{fe}");
    let latin: Vec<u8> = latin.chars().map(|c| c as u8).collect();
    assert_eq!(aggregate(&latin).organization, "Cafþ & Co");
    let wide: Vec<u8> = OLD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(fault(&[b"\xff\xfe".as_slice(), &wide].concat()).contains("UTF-16"));
    assert!(fault(&wide).contains("damaged"));
    assert!(fault(b"").contains("empty"));
    assert!(fault(b"\xef\xbb\xbf \n").contains("empty"));
    assert!(fault(b"Hello").contains("neither XML nor JSON"));
}

fn ours() -> Aggregate {
    let mut report = Aggregate {
        organization: "A & B <box>".into(),
        contact: "postmaster@box.test".into(),
        report_id: "1795132800.example.org@box.test".into(),
        begin: 1_795_132_800,
        end: 1_795_219_199,
        error: "3 rows are not here".into(),
        published: Published {
            domain: "example.org".into(),
            p: "reject".into(),
            sp: "none".into(),
            np: "reject".into(),
            adkim: "r".into(),
            aspf: "s".into(),
            fo: "1".into(),
            testing: "n".into(),
            discovery: "treewalk".into(),
        },
        ..Aggregate::default()
    };
    report.add(Row {
        source: "2001:db8::1".parse().unwrap(),
        count: 7,
        disposition: Disposition::Quarantine,
        dkim: false,
        spf: false,
        reasons: vec![Reason {
            kind: "local_policy".into(),
            comment: "quarantined, not rejected: \"]]>\"".into(),
        }],
        header_from: "news.example.org".into(),
        envelope_from: Some(String::new()),
        signatures: vec![Signature {
            domain: "example.org".into(),
            selector: "s1".into(),
            result: "fail".into(),
            comment: "body hash".into(),
        }],
        sender: Some(Sender {
            domain: "bounce.test".into(),
            scope: "mfrom".into(),
            result: "softfail".into(),
            comment: String::new(),
        }),
    });
    report
}

#[test]
fn ours_is_read_again() {
    let report = ours();
    assert_eq!(aggregate(&report.write()), report);
    let mut xml = Vec::new();
    report.write_xml(&mut xml).unwrap();
    assert_eq!(aggregate(&xml), report);
    // What mail-auth makes of it, which reads with another XML parser.
    let theirs = mail_auth::report::Report::parse_xml(&xml).expect("another reader understands it");
    assert_eq!(theirs.records().len(), 1);
    assert_eq!(theirs.domain(), "example.org");
}

#[test]
fn a_letter_carries_it() {
    let (report, from) = (ours(), Address::parse("noreply-dmarc@box.test").unwrap());
    let to = [
        Address::parse("rua@example.org").unwrap(),
        Address::parse("agg@reports.test").unwrap(),
    ];
    let (submitter, packed) = (Domain::parse("box.test").unwrap(), report.write());
    let letter = letter::Letter {
        from: &from,
        to: &to,
        about: "example.org",
        submitter: &submitter,
        report_id: &report.report_id,
        begin: report.begin,
        end: report.end,
        now_seconds: 1_795_222_800,
        text: "What mail in your name did here.\n.\n",
        packed: &packed,
    };
    let message = letter.write();
    let text = String::from_utf8(message.clone()).unwrap();
    assert!(text.contains("Subject: Report Domain: example.org Submitter: box.test Report-ID:\r\n <1795132800.example.org@box.test>\r\n"), "{text}");
    assert!(text.contains("filename=\"box.test!example.org!1795132800!1795219199.xml.gz\""));
    assert!(text.lines().all(|line| line.len() <= 998));
    assert_eq!(of_mail(&message), Ok(Report::Aggregate(report)));
}

/// The report in a mail.
fn of_mail(message: &[u8]) -> Result<Report, Fault> {
    let header = field::block_bytes(message).unwrap();
    let mut scanner = Scanner::new(b"", &message[..header], &[]);
    scanner.body(&message[header..]);
    let found = attached(&scanner.finish().structure).ok_or(Fault::Other("no part"))?;
    let mut reading = Reading::of(&found);
    reading.feed(&message[found.octets.start as usize..found.octets.end as usize])?;
    reading.finish()
}

#[test]
fn the_form_of_a_mail_tells() {
    let xml = OLD.replace('\n', "\r\n");
    let name = "receiver.test!example.org!1795132800!1795219199.xml";
    for head in [
        "Content-Type: text/xml".to_string(),
        "Content-Type: application/xml; name=x.xml".into(),
        format!("Content-Type: application/octet-stream; name=\"{name}\""),
        format!("Content-Type: text/plain\r\nContent-Disposition: attachment; filename=\"{name}\""),
        format!(
            "Content-Type: application/zip\r\nContent-Disposition: attachment; filename=\"{name}\""
        ),
    ] {
        let mail = format!("From: a@b.test\r\nSubject: hello\r\n{head}\r\n\r\n{xml}");
        assert!(of_mail(mail.as_bytes()).is_ok(), "{head}");
    }
    for head in [
        "Content-Type: text/plain; name=report.xml",
        "Content-Type: application/zip; name=letter.docx",
        "Content-Type: text/html",
        "Subject: Report Domain: example.org Submitter: a.test Report-ID: <1>",
    ] {
        let mail = format!("From: a@b.test\r\n{head}\r\n\r\n{xml}");
        assert_eq!(
            of_mail(mail.as_bytes()),
            Err(Fault::Other("no part")),
            "{head}"
        );
    }
    let inside = format!("Content-Type: message/rfc822\r\n\r\nContent-Type: text/xml\r\n\r\n{xml}");
    assert_eq!(
        of_mail(inside.as_bytes()),
        Err(Fault::Other("no part")),
        "forwarded"
    );
}

const TLS: &str = r#"{"organization-name":"Sender Inc.","date-range":{"start-datetime":"2026-11-20T00:00:00Z",
"end-datetime":"2026-11-20T23:59:59.5+01:00"},"contact-info":"tls@sender.test","report-id":"5065427c-23d3",
"policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1","mode: testing"],"policy-domain":"Example.org",
"mx-host":["*.mail.example.org"]},"summary":{"total-successful-session-count":5326,"total-failure-session-count":"303"},
"failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"2001:db8::1","receiving-mx-hostname":"mx1.example.org",
"failed-session-count":100,"new":{"deep":[1,[2]]}},{"result-type":"starttls-not-supported","failed-session-count":203,"receiving-ip":null}]}]}"#;

#[test]
fn tls_reports() {
    for octets in [TLS.as_bytes().to_vec(), gzip(TLS.as_bytes())] {
        let Ok(Report::Tls(report)) = read(&octets) else {
            panic!()
        };
        assert_eq!(report.sessions(), (5326, 303));
        assert_eq!(report.policies[0].policy.domain, "example.org");
        assert_eq!(report.policies[0].failures[1].sessions, 203);
        assert_eq!(report.period(), Some((1_795_132_800, 1_795_215_599)));
    }
    let failure = r#"{"result-type":"x","failed-session-count":1}"#;
    let many = vec![failure; REPORT_TLS_FAILURES_MAX + 1].join(",");
    let text = format!(
        r#"{{"policies":[{{"policy":{{"policy-domain":"a.test"}},"failure-details":[{many}]}}]}}"#
    );
    let Ok(Report::Tls(report)) = read(text.as_bytes()) else {
        panic!()
    };
    assert_eq!(report.policies[0].failures.len(), REPORT_TLS_FAILURES_MAX);
    assert!(fault(b"{}").contains("no policies"));
    assert!(fault(b"{\"policies\":7}").contains("JSON"));
    assert!(fault(&[b"{\"a\":".as_slice(), &vec![b'['; 1000]].concat()).contains("JSON"));
    for (bytes, fits) in [
        (REPORT_JSON_BYTES_MAX, true),
        (REPORT_JSON_BYTES_MAX + 1, false),
    ] {
        let mut padded = TLS.as_bytes().to_vec();
        padded.resize(bytes, b' ');
        assert_eq!(read_chunked(&padded, 4096).is_ok(), fits);
    }
}

const FEEDBACK: &str = "Feedback-Type: auth-failure\r\nUser-Agent: Lua/1.0\r\nVersion: 1\r\nSource-IP: mail.test [192.0.2.7]\r\n\
Original-Mail-From:\r\nReported-Domain: Example.ORG\r\nAuth-Failure: DMARC\r\nIncidents: 3\r\nDelivery-Result: reject\r\n\
Identity-Alignment: dkim,\r\n spf\r\nArrival-Date: Tue, 30 Apr 2019 02:09:00 +0000\r\n";

#[test]
fn failure_reports() {
    let mail = |fields: &str| {
        format!(
            "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nA text.\r\n--b\r\n\
             Content-Type: message/feedback-report\r\n\r\n{fields}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x\r\n\r\nhi\r\n--b--\r\n"
        )
    };
    let Ok(Report::Failure(failure)) = of_mail(mail(FEEDBACK).as_bytes()) else {
        panic!()
    };
    assert_eq!(
        (failure.domain.as_str(), failure.failed.as_str()),
        ("example.org", "dmarc")
    );
    assert_eq!(failure.source, Some("192.0.2.7".parse().unwrap()));
    assert_eq!(
        (failure.incidents, failure.aligned.as_str()),
        (3, "dkim, spf")
    );
    let abuse = FEEDBACK.replace("auth-failure", "abuse");
    assert!(matches!(
        of_mail(mail(&abuse).as_bytes()),
        Err(Fault::Other(_))
    ));
    let long = |bytes: usize| format!("{FEEDBACK}X: {}", "x".repeat(bytes - FEEDBACK.len() - 3));
    // The line end before the delimiter belongs to it.
    assert!(of_mail(mail(&long(REPORT_FEEDBACK_BYTES_MAX)).as_bytes()).is_ok());
    assert!(of_mail(mail(&long(REPORT_FEEDBACK_BYTES_MAX + 1)).as_bytes()).is_err());
}

#[test]
fn xml_that_hurts() {
    let laughs = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><feedback>&lol2;</feedback>"#;
    assert!(fault(laughs.as_bytes()).contains("document type"));
    let external = r#"<!DOCTYPE feedback SYSTEM "file:///etc/passwd"><feedback/>"#;
    assert!(fault(external.as_bytes()).contains("document type"));
    let nested = |depth: usize| {
        let (open, close) = ("<a>".repeat(depth - 1), "</a>".repeat(depth - 1));
        OLD.replace(
            "<policy_published>",
            &format!("{open}{close}<policy_published>"),
        )
    };
    // Below feedback and report's element.
    assert!(read(nested(REPORT_DEPTH_MAX).as_bytes()).is_ok());
    assert!(fault(nested(REPORT_DEPTH_MAX + 1).as_bytes()).contains("nested deeper"));
    // 8 MB of attribute, of comment, of text, of name: nothing is held of it.
    let long = "x".repeat(8 << 20);
    for odd in [
        format!("<feedback a=\"{long}\">"),
        format!("<!--{long}--><feedback>"),
        format!("<feedback><y>{long}</y>"),
        format!("<feedback><{long}/>"),
    ] {
        let octets = OLD.replace("<feedback xmlns:x='http://dmarc.example/\"odd\"'>", &odd);
        assert!(read_chunked(octets.as_bytes(), 1 << 16).is_ok());
    }
    for wrong in [
        "<feedback></feedbac>",
        "<feedback",
        "<feedback><</feedback>",
        "</feedback>",
        "<html></html>",
        "<feedback><a></b></feedback>",
        "<feedback/>",
        "<feedback>\0</feedback>",
    ] {
        assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
    }
    for cut in 1..OLD.find("</feedback>").unwrap() + 10 {
        assert!(read_chunked(&OLD.as_bytes()[..cut], 999).is_err(), "{cut}");
    }
}

#[test]
fn values_that_are_none() {
    for (from, to) in [
        ("192.0.2.7", "192.0.2.777"),
        (">12<", ">-12<"),
        (">12<", "><"),
        ("1795132800", "soon"),
        ("1795219199", "1"),
        ("Example.ORG", "exa mple"),
        ("<source_ip>192.0.2.7</source_ip>", ""),
    ] {
        let wrong = OLD.replace(from, to);
        assert_ne!(wrong, OLD);
        assert!(fault(wrong.as_bytes()).contains("damaged"), "{to}");
    }
}

#[test]
fn texts_and_rows_have_bounds() {
    let named = |bytes: usize| {
        aggregate(
            OLD.replace("Caf&#xE9; &amp; Co", &"é".repeat(bytes / 2))
                .as_bytes(),
        )
        .organization
    };
    assert_eq!(named(REPORT_TEXT_BYTES_MAX).len(), REPORT_TEXT_BYTES_MAX);
    assert_eq!(
        named(REPORT_TEXT_BYTES_MAX + 2).len(),
        REPORT_TEXT_BYTES_MAX
    );
    let mut report = ours();
    let row = |count, dkim| Row {
        count,
        dkim,
        ..ours().rows[0].clone()
    };
    (1..REPORT_ROWS_MAX as u64).for_each(|n| report.add(row(n, true)));
    assert_eq!((report.rows.len(), report.left_out), (REPORT_ROWS_MAX, 0));
    // A failure goes before what passed, and many before few.
    report.add(row(1, false));
    report.add(row(1_000, true));
    report.add(row(1, true));
    assert_eq!((report.rows.len(), report.left_out), (REPORT_ROWS_MAX, 3));
    assert_eq!(report.rows.iter().filter(|row| !row.passed()).count(), 2);
    assert!(report.rows.iter().any(|row| row.count == 1_000));
    let sum: u64 = (1..REPORT_ROWS_MAX as u64).sum();
    assert_eq!((report.passed, report.failed), (sum + 1_001, 8));
}

proptest! {
    #[test]
    fn text_comes_back(text in "[ -~é\u{80}-\u{9f}]{0,60}") {
        let mut report = ours();
        report.organization = text;
        let back = aggregate(&report.write()).organization;
        let clean: String = report.organization.chars().filter(|c| !c.is_control()).collect();
        prop_assert_eq!(back, clean.trim());
    }
}
