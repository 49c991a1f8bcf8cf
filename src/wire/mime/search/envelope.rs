//! Search keys that ask the ENVELOPE: FROM, TO, CC, BCC, SUBJECT (RFC 3501 section 6.4.4).

use super::fold::Needle;
use crate::wire::mime::decode::decode_words;
use memchr::memchr2;
use std::borrow::Cow;

/// Whether field number `field` of the ENVELOPE `envelope` (0 date, 1 subject, 2 from, 3 sender, 4 reply-to, 5 to, 6 cc,
/// 7 bcc, 8 in-reply-to, 9 message-id) holds `needle`, encoded words decoded, an address as `Name <local@domain>`. A field
/// that is NIL holds nothing.
pub fn envelope_holds(envelope: &[u8], field: usize, needle: &Needle) -> bool {
    let mut reader = Reader(envelope.strip_prefix(b"(").unwrap_or(envelope));
    for _ in 0..field {
        reader.value(&mut |_| {});
    }
    let mut strings: Vec<Option<Cow<'_, [u8]>>> = Vec::with_capacity(4);
    let mut found = false;
    let list = reader.0.trim_ascii_start().starts_with(b"(");
    reader.value(&mut |string| {
        strings.push(string);
        if strings.len() == 4 {
            found = found || needle.is_in(&address_text(&strings));
            strings.clear();
        }
    });
    match (list, strings.first()) {
        (false, Some(Some(text))) => needle.is_in(&decode_words(text)),
        _ => found,
    }
}

fn address_text(strings: &[Option<Cow<'_, [u8]>>]) -> String {
    let string = |at: usize| strings.get(at).and_then(Option::as_deref);
    let mut text = decode_words(string(0).unwrap_or_default());
    match (string(2), string(3)) {
        (Some(local), Some(host)) => {
            text.push_str(if text.is_empty() { "<" } else { " <" });
            text.push_str(&String::from_utf8_lossy(local));
            text.push('@');
            text.push_str(&String::from_utf8_lossy(host));
            text.push('>');
        }
        // A group's name.
        (Some(local), None) => text.push_str(&decode_words(local)),
        _ => {}
    }
    text
}

/// Reads what [`crate::wire::imap::write::put_string`] wrote.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// One string, NIL or parenthesised list; calls `each` for every string and NIL in it.
    fn value(&mut self, each: &mut dyn FnMut(Option<Cow<'a, [u8]>>)) {
        let mut depth = 0usize;
        loop {
            match self.octet() {
                None => return,
                Some(b' ') => continue,
                Some(b'(') => depth += 1,
                Some(b')') => depth = depth.saturating_sub(1),
                Some(b'"') => each(Some(self.quoted())),
                Some(b'{') => each(Some(self.literal())),
                Some(_) => {
                    self.0 = self.0.get(2..).unwrap_or_default();
                    each(None);
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn quoted(&mut self) -> Cow<'a, [u8]> {
        if let Some(end) = memchr2(b'"', b'\\', self.0)
            && let Some((text, rest)) = self.0.split_at_checked(end)
            && let Some(rest) = rest.strip_prefix(b"\"")
        {
            self.0 = rest;
            return Cow::Borrowed(text);
        }
        let mut text = Vec::new();
        while let Some(octet) = self.octet() {
            match octet {
                b'"' => break,
                b'\\' => text.extend(self.octet()),
                octet => text.push(octet),
            }
        }
        Cow::Owned(text)
    }

    fn literal(&mut self) -> Cow<'a, [u8]> {
        let mut bytes = 0usize;
        while let Some(octet) = self.octet() {
            match octet {
                b'0'..=b'9' => {
                    bytes = bytes
                        .saturating_mul(10)
                        .saturating_add(usize::from(octet - b'0'))
                }
                b'\n' => break,
                _ => {}
            }
        }
        let (text, rest) = self.0.split_at_checked(bytes).unwrap_or((self.0, b""));
        self.0 = rest;
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mime::Scanner;

    #[test]
    fn asks_one_field() {
        let header = concat!(
            "Subject: =?utf-8?q?=C3=84 b?= (x)\r\nFrom: \"A, (B)\" <local@host>, C <c@d>\r\n",
            "To: Friends: =?utf-8?q?=C3=89?= <e@f>;\r\nMessage-ID: <1@2>\r\n\r\n"
        );
        let envelope = Scanner::new(b"", header.as_bytes(), &[]).finish().envelope;
        for (field, text, expected) in [
            (1, "ä B (X)", true),
            (1, "c", false),
            (2, "a, (b) <LOCAL@host>", true),
            (2, "c <c@", true),
            (2, "host>, C", false),
            (5, "friends", true),
            (5, "é <e@f>", true),
            (6, "", false),
            (7, "x", false),
            (9, "<1@2>", true),
            (0, "", false),
        ] {
            assert_eq!(
                envelope_holds(&envelope, field, &Needle::new(text)),
                expected,
                "{field} {text}"
            );
        }
        let literal = Scanner::new(b"", "Subject: é) \"\r\nTo: a@b\r\n\r\n".as_bytes(), &[])
            .finish()
            .envelope;
        assert!(envelope_holds(&literal, 1, &Needle::new("É) \"")));
        assert!(envelope_holds(&literal, 5, &Needle::new("<a@b>")));
    }
}
