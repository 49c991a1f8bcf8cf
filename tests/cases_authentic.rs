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

#[path = "cases_authentic/case.rs"]
mod case;

use case::Case;
use pillarbox::policy::authentic::canned::ready;
use pillarbox::policy::authentic::verdict::{Action, Circumstances, Verdict, judge};
use pillarbox::policy::authentic::{Asked, Verdicts, at_header, dkim, dmarc, fields, spf};
use pillarbox::wire::address::Domain;
use pillarbox::wire::header::{Fields, end_of_header};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

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

impl Case {
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
    verdict: Verdict,
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

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
