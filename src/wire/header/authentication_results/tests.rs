use super::*;
use crate::limits::AUTHENTICATION_PROPERTIES_MAX;
use proptest::prelude::*;

fn written(write: impl FnOnce(Results<'_>) -> Results<'_>) -> String {
    let mut out = Vec::new();
    write(Results::new(&mut out, "box.test")).end();
    String::from_utf8(out).unwrap()
}

fn value(field: &str) -> &[u8] {
    field.split_once(':').unwrap().1.as_bytes()
}

#[test]
fn a_field() {
    let field = written(|results| {
        results
            .method("spf", "pass")
            .property("smtp.mailfrom", "anna@example.org")
            .method("dkim", "fail")
            .reason("body hash did not match")
            .property("header.d", "example.org")
            .property("header.b", "abc/+=12")
    });
    assert_eq!(
        field,
        "Authentication-Results: box.test;\r\n \
         spf=pass smtp.mailfrom=anna@example.org;\r\n \
         dkim=fail reason=\"body hash did not match\" header.d=example.org\r\n \
         header.b=\"abc/+=12\"\r\n"
    );
    let said = read(value(&field)).unwrap();
    assert_eq!((&*said.authserv_id, said.version), ("box.test", 1));
    assert_eq!(said.findings.len(), 2);
    assert_eq!(
        said.findings[1].reason.as_deref(),
        Some("body hash did not match")
    );
    assert_eq!(
        said.findings[1].properties[1],
        ("header.b".into(), "abc/+=12".into())
    );
    assert_eq!(
        written(|results| results),
        "Authentication-Results: box.test; none\r\n"
    );
}

#[test]
fn values_are_words_or_quoted_or_left_out() {
    let long = "a".repeat(AUTHENTICATION_VALUE_BYTES_MAX);
    for (value, expected) in [
        ("example.org", Some("example.org")),
        ("@example.org", Some("@example.org")),
        ("a.b+c@example.org", Some("a.b+c@example.org")),
        ("a..b@example.org", Some("\"a..b@example.org\"")),
        ("a@b@c", Some("\"a@b@c\"")),
        ("2001:db8::1", Some("\"2001:db8::1\"")),
        ("\"a b\"@c.de", Some("\"\\\"a b\\\"@c.de\"")),
        ("a; dkim=pass (x)", Some("\"a; dkim=pass (x)\"")),
        ("back\\slash", Some("\"back\\\\slash\"")),
        ("", None),
        ("a\r\nX: 1", None),
        ("a\0", None),
        ("a\tb", None),
        ("\u{e4}", None),
        (&long, Some(&*long)),
        (&format!("{long}a"), None),
        (
            &format!(" {}", &long[1..]),
            Some(&*format!("\" {}\"", &long[1..])),
        ),
    ] {
        assert_eq!(
            encode(value)
                .as_deref()
                .filter(|_| value.len() <= long.len()),
            expected,
            "{value:?}"
        );
    }
    assert_eq!(encode_word("a@b").as_deref(), Some("\"a@b\""));
    assert_eq!(encode_word("a-b").as_deref(), Some("a-b"));
    assert_eq!(encode_atom("a@b").as_deref(), Some("\"a@b\""));
    assert_eq!(encode_atom("a.b").as_deref(), Some("a.b"));
    assert_eq!(encode_atom("a..b").as_deref(), Some("\"a..b\""));
}

#[test]
fn what_rfc_8601_shows() {
    let said = |text: &str| read(text.as_bytes());
    assert_eq!(said(" example.org 1; none").unwrap().findings, []);
    let plain = said(
        " example.com;\r\n\tspf=pass smtp.mailfrom=example.net;\r\n\tauth=pass (cram-md5)\r\n smtp.auth=sender@example.net",
    )
    .unwrap();
    assert_eq!(plain.findings[1].properties[0].1, "sender@example.net");
    let ugly = said(
        " foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n \
         policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462",
    )
    .unwrap();
    assert_eq!(ugly.findings[0].method, "dkim");
    assert_eq!(
        ugly.findings[0].properties,
        [("policy.expired".into(), "1362471462".into())]
    );
    assert_eq!(said(" x 2; spf=pass").unwrap().version, 2);
    for bad in [
        "",
        ";",
        " (x",
        " x y",
        " x; spf",
        " x; spf=",
        " x; spf=pass a=b",
        " x 99999999999",
        " \"x",
    ] {
        assert_eq!(said(bad), None, "{bad}");
    }
}

#[test]
fn lists_are_bounded() {
    let results = |count: usize| {
        written(|mut results| {
            for _ in 0..count {
                results = results.method("spf", "none").property("smtp.helo", "a");
            }
            results
        })
    };
    let max = AUTHENTICATION_RESULTS_MAX;
    for (given, kept) in [(max - 1, max - 1), (max, max), (max + 1, max)] {
        let field = results(given);
        assert_eq!(read(value(&field)).unwrap().findings.len(), kept);
        assert_eq!(field.matches("smtp.helo").count(), kept);
        let foreign = format!(" x{}", ";a=b".repeat(given));
        assert_eq!(read(foreign.as_bytes()).unwrap().findings.len(), kept);
    }
    let max = AUTHENTICATION_PROPERTIES_MAX;
    for (given, kept) in [(max - 1, max - 1), (max, max), (max + 1, max)] {
        let field = format!(" x;a=b{}", " c.d=e".repeat(given));
        let said = read(field.as_bytes()).unwrap();
        assert_eq!(said.findings[0].properties.len(), kept);
    }
}

#[test]
fn claims_in_every_form() {
    let names = Names::new(&["Box.Test", "b\u{fc}cher.example", "mail.box.test"]);
    for (value, claimed) in [
        (" box.test; spf=pass", true),
        (" BOX.TEST", true),
        (" box.test.; none", true),
        ("\r\n box.test\r\n ; none", true),
        (" box.test 1; none", true),
        (" box.test (v) 1 (x); none", true),
        (" (a (nested) one) box.test; none", true),
        (" (a \\) one) box.test; none", true),
        (" \"box.test\"; none", true),
        (" \"b\\ox.test\"; none", true),
        (" \"box\r\n .test\"; none", true),
        (" mail.box.test; none", true),
        (" xn--bcher-kva.example; none", true),
        (" B\u{dc}CHER.example; none", true),
        (" bu\u{308}cher\u{3002}example; none", true),
        (" box(x).test; none", true),
        (" box . test; none", true),
        (" box.te\r\n st; none", true),
        (" box.test1; none", true),
        (" box%2etest; none", true),
        (" =?us-ascii?q?box=2Etest?=; none", true),
        (" =?utf-8?b?Ym94LnRlc3Q=?=; none", true),
        (" <box.test>; none", true),
        (" box.test/relay; none", true),
        (" box.test:25; none", true),
        (" box.test spf=pass", true),
        (" \"box.test; none", true),
        (" (x box.test; none", true),
        (" \0box.test; none", true),
        (" other.test; spf=pass smtp.mailfrom=a@box.test", false),
        (" other.test (for box.test); none", false),
        (" \"other.test;\" 1; a=b c.d=box.test", false),
        (" notbox.test; none", false),
        (" box.test.example; none", false),
        (" a.box.test; none", false),
        (" box-test; none", false),
        ("", false),
    ] {
        assert_eq!(
            claims_results(value.as_bytes(), &names),
            claimed,
            "{value:?}"
        );
    }
    assert!(
        claims_results(b" b\xfccher.example; none", &names),
        "Latin-1"
    );
}

#[test]
fn claims_of_spf() {
    let names = Names::new(&["box.test"]);
    for (value, claimed) in [
        (" pass receiver=box.test; client-ip=192.0.2.1", true),
        (" pass client-ip=192.0.2.1; RECEIVER = \"Box.Test\"", true),
        (
            " pass (box.test: domain of a@b.de designates 192.0.2.1) x=y",
            true,
        ),
        (" fail (x) receiver (y) = (z) box.test.", true),
        (" pass receiver=\"box.test", true),
        (" pass (box.test: unended", true),
        (
            " pass (mx.other: domain of a@box.test designates x) receiver=mx.other",
            false,
        ),
        (
            " pass (mx.other: x) envelope-from=\"a@box.test\"; helo=box.test;",
            false,
        ),
        (" none", false),
        ("", false),
    ] {
        assert_eq!(claims_spf(value.as_bytes(), &names), claimed, "{value:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec(any::<String>(), 0..5)) {
        let field = written(|results| {
            values.iter().fold(results.method("spf", "pass"), |results, value| {
                results.property("smtp.helo", value)
            })
        });
        let mut fields = crate::wire::header::Fields::new(field.as_bytes());
        prop_assert_eq!(fields.next().unwrap().range, 0..field.len());
        let said = read(value(&field)).unwrap();
        let expected: Vec<&String> = values.iter().filter(|value| encode(value).is_some()).collect();
        let found: Vec<&String> = said.findings[0].properties.iter().map(|(_, value)| value).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..99)) {
        let names = Names::new(&["box.test"]);
        let _ = read(&octets);
        claims_results(&octets, &names);
        claims_spf(&octets, &names);
    }
}
