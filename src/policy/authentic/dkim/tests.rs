use super::super::canned::{Canned, ready};
use super::*;

use crate::wire::dns::{Answer, Kind as RecordKind, Record};
use crate::wire::header::end_of_header;

/// 2018, when RFC 8463 was signed.
const NOW: Option<i64> = Some(1_528_637_909);

fn txt(texts: &[&str]) -> Answer {
    let record = |text: &&str| Record::Txt(text.as_bytes().into());
    Answer::insecure(texts.iter().map(record).collect())
}

fn dns(name: &str, texts: &[&str]) -> Canned {
    Canned::default().with(name, RecordKind::Txt, txt(texts))
}

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
