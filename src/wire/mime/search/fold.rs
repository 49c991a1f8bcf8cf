//! Case folding, and the search itself.

use crate::limits::SEARCH_BLOCK_BYTES;
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use memchr::memmem::Finder;
use std::ops::Deref;

/// What is looked for, folded once for all messages.
pub struct Needle {
    folded: Finder<'static>,
    ascii: bool,
}

impl Needle {
    /// From the text of a search key.
    pub fn new(text: &str) -> Needle {
        let mut folded = Vec::new();
        fold_into(text, &mut folded);
        Needle {
            folded: Finder::new(&folded).into_owned(),
            ascii: folded.is_ascii(),
        }
    }

    /// Every text holds the empty needle.
    pub fn is_empty(&self) -> bool {
        self.folded.needle().is_empty()
    }

    /// Whether `text` holds it.
    pub fn is_in(&self, text: &str) -> bool {
        let mut folded = Vec::new();
        fold_into(text, &mut folded);
        self.folded.find(&folded).is_some()
    }
}

/// Simple case folding: a character becomes one character. Where Unicode's capital is several (ß), the character is only
/// made small.
fn fold(character: char) -> char {
    let one = |mut mapped: std::char::ToLowercase| match (mapped.next(), mapped.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    let mut capital = character.to_uppercase();
    match (capital.next(), capital.next()) {
        (Some(capital), None) => one(capital.to_lowercase()).unwrap_or(character),
        _ => one(character.to_lowercase()).unwrap_or(character),
    }
}

/// Appends `text` in folded form: at most 3/2 of its octets (some small letters take an octet more than the capital).
fn fold_into(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest
            .bytes()
            .position(|octet| octet > 127)
            .unwrap_or(rest.len());
        let (ascii, other) = rest.split_at(plain);
        push_ascii(ascii.as_bytes(), out);
        let mut characters = other.chars();
        if let Some(character) = characters.next() {
            out.extend_from_slice(fold(character).encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = characters.as_str();
    }
}

fn push_ascii(octets: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(octets);
    if let Some(new) = out.get_mut(from..) {
        new.make_ascii_lowercase();
    }
}

/// Looks for a needle in octets that pass by. Holds one block in each of its buffers.
pub(super) struct Matcher<N> {
    needle: N,
    /// None where octets are searched as they are: an ASCII needle in a charset where ASCII octets mean only themselves.
    decoder: Option<Decoder>,
    /// Folded text: the end of what was searched (a needle less one octet), then the new.
    folded: Vec<u8>,
    text: String,
    octets: Vec<u8>,
}

impl<N: Deref<Target = Needle>> Matcher<N> {
    pub(super) fn new(needle: N) -> Matcher<N> {
        Matcher {
            needle,
            decoder: None,
            folded: Vec::new(),
            text: String::new(),
            octets: Vec::new(),
        }
    }

    /// A new text begins.
    pub(super) fn begin(&mut self, charset: &'static Encoding) {
        let plain = self.needle.ascii && (charset == UTF_8 || charset.is_single_byte());
        self.decoder = (!plain).then(|| charset.new_decoder_without_bom_handling());
        self.folded.clear();
    }

    /// Searches the octets that `decode` appends.
    pub(super) fn decoded(&mut self, decode: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        decode(&mut octets);
        let found = self.octets(&octets);
        self.octets = octets;
        found
    }

    /// Searches the next octets of the text.
    pub(super) fn octets(&mut self, octets: &[u8]) -> bool {
        octets
            .chunks(SEARCH_BLOCK_BYTES)
            .any(|block| self.block(block, Last::No))
    }

    /// The text ends: searches what a cut-off character became.
    pub(super) fn end(&mut self) -> bool {
        self.decoder.is_some() && self.block(b"", Last::Yes)
    }

    fn block(&mut self, octets: &[u8], last: Last) -> bool {
        match &mut self.decoder {
            None => push_ascii(octets, &mut self.folded),
            Some(decoder) => {
                self.text.clear();
                let room = decoder
                    .max_utf8_buffer_length(octets.len())
                    .unwrap_or(octets.len() * 3 + 16);
                self.text.reserve(room);
                let (result, ..) =
                    decoder.decode_to_string(octets, &mut self.text, last == Last::Yes);
                debug_assert_eq!(result, CoderResult::InputEmpty);
                fold_into(&self.text, &mut self.folded);
            }
        }
        if self.needle.folded.find(&self.folded).is_some() {
            return true;
        }
        let keep = self
            .needle
            .folded
            .needle()
            .len()
            .saturating_sub(1)
            .min(self.folded.len());
        self.folded.drain(..self.folded.len() - keep);
        false
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_one_character_to_one() {
        for (text, expected) in [
            ("AbC", "abc"),
            ("ÄÖ", "äö"),
            ("ΣΑΣ ς", "σασ σ"),
            ("ẞß", "ßß"),
            ("ſK", "sk"),
            ("İ", "İ"),
        ] {
            let mut folded = Vec::new();
            fold_into(text, &mut folded);
            assert_eq!(String::from_utf8(folded).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_needle_across_blocks() {
        let needle = Needle::new("Néedle");
        let mut matcher = Matcher::new(&needle);
        matcher.begin(UTF_8);
        let text = format!("{}nÉEDLE", "x".repeat(SEARCH_BLOCK_BYTES - 3));
        assert!(matcher.octets(text.as_bytes()));
        matcher.begin(UTF_8);
        assert!(!matcher.octets("née".as_bytes()));
        matcher.begin(UTF_8);
        assert!(
            !matcher.octets("dle".as_bytes()),
            "texts do not run into each other"
        );
    }
}
