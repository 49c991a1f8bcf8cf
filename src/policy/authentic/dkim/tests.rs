use super::super::canned::{Canned, ready};
use super::super::signing::{self, base64, dns, key_data, key_record, txt};
mod keys;

use super::*;

use crate::limits::{DKIM_IDENTITY_BYTES_MAX, DKIM_TROUBLE_BYTES_MAX, SIGNATURES_STATE_BYTES_MAX};
use crate::wire::dns::{Answer, Kind as RecordKind, TroubleKind};
use crate::wire::header::end_of_header;

/// 2018, when RFC 8463 was signed.
const NOW: Option<i64> = Some(1_528_637_909);

fn check_at(dns: &Canned, message: &str, now: Option<i64>) -> Vec<Checked> {
    let (header, rest) = message.split_at(end_of_header(message.as_bytes()).unwrap());
    let mut body = Body::default();
    let found = ready(at_header(dns, header.as_bytes(), now, &mut body));
    rest.as_bytes()
        .chunks(5)
        .for_each(|piece| body.update(piece));
    found.finish(&body.finish())
}

fn check(dns: &Canned, message: &str) -> Vec<Checked> {
    check_at(dns, message, NOW)
}

fn outcomes(checked: &[Checked]) -> Vec<Outcome> {
    checked.iter().map(|one| one.outcome).collect()
}

/// The only signature's outcome and reason.
fn only(checked: Vec<Checked>) -> (Outcome, String) {
    let [one] = checked.try_into().expect("one signature");
    (one.outcome, one.reason)
}

const RFC_8463_ED25519: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const RFC_8463_RSA: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\
    \r\n\
    We lost the game.  Are you hungry yet?\r\n\
    \r\n\
    Joe.\r\n";

fn rfc_8463() -> (Canned, String) {
    let dns = dns(
        "brisbane._domainkey.football.example.com",
        &[RFC_8463_ED25519],
    )
    .with(
        "test._domainkey.football.example.com",
        RecordKind::Txt,
        txt(&[RFC_8463_RSA]),
    );
    let signatures = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\
        \x20d=football.example.com; i=@football.example.com;\r\n\
        \x20q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n\
        \x20subject : date : message-id : from : subject : date;\r\n\
        \x20bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
        \x20b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n\
        \x20Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n\
        DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n\
        \x20d=football.example.com; i=@football.example.com;\r\n\
        \x20q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n\
        \x20date : message-id : from : subject : date;\r\n\
        \x20bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
        \x20b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n\
        \x20DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n\
        \x20dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n";
    (dns, signatures.to_string() + MESSAGE)
}

#[test]
fn rfc_8463_appendix_a() {
    let (dns, message) = rfc_8463();
    let checked = check(&dns, &message);
    let told = Checked {
        outcome: Outcome::Pass,
        domain: "football.example.com".into(),
        selector: "brisbane".into(),
        identity: "@football.example.com".into(),
        algorithm: "ed25519-sha256".into(),
        b_start: "/gCrinpc".into(),
        reason: String::new(),
        testing: false,
    };
    assert_eq!(checked.first(), Some(&told));
    assert_eq!(outcomes(&checked), [Outcome::Pass, Outcome::Pass]);
    assert_eq!(dns.asked().len(), 2, "one question a signature");
}

#[test]
fn rfc_6376_appendix_a() {
    let key = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkM\
        oGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/R\
        tdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToI\
        MmPSPDdQPNUYckcQ2QIDAQAB";
    let dns = dns("brisbane._domainkey.example.com", &[key]);
    let fields = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n\
        \x20     c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n\
        \x20     h=Received : From : To : Subject : Date : Message-ID;\r\n\
        \x20     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\
        \x20     b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n\
        \x20     4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n\
        \x20     KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n\
        \x20     4bmp/YzhwvcubU4=;\r\n\
        Received: from client1.football.example.com  [192.0.2.1]\r\n\
        \x20     by submitserver.example.com with SUBMISSION;\r\n\
        \x20     Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n";
    // What was hashed has one space where RFC 8463's copy has two.
    let message = fields.to_string() + &MESSAGE.replace("game.  Are", "game. Are");
    assert_eq!(only(check(&dns, &message)), (Outcome::Pass, String::new()));
    let changed = message.replace("submitserver", "Submitserver");
    assert_eq!(only(check(&dns, &changed)).0, Outcome::Fail);
}

fn signed(tags: &str, message: &str) -> String {
    signing::signed("DKIM-Signature", Kind::Dkim, tags, message)
}

const TAGS: &str = "v=1; a=ed25519-sha256; d=x.example; s=s; h=from:to:subject";
const PLAIN: &str = "From: a@x.example\r\nTo: b@box.test\r\nSubject: hi\r\n\r\nBody\r\n";

fn x_example() -> Canned {
    dns("s._domainkey.x.example", &[&key_record()])
}

fn outcome(tags: &str) -> (Outcome, String) {
    only(check(&x_example(), &signed(tags, PLAIN)))
}

fn passes() -> (Outcome, String) {
    (Outcome::Pass, String::new())
}

#[test]
fn what_a_signature_may_say() {
    for more in [
        "",
        "; c=simple",
        "; c=relaxed",
        "; c=relaxed/relaxed",
        "; c=simple/relaxed",
        "; q=dns/txt",
        "; q=other : dns/txt",
        "; i=@x.example",
        "; i=who@mail.X.example",
        "; i=\"a b\"@x.example",
        "; t=1528637909; x=1528637999",
        "; x=99999999999999999999999999",
        "; z=From:a@x.example|To:b",
        "; unknown=; y_1=a b c",
        ";\r\n\tr = y ",
    ] {
        assert_eq!(outcome(&format!("{TAGS}{more}")), passes(), "{more}");
    }
}

#[test]
fn what_a_signature_may_not_say() {
    let permanent = |tags: &str, reason: &str| {
        let told = outcome(tags);
        assert_eq!(told, (Outcome::PermError, reason.into()), "{tags}");
    };
    let more = |more: &str, reason| permanent(&format!("{TAGS}; {more}"), reason);
    more("d=x.example", "a tag stands there twice");
    more("", "a tag has no equals sign");
    more("1x=a", "a tag's name is malformed");
    more("n=\0", "a tag's value holds a control character");
    more("c=relaxed/other", "its canonicalization is not known");
    more("c=Relaxed", "its canonicalization is not known");
    more("q=dns", "its key is not in the DNS");
    more("i=x.example", "its identity is malformed");
    more(
        "i=@example",
        "its identity is not of the domain that signs (i= and d=)",
    );
    more(
        "i=@y.xx.example",
        "its identity is not of the domain that signs (i= and d=)",
    );
    more(
        "i=@xx.example",
        "its identity is not of the domain that signs (i= and d=)",
    );
    more("i=a@b@", "its identity's domain is malformed");
    more("t=-1", "a number in it is malformed");
    more("t=1; x=1", "it expires before it was made");
    more("l=1x", "a number in it is malformed");
    more("bh=eA==", "its body hash is malformed");
    let without = |from: &str, to: &str, reason| permanent(&TAGS.replace(from, to), reason);
    without("v=1; ", "", "it has no version");
    without("v=1", "v=2", "its version is not 1");
    without("a=ed25519-sha256; ", "", "it has no algorithm");
    without("ed25519", "ED25519", "the algorithm is not known");
    without(
        "ed25519-sha256",
        "rsa-sha1",
        "rsa-sha1 no longer counts (RFC 8301)",
    );
    without("d=x.example; ", "", "it has no domain");
    for wrong in ["x..example", "x.example.", "[192.0.2.1]", "a(.b", "", "x y"] {
        let tags = TAGS.replace("x.example", wrong);
        permanent(&tags, "its domain is no domain name");
    }
    without("s=s; ", "", "it has no selector");
    without("s=s", "s=a/b", "its selector is malformed");
    without("h=from:", "h=", "it does not sign From");
    without("h=from", "h=from::x", "a name that it signs is malformed");
    without("; h=from:to:subject", "", "it signs no header fields");
    let broken = signed(TAGS, PLAIN).replace("; b=", "; b=*");
    let told = only(check(&x_example(), &broken));
    assert_eq!(told.1, "its signature is not base64");
    let none = signed(TAGS, PLAIN).replace("; b=", "; bb=");
    let told = only(check(&x_example(), &none));
    assert_eq!(told.1, "it holds no signature");
}

#[test]
fn ages_count_while_the_clock_is_sane() {
    let at = |tags: &str, now| {
        let message = signed(&format!("{TAGS}; {tags}"), PLAIN);
        only(check_at(&x_example(), &message, now)).0
    };
    let allowed = DKIM_CLOCK_SECS;
    let times = |base: i64| [base - 1, base, base + 1].map(Some);
    let expiry = times(10_000 + allowed).map(|now| at("x=10000", now));
    assert_eq!(expiry, [Outcome::Pass, Outcome::Pass, Outcome::Fail]);
    let birth = times(10_000 - allowed).map(|now| at("t=10000", now));
    assert_eq!(birth, [Outcome::Fail, Outcome::Pass, Outcome::Pass]);
    assert_eq!(at("t=1000; x=2000", None), Outcome::Pass);
    assert_eq!(at("t=99999999999999999999", Some(5)), Outcome::Fail);
}

#[test]
fn a_length_never_passes() {
    let told = |length: usize, added: &str| {
        let message = signed(&format!("{TAGS}; l={length}"), PLAIN);
        only(check(&x_example(), &(message + added)))
    };
    let policy = |octets: usize| {
        let reason = format!("l= leaves the body open; it does not cover {octets} octets");
        (Outcome::Policy, reason)
    };
    assert_eq!(told(6, ""), policy(0));
    assert_eq!(told(6, "Bad\r\n"), policy(5));
    assert_eq!(told(0, ""), policy(6));
    assert_eq!(told(2, ""), policy(4));
    let longer = (
        Outcome::Fail,
        "the body is shorter than what was signed".into(),
    );
    assert_eq!(told(7, ""), longer);
}

#[test]
fn what_is_signed_may_not_change() {
    let message = signed(&format!("{TAGS}; c=relaxed/relaxed"), PLAIN);
    let dns = x_example();
    let told = |message: &str| only(check(&dns, message));
    let body = (Outcome::Fail, "the body is not what was signed".to_string());
    assert_eq!(told(&message.replace("Body", "Bode")), body);
    let header = (Outcome::Fail, "the signature is wrong".to_string());
    assert_eq!(told(&message.replace("Subject: hi", "Subject: ho")), header);
    assert_eq!(told(&message.replace("s=s; ", "s=s; y=z; ")), header);
    let folded = message.replace("Subject: hi", "sUBJECT \t:\r\n\t hi  ");
    assert_eq!(told(&folded.replace("Body", "Body \t")), passes());
    // Fields that are not signed, and more of those that are: on top.
    let added = format!("From: evil@y.example\r\nX: y\r\n{message}");
    assert_eq!(told(&added), passes());
    let added = message.replace("To:", "From: evil@y.example\r\nTo:");
    assert_eq!(told(&added), header);
}

#[test]
fn names_that_no_field_has_cannot_be_added() {
    let tags = TAGS.replace("h=from", "h=from:from:cc");
    let message = signed(&tags, PLAIN);
    let dns = x_example();
    assert_eq!(only(check(&dns, &message)), passes());
    for more in ["Cc: c@y.example\r\n", "From: c@y.example\r\n"] {
        let told = only(check(&dns, &format!("{more}{message}")));
        assert_eq!(told.0, Outcome::Fail, "{more}");
    }
}

#[test]
fn a_signature_over_another_one() {
    let inner = signed(TAGS, PLAIN);
    let tags = TAGS.replace("h=from", "h=from:dkim-signature:dkim-signature");
    let outer = signed(&tags, &inner);
    let dns = x_example();
    assert_eq!(outcomes(&check(&dns, &outer)), [Outcome::Pass; 2]);
    let changed = outer.replace(
        "v=1; a=ed25519-sha256; d=x.example; s=s; h=from:to",
        "v=1;  a=ed25519-sha256; d=x.example; s=s; h=from:to",
    );
    assert_eq!(outcomes(&check(&dns, &changed)), [Outcome::Fail; 2]);
}

#[test]
fn which_signatures_are_tried() {
    let sign = |domain: &str, message: &str| signed(&TAGS.replace("x.example", domain), message);
    let mut message = PLAIN.to_string();
    message = sign("x.example", &message);
    for n in 0..DKIM_SIGNATURES_MAX {
        message = sign(&format!("y{n}.example"), &message);
    }
    message = format!("DKIM-Signature: v=1\r\n{message}");
    let mut dns = Canned::default();
    for n in 0..DKIM_SIGNATURES_MAX {
        let name = format!("s._domainkey.y{n}.example");
        dns = dns.with(&name, RecordKind::Txt, txt(&[&key_record()]));
    }
    let dns = dns.with(
        "s._domainkey.x.example",
        RecordKind::Txt,
        txt(&[&key_record()]),
    );
    let (header, _) = message.split_at(end_of_header(message.as_bytes()).unwrap());
    let mut body = Body::default();
    let found = ready(at_header(&dns, header.as_bytes(), NOW, &mut body));
    assert_eq!(found.fields(), DKIM_SIGNATURES_MAX + 2);
    let checked = check(&dns, &message);
    assert_eq!(checked.len(), DKIM_SIGNATURES_MAX);
    // The author's, though it is the lowest; the lowest of the others and the malformed one are not.
    assert_eq!(checked.last().unwrap().domain, "x.example");
    assert!(outcomes(&checked).iter().all(|o| *o == Outcome::Pass));
    assert!(!checked.iter().any(|c| c.domain == "y0.example"));
    assert_eq!(dns.asked().len(), 2 * DKIM_SIGNATURES_MAX);
}

/// Whoever forges a message may sign it too, with name servers that never answer: they come last.
#[test]
fn signers_that_from_names_are_asked_first() {
    let mut message = signed(TAGS, PLAIN);
    for domain in ["slow.test", "slower.test"] {
        message = signed(&TAGS.replace("x.example", domain), &message);
    }
    let dns = x_example();
    let checked = check(&dns, &format!("DKIM-Signature: v=1\r\n{message}"));
    let domains: Vec<&str> = checked.iter().map(|one| &*one.domain).collect();
    assert_eq!(domains, ["", "slower.test", "slow.test", "x.example"]);
    assert_eq!(checked.last().unwrap().outcome, Outcome::Pass);
    let asked: Vec<String> = dns.asked().iter().map(|q| q.name.to_string()).collect();
    let keys = ["x.example", "slower.test", "slow.test"].map(|d| format!("s._domainkey.{d}"));
    assert_eq!(asked, keys);
}

#[test]
fn headers_with_too_many_fields() {
    let dns = x_example();
    let message = signed(TAGS, PLAIN);
    let own = Fields::new(message.as_bytes()).count();
    let with = |fields: usize| "X: y\r\n".repeat(fields - own) + &message;
    assert_eq!(only(check(&dns, &with(MIME_FIELDS_MAX))), passes());
    let told = only(check(&dns, &with(MIME_FIELDS_MAX + 1)));
    assert_eq!(told.0, Outcome::PermError);
}

#[test]
fn nothing_that_is_shown_can_be_forged() {
    let tags = TAGS.replace("x.example", "x.example\r\n\tevil") + "; i=a\r\n evil: \u{1}@x";
    let message = format!("DKIM-Signature: {tags}; b=A\u{1}\r\n{PLAIN}");
    let [told] = check(&x_example(), &message).try_into().unwrap();
    let shown = [
        told.domain,
        told.selector,
        told.identity,
        told.algorithm,
        told.b_start,
    ];
    assert_eq!(
        shown,
        ["", "", "", "", ""],
        "control characters: nothing is read"
    );
    let tags = TAGS.replace("x.example", "x.example; header.d=y.example");
    let [told] = check(&x_example(), &signed(&tags, PLAIN))
        .try_into()
        .unwrap();
    assert_eq!(
        (told.domain.as_str(), told.outcome),
        ("", Outcome::PermError)
    );
    let tags = TAGS.replace("x.example", "x.example (y)");
    let [told] = check(&x_example(), &signed(&tags, PLAIN))
        .try_into()
        .unwrap();
    assert_eq!(
        (told.domain.as_str(), told.outcome),
        ("", Outcome::PermError)
    );
}

#[test]
fn an_international_domain() {
    let dns = dns("s._domainkey.xn--bcher-kva.example", &[&key_record()]);
    for form in ["bücher.example", "xn--bcher-kva.EXAMPLE", "BÜCHER.example"] {
        let tags = TAGS.replace("x.example", form) + "; i=jürgen@sub.xn--bcher-kva.example";
        let [told] = check(&dns, &signed(&tags, PLAIN)).try_into().unwrap();
        assert_eq!(
            (told.outcome, told.domain.as_str()),
            (Outcome::Pass, "xn--bcher-kva.example")
        );
        assert_eq!(told.identity, "jürgen@sub.xn--bcher-kva.example");
    }
}

#[test]
fn signatures_are_told_apart() {
    let with = |b: &str| format!("DKIM-Signature: {TAGS}; bh=AAAA; b={b}\r\n");
    let message =
        with("AAAABBBBCCCC") + &with("AAAABBBBCCDD") + &with("AAAA BBBB\r\n CCDD") + PLAIN;
    let starts = check(&x_example(), &message).into_iter().map(|c| c.b_start);
    let starts: Vec<String> = starts.collect();
    assert_eq!(starts, ["AAAABBBBCCC", "AAAABBBBCCD", "AAAABBBBCCD"]);
}

#[test]
fn octets_that_are_no_text() {
    // NUL and octets beyond ASCII are octets like others, in fields and in the body.
    let header = "From: a\0\u{ff}@x.example\r\nTo: b\r\nSubject: \0\r\n\r\n";
    for canon in ["simple/simple", "relaxed/relaxed"] {
        let message = signed(
            &format!("{TAGS}; c={canon}"),
            &format!("{header}\0\u{ff}\r\n"),
        );
        assert_eq!(only(check(&x_example(), &message)), passes());
        let told = only(check(
            &x_example(),
            &message.replace("Subject: \0", "Subject: "),
        ));
        assert_eq!(told.0, Outcome::Fail);
    }
    let long = format!(
        "Subject: {}\r\n{}",
        "x ".repeat(40_000),
        PLAIN.replace("Subject", "X")
    );
    let message = signed(&format!("{TAGS}; c=relaxed"), &long);
    assert_eq!(only(check(&x_example(), &message)), passes());
}

#[test]
fn what_is_held_until_the_end() {
    // The longest name that a key can have, and the longest identity.
    let label = "a".repeat(63);
    let (selector, domain) = (
        [&label, &label].map(String::as_str).join("."),
        format!("{label}.{}", &label[..49]),
    );
    let identity = "c".repeat(DKIM_IDENTITY_BYTES_MAX - domain.len() - 1);
    let tags =
        format!("v=1; a=ed25519-sha256; d={domain}; s={selector}; h=from; i={identity}@{domain}");
    let mut message = PLAIN.to_string();
    for n in 0..DKIM_SIGNATURES_MAX {
        message = signed(&format!("{tags}; l={n}"), &message);
    }
    let name = format!("{selector}._domainkey.{domain}");
    let why = Answer::trouble(TroubleKind::Timeout, &"ä".repeat(200));
    let silent = Canned::default().with(&name, RecordKind::Txt, why);
    let mut body = Body::default();
    let header = message.split_inclusive("\r\n\r\n").next().unwrap();
    let held = ready(at_header(&silent, header.as_bytes(), NOW, &mut body)).tried;
    let heap = |open: &Open| {
        let c = &open.claims;
        let reason = open
            .right
            .as_ref()
            .err()
            .map_or(0, |wrong| wrong.reason.len());
        let texts = [
            &c.domain,
            &c.selector,
            &c.identity,
            &c.algorithm,
            &c.signature,
        ];
        texts.map(String::capacity).iter().sum::<usize>() + reason
    };
    let bytes: usize = held.iter().map(|open| heap(open) + size_of::<Open>()).sum();
    assert_eq!(held.len(), DKIM_SIGNATURES_MAX);
    // The rest is for the chain and the hashes under way: two forms, and a length for each signature.
    assert!(bytes <= SIGNATURES_STATE_BYTES_MAX - 7 * 256, "{bytes}");
    let told = check(&silent, &message).remove(0);
    assert_eq!(told.outcome, Outcome::TempError);
    assert!(told.reason.ends_with('ä') && told.reason.len() < 2 * DKIM_TROUBLE_BYTES_MAX);
}

#[test]
fn identities_too_long_to_be_shown() {
    let of = |bytes: usize| {
        let local = "c".repeat(bytes - "@x.example".len());
        let tags = format!("{TAGS}; i={local}@x.example");
        let [told] = check(&x_example(), &signed(&tags, PLAIN))
            .try_into()
            .unwrap();
        assert_eq!(told.outcome, Outcome::Pass);
        told.identity.len()
    };
    assert_eq!(of(DKIM_IDENTITY_BYTES_MAX), DKIM_IDENTITY_BYTES_MAX);
    assert_eq!(of(DKIM_IDENTITY_BYTES_MAX + 1), "@x.example".len());
}
