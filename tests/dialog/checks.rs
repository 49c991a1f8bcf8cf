//! Plays `tests/dialog/checks/*.txt`: mail from elsewhere, each with a box and a DNS of its own, written down in it.
//!
//! ```text
//! set client 5                            connects from 127.0.77.5
//! set strict | relay | proxy | allow_network | deny_sender VALUE
//! dns NAME MX 10 HOST | MX null | A | AAAA | PTR | TXT VALUE | TYPE trouble
//! JUNK anna 1                             messages in anna's Junk
//! HAS anna INBOX PATTERN                  a field of the last message there, on one line
//! LACKS anna INBOX PATTERN
//! ```

use crate::live_box::LiveBox;
use crate::transcript::Transcript;
use crate::{smtp_socket, transcripts};
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use pillarbox::config::checks::{Trust, TrustedRelay};
use pillarbox::limits::{DEFERRAL_SECS, LARGE_MESSAGE_BYTES};
use pillarbox::policy::authentic::canned::Canned;
use pillarbox::run::authentic::Names;
use pillarbox::session::smtp::Role;
use pillarbox::wire::address::Domain;
use pillarbox::wire::base64;
use pillarbox::wire::dns::{Answer, Kind, Name, Record, TroubleKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn checks_over_a_socket() {
    let mut failed = Vec::new();
    for (number, transcript) in transcripts("checks").iter().enumerate() {
        let live = live_box(transcript, number).await;
        let client = transcript
            .setting("client")
            .map(|text| text.parse().unwrap());
        let played = smtp_socket::play(&live, transcript, client.unwrap_or(5)).await;
        failed.extend(played.err());
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// What one message is answered.
pub async fn deliver(live: &LiveBox, sender: &str, message: &[u8]) -> String {
    let mut client = smtp_socket::connect(live, Role::Mx, 6, b"").await;
    let envelope =
        format!("HELO mx.test\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<anna@box.test>\r\nDATA\r\n");
    client.line().await.unwrap();
    client.send(envelope.as_bytes()).await;
    for _ in ["HELO", "MAIL", "RCPT", "DATA"] {
        client.line().await.unwrap();
    }
    client.send(&[message, b".\r\n"].concat()).await;
    client.line().await.unwrap()
}

/// The clock goes on; nothing else happens meanwhile.
async fn later(secs: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(secs)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn want_of_an_answer_defers_a_domain_for_four_hours() {
    let dns = canned(&[
        "bank.test MX 10 mx.bank.test",
        "_dmarc.bank.test TXT trouble",
    ]);
    let live = LiveBox::with_names("checks-later", Names::Canned(Arc::new(dns))).await;
    let message = b"From: boss@bank.test\r\n\r\n";
    let mut waited = 0;
    for (secs, code) in [
        (0, "451"),
        (DEFERRAL_SECS - 1, "451"),
        (DEFERRAL_SECS, "250"),
        (DEFERRAL_SECS + 1, "250"),
    ] {
        later(secs - waited).await;
        waited = secs;
        let reply = deliver(&live, "boss@bank.test", message).await;
        assert!(reply.starts_with(code), "{secs}: {reply}");
    }
    assert_eq!(live.stored("anna").await, 2);
}

/// The DNS is out of reach, or this is `try`: nothing is known, and nothing is refused for it.
#[tokio::test]
async fn without_a_dns_mail_flows() {
    let live = LiveBox::new("checks-nobody").await;
    for sender in ["friend@example.org", "x@nowhere.invalid", ""] {
        let message = format!("From: {sender}\r\n\r\n");
        let reply = deliver(&live, sender, message.as_bytes()).await;
        assert!(reply.starts_with("250"), "{sender}: {reply}");
    }
    let message = live.last("anna").await;
    assert!(
        message.contains("\r\nAuthentication-Results: box.test;"),
        "{message}"
    );
}

/// `try` knows itself: who writes in its name from elsewhere than loopback would be known.
#[tokio::test]
async fn a_box_that_looks_nothing_up_knows_itself() {
    let names = Names::own(&Domain::parse("box.test").unwrap());
    let live = LiveBox::with_names("checks-own", names).await;
    let reply = deliver(&live, "anna@box.test", b"From: anna@box.test\r\n\r\n").await;
    assert!(reply.starts_with("250"), "{reply}");
    let message = live.last("anna").await.replace("\r\n ", " ");
    assert!(
        message.contains(" spf=pass ") && message.contains(" dmarc=pass"),
        "{message}"
    );
}

/// A signature over a body of this size verifies however the body came in: in its buffer, or by way of a file.
#[tokio::test]
async fn bodies_pass_through_the_checks() {
    let (seed, public) = ([7; 32], ring_public(&[7; 32]));
    let mut key = Vec::new();
    base64::encode(&public, &mut key);
    let key = String::from_utf8(key).unwrap();
    let record = format!("s._domainkey.good.test TXT v=DKIM1; k=ed25519; p={key}");
    let dns = canned(&["good.test MX 10 mx.good.test", &record]);
    let live = LiveBox::with_names("checks-bodies", Names::Canned(Arc::new(dns))).await;
    live.configure(|config| config.message_bytes_max = 1 << 20);
    for bytes in [10, LARGE_MESSAGE_BYTES, 3 * LARGE_MESSAGE_BYTES + 17] {
        let mut message = b"From: joe@good.test\r\nSubject: x\r\n\r\n".to_vec();
        while message.len() < bytes {
            message.extend_from_slice(b"a line  of the body \t\r\n");
        }
        let key = Ed25519Key::from_seed_and_public_key(&seed, &public).unwrap();
        let signature = DkimSigner::from_key(key)
            .domain("good.test")
            .selector("s")
            .headers(["From", "Subject"])
            .sign(&message)
            .unwrap();
        let signed = [signature.to_header().as_bytes(), &message].concat();
        let mut changed = signed.clone();
        let at = changed.len() - 4;
        changed[at - 10] ^= 1;
        for (message, outcome) in [(&signed, "dkim=pass"), (&changed, "dkim=fail")] {
            let reply = deliver(&live, "joe@good.test", message).await;
            assert!(reply.starts_with("250"), "{bytes}: {reply}");
            let kept = live.last("anna").await;
            let (header, _) = kept.split_once("\r\nFrom:").unwrap();
            assert!(header.contains(outcome), "{bytes}: {outcome}\n{header}");
        }
    }
}

fn ring_public(seed: &[u8; 32]) -> Vec<u8> {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
    pair.public_key().as_ref().to_vec()
}

async fn live_box(transcript: &Transcript, number: usize) -> LiveBox {
    let lines = transcript.all("dns");
    let names = Names::Canned(Arc::new(canned(&lines.collect::<Vec<_>>())));
    let live = LiveBox::with_names(&format!("checks-{number}"), names).await;
    live.configure(|config| {
        for domain in transcript.all("strict") {
            config
                .checks
                .strict_domains
                .push(Domain::parse(domain).unwrap());
        }
        for (key, trust) in [("relay", Trust::Received), ("proxy", Trust::Proxy)] {
            for network in transcript.all(key) {
                config.checks.trusted_relays.push(TrustedRelay {
                    networks: vec![network.parse().unwrap()],
                    trust,
                });
            }
        }
        for network in transcript.all("allow_network") {
            config.access.allow.networks.push(network.parse().unwrap());
        }
        for sender in transcript.all("deny_sender") {
            config.access.deny.senders.push(sender.parse().unwrap());
        }
    });
    live
}

/// A DNS of lines like `good.test MX 10 mx.good.test`.
pub fn canned(lines: &[&str]) -> Canned {
    let mut answers: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("dns {line}"));
        answers.entry((word(), word())).or_default().push(word());
    }
    answers
        .into_iter()
        .fold(Canned::default(), |dns, ((name, kind), values)| {
            let answer = match values.as_slice() {
                ["trouble"] => Answer::trouble(TroubleKind::Timeout, "nobody answered"),
                values => Answer::insecure(values.iter().map(|text| record(kind, text)).collect()),
            };
            dns.with(name, kind_of(kind), answer)
        })
}

fn kind_of(kind: &str) -> Kind {
    match kind {
        "A" => Kind::A,
        "AAAA" => Kind::Aaaa,
        "MX" => Kind::Mx,
        "PTR" => Kind::Ptr,
        "TXT" => Kind::Txt,
        other => panic!("no type of the DNS: {other}"),
    }
}

fn record(kind: &str, text: &str) -> Record {
    let name = |text: &str| Name::parse(text).unwrap();
    match kind_of(kind) {
        Kind::A => Record::A(text.parse().unwrap()),
        Kind::Aaaa => Record::Aaaa(text.parse().unwrap()),
        Kind::Ptr => Record::Ptr(name(text)),
        Kind::Mx => match text.split_once(' ') {
            Some((preference, exchange)) => Record::Mx {
                preference: preference.parse().unwrap(),
                exchange: Some(name(exchange)),
            },
            None => Record::Mx {
                preference: 0,
                exchange: None,
            },
        },
        _ => Record::Txt(text.as_bytes().into()),
    }
}
