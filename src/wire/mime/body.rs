//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2) from a message's structure.

use super::put_nstring;
use super::structure::{Facts, Kind, Parameters, Part, Parts, parts};
use crate::wire::imap::write::{put_number, put_string};
use std::iter::Peekable;

/// Which of the two data items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// BODY: without extension data.
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
}

/// What stands for the parts of a multipart that has none: the grammar wants one.
const NO_PART: &[u8] = br#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0"#;

/// Appends the message's body structure with its parentheses.
pub fn push_body(out: &mut Vec<u8>, structure: &[u8], form: Form) {
    let mut tree = parts(structure).peekable();
    match tree.next() {
        Some(part) => push_part(out, &part, &mut tree, form),
        None => {
            // A damaged structure: an empty text is at least grammar.
            out.extend_from_slice(NO_PART);
            push_no_extension(out, form);
            out.push(b')');
        }
    }
}

/// Recursion is bounded: depth grows with each level, and `parts` yields none of `MIME_DEPTH_MAX` or more.
fn push_part(out: &mut Vec<u8>, part: &Part<'_>, tree: &mut Peekable<Parts<'_>>, form: Form) {
    let facts = part.facts();
    out.push(b'(');
    match part.kind {
        Kind::Multipart => push_multipart(out, part, &facts, tree, form),
        Kind::Message | Kind::Leaf | Kind::Opaque => push_single(out, part, &facts, tree, form),
    }
    out.push(b')');
}

fn push_multipart(
    out: &mut Vec<u8>,
    part: &Part<'_>,
    facts: &Facts<'_>,
    tree: &mut Peekable<Parts<'_>>,
    form: Form,
) {
    let mut any = false;
    while let Some(child) = tree.next_if(|next| next.depth > part.depth) {
        push_part(out, &child, tree, form);
        any = true;
    }
    if !any {
        out.extend_from_slice(NO_PART);
        push_no_extension(out, form);
        out.push(b')');
    }
    let (_, subtype, parameters) = facts.media.unwrap_or_default();
    out.push(b' ');
    put_string(out, subtype);
    if form == Form::BodyStructure {
        out.push(b' ');
        push_parameters(out, parameters);
        push_disposition_and_on(out, facts);
    }
}

fn push_single(
    out: &mut Vec<u8>,
    part: &Part<'_>,
    facts: &Facts<'_>,
    tree: &mut Peekable<Parts<'_>>,
    form: Form,
) {
    let text = part.kind == Kind::Leaf && facts.is_text();
    match (part.kind, facts.media) {
        (Kind::Message, _) => out.extend_from_slice(br#""message" "rfc822""#),
        // multipart and message/rfc822 mean parentheses to a client that are not there.
        (Kind::Opaque, _) => out.extend_from_slice(br#""application" "octet-stream""#),
        (_, None) => out.extend_from_slice(br#""text" "plain""#),
        (_, Some((kind, subtype, _))) => {
            put_string(out, kind);
            out.push(b' ');
            put_string(out, subtype);
        }
    }
    out.push(b' ');
    let parameters = facts
        .media
        .map(|(_, _, parameters)| parameters)
        .unwrap_or_default();
    push_type_parameters(out, parameters, text);
    for text in [facts.id, facts.description] {
        out.push(b' ');
        put_nstring(out, text);
    }
    out.push(b' ');
    put_string(out, facts.encoding.unwrap_or(b"7bit"));
    push_number(out, part.end - part.body_start);
    if part.kind == Kind::Message {
        out.push(b' ');
        out.extend_from_slice(
            facts
                .envelope
                .unwrap_or(b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
        );
        out.push(b' ');
        match tree.next_if(|next| next.depth > part.depth) {
            Some(child) => push_part(out, &child, tree, form),
            None => {
                out.extend_from_slice(NO_PART);
                push_no_extension(out, form);
                out.push(b')');
            }
        }
    }
    if text || part.kind == Kind::Message {
        push_number(out, part.lines);
    }
    if form == Form::BodyStructure {
        out.push(b' ');
        put_nstring(out, facts.md5);
        push_disposition_and_on(out, facts);
    }
}

fn push_disposition_and_on(out: &mut Vec<u8>, facts: &Facts<'_>) {
    out.push(b' ');
    match facts.disposition {
        Some((kind, parameters)) => {
            out.push(b'(');
            put_string(out, kind);
            out.push(b' ');
            push_parameters(out, parameters);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    match facts.languages {
        Some(tags) => {
            for (at, (tag, _)) in tags.into_iter().enumerate() {
                out.push(if at == 0 { b'(' } else { b' ' });
                put_string(out, tag);
            }
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    put_nstring(out, facts.location);
}

fn push_no_extension(out: &mut Vec<u8>, form: Form) {
    if form == Form::BodyStructure {
        out.extend_from_slice(b" NIL NIL NIL NIL");
    }
}

/// Parameters of a media type. A text without a charset is said to be in US-ASCII (RFC 2045 section 5.2).
fn push_type_parameters(out: &mut Vec<u8>, parameters: Parameters<'_>, text: bool) {
    let charset_missing =
        text && parameters.find("charset").is_none() && parameters.find("charset*").is_none();
    if !charset_missing {
        push_parameters(out, parameters);
        return;
    }
    push_parameters(out, parameters);
    if out.ends_with(b"NIL") {
        out.truncate(out.len() - 3);
        out.push(b'(');
    } else {
        out.pop();
        out.push(b' ');
    }
    out.extend_from_slice(br#""charset" "us-ascii")"#);
}

fn push_parameters(out: &mut Vec<u8>, parameters: Parameters<'_>) {
    let mut open = false;
    for (name, value) in parameters {
        out.push(if open { b' ' } else { b'(' });
        open = true;
        put_string(out, name);
        out.push(b' ');
        put_string(out, value);
    }
    out.extend_from_slice(if open { b")" } else { b"NIL" });
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.push(b' ');
    put_number(out, number);
}
