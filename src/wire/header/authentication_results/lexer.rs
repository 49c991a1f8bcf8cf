//! What structured fields are made of (RFC 5322 section 3.2, RFC 2045 section 5.1): blanks and comments, words,
//! quoted strings.

/// A value and how far it was read.
#[derive(Clone, Copy)]
pub struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    /// At the start of a value.
    pub fn new(value: &'a [u8]) -> Lexer<'a> {
        Lexer { rest: value }
    }

    /// What was not read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Passes over blanks and comments, however deep; None where one does not end. Each comment is shown to `each`.
    pub fn blanks_with(&mut self, each: &mut dyn FnMut(&'a [u8])) -> Option<()> {
        while let Some((&octet, after)) = self.rest.split_first() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => self.rest = after,
                b'(' => {
                    let end = end_of_comment(self.rest)?;
                    each(self.rest.get(1..end - 1)?);
                    self.rest = self.rest.get(end..)?;
                }
                _ => break,
            }
        }
        Some(())
    }

    /// Passes over blanks and comments.
    pub fn blanks(&mut self) -> Option<()> {
        self.blanks_with(&mut |_| {})
    }

    /// Takes one octet, if it is next.
    pub fn octet(&mut self, wanted: u8) -> bool {
        match self.rest.split_first() {
            Some((&octet, after)) if octet == wanted => {
                self.rest = after;
                true
            }
            _ => false,
        }
    }

    /// A run of octets that are good; it may be empty.
    pub fn run(&mut self, good: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&octet| !good(octet));
        let (run, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = after;
        run
    }

    /// The content of a quoted string, folds taken out; None where none begins or it does not end.
    pub fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut octets = self.rest.strip_prefix(b"\"")?.iter();
        let mut content = Vec::new();
        loop {
            match octets.next()? {
                b'"' => break,
                b'\\' => content.push(*octets.next()?),
                b'\r' | b'\n' => {}
                octet => content.push(*octet),
            }
        }
        self.rest = octets.as_slice();
        Some(content)
    }

    /// A token or a quoted string.
    pub fn value(&mut self) -> Option<Vec<u8>> {
        if self.rest.starts_with(b"\"") {
            return self.quoted();
        }
        let token = self.run(is_token);
        (!token.is_empty()).then(|| token.to_vec())
    }

    /// Letters, digits and hyphens (RFC 5321 section 4.1.2, Keyword), in lower case.
    pub fn keyword(&mut self) -> Option<String> {
        let word = self.run(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        let text = std::str::from_utf8(word).ok()?;
        (!text.is_empty()).then(|| text.to_ascii_lowercase())
    }
}

/// RFC 2045, and what RFC 6532 adds.
pub fn is_token(octet: u8) -> bool {
    (octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet)) || !octet.is_ascii()
}

/// Behind the comment that begins `text`. The depth is a number, not a stack.
fn end_of_comment(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0usize, 0usize);
    loop {
        match text.get(at)? {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}
