use super::*;
use crate::policy::authentic::{Traits, arc, iprev, spf};

/// A message of `example.org` that fails `p=reject`, plainly forged.
fn forged() -> Verdicts {
    Verdicts {
        iprev: iprev::Checked {
            outcome: Outcome::None,
            name: None,
        },
        spf_helo: spf::Checked::none("helo.example"),
        spf_mail_from: spf::Checked {
            outcome: Outcome::Fail,
            ..spf::Checked::none("example.org")
        },
        dkim: Vec::new(),
        dkim_fields: 0,
        arc: arc::Checked {
            outcome: Outcome::None,
            sets: 0,
            sealer: None,
            reason: String::new(),
        },
        dmarc: dmarc::Checked {
            outcome: Outcome::Fail,
            policy: Some(Policy::Reject),
            record_domain: Some("example.org".into()),
            envelope_aligned: true,
            ..dmarc::Checked::none()
        },
        author: Some(Domain::parse("example.org").unwrap()),
        traits: Traits {
            from_fields: 1,
            from_domains: 1,
            ..Traits::default()
        },
    }
}

fn stranger() -> Circumstances<'static> {
    Circumstances {
        strict: false,
        relayed: false,
        score_rejects: None,
        may_defer: true,
        envelope_domain: Some("example.org"),
    }
}

/// `550 5.7.26`, `accept` and the like.
fn action(verdicts: &Verdicts, circumstances: &Circumstances<'_>) -> String {
    match judge(verdicts, circumstances).action {
        Action::Accept => "accept".into(),
        Action::Junk => "junk".into(),
        Action::Reject(reply) | Action::Defer(reply) => format!("{} {}", reply.code, reply.status),
    }
}

/// What becomes of the forged message with one thing changed.
fn changed(change: impl FnOnce(&mut Verdicts)) -> String {
    let mut verdicts = forged();
    change(&mut verdicts);
    action(&verdicts, &stranger())
}

#[test]
fn plainly_forged_mail_is_refused_with_reason_and_domain() {
    let verdict = judge(&forged(), &stranger());
    let Action::Reject(reply) = verdict.action else {
        panic!("{verdict:?}")
    };
    assert_eq!((reply.code, reply.status), (550, "5.7.26"));
    assert!(reply.text.contains("DMARC") && reply.text.contains("example.org"));
    assert!(verdict.reason.contains("example.org"), "{}", verdict.reason);
}

#[test]
fn a_failing_reject_alone_is_junk() {
    assert_eq!(
        changed(|v| v.spf_mail_from.outcome = Outcome::SoftFail),
        "junk"
    );
    assert_eq!(changed(|v| v.spf_mail_from.outcome = Outcome::None), "junk");
    assert_eq!(changed(|v| v.dkim_fields = 1), "junk");
    assert_eq!(changed(|v| v.traits.list = true), "junk");
    assert_eq!(changed(|v| v.arc.sets = 1), "junk");
    assert_eq!(changed(|v| v.traits.relayed = true), "junk");
    assert_eq!(changed(|v| v.dmarc.envelope_aligned = false), "junk");
    let null_path = Circumstances {
        envelope_domain: None,
        ..stranger()
    };
    assert_eq!(action(&forged(), &null_path), "junk");
}

#[test]
fn strictness_and_score_refuse_it_too() {
    let mut list = forged();
    list.traits.list = true;
    let strict = Circumstances {
        strict: true,
        ..stranger()
    };
    assert_eq!(action(&list, &strict), "550 5.7.1");
    for (score_rejects, expected) in [
        (None, "junk"),
        (Some(false), "junk"),
        (Some(true), "550 5.7.1"),
    ] {
        let scored = Circumstances {
            score_rejects,
            ..stranger()
        };
        assert_eq!(action(&list, &scored), expected);
    }
    // They are about p=reject alone.
    list.dmarc.policy = Some(Policy::Quarantine);
    assert_eq!(action(&list, &strict), "junk");
    list.dmarc.policy = Some(Policy::None);
    assert_eq!(action(&list, &strict), "accept");
}

#[test]
fn spf_alone_refuses_nothing() {
    for outcome in [Outcome::None, Outcome::Pass] {
        assert_eq!(changed(|v| v.dmarc.outcome = outcome), "accept");
    }
}

#[test]
fn a_trusted_relay_is_never_refused() {
    let relay = Circumstances {
        relayed: true,
        strict: true,
        ..stranger()
    };
    let verdict = judge(&forged(), &relay);
    assert_eq!(verdict.action, Action::Junk);
    assert!(
        verdict
            .lines
            .iter()
            .any(|line| line.name == "TRUSTED_RELAY")
    );
    let mut unanswered = forged();
    unanswered.dmarc.outcome = Outcome::TempError;
    assert_eq!(action(&unanswered, &relay), "accept");
}

#[test]
fn deferred_only_where_the_answer_matters() {
    let unanswered = |change: fn(&mut Verdicts)| {
        changed(|v| {
            v.dmarc.outcome = Outcome::TempError;
            change(v);
        })
    };
    assert_eq!(unanswered(|_| {}), "451 4.7.0");
    assert_eq!(unanswered(|v| v.dmarc.policy = None), "451 4.7.0");
    assert_eq!(
        unanswered(|v| v.dmarc.policy = Some(Policy::None)),
        "accept"
    );
    assert_eq!(unanswered(|v| v.dmarc.spf_aligned = true), "accept");
    assert_eq!(unanswered(|v| v.dmarc.dkim_aligned = true), "accept");
    assert_eq!(unanswered(|v| v.dmarc.unreachable = true), "accept");
    let late = Circumstances {
        may_defer: false,
        ..stranger()
    };
    let mut verdicts = forged();
    verdicts.dmarc.outcome = Outcome::TempError;
    let verdict = judge(&verdicts, &late);
    assert_eq!(verdict.action, Action::Accept);
    assert!(verdict.lines.iter().any(|line| line.name == "DMARC_DNS"));
}

#[test]
fn headers_that_deceive_are_junk() {
    let none = |change: fn(&mut Verdicts)| {
        changed(|v| {
            v.dmarc.outcome = Outcome::None;
            change(v);
        })
    };
    assert_eq!(none(|_| {}), "accept");
    assert_eq!(none(|v| v.traits.from_fields = 0), "accept");
    assert_eq!(none(|v| v.traits.from_domains = 2), "accept");
    assert_eq!(none(|v| v.traits.from_fields = 2), "junk");
    assert_eq!(none(|v| v.traits.from_malformed = true), "junk");
    assert_eq!(none(|v| v.dmarc.outcome = Outcome::PermError), "junk");
}

#[test]
fn every_line_stands_in_the_table_once() {
    let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
    let outcomes = [
        Outcome::None,
        Outcome::Pass,
        Outcome::Fail,
        Outcome::SoftFail,
        Outcome::Neutral,
        Outcome::Policy,
        Outcome::TempError,
        Outcome::PermError,
    ];
    let policies = [Policy::None, Policy::Quarantine, Policy::Reject];
    let mut said = std::collections::BTreeSet::new();
    for outcome in outcomes {
        for n in 0..3 {
            let mut verdicts = forged();
            verdicts.iprev.outcome = outcome;
            verdicts.spf_helo.outcome = outcome;
            verdicts.spf_mail_from.outcome = outcome;
            verdicts.dkim_fields = n;
            verdicts.arc.outcome = outcome;
            verdicts.arc.sets = n;
            verdicts.dmarc.outcome = outcome;
            verdicts.dmarc.policy = policies.get(n).copied();
            verdicts.dmarc.spf_aligned = n == 1;
            verdicts.traits.from_fields = n;
            verdicts.traits.from_domains = n;
            verdicts.traits.from_malformed = n == 1;
            if n == 2 {
                verdicts.dkim = vec![dkim_checked(outcome)];
            }
            let relay = Circumstances {
                relayed: true,
                ..stranger()
            };
            for line in judge(&verdicts, &relay).lines {
                let rule = RULES.iter().find(|rule| rule.name == line.name);
                assert_eq!(Some(line.millis), rule.map(|rule| rule.millis), "{line:?}");
                said.insert(line.name);
            }
        }
    }
    let unsaid: Vec<&&str> = names.iter().filter(|name| !said.contains(**name)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
}

fn dkim_checked(outcome: Outcome) -> crate::policy::authentic::dkim::Checked {
    crate::policy::authentic::dkim::Checked {
        outcome,
        domain: "example.org".into(),
        selector: "s".into(),
        identity: "@example.org".into(),
        algorithm: "rsa-sha256".into(),
        b_start: "abcdefgh".into(),
        reason: String::new(),
        testing: false,
    }
}
