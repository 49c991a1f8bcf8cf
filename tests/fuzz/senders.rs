//! Properties of what decides who may send: SPF records with everything that they ask, and the entries of access lists.

use pillarbox::limits::*;
use pillarbox::policy::authentic::canned::ready;
use pillarbox::policy::authentic::{Dns, Outcome, spf as policy};
use pillarbox::wire::access::{DomainPattern, SenderPattern};
use pillarbox::wire::address::Address;
use pillarbox::wire::dns::{Answer, Kind, Name, Question, Record as DnsRecord, TroubleKind};
use pillarbox::wire::network::Network;
use pillarbox::wire::spf::{Directive, Record, is_record};
use std::cell::Cell;
use std::net::IpAddr;

/// Questions of the costliest check: a record, for each counted term its own question and those for mail exchangers,
/// the client's names, an explanation.
const QUESTIONS_MAX: usize =
    1 + SPF_LOOKUPS_MAX as usize * (1 + SPF_MX_NAMES_MAX) + 1 + PTR_NAMES_MAX + 1;

/// A world in which every name has the same record, and as many addresses and mail exchangers as the dice say.
struct Everywhere<'a> {
    record: &'a [u8],
    dice: u8,
    asked: Cell<usize>,
}

impl Dns for Everywhere<'_> {
    async fn ask(&self, question: Question) -> Answer {
        self.asked.set(self.asked.get() + 1);
        let name = |n: u8| Name::parse(&format!("n{n}.test"));
        let count = self.dice & 15;
        Answer::insecure(match question.kind {
            Kind::Txt => vec![DnsRecord::Txt(self.record.into())],
            Kind::Mx => (0..count)
                .map(|n| DnsRecord::Mx {
                    preference: 0,
                    exchange: name(n),
                })
                .collect(),
            Kind::Ptr => (0..count).filter_map(name).map(DnsRecord::Ptr).collect(),
            Kind::A if self.dice & 16 != 0 => vec![DnsRecord::A([192, 0, 2, count].into())],
            Kind::Aaaa if self.dice & 32 != 0 => {
                return Answer::trouble(TroubleKind::Timeout, "\r\nlate");
            }
            _ => Vec::new(),
        })
    }
}

/// A record is read whole or refused, its directives say it again, and whatever it asks has an end; what is shown of it
/// cannot break out of a line. The first two octets choose the client and the world.
pub fn spf(data: &[u8]) {
    let [client, dice, text @ ..] = data else {
        return;
    };
    let versioned = [b"v=spf1 ", text].concat();
    assert!(is_record(&versioned));
    if let Ok(record) = Record::parse(&versioned) {
        let directives: Vec<Directive> = record.directives().collect();
        let texts: Vec<&str> = directives.iter().map(|d| d.text).collect();
        let again = format!("v=spf1 {}", texts.join(" "));
        let again = Record::parse(again.as_bytes()).expect("its directives are a record");
        assert!(again.directives().eq(directives));
    }
    let identity = policy::Identity {
        client: match client & 1 {
            0 => [192, 0, 2, client >> 1].into(),
            _ => IpAddr::V6(u128::from(*client).into()),
        },
        helo: "a\r\nb\u{e4}.test",
        local: "two words\u{f6}",
        domain: "a.test",
        hostname: "box.test",
        now_seconds: Some(i64::MIN),
    };
    for record in [versioned.as_slice(), text] {
        let world = Everywhere {
            record,
            dice: *dice,
            asked: Cell::new(0),
        };
        let checked = ready(policy::check(&world, &identity));
        assert!(world.asked.get() <= QUESTIONS_MAX, "{}", world.asked.get());
        let printable = |text: &str| text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        assert!(printable(&checked.reason));
        if let Some(explanation) = checked.explanation {
            assert_eq!(checked.outcome, Outcome::Fail);
            assert!(printable(&explanation) && explanation.len() <= SPF_EXPLANATION_BYTES_MAX);
        }
    }
}

/// Each line is an entry: a network is written and read again as the same and holds its own address; a pattern means
/// what it names.
pub fn access(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        if let Ok(network) = line.parse::<Network>() {
            assert_eq!(network.to_string().parse(), Ok(network));
            assert!(network.holds(network.address));
        }
        if let Ok(pattern) = line.parse::<DomainPattern>() {
            let (own, below) = match &pattern {
                DomainPattern::Name(domain) => (domain, false),
                DomainPattern::Below(domain) => (domain, true),
            };
            assert_eq!(pattern.matches(own.as_str()), !below);
            assert_eq!(pattern.matches(&format!("x.{own}")), below);
            assert!(!pattern.matches(&format!("x{own}")));
        }
        if let (Ok(pattern), Ok(address)) = (line.parse::<SenderPattern>(), Address::parse(line)) {
            assert!(pattern.matches(&address));
        }
    }
}
