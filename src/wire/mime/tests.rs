//! Whole messages through the scanner.

use super::body::{Form, push_body};
use super::section::{Of, Section, section};
use super::structure::{Kind, parts};
use super::*;
use crate::limits::*;
use proptest::prelude::*;

fn scan_in(message: &[u8], chunk_bytes: usize) -> Summary {
    let header = field::block_bytes(message).unwrap_or(message.len());
    let mut scanner = Scanner::new(b"", &message[..header], &[]);
    message[header..]
        .chunks(chunk_bytes.max(1))
        .for_each(|chunk| scanner.body(chunk));
    scanner.finish()
}

fn scan(message: &str) -> Summary {
    let whole = scan_in(message.as_bytes(), usize::MAX);
    for chunk_bytes in [1, 2, 3, 7] {
        assert_eq!(
            scan_in(message.as_bytes(), chunk_bytes),
            whole,
            "chunks of {chunk_bytes}"
        );
    }
    whole
}

fn render(message: &str, form: Form) -> String {
    let mut out = Vec::new();
    push_body(&mut out, &scan(message).structure, form);
    String::from_utf8(out).unwrap()
}

fn text_of(message: &str, path: &[u32], of: Of) -> Option<String> {
    match section(&scan(message).structure, path, of) {
        Section::Body(range) => Some(message[range.start as usize..range.end as usize].to_string()),
        Section::Message => Some("message".into()),
        Section::TopHeader => Some("header".into()),
        Section::Missing => None,
    }
}

const MIXED: &str = concat!(
    "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n",
    "--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-ID: <1>\r\n\r\none\r\ntwo\r\n",
    "--b \r\nContent-Type: message/rfc822\r\nContent-Description: d\r\n\r\n",
    "Subject: inner\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n",
    "--bb\r\n\r\nx\r\n--bb--\r\nepilogue\r\n",
    "--b--\r\nepilogue\r\n--b\r\nno part\r\n"
);

#[test]
fn a_message_of_every_kind() {
    assert_eq!(
        render(MIXED, Form::Body),
        concat!(
            r#"(("text" "html" ("charset" "utf-8") "<1>" NIL "7bit" 8 1)"#,
            r#"("message" "rfc822" NIL NIL "d" "7bit" 95 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) "#,
            r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0) "alternative") 7) "mixed")"#
        )
    );
    assert_eq!(
        render(
            "Content-Type: text/plain\r\nContent-Language: de, en\r\nContent-MD5: m\r\nContent-Disposition: inline; filename=a\r\nContent-Location: l\r\n\r\na\r\n",
            Form::BodyStructure
        ),
        r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 3 1 "m" ("inline" ("filename" "a")) ("de" "en") "l")"#
    );
}

#[test]
fn sections() {
    let section = |path: &[u32], of| text_of(MIXED, path, of);
    assert_eq!(section(&[], Of::Whole).unwrap(), "message");
    assert_eq!(section(&[], Of::Header).unwrap(), "header");
    assert!(section(&[], Of::Text).unwrap().starts_with("preamble"));
    assert_eq!(section(&[1], Of::Whole).unwrap(), "one\r\ntwo");
    assert!(section(&[1], Of::Mime).unwrap().ends_with("<1>\r\n\r\n"));
    assert_eq!(section(&[1], Of::Header), None);
    assert!(
        section(&[2], Of::Header)
            .unwrap()
            .starts_with("Subject: inner")
    );
    assert!(section(&[2], Of::Text).unwrap().starts_with("--bb"));
    assert!(section(&[2], Of::Text).unwrap().ends_with("epilogue"));
    assert_eq!(section(&[2, 1], Of::Whole).unwrap(), "x");
    assert_eq!(section(&[2, 1], Of::Mime).unwrap(), "\r\n");
    for path in [[3].as_slice(), &[0], &[1, 1], &[2, 2], &[2, 1, 1]] {
        assert_eq!(section(path, Of::Whole), None, "{path:?}");
    }
    assert_eq!(text_of("\r\na\r\n", &[1], Of::Whole).unwrap(), "a\r\n");
    assert_eq!(text_of("\r\na\r\n", &[1], Of::Mime).unwrap(), "header");
    assert_eq!(text_of("\r\na\r\n", &[1, 1], Of::Whole), None);
}

#[test]
fn prefix_and_cuts_make_the_envelope() {
    let header = b"X-Forged: 1\r\nSubject: a\r\nFrom: x@y\r\n\r\n";
    let summary = Scanner::new(b"To: p@q\r\n", header, &[0..13, 25..36]).finish();
    let envelope = String::from_utf8(summary.envelope).unwrap();
    assert_eq!(
        envelope,
        r#"(NIL "a" NIL NIL NIL ((NIL NIL "p" "q")) NIL NIL NIL NIL)"#
    );
    assert_eq!(summary.header_bytes, header.len() as u32);
}

#[test]
fn a_message_of_only_a_header() {
    for message in ["Subject: a\r\n", "Subject: a\r\n\r\n", "", "\r\n"] {
        assert!(
            render(message, Form::Body).ends_with(r#""7bit" 0 0)"#),
            "{message:?}"
        );
    }
    let multipart = "Content-Type: multipart/mixed; boundary=b\r\n";
    assert_eq!(
        render(multipart, Form::Body),
        r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")"#
    );
}

#[test]
fn the_longest_boundary_wins() {
    let message = concat!(
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n",
        "--ab\r\n\r\n1\r\n--ab\r\n\r\n2\r\n--ab--\r\n--a\r\n\r\n3"
    );
    let depths: Vec<u8> = parts(&scan(message).structure)
        .map(|part| part.depth)
        .collect();
    assert_eq!(depths, [0, 1, 2, 2, 1]);
    assert_eq!(text_of(message, &[2], Of::Whole).unwrap(), "3");
}

#[test]
fn an_outer_delimiter_ends_inner_parts() {
    let message = concat!(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n",
        "--i\nContent-Type: message/rfc822\n--o\n\nlast\n--o-- junk"
    );
    assert_eq!(text_of(message, &[1, 1], Of::Header).unwrap(), "");
    assert_eq!(text_of(message, &[2], Of::Whole).unwrap(), "last");
}

#[test]
fn a_digest_holds_messages() {
    let message = concat!(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: 1\r\n\r\nx\r\n",
        "--b\r\nContent-Type: text/plain\r\n\r\ny\r\n--b--"
    );
    let kinds: Vec<Kind> = parts(&scan(message).structure)
        .map(|part| part.kind)
        .collect();
    assert_eq!(
        kinds,
        [Kind::Multipart, Kind::Message, Kind::Leaf, Kind::Leaf]
    );
}

#[test]
fn a_multipart_without_boundary_is_a_leaf() {
    assert_eq!(
        render("Content-Type: multipart/mixed\r\n\r\n--b\r\n", Form::Body),
        r#"("application" "octet-stream" NIL NIL NIL "7bit" 5)"#
    );
}

#[test]
fn long_boundaries_are_compared_as_far_as_they_are_held() {
    for bytes in [
        MIME_BOUNDARY_BYTES_MAX - 1,
        MIME_BOUNDARY_BYTES_MAX,
        MIME_BOUNDARY_BYTES_MAX + 1,
        5_000,
    ] {
        let boundary = "x".repeat(bytes);
        let message = format!(
            "Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\r\n1\r\n--{boundary}\r\n\r\n2"
        );
        assert_eq!(text_of(&message, &[1], Of::Whole).unwrap(), "1", "{bytes}");
        assert_eq!(text_of(&message, &[2], Of::Whole).unwrap(), "2", "{bytes}");
    }
}

fn many_parts(count: usize) -> String {
    format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        "--b\r\n\r\n1\r\n".repeat(count)
    )
}

#[test]
fn the_number_of_parts_is_bounded() {
    let count =
        |children: usize| parts(&scan_in(many_parts(children).as_bytes(), 100).structure).count();
    assert_eq!(count(MIME_PARTS_MAX - 2), MIME_PARTS_MAX - 1);
    assert_eq!(count(MIME_PARTS_MAX - 1), MIME_PARTS_MAX);
    assert_eq!(count(MIME_PARTS_MAX), MIME_PARTS_MAX);
    let summary = scan_in(many_parts(10_000).as_bytes(), 4096);
    let last = parts(&summary.structure).last().unwrap();
    assert!(
        last.end - last.body_start > 9_000 * 10,
        "the rest belongs to the last part"
    );
}

#[test]
fn the_depth_is_bounded() {
    let nested = |levels: usize| {
        let message = "Content-Type: message/rfc822\r\n\r\n".repeat(levels);
        parts(&scan_in(message.as_bytes(), 50).structure)
            .map(|part| part.depth)
            .max()
            .unwrap() as usize
    };
    assert_eq!(nested(MIME_DEPTH_MAX - 2), MIME_DEPTH_MAX - 2);
    assert_eq!(nested(MIME_DEPTH_MAX - 1), MIME_DEPTH_MAX - 1);
    assert_eq!(nested(MIME_DEPTH_MAX), MIME_DEPTH_MAX - 1);
    assert_eq!(nested(1_000), MIME_DEPTH_MAX - 1);
    let multiparts: String = (0..1_000)
        .map(|at| format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n"))
        .collect();
    let mut out = Vec::new();
    push_body(
        &mut out,
        &scan_in(multiparts.as_bytes(), 1_000).structure,
        Form::BodyStructure,
    );
    assert!(out.len() < 10_000);
}

#[test]
fn the_structure_is_bounded() {
    let part = format!("--b\r\nContent-Description: {}\r\n\r\n", "x".repeat(20_000));
    let message = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        part.repeat(500)
    );
    let summary = scan_in(message.as_bytes(), 4096);
    assert!(summary.structure.len() < MIME_STRUCTURE_BYTES_MAX + 20_000);
    let inner = format!(
        "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: {}\r\n\r\n",
        "a@b,".repeat(10_000)
    );
    let message = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        inner.repeat(50)
    );
    let summary = scan_in(message.as_bytes(), 4096);
    assert!(summary.structure.len() < MIME_STRUCTURE_BYTES_MAX + 20_000);
}

#[test]
fn a_part_header_is_bounded() {
    const MAX: usize = MIME_PART_HEADER_BYTES_MAX;
    for (name, filler, seen) in [
        ("Content-X", MAX - 18, true),
        ("Content-X", MAX, false),
        // Fields that nobody looks at make room, even one that is larger than all.
        ("Received", MAX, true),
        ("Received", 5 * MAX + 1, true),
    ] {
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{name}:{}\r\nContent-ID: <1>\r\n\r\nx",
            "a".repeat(filler - 3 - name.len())
        );
        let summary = scan_in(message.as_bytes(), 4096);
        let part = parts(&summary.structure).nth(1).unwrap();
        assert_eq!(part.facts().id.is_some(), seen, "{name} {filler}");
        assert_eq!(part.end - part.body_start, 1);
    }
}

#[test]
fn a_forwarded_message_behind_a_long_trace_keeps_its_envelope() {
    let trace =
        "Received: from a.test\r\n\tby b.test; x\r\n".repeat(MIME_PART_HEADER_BYTES_MAX / 20);
    let message = format!(
        "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=b\r\n{trace}Subject: seen\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    );
    let whole = scan_in(message.as_bytes(), message.len());
    let mentions = |text: &[u8]| whole.structure.windows(text.len()).any(|w| w == text);
    assert!(mentions(b"\"seen\""));
    assert_eq!(parts(&whole.structure).count(), 3);
    for chunk in [1, 7, 1000] {
        let summary = scan_in(message.as_bytes(), chunk);
        assert_eq!(summary.structure, whole.structure, "{chunk}");
    }
}

#[test]
fn fields_past_the_bound_are_not_looked_at() {
    for (before, seen) in [(MIME_FIELDS_MAX - 1, true), (MIME_FIELDS_MAX, false)] {
        let message = format!("{}Subject: s\r\n\r\n", "a: b\r\n".repeat(before));
        let envelope = scan_in(message.as_bytes(), 4096).envelope;
        assert_eq!(envelope.starts_with(b"(NIL \"s\""), seen, "{before}");
    }
}

/// None of these takes long; each would if the work were not linear in the octets.
#[test]
fn hostile_bodies() {
    let nested: String = (0..MIME_DEPTH_MAX)
        .map(|at| {
            format!(
                "Content-Type: multipart/mixed; boundary={}{at:02}\r\n\r\n--{}{at:02}\r\n",
                "-".repeat(60),
                "-".repeat(60)
            )
        })
        .collect();
    for line in [
        "--",
        "--\r\n",
        "-\n",
        "\n",
        "--b\r\n",
        "--b--\r\n",
        &format!("--{}", "-".repeat(62)),
    ] {
        let mut message = nested.clone();
        message.push_str(&line.repeat((2 << 20) / line.len()));
        let summary = scan_in(message.as_bytes(), 32 * 1024);
        assert!(
            summary.structure.len() < MIME_STRUCTURE_BYTES_MAX,
            "{line:?}"
        );
    }
    let mut scanner = Scanner::new(
        b"",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        &[],
    );
    let chunk = vec![b'-'; 1 << 20];
    (0..50).for_each(|_| scanner.body(&chunk));
    assert_eq!(parts(&scanner.finish().structure).count(), 1);
}

fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("--a"),
        Just("--b"),
        Just("--a--"),
        Just("--ab"),
        Just("--"),
        Just("-"),
        Just(""),
        Just("x"),
        Just(" y"),
        Just("Content-Type: multipart/mixed; boundary=a"),
        Just("Content-Type: multipart/digest; boundary=ab"),
        Just("Content-Type: message/rfc822"),
        Just("Content-Type: text/plain"),
        Just("Subject: s"),
    ];
    let end = prop_oneof![4 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("")];
    proptest::collection::vec((line, end), 0..60).prop_map(|lines| {
        lines
            .into_iter()
            .map(|(line, end)| format!("{line}{end}"))
            .collect()
    })
}

proptest! {
    #[test]
    fn chunks_make_no_difference(message in lines(), chunk_bytes in 1usize..40) {
        let whole = scan_in(message.as_bytes(), usize::MAX);
        prop_assert_eq!(&scan_in(message.as_bytes(), chunk_bytes), &whole);
        let mut open: Vec<std::ops::Range<u64>> = Vec::new();
        for part in parts(&whole.structure) {
            prop_assert!(part.start <= part.body_start && part.body_start <= part.end && part.end <= message.len() as u64);
            open.truncate(usize::from(part.depth));
            if let Some(around) = open.last() {
                prop_assert!(around.start <= part.start && part.end <= around.end, "inside its parent");
            }
            open.push(part.body());
        }
    }

    #[test]
    fn damaged_structures_do_not_panic(mut structure in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..400) {
        push_body(&mut Vec::new(), &structure, Form::BodyStructure);
        structure = scan_in(MIXED.as_bytes(), 100).structure;
        if let Some(octet) = structure.get_mut(at) {
            *octet ^= 0x55;
        }
        push_body(&mut Vec::new(), &structure, Form::BodyStructure);
        section(&structure, &[2, 1], Of::Whole);
    }
}
