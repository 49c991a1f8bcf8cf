//! The scanner's line machine: which octets belong to which part.
//!
//! Only the starts of lines are looked at, and of those in bodies only the ones with `--`. What is held: the list of
//! parts, the open ones with their boundaries, the header of the part being read (up to `MIME_PART_HEADER_BYTES_MAX`)
//! and the start of one line (`DELIMITER_BYTES_MAX`). The result does not depend on how the body was cut into chunks.

use super::content::{Content, Media};
use super::envelope::Envelope;
use super::field::{Field, fields};
use super::structure::{Kind, Record, encode, encode_facts};
use super::{Summary, date};
use crate::limits::*;
use memchr::{memchr, memchr_iter, memmem};
use std::ops::Range;
use std::sync::LazyLock;

/// Octets of a line that are compared with boundaries: `--`, a boundary, `--` and the line end.
const DELIMITER_BYTES_MAX: usize = MIME_BOUNDARY_BYTES_MAX + 6;

/// Scans one message. The header block comes first and whole, the body in chunks of any size.
pub struct Scanner {
    parts: Vec<Record>,
    /// Open parts, outermost first; the last one takes what comes.
    open: Vec<Open>,
    /// Offset of the next octet in the content as received.
    at: u64,
    /// Line feeds before it.
    lines: u64,
    place: Place,
    /// Octets of the line end before the line that `place` is in.
    line_end_bytes: u64,
    /// The octet before `at`.
    last: u8,
    /// The start of a line that may be a delimiter or the end of a header; counted in neither `at` nor `lines`.
    pending: Vec<u8>,
    /// Header of the part being read, as far as it is looked at.
    header: Vec<u8>,
    /// Nothing more of it is taken than fits.
    header_full: bool,
    /// Octets of facts and envelopes in `parts` below the top level.
    facts_bytes: usize,
    envelope: Vec<u8>,
    sent_at: Option<i64>,
    header_bytes: u32,
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// At its start, behind what `pending` holds.
    Start,
    /// Behind its start.
    Inside,
    /// In the rest of a delimiter; a part of the last open multipart starts with the next line.
    Delimiter,
}

struct Open {
    part: usize,
    /// Line feeds before its body.
    lines_before: u64,
    role: Role,
}

enum Role {
    /// Its header is being read.
    Header,
    /// A leaf: its body is being read.
    Leaf,
    Multipart {
        boundary: Vec<u8>,
        /// Its last delimiter was seen.
        closed: bool,
        digest: bool,
    },
    /// message/rfc822; the nested message is the next one.
    Message,
}

/// What the start of a line turned out to be.
enum Line {
    /// It takes more octets to know.
    Undecided,
    Ordinary,
    /// The end of a header.
    Empty,
    Delimiter {
        open: usize,
        close: bool,
    },
}

impl Scanner {
    /// `prefix`: header fields of ours in front of the message (not counted in offsets). `header`: the header block
    /// as received with its empty line. `cuts`: ascending ranges of `header` that are not served.
    pub fn new(prefix: &[u8], header: &[u8], cuts: &[Range<u32>]) -> Scanner {
        let mut content = Content::default();
        let mut envelope = Envelope::default();
        served_blocks(prefix, header, cuts)
            .flat_map(fields)
            .take(MIME_FIELDS_MAX)
            .for_each(|field| look(&field, &mut content, Some(&mut envelope)));
        let header_bytes = header.len() as u64;
        let mut scanner = Scanner {
            parts: Vec::new(),
            open: Vec::new(),
            at: 0,
            lines: 0,
            place: Place::Start,
            line_end_bytes: 0,
            last: b'\n',
            pending: Vec::new(),
            header: Vec::new(),
            header_full: false,
            facts_bytes: 0,
            envelope: envelope.render(),
            sent_at: envelope
                .date
                .as_deref()
                .and_then(date::parse)
                .map(|moment| moment.secs),
            header_bytes: header.len() as u32,
        };
        scanner.begin_part(0);
        scanner.at = header_bytes;
        scanner.end_header(&content, header_bytes);
        scanner.facts_bytes = 0;
        scanner
    }

    /// The next octets of the body, as received.
    pub fn body(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let used = match self.place {
                Place::Start => self.line_start(chunk),
                Place::Inside => self.line_rest(chunk),
                Place::Delimiter => self.delimiter_rest(chunk),
            };
            chunk = chunk.get(used..).unwrap_or_default();
        }
    }

    /// The end of the message.
    pub fn finish(mut self) -> Summary {
        if !self.pending.is_empty() {
            let line = self.judge(Whole::Yes);
            self.settle(line);
        }
        let (at, lines) = (self.at, self.lines);
        self.end_headers_at(at);
        self.close_down_to(0, at, lines);
        Summary {
            envelope: self.envelope,
            structure: encode(&self.parts),
            header_bytes: self.header_bytes,
            sent_at: self.sent_at,
        }
    }

    fn reads_header(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                role: Role::Header,
                ..
            })
        )
    }

    fn awaits_delimiter(&self) -> bool {
        self.open
            .iter()
            .any(|open| matches!(open.role, Role::Multipart { closed: false, .. }))
    }

    /// At the start of a line: takes octets into `pending` until it is known what the line is.
    fn line_start(&mut self, chunk: &[u8]) -> usize {
        if self.pending.is_empty() && !self.reads_header() && chunk.first() != Some(&b'-') {
            self.place = Place::Inside;
            return 0;
        }
        let room = DELIMITER_BYTES_MAX - self.pending.len();
        let take = match (self.pending.len(), self.pending.first().or(chunk.first())) {
            (2.., Some(b'-')) => {
                let window = chunk.get(..room).unwrap_or(chunk);
                memchr(b'\n', window).map_or(window.len(), |at| at + 1)
            }
            _ => 1,
        };
        self.pending
            .extend_from_slice(chunk.get(..take).unwrap_or_default());
        let line = self.judge(Whole::No);
        if !matches!(line, Line::Undecided) {
            self.settle(line);
        }
        take
    }

    /// What the line is that starts with `pending`.
    fn judge(&self, whole: Whole) -> Line {
        let line = self.pending.as_slice();
        let full =
            line.len() >= DELIMITER_BYTES_MAX || line.ends_with(b"\n") || whole == Whole::Yes;
        match line {
            [b'\n'] | [b'\r', b'\n'] if self.reads_header() => Line::Empty,
            [b'\r'] if self.reads_header() && !full => Line::Undecided,
            [b'-'] if !full => Line::Undecided,
            [b'-', b'-', ..] if !full => Line::Undecided,
            [b'-', b'-', text @ ..] => self.delimiter(text),
            _ => Line::Ordinary,
        }
    }

    /// Compares a line behind its `--` with the boundaries of the open multiparts. A line belongs to the longest boundary
    /// that it starts with (RFC 2046 section 5.1.1 asks for no more), of equal ones to the innermost.
    fn delimiter(&self, text: &[u8]) -> Line {
        let mut best = None;
        let mut best_bytes = 0;
        for (at, open) in self.open.iter().enumerate() {
            if let Role::Multipart {
                boundary,
                closed: false,
                ..
            } = &open.role
                && boundary.len() >= best_bytes
                && text.starts_with(boundary)
            {
                best = Some(at);
                best_bytes = boundary.len();
            }
        }
        let Some(open) = best else {
            return Line::Ordinary;
        };
        let close = text
            .get(best_bytes..)
            .is_some_and(|rest| rest.starts_with(b"--"));
        if !close && !self.may_add_part() {
            return Line::Ordinary;
        }
        Line::Delimiter { open, close }
    }

    fn may_add_part(&self) -> bool {
        self.parts.len() < MIME_PARTS_MAX && self.facts_bytes < MIME_STRUCTURE_BYTES_MAX
    }

    /// Acts on a decided line start and counts `pending` as read.
    fn settle(&mut self, line: Line) {
        let pending = std::mem::take(&mut self.pending);
        match line {
            Line::Undecided | Line::Ordinary => {
                self.keep_header(&pending);
                self.advance(&pending);
            }
            Line::Empty => {
                self.advance(&pending);
                self.end_held_header(self.at);
            }
            Line::Delimiter { open, close } => {
                let end = self.at - self.line_end_bytes.min(self.at);
                let lines = self.lines - self.line_end_bytes.min(1).min(self.lines);
                self.end_headers_at(end);
                self.close_down_to(open + 1, end, lines);
                self.advance(&pending);
                if !close {
                    self.delimiter_passed();
                } else if let Some(Open {
                    role: Role::Multipart { closed, .. },
                    ..
                }) = self.open.last_mut()
                {
                    *closed = true;
                }
            }
        }
        self.pending = pending;
        self.pending.clear();
    }

    /// A delimiter's start was read: the part begins behind its line end, perhaps now.
    fn delimiter_passed(&mut self) {
        if self.place == Place::Start {
            self.begin_part(self.at);
        } else {
            self.place = Place::Delimiter;
        }
    }

    fn delimiter_rest(&mut self, chunk: &[u8]) -> usize {
        let used = memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
        self.advance(chunk.get(..used).unwrap_or_default());
        self.delimiter_passed();
        used
    }

    /// Behind the start of a line: goes to the next line start that matters.
    fn line_rest(&mut self, chunk: &[u8]) -> usize {
        let used = if self.reads_header() {
            memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1)
        } else if self.awaits_delimiter() {
            next_dashes(chunk)
        } else {
            chunk.len()
        };
        let line = chunk.get(..used).unwrap_or_default();
        self.keep_header(line);
        self.advance(line);
        used
    }

    /// Takes octets of a header. What is held does not depend on how they were cut: it is looked at when it is full.
    fn keep_header(&mut self, mut octets: &[u8]) {
        while self.reads_header() && !octets.is_empty() {
            if self.header.len() == MIME_PART_HEADER_BYTES_MAX {
                if self.header_full {
                    return;
                }
                drop_unread_fields(&mut self.header);
                // It pays only as long as it frees much.
                self.header_full = self.header.len() > MIME_PART_HEADER_BYTES_MAX / 2;
            }
            let room = MIME_PART_HEADER_BYTES_MAX.saturating_sub(self.header.len());
            let (taken, rest) = octets.split_at(room.min(octets.len()));
            self.header.extend_from_slice(taken);
            octets = rest;
        }
    }

    /// Counts octets as read and says where in a line that leaves us.
    fn advance(&mut self, octets: &[u8]) {
        let Some(&last) = octets.last() else { return };
        let before = match octets.len().checked_sub(2).and_then(|at| octets.get(at)) {
            Some(&octet) => octet,
            None => self.last,
        };
        self.at += octets.len() as u64;
        self.lines += memchr_iter(b'\n', octets).count() as u64;
        self.last = last;
        if last == b'\n' {
            self.place = Place::Start;
            self.line_end_bytes = if before == b'\r' { 2 } else { 1 };
        } else {
            self.place = Place::Inside;
        }
    }

    fn begin_part(&mut self, start: u64) {
        self.header.clear();
        self.header_full = false;
        self.open.push(Open {
            part: self.parts.len(),
            lines_before: self.lines,
            role: Role::Header,
        });
        self.parts.push(Record {
            depth: (self.open.len() - 1) as u8,
            kind: Kind::Leaf,
            start,
            body_start: start,
            end: start,
            lines: 0,
            facts: Vec::new(),
            envelope: None,
        });
    }

    /// The header that is being read ends where its empty line did, or where a delimiter or the message's end cuts it off.
    fn end_held_header(&mut self, body_start: u64) {
        let held = std::mem::take(&mut self.header);
        let parent = self
            .open
            .len()
            .checked_sub(2)
            .and_then(|at| self.open.get(at));
        let message = parent
            .filter(|open| matches!(open.role, Role::Message))
            .map(|open| open.part);
        let mut content = Content::default();
        let mut envelope = message.map(|_| Envelope::default());
        fields(&held)
            .take(MIME_FIELDS_MAX)
            .for_each(|field| look(&field, &mut content, envelope.as_mut()));
        self.header = held;
        if let Some(record) = message.and_then(|part| self.parts.get_mut(part)) {
            let mut bytes = envelope.unwrap_or_default().render();
            if self.facts_bytes + bytes.len() > MIME_STRUCTURE_BYTES_MAX {
                bytes = Envelope::default().render();
            }
            self.facts_bytes += bytes.len();
            record.envelope = Some(bytes);
        }
        self.end_header(&content, body_start);
    }

    fn end_header(&mut self, content: &Content, body_start: u64) {
        let mut facts = encode_facts(content);
        if self.open.len() > 1 && self.facts_bytes + facts.len() > MIME_STRUCTURE_BYTES_MAX {
            // Past the bound nothing is said of a part but where it is.
            facts = encode_facts(&Content::default());
            self.facts_bytes = MIME_STRUCTURE_BYTES_MAX;
        }
        self.facts_bytes += facts.len();
        let (role, kind) = self.role_of(content);
        let lines = self.lines;
        if let Some(open) = self.open.last_mut() {
            open.role = role;
            open.lines_before = lines;
            if let Some(record) = self.parts.get_mut(open.part) {
                record.kind = kind;
                record.body_start = body_start;
                record.facts = facts;
            }
        }
        self.place = Place::Start;
        if kind == Kind::Message {
            self.begin_part(body_start);
        }
    }

    /// What the last open part is, by its type and the bounds.
    fn role_of(&self, content: &Content) -> (Role, Kind) {
        let digest_parent = self
            .open
            .len()
            .checked_sub(2)
            .and_then(|at| self.open.get(at))
            .is_some_and(|open| matches!(open.role, Role::Multipart { digest: true, .. }));
        let room = self.open.len() < MIME_DEPTH_MAX && self.may_add_part();
        let is_message = match &content.media {
            None => digest_parent,
            Some(media) => media.is("message", "rfc822"),
        };
        if is_message {
            return if room {
                (Role::Message, Kind::Message)
            } else {
                (Role::Leaf, Kind::Opaque)
            };
        }
        match &content.media {
            Some(media) if media.kind.eq_ignore_ascii_case(b"multipart") => {
                match media.boundary() {
                    Some(boundary) if room => (multipart(media, boundary), Kind::Multipart),
                    _ => (Role::Leaf, Kind::Opaque),
                }
            }
            _ => (Role::Leaf, Kind::Leaf),
        }
    }

    /// Ends headers that a delimiter or the end of the message cuts off; one may open a nested message, whose header is
    /// then empty.
    fn end_headers_at(&mut self, at: u64) {
        for _ in 0..=MIME_DEPTH_MAX {
            let Some(Open {
                role: Role::Header,
                part,
                ..
            }) = self.open.last()
            else {
                break;
            };
            let start = self.parts.get(*part).map_or(at, |record| record.start);
            self.end_held_header(at.max(start));
        }
    }

    /// Closes the innermost parts until `keep` are left; their bodies end at `end`, or where a part inside begins that a
    /// delimiter right behind its own cut off.
    fn close_down_to(&mut self, keep: usize, mut end: u64, lines: u64) {
        for open in self.open.drain(keep.min(self.open.len())..).rev() {
            if let Some(record) = self.parts.get_mut(open.part) {
                end = end.max(record.body_start);
                record.end = end;
                record.lines = lines.saturating_sub(open.lines_before);
            }
        }
    }
}

/// Whether `pending` is all that comes of its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// The header as served in blocks of whole fields: the prefix, then what is left between the cuts.
fn served_blocks<'a>(
    prefix: &'a [u8],
    header: &'a [u8],
    cuts: &'a [Range<u32>],
) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(cuts.iter().map(|cut| cut.end as usize));
    let ends = cuts
        .iter()
        .map(|cut| cut.start as usize)
        .chain([header.len()]);
    let kept = starts
        .zip(ends)
        .map(|(start, end)| header.get(start..end).unwrap_or_default());
    std::iter::once(prefix).chain(kept)
}

fn look(field: &Field<'_>, content: &mut Content, envelope: Option<&mut Envelope>) {
    content.field(field);
    if let Some(envelope) = envelope {
        envelope.field(field);
    }
}

/// Leaves the fields that [`look`] looks at; of the last one, which may go on, a name in any case.
fn drop_unread_fields(header: &mut Vec<u8>) {
    let mut kept = Vec::with_capacity(header.len());
    let mut at = 0;
    for field in fields(header) {
        at += field.raw.len();
        let goes_on = at == header.len();
        let named = !field.name.is_empty();
        let ended = field.raw.ends_with(b"\n");
        match () {
            () if Content::reads(&field) || Envelope::reads(&field) => {
                kept.extend_from_slice(field.raw);
            }
            () if !goes_on => {}
            () if ended => kept.extend_from_slice(b"-:\r\n"),
            () if named => kept.extend_from_slice(b"-:"),
            // Its name has not come to an end.
            () => kept.extend_from_slice(field.raw),
        }
    }
    *header = kept;
}

fn multipart(media: &Media, mut boundary: Vec<u8>) -> Role {
    // RFC 2046 section 5.1.1 allows 70 octets. A longer one is compared as far as it is held.
    boundary.truncate(MIME_BOUNDARY_BYTES_MAX);
    Role::Multipart {
        boundary,
        closed: false,
        digest: media.subtype.eq_ignore_ascii_case(b"digest"),
    }
}

static DASHES: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\n--"));

/// Octets up to the next line that starts with `--`, or to the end of `chunk` less a line start that may become one.
fn next_dashes(chunk: &[u8]) -> usize {
    match DASHES.find(chunk) {
        Some(at) => at + 1,
        None if chunk.ends_with(b"\n-") => chunk.len() - 1,
        None => chunk.len(),
    }
}
