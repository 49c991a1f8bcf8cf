use super::super::canned::{Canned, ready};
use super::*;
use crate::limits::{
    SPF_LOOKUPS_MAX, SPF_MX_NAMES_MAX, SPF_RECORD_BYTES_MAX, SPF_VOID_LOOKUPS_MAX,
};
use crate::wire::address::Address;
use crate::wire::dns::{Answer, Kind, Question, Record, TroubleKind};

fn txt(texts: &[&str]) -> Answer {
    let record = |text: &&str| Record::Txt(text.as_bytes().into());
    Answer::insecure(texts.iter().map(record).collect())
}

fn a(text: &str) -> Answer {
    Answer::insecure(vec![Record::A(text.parse().unwrap())])
}

fn asked<'a>(helo: &'a str, sender: Option<&'a Address>) -> Asked<'a> {
    Asked {
        client: "192.0.2.1".parse().unwrap(),
        helo,
        sender,
        hostname: "box.test",
        now_seconds: Some(7),
    }
}

/// Outcome and reason for `x@a.test`.
fn mail_from(dns: &Canned) -> (&'static str, String) {
    let sender = Address::parse("x@a.test").unwrap();
    let checked = ready(check_mail_from(dns, &asked("helo.test", Some(&sender))));
    (checked.outcome.as_str(), checked.reason)
}

fn with(record: &str) -> Canned {
    Canned::default().with("a.test", Kind::Txt, txt(&[record]))
}

#[test]
fn the_deciding_term_is_named() {
    for (record, outcome, reason) in [
        ("v=spf1 IP4:192.0.2.0/24 -all", "pass", "IP4:192.0.2.0/24"),
        ("v=spf1 ip4:192.0.3.0/24 ~all", "softfail", "~all"),
        ("v=spf1", "neutral", "default"),
        (
            "v=spf1 -all bad",
            "permerror",
            "the SPF record of a.test is broken at bad: there is no such mechanism",
        ),
        (
            "v=spf1 include:b.test -all",
            "permerror",
            "b.test has no SPF record",
        ),
    ] {
        assert_eq!(
            mail_from(&with(record)),
            (outcome, reason.into()),
            "{record}"
        );
    }
    let late = Answer::trouble(TroubleKind::Timeout, "l\u{e4}te\r\n");
    let dns = Canned::default().with("a.test", Kind::Txt, late);
    let why = "no answer to a.test Txt: l?te??";
    assert_eq!(mail_from(&dns), ("temperror", why.into()));
}

#[test]
fn the_null_path_is_postmaster_at_the_greeting() {
    let dns = Canned::default()
        .with(
            "helo.test",
            Kind::Txt,
            txt(&["v=spf1 exists:%{l}.b.test -all"]),
        )
        .with("postmaster.b.test", Kind::A, a("127.0.0.2"));
    let (helo, mail_from) = ready(check_both(&dns, &asked("HELO.test", None)));
    assert_eq!((helo.outcome, &helo), (Outcome::Pass, &mail_from));
    assert_eq!(dns.asked().len(), 2, "one identity is asked once");
    for helo in [
        "[192.0.2.1]",
        "[IPv6:::1]",
        "localhost",
        "a..test",
        "a b",
        "",
    ] {
        let none = ready(check_helo(&dns, &asked(helo, None)));
        assert_eq!(none, Checked::none(helo));
    }
    assert_eq!(dns.asked().len(), 2);
}

/// A greeting with a slow name server must not use up the time of what DMARC hangs on.
#[test]
fn the_reverse_path_is_asked_before_the_greeting() {
    let dns = Canned::default();
    let sender = Address::parse("x@a.test").unwrap();
    ready(check_both(&dns, &asked("helo.test", Some(&sender))));
    let names: Vec<String> = dns.asked().iter().map(|q| q.name.to_string()).collect();
    assert_eq!(names, ["a.test", "helo.test"]);
}

#[test]
fn names_in_unicode_are_asked_as_a_labels() {
    let dns = Canned::default().with("xn--bcher-kva.test", Kind::Txt, txt(&["v=spf1 +all"]));
    let sender = Address::parse("x@B\u{fc}cher.test").unwrap();
    let (helo, mail_from) = ready(check_both(&dns, &asked("b\u{fc}cher.test", Some(&sender))));
    assert_eq!(helo.outcome, Outcome::Pass);
    assert_eq!(helo.domain, "xn--bcher-kva.test");
    assert_eq!(mail_from.outcome, Outcome::Pass);
}

/// RFC 8616 section 4: what a local part beyond ASCII goes into matches nothing.
#[test]
fn local_parts_in_unicode_match_nothing() {
    let sender = Address::parse("j\u{f6}rg@a.test").unwrap();
    let dns = with("v=spf1 exists:%{l}.b.test -all exp=why.test").with(
        "why.test",
        Kind::Txt,
        txt(&["%{l} may not: %{L}"]),
    );
    let checked = ready(check_mail_from(&dns, &asked("helo.test", Some(&sender))));
    assert_eq!(checked.outcome, Outcome::Fail);
    let explanation = checked.explanation.as_deref();
    assert_eq!(explanation, Some("j?rg may not: j%C3%B6rg"));
    assert_eq!(dns.asked().len(), 2);
}

#[test]
fn lookups_are_bounded() {
    for (n, outcome) in [
        (SPF_LOOKUPS_MAX - 1, "fail"),
        (SPF_LOOKUPS_MAX, "fail"),
        (SPF_LOOKUPS_MAX + 1, "permerror"),
    ] {
        let terms = " a:b.test".repeat(n as usize);
        let dns = with(&format!("v=spf1{terms} -all")).with("b.test", Kind::A, a("192.0.2.9"));
        assert_eq!(mail_from(&dns).0, outcome, "{n}");
        assert!(dns.asked().len() <= 1 + SPF_LOOKUPS_MAX as usize);
    }
}

#[test]
fn void_lookups_are_bounded() {
    for (n, outcome) in [
        (SPF_VOID_LOOKUPS_MAX - 1, "fail"),
        (SPF_VOID_LOOKUPS_MAX, "fail"),
        (SPF_VOID_LOOKUPS_MAX + 1, "permerror"),
    ] {
        for term in [" a:b.test", " mx:b.test", " exists:b.test", " ptr"] {
            let terms = term.repeat(n as usize);
            assert_eq!(
                mail_from(&with(&format!("v=spf1{terms} -all"))).0,
                outcome,
                "{n}{term}"
            );
        }
    }
}

/// Ten mail exchangers without an address of the client's family are one void term, not ten.
#[test]
fn a_term_is_void_once() {
    let name = |n: usize| format!("m{n}.b.test");
    let mx = |n: usize| Record::Mx {
        preference: 10,
        exchange: Name::parse(&name(n)),
    };
    let mut dns = with("v=spf1 mx:b.test mx:b.test -all").with(
        "b.test",
        Kind::Mx,
        Answer::insecure((0..10).map(mx).collect()),
    );
    for n in 0..10 {
        let v6 = Record::Aaaa("2001:db8::1".parse().unwrap());
        dns = dns.with(&name(n), Kind::Aaaa, Answer::insecure(vec![v6]));
    }
    assert_eq!(mail_from(&dns).0, "fail");
}

#[test]
fn mail_exchangers_are_bounded() {
    for (n, outcome) in [
        (SPF_MX_NAMES_MAX - 1, "fail"),
        (SPF_MX_NAMES_MAX, "fail"),
        (SPF_MX_NAMES_MAX + 1, "permerror"),
    ] {
        let mx = Record::Mx {
            preference: 10,
            exchange: Name::parse("mx.test"),
        };
        let dns = with("v=spf1 mx -all")
            .with("a.test", Kind::Mx, Answer::insecure(vec![mx; n]))
            .with("mx.test", Kind::A, a("192.0.2.9"));
        assert_eq!(mail_from(&dns).0, outcome, "{n}");
    }
}

/// Records that wait for those that they include are held, and only so many octets of them.
#[test]
fn records_within_records_are_bounded() {
    let padded = |text: &str, octets: usize| format!("{text}{}", " ".repeat(octets - text.len()));
    let outcome = |octets: usize| {
        let half = SPF_RECORD_BYTES_MAX / 2;
        let outer = padded("v=spf1 include:b.test include:b.test -all", half);
        let inner = padded("v=spf1 redirect=c.test", octets - half);
        let last = padded("v=spf1 ?all", octets - half);
        let dns = with(&outer).with("b.test", Kind::Txt, txt(&[&inner])).with(
            "c.test",
            Kind::Txt,
            txt(&[&last]),
        );
        mail_from(&dns).0
    };
    assert_eq!(outcome(SPF_RECORD_BYTES_MAX - 1), "fail");
    assert_eq!(outcome(SPF_RECORD_BYTES_MAX), "fail");
    assert_eq!(outcome(SPF_RECORD_BYTES_MAX + 1), "permerror");
}

#[test]
fn loops_end() {
    for record in [
        "v=spf1 include:a.test -all",
        "v=spf1 redirect=a.test",
        "v=spf1 include:%{d} include:%{d} -all",
        "v=spf1 ?include:b.test redirect=b.test",
    ] {
        let dns = with(record).with("b.test", Kind::Txt, txt(&[record]));
        assert_eq!(mail_from(&dns).0, "permerror", "{record}");
        assert!(dns.asked().len() <= 1 + SPF_LOOKUPS_MAX as usize);
    }
}

/// The client's names are asked for once, whatever asks for them.
#[test]
fn names_of_the_client_are_asked_once() {
    let names: Vec<Record> = (0..20)
        .map(|n| Record::Ptr(Name::parse(&format!("n{n}.x.test")).unwrap()))
        .collect();
    let dns = with("v=spf1 ptr exists:%{p}.b.test ptr:x.test -exists:%{pr}.c.test exp=%{p}.d.test")
        .with("1.2.0.192.in-addr.arpa", Kind::Ptr, Answer::insecure(names))
        .with("unknown.c.test", Kind::A, a("127.0.0.2"))
        .with(
            "unknown.d.test",
            Kind::Txt,
            txt(&["%{p} is at %{t} no name of %{c}, says %{r}"]),
        );
    let sender = Address::parse("x@a.test").unwrap();
    let checked = ready(check_mail_from(&dns, &asked("helo.test", Some(&sender))));
    assert_eq!(checked.outcome, Outcome::Fail);
    assert_eq!(
        checked.explanation.as_deref(),
        Some("unknown is at 7 no name of 192.0.2.1, says box.test")
    );
    let mut questions = dns.asked();
    let all = questions.len();
    questions.dedup();
    assert_eq!(questions.len(), all);
    assert_eq!(all, 1 + 1 + 10 + 2 + 1);
}

/// Sessions are tasks that move between polls.
#[test]
fn futures_may_be_sent() {
    struct Nothing;
    impl Dns for Nothing {
        async fn ask(&self, _: Question) -> Answer {
            Answer::no_such_name()
        }
    }
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let (helo, _) = ready(sent(check_both(&Nothing, &asked("helo.test", None))));
    assert_eq!(helo.outcome, Outcome::None);
}
