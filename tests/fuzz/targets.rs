//! The properties that hold for any octets, one function a target. Each panics where its property fails.
#![allow(
    dead_code,
    reason = "each fuzz target uses one of these functions, the corpus test all of them"
)]

pub mod author;
#[path = "relays.rs"]
pub mod relays;
#[path = "reports.rs"]
pub mod reports;
pub mod senders;
#[path = "signatures.rs"]
pub mod signatures;

use pillarbox::limits::*;
use pillarbox::net::resolve::said as dns_said;
use pillarbox::store::ids::EmailId;
use pillarbox::store::record::frame::Frame;
use pillarbox::store::record::{ContentPlace, decode as decode_record, encode as encode_record};
use pillarbox::wire::address::{Address, Domain};
use pillarbox::wire::dns::{Kind, Name, Outcome, Question, Record};
use pillarbox::wire::dot::{ContentReader, LoneLf};
use pillarbox::wire::header::write_date;
use pillarbox::wire::imap::command::{parse as parse_imap, tag_of};
use pillarbox::wire::imap::frame::{Framer, Step};
use pillarbox::wire::imap::mutf7;
use pillarbox::wire::mime::body::{Form, push_body};
use pillarbox::wire::mime::decode::{Base64, QuotedPrintable, decode_words};
use pillarbox::wire::mime::search::{
    Needle, Progress, Scope, Searcher, envelope_holds, field_holds,
};
use pillarbox::wire::mime::section::{Of, Section, section};
use pillarbox::wire::mime::structure::parts;
use pillarbox::wire::mime::{Scanner, Summary, date, field};
use pillarbox::wire::sasl::{Exchange, Mechanism, Step as SaslStep};
use pillarbox::wire::smtp::{Command, Path, parse as parse_smtp};
use std::ops::Range;

/// A target: its name (and its folder in `corpus/`) and its property.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("mime", mime),
    ("structure", structure),
    ("search", search),
    ("words", words),
    ("date", date),
    ("transfer", transfer),
    ("smtp", smtp),
    ("content", content),
    ("address", address),
    ("imap", imap),
    ("mutf7", mutf7),
    ("sasl", sasl),
    ("record", record),
    ("dkim", signatures::dkim),
    ("dkim_body", signatures::dkim_body),
    ("signatures", signatures::signatures),
    ("dmarc", author::dmarc),
    ("authentication_results", author::authentication_results),
    ("authors", author::authors),
    ("dns", dns),
    ("spf", senders::spf),
    ("access", senders::access),
    ("proxy", relays::proxy),
    ("received", relays::received_from),
    ("report_unpack", reports::unpack),
    ("report_aggregate", reports::aggregate),
    ("report_feedback", reports::feedback),
    ("report_tls", reports::tls),
];

/// The first octet says how long chunks are; the rest is the input.
fn chunked(data: &[u8]) -> (usize, &[u8]) {
    match data.split_first() {
        Some((&size, rest)) => (usize::from(size) + 1, rest),
        None => (1, data),
    }
}

fn scan(message: &[u8], chunk_bytes: usize) -> Summary {
    let header = field::block_bytes(message).unwrap_or(message.len());
    let mut scanner = Scanner::new(b"X-Prefix: 1\r\n", &message[..header], &[]);
    message[header..]
        .chunks(chunk_bytes)
        .for_each(|chunk| scanner.body(chunk));
    scanner.finish()
}

/// However a message is cut, its summary is the same; parts lie in their parents, counts and sizes in their bounds, and
/// ENVELOPE, BODY and BODYSTRUCTURE are values of IMAP.
pub fn mime(data: &[u8]) {
    let (chunk_bytes, message) = chunked(data);
    let summary = scan(message, chunk_bytes);
    assert_eq!(
        summary,
        scan(message, usize::MAX),
        "chunks make a difference"
    );
    assert_eq!(items(&summary.envelope), 10, "ENVELOPE");
    for form in [Form::Body, Form::BodyStructure] {
        let mut body = Vec::new();
        push_body(&mut body, &summary.structure, form);
        assert!(items(&body) >= 2, "{form:?}");
    }
    let mut around: Vec<Range<u64>> = Vec::new();
    for part in parts(&summary.structure) {
        assert!(usize::from(part.depth) < MIME_DEPTH_MAX);
        assert!(part.start <= part.body_start && part.body_start <= part.end);
        assert!(part.end <= message.len() as u64 && part.lines <= part.end - part.body_start);
        around.truncate(usize::from(part.depth));
        if let Some(parent) = around.last() {
            assert!(parent.start <= part.start && part.end <= parent.end);
        }
        around.push(part.body());
    }
    assert!((1..=MIME_PARTS_MAX).contains(&parts(&summary.structure).count()));
    for path in [&[1][..], &[1, 1], &[2], &[2, 1], &[1, 2, 1]] {
        for of in [Of::Whole, Of::Mime, Of::Header, Of::Text] {
            if let Section::Body(range) = section(&summary.structure, path, of) {
                assert!(range.start <= range.end && range.end <= message.len() as u64);
            }
        }
    }
}

/// Counts the items of the one parenthesised list that `bytes` must be.
fn items(bytes: &[u8]) -> usize {
    let (count, rest) = list(bytes);
    assert!(rest.is_empty(), "octets behind the list");
    count
}

fn list(bytes: &[u8]) -> (usize, &[u8]) {
    let mut depth = 0usize;
    let mut count = 0;
    let mut rest = bytes;
    loop {
        let (&first, after) = rest.split_first().expect("the list ends");
        rest = after;
        match first {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b' ' => {}
            b'"' => loop {
                let (&octet, after) = rest.split_first().expect("the quoted string ends");
                rest = after;
                match octet {
                    b'"' => break,
                    b'\\' => {
                        assert!(matches!(rest.first(), Some(b'"' | b'\\')));
                        rest = &rest[1..];
                    }
                    octet => assert!(octet.is_ascii() && !matches!(octet, b'\r' | b'\n' | 0)),
                }
            },
            b'{' => {
                let end = rest
                    .iter()
                    .position(|&octet| octet == b'}')
                    .expect("a literal");
                let digits = std::str::from_utf8(&rest[..end]).expect("digits");
                let bytes: usize = digits.parse().expect("a number");
                assert!(rest[end..].starts_with(b"}\r\n"));
                rest = &rest[end + 3 + bytes..];
            }
            octet => {
                assert!(octet.is_ascii_alphanumeric(), "{:?}", octet as char);
                while rest.first().is_some_and(u8::is_ascii_alphanumeric) {
                    rest = &rest[1..];
                }
            }
        }
        if depth == 1 && !matches!(first, b' ' | b'(')
            || depth == 1 && first == b'(' && rest.first() == Some(&b')')
        {
            count += 1;
        }
        if depth == 0 {
            return (count.max(1), rest);
        }
    }
}

/// A damaged structure never panics, and what is rendered from it stays in proportion.
pub fn structure(data: &[u8]) {
    for form in [Form::Body, Form::BodyStructure] {
        let mut body = Vec::new();
        push_body(&mut body, data, form);
        assert!(body.len() <= 400 + data.len() * 60, "{}", body.len());
    }
    for path in [&[][..], &[1], &[1, 1], &[2, 1]] {
        for of in [Of::Whole, Of::Mime, Of::Header, Of::Text] {
            section(data, path, of);
        }
    }
    let needle = Needle::new("x");
    let mut searcher = Searcher::new(&needle, Scope::Body, data);
    for _ in 0..100 {
        let Some(wanted) = searcher.wanted() else {
            break;
        };
        let bytes = (wanted.end - wanted.start).min(100) as usize;
        searcher.feed(wanted.start, &vec![b'-'; bytes.max(1)]);
    }
}

/// However a message is cut, a search finds the same; a needle that a plain body holds is found.
pub fn search(data: &[u8]) {
    let (chunk_bytes, rest) = chunked(data);
    let (needle_bytes, rest) = chunked(rest);
    let (needle, message) = rest.split_at(needle_bytes.min(rest.len()) % 16);
    let text = String::from_utf8_lossy(needle);
    let needle = Needle::new(&text);
    let summary = scan(message, usize::MAX);
    let header = &message[..summary.header_bytes as usize];
    let hunt = |scope, chunk_bytes: usize| {
        let mut searcher = Searcher::new(&needle, scope, &summary.structure);
        let mut progress = searcher.header(header);
        while let (Progress::GoOn, Some(wanted)) = (progress, searcher.wanted()) {
            let start = wanted.start as usize;
            let end = start.saturating_add(chunk_bytes).min(message.len());
            assert!(start < end, "wants octets of the message");
            progress = searcher.feed(wanted.start, &message[start..end]);
        }
        progress == Progress::Found
    };
    for scope in [Scope::Text, Scope::Body] {
        assert_eq!(
            hunt(scope, chunk_bytes),
            hunt(scope, usize::MAX),
            "{scope:?}"
        );
    }
    assert!(
        !hunt(Scope::Body, chunk_bytes) || hunt(Scope::Text, chunk_bytes),
        "TEXT holds BODY"
    );
    if field_holds(header, "Subject", &needle) {
        assert!(field::fields(header).any(|field| field.is(b"Subject")));
    }
    (0..10).for_each(|at| _ = envelope_holds(&summary.envelope, at, &needle));
    (0..10).for_each(|at| _ = envelope_holds(message, at, &needle));
}

/// What is decoded is in proportion to what was encoded, and ASCII text without encoded words stays as it is.
pub fn words(data: &[u8]) {
    let text = decode_words(data);
    assert!(text.len() <= data.len() * 3 + 16);
    if data.is_ascii() && !data.windows(2).any(|pair| pair == b"=?") {
        assert_eq!(text.as_bytes(), data);
    }
    assert!(field::collapse(data).len() <= data.len());
}

/// A date that was read is a moment that, written and read again, is the same.
pub fn date(data: &[u8]) {
    let Some(moment) = date::parse(data) else {
        return;
    };
    assert!(moment.zone_minutes.abs() < 24 * 60);
    assert_eq!(moment.day_secs() % 86_400, 0);
    if (-62_000_000_000..250_000_000_000).contains(&moment.secs) {
        let again = date::parse(write_date(moment.secs).as_bytes());
        assert_eq!(again.map(|moment| moment.secs), Some(moment.secs));
    }
}

/// However an encoded text is cut, what it decodes to is the same, and no longer than it may be.
pub fn transfer(data: &[u8]) {
    let (chunk_bytes, text) = chunked(data);
    let base64 = |chunk_bytes| {
        let mut out = Vec::new();
        let mut decoder = Base64::default();
        text.chunks(chunk_bytes)
            .for_each(|chunk| decoder.decode(chunk, &mut out));
        out
    };
    assert_eq!(base64(chunk_bytes), base64(usize::MAX));
    assert!(base64(usize::MAX).len() <= text.len());
    let quoted = |chunk_bytes| {
        let mut out = Vec::new();
        let mut decoder = QuotedPrintable::default();
        text.chunks(chunk_bytes)
            .for_each(|chunk| decoder.decode(chunk, &mut out));
        decoder.finish(&mut out);
        out
    };
    assert_eq!(quoted(chunk_bytes), quoted(usize::MAX));
    assert!(quoted(usize::MAX).len() <= text.len());
}

/// An address that a command line holds can be written and read again.
pub fn smtp(data: &[u8]) {
    let Ok(command) = parse_smtp(data) else {
        return;
    };
    let path = match &command {
        Command::Mail(mail) => &mail.path,
        Command::Rcpt(rcpt) => &rcpt.path,
        _ => return,
    };
    if let Path::Address(address) = path {
        same_address(address);
    }
}

/// However the octets behind DATA are cut, the content, its end and its faults are the same.
pub fn content(data: &[u8]) {
    let (chunk_bytes, stream) = chunked(data);
    for lone_lf in [LoneLf::Refuse, LoneLf::Repair] {
        let read = |chunk_bytes: usize| {
            let mut reader = ContentReader::new(lone_lf);
            let mut content = Vec::new();
            let mut consumed = 0;
            for chunk in stream.chunks(chunk_bytes) {
                let taken = reader.dotted(chunk, &mut |piece| content.extend_from_slice(piece));
                consumed += taken.consume;
                if taken.ended {
                    return (content, consumed, true, reader.faults());
                }
                assert_eq!(taken.consume, chunk.len());
            }
            (content, consumed, false, reader.faults())
        };
        let whole = read(usize::MAX);
        assert_eq!(read(chunk_bytes), whole);
        assert!(whole.0.len() <= stream.len() * 2);
        if whole.2 {
            assert!(stream[..whole.1].ends_with(b".\r\n"));
        }
    }
}

fn same_address(address: &Address) {
    assert!(address.local().len() <= LOCAL_PART_BYTES_MAX);
    assert!(address.domain().as_str().len() <= DOMAIN_BYTES_MAX);
    let text = address.to_string();
    assert_eq!(Address::parse(&text).as_ref(), Ok(address), "{text:?}");
}

/// What was read as an address or a domain can be written and read again, and lies in its bounds.
pub fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(address) = Address::parse(&text) {
        same_address(&address);
    }
    if let Ok(domain) = Domain::parse(&text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        assert_eq!(Domain::parse(&domain.to_unicode()).as_ref(), Ok(&domain));
    }
}

/// However a stream of commands is cut, the commands are the same; every one is parsed or refused.
pub fn imap(data: &[u8]) {
    let (chunk_bytes, stream) = chunked(data);
    let whole = commands(stream, usize::MAX);
    assert_eq!(commands(stream, chunk_bytes), whole);
    for command in whole {
        let _ = parse_imap(command.as_bytes());
        let _ = tag_of(command.as_bytes());
    }
    let (_, _) = parse_imap(stream);
}

fn commands(stream: &[u8], chunk_bytes: usize) -> Vec<String> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    let mut at = 0;
    let mut tail = false;
    while at < stream.len() {
        let end = at.saturating_add(chunk_bytes).min(stream.len());
        let window = &stream[at..end];
        let (used, step) = if tail {
            framer.feed_line(window)
        } else {
            framer.feed(window)
        };
        assert!(
            used <= window.len() && (used > 0 || step != Step::More),
            "goes on"
        );
        at += used;
        assert!(framer.text().len() <= IMAP_COMMAND_BYTES_MAX + IMAP_LITERALS_BYTES_MAX + 2);
        match step {
            Step::More | Step::Continue => continue,
            Step::Command => found.push(String::from_utf8_lossy(framer.text()).into_owned()),
            Step::Append(literal) => {
                found.push(format!(
                    "{:?} {}",
                    literal,
                    String::from_utf8_lossy(framer.text())
                ));
                at = at.saturating_add(literal.bytes as usize).min(stream.len());
                framer.clear();
                tail = true;
                continue;
            }
            Step::Refused(why) => found.push(format!("{why:?}")),
            Step::Hopeless => break,
        }
        framer.clear();
        tail = false;
    }
    found
}

/// A mailbox name that was decoded can be encoded, and that decodes to it.
pub fn mutf7(data: &[u8]) {
    if let Some(name) = mutf7::decode(data) {
        assert_eq!(mutf7::decode(mutf7::encode(&name).as_bytes()), Some(name));
    }
    let name = String::from_utf8_lossy(data);
    let wire = mutf7::encode(&name);
    assert!(
        wire.bytes().all(|octet| matches!(octet, 32..=126))
            || name.chars().any(|c| c.is_ascii_control())
    );
}

/// An exchange ends after few lines, whatever they are, and a login holds what its bounds allow.
pub fn sasl(data: &[u8]) {
    let mut lines = data.split(|&octet| octet == b'\n');
    let Some(mechanism) = lines.next().and_then(Mechanism::parse) else {
        return;
    };
    let initial = lines.next().filter(|line| !line.is_empty());
    let (mut exchange, mut step) = Exchange::begin(mechanism, initial);
    for _ in 0..4 {
        match step {
            SaslStep::Challenge(_) => step = exchange.respond(lines.next().unwrap_or_default()),
            SaslStep::Done(login) => {
                assert!(
                    login.user.len() <= data.len() && login.password.len() <= PASSWORD_BYTES_MAX
                );
                return;
            }
            SaslStep::Failed(_) => return,
        }
    }
    panic!("an exchange of more than four lines");
}

/// A record that was read is written and read again as the same record.
pub fn record(data: &[u8]) {
    let [kind, bits, rest @ ..] = data else {
        return;
    };
    let place = if bits & 1 == 0 {
        ContentPlace::Inline
    } else {
        ContentPlace::File
    };
    let frame = |meta: &[u8]| Frame {
        kind: *kind,
        skippable: bits & 2 != 0,
        place,
        generation: 1,
        lsn: 1,
        meta_bytes: meta.len() as u32,
        content_bytes: 0,
        email: EmailId([7; 16]),
        list_crc: 0,
        meta_crc: 0,
    };
    let head = frame(rest);
    let salt = 12;
    assert_eq!(
        Frame::parse(&head.to_bytes(salt), salt, 1).is_ok(),
        *kind <= 19 || bits & 2 != 0
    );
    let _ = Frame::parse(rest, salt, 1);
    if let Ok(record) = decode_record(&head, rest) {
        let mut again = Vec::new();
        encode_record(&record, &mut again);
        assert_eq!(decode_record(&frame(&again), &again), Ok(record));
    }
}

/// A message of a name server, whatever it is, is refused or says records of the kind that was asked, as many and as
/// long-lived as our bounds allow; the same octets say the same thing, however often they are read.
pub fn dns(data: &[u8]) {
    let kinds = [
        Kind::A,
        Kind::Aaaa,
        Kind::Mx,
        Kind::Txt,
        Kind::Ptr,
        Kind::Tlsa,
        Kind::Cname,
        Kind::Ns,
        Kind::Soa,
    ];
    for name in ["a.b.test", "b.test", "1.2.0.192.in-addr.arpa"] {
        let name = Name::parse(name).expect("a name");
        for kind in kinds {
            let question = Question::new(name.clone(), kind);
            let said = dns_said(data, &question);
            assert_eq!(said, dns_said(data, &question), "it is not the same");
            let Ok(answer) = said else { continue };
            assert!(answer.ttl_secs <= DNS_TTL_SECS_MAX, "it lives for ever");
            let Outcome::Records(records) = &answer.outcome else {
                continue;
            };
            assert!((1..=DNS_ANSWER_RECORDS_MAX).contains(&records.len()));
            let octets: usize = records.iter().map(dns_record).sum();
            assert!(
                octets <= 2 * DNS_MESSAGE_BYTES_MAX + data.len() * 64,
                "{octets}"
            );
        }
    }
}

/// A record's octets; its names are names.
fn dns_record(record: &Record) -> usize {
    let good = |name: &Name| {
        assert_eq!(Name::parse(name.as_str()).as_ref(), Some(name));
        name.as_str().len()
    };
    match record {
        Record::A(_) | Record::Aaaa(_) => 16,
        Record::Mx { exchange, .. } => exchange.as_ref().map_or(1, good),
        Record::Txt(text) => text.len(),
        Record::Ptr(name) | Record::Name(name) => good(name),
        Record::Tlsa { data, .. } => data.len(),
        Record::Text(text) => text.len(),
    }
}
