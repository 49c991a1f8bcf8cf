//! `pillarbox dns lookup`: what the server's resolver answers, and whether that can be believed.
//!
//! It makes a resolver of its own from the configuration, so it works while the server is down, and shows what a
//! first question costs.

use super::arguments::{Arguments, Known, misunderstood};
use super::{CONFIG_FILE, Failure, load_config, print};
use crate::config::dns::Dns;
use crate::net::resolve::{Resolver, State};
use crate::run::{lifecycle, resolver};
use crate::wire::dns::{Answer, Kind, Name, Outcome, Question, Record, Security, TroubleKind};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox dns lookup NAME TYPE [--config FILE] [--json]
       pillarbox dns lookup ADDRESS

Asks the DNS as the server does: from the root down, or the servers under `forward` in [dns]
of the configuration; signatures (DNSSEC) are checked here. It shows the answer, for how long
it is good, and whether it is secure, or why not. TYPE is A, AAAA, MX, TXT, PTR, TLSA, CNAME,
NS or SOA; an ADDRESS is asked for its name.

options:
  --config FILE   the box's configuration (default: /etc/pillarbox/pillarbox.toml, where there is one)
  --json          the answer as JSON

example:
  pillarbox dns lookup example.org MX
  pillarbox dns lookup _dmarc.example.org TXT
  pillarbox dns lookup 192.0.2.25
";

const KNOWN: Known = Known {
    plain: &[],
    valued: &[],
};

/// Types by the names that people write.
const KINDS: [(&str, Kind); 9] = [
    ("A", Kind::A),
    ("AAAA", Kind::Aaaa),
    ("MX", Kind::Mx),
    ("TXT", Kind::Txt),
    ("PTR", Kind::Ptr),
    ("TLSA", Kind::Tlsa),
    ("CNAME", Kind::Cname),
    ("NS", Kind::Ns),
    ("SOA", Kind::Soa),
];

/// Runs the verb.
pub fn run(parser: lexopt::Parser) -> Result<(), Failure> {
    let arguments = Arguments::parse(parser, &KNOWN)?;
    let words = arguments.words();
    let (question, shown) = match words.as_slice() {
        ["lookup", address] => match address.parse::<IpAddr>() {
            Ok(ip) => (Question::new(Name::reverse(ip), Kind::Ptr), "PTR"),
            Err(_) => return Err(misunderstood("dns", &words, HELP)),
        },
        ["lookup", name, kind] => {
            let (shown, kind) = parse_kind(kind)?;
            (Question::new(parse_name(name)?, kind), shown)
        }
        words => return Err(misunderstood("dns", words, HELP)),
    };
    let dns = configured(arguments.config.as_deref())?;
    let resolver = resolver::open(&dns).map_err(Failure::new)?;
    let runtime = lifecycle::runtime()
        .map_err(|error| Failure::new(format!("the runtime cannot start: {error}")))?;
    let seen = runtime.block_on(look(&resolver, &question));
    if arguments.json {
        return print(&format!("{}\n", as_json(&question, shown, &seen)));
    }
    print(&as_text(&question, shown, &seen))?;
    match &seen.answer.outcome {
        Outcome::Trouble(trouble) => Err(Failure::new(format!("no answer: {}", trouble.why))),
        _ => Ok(()),
    }
}

/// All that is shown.
struct Seen {
    answer: Answer,
    zones: Vec<(String, Option<Security>)>,
    queries: u64,
    millis: u128,
    state: State,
}

async fn look(resolver: &Resolver, question: &Question) -> Seen {
    let start = tokio::time::Instant::now();
    let answer = resolver.lookup(question.clone()).await;
    let millis = start.elapsed().as_millis();
    let queries = resolver.counts().queries.load(Relaxed);
    let troubled =
        matches!(&answer.outcome, Outcome::Trouble(trouble) if trouble.kind != TroubleKind::Bogus);
    let zones = match troubled {
        true => Vec::new(),
        false => resolver.zones(question).await,
    };
    Seen {
        answer,
        zones,
        queries,
        millis,
        state: resolver.state(),
    }
}

fn configured(file: Option<&Path>) -> Result<Dns, Failure> {
    match file {
        None if !Path::new(CONFIG_FILE).exists() => Ok(Dns::default()),
        file => Ok(load_config(file)?.dns),
    }
}

fn parse_kind(text: &str) -> Result<(&'static str, Kind), Failure> {
    let found = KINDS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| {
        let all = KINDS.map(|(name, _)| name).join(", ");
        Failure::usage(format!(
            "{text:?} is no type that mail asks for; there are {all}"
        ))
    })
}

fn parse_name(text: &str) -> Result<Name, Failure> {
    let ascii = idna::domain_to_ascii(text).unwrap_or_else(|_| text.to_string());
    Name::parse(text)
        .or_else(|| Name::parse(&ascii))
        .ok_or_else(|| {
            Failure::usage(format!(
                "{text:?} is no name: labels of 1 to 63 octets, joined by dots"
            ))
        })
}

fn as_text(question: &Question, shown: &str, seen: &Seen) -> String {
    let mut text = String::new();
    let Answer {
        outcome,
        security,
        ttl_secs,
    } = &seen.answer;
    let name = &question.name;
    let _ = match outcome {
        Outcome::Records(records) => records
            .iter()
            .try_for_each(|record| writeln!(text, "{name} {shown} {}", record_text(record))),
        Outcome::NoData => writeln!(text, "{name} exists, without {shown} records"),
        Outcome::NoSuchName => writeln!(text, "{name} does not exist"),
        Outcome::Trouble(_) => Ok(()),
    };
    if !seen.answer.is_trouble() {
        let _ = writeln!(
            text,
            "good for {ttl_secs} s; {}",
            security_text(*security, &seen.zones)
        );
    }
    for (zone, security) in &seen.zones {
        let _ = writeln!(text, "  zone {zone:<32} {}", zone_text(*security));
    }
    if let State::Unreachable(why) | State::NotGenuine(why) = &seen.state {
        let _ = writeln!(text, "{why}");
    }
    let _ = writeln!(text, "{} queries, {} ms", seen.queries, seen.millis);
    printable(&text)
}

fn security_text(security: Security, zones: &[(String, Option<Security>)]) -> String {
    let first = zones
        .iter()
        .find(|(_, security)| *security == Some(Security::Insecure));
    match security {
        Security::Secure => "secure: signed from the root down".to_string(),
        Security::Indeterminate => {
            "not checked: the clock is not set, or the name is under `unvalidated` in [dns]".to_string()
        }
        Security::Insecure => match first {
            Some((zone, _)) => format!("not secure: {zone} is not signed (the zone above has no DS for it)"),
            None => "not secure: an alias leads to a zone that is not signed, or its denial proves too little".to_string(),
        },
    }
}

fn zone_text(security: Option<Security>) -> &'static str {
    match security {
        Some(Security::Secure) => "signed",
        Some(Security::Insecure) => "not signed",
        Some(Security::Indeterminate) => "not checked",
        None => "its keys are wrong or cannot be had",
    }
}

fn as_json(question: &Question, shown: &str, seen: &Seen) -> Value {
    let security = match seen.answer.security {
        Security::Secure => "secure",
        Security::Insecure => "insecure",
        Security::Indeterminate => "indeterminate",
    };
    let (outcome, trouble) = match &seen.answer.outcome {
        Outcome::Records(_) => ("records", None),
        Outcome::NoData => ("no-data", None),
        Outcome::NoSuchName => ("no-such-name", None),
        Outcome::Trouble(trouble) => ("trouble", Some(trouble)),
    };
    let kind = trouble.map(|trouble| match trouble.kind {
        TroubleKind::Bogus => "bogus",
        TroubleKind::Timeout => "timeout",
        TroubleKind::ServerFailure => "server-failure",
        TroubleKind::TooMuchWork => "too-much-work",
        TroubleKind::Unreachable => "unreachable",
        TroubleKind::Busy => "busy",
    });
    let zones = seen
        .zones
        .iter()
        .map(|(zone, security)| json!([zone, zone_text(*security)]));
    let state = match &seen.state {
        State::Untried => "untried",
        State::Good => "good",
        State::Unreachable(_) => "unreachable",
        State::NotGenuine(_) => "not-genuine",
    };
    json!({
        "name": question.name.as_str(),
        "type": shown,
        "outcome": outcome,
        "records": seen.answer.records().iter().map(record_text).collect::<Vec<_>>(),
        "ttl-secs": seen.answer.ttl_secs,
        "security": security,
        "trouble": kind,
        "why": trouble.map(|trouble| &*trouble.why),
        "zones": zones.collect::<Vec<_>>(),
        "state": state,
        "queries": seen.queries,
        "millis": seen.millis as u64,
    })
}

fn record_text(record: &Record) -> String {
    match record {
        Record::A(ip) => ip.to_string(),
        Record::Aaaa(ip) => ip.to_string(),
        Record::Mx {
            preference,
            exchange,
        } => match exchange {
            Some(name) => format!("{preference} {name}"),
            None => format!("{preference} . (takes no mail)"),
        },
        Record::Txt(octets) => format!("{:?}", String::from_utf8_lossy(octets)),
        Record::Ptr(name) | Record::Name(name) => name.to_string(),
        Record::Tlsa {
            usage,
            selector,
            matching,
            data,
        } => {
            let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{usage} {selector} {matching} {hex}")
        }
        Record::Text(text) => text.to_string(),
    }
}

/// What strangers wrote must not move the cursor of whoever reads it.
fn printable(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() && c != '\n' {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(line: &str) -> Result<(), Failure> {
        run(lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, part) in [
            ("", "usage:"),
            ("lookup", "usage: pillarbox dns lookup NAME"),
            ("lookup example.org", "usage: pillarbox dns lookup NAME"),
            ("lookup example.org BOX", "is no type that mail asks for"),
            ("lookup a..b A", "is no name"),
            ("find a.b A", "not known"),
        ] {
            let failure = go(line).unwrap_err();
            assert!(
                failure.code == 2 && failure.text.contains(part),
                "{line}: {failure:?}"
            );
        }
    }

    #[test]
    fn an_answer_in_words() {
        let question = Question::new(Name::parse("a.test").unwrap(), Kind::Mx);
        let mut answer = Answer::insecure(vec![
            Record::Mx {
                preference: 10,
                exchange: Name::parse("mx.test"),
            },
            Record::Mx {
                preference: 0,
                exchange: None,
            },
        ]);
        let zones = vec![
            (".".into(), Some(Security::Secure)),
            ("test.".into(), Some(Security::Insecure)),
        ];
        let seen = |answer: &Answer| Seen {
            answer: answer.clone(),
            zones: zones.clone(),
            queries: 3,
            millis: 7,
            state: State::Good,
        };
        let text = as_text(&question, "MX", &seen(&answer));
        for part in [
            "a.test MX 10 mx.test\n",
            "0 . (takes no mail)",
            "good for 300 s",
            "test. is not signed",
            "3 queries, 7 ms",
        ] {
            assert!(text.contains(part), "{text}");
        }
        answer.security = Security::Secure;
        assert!(as_text(&question, "MX", &seen(&answer)).contains("secure: signed"));
        let json = as_json(&question, "MX", &seen(&answer));
        assert_eq!(json["security"], "secure");
        assert_eq!(json["records"][0], "10 mx.test");
        let trouble = Answer::trouble(TroubleKind::Bogus, "expired");
        assert_eq!(
            as_json(&question, "MX", &seen(&trouble))["trouble"],
            "bogus"
        );
    }
}
