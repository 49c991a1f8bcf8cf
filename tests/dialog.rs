//! Dialogues as documents: every transcript under `tests/dialog/` is played against the program.
//!
//! `tests/dialog/checks/*.txt` are about whom to believe (`dialog/checks.rs`).
//! `tests/dialog/smtp/*.txt` run twice: against the rules alone (`session/smtp` with the framers of `wire`), and
//! over a real socket against `run/smtp` with a store. What a line means stands in `dialog/transcript.rs`.

#[path = "dialog/checks.rs"]
mod checks;
#[path = "dialog/live_box.rs"]
mod live_box;
#[path = "dialog/reports.rs"]
mod reports;
#[path = "dialog/smtp_corpus.rs"]
mod smtp_corpus;
#[path = "dialog/smtp_messages.rs"]
mod smtp_messages;
#[path = "dialog/smtp_rules.rs"]
mod smtp_rules;
#[path = "dialog/smtp_socket.rs"]
mod smtp_socket;
#[path = "dialog/transcript.rs"]
mod transcript;

use live_box::LiveBox;
use pillarbox::limits::{SMTP_COMMAND_SECS, SMTP_CROWDED_COMMAND_SECS};
use std::path::Path;
use transcript::Transcript;

fn transcripts(folder: &str) -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/dialog")
        .join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    files.iter().map(|path| Transcript::read(path)).collect()
}

#[test]
fn smtp_by_its_rules() {
    let failed: Vec<String> = transcripts("smtp")
        .iter()
        .filter_map(|transcript| smtp_rules::play(transcript).err())
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[tokio::test]
async fn smtp_over_a_socket() {
    let live = LiveBox::new("smtp-transcripts").await;
    let mut failed = Vec::new();
    for (number, transcript) in (1..).zip(transcripts("smtp")) {
        failed.extend(smtp_socket::play(&live, &transcript, number).await.err());
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// Nobody is heard in port 25 while strangers who say nothing have all its places: their time is short then.
#[tokio::test]
async fn who_says_nothing_goes_sooner_when_places_are_wanted() {
    let live = LiveBox::new("smtp-silence").await;
    let seconds = smtp_socket::silence_lasts(&live, 1).await.as_secs();
    assert_eq!(seconds, SMTP_CROWDED_COMMAND_SECS);
    let seconds = smtp_socket::silence_lasts(&live, 2).await.as_secs();
    assert_eq!(seconds, SMTP_COMMAND_SECS);
}
