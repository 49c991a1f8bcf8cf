//! Hashes of a body in canonical form (RFC 6376 sections 3.4.3, 3.4.4), made while it passes in pieces of any size.
//!
//! Nothing is held but counters: white space and line ends wait as numbers until it is known whether something follows
//! them. Several hashes of one body share its canonical form: there are two forms, and SHA-256 alone is in use.

use super::Canon;
use ring::digest::{Context, SHA256};
use std::fmt;

/// A hash that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Of which form of the body.
    pub canon: Canon,
    /// `l=`: of so many octets of the canonical body only.
    pub length: Option<u64>,
}

/// The body of one message, passing by.
#[derive(Default, Debug)]
pub struct Body {
    simple: Option<Box<Canonical>>,
    relaxed: Option<Box<Canonical>>,
}

/// What came of the hashes of a body.
#[derive(Default, Debug)]
pub struct Hashes {
    simple: Option<Sums>,
    relaxed: Option<Sums>,
}

/// Of one canonical form.
#[derive(Debug)]
struct Sums {
    whole: [u8; 32],
    /// Octets of the canonical body.
    bytes: u64,
    parts: Vec<(u64, [u8; 32])>,
}

/// One canonical form of a body, and what waits to be known.
#[derive(Debug)]
struct Canonical {
    form: Canon,
    sink: Sink,
    /// Line ends that count only if something follows.
    lines: u64,
    /// A CR was the last octet.
    cr: bool,
    /// White space was the last but for `cr`; relaxed only.
    blank: bool,
}

/// Where canonical octets go.
struct Sink {
    whole: Context,
    bytes: u64,
    /// Lengths that are wanted, the next one last.
    lengths: Vec<u64>,
    parts: Vec<(u64, [u8; 32])>,
}

/// Line ends written at once.
const LINE_ENDS: [[u8; 2]; 32] = [*b"\r\n"; 32];

impl Body {
    /// Asks for a hash, before the first octets come. Each length takes 8 octets now and 40 later; the caller bounds
    /// how many there are.
    pub fn want(&mut self, wanted: Wanted) {
        let form = match wanted.canon {
            Canon::Simple => &mut self.simple,
            Canon::Relaxed => &mut self.relaxed,
        };
        let form = form.get_or_insert_with(|| Box::new(Canonical::new(wanted.canon)));
        if let Some(length) = wanted.length {
            form.sink.want(length);
        }
    }

    /// Takes the next octets. Lines end in CRLF; a CR or LF that stands alone is an octet like others.
    pub fn update(&mut self, octets: &[u8]) {
        if let Some(simple) = &mut self.simple {
            simple.update(octets);
        }
        if let Some(relaxed) = &mut self.relaxed {
            relaxed.update(octets);
        }
    }

    /// The end of the body.
    pub fn finish(self) -> Hashes {
        Hashes {
            simple: self.simple.map(|form| form.finish()),
            relaxed: self.relaxed.map(|form| form.finish()),
        }
    }
}

impl Hashes {
    /// A hash that was asked for; None where the canonical body is shorter than the length asked for.
    pub fn of(&self, wanted: Wanted) -> Option<[u8; 32]> {
        let sums = self.form(wanted.canon)?;
        match wanted.length {
            None => Some(sums.whole),
            Some(length) if length == sums.bytes => Some(sums.whole),
            Some(length) => {
                let part = sums.parts.iter().find(|(at, _)| *at == length);
                part.map(|(_, sum)| *sum)
            }
        }
    }

    /// Octets of the canonical body behind the length that a hash covers.
    pub fn uncovered(&self, wanted: Wanted) -> u64 {
        let bytes = self.form(wanted.canon).map_or(0, |sums| sums.bytes);
        wanted
            .length
            .map_or(0, |length| bytes.saturating_sub(length))
    }

    fn form(&self, form: Canon) -> Option<&Sums> {
        match form {
            Canon::Simple => self.simple.as_ref(),
            Canon::Relaxed => self.relaxed.as_ref(),
        }
    }
}

impl Canonical {
    fn new(form: Canon) -> Canonical {
        Canonical {
            form,
            sink: Sink {
                whole: Context::new(&SHA256),
                bytes: 0,
                lengths: Vec::new(),
                parts: Vec::new(),
            },
            lines: 0,
            cr: false,
            blank: false,
        }
    }

    fn update(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some((&octet, behind)) = rest.split_first() {
            if self.cr && octet == b'\n' {
                (self.cr, self.blank) = (false, false);
                self.lines += 1;
                rest = behind;
                continue;
            }
            if self.cr {
                self.cr = false;
                self.settle();
                self.sink.put(b"\r");
            }
            if self.blank && matches!(octet, b' ' | b'\t') {
                rest = behind;
                continue;
            }
            let plain = match self.form {
                Canon::Simple => before_cr(rest),
                Canon::Relaxed => before_change(rest),
            };
            let (text, other) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
            if !text.is_empty() {
                self.settle();
                self.sink.put(text);
            }
            rest = match other.split_first() {
                Some((b'\r', behind)) => {
                    self.cr = true;
                    behind
                }
                // White space that may change.
                Some((_, behind)) => {
                    self.blank = true;
                    behind
                }
                None => other,
            };
        }
    }

    /// Something follows: what waited counts.
    fn settle(&mut self) {
        while self.lines > 0 {
            let ends = self.lines.min(LINE_ENDS.len() as u64);
            let octets = LINE_ENDS.get(..ends as usize).unwrap_or_default();
            self.sink.put(octets.as_flattened());
            self.lines -= ends;
        }
        if self.blank {
            self.sink.put(b" ");
            self.blank = false;
        }
    }

    fn finish(mut self) -> Sums {
        if self.cr {
            self.settle();
            self.sink.put(b"\r");
        }
        // The last line ends in CRLF whatever was there; an empty body is an empty line, or nothing.
        if self.sink.bytes > 0 || self.form == Canon::Simple {
            self.sink.put(b"\r\n");
        }
        self.sink.finish()
    }
}

/// Octets before the first CR.
fn before_cr(octets: &[u8]) -> usize {
    memchr::memchr(b'\r', octets).unwrap_or(octets.len())
}

/// Octets before the first that relaxing may change: a CR, a tab, and a space unless a printable octet follows it.
fn before_change(octets: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'\r' | b'\t' => return at,
            b' ' if octets.get(at + 1).is_none_or(|next| *next <= b' ') => return at,
            _ => at += 1,
        }
    }
    at
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink after {} octets", self.bytes)
    }
}

impl Sink {
    fn want(&mut self, length: u64) {
        if let Err(place) = self.lengths.binary_search_by(|known| length.cmp(known)) {
            self.lengths.insert(place, length);
        }
    }

    fn put(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some(&length) = self.lengths.last() {
            let room = length - self.bytes;
            let Some((part, behind)) = usize::try_from(room)
                .ok()
                .and_then(|room| rest.split_at_checked(room))
            else {
                break;
            };
            self.hash(part);
            self.parts.push((length, sum(self.whole.clone())));
            self.lengths.pop();
            rest = behind;
        }
        self.hash(rest);
    }

    fn hash(&mut self, octets: &[u8]) {
        self.whole.update(octets);
        self.bytes += octets.len() as u64;
    }

    fn finish(self) -> Sums {
        Sums {
            whole: sum(self.whole),
            bytes: self.bytes,
            parts: self.parts,
        }
    }
}

fn sum(context: Context) -> [u8; 32] {
    let digest = context.finish();
    // SHA-256 gives 32 octets.
    digest.as_ref().try_into().unwrap_or_default()
}
