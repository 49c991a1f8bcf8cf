//! A resolver that answers lines: `NAME TYPE` on standard input, one tab-separated line for each answer on standard output,
//! in the order in which they become known. A line `done` waits for all answers and says so; the end of input ends it.
//!
//! `--root ADDRESS` (several), `--anchors FILE`, `--no-ipv6`, `--forward ADDRESS[#NAME]` (several), `--authorities FILE`,
//! `--clock-unset`, `--quiet` (no answers, `done` says how many of each outcome), `--window N` (so many questions at
//! once, 32 if not said). A line `size` says what the cache holds.
//!
//! tests/dns/run asks through this: one process is one resolver with one cache.

use pillarbox::net::resolve::{Forwarder, Resolver, Setup, Source};
use pillarbox::wire::dns::{Answer, Kind, Name, Outcome, Question, Record, Security};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

struct Options {
    setup: Setup,
    quiet: bool,
    window: usize,
}

fn main() -> Result<(), String> {
    let options = options(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    tokio::task::LocalSet::new().block_on(&runtime, talk(options))
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut roots, mut anchors, mut authorities) = (Vec::new(), String::new(), String::new());
    let (mut ipv6, mut clock_is_set, mut servers) = (true, true, Vec::new());
    let (mut quiet, mut window) = (false, 32);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        let read = |file: String| std::fs::read_to_string(file).map_err(|error| error.to_string());
        match word.as_str() {
            "--root" => roots.push(at_53(&value()?)?),
            "--anchors" => anchors = read(value()?)?,
            "--authorities" => authorities = read(value()?)?,
            "--no-ipv6" => ipv6 = false,
            "--clock-unset" => clock_is_set = false,
            "--forward" => servers.push(forwarder(&value()?)?),
            "--quiet" => quiet = true,
            "--window" => window = value()?.parse().map_err(|_| "--window: a number")?,
            _ => return Err(format!("unknown: {word}")),
        }
    }
    let source = match servers.is_empty() {
        true => Source::Recurse {
            roots,
            anchors,
            ipv6,
            private_servers: true,
        },
        false => Source::Forward {
            servers,
            anchors,
            authorities,
        },
    };
    let mut setup = Setup::new(source);
    setup.clock_is_sane = Arc::new(move || clock_is_set);
    Ok(Options {
        setup,
        quiet,
        window,
    })
}

fn at_53(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().map_err(|_| format!("{text}: an address"))?;
    Ok(SocketAddr::new(address, 53))
}

fn forwarder(text: &str) -> Result<Forwarder, String> {
    let (address, name) = match text.split_once('#') {
        Some((address, name)) => (address, Some(name.to_owned())),
        None => (text, None),
    };
    let mut address = at_53(address)?;
    if name.is_some() {
        address.set_port(853);
    }
    Ok(Forwarder {
        address,
        tls_name: name,
    })
}

async fn talk(options: Options) -> Result<(), String> {
    let resolver = Resolver::with(options.setup)?;
    let mut lines = standard_input();
    let places = Arc::new(Semaphore::new(options.window));
    let counts = Rc::new(RefCell::new(BTreeMap::<&str, usize>::new()));
    while let Some(line) = lines.recv().await {
        if line == "done" {
            all_done(&places, options.window, &counts).await;
            continue;
        }
        if line == "size" {
            let (entries, octets) = resolver.cache_size();
            println!("size {entries} {octets}");
            continue;
        }
        let Some((name, kind)) = line.split_once(' ') else {
            println!("unknown line: {line}");
            continue;
        };
        let (Some(name), Some(kind)) = (Name::parse(name), kind_of(kind)) else {
            println!("{line}\tnot a question");
            continue;
        };
        let place = places
            .clone()
            .acquire_owned()
            .await
            .map_err(|error| error.to_string())?;
        let (resolver, counts) = (resolver.clone(), counts.clone());
        tokio::task::spawn_local(async move {
            let answer = resolver.lookup(Question::new(name, kind)).await;
            drop(place);
            match options.quiet {
                true => *counts.borrow_mut().entry(word(&answer)).or_default() += 1,
                false => println!("{line}\t{}", shown(&answer)),
            }
        });
    }
    all_done(&places, options.window, &counts).await;
    Ok(())
}

/// Waits until no question is under way; prints and clears the counts.
async fn all_done(places: &Semaphore, window: usize, counts: &RefCell<BTreeMap<&str, usize>>) {
    let _all = places.acquire_many(window as u32).await;
    let counts: Vec<String> = std::mem::take(&mut *counts.borrow_mut())
        .iter()
        .map(|(word, count)| format!("{word}={count}"))
        .collect();
    println!("done {}", counts.join(" "));
}

/// Lines as they come, read by a thread of its own.
fn standard_input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(256);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn kind_of(text: &str) -> Option<Kind> {
    Some(match text {
        "A" => Kind::A,
        "AAAA" => Kind::Aaaa,
        "MX" => Kind::Mx,
        "TXT" => Kind::Txt,
        "PTR" => Kind::Ptr,
        "TLSA" => Kind::Tlsa,
        "CNAME" => Kind::Cname,
        "NS" => Kind::Ns,
        "SOA" => Kind::Soa,
        _ => return None,
    })
}

fn word(answer: &Answer) -> &'static str {
    use pillarbox::wire::dns::TroubleKind::*;
    match &answer.outcome {
        Outcome::Records(_) => "records",
        Outcome::NoData => "NODATA",
        Outcome::NoSuchName => "NXDOMAIN",
        Outcome::Trouble(trouble) => match trouble.kind {
            Bogus => "bogus",
            Timeout => "timeout",
            ServerFailure => "server-failure",
            TooMuchWork => "too-much-work",
            Unreachable => "unreachable",
            Busy => "busy",
        },
    }
}

/// Outcome, security, seconds, records or reason.
fn shown(answer: &Answer) -> String {
    let security = match answer.security {
        Security::Secure => "secure",
        Security::Insecure => "insecure",
        Security::Indeterminate => "indeterminate",
    };
    let detail = match &answer.outcome {
        Outcome::Trouble(trouble) => trouble.why.replace(['\t', '\n'], " "),
        _ => {
            let mut records: Vec<String> = answer.records().iter().map(record).collect();
            records.sort();
            match records.len() {
                0..=10 => records.join(" | "),
                many => format!("{many} records"),
            }
        }
    };
    format!(
        "{}\t{security}\t{}\t{detail}",
        word(answer),
        answer.ttl_secs
    )
}

fn record(record: &Record) -> String {
    match record {
        Record::A(address) => address.to_string(),
        Record::Aaaa(address) => address.to_string(),
        Record::Mx {
            preference,
            exchange: Some(name),
        } => format!("{preference} {name}"),
        Record::Mx {
            preference,
            exchange: None,
        } => format!("{preference} ."),
        Record::Txt(text) if text.len() > 200 => format!("{} octets", text.len()),
        Record::Txt(text) => format!("\"{}\"", text.escape_ascii()),
        Record::Ptr(name) | Record::Name(name) => name.to_string(),
        Record::Tlsa {
            usage,
            selector,
            matching,
            data,
        } => format!("{usage} {selector} {matching} {} octets", data.len()),
        Record::Text(text) => text.to_string(),
    }
}
