//! Undoing transfer encodings (RFC 2045 section 6), encoded words (RFC 2047) and charsets. Streaming where bodies pass; all
//! of it lenient: an octet that belongs nowhere is skipped or kept, never an error.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use memchr::{memchr, memchr2, memmem};

/// How a body was made fit for transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// 7bit, 8bit, binary, and whatever is not known.
    Identity,
    /// RFC 2045 section 6.8
    Base64,
    /// RFC 2045 section 6.7
    QuotedPrintable,
}

impl Transfer {
    /// By its name in Content-Transfer-Encoding.
    pub fn named(name: Option<&[u8]>) -> Transfer {
        match name {
            Some(name) if name.eq_ignore_ascii_case(b"base64") => Transfer::Base64,
            Some(name) if name.eq_ignore_ascii_case(b"quoted-printable") => {
                Transfer::QuotedPrintable
            }
            _ => Transfer::Identity,
        }
    }
}

/// Decodes base64 in chunks of any size. White space and foreign octets are skipped; `=` ends a group, and what follows
/// starts a new one (some software joins encoded texts).
#[derive(Clone, Default, Debug)]
pub struct Base64 {
    bits: u32,
    digits: u8,
}

impl Base64 {
    /// Appends the octets of `chunk` to `out`: at most 3/4 of its length, plus 2.
    pub fn decode(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        out.reserve(chunk.len() / 4 * 3 + 3);
        while let Some((&octet, rest)) = chunk.split_first() {
            if self.digits == 0 {
                let used = whole_groups(chunk, out);
                if used > 0 {
                    chunk = chunk.get(used..).unwrap_or_default();
                    continue;
                }
            }
            chunk = rest;
            self.one(octet, out);
        }
    }

    fn one(&mut self, octet: u8, out: &mut Vec<u8>) {
        let digit = digit(octet);
        if octet == b'=' {
            // Two digits hold one octet, three hold two.
            if self.digits >= 2 {
                let bits = self.bits << (6 * (4 - u32::from(self.digits)));
                out.push((bits >> 16) as u8);
                if self.digits == 3 {
                    out.push((bits >> 8) as u8);
                }
            }
            *self = Base64::default();
        } else if digit < 64 {
            self.bits = self.bits << 6 | u32::from(digit);
            self.digits += 1;
            if self.digits == 4 {
                let [_, a, b, c] = self.bits.to_be_bytes();
                out.extend_from_slice(&[a, b, c]);
                *self = Base64::default();
            }
        }
    }
}

/// Decodes groups of four digits from the front of `chunk` as long as there is nothing else; says how many octets.
fn whole_groups(chunk: &[u8], out: &mut Vec<u8>) -> usize {
    let mut used = 0;
    for group in chunk.as_chunks::<4>().0 {
        let [a, b, c, d] = group.map(digit);
        if (a | b | c | d) >= 64 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, a, b, c] = bits.to_be_bytes();
        out.extend_from_slice(&[a, b, c]);
        used += 4;
    }
    used
}

/// Values of the 64 digits, 255 for all else.
static DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [255; 256];
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table
};

fn digit(octet: u8) -> u8 {
    // An octet indexes a table of 256: this cannot fail.
    DIGITS.get(usize::from(octet)).copied().unwrap_or(255)
}

/// Decodes quoted-printable in chunks of any size. An `=` that starts neither an octet nor a soft line break stays.
#[derive(Clone, Default, Debug)]
pub struct QuotedPrintable {
    /// `=` and what came behind it, while that may still become something.
    escape: Vec<u8>,
}

impl QuotedPrintable {
    /// Appends the octets of `chunk` to `out`: at most its length, plus 3.
    pub fn decode(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while let Some((&octet, rest)) = chunk.split_first() {
            if self.escape.is_empty() {
                let plain = memchr(b'=', chunk).unwrap_or(chunk.len());
                out.extend_from_slice(chunk.get(..plain).unwrap_or_default());
                chunk = chunk.get(plain..).unwrap_or_default();
                if !chunk.is_empty() {
                    self.escape.push(b'=');
                    chunk = chunk.get(1..).unwrap_or_default();
                }
                continue;
            }
            self.escape.push(octet);
            chunk = rest;
            self.try_escape(out);
        }
    }

    /// The end of the text: an escape that never came whole stays as it is.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.escape);
    }

    fn try_escape(&mut self, out: &mut Vec<u8>) {
        match *self.escape.as_slice() {
            [_, b'\n'] | [_, b'\r', b'\n'] => self.escape.clear(),
            [_, b'\r'] => {}
            [_, high] if high.is_ascii_hexdigit() => {}
            [_, high, low] if low.is_ascii_hexdigit() && high != b'\r' => {
                out.push(hex(high) << 4 | hex(low));
                self.escape.clear();
            }
            // The last octet may start an escape of its own.
            [.., b'='] => {
                self.escape.pop();
                out.append(&mut self.escape);
                self.escape.push(b'=');
            }
            _ => out.append(&mut self.escape),
        }
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}

/// `charset'language'text` with `%` escapes (RFC 2231 section 4): the charset's name and the octets. Without the two
/// quotes the whole value is text.
pub fn percent_decode(value: &[u8]) -> (&[u8], Vec<u8>) {
    let mut halves = value.splitn(3, |&octet| octet == b'\'');
    let (charset, text) = match (halves.next(), halves.next(), halves.next()) {
        (Some(charset), Some(_), Some(text)) => (charset, text),
        _ => (b"".as_slice(), value),
    };
    (charset, percent_unescape(text))
}

/// `%` with two hexadecimal digits becomes an octet (RFC 3986 section 2.1); any other `%` stays.
pub fn percent_unescape(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&octet, after)) = rest.split_first() {
        match (octet, after) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                octets.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => {
                octets.push(octet);
                rest = after;
            }
        }
    }
    octets
}

/// A charset by its name in mail. None and unknown names, and US-ASCII with octets that it does not have, are taken for
/// UTF-8: that is what such mail holds today.
pub fn charset(name: Option<&[u8]>) -> &'static Encoding {
    let name = name.unwrap_or_default().trim_ascii();
    // RFC 2231 section 5: a language may follow the charset in an encoded word.
    let name = memchr(b'*', name)
        .and_then(|at| name.get(..at))
        .unwrap_or(name);
    if name.eq_ignore_ascii_case(b"us-ascii") || name.eq_ignore_ascii_case(b"ascii") {
        return UTF_8;
    }
    Encoding::for_label_no_replacement(name).unwrap_or(UTF_8)
}

/// Octets of a charset as text; UTF-8 that is none is read as windows-1252.
pub fn to_text(octets: &[u8], charset: &'static Encoding) -> String {
    if charset == UTF_8 && std::str::from_utf8(octets).is_err() {
        return WINDOWS_1252
            .decode_without_bom_handling(octets)
            .0
            .into_owned();
    }
    charset.decode_without_bom_handling(octets).0.into_owned()
}

/// A field's value with its encoded words decoded (RFC 2047); the white space between two of them is dropped, and a
/// character cut between two of the same charset becomes whole. What is no encoded word stays.
pub fn decode_words(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    let mut words: Vec<u8> = Vec::new();
    let mut words_charset = UTF_8;
    let mut rest = value;
    let mut plain_from = value;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (_, word) = rest.split_at(at);
        let Some((encoding, octets, after)) = encoded_word(word) else {
            rest = word.get(2..).unwrap_or_default();
            continue;
        };
        let plain_bytes = plain_from.len() - word.len();
        let plain = plain_from.get(..plain_bytes).unwrap_or_default();
        let joined = !words.is_empty() && plain.trim_ascii().is_empty();
        if !joined || encoding != words_charset {
            text.push_str(&to_text(&std::mem::take(&mut words), words_charset));
        }
        if !joined {
            text.push_str(&to_text(plain, UTF_8));
        }
        words.extend_from_slice(&octets);
        words_charset = encoding;
        rest = after;
        plain_from = after;
    }
    text.push_str(&to_text(&words, words_charset));
    text.push_str(&to_text(plain_from, UTF_8));
    text
}

/// Octets of one encoded word that are looked through for its end. RFC 2047 section 2 allows 75; longer ones are common.
const WORD_BYTES_MAX: usize = 2048;

/// `=?charset?B or Q?text?=` at the front of `word`: charset, octets, and what follows.
fn encoded_word(word: &[u8]) -> Option<(&'static Encoding, Vec<u8>, &[u8])> {
    let inner = word.get(2..)?;
    let window = inner.get(..WORD_BYTES_MAX).unwrap_or(inner);
    let name_bytes = memchr2(b'?', b' ', window)?;
    let (name, rest) = window.split_at_checked(name_bytes)?;
    let [b'?', letter, b'?', text @ ..] = rest else {
        return None;
    };
    let text = text.get(..memmem::find(text, b"?=")?)?;
    let mut octets = Vec::with_capacity(text.len());
    match letter.to_ascii_uppercase() {
        b'B' => {
            let mut base64 = Base64::default();
            base64.decode(text, &mut octets);
            base64.decode(b"=", &mut octets);
        }
        b'Q' => {
            let spaced: Vec<u8> = text
                .iter()
                .map(|&octet| if octet == b'_' { b' ' } else { octet })
                .collect();
            let mut quoted = QuotedPrintable::default();
            quoted.decode(&spaced, &mut octets);
            quoted.finish(&mut octets);
        }
        _ => return None,
    }
    let after = inner.get(name.len() + 3 + text.len() + 2..)?;
    Some((charset(Some(name)), octets, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base64(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Base64::default().decode(text, &mut out);
        out
    }

    fn quoted(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut decoder = QuotedPrintable::default();
        decoder.decode(text, &mut out);
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn base64_text() {
        assert_eq!(base64(b"aGVs\r\nbG8="), b"hello");
        assert_eq!(base64(b"aA==aQ==!ag=="), b"hij");
        assert_eq!(base64(b"=aGk="), b"hi");
    }

    #[test]
    fn quoted_printable_text() {
        assert_eq!(quoted(b"a=3D=\r\nb=\nc=e9"), b"a=bc\xe9");
        assert_eq!(quoted(b"a=zz==41=4"), b"a=zz=A=4");
        assert_eq!(quoted(b"=\rx"), b"=\rx");
    }

    #[test]
    fn encoded_words() {
        for (value, expected) in [
            ("=?utf-8?q?a_=C3=A9?= b", "a é b"),
            ("=?UTF-8?B?w6k=?= \r\n =?utf-8?Q?=C3=A9?=", "éé"),
            ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
            ("x =?iso-8859-1*de?q?=E9?= =?nowhere", "x é =?nowhere"),
            ("=?utf-8?x?a?= =?utf-8?q?a?=", "=?utf-8?x?a?= a"),
            ("=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
            ("=?utf-8?q??=a", "a"),
            ("plain", "plain"),
        ] {
            assert_eq!(decode_words(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(decode_words(b"caf\xe9"), "café");
    }

    #[test]
    fn many_openings_cost_little() {
        decode_words("=?a?q?".repeat(20_000).as_bytes());
        decode_words("=?".repeat(60_000).as_bytes());
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(
            percent_decode(b"utf-8'en'a%20%zz%4"),
            (b"utf-8".as_slice(), b"a %zz%4".to_vec())
        );
        assert_eq!(percent_decode(b"a%41"), (b"".as_slice(), b"aA".to_vec()));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(text in "[A-Za-z0-9=+/ \r\n]{0,200}", cut in 0usize..200) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let mut out = Vec::new();
            let mut decoder = Base64::default();
            decoder.decode(&bytes[..cut], &mut out);
            decoder.decode(&bytes[cut..], &mut out);
            prop_assert_eq!(&out, &base64(bytes));
            let mut out = Vec::new();
            let mut decoder = QuotedPrintable::default();
            decoder.decode(&bytes[..cut], &mut out);
            decoder.decode(&bytes[cut..], &mut out);
            decoder.finish(&mut out);
            prop_assert_eq!(&out, &quoted(bytes));
        }
    }
}
