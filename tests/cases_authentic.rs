//! Whom to believe, as readable cases: tests/cases/authentic/*.case. Answers of the DNS, a client, an envelope and a
//! message go in; what the checks find, what becomes of the message, what is written in front of it and what is cut
//! out of it come out.
//!
//! Lines of a file stand for all of its cases until the first `== TITLE`, then for that case:
//! ```text
//! dns NAME KIND VALUE         an answer; VALUE may be !servfail, !unreachable, !nodata
//! client ADDRESS | helo NAME | sender ADDRESS or <> | names NAME...   (ours; the first is the hostname)
//! spf OUTCOME DOMAIN | dkim OUTCOME DOMAIN | arc OUTCOME SETS         said instead of being checked
//! given strict, trusted-relay, score-rejects, score-passes, late      circumstances
//! from VALUE                  a From field
//! | LINE                      a line of the message (\0 \r \n \t \\ \xNN are escapes)
//! sign d=DOMAIN s=SELECTOR [l] [h=NAME:NAME]   signs what stands there so far, and publishes the key
//! + LINE                      a line on top of what is there; ++ LINE: behind its end
//! => KEY VALUE                what is expected; only what is named is looked at
//! ```
//! Keys: dmarc (outcome, policy, record's domain), aligned, spf, helo-spf, dkim, arc, from, action, reply, reason,
//! lines (those named are there), no-lines, asked (names, in order), written and not-written (part of the unfolded
//! fields), cut (how many ranges), served (part of what is left of the header), not-served.

use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use pillarbox::policy::authentic::canned::{Canned, ready};
use pillarbox::policy::authentic::verdict::{Action, Circumstances, judge};
use pillarbox::policy::authentic::{Asked, Outcome, Verdicts, at_header, dkim, dmarc, fields, spf};
use pillarbox::wire::address::{Address, Domain};
use pillarbox::wire::dns::{Answer, Kind, Name, Record, TroubleKind};
use pillarbox::wire::header::{Fields, end_of_header};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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

#[test]
fn every_case_comes_out_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/authentic");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of cases")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "case"))
        .collect();
    files.sort();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for path in &files {
        let text = fs::read_to_string(path).expect("a case in UTF-8");
        let file = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut parts = text.split("\n== ");
        let common = parts.next().unwrap_or_default();
        for part in parts {
            let (title, lines) = part.split_once('\n').unwrap_or((part, ""));
            let mut case = Case::default();
            common.lines().for_each(|line| case.take(line));
            lines.lines().for_each(|line| case.take(line));
            assert!(
                !case.expected.is_empty(),
                "{file}: {title}: expects nothing"
            );
            cases += 1;
            let found = case.run();
            for (key, value) in &case.expected {
                if let Some(said) = found.differs(key, value) {
                    wrong.push(format!(
                        "{file}: {title}\n  {key}: expected {value}\n  but it is {said}"
                    ));
                }
            }
        }
    }
    assert!(cases > 240, "only {cases} cases");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Public suffixes say so in records of ours (`psd=y`); then the tree walk finds the same organizations as the vectors
/// of the Public Suffix List.
#[test]
fn organizations_below_public_suffixes() {
    let Some(vectors) = corpus("psl/test_psl.txt") else {
        return;
    };
    let mut seen = 0;
    for line in vectors.lines().filter(|line| line.starts_with("check")) {
        let mut quoted = line.split('\'').skip(1).step_by(2);
        let (Some(name), Some(organization)) = (quoted.next(), quoted.next()) else {
            continue;
        };
        let (Ok(author), Ok(organization)) = (Domain::parse(name), Domain::parse(organization))
        else {
            panic!("{line}");
        };
        let (_, suffix) = organization.as_str().split_once('.').expect(line);
        let aligned = |signer: &str| {
            let mut case = Case::default();
            case.take(&format!(
                "dns _dmarc.{suffix} TXT v=DMARC1; p=reject; psd=y"
            ));
            case.take(&format!("from anna@{author}"));
            case.take(&format!("dkim pass {signer}"));
            case.run().verdicts.dmarc.dkim_aligned
        };
        assert!(aligned(organization.as_str()), "{line}");
        assert!(aligned(&format!("deep.below.{organization}")), "{line}");
        assert!(!aligned(suffix), "{line}: {suffix}");
        assert!(
            !aligned(&format!("neighbour.{suffix}")),
            "{line}: a neighbour"
        );
        seen += 1;
    }
    assert!(seen > 40, "only {seen} vectors");
}

/// A file of the test data beside the repository; without it the test is skipped, except where CI is set.
fn corpus(file: &str) -> Option<String> {
    let folder = env::var_os("PILLARBOX_TESTDATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata"),
        PathBuf::from,
    );
    match fs::read_to_string(folder.join(file)) {
        Ok(text) => Some(text),
        Err(error) if env::var_os("CI").is_some() => panic!("{file}: {error}"),
        Err(error) => {
            eprintln!("skipped: {file}: {error}");
            None
        }
    }
}

/// A case as it is read.
struct Case {
    answers: BTreeMap<(String, &'static str), Published>,
    client: IpAddr,
    helo: String,
    sender: Option<Address>,
    names: Vec<String>,
    spf: Option<spf::Checked>,
    dkim: Option<Vec<dkim::Checked>>,
    arc: Option<(Outcome, usize)>,
    given: Vec<String>,
    message: Vec<u8>,
    expected: Vec<(String, String)>,
}

#[derive(Clone)]
enum Published {
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
    fn take(&mut self, line: &str) {
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

    fn end_header(&mut self) {
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

    fn canned(&self) -> Canned {
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

    fn run(&mut self) -> Found {
        self.end_header();
        let header_bytes = end_of_header(&self.message).expect("a header that ends");
        let (header, body) = self.message.split_at(header_bytes);
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("a clock behind 1970");
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let asked = Asked {
            client: self.client,
            helo: &self.helo,
            sender: self.sender.as_ref(),
            hostname: names[0],
            // Signatures are made now.
            now_seconds: Some(now.as_secs() as i64),
        };
        let mut dns = self.canned();
        let mut verdicts = ready(async {
            let mut checks = at_header(&dns, &asked, header).await;
            body.chunks(7).for_each(|chunk| checks.body(chunk));
            checks.finish(&dns).await
        });
        let (authors, _) = dmarc::authors(header, &asked);
        if self.spf.is_some() || self.dkim.is_some() || self.arc.is_some() {
            dns = self.canned();
            self.say_instead(&mut verdicts);
            verdicts.dmarc = ready(dmarc::check(
                &dns,
                &authors,
                &verdicts.spf_mail_from,
                &verdicts.dkim,
            ));
        }
        let given = |word: &str| self.given.iter().any(|given| given == word);
        let circumstances = Circumstances {
            strict: given("strict"),
            relayed: given("trusted-relay"),
            score_rejects: match () {
                _ if given("score-rejects") => Some(true),
                _ if given("score-passes") => Some(false),
                _ => None,
            },
            may_defer: !given("late"),
            envelope_domain: self.sender.as_ref().map(|sender| sender.domain().as_str()),
        };
        let verdict = judge(&verdicts, &circumstances);
        let mut written = Vec::new();
        fields::write(&mut written, &asked, &verdicts);
        let mut cuts = Vec::new();
        fields::forged(header, &names, &mut cuts);
        let mut served = header.to_vec();
        for cut in cuts.iter().rev() {
            served.drain(cut.start as usize..cut.end as usize);
        }
        // What is written is ours, whole, and two or three fields.
        let mut ours = Vec::new();
        fields::forged(&written, &names, &mut ours);
        assert_eq!(ours.len(), 1);
        assert_eq!(
            ours[0].start as usize..ours[0].end as usize,
            0..written.len()
        );
        assert!((2..=3).contains(&Fields::new(&written).count()));
        assert!(
            written
                .split(|&o| o == b'\n')
                .all(|line| line.len() <= 998 && line.is_ascii())
        );
        Found {
            from: authors
                .domains
                .iter()
                .map(|domain| format!("{domain} "))
                .collect(),
            asked: dns
                .asked()
                .iter()
                .map(|question| question.name.to_string())
                .collect(),
            written: text(&written).replace("\r\n ", " "),
            served: text(&served),
            cuts: cuts.len(),
            verdicts,
            verdict,
        }
    }

    fn say_instead(&self, verdicts: &mut Verdicts) {
        if let Some(spf) = &self.spf {
            verdicts.spf_mail_from = spf.clone();
        }
        if let Some(dkim) = &self.dkim {
            verdicts.dkim_fields = dkim.len();
            verdicts.dkim = dkim.clone();
        }
        if let Some((outcome, sets)) = self.arc {
            verdicts.arc.outcome = outcome;
            verdicts.arc.sets = sets;
        }
    }
}

/// What came out.
struct Found {
    verdicts: Verdicts,
    verdict: pillarbox::policy::authentic::verdict::Verdict,
    from: String,
    asked: Vec<String>,
    written: String,
    served: String,
    cuts: usize,
}

impl Found {
    /// What it is instead, where it is not as expected.
    fn differs(&self, key: &str, value: &str) -> Option<String> {
        let checked = &self.verdicts.dmarc;
        let or_dash = |text: &str| {
            if text.is_empty() {
                "-".to_string()
            } else {
                text.to_string()
            }
        };
        let said = match key {
            "dmarc" => format!(
                "{} {} {}",
                checked.outcome.as_str(),
                checked.policy.map_or("-", dmarc::Policy::as_str),
                checked.record_domain.as_deref().unwrap_or("-")
            ),
            "aligned" => {
                let both = [("spf", checked.spf_aligned), ("dkim", checked.dkim_aligned)];
                let names: Vec<&str> = both
                    .iter()
                    .filter(|(_, is)| *is)
                    .map(|(name, _)| *name)
                    .collect();
                or_dash(&names.join(" "))
            }
            "spf" => spf_said(&self.verdicts.spf_mail_from),
            "helo-spf" => spf_said(&self.verdicts.spf_helo),
            "dkim" => {
                let said = |one: &dkim::Checked| format!("{} {}", one.outcome.as_str(), one.domain);
                let all: Vec<String> = self.verdicts.dkim.iter().map(said).collect();
                or_dash(&all.join(", "))
            }
            "arc" => format!(
                "{} {}",
                self.verdicts.arc.outcome.as_str(),
                self.verdicts.arc.sets
            ),
            "from" => or_dash(self.from.trim_end()),
            "action" => match &self.verdict.action {
                Action::Accept => "accept".into(),
                Action::Junk => "junk".into(),
                Action::Reject(reply) => format!("reject {} {}", reply.code, reply.status),
                Action::Defer(reply) => format!("defer {} {}", reply.code, reply.status),
            },
            "asked" => self.asked.join(" "),
            "cut" => self.cuts.to_string(),
            _ => return self.lacks(key, value),
        };
        (said != value).then_some(said)
    }

    /// For keys that name a part of something.
    fn lacks(&self, key: &str, value: &str) -> Option<String> {
        let names: Vec<&str> = self.verdict.lines.iter().map(|line| line.name).collect();
        let (whole, good) = match key {
            "reply" => {
                let text = match &self.verdict.action {
                    Action::Reject(reply) | Action::Defer(reply) => reply.text.to_string(),
                    Action::Accept | Action::Junk => String::new(),
                };
                (text.clone(), text.contains(value))
            }
            "reason" => (
                self.verdict.reason.clone(),
                self.verdict.reason.contains(value),
            ),
            "lines" => (
                names.join(" "),
                value.split(' ').all(|name| names.contains(&name)),
            ),
            "no-lines" => (
                names.join(" "),
                !value.split(' ').any(|name| names.contains(&name)),
            ),
            "written" => (self.written.clone(), self.written.contains(value)),
            "not-written" => (self.written.clone(), !self.written.contains(value)),
            "served" => (self.served.clone(), self.served.contains(value)),
            "not-served" => (self.served.clone(), !self.served.contains(value)),
            _ => panic!("what is {key:?}?"),
        };
        (!good).then_some(whole)
    }
}

fn spf_said(checked: &spf::Checked) -> String {
    format!("{} {}", checked.outcome.as_str(), checked.domain)
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

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
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
