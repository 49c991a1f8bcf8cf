//! A case as it is read: its answers of the DNS, its envelope, its message, signed where it says so.

use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use pillarbox::policy::authentic::canned::Canned;
use pillarbox::policy::authentic::{Outcome, dkim, spf};
use pillarbox::wire::address::Address;
use pillarbox::wire::dns::{Answer, Kind, Name, Record, TroubleKind};
use pillarbox::wire::header::end_of_header;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The key of RFC 8463's examples: everybody signs with it.
const SEED: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];
const PUBLISHED: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// A case as it is read.
pub struct Case {
    pub answers: BTreeMap<(String, &'static str), Published>,
    pub client: IpAddr,
    pub helo: String,
    pub sender: Option<Address>,
    pub names: Vec<String>,
    pub spf: Option<spf::Checked>,
    pub dkim: Option<Vec<dkim::Checked>>,
    pub arc: Option<(Outcome, usize)>,
    pub given: Vec<String>,
    pub message: Vec<u8>,
    pub expected: Vec<(String, String)>,
}

#[derive(Clone)]
pub enum Published {
    Records(Vec<Record>),
    Answer(Answer),
}

impl Default for Case {
    fn default() -> Case {
        Case {
            answers: BTreeMap::new(),
            client: "192.0.2.1".parse().unwrap(),
            helo: "mail.sender.test".into(),
            sender: Some(Address::parse("anna@sender.test").unwrap()),
            names: vec!["box.test".into()],
            spf: None,
            dkim: None,
            arc: None,
            given: Vec::new(),
            message: Vec::new(),
            expected: Vec::new(),
        }
    }
}

impl Case {
    pub fn take(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let two = || rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "" | "#" => {}
            "dns" => self.dns(rest),
            "client" => self.client = rest.parse().expect(line),
            "helo" => self.helo = String::from_utf8_lossy(&unescaped(rest)).into_owned(),
            "sender" if rest == "<>" => self.sender = None,
            "sender" => self.sender = Some(Address::parse(rest).expect(line)),
            "names" => self.names = rest.split(' ').map(str::to_owned).collect(),
            "spf" => {
                let (what, domain) = two();
                self.spf = Some(spf::Checked {
                    outcome: outcome(what),
                    ..spf::Checked::none(domain)
                });
            }
            "dkim" => {
                let (what, domain) = two();
                self.dkim
                    .get_or_insert_default()
                    .push(signature(outcome(what), domain));
            }
            "arc" => {
                let (what, sets) = two();
                self.arc = Some((outcome(what), sets.parse().expect(line)));
            }
            "given" => self.given.extend(rest.split(", ").map(str::to_owned)),
            "from" => self.line(&[b"From: ", &*unescaped(rest)].concat()),
            "|" => self.line(&unescaped(rest)),
            "sign" => self.sign(rest),
            "+" => {
                let top = [&*unescaped(rest), b"\r\n", &self.message].concat();
                self.message = top;
            }
            "++" => {
                self.end_header();
                self.line(&unescaped(rest));
            }
            "=>" => {
                let (key, value) = two();
                self.expected.push((key.into(), value.into()));
            }
            _ => panic!("what is {line:?}?"),
        }
    }

    fn line(&mut self, octets: &[u8]) {
        self.message.extend_from_slice(octets);
        self.message.extend_from_slice(b"\r\n");
    }

    pub fn end_header(&mut self) {
        if end_of_header(&self.message).is_none() {
            self.line(b"");
        }
    }

    fn dns(&mut self, rest: &str) {
        let mut words = rest.splitn(3, ' ');
        let (name, kind, value) = (
            words.next().expect(rest).to_ascii_lowercase(),
            words.next().expect(rest),
            words.next().unwrap_or(""),
        );
        let place = |text: &str| Name::parse(text).expect(rest);
        let (kind, record) = match kind {
            "TXT" => ("TXT", Record::Txt(unescaped(value).into())),
            "A" if !value.starts_with('!') => ("A", Record::A(value.parse().expect(rest))),
            "AAAA" if !value.starts_with('!') => ("AAAA", Record::Aaaa(value.parse().expect(rest))),
            "A" => ("A", Record::Text("".into())),
            "AAAA" => ("AAAA", Record::Text("".into())),
            "CNAME" => ("CNAME", Record::Name(place(value))),
            "PTR" if !value.starts_with('!') => ("PTR", Record::Ptr(place(value))),
            "PTR" => ("PTR", Record::Text("".into())),
            "MX" => {
                let (preference, exchange) = value.split_once(' ').expect(rest);
                let exchange = Some(place(exchange)).filter(|_| exchange != ".");
                let preference = preference.parse().expect(rest);
                (
                    "MX",
                    Record::Mx {
                        preference,
                        exchange,
                    },
                )
            }
            _ => panic!("which kind is {rest:?}?"),
        };
        let answer = match value {
            "!servfail" => Some(Answer::trouble(
                TroubleKind::ServerFailure,
                "its servers fail",
            )),
            "!unreachable" => Some(Answer::trouble(TroubleKind::Unreachable, "no network")),
            "!nodata" => Some(Answer::insecure(Vec::new())),
            _ => None,
        };
        let known = self
            .answers
            .entry((name, kind))
            .or_insert_with(|| Published::Records(Vec::new()));
        match (known, answer) {
            (known, Some(answer)) => *known = Published::Answer(answer),
            (Published::Records(records), None) => records.push(record),
            (Published::Answer(_), None) => panic!("{rest:?} has an answer already"),
        }
    }

    fn sign(&mut self, rest: &str) {
        let value = |key: &str| {
            rest.split(' ')
                .find_map(|word| word.strip_prefix(key))
                .map(str::to_owned)
        };
        let (d, s) = (value("d=").expect(rest), value("s=").expect(rest));
        let headers = value("h=").unwrap_or_else(|| "From:Subject".into());
        self.end_header();
        let key = Ed25519Key::from_seed_and_public_key(&SEED, &PUBLIC).expect("the example's key");
        let signed = DkimSigner::from_key(key)
            .domain(d.clone())
            .selector(s.clone())
            .headers(headers.split(':').map(str::to_owned).collect::<Vec<_>>())
            .body_length(rest.split(' ').any(|word| word == "l"))
            .sign(&self.message)
            .expect("a message that can be signed");
        let field = signed.to_header();
        self.message = [field.as_bytes(), &self.message].concat();
        let name = format!("{s}._domainkey.{d}");
        let key = Published::Records(vec![Record::Txt(PUBLISHED.as_bytes().into())]);
        self.answers.insert((name, "TXT"), key);
    }

    pub fn canned(&self) -> Canned {
        let mut canned = Canned::default();
        for ((name, kind), published) in &self.answers {
            let kind = match *kind {
                "TXT" => Kind::Txt,
                "A" => Kind::A,
                "AAAA" => Kind::Aaaa,
                "CNAME" => Kind::Cname,
                "PTR" => Kind::Ptr,
                _ => Kind::Mx,
            };
            let answer = match published {
                Published::Records(records) => Answer::insecure(records.clone()),
                Published::Answer(answer) => answer.clone(),
            };
            canned = canned.with(name, kind, answer);
        }
        canned
    }
}

fn outcome(word: &str) -> Outcome {
    [
        Outcome::None,
        Outcome::Pass,
        Outcome::Fail,
        Outcome::SoftFail,
        Outcome::Neutral,
        Outcome::Policy,
        Outcome::TempError,
        Outcome::PermError,
    ]
    .into_iter()
    .find(|outcome| outcome.as_str() == word)
    .unwrap_or_else(|| panic!("{word:?} is no outcome"))
}

fn signature(outcome: Outcome, domain: &str) -> dkim::Checked {
    dkim::Checked {
        outcome,
        domain: domain.into(),
        selector: "s".into(),
        identity: format!("@{domain}"),
        algorithm: "rsa-sha256".into(),
        b_start: "abcdefgh".into(),
        reason: String::new(),
        testing: false,
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        let escaped = match octet {
            b'\\' => rest.next(),
            octet => {
                octets.push(octet);
                continue;
            }
        };
        octets.push(match escaped {
            Some(b'0') => 0,
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'x') => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            Some(octet) => octet,
            None => panic!("a backslash at the end of {text:?}"),
        });
    }
    octets
}
