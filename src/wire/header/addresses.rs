//! Addresses in From, To, Cc and the like (RFC 5322 section 3.4), as far as a submission server needs them: who is
//! named, and which addresses lack their domain. Display names and comments are passed over.

use crate::wire::address::{Address, Domain};
use memchr::memchr;

/// One mailbox of an address list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FieldAddress {
    /// A whole address.
    Full(Address),
    /// A local part without domain; the domain belongs at this offset of the value.
    Local {
        /// Without quotes.
        local: Box<str>,
        /// Right behind it.
        end: usize,
    },
    /// Something that is no address, and where it stands in the value.
    Malformed {
        /// Its first octet.
        start: usize,
        /// Behind its last.
        end: usize,
    },
}

/// Calls `each` for every mailbox in a field's value, in order.
pub fn each_address(value: &[u8], each: &mut dyn FnMut(FieldAddress)) {
    let mut mailbox = Mailbox::default();
    let mut at = 0;
    while let Some(&octet) = value.get(at) {
        let start = at;
        if !octet.is_ascii_whitespace() && !matches!(octet, b',' | b';') {
            mailbox.start.get_or_insert(start);
        }
        at = match octet {
            b'(' => end_of_comment(value, at),
            b' ' | b'\t' | b'\r' | b'\n' => at + 1,
            b'"' => end_of_quoted(value, at),
            b'<' => end_of_angle(value, at),
            b'[' => memchr(b']', value.get(at..).unwrap_or_default())
                .map_or(value.len(), |found| at + found + 1),
            _ => at + 1,
        };
        match octet {
            b'(' | b' ' | b'\t' | b'\r' | b'\n' => mailbox.gap = mailbox.words.is_some(),
            b'<' => {
                mailbox.ambiguous |= mailbox.angle.is_some() || at > value.len();
                mailbox.angle = Some((start + 1, at.saturating_sub(1)));
            }
            // A group's name is no mailbox.
            b':' if mailbox.angle.is_none() => mailbox = Mailbox::default(),
            b',' | b';' => std::mem::take(&mut mailbox).finish(value, start, each),
            _ => mailbox.word(value, start, at),
        }
    }
    mailbox.finish(value, value.len(), each);
}

/// The value with `@domain` behind every local part that stands alone; None when there is none. It ends where it
/// passes `bytes_max`: a longer answer is no answer.
pub fn complete(value: &[u8], domain: &Domain, bytes_max: usize) -> Option<Vec<u8>> {
    let mut completed = Vec::new();
    let mut done = 0;
    each_address(value, &mut |address| {
        if let FieldAddress::Local { end, .. } = address
            && completed.len() <= bytes_max
        {
            completed.extend_from_slice(value.get(done..end).unwrap_or_default());
            completed.push(b'@');
            completed.extend_from_slice(domain.as_str().as_bytes());
            done = end;
        }
    });
    if done == 0 {
        return None;
    }
    completed.extend_from_slice(value.get(done..).unwrap_or_default());
    Some(completed)
}

/// What has been seen of one mailbox.
#[derive(Default)]
struct Mailbox {
    /// Where it begins, comments too.
    start: Option<usize>,
    /// First to last octet outside comments and angle brackets.
    words: Option<(usize, usize)>,
    /// Blank or comment since the last word.
    gap: bool,
    /// Several words with a gap between them: a display name, or no address.
    several: bool,
    /// Several angle brackets, words behind one, or one unclosed: readers would not agree on who is meant.
    ambiguous: bool,
    /// Inside of the angle brackets.
    angle: Option<(usize, usize)>,
}

impl Mailbox {
    fn word(&mut self, value: &[u8], start: usize, end: usize) {
        self.ambiguous |= self.angle.is_some();
        let first = match self.words {
            None => start,
            Some((first, last)) => {
                // Obsolete syntax has blanks around the dots and the @.
                let joint = |at: usize| matches!(value.get(at), Some(b'.' | b'@'));
                self.several |= self.gap && !joint(start) && !joint(last.wrapping_sub(1));
                first
            }
        };
        self.words = Some((first, end));
        self.gap = false;
    }

    fn finish(self, value: &[u8], end: usize, each: &mut dyn FnMut(FieldAddress)) {
        let spec = match (self.angle, self.words) {
            _ if self.ambiguous => None,
            (Some((start, end)), _) => spec(value, start, end),
            (None, Some(_)) if self.several => None,
            (None, Some((start, end))) => spec(value, start, end),
            (None, None) => return,
        };
        let start = self.start.unwrap_or(end);
        each(spec.unwrap_or(FieldAddress::Malformed { start, end }));
    }
}

/// The addr-spec in `value[start..end]`.
fn spec(value: &[u8], start: usize, end: usize) -> Option<FieldAddress> {
    let inside = value.get(start..end).unwrap_or_default();
    let trimmed = inside.trim_ascii_end();
    let end = start + trimmed.len();
    let text = std::str::from_utf8(trimmed.trim_ascii_start()).ok()?;
    // RFC 5322 section 4.4: obs-route.
    let text = match (text.starts_with('@'), text.split_once(':')) {
        (true, Some((_, behind))) => behind,
        _ => text,
    };
    let plain: String = without_blanks(text);
    if let Ok(address) = Address::parse(&plain) {
        return Some(FieldAddress::Full(address));
    }
    // The local part alone: nothing can make it a whole address but the domain behind it.
    match Address::parse(&format!("{plain}@localhost")) {
        Ok(address) if plain == text && (!plain.contains('@') || plain.starts_with('"')) => {
            Some(FieldAddress::Local {
                local: address.local().into(),
                end,
            })
        }
        _ => None,
    }
}

/// Blanks and comments inside an addr-spec mean nothing, except between quotes.
fn without_blanks(text: &str) -> String {
    let (mut in_quotes, mut escaped, mut depth) = (false, false, 0u32);
    text.chars()
        .filter(|&c| {
            let was_comment = depth > 0;
            match c {
                _ if escaped => escaped = false,
                '\\' if in_quotes || depth > 0 => escaped = true,
                '"' if depth == 0 => in_quotes = !in_quotes,
                '(' if !in_quotes => depth += 1,
                ')' if depth > 0 => depth -= 1,
                _ => {}
            }
            let comment = was_comment || depth > 0;
            !comment && (in_quotes || !matches!(c, ' ' | '\t' | '\r' | '\n'))
        })
        .collect()
}

fn end_of_quoted(value: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(&octet) = value.get(at) {
        match octet {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    value.len()
}

/// Comments nest; the depth is a number, not a stack.
fn end_of_comment(value: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0u32);
    while let Some(&octet) = value.get(at) {
        match octet {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    value.len()
}

fn end_of_angle(value: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(&octet) = value.get(at) {
        at = match octet {
            b'"' => end_of_quoted(value, at),
            b'>' => return at + 1,
            _ => at + 1,
        };
    }
    // Unclosed: further than there is anything.
    value.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(value: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_address(value.as_bytes(), &mut |address| {
            all.push(match address {
                FieldAddress::Full(address) => address.to_string(),
                FieldAddress::Local { local, .. } => format!("local {local}"),
                FieldAddress::Malformed { start, end } => {
                    format!("malformed {}", value[start..end].trim())
                }
            })
        });
        all
    }

    #[test]
    fn lists() {
        for (value, expected) in [
            (" a@b.de\r\n", vec!["a@b.de"]),
            (
                " A B <a@b.de>, \"C, D\" <c@d.de>,e\r\n",
                vec!["a@b.de", "c@d.de", "local e"],
            ),
            (" a@b.de (x, (y) \\) <z>), b (c)", vec!["a@b.de", "local b"]),
            (
                " Friends: a@b.de, <c>; , d@e.de",
                vec!["a@b.de", "local c", "d@e.de"],
            ),
            (" undisclosed-recipients:;\r\n", vec![]),
            (" =?utf-8?q?J=C3=B6rg?= <@x.de:j@b.de>", vec!["j@b.de"]),
            (" A B", vec!["malformed A B"]),
            (" <>", vec!["malformed <>"]),
            (" \"a b\"@c.de, \"d e\"", vec!["\"a b\"@c.de", "local d e"]),
            (" a . b @ c.de, < d@e.de (x) >", vec!["a.b@c.de", "d@e.de"]),
            (" \"Me @ Home\" <me>", vec!["local me"]),
            (" <a@b.de", vec!["malformed <a@b.de"]),
            (" evil@x.de <a@b.de>", vec!["a@b.de"]),
            (" <a@b.de> <c@d.de>", vec!["malformed <a@b.de> <c@d.de>"]),
            (" <a@b.de> c@d.de", vec!["malformed <a@b.de> c@d.de"]),
            (" a@b@c.de", vec!["malformed a@b@c.de"]),
            (" A B, C. <a@b.de>", vec!["malformed A B", "a@b.de"]),
            (
                " a@[1.2.3.4], b@[IPv6:::1]",
                vec!["a@[1.2.3.4]", "b@[IPv6:::1]"],
            ),
            ("", vec![]),
        ] {
            assert_eq!(list(value), expected, "{value}");
        }
    }

    #[test]
    fn completing() {
        let domain = Domain::parse("box.test").unwrap();
        let done = complete(b" Anna <anna>,\r\n bob (B), c@d.de\r\n", &domain, 99).unwrap();
        assert_eq!(
            String::from_utf8(done).unwrap(),
            " Anna <anna@box.test>,\r\n bob@box.test (B), c@d.de\r\n"
        );
        assert_eq!(complete(b" a@b.de\r\n", &domain, 99), None);
        assert_eq!(complete(b"\r\n", &domain, 99), None);
    }

    proptest! {
        #[test]
        fn a_completed_list_is_complete(value in "[a \"<>@(),:;.\\\\\\[\\]\r\nb]{0,40}") {
            let domain = Domain::parse("box.test").unwrap();
            if let Some(done) = complete(value.as_bytes(), &domain, 9999) {
                let mut left = false;
                each_address(&done, &mut |a| left |= matches!(a, FieldAddress::Local { .. }));
                prop_assert!(!left, "{}", String::from_utf8_lossy(&done));
            }
        }
    }
}
