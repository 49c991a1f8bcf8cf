//! The compact form of a message's tree of parts, as [`super::Summary`] keeps it.
//!
//! One octet of version, then the parts in the order of their headers (parents first):
//! depth, kind, header octets of the part, body octets, lines of the body, the gap between where the part before it
//! starts and where this one does (numbers are LEB128), and length and octets of its facts. Facts: one octet of flags,
//! then what the flags say, strings with their length in front. A nested message's ENVELOPE stands in the facts of the
//! message/rfc822 part around it.

use super::content::{Content, Parameter};
use crate::limits::MIME_DEPTH_MAX;
use std::ops::Range;

const VERSION: u8 = 1;

/// How a part is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No parts below it (or none that is described).
    Leaf,
    /// A container past a bound: octets of which nothing more is said.
    Opaque,
    /// Its children are its parts.
    Multipart,
    /// message/rfc822: its only child is the nested message.
    Message,
}

/// One part, read from the compact form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// 0 for the message itself.
    pub depth: u8,
    /// How it is built.
    pub kind: Kind,
    /// Where its header starts, octets from the start of the content as received.
    pub start: u64,
    /// Where its body starts (behind the header's empty line).
    pub body_start: u64,
    /// Where its body ends (before the line end that belongs to the delimiter).
    pub end: u64,
    /// Line feeds in the body.
    pub lines: u64,
    facts: &'a [u8],
}

impl<'a> Part<'a> {
    /// The body.
    pub fn body(&self) -> Range<u64> {
        self.body_start..self.end
    }
    /// The header with its empty line.
    pub fn header(&self) -> Range<u64> {
        self.start..self.body_start
    }
    /// What the header says.
    pub fn facts(&self) -> Facts<'a> {
        Facts::read(self.facts)
    }
}

/// Content fields of a part, borrowed from the compact form. `media` is None where there is none (or an unreadable
/// one): text/plain then, or message/rfc822 in a digest.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts<'a> {
    /// Type, subtype and parameters.
    pub media: Option<(&'a [u8], &'a [u8], Parameters<'a>)>,
    /// Content-ID
    pub id: Option<&'a [u8]>,
    /// Content-Description
    pub description: Option<&'a [u8]>,
    /// Content-Transfer-Encoding
    pub encoding: Option<&'a [u8]>,
    /// Content-MD5
    pub md5: Option<&'a [u8]>,
    /// Content-Disposition and its parameters
    pub disposition: Option<(&'a [u8], Parameters<'a>)>,
    /// Content-Language: tags, as the names of parameters without values
    pub languages: Option<Parameters<'a>>,
    /// Content-Location
    pub location: Option<&'a [u8]>,
    /// ENVELOPE of the message inside
    pub envelope: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// Value of a parameter of the media type.
    pub fn parameter(&self, name: &str) -> Option<&'a [u8]> {
        self.media?.2.find(name)
    }
    /// Whether the media type is `text/*` (also by default).
    pub fn is_text(&self) -> bool {
        self.media
            .is_none_or(|(kind, ..)| kind.eq_ignore_ascii_case(b"text"))
    }

    fn read(bytes: &'a [u8]) -> Facts<'a> {
        let mut input = Input(bytes);
        let flags = input.octet().unwrap_or(0);
        let has = |bit: u8| flags & (1 << bit) != 0;
        let mut facts = Facts::default();
        if has(0) {
            facts.media = input
                .string()
                .zip(input.string())
                .zip(input.parameters())
                .map(|((a, b), c)| (a, b, c));
        }
        for (bit, slot) in [
            (1, &mut facts.id),
            (2, &mut facts.description),
            (3, &mut facts.encoding),
            (4, &mut facts.md5),
        ] {
            if has(bit) {
                *slot = input.string();
            }
        }
        if has(5) {
            facts.disposition = input.string().zip(input.parameters());
        }
        if has(6) {
            facts.languages = input.parameters();
        }
        if has(7) {
            facts.location = input.string();
        }
        facts.envelope = input.string();
        facts
    }
}

/// Names and values.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    /// Value of the parameter with this name, ignoring case.
    pub fn find(self, name: &str) -> Option<&'a [u8]> {
        self.into_iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for Parameters<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = ParameterList<'a>;

    fn into_iter(self) -> ParameterList<'a> {
        ParameterList(Input(self.0))
    }
}

/// See [`Parameters`].
#[derive(Clone, Debug)]
pub struct ParameterList<'a>(Input<'a>);

impl<'a> Iterator for ParameterList<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.string().zip(self.0.string())
    }
}

/// All parts, parents first. Ends early where `structure` is damaged; never panics.
pub fn parts(structure: &[u8]) -> Parts<'_> {
    let mut input = Input(structure);
    if input.octet() != Some(VERSION) {
        input = Input(&[]);
    }
    Parts { input, start: 0 }
}

/// See [`parts`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    input: Input<'a>,
    start: u64,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let input = &mut self.input;
        // Checked here, once: whoever walks the tree counts on it, and recursion ends by it.
        let depth = input
            .octet()
            .filter(|&depth| usize::from(depth) < MIME_DEPTH_MAX)?;
        let kind = match input.octet()? {
            0 => Kind::Leaf,
            1 => Kind::Opaque,
            2 => Kind::Multipart,
            3 => Kind::Message,
            _ => return None,
        };
        let start = self.start.checked_add(input.number()?)?;
        let body_start = start.checked_add(input.number()?)?;
        let end = body_start.checked_add(input.number()?)?;
        let lines = input.number()?;
        let facts = input.string()?;
        self.start = start;
        Some(Part {
            depth,
            kind,
            start,
            body_start,
            end,
            lines,
            facts,
        })
    }
}

/// A part as the scanner knows it when it has been read.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub depth: u8,
    pub kind: Kind,
    pub start: u64,
    pub body_start: u64,
    pub end: u64,
    pub lines: u64,
    /// From [`encode_facts`].
    pub facts: Vec<u8>,
    /// Of the message inside.
    pub envelope: Option<Vec<u8>>,
}

/// The compact form of all parts.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    let bytes: usize = records.iter().map(|record| record.facts.len() + 24).sum();
    let mut out = Vec::with_capacity(bytes + 1);
    out.push(VERSION);
    let mut before = 0;
    for record in records {
        out.push(record.depth);
        out.push(match record.kind {
            Kind::Leaf => 0,
            Kind::Opaque => 1,
            Kind::Multipart => 2,
            Kind::Message => 3,
        });
        push_number(&mut out, record.start.saturating_sub(before));
        push_number(&mut out, record.body_start.saturating_sub(record.start));
        push_number(&mut out, record.end.saturating_sub(record.body_start));
        push_number(&mut out, record.lines);
        let mut facts_end = Vec::new();
        if let Some(envelope) = &record.envelope {
            push_string(&mut facts_end, envelope);
        }
        push_number(&mut out, (record.facts.len() + facts_end.len()) as u64);
        out.extend_from_slice(&record.facts);
        out.extend_from_slice(&facts_end);
        before = record.start;
    }
    out
}

/// The compact form of one part's Content fields.
pub(super) fn encode_facts(content: &Content) -> Vec<u8> {
    let mut out = vec![0];
    let mut flags = 0;
    if let Some(media) = &content.media {
        flags |= 1;
        push_string(&mut out, &media.kind);
        push_string(&mut out, &media.subtype);
        push_parameters(&mut out, &media.parameters);
    }
    for (bit, text) in [
        (1, &content.id),
        (2, &content.description),
        (3, &content.encoding),
        (4, &content.md5),
    ] {
        if let Some(text) = text {
            flags |= 1 << bit;
            push_string(&mut out, text);
        }
    }
    if let Some((kind, parameters)) = &content.disposition {
        flags |= 1 << 5;
        push_string(&mut out, kind);
        push_parameters(&mut out, parameters);
    }
    if !content.languages.is_empty() {
        flags |= 1 << 6;
        let tags: Vec<Parameter> = content
            .languages
            .iter()
            .map(|tag| (tag.clone(), Vec::new()))
            .collect();
        push_parameters(&mut out, &tags);
    }
    if let Some(location) = &content.location {
        flags |= 1 << 7;
        push_string(&mut out, location);
    }
    if let Some(first) = out.first_mut() {
        *first = flags;
    }
    out
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    push_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn push_parameters(out: &mut Vec<u8>, parameters: &[Parameter]) {
    let mut list = Vec::new();
    for (name, value) in parameters {
        push_string(&mut list, name);
        push_string(&mut list, value);
    }
    push_string(out, &list);
}

#[derive(Clone, Debug)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let octet = self.octet()?;
            number |= u64::from(octet & 127) << shift;
            if octet < 128 {
                return Some(number);
            }
        }
        None
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let bytes = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(text)
    }

    fn parameters(&mut self) -> Option<Parameters<'a>> {
        self.string().map(Parameters)
    }
}
