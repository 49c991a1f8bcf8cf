//! A second opinion on DMARC: mail-auth, written by others, finds the same records, the same alignment and the same
//! policy in trees made by dice (`DMARC_CASES`, `DMARC_SEED`). It is given every answer, so that it asks nobody.
//!
//! The trees keep to what both understand: mail-auth takes a record with one broken tag for none, the first of
//! several, and none at all for a name of one label.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::dmarc::{Dmarc, Policy as TheirPolicy};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::{
    AuthenticatedMessage, DmarcResult, DnsError, DnssecStatus, Error, MessageAuthenticator,
    Parameters, RecordSet, ResolverCache, SpfOutput, SpfResult, Txt,
};
use pillarbox::policy::authentic::canned::{Canned, ready};
use pillarbox::policy::authentic::{Asked, Outcome, dmarc, spf};
use pillarbox::wire::dns::{Answer, Kind, Record};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::env;
use std::hash::Hash;
use std::net::Ipv4Addr;
use std::time::Instant;

const CASES: u64 = 4_000;
const NAMES: [&str; 8] = [
    "com",
    "example.com",
    "mail.example.com",
    "a.mail.example.com",
    "b.mail.example.com",
    "other.com",
    "p.o.n.m.l.k.example.com",
    "r.q.p.o.n.m.l.k.example.com",
];

#[tokio::test]
async fn dmarc_comes_out_as_with_mail_auth() {
    let number = |name: &str, plain| {
        let given = env::var(name).ok().and_then(|text| text.parse().ok());
        given.unwrap_or(plain)
    };
    let mut dice = Dice(number("DMARC_SEED", 1) | 1 << 63);
    let options = ResolverOpts::default();
    let peer = MessageAuthenticator::new(ResolverConfig::default(), options).expect("a resolver");
    let mut outcomes = BTreeMap::new();
    for _ in 0..number("DMARC_CASES", CASES) {
        let case = Case::thrown(&mut dice);
        let (ours, theirs) = (case.ours(), case.theirs(&peer).await);
        *outcomes.entry(ours.0.clone()).or_insert(0) += 1;
        assert_eq!(ours, theirs, "{case:?}");
    }
    for outcome in ["pass", "fail", "none", "temperror"] {
        let count: i32 = outcomes.get(outcome).copied().unwrap_or_default();
        assert!(count > 50, "{outcome} only {count} times");
    }
}

/// A tree, an author and a domain for which SPF said something.
#[derive(Debug)]
struct Case {
    records: BTreeMap<&'static str, String>,
    author: &'static str,
    sender: &'static str,
    said: Outcome,
}

impl Case {
    fn thrown(dice: &mut Dice) -> Case {
        let mut records = BTreeMap::new();
        for name in NAMES {
            if dice.one_in(3) {
                records.insert(name, record(dice));
            }
        }
        // One label has no DMARC with mail-auth.
        let author = dice.of(&NAMES[1..]);
        Case {
            records,
            author,
            sender: match dice.one_in(3) {
                true => author,
                false => dice.of(&NAMES[1..]),
            },
            said: dice.of(&[
                Outcome::Pass,
                Outcome::Pass,
                Outcome::Pass,
                Outcome::Fail,
                Outcome::None,
                Outcome::TempError,
            ]),
        }
    }

    /// Outcome and, where there is a record, policy.
    fn ours(&self) -> (String, Option<&'static str>) {
        let mut dns = Canned::default();
        for (name, text) in &self.records {
            let answer = Answer::insecure(vec![Record::Txt(text.as_bytes().into())]);
            dns = dns.with(&format!("_dmarc.{name}"), Kind::Txt, answer);
        }
        // All of them exist.
        for name in NAMES {
            let answer = Answer::insecure(vec![Record::A(Ipv4Addr::LOCALHOST)]);
            dns = dns.with(name, Kind::A, answer);
        }
        let asked = Asked {
            client: Ipv4Addr::LOCALHOST.into(),
            helo: "helo.test",
            sender: None,
            hostname: "box.test",
            now_seconds: None,
        };
        let header = format!("From: x@{}\r\n\r\n", self.author);
        let (authors, _) = dmarc::authors(header.as_bytes(), &asked);
        let spf = spf::Checked {
            outcome: self.said,
            ..spf::Checked::none(self.sender)
        };
        let checked = ready(dmarc::check(&dns, &authors, &spf, &[]));
        (
            checked.outcome.as_str().into(),
            checked.policy.map(dmarc::Policy::as_str),
        )
    }

    async fn theirs(&self, peer: &MessageAuthenticator) -> (String, Option<&'static str>) {
        let header = format!("From: x@{}\r\n\r\n", self.author);
        let message = AuthenticatedMessage::parse(header.as_bytes()).expect("a message");
        let said = match self.said {
            Outcome::Pass => SpfResult::Pass,
            Outcome::Fail => SpfResult::Fail,
            Outcome::TempError => SpfResult::TempError,
            _ => SpfResult::None,
        };
        let spf = SpfOutput::new(self.sender.into()).with_result(said);
        let given = DmarcParameters::new(&message, &[], self.sender, &spf);
        let (texts, addresses) = (Texts(self), Addresses);
        let asked = Parameters::new(given)
            .with_txt_cache(&texts)
            .with_ipv4_cache(&addresses);
        let output = peer.verify_dmarc(asked).await;
        let outcome = match output.result() {
            DmarcResult::Pass => "pass",
            DmarcResult::Fail(_) => "fail",
            DmarcResult::TempError(_) => "temperror",
            DmarcResult::PermError(_) => "permerror",
            DmarcResult::None => "none",
        };
        let policy = match output.policy() {
            TheirPolicy::None => "none",
            TheirPolicy::Quarantine => "quarantine",
            TheirPolicy::Reject => "reject",
            TheirPolicy::Unspecified => "?",
        };
        let policy = output.dmarc_record().is_some().then_some(policy);
        (outcome.into(), policy)
    }
}

fn record(dice: &mut Dice) -> String {
    let mut text = String::from("v=DMARC1");
    let policy = ["none", "quarantine", "reject"];
    for tag in ["p", "sp", "np"] {
        if !dice.one_in(3) || tag == "p" && !dice.one_in(8) {
            text += &format!("; {tag}={}", dice.of(&policy));
        }
    }
    for (tag, values) in [
        ("aspf", ["r", "s"]),
        ("adkim", ["r", "s"]),
        ("t", ["y", "n"]),
    ] {
        if dice.one_in(3) {
            text += &format!("; {tag}={}", dice.of(&values));
        }
    }
    if dice.one_in(3) {
        text += &format!("; psd={}", dice.of(&["y", "n", "u"]));
    }
    if dice.one_in(2) {
        text += "; rua=mailto:reports@example.com";
    }
    text
}

/// The tree as mail-auth asks for it.
struct Texts<'a>(&'a Case);

impl ResolverCache<Box<str>, Txt> for Texts<'_> {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let known = self.0.records.iter().find(|(domain, _)| {
            let full: Box<str> = format!("_dmarc.{domain}.").into();
            Borrow::<Q>::borrow(&full) == name
        });
        Some(match known {
            Some((_, text)) => Txt::Dmarc(Dmarc::parse(text.as_bytes()).expect(text).into()),
            None => Txt::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain))),
        })
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Every name exists.
struct Addresses;

impl ResolverCache<Box<str>, RecordSet<Ipv4Addr>> for Addresses {
    fn get<Q>(&self, _: &Q) -> Option<RecordSet<Ipv4Addr>>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(RecordSet {
            rrset: [Ipv4Addr::LOCALHOST].into(),
            dnssec_status: DnssecStatus::Indeterminate,
        })
    }

    fn remove<Q>(&self, _: &Q) -> Option<RecordSet<Ipv4Addr>>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: RecordSet<Ipv4Addr>, _: Instant) {}
}

/// xorshift64*: the same cases for everybody.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.throw().is_multiple_of(of)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let place = self.throw() as usize % all.len();
        all[place]
    }
}
