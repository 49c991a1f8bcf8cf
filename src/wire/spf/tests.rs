use super::macros::{Explanation, Room, Values};
use super::*;
use crate::limits::SPF_EXPLANATION_BYTES_MAX;

fn why(record: &str) -> Option<&'static str> {
    Record::parse(record.as_bytes())
        .err()
        .map(|error| error.why)
}

fn values<'a>() -> Values<'a> {
    Values {
        local: "strong-bad",
        origin: "email.example.com",
        domain: "email.example.com",
        client: "192.0.2.3".parse().unwrap(),
        validated: "mx.example.org",
        helo: "helo.test",
        receiver: "box.test",
        now_seconds: 7,
    }
}

fn expanded(spec: &str, values: &Values<'_>) -> Option<String> {
    let name = DomainSpec::parse(spec)
        .unwrap()
        .expand(values, &mut Room::default());
    name.map(|name| name.to_string())
}

#[test]
fn records_are_told_from_other_texts() {
    for (text, is) in [
        ("v=spf1", true),
        ("V=SPF1 -all", true),
        ("v=spf10", false),
        ("v=spf1\t-all", false),
        (" v=spf1", false),
        ("v=spf", false),
        ("", false),
    ] {
        assert_eq!(is_record(text.as_bytes()), is, "{text}");
    }
}

#[test]
fn terms_of_every_kind() {
    let text = "v=spf1  +A/24//64 -mx:%{d}/8 ~PTR ?ip4:192.0.2.0/24 ip6:2001:db8::/32 \
                include:a/b.test exists:%{i}._.test redirect=r.test. x-1=%% exp=e.test all ";
    let record = Record::parse(text.as_bytes()).unwrap();
    let shown: Vec<String> = record
        .directives()
        .map(|d| format!("{:?} {}", d.qualifier, d.text))
        .collect();
    assert_eq!(shown.len(), 8);
    assert_eq!(shown[0], "Pass +A/24//64");
    let mechanisms: Vec<Mechanism> = record.directives().map(|d| d.mechanism).collect();
    assert_eq!(
        mechanisms[0],
        Mechanism::A(None, Prefixes { v4: 24, v6: 64 })
    );
    assert!(matches!(
        mechanisms[1],
        Mechanism::Mx(Some(_), Prefixes { v4: 8, v6: 128 })
    ));
    assert!(record.redirect.is_some() && record.explanation.is_some());
}

#[test]
fn terms_that_are_none() {
    for term in [
        "all.",
        "all:a.test",
        "all/8",
        "include",
        "include:",
        "a:",
        "a/",
        "a//",
        "a/33",
        "a//129",
        "a/024",
        "a/24/64",
        "a:b.test/24/64",
        "a:b.test:25",
        "a:1.2.3.4",
        "a:test",
        "a:b.-c",
        "mx:b.test//x",
        "ptr/8",
        "exists",
        "exists:b.test/8",
        "ip4",
        "ip4:",
        "ip4:1.2.3",
        "ip4:01.2.3.4",
        "ip4:1.2.3.4/33",
        "ip4:1.2.3.4//8",
        "ip4:1.2.3.4/",
        "ip4:::1",
        "ip6:1.2.3.4",
        "ip6:::1/129",
        "ip6:::1%1",
        "1x=y",
        "=y",
        "+redirect=b.test",
        "redirect:b.test",
        "redirect=",
        "exp=",
        "exp=a",
        "x=%a",
        "x=%{",
        "x=%{}",
        "x=%{y}",
        "x=%{d0}",
        "x=%{d!}",
        "x=%{c}",
        "a:%{r}",
        "a:%",
        "a:b.test%",
        "--all",
        "moo",
        "-",
    ] {
        let record = format!("v=spf1 {term} -all");
        assert!(why(&record).is_some(), "{term}");
    }
    assert!(why("v=spf1 redirect=a.test redirect=a.test").is_some());
    assert!(why("v=spf1 a\u{e4}").is_some());
    assert!(why("v=spf1 a\tmx").is_some());
}

#[test]
fn record_bounds() {
    let record = |octets: usize| {
        let text = "v=spf1 -all";
        format!("{text}{}", " ".repeat(octets - text.len()))
    };
    for octets in [SPF_RECORD_BYTES_MAX - 1, SPF_RECORD_BYTES_MAX] {
        assert_eq!(why(&record(octets)), None);
    }
    assert_eq!(
        why(&record(SPF_RECORD_BYTES_MAX + 1)),
        Some("it is too long")
    );
}

/// RFC 7208 section 7.4.
#[test]
fn macros_of_the_rfc() {
    let v4 = values();
    for (spec, expected) in [
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l-}.x", "strong.bad.x"),
        ("%{lr}.x", "strong-bad.x"),
        ("%{lr-}.x", "bad.strong.x"),
        ("%{l1r-}.x", "strong.x"),
        (
            "%{ir}.%{v}._spf.%{d2}",
            "3.2.0.192.in-addr._spf.example.com",
        ),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        (
            "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
            "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
        ),
        (
            "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
            "3.2.0.192.in-addr.strong.lp._spf.example.com",
        ),
        (
            "%{d2}.trusted-domains.example.net",
            "example.com.trusted-domains.example.net",
        ),
        ("%{d99999999999999999999}", "email.example.com"),
        ("%{S}.x", "strong-bad%40email.example.com.x"),
    ] {
        assert_eq!(expanded(spec, &v4).as_deref(), Some(expected), "{spec}");
    }
    let v6 = Values {
        client: "2001:db8::cb01".parse().unwrap(),
        ..v4
    };
    assert_eq!(
        expanded("%{ir}.%{v}._spf.%{d2}", &v6).unwrap(),
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    );
}

#[test]
fn long_names_lose_labels_from_the_left() {
    // One label of `n` octets, a dot, and 4 times 49 octets with a dot: 250 with the rest.
    let spec = |n: usize| {
        format!(
            "{}.{}abc.de",
            "x".repeat(n),
            format!("{}.", "y".repeat(48)).repeat(4)
        )
    };
    let bytes = |n: usize| expanded(&spec(n), &values()).map(|name| name.len());
    assert_eq!(bytes(49), Some(252));
    assert_eq!(bytes(50), Some(253));
    assert_eq!(bytes(51), Some(202), "the first label went");
    assert!(expanded(&format!("{}.de", "%{s}".repeat(4000)), &values()).is_some());
    let label = "x".repeat(300);
    assert_eq!(
        expanded(&format!("{label}%{{d}}"), &values()),
        Some("example.com".into())
    );
    let long = Values {
        helo: &label,
        ..values()
    };
    assert_eq!(expanded("%{h}", &long), None);
}

#[test]
fn explanations_are_one_printable_line() {
    let dirty = Values {
        helo: "a\r\nX: y\u{e4}",
        ..values()
    };
    let expand = |text: &str| {
        Explanation::parse(text.as_bytes()).map(|e| e.expand(&dirty, &mut Room::default()))
    };
    assert_eq!(expand("%{h} %{c}%_%t").as_deref(), None);
    assert_eq!(
        expand("%{h} %{c}%_%{t}.").as_deref(),
        Some("a??X: y? 192.0.2.3 7.")
    );
    assert_eq!(expand("a\r\nb"), None);
    assert_eq!(expand("\u{e4}"), None);
    for octets in [SPF_EXPLANATION_BYTES_MAX - 1, SPF_EXPLANATION_BYTES_MAX] {
        assert_eq!(expand(&"x".repeat(octets)).unwrap().len(), octets);
    }
    assert_eq!(
        expand(&"%{s}".repeat(4000)).unwrap().len(),
        SPF_EXPLANATION_BYTES_MAX
    );
}
