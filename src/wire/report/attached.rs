//! Which part of a mail may be a report, by its form: media types as the RFCs name them and as they really occur, and
//! names of files. It costs a look at the structure; whether it is one shows when it is read.

use crate::limits::REPORT_PACKED_BYTES_MAX;
use crate::wire::mime::decode::Transfer;
use crate::wire::mime::structure::{Facts, Kind, parts};
use std::ops::Range;

/// A part that may be a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attached {
    /// Its octets in the content as received.
    pub octets: Range<u64>,
    /// How they were made fit for transfer.
    pub transfer: Transfer,
    /// What it may be.
    pub form: Form,
}

/// What a part may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// XML or JSON, packed or not.
    Document,
    /// `message/feedback-report`
    Feedback,
}

/// The part that may be a report; None for nearly all mail. What is forwarded inside of a message is none.
pub fn attached(structure: &[u8]) -> Option<Attached> {
    let mut inside = None;
    for part in parts(structure) {
        if inside.is_some_and(|depth| part.depth > depth) {
            continue;
        }
        inside = (part.kind == Kind::Message).then_some(part.depth);
        if part.kind != Kind::Leaf || part.body().is_empty() {
            continue;
        }
        let facts = part.facts();
        if let Some(form) = form(&facts)
            && part.end - part.body_start <= 2 * REPORT_PACKED_BYTES_MAX
        {
            return Some(Attached {
                octets: part.body(),
                transfer: Transfer::named(facts.encoding),
                form,
            });
        }
    }
    None
}

fn form(facts: &Facts<'_>) -> Option<Form> {
    let (kind, subtype, _) = facts.media?;
    let (kind, subtype) = (kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
    let name = name(facts);
    let is_named = |ends: &[&[u8]]| ends.iter().any(|end| name.ends_with(end));
    let document = match (kind.as_slice(), subtype.as_slice()) {
        (b"message", b"feedback-report") => return Some(Form::Feedback),
        (b"application", b"tlsrpt+gzip" | b"tlsrpt+json" | b"tlsrpt+zip") => true,
        // An office document is a zip too: its name says so.
        (
            b"application",
            b"gzip" | b"x-gzip" | b"gzip-compressed" | b"x-gunzip" | b"gzipped" | b"zip" | b"x-zip"
            | b"x-zip-compressed" | b"x-compressed" | b"xml" | b"json",
        )
        | (b"text" | b"multipart", b"xml") => {
            name.is_empty() || is_named(&[b".xml", b".xml.gz", b".gz", b".zip", b".json"])
        }
        // Where the type says nothing (or `text/plain`, `audio/x-gzip`) the name must be a report's (RFC 9990
        // section 3.5.2, RFC 8460 section 5.1).
        _ => {
            is_named(&[b".xml", b".xml.gz", b".zip", b".gz", b".json", b".json.gz"])
                && name.iter().filter(|&&octet| octet == b'!').count() >= 3
        }
    };
    document.then_some(Form::Document)
}

/// The file's name, lower case; empty where there is none.
fn name(facts: &Facts<'_>) -> Vec<u8> {
    let of_disposition = facts.disposition.and_then(|(_, parameters)| {
        parameters
            .find("filename")
            .or_else(|| parameters.find("filename*"))
    });
    let of_type = || facts.parameter("name").or_else(|| facts.parameter("name*"));
    of_disposition
        .or_else(of_type)
        .unwrap_or_default()
        .trim_ascii()
        .to_ascii_lowercase()
}
