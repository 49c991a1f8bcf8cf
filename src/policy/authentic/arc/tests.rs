use super::super::canned::{Canned, ready};
use super::super::signing::{dns, key_record, sign, signed, txt};
use super::*;
use crate::wire::dns::{Answer, Kind as RecordKind, TroubleKind};
use crate::wire::header::end_of_header;

const PLAIN: &str = "From: a@x.example\r\nSubject: hi\r\n\r\nBody\r\n";

fn check(dns: &Canned, message: &str) -> Checked {
    let (header, rest) = message.split_at(end_of_header(message.as_bytes()).unwrap());
    let mut body = Body::default();
    let found = ready(at_header(
        dns,
        header.as_bytes(),
        Some(1_000_000),
        &mut body,
    ));
    rest.as_bytes()
        .chunks(3)
        .for_each(|piece| body.update(piece));
    found.finish(&body.finish())
}

fn told(dns: &Canned, message: &str) -> (Outcome, String) {
    let checked = check(dns, message);
    (checked.outcome, checked.reason)
}

fn fails(reason: &str) -> (Outcome, String) {
    (Outcome::Fail, reason.into())
}

fn passes() -> (Outcome, String) {
    (Outcome::Pass, String::new())
}

/// Keys of y1.example and so on.
fn signers(count: usize) -> Canned {
    (1..=count).fold(Canned::default(), |dns, n| {
        let name = format!("s._domainkey.y{n}.example");
        dns.with(&name, RecordKind::Txt, txt(&[&key_record()]))
    })
}

/// What stands in a set besides what is needed.
struct Made {
    n: usize,
    domain: String,
    status: &'static str,
    tags: &'static str,
}

impl Made {
    fn new(n: usize) -> Made {
        Made {
            n,
            domain: format!("y{n}.example"),
            status: if n == 1 { "none" } else { "pass" },
            tags: "",
        }
    }

    /// The message with one set more.
    fn over(&self, message: &str) -> String {
        let Made {
            n,
            domain,
            status,
            tags,
        } = self;
        let results = format!("ARC-Authentication-Results: i={n}; {domain}; none\r\n{message}");
        let tags = format!(
            "i={n}; a=ed25519-sha256; c=relaxed/relaxed; d={domain}; s=s; h=from:subject{tags}"
        );
        let with = signed("ARC-Message-Signature", Kind::Arc, &tags, &results);
        let seal = |b: &str| {
            format!(
                "ARC-Seal: i={n}; a=ed25519-sha256; cv={status}; d={domain}; s=s; b={b}\r\n{with}"
            )
        };
        let unsigned = seal("AAAA");
        seal(&sign(&sealed_octets(&unsigned, *n)))
    }
}

fn sealed_octets(message: &str, newest: usize) -> Vec<u8> {
    let block = message.as_bytes();
    let mut octets = Vec::new();
    for n in 1..=newest {
        for name in [
            "ARC-Authentication-Results",
            "ARC-Message-Signature",
            "ARC-Seal",
        ] {
            let of_set = |field: &Field<'_>| {
                let start = format!(" i={n};");
                field.is(name) && field.value.starts_with(start.as_bytes())
            };
            let Some(field) = Fields::new(block).find(of_set) else {
                continue;
            };
            if name != "ARC-Seal" || n < newest {
                push_field(&mut octets, block, &field, Canon::Relaxed);
                continue;
            }
            let signature = Seal::parse(field.value).unwrap().signature_place;
            let own = Own {
                field: &field,
                signature: &signature,
            };
            push_own(&mut octets, block, own, Canon::Relaxed);
        }
    }
    octets
}

/// Through so many hands.
fn chain(count: usize) -> String {
    (1..=count).fold(PLAIN.to_string(), |message, n| Made::new(n).over(&message))
}

#[test]
fn chains_through_several_hands() {
    let none = check(&Canned::default(), PLAIN);
    assert_eq!(
        (none.outcome, none.sets, none.sealer),
        (Outcome::None, 0, None)
    );
    for count in 1..=3 {
        let dns = signers(count);
        let checked = check(&dns, &chain(count));
        assert_eq!((checked.outcome, checked.reason), passes());
        assert_eq!(checked.sets, count);
        assert_eq!(checked.sealer, Some(format!("y{count}.example")));
        assert_eq!(dns.asked().len(), count, "one question a signer");
    }
}

#[test]
fn questions_have_a_bound() {
    let most = signers(ARC_KEYS_MAX + 1);
    assert_eq!(told(&most, &chain(ARC_KEYS_MAX)), passes());
    assert_eq!(most.asked().len(), ARC_KEYS_MAX);
    let wrong = fails("the chain has more signers than are asked for");
    assert_eq!(told(&most, &chain(ARC_KEYS_MAX + 1)), wrong);
    assert_eq!(most.asked().len(), 2 * ARC_KEYS_MAX);
}

#[test]
fn sets_have_a_bound() {
    let one = dns("s._domainkey.y.example", &[&key_record()]);
    let by_one = |count| {
        (1..=count).fold(PLAIN.to_string(), |message, n| {
            let domain = "y.example".to_string();
            Made {
                domain,
                ..Made::new(n)
            }
            .over(&message)
        })
    };
    assert_eq!(told(&one, &by_one(ARC_SETS_MAX)), passes());
    assert_eq!(one.asked().len(), 1);
    let wrong = fails("its instance is not one of 1 to 50");
    assert_eq!(told(&one, &by_one(ARC_SETS_MAX + 1)), wrong);
}

#[test]
fn nothing_is_asked_of_a_chain_without_structure() {
    let whole = chain(3);
    let line = |start: &str| {
        whole
            .split_inclusive("\r\n")
            .find(|line| line.starts_with(start))
            .unwrap()
    };
    let lacking = fails("an ARC set lacks a field");
    let status = fails("a seal says what cannot be of the chain (cv=)");
    let status_of = |n, status| {
        let made = Made {
            status,
            ..Made::new(n)
        };
        made.over(&chain(n - 1))
    };
    let second = line("ARC-Seal: i=2");
    let cases = [
        (whole.replace(second, ""), lacking.clone()),
        (
            whole.replace(line("ARC-Message-Signature: i=1"), ""),
            lacking.clone(),
        ),
        (
            whole.replace(line("ARC-Authentication-Results: i=3"), ""),
            lacking.clone(),
        ),
        (Made::new(2).over(PLAIN), lacking.clone()),
        (
            format!("{second}{whole}"),
            fails("an ARC set has a field twice"),
        ),
        (
            format!("ARC-Seal: x\r\n{whole}"),
            fails("a tag has no equals sign"),
        ),
        (
            format!("ARC-Seal: i=0\r\n{whole}"),
            fails("its instance is not one of 1 to 50"),
        ),
        (
            format!("ARC-Authentication-Results: x\r\n{whole}"),
            fails("it has no instance"),
        ),
        (status_of(1, "pass"), status.clone()),
        (status_of(2, "none"), status),
        (
            status_of(2, "fail"),
            fails("the chain was broken when it was sealed"),
        ),
    ];
    for (message, expected) in cases {
        let dns = signers(3);
        assert_eq!(told(&dns, &message), expected, "{message}");
        assert_eq!(dns.asked(), []);
        assert!(check(&dns, &message).sets > 0);
    }
}

#[test]
fn what_was_sealed_may_not_change() {
    let whole = chain(2);
    let dns = signers(2);
    assert_eq!(
        told(&dns, &whole.replace("Body", "Bode")),
        fails("the body is not what was signed")
    );
    let wrong = fails("the signature is wrong");
    assert_eq!(
        told(&dns, &whole.replace("Subject: hi", "Subject: ho")),
        wrong
    );
    assert_eq!(
        told(
            &dns,
            &whole.replace("y1.example; none", "y1.example; spf=pass")
        ),
        wrong
    );
    assert_eq!(
        told(
            &dns,
            &whole.replace("y2.example; none", "y2.example; spf=pass")
        ),
        wrong
    );
    // A list changes the subject and seals again: the first signature no longer holds, which nobody asks.
    let changed = Made::new(2).over(&chain(1).replace("Subject: hi", "Subject: [list] hi"));
    assert_eq!(told(&dns, &changed), passes());
    // The seal of a set that was taken from another message.
    let other = Made::new(2).over(&chain(1).replace("none\r\n", "pass\r\n"));
    let seal = |message: &str| message.split_inclusive("\r\n").next().unwrap().to_string();
    assert_eq!(
        told(&dns, &whole.replace(&seal(&whole), &seal(&other))),
        wrong
    );
}

#[test]
fn what_does_not_make_a_pass() {
    let with = |tags| {
        told(
            &signers(1),
            &Made {
                tags,
                ..Made::new(1)
            }
            .over(PLAIN),
        )
    };
    assert_eq!(with("; t=1"), passes());
    assert_eq!(with("; x=1"), fails("it has expired (x=)"));
    assert_eq!(with("; l=0").0, Outcome::Fail);
    assert_eq!(with(":arc-seal"), fails("it signs a seal"));
    assert_eq!(
        told(&Canned::default(), &chain(1)),
        fails("there is no key")
    );
    let trouble = Answer::trouble(TroubleKind::Timeout, "no server answers");
    let dns = signers(2).with("s._domainkey.y1.example", RecordKind::Txt, trouble);
    assert_eq!(told(&dns, &chain(2)).0, Outcome::TempError);
}

#[test]
fn headers_with_too_many_fields() {
    let message = chain(1);
    let own = Fields::new(message.as_bytes()).count();
    let with = |fields: usize| "X: y\r\n".repeat(fields - own) + &message;
    assert_eq!(told(&signers(1), &with(MIME_FIELDS_MAX)), passes());
    let wrong = fails("the message has too many header fields");
    assert_eq!(told(&signers(1), &with(MIME_FIELDS_MAX + 1)), wrong);
}
