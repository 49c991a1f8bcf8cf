//! The tokens of structured header fields (RFC 5322 section 3.2, RFC 2045 section 5.1), read leniently: folds are
//! dropped, octets above 127 are letters, and a token that never ends ends with the value.

/// Reads tokens from the front of a field's value. Every method takes linear time and never recurses.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    rest: &'a [u8],
    /// Text of the last comment that was skipped.
    pub comment: Vec<u8>,
}

/// A token began and did not end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

impl<'a> Lexer<'a> {
    /// Starts at the front of `value`.
    pub fn new(value: &'a [u8]) -> Lexer<'a> {
        Lexer {
            rest: value,
            comment: Vec::new(),
        }
    }

    /// The next octet.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes back to a place that [`Lexer::rest`] gave.
    pub fn back_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Takes the next octet if it is this one.
    pub fn take(&mut self, octet: u8) -> bool {
        let here = self.peek() == Some(octet);
        if here {
            self.skip(1);
        }
        here
    }

    /// Skips white space and comments (CFWS).
    pub fn skip_space(&mut self) -> Result<(), Broken> {
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' => self.skip(1),
                b'(' => self.skip_comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    /// Appends the octets for which `belongs` holds to `into`; says how many.
    pub fn run(&mut self, into: &mut Vec<u8>, belongs: fn(u8) -> bool) -> usize {
        let bytes = self
            .rest
            .iter()
            .position(|&octet| !belongs(octet))
            .unwrap_or(self.rest.len());
        into.extend_from_slice(self.rest.get(..bytes).unwrap_or_default());
        self.skip(bytes);
        bytes
    }

    /// A quoted string from its opening quote, without quotes, escapes and line ends.
    pub fn quoted(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        self.skip(1);
        while let Some(octet) = self.next() {
            match octet {
                b'"' => return Ok(()),
                b'\r' | b'\n' => {}
                b'\\' => match self.next().ok_or(Broken)? {
                    b'\r' | b'\n' => into.push(b'\\'),
                    octet => into.push(octet),
                },
                octet => into.push(octet),
            }
        }
        Err(Broken)
    }

    /// A domain literal from its opening bracket, brackets included.
    pub fn literal(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        into.push(b'[');
        self.skip(1);
        while let Some(octet) = self.next() {
            match octet {
                b'[' => return Err(Broken),
                b'\r' | b'\n' => {}
                b']' => {
                    into.push(b']');
                    return Ok(());
                }
                octet => into.push(octet),
            }
        }
        Err(Broken)
    }

    /// Words and dots with one space between words (RFC 5322 phrase and obs-phrase). Broken where it starts with
    /// none, or with a dot.
    pub fn phrase(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        match self.peek() {
            None => return Ok(()),
            Some(b'.') => return Err(Broken),
            Some(_) => {}
        }
        loop {
            if self.peek() == Some(b'"') {
                self.quoted(into)?;
            } else {
                self.run(into, is_atom_or_dot);
            }
            self.skip_space()?;
            match self.peek() {
                Some(octet) if octet == b'"' || is_atom_or_dot(octet) => into.push(b' '),
                _ => return Ok(()),
            }
        }
    }

    /// Atoms with dots between them; white space around dots is dropped (RFC 5322 dot-atom and obs-domain).
    pub fn dot_atom(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        loop {
            if self.run(into, is_atom) == 0 {
                return Err(Broken);
            }
            self.skip_space()?;
            if !self.take(b'.') {
                return Ok(());
            }
            into.push(b'.');
            self.skip_space()?;
        }
    }

    /// A local part as people write it: [`Lexer::dot_atom`] with dots in front, behind, and side by side.
    pub fn loose_dot_atom(&mut self, into: &mut Vec<u8>) -> Result<(), Broken> {
        if self.run(into, is_atom_or_dot) == 0 {
            return Err(Broken);
        }
        loop {
            self.skip_space()?;
            match self.peek() {
                Some(b'.') => {}
                Some(octet) if is_atom(octet) && into.ends_with(b".") => {}
                _ => return Ok(()),
            }
            self.run(into, is_atom_or_dot);
        }
    }

    fn skip_comment(&mut self) -> Result<(), Broken> {
        self.comment.clear();
        let mut depth = 0usize;
        while let Some(octet) = self.next() {
            match octet {
                b'(' => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                b'\r' | b'\n' => continue,
                b'\\' => {
                    let escaped = self.next().ok_or(Broken)?;
                    self.comment.push(escaped);
                    continue;
                }
                _ => {}
            }
            self.comment.push(octet);
        }
        Err(Broken)
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

/// RFC 5322 atext, and everything above 127 (RFC 6532).
pub fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet > 127 || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// [`is_atom`] or a dot.
pub fn is_atom_or_dot(octet: u8) -> bool {
    octet == b'.' || is_atom(octet)
}

/// RFC 2045 token, with everything above 127.
pub fn is_token(octet: u8) -> bool {
    octet > 127 || (octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_nested_comments_and_keeps_their_text() {
        let mut lexer = Lexer::new(b" (a (b) \\) c)\r\n x");
        assert_eq!(lexer.skip_space(), Ok(()));
        assert_eq!(lexer.comment, b"a (b) ) c");
        assert_eq!(lexer.peek(), Some(b'x'));
        assert_eq!(Lexer::new(b"(a").skip_space(), Err(Broken));
    }

    #[test]
    fn reads_phrases_and_quoted_strings() {
        let mut text = Vec::new();
        let mut lexer = Lexer::new(b"John Q. \"A \\\"B\\\"\r\n C\" <");
        assert_eq!(lexer.phrase(&mut text), Ok(()));
        assert_eq!(text, b"John Q. A \"B\" C");
        assert_eq!(lexer.peek(), Some(b'<'));
        assert_eq!(Lexer::new(b"\"a").phrase(&mut Vec::new()), Err(Broken));
    }
}
