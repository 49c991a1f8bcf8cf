//! Thousands of real messages in by DATA and BDAT, and out again octet by octet.
//!
//! The corpora are turned to CRLF first. A message with a bare CR or a NUL must be refused by DATA and BDAT alike.

use crate::live_box::LiveBox;
use crate::smtp_socket::{Client, connect};
use pillarbox::session::smtp::Role;
use pillarbox::wire::header::{Field, Fields, end_of_header};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where corpora are; None when there are none, which CI does not accept.
fn testdata() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("PILLARBOX_TESTDATA").map_or(beside, PathBuf::from);
    let there = folder.join("mime").is_dir();
    assert!(
        there || std::env::var_os("CI").is_none(),
        "no corpora in {}",
        folder.display()
    );
    there.then_some(folder)
}

/// Every file under `folder`, in order.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

fn corpus(testdata: &Path, unpacked: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&testdata.join("mime"), &mut found);
    std::fs::create_dir_all(unpacked).unwrap();
    let mut archives = Vec::new();
    files(&testdata.join("spam"), &mut archives);
    for archive in archives {
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(&archive).arg("-C").arg(unpacked);
        assert!(tar.status().unwrap().success(), "{}", archive.display());
    }
    files(unpacked, &mut found);
    found
}

/// Lone LFs become CRLF; ends with CRLF.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 40);
    let mut before = 0;
    for &octet in octets {
        if octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        before = octet;
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn must_be_refused(message: &[u8]) -> bool {
    let bare_cr = message
        .windows(2)
        .any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
    bare_cr || message.contains(&0)
}

/// Without what we cut from a header.
fn as_served(message: &[u8]) -> Vec<u8> {
    let header = &message[..end_of_header(message).unwrap_or(message.len())];
    let mut served = Vec::with_capacity(message.len());
    let mut at = 0;
    // Blanks at its start would go on with our last field.
    let cut = |field: &Field<'_>| {
        field.is("Return-Path") || (field.range.start == 0 && header.starts_with(b" "))
    };
    for field in Fields::new(header).filter(cut) {
        served.extend_from_slice(&message[at..field.range.start]);
        at = field.range.end;
    }
    served.extend_from_slice(&message[at..]);
    served
}

fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    let mut line_start = true;
    for &octet in message {
        if line_start && octet == b'.' {
            out.push(b'.');
        }
        out.push(octet);
        line_start = octet == b'\n' && out.ends_with(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

async fn deliver(client: &mut Client, local: &str, message: &[u8], by_data: bool) -> String {
    let envelope = format!("MAIL FROM:<joe@mail.example>\r\nRCPT TO:<{local}@box.test>\r\n");
    client.send(envelope.as_bytes()).await;
    assert!(client.line().await.unwrap().starts_with("250"));
    assert!(client.line().await.unwrap().starts_with("250"));
    if by_data {
        client.send(b"DATA\r\n").await;
        assert!(client.line().await.unwrap().starts_with("354"));
        client.send(&dot_stuffed(message)).await;
    } else {
        let chunk = [
            format!("BDAT {} LAST\r\n", message.len()).as_bytes(),
            message,
        ]
        .concat();
        client.send(&chunk).await;
    }
    client.line().await.unwrap()
}

/// Whether what is served is our fields (results of checks, and three more) and the message.
fn is_kept(served: &[u8], message: &[u8]) -> bool {
    let Some(prefix) = served.strip_suffix(message) else {
        return false;
    };
    let results = ["Authentication-Results", "Received-SPF"];
    let ours = Fields::new(prefix).filter(|f| !results.iter().any(|name| f.is(name)));
    prefix.starts_with(b"Return-Path: <joe@mail.example>\r\n") && ours.count() == 3
}

/// One connection sends these to one account and looks at what arrived. How many were kept and refused.
async fn in_and_out(live: &LiveBox, local: &str, number: u8, paths: &[PathBuf]) -> (usize, usize) {
    let mut client = connect(live, Role::Mx, number, b"").await;
    client.line().await.unwrap();
    client.send(b"HELO mail.example\r\n").await;
    client.line().await.unwrap();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for path in paths {
        let message = with_crlf(&std::fs::read(path).unwrap());
        if must_be_refused(&message) {
            for by_data in [true, false] {
                let reply = deliver(&mut client, local, &message, by_data).await;
                assert!(
                    reply.starts_with("554 5.6.0"),
                    "{}: {reply}",
                    path.display()
                );
            }
            refused += 1;
            continue;
        }
        let reply = deliver(&mut client, local, &message, kept.len() % 2 == 0).await;
        assert!(
            reply.starts_with("250 2.0.0 Kept"),
            "{}: {reply}",
            path.display()
        );
        kept.push(path);
    }
    // Messages whose From is no clear address went to Junk.
    let (mut inbox, mut junk) = (1, 1);
    for path in &kept {
        let message = as_served(&with_crlf(&std::fs::read(path).unwrap()));
        if is_kept(&live.message_in(local, "INBOX", inbox).await, &message) {
            inbox += 1;
        } else {
            let served = live.message_in(local, "Junk", junk).await;
            assert!(is_kept(&served, &message), "{}", path.display());
            junk += 1;
        }
    }
    (kept.len(), refused)
}

#[tokio::test]
async fn real_messages_come_out_as_they_went_in() {
    let Some(testdata) = testdata() else {
        eprintln!("no corpora: nothing was tested");
        return;
    };
    let live = LiveBox::new("smtp-corpus").await;
    live.configure(|config| config.message_bytes_max = 50 * 1024 * 1024);
    let unpacked = std::env::temp_dir().join(format!("pillarbox-corpus-{}", std::process::id()));
    let paths = corpus(&testdata, &unpacked);
    let third = paths.len().div_ceil(3).max(1);
    let mut shares = paths.chunks(third);
    let mut share = || shares.next().unwrap_or_default();
    let (anna, bert, cleo) = tokio::join!(
        in_and_out(&live, "anna", 202, share()),
        in_and_out(&live, "bert", 203, share()),
        in_and_out(&live, "cleo", 204, share()),
    );
    assert!(anna.0 + bert.0 + cleo.0 > 100, "a corpus without messages");
    eprintln!("kept and refused: {anna:?} {bert:?} {cleo:?}");
    let _ = std::fs::remove_dir_all(&unpacked);
}
