//! Ugly messages and what IMAP says of them: each tests/cases/mime/NAME.eml has a NAME.expected. Messages are kept with LF
//! and read with CRLF. `CASES_WRITE=1` writes what the scanner says now: read the difference before keeping it.

use pillarbox::wire::mime::body::{Form, push_body};
use pillarbox::wire::mime::structure::{Kind, parts};
use pillarbox::wire::mime::{Scanner, field};
use std::path::{Path, PathBuf};
use std::{env, fs};

#[test]
fn every_message_is_described_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/mime");
    let mut messages: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of cases")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .collect();
    messages.sort();
    assert!(!messages.is_empty());
    let mut wrong = Vec::new();
    for path in messages {
        let message = fs::read_to_string(&path).expect("a message in UTF-8");
        let said = describe(message.replace('\n', "\r\n").as_bytes());
        let expected = path.with_extension("expected");
        if env::var_os("CASES_WRITE").is_some() {
            fs::write(&expected, &said).expect("a writable case");
        }
        if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

/// ENVELOPE, BODYSTRUCTURE, the Date in seconds, and each part with its place.
fn describe(message: &[u8]) -> String {
    let header = field::block_bytes(message).unwrap_or(message.len());
    let mut scanner = Scanner::new(b"", &message[..header], &[]);
    scanner.body(&message[header..]);
    let summary = scanner.finish();
    let mut structure = Vec::new();
    push_body(&mut structure, &summary.structure, Form::BodyStructure);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\r\n", "\n");
    let mut said = format!(
        "ENVELOPE {}\nBODYSTRUCTURE {}\nsent {:?}\n",
        text(&summary.envelope),
        text(&structure),
        summary.sent_at
    );
    for part in parts(&summary.structure) {
        let body = &message[part.body_start as usize..part.end as usize];
        let (indent, what) = ("  ".repeat(part.depth.into()), part.kind);
        said += &format!(
            "{indent}{what:?} header {:?} body {:?}",
            part.header(),
            part.body()
        );
        if matches!(part.kind, Kind::Leaf | Kind::Opaque) {
            said += &format!(" {:?}", String::from_utf8_lossy(body));
        }
        said.push('\n');
    }
    said
}
