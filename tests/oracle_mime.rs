//! A second opinion on real messages: mail-parser, written by others, reads the same dates and Message-IDs.
//!
//! The few messages where the two differ were looked at: a zone's name behind a time without seconds, which it passes
//! over, and a zone of three digits. Their share is bounded, so that a change for the worse on either side shows.

use mail_parser::MessageParser;
use pillarbox::wire::mime::{Scanner, Summary, field};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Of a hundred messages at least so many must be read alike.
const ALIKE_PERCENT_MIN: usize = 95;

#[test]
fn dates_and_message_ids_are_read_as_mail_parser_reads_them() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = env::var_os("PILLARBOX_TESTDATA")
        .map_or(beside, PathBuf::from)
        .join("mime");
    let mut messages = Vec::new();
    collect(&folder, &mut messages);
    if messages.is_empty() {
        assert!(
            env::var_os("CI").is_none(),
            "no test messages in {}",
            folder.display()
        );
        return;
    }
    let (mut dated, mut alike, mut named, mut same_name) = (0, 0, 0, 0);
    for message in &messages {
        let Some(parsed) = MessageParser::default().parse(message) else {
            continue;
        };
        let summary = summary(message);
        if let Some(date) = parsed.date().filter(|date| date.is_valid()) {
            dated += 1;
            alike += usize::from(summary.sent_at == Some(date.to_timestamp()));
        }
        if let Some(id) = parsed.message_id() {
            named += 1;
            let envelope = String::from_utf8_lossy(&summary.envelope).into_owned();
            same_name += usize::from(envelope.contains(id));
        }
    }
    assert!(
        dated > 100 && named > 100,
        "too few messages to tell: {dated} dated, {named} named"
    );
    assert!(
        alike * 100 >= dated * ALIKE_PERCENT_MIN,
        "{alike} of {dated} dates alike"
    );
    assert!(
        same_name * 100 >= named * ALIKE_PERCENT_MIN,
        "{same_name} of {named} Message-IDs alike"
    );
}

fn summary(message: &[u8]) -> Summary {
    let header = field::block_bytes(message).unwrap_or(message.len());
    let mut scanner = Scanner::new(b"", &message[..header], &[]);
    scanner.body(&message[header..]);
    scanner.finish()
}

/// Every file below `folder` that begins like a message, with CRLF.
fn collect(folder: &Path, messages: &mut Vec<Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, messages);
        } else if let Ok(octets) = fs::read(&path) {
            let text = String::from_utf8_lossy(&octets[..octets.len().min(4096)]).into_owned();
            if text
                .lines()
                .take(40)
                .any(|line| line.starts_with("From:") || line.starts_with("Date:"))
            {
                messages.push(with_crlf(&octets));
            }
        }
    }
}

fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    for (at, octet) in octets.iter().enumerate() {
        if *octet == b'\n' && (at == 0 || octets[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*octet);
    }
    out
}
