//! Substrings for IMAP SEARCH (RFC 3501 section 6.4.4): without regard to case, over headers with their encoded words
//! decoded and over texts with transfer encoding and charset undone. What is no text (attachments) is not looked at.
//!
//! A [`Needle`] is made once for a command. Of a message, [`field_holds`] asks one header field, [`envelope_holds`] one
//! field of the ENVELOPE, and a [`Searcher`] all of it: it says which octets it wants, and takes them in chunks.

mod envelope;
mod fold;

pub use envelope::envelope_holds;
pub use fold::Needle;

use super::decode::{Base64, QuotedPrintable, Transfer, charset, decode_words};
use super::field::{Field, fields, unfold};
use super::structure::{Kind, Part, parts};
use crate::limits::SEARCH_BLOCK_BYTES;
use fold::Matcher;
use memchr::{memchr2, memmem};
use std::ops::{Deref, Range};
use std::sync::LazyLock;

/// How far a search reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// TEXT: header and body.
    Text,
    /// BODY: the body, headers of parts and nested messages included.
    Body,
}

/// What a chunk brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The needle is in the message: no more octets are needed.
    Found,
    /// Not so far.
    GoOn,
}

/// Whether a field of the header `block` called `name` holds `needle`; with an empty needle, whether there is one.
pub fn field_holds(block: &[u8], name: &str, needle: &Needle) -> bool {
    fields(block)
        .filter(|field| field.is(name.as_bytes()))
        .any(|field| {
            let mut text = Vec::new();
            push_value_text(&field, &mut text);
            needle.is_in(&String::from_utf8_lossy(&text))
        })
}

/// Looks for one needle in one message; holds it as `&Needle`, or as `Arc<Needle>` to be kept between slices.
///
/// ```text
/// let mut searcher = Searcher::new(&needle, Scope::Text, &summary.structure);
/// if searcher.header(&served_header) == Progress::Found { ... }
/// while let Some(range) = searcher.wanted() { read some of it; searcher.feed(range.start, &octets) ... }
/// ```
pub struct Searcher<N> {
    matcher: Matcher<N>,
    scope: Scope,
    /// What is to be read, ascending.
    regions: std::vec::IntoIter<Region>,
    region: Option<Region>,
    /// Offset in the content as received up to which `region` has been read.
    at: u64,
    /// Header of a part, as far as it was read.
    header: Vec<u8>,
    /// A header's fields, decoded.
    lines: Vec<u8>,
    transfer: Undo,
    found: bool,
}

/// Octets that are searched, in the content as received.
#[derive(Clone, Debug)]
struct Region {
    octets: Range<u64>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Header,
    Text {
        transfer: Transfer,
        charset: &'static encoding_rs::Encoding,
    },
}

enum Undo {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl<N: Deref<Target = Needle>> Searcher<N> {
    /// For the message with this structure ([`super::Summary::structure`]).
    pub fn new(needle: N, scope: Scope, structure: &[u8]) -> Searcher<N> {
        let regions: Vec<Region> = parts(structure)
            .flat_map(|part| regions_of(&part))
            .collect();
        let found = needle.is_empty();
        let mut searcher = Searcher {
            matcher: Matcher::new(needle),
            scope,
            regions: regions.into_iter(),
            region: None,
            at: 0,
            header: Vec::new(),
            lines: Vec::new(),
            transfer: Undo::Identity,
            found,
        };
        searcher.next_region();
        searcher
    }

    /// Looks through the message's own header block as served. Nothing is found there with `Scope::Body`.
    pub fn header(&mut self, block: &[u8]) -> Progress {
        if self.scope == Scope::Text && !self.found {
            self.look_through_header(block);
        }
        self.progress()
    }

    /// The octets of the content as received that come next; None when all has been seen.
    pub fn wanted(&self) -> Option<Range<u64>> {
        let region = self.region.as_ref().filter(|_| !self.found)?;
        Some(self.at..region.octets.end)
    }

    /// Takes octets of the content as received that start at offset `at`: no later than `wanted` starts, and not before
    /// the end of what was fed already. What is not wanted is skipped.
    pub fn feed(&mut self, at: u64, chunk: &[u8]) -> Progress {
        let chunk_end = at + chunk.len() as u64;
        while let Some(wanted) = self.wanted() {
            let end = wanted.end.min(chunk_end);
            if wanted.start < at || wanted.start > end {
                break;
            }
            let octets = chunk
                .get((wanted.start - at) as usize..(end - at) as usize)
                .unwrap_or_default();
            if self
                .region
                .as_ref()
                .is_some_and(|region| region.octets.start == wanted.start)
            {
                self.begin_region();
            }
            for block in octets.chunks(SEARCH_BLOCK_BYTES) {
                self.block(block);
            }
            self.at = end;
            if end < wanted.end {
                break;
            }
            self.end_region();
            self.next_region();
        }
        self.progress()
    }

    /// Whether the needle has been found.
    pub fn progress(&self) -> Progress {
        if self.found {
            Progress::Found
        } else {
            Progress::GoOn
        }
    }

    fn next_region(&mut self) {
        self.region = self.regions.next();
        if let Some(region) = &self.region {
            self.at = region.octets.start;
        }
    }

    /// Before the first octets of a region: what undoes the encodings of its text.
    fn begin_region(&mut self) {
        if let Some(What::Text { transfer, charset }) =
            self.region.as_ref().map(|region| region.what)
        {
            self.matcher.begin(charset);
            self.transfer = match transfer {
                Transfer::Identity => Undo::Identity,
                Transfer::Base64 => Undo::Base64(Base64::default()),
                Transfer::QuotedPrintable => Undo::QuotedPrintable(QuotedPrintable::default()),
            };
        }
    }

    fn block(&mut self, octets: &[u8]) {
        if self.found {
            return;
        }
        match self.region.as_ref().map(|region| region.what) {
            Some(What::Header) => {
                if self.header.len() + octets.len() > SEARCH_BLOCK_BYTES {
                    self.end_header();
                }
                self.header.extend_from_slice(octets);
            }
            Some(What::Text { .. }) => {
                self.found |= match &mut self.transfer {
                    Undo::Identity => self.matcher.octets(octets),
                    Undo::Base64(decoder) => {
                        self.matcher.decoded(|out| decoder.decode(octets, out))
                    }
                    Undo::QuotedPrintable(decoder) => {
                        self.matcher.decoded(|out| decoder.decode(octets, out))
                    }
                };
            }
            None => {}
        }
    }

    fn end_region(&mut self) {
        if self.found {
            return;
        }
        match self.region.as_ref().map(|region| region.what) {
            Some(What::Header) => self.end_header(),
            Some(What::Text { .. }) => {
                if let Undo::QuotedPrintable(decoder) = &mut self.transfer {
                    self.found |= self.matcher.decoded(|out| decoder.finish(out));
                }
                self.found |= self.matcher.end();
            }
            None => {}
        }
    }

    fn end_header(&mut self) {
        let block = std::mem::take(&mut self.header);
        self.look_through_header(&block);
        self.header = block;
        self.header.clear();
    }

    /// One line for each field, `Name: value`, so that what a person sees as one line can be found.
    fn look_through_header(&mut self, block: &[u8]) {
        let mut text = std::mem::take(&mut self.lines);
        text.clear();
        for field in fields(block) {
            text.extend_from_slice(field.name);
            text.extend_from_slice(b": ");
            push_value_text(&field, &mut text);
            text.extend_from_slice(b"\r\n");
        }
        self.matcher.begin(encoding_rs::UTF_8);
        self.found = self.found || self.matcher.octets(&text) || self.matcher.end();
        self.lines = text;
    }
}

/// Appends a field's value on one line, encoded words decoded, as UTF-8.
fn push_value_text(field: &Field<'_>, text: &mut Vec<u8>) {
    let mut rest = field.value.trim_ascii();
    if !rest.is_ascii() || WORD_START.find(rest).is_some() {
        text.extend_from_slice(decode_words(&unfold(rest)).as_bytes());
        return;
    }
    while let Some(at) = memchr2(b'\r', b'\n', rest) {
        text.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
}

/// Where an encoded word may start; made once, for it is looked for in every field.
static WORD_START: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"=?"));

fn regions_of(part: &Part<'_>) -> impl Iterator<Item = Region> + use<> {
    let header = (part.depth > 0).then(|| Region {
        octets: part.header(),
        what: What::Header,
    });
    let facts = part.facts();
    let text = facts.media.is_none_or(|(kind, ..)| {
        kind.eq_ignore_ascii_case(b"text") || kind.eq_ignore_ascii_case(b"message")
    });
    let body = (part.kind == Kind::Leaf && text).then(|| Region {
        octets: part.body(),
        what: What::Text {
            transfer: Transfer::named(facts.encoding),
            charset: charset(facts.parameter("charset")),
        },
    });
    header
        .into_iter()
        .chain(body)
        .filter(|region| !region.octets.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mime::Scanner;
    use crate::wire::mime::field::block_bytes;
    use proptest::prelude::*;

    fn found_in(message: &[u8], needle: &str, scope: Scope, chunk_bytes: usize) -> bool {
        let header = block_bytes(message).unwrap_or(message.len());
        let mut scanner = Scanner::new(b"", &message[..header], &[]);
        scanner.body(&message[header..]);
        let summary = scanner.finish();
        let needle = Needle::new(needle);
        let mut searcher = Searcher::new(&needle, scope, &summary.structure);
        let mut progress = searcher.header(&message[..header]);
        while let (Progress::GoOn, Some(wanted)) = (progress, searcher.wanted()) {
            let start = wanted.start as usize;
            let end = (start + chunk_bytes).min(message.len());
            progress = searcher.feed(wanted.start, &message[start..end]);
        }
        progress == Progress::Found
    }

    fn found(message: &str, needle: &str, scope: Scope) -> bool {
        let whole = found_in(message.as_bytes(), needle, scope, usize::MAX >> 1);
        for chunk_bytes in [1, 2, 3, 50] {
            assert_eq!(
                found_in(message.as_bytes(), needle, scope, chunk_bytes),
                whole,
                "{needle} {chunk_bytes}"
            );
        }
        whole
    }

    const MESSAGE: &str = concat!(
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_an_alle?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
        "preamble\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nStra=DFe nach =C4gypten, Soft=\r\nbreak\r\n",
        "--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "SGVsbG8g0JzQuNGA\r\nIGFnYWlu\r\n",
        "--b\r\nContent-Type: application/x; name=Report.pdf\r\n\r\nbinary\r\n--b--\r\n"
    );

    #[test]
    fn finds_what_a_reader_sees() {
        for needle in [
            "grüße an ALLE",
            "GRÜSSE",
            "subject: g",
            "straße",
            "ÄGYPTEN",
            "softbreak",
            "hello мир AGAIN",
            "МИР",
            "report.PDF",
            "",
        ] {
            let expected = needle != "GRÜSSE"; // ß is not ss in simple case folding
            assert_eq!(found(MESSAGE, needle, Scope::Text), expected, "{needle}");
        }
        for needle in [
            "grüße",
            "preamble",
            "binary",
            "SGVsbG8",
            "=DF",
            "again\r\n--b",
            "x",
        ] {
            let expected = needle == "x"; // in a part's header
            assert_eq!(found(MESSAGE, needle, Scope::Body), expected, "{needle}");
        }
    }

    #[test]
    fn a_plain_message() {
        let message = "Subject: s\r\n\r\nA b\u{e9} c\r\n";
        for (needle, expected) in [
            ("BÉ C", true),
            ("é d", false),
            ("b", true),
            ("subject: s", true),
        ] {
            assert_eq!(found(message, needle, Scope::Text), expected, "{needle}");
        }
    }

    #[test]
    fn charsets_of_several_octets() {
        let message = "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$\"$$\x1b(B\r\n";
        assert!(found(message, "あい", Scope::Body));
        // The second octet of these is an ASCII letter, which must not be found.
        let header = b"Content-Type: text/plain; charset=shift_jis\r\n\r\n";
        let message = [header.as_slice(), b"\x83\x41\x83\x42"].concat();
        assert!(found_in(&message, "アィ", Scope::Body, 1));
        assert!(!found_in(&message, "A", Scope::Body, 100));
    }

    #[test]
    fn header_fields() {
        let block = b"To: a\r\nX-A: =?utf-8?q?=C3=84?=\r\n b\r\nx-a: two\r\n\r\n";
        for (name, needle, expected) in [
            ("x-a", "ä b", true),
            ("X-A", "TWO", true),
            ("X-A", "a", false),
            ("to", "", true),
            ("cc", "", false),
        ] {
            assert_eq!(
                field_holds(block, name, &Needle::new(needle)),
                expected,
                "{name} {needle}"
            );
        }
    }

    #[test]
    fn a_huge_part_header_is_searched_in_pieces() {
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{}Needle: here\r\n\r\n",
            "X-Filler: 0123456789\r\n".repeat(10_000)
        );
        assert!(found_in(
            message.as_bytes(),
            "needle: HERE",
            Scope::Body,
            32 * 1024
        ));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(needle in "[aAé=]{1,4}", text in "[aAé=\r\n C3]{0,80}", chunk_bytes in 1usize..20, head in 0usize..4) {
            let head = ["", "Content-Transfer-Encoding: quoted-printable\r\n", "Content-Transfer-Encoding: base64\r\n",
                "Content-Type: text/plain; charset=iso-8859-1\r\n"][head];
            let message = format!("{head}\r\n{text}");
            prop_assert_eq!(
                found_in(message.as_bytes(), &needle, Scope::Body, chunk_bytes),
                found_in(message.as_bytes(), &needle, Scope::Body, 1_000)
            );
        }
    }
}
