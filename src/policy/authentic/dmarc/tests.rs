use super::*;
use crate::policy::authentic::canned::Canned;
use crate::wire::dns::{Answer, Kind, Record};

fn txt(text: &str) -> Answer {
    Answer::insecure(vec![Record::Txt(text.as_bytes().into())])
}

fn zone(records: &[(&str, &str)]) -> Canned {
    records.iter().fold(Canned::default(), |dns, (name, text)| {
        dns.with(&format!("_dmarc.{name}"), Kind::Txt, txt(text))
    })
}

fn spf(outcome: Outcome, domain: &str) -> spf::Checked {
    spf::Checked {
        outcome,
        ..spf::Checked::none(domain)
    }
}

fn signed(outcome: Outcome, domain: &str) -> dkim::Checked {
    dkim::Checked {
        outcome,
        domain: domain.into(),
        selector: "s".into(),
        identity: format!("@{domain}"),
        algorithm: "rsa-sha256".into(),
        b_start: "AAAAAAAA".into(),
        reason: String::new(),
        testing: false,
    }
}

fn asked(dns: &Canned, author: &str, spf: &spf::Checked, dkim: &[dkim::Checked]) -> Checked {
    let domains: Vec<Domain> = author
        .split(' ')
        .map(|domain| Domain::parse(domain).unwrap())
        .collect();
    let authors = Authors {
        more: domains.len() > DMARC_AUTHOR_DOMAINS_MAX,
        only: None,
        domains,
    };
    futures(check(dns, &authors, spf, dkim))
}

/// Canned answers are there at once.
fn futures<T>(future: impl Future<Output = T>) -> T {
    let waker = std::task::Waker::noop();
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(waker))
    {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a canned answer is ready"),
    }
}

fn none() -> spf::Checked {
    spf(Outcome::None, "")
}

/// Outcome, policy and whose record.
fn said(checked: &Checked) -> (&str, &str, &str) {
    (
        checked.outcome.as_str(),
        checked.policy.map_or("", Policy::as_str),
        checked.record_domain.as_deref().unwrap_or(""),
    )
}

fn questions(dns: &Canned) -> Vec<String> {
    dns.asked().iter().map(|q| q.name.to_string()).collect()
}

#[test]
fn alignment_by_mode() {
    let pass = Outcome::Pass;
    for (tags, spf_domain, d, spf_aligned, dkim_aligned) in [
        ("", "example.com", "example.com", true, true),
        ("", "a.example.com", "B.Example.COM", true, true),
        ("; aspf=s", "a.example.com", "a.example.com", false, true),
        ("; adkim=s", "a.example.com", "a.example.com", true, false),
        ("", "example.net", "notexample.com", false, false),
        (
            "; aspf=s; adkim=s",
            "example.com",
            "example.com",
            true,
            true,
        ),
    ] {
        let dns = zone(&[("example.com", &format!("v=DMARC1; p=reject{tags}"))]);
        let checked = asked(
            &dns,
            "example.com",
            &spf(pass, spf_domain),
            &[signed(pass, d)],
        );
        assert_eq!(
            (checked.spf_aligned, checked.dkim_aligned),
            (spf_aligned, dkim_aligned),
            "{tags} {spf_domain} {d}"
        );
        let outcome = match spf_aligned || dkim_aligned {
            true => Outcome::Pass,
            false => Outcome::Fail,
        };
        assert_eq!(checked.outcome, outcome);
    }
}

#[test]
fn what_did_not_pass_does_not_count() {
    let dns = zone(&[("example.com", "v=DMARC1; p=reject")]);
    for outcome in [
        Outcome::None,
        Outcome::Fail,
        Outcome::SoftFail,
        Outcome::Neutral,
        Outcome::Policy,
        Outcome::PermError,
    ] {
        let checked = asked(
            &dns,
            "example.com",
            &spf(outcome, "example.com"),
            &[signed(outcome, "example.com")],
        );
        assert_eq!(said(&checked), ("fail", "reject", "example.com"));
        assert_eq!(checked.envelope_aligned, outcome == Outcome::Fail);
    }
}

#[test]
fn nothing_is_asked_that_cannot_matter() {
    let record = [("example.com", "v=DMARC1; p=reject; np=none")];
    let pass = Outcome::Pass;
    let dns = zone(&record);
    asked(&dns, "example.com", &spf(pass, "example.com"), &[]);
    assert_eq!(questions(&dns), ["_dmarc.example.com"]);
    let dns = zone(&record);
    asked(&dns, "example.com", &spf(pass, "example.net"), &[]);
    assert_eq!(questions(&dns), ["_dmarc.example.com"]);
    let dns = zone(&record);
    asked(&dns, "a.example.com", &none(), &[]);
    assert_eq!(
        questions(&dns),
        [
            "_dmarc.a.example.com",
            "_dmarc.example.com",
            "_dmarc.com",
            "a.example.com",
            "a.example.com"
        ]
    );
}

#[test]
fn the_deep_example_asks_nine_names() {
    let dns = zone(&[
        ("example.com", "v=DMARC1; p=reject"),
        ("signing.example.com", "v=DMARC1; p=reject"),
    ]);
    let checked = asked(
        &dns,
        "a.b.c.d.e.f.g.h.i.j.k.example.com",
        &spf(Outcome::Pass, "example.com"),
        &[signed(Outcome::Pass, "signing.example.com")],
    );
    assert_eq!(said(&checked), ("pass", "reject", "example.com"));
    assert!(checked.spf_aligned && checked.dkim_aligned);
    assert_eq!(questions(&dns).len(), 9);
}

#[test]
fn identifiers_are_bounded() {
    let dns = zone(&[("example.com", "v=DMARC1; p=reject")]);
    let signatures = |count: usize| -> Vec<dkim::Checked> {
        (0..count)
            .map(|n| signed(Outcome::Pass, &format!("x.s{n}.example.net.com")))
            .collect()
    };
    let with_last = |count: usize, last: &str| {
        let mut all = signatures(count - 1);
        all.push(signed(Outcome::Pass, last));
        asked(&dns, "example.com", &none(), &all).outcome
    };
    let max = DMARC_IDENTIFIERS_MAX;
    assert_eq!(with_last(max - 1, "a.example.com"), Outcome::Pass);
    assert_eq!(with_last(max, "a.example.com"), Outcome::Pass);
    assert_eq!(with_last(max + 1, "a.example.com"), Outcome::Fail);
    assert_eq!(with_last(max + 1, "example.com"), Outcome::Pass);
}

#[test]
fn domains_of_from_are_bounded() {
    let dns = zone(&[]);
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("{n}.example")).collect();
        names.join(" ")
    };
    let max = DMARC_AUTHOR_DOMAINS_MAX;
    for (count, outcome) in [
        (max - 1, Outcome::None),
        (max, Outcome::None),
        (max + 1, Outcome::PermError),
    ] {
        assert_eq!(asked(&dns, &names(count), &none(), &[]).outcome, outcome);
    }
}

#[test]
fn the_sternest_of_several_authors() {
    let dns = zone(&[
        ("stern.example", "v=DMARC1; p=reject"),
        ("mild.example", "v=DMARC1; p=quarantine"),
    ]);
    let pass = [signed(Outcome::Pass, "mild.example")];
    let two = |authors, dkim| asked(&dns, authors, &none(), dkim);
    let checked = two("mild.example stern.example", &pass);
    assert_eq!(said(&checked), ("fail", "reject", "stern.example"));
    let checked = two("mild.example stern.example", &[]);
    assert_eq!(said(&checked), ("fail", "reject", "stern.example"));
    assert_eq!(said(&two("mild.example no.example", &pass)).0, "none");
    assert_eq!(said(&two("no.example mild.example", &[])).1, "quarantine");
}

#[test]
fn what_the_dns_did_not_say() {
    use crate::wire::dns::TroubleKind::{ServerFailure, Unreachable};
    let lame =
        |dns: Canned, name: &str| dns.with(name, Kind::Txt, Answer::trouble(ServerFailure, "lame"));
    let record = || zone(&[("example.com", "v=DMARC1; p=reject; np=none")]);
    let pass = |domain: &str| [signed(Outcome::Pass, domain)];
    // The author's own record: nothing is known, but the same domain is aligned whatever it says.
    let dns = lame(Canned::default(), "_dmarc.example.com");
    let checked = asked(&dns, "example.com", &none(), &pass("example.com"));
    assert_eq!(said(&checked), ("temperror", "", ""));
    assert!(checked.dkim_aligned && !checked.spf_aligned);
    let checked = asked(&dns, "example.com", &none(), &pass("other.com"));
    assert!(!checked.dkim_aligned);
    // The walk above it matters only for other domains.
    let dns = lame(record(), "_dmarc.com");
    let checked = asked(&dns, "example.com", &none(), &pass("example.com"));
    assert_eq!(said(&checked), ("pass", "reject", "example.com"));
    let checked = asked(&dns, "example.com", &none(), &pass("a.example.com"));
    assert_eq!(said(&checked), ("temperror", "reject", "example.com"));
    let checked = asked(&dns, "example.com", &none(), &pass("example.net"));
    assert_eq!(said(&checked), ("fail", "reject", "example.com"));
    // SPF and a key.
    let dns = record();
    let temp = [signed(Outcome::TempError, "example.com")];
    assert_eq!(
        said(&asked(&dns, "example.com", &none(), &temp)).0,
        "temperror"
    );
    let checked = asked(
        &dns,
        "example.com",
        &spf(Outcome::Pass, "example.com"),
        &temp,
    );
    assert_eq!(said(&checked).0, "pass");
    let temp = spf(Outcome::TempError, "example.net");
    assert_eq!(said(&asked(&dns, "example.com", &temp, &[])).0, "fail");
    // Whether the author exists.
    let lame_author = |zone: Canned| {
        let trouble = Answer::trouble(ServerFailure, "lame");
        zone.with("a.example.com", Kind::A, trouble)
    };
    let checked = asked(&lame_author(record()), "a.example.com", &none(), &[]);
    assert_eq!(said(&checked), ("temperror", "", "example.com"));
    let dns = lame_author(zone(&[("example.com", "v=DMARC1; p=reject")]));
    let checked = asked(&dns, "a.example.com", &none(), &[]);
    assert_eq!(said(&checked), ("fail", "reject", "example.com"));
    // No DNS at all is our trouble.
    let gone = Answer::trouble(Unreachable, "no network");
    let dns = Canned::default().with("_dmarc.example.com", Kind::Txt, gone);
    assert!(asked(&dns, "example.com", &none(), &[]).unreachable);
}
