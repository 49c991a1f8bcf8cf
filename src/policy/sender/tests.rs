use super::super::authentic::canned::{Canned, ready};
use super::super::authentic::{Traits, arc, dkim, dmarc};
use super::*;
use crate::wire::access::Marks;
use crate::wire::dns::{Answer, TroubleKind};

fn a(text: &str) -> Answer {
    Answer::insecure(vec![Record::A(text.parse().unwrap())])
}

fn mx(exchange: &str) -> Answer {
    Answer::insecure(vec![Record::Mx {
        preference: 0,
        exchange: Name::parse(exchange),
    }])
}

fn txt(text: &str) -> Answer {
    Answer::insecure(vec![Record::Txt(text.as_bytes().into())])
}

/// An internet where `mx.good.test` at 192.0.2.1 sends for `good.test`.
fn good() -> Canned {
    let ptr = Record::Ptr(Name::parse("mx.good.test").unwrap());
    Canned::default()
        .with(
            "1.2.0.192.in-addr.arpa",
            Kind::Ptr,
            Answer::insecure(vec![ptr]),
        )
        .with("mx.good.test", Kind::A, a("192.0.2.1"))
        .with("good.test", Kind::Mx, mx("mx.good.test"))
        .with("good.test", Kind::Txt, txt("v=spf1 mx -all"))
}

struct From<'a> {
    client: &'a str,
    helo: &'a str,
    sender: &'a str,
}

const GOOD: From<'_> = From {
    client: "192.0.2.1",
    helo: "mx.good.test",
    sender: "x@good.test",
};

fn decide(dns: &Canned, rules: &Rules, from: &From<'_>) -> Decision {
    let sender = Address::parse(from.sender).ok();
    let facts = Facts {
        asked: Asked {
            client: from.client.parse().unwrap(),
            helo: from.helo,
            sender: sender.as_ref(),
            hostname: "box.test",
            now_seconds: None,
        },
        own_address: Some("198.51.100.1".parse().unwrap()),
    };
    ready(check(dns, rules, &facts))
}

/// Names of the lines, the status of a refusal, or the entry that allows.
fn told(decision: &Decision) -> String {
    match decision {
        Decision::Refuse(refusal) => refusal.reply.status.to_string(),
        Decision::Take(Taken {
            allowed: Some(entry),
            ..
        }) => entry.clone(),
        Decision::Take(taken) => {
            let names: Vec<&str> = taken.lines.iter().map(|line| line.name).collect();
            names.join(" ")
        }
    }
}

fn marks(dns: &Canned, from: &From<'_>) -> String {
    let rules = Rules {
        reject: Marks::NONE,
        ..Rules::default()
    };
    told(&decide(dns, &rules, from))
}

#[test]
fn a_good_sender_has_no_mark() {
    let dns = good();
    assert_eq!(marks(&dns, &GOOD), "");
    assert_eq!(dns.asked().len(), 4, "PTR, A, A of the greeting, MX");
    assert_eq!(marks(&good(), &From { sender: "", ..GOOD }), "");
}

#[test]
fn domains_that_nobody_could_answer() {
    let sender = |sender: &str| {
        let dns = good()
            .with("null.test", Kind::Mx, mx(""))
            .with("alone.test", Kind::A, a("192.0.2.9"))
            .with("empty.test", Kind::Txt, txt("x"))
            .with("lame.test", Kind::Mx, Answer::no_such_name())
            .with("lame.test", Kind::A, a("192.0.2.9"))
            .with(
                "late.test",
                Kind::Mx,
                Answer::trouble(TroubleKind::Timeout, "late"),
            );
        let refused = decide(&dns, &Rules::default(), &From { sender, ..GOOD });
        (marks(&dns, &From { sender, ..GOOD }), told(&refused))
    };
    let line = |line: &str| (line.to_string(), line.to_string());
    assert_eq!(
        sender("x@gone.test"),
        ("SENDER_DOMAIN_MISSING".into(), "5.1.8".into())
    );
    assert_eq!(
        sender("x@null.test"),
        ("SENDER_NULL_MX".into(), "5.7.27".into())
    );
    assert_eq!(sender("x@empty.test"), line("SENDER_WITHOUT_ADDRESS"));
    assert_eq!(sender("x@alone.test"), line("SENDER_WITHOUT_MX"));
    assert_eq!(
        sender("x@lame.test"),
        line("SENDER_WITHOUT_MX"),
        "NXDOMAIN for a type"
    );
    assert_eq!(sender("x@[192.0.2.1]"), line("SENDER_LITERAL"));
    assert_eq!(sender("x@late.test"), line(""));
}

#[test]
fn greetings() {
    for (helo, expected) in [
        ("[192.0.2.1]", ""),
        ("[IPv6:::ffff:192.0.2.1]", ""),
        ("[192.0.2.2]", "HELO_WRONG_LITERAL"),
        ("[198.51.100.1]", "HELO_OURS"),
        ("BOX.test", "HELO_OURS"),
        ("192.0.2.1", "HELO_BARE_ADDRESS"),
        ("::1", "HELO_BARE_ADDRESS"),
        ("mx", "HELO_NO_DOT"),
        ("a_b!c.test", "HELO_NO_DOT"),
        ("mx.gone.test", "HELO_UNKNOWN"),
        ("good.test", "HELO_UNKNOWN"),
    ] {
        assert_eq!(marks(&good(), &From { helo, ..GOOD }), expected, "{helo}");
    }
    let here = From {
        client: "127.0.0.1",
        helo: "box.test",
        sender: "",
    };
    assert_eq!(
        marks(&good().with("box.test", Kind::A, a("127.0.0.1")), &here),
        "PTR_MISSING"
    );
}

#[test]
fn names_of_clients() {
    let client = |client| marks(&good(), &From { client, ..GOOD });
    assert_eq!(client("192.0.2.2"), "PTR_MISSING");
    assert_eq!(client("::ffff:192.0.2.1"), "");
    let liar = good().with("mx.good.test", Kind::A, a("192.0.2.9"));
    assert_eq!(marks(&liar, &GOOD), "PTR_UNCONFIRMED");
    let ptr = Record::Ptr(Name::parse("host-192-0-2-1.isp.test").unwrap());
    let many = good()
        .with(
            "1.2.0.192.in-addr.arpa",
            Kind::Ptr,
            Answer::insecure(vec![ptr]),
        )
        .with("host-192-0-2-1.isp.test", Kind::A, a("192.0.2.1"));
    assert_eq!(marks(&many, &GOOD), "PTR_GENERIC");
}

/// Each mark can be made a refusal, and then it is one.
#[test]
fn every_mark_can_refuse() {
    for mark in Mark::ALL {
        let refusal = refusal(mark, "why");
        assert!(refusal.reply.is_refusal() && refusal.reason.ends_with(": why"));
        assert!(score(mark).1 > 0 && score(mark).0.eq_ignore_ascii_case(mark.key()));
    }
    let rules = Rules {
        reject: Marks::NONE.with(Mark::HeloNoDot),
        ..Rules::default()
    };
    let told = told(&decide(&good(), &rules, &From { helo: "mx", ..GOOD }));
    assert_eq!(told, "5.7.1");
}

fn rules(allow: Lists, deny: Lists) -> Rules {
    Rules {
        allow,
        deny,
        reject: Marks::NONE,
    }
}

fn senders(entry: &str) -> Lists {
    Lists {
        senders: vec![entry.parse().unwrap()],
        ..Lists::default()
    }
}

fn hosts(entry: &str) -> Lists {
    Lists {
        hosts: vec![entry.parse().unwrap()],
        ..Lists::default()
    }
}

fn networks(entry: &str) -> Lists {
    Lists {
        networks: vec![entry.parse().unwrap()],
        ..Lists::default()
    }
}

#[test]
fn allow_comes_before_deny() {
    let decide = |allow, deny, from: &From<'_>| told(&decide(&good(), &rules(allow, deny), from));
    let both = decide(networks("192.0.2.0/24"), networks("192.0.2.1"), &GOOD);
    assert_eq!(both, "192.0.2.0/24 holds 192.0.2.1");
    assert_eq!(
        decide(Lists::default(), networks("192.0.2.0/24"), &GOOD),
        "5.7.1"
    );
    assert_eq!(
        decide(hosts("*.good.test"), networks("192.0.2.0/24"), &GOOD),
        "host mx.good.test"
    );
    assert_eq!(
        decide(senders("good.test"), networks("192.0.2.0/24"), &GOOD),
        "sender x@good.test"
    );
    for deny in [
        hosts("mx.good.test"),
        senders("*.test"),
        senders("X@good.test"),
    ] {
        assert_eq!(decide(Lists::default(), deny, &GOOD), "5.7.1");
    }
    let bot = From {
        helo: "ylmf-pc",
        ..GOOD
    };
    assert_eq!(decide(Lists::default(), hosts("ylmf-pc"), &bot), "5.7.1");
}

#[test]
fn what_anybody_can_claim_allows_nothing() {
    let elsewhere = From {
        client: "192.0.2.2",
        ..GOOD
    };
    let ptr = Record::Ptr(Name::parse("mx.good.test").unwrap());
    let liar = good().with(
        "2.2.0.192.in-addr.arpa",
        Kind::Ptr,
        Answer::insecure(vec![ptr]),
    );
    for allow in [senders("good.test"), hosts("mx.good.test")] {
        let told = told(&decide(
            &liar,
            &rules(allow, networks("192.0.2.2")),
            &elsewhere,
        ));
        assert_eq!(told, "5.7.1");
    }
}

#[test]
fn a_denied_network_costs_no_question() {
    let dns = good();
    decide(&dns, &rules(Lists::default(), networks("192.0.2.1")), &GOOD);
    assert!(dns.asked().is_empty());
}

fn verdicts(spf: Outcome, signer: Option<&str>, aligned: bool) -> Verdicts {
    let spf = spf::Checked {
        outcome: spf,
        ..spf::Checked::none("good.test")
    };
    let signature = |domain: &str| dkim::Checked {
        outcome: Outcome::Pass,
        domain: domain.into(),
        selector: String::new(),
        identity: String::new(),
        algorithm: String::new(),
        b_start: String::new(),
        reason: String::new(),
        testing: false,
    };
    Verdicts {
        iprev: iprev::Checked {
            outcome: Outcome::None,
            name: None,
        },
        spf_helo: spf.clone(),
        spf_mail_from: spf,
        dkim: signer.map(signature).into_iter().collect(),
        dkim_fields: 1,
        arc: arc::Checked {
            outcome: Outcome::None,
            sets: 0,
            sealer: None,
            reason: String::new(),
        },
        dmarc: dmarc::Checked {
            dkim_aligned: aligned,
            ..dmarc::Checked::none()
        },
        author: Domain::parse("good.test").ok(),
        traits: Traits::default(),
    }
}

#[test]
fn after_the_content_signatures_count() {
    let sender = Address::parse("x@sub.good.test").unwrap();
    let after = |allow, deny, verdicts: &Verdicts| match after_content(
        &rules(allow, deny),
        Some(&sender),
        verdicts,
    ) {
        AfterContent::Allowed(entry) => entry,
        AfterContent::Refuse(refusal) => refusal.reply.status.into(),
        AfterContent::Plain => String::new(),
    };
    let none = Lists::default;
    let entry = senders("x@sub.good.test");
    for (spf, signer, expected) in [
        (Outcome::Fail, None, ""),
        (Outcome::SoftFail, Some("other.test"), ""),
        (Outcome::Fail, Some("x.sub.good.test"), ""),
        (Outcome::Fail, Some("good.test"), "sender x@sub.good.test"),
        (Outcome::Pass, None, "sender x@sub.good.test"),
    ] {
        assert_eq!(
            after(entry.clone(), none(), &verdicts(spf, signer, false)),
            expected
        );
    }
    let author = senders("good.test");
    let aligned = verdicts(Outcome::Fail, None, true);
    let forged = verdicts(Outcome::Pass, None, false);
    assert_eq!(
        after(author.clone(), author.clone(), &aligned),
        "author domain good.test"
    );
    assert_eq!(after(author.clone(), none(), &forged), "");
    assert_eq!(after(none(), author, &aligned), "5.7.1");
}
