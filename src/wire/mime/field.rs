//! Header fields (RFC 5322 section 2.2, with the obsolete forms of section 4.5): splitting a block into fields,
//! unfolding, and the subsets that IMAP's HEADER.FIELDS asks for.

use memchr::memchr;

/// One field of a header block. A line without a colon is a field with an empty name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// Left of the colon, without the white space that old software puts in front of it.
    pub name: &'a [u8],
    /// Right of the colon as it stands, folds and line end included.
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub raw: &'a [u8],
}

impl Field<'_> {
    /// Whether this field is called so, ignoring case.
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The fields of `block` in order, up to its empty line or its end.
pub fn fields(block: &[u8]) -> Fields<'_> {
    Fields { rest: block }
}

/// See [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.next_raw().map(split)
    }
}

impl<'a> Fields<'a> {
    /// The next field with its line ends.
    fn next_raw(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() || is_empty_line(self.rest) {
            return None;
        }
        let mut end = line_bytes(self.rest);
        while let Some(b' ' | b'\t') = self.rest.get(end) {
            end += line_bytes(self.rest.get(end..).unwrap_or_default());
        }
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(raw)
    }
}

/// Which fields a HEADER.FIELDS section keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// HEADER.FIELDS
    Named,
    /// HEADER.FIELDS.NOT
    Others,
}

/// The fields of `block` that a HEADER.FIELDS section keeps, each with its line ends, in order. The empty line that
/// ends the section (RFC 3501 section 6.4.5) is the caller's.
pub fn subset<'a, N: AsRef<[u8]>>(
    block: &'a [u8],
    names: &'a [N],
    keep: Keep,
) -> impl Iterator<Item = &'a [u8]> {
    let mut fields = fields(block);
    let begins = Begins::of(names);
    std::iter::from_fn(move || fields.next_raw()).filter(move |raw| {
        let named = begins.holds(raw) && {
            let field = split(raw);
            names.iter().any(|name| field.is(name.as_ref()))
        };
        match keep {
            Keep::Named => named,
            Keep::Others => !named,
        }
    })
}

/// The first octets of some names in either case, a bit each: most fields are none of them, and are not looked at
/// any further.
struct Begins([u64; 4]);

impl Begins {
    fn of<N: AsRef<[u8]>>(names: &[N]) -> Begins {
        let mut begins = Begins([0; 4]);
        for name in names {
            match name.as_ref().first() {
                Some(first) => {
                    begins.set(first.to_ascii_lowercase());
                    begins.set(first.to_ascii_uppercase());
                }
                // A line without a colon has this name, whatever it begins with.
                None => return Begins([u64::MAX; 4]),
            }
        }
        begins
    }
    fn set(&mut self, octet: u8) {
        if let Some(bits) = self.0.get_mut(usize::from(octet >> 6)) {
            *bits |= 1 << (octet & 63);
        }
    }
    fn holds(&self, raw: &[u8]) -> bool {
        let octet = raw.first().copied().unwrap_or_default();
        let bits = self.0.get(usize::from(octet >> 6)).copied();
        bits.unwrap_or_default() >> (octet & 63) & 1 == 1
    }
}

/// A value on one line: without the white space around it and without its line ends (RFC 5322 section 2.2.3).
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(value.len());
    line.extend(
        value
            .trim_ascii()
            .iter()
            .filter(|octet| !matches!(octet, b'\r' | b'\n')),
    );
    line
}

/// Text for people on one line: every run of white space, folds too, becomes one space, and none is left around it.
pub fn collapse(text: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(text.len());
    for word in text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(word);
    }
    line
}

/// Octets of the header block at the start of `message`, with its empty line; None where no empty line was seen.
pub fn block_bytes(message: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = message.get(at..)?;
        if rest.starts_with(b"\n") {
            return Some(at + 1);
        }
        if rest.starts_with(b"\r\n") {
            return Some(at + 2);
        }
        at += memchr(b'\n', rest)? + 1;
    }
}

fn is_empty_line(rest: &[u8]) -> bool {
    rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
}

fn line_bytes(rest: &[u8]) -> usize {
    memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
}

fn split(raw: &[u8]) -> Field<'_> {
    match memchr(b':', raw).and_then(|colon| raw.split_at_checked(colon)) {
        Some((name, value)) if !name.contains(&b'\n') => Field {
            name: name.trim_ascii_end(),
            value: value.get(1..).unwrap_or_default(),
            raw,
        },
        _ => Field {
            name: b"",
            value: raw,
            raw,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] =
        b"From a@b Mon Jan 1\r\nSubject : one\r\n two\r\nno colon\r\nX:\r\n\r\nbody: 1\r\n";

    #[test]
    fn splits_folds_and_ugly_lines() {
        let names: Vec<&[u8]> = fields(BLOCK).map(|field| field.name).collect();
        assert_eq!(names, [b"".as_slice(), b"Subject", b"", b"X"]);
        let subject = fields(BLOCK).nth(1).unwrap();
        assert_eq!(unfold(subject.value), b"one two");
        assert_eq!(fields(BLOCK).nth(3).unwrap().value, b"\r\n");
    }

    #[test]
    fn collapses_white_space() {
        assert_eq!(collapse(b" a \t b\r\n\tc "), b"a b c");
        assert_eq!(collapse(b" "), b"");
    }

    #[test]
    fn keeps_named_or_other_fields() {
        let named: Vec<&[u8]> = subset(BLOCK, &["subject"], Keep::Named).collect();
        assert_eq!(named, [b"Subject : one\r\n two\r\n".as_slice()]);
        let others: Vec<&[u8]> = subset(BLOCK, &["subject", "x"], Keep::Others).collect();
        assert_eq!(
            others,
            [b"From a@b Mon Jan 1\r\n".as_slice(), b"no colon\r\n"]
        );
    }

    #[test]
    fn picks_as_if_each_field_were_compared() {
        for names in [
            &["x", "SUBJECT"][..],
            &["from", ""],
            &["\u{e9}", "no colon"],
            &[],
        ] {
            let slow: Vec<&[u8]> = fields(BLOCK)
                .filter(|field| names.iter().any(|name| field.is(name.as_bytes())))
                .map(|field| field.raw)
                .collect();
            let quick: Vec<&[u8]> = subset(BLOCK, names, Keep::Named).collect();
            assert_eq!(quick, slow, "{names:?}");
        }
    }

    #[test]
    fn finds_the_end_of_the_block() {
        assert_eq!(block_bytes(BLOCK), Some(BLOCK.len() - 9));
        assert_eq!(block_bytes(b"a: b\n\nc"), Some(6));
        assert_eq!(block_bytes(b"\r\n"), Some(2));
        assert_eq!(block_bytes(b"a: b\r\n"), None);
    }
}
