//! The small words of the grammar (RFC 3501 section 9): atoms, strings, numbers, one position in one command.
//!
//! Literals stand in the command's octets as they came (`{3}\r\nabc`), the framer has put them there.

use std::borrow::Cow;

/// Why a command is not carried out; the connection's framing is intact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reject {
    /// BAD: not the grammar; says what was expected.
    Bad(&'static str),
    /// NO [CANNOT]: a mailbox name that cannot exist.
    Cannot(&'static str),
    /// NO [BADCHARSET (US-ASCII UTF-8)].
    BadCharset,
    /// NO [LIMIT]: more than a bound of `limits.rs` allows.
    Limit(&'static str),
}

/// What a parser of this room returns.
pub type Parsed<T> = Result<T, Reject>;

/// A position in the octets of one command.
#[derive(Clone)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// ATOM-CHAR: no CTL, space, `(){%*"\]` or 8-bit.
pub fn is_atom_char(c: u8) -> bool {
    is_astring_char(c) && c != b']'
}

/// ASTRING-CHAR: ATOM-CHAR or `]`.
pub fn is_astring_char(c: u8) -> bool {
    c > b' ' && c < 0x7f && !matches!(c, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

impl<'a> Scan<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Scan<'a> {
        Scan { bytes, at: 0 }
    }
    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
    /// The next octet, not consumed.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
    /// Whether nothing is left.
    pub fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }
    /// Passes over `c` if it is next.
    pub fn take(&mut self, c: u8) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }
    /// Demands `c`.
    pub fn expect(&mut self, c: u8, what: &'static str) -> Parsed<()> {
        if self.take(c) {
            Ok(())
        } else {
            Err(Reject::Bad(what))
        }
    }
    /// Demands one space; more of them are forgiven, since several clients send two.
    pub fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "space expected")?;
        while self.take(b' ') {}
        Ok(())
    }
    /// Demands the end of the command; trailing spaces are forgiven.
    pub fn end(&mut self) -> Parsed<()> {
        while self.take(b' ') {}
        if self.at_end() {
            Ok(())
        } else {
            Err(Reject::Bad("unexpected text at the end of the command"))
        }
    }
    /// The octets up to the first for which `inside` is false; may be empty.
    pub fn take_while(&mut self, inside: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let n = rest.iter().position(|c| !inside(*c)).unwrap_or(rest.len());
        self.at += n;
        rest.get(..n).unwrap_or_default()
    }
    /// Passes over `word` if it is next, compared without case, and no atom goes on behind it.
    pub fn word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest
            .get(..word.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()))
            && rest.get(word.len()).is_none_or(|c| !is_atom_char(*c));
        if found {
            self.at += word.len();
        }
        found
    }
    /// An atom as text.
    pub fn atom(&mut self) -> Parsed<&'a str> {
        let atom = self.take_while(is_atom_char);
        match std::str::from_utf8(atom) {
            Ok(atom) if !atom.is_empty() => Ok(atom),
            _ => Err(Reject::Bad("atom expected")),
        }
    }
    /// An atom in upper case, for words of the grammar; at most 32 octets.
    pub fn keyword(&mut self) -> Parsed<heapless::String<32>> {
        let atom = self.atom()?;
        let mut word = heapless::String::new();
        word.push_str(atom)
            .map_err(|_| Reject::Bad("unknown word"))?;
        word.make_ascii_uppercase();
        Ok(word)
    }
    /// A number of 32 bits.
    pub fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.number64()?).map_err(|_| Reject::Bad("number too large"))
    }
    /// A number of 63 bits (RFC 9051 number64).
    pub fn number64(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(Reject::Bad("number expected"));
        }
        let number = digits.iter().try_fold(0u64, |n, c| {
            n.checked_mul(10)?.checked_add(u64::from(c - b'0'))
        });
        number
            .filter(|n| *n <= i64::MAX as u64)
            .ok_or(Reject::Bad("number too large"))
    }
    /// `string`: quoted or literal. 8-bit octets are let through in quoted strings (many clients send UTF-8 there).
    pub fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(Reject::Bad("string expected")),
        }
    }
    /// `astring`: an atom (with `]`) or a string.
    pub fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        let atom = self.take_while(is_astring_char);
        if atom.is_empty() {
            Err(Reject::Bad("string expected"))
        } else {
            Ok(Cow::Borrowed(atom))
        }
    }
    /// `astring` as UTF-8.
    pub fn astring_text(&mut self) -> Parsed<Box<str>> {
        let bytes = self.astring()?;
        std::str::from_utf8(&bytes)
            .map(Into::into)
            .map_err(|_| Reject::Bad("text is not UTF-8"))
    }
    /// `nstring`: NIL or a string.
    pub fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.word("NIL") {
            Ok(None)
        } else {
            self.string().map(Some)
        }
    }

    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.expect(b'"', "string expected")?;
        let plain = self.take_while(|c| !matches!(c, b'"' | b'\\' | b'\r' | b'\n' | 0));
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escaped = self.peek().filter(|c| matches!(c, b'"' | b'\\'));
                    text.push(
                        escaped
                            .ok_or(Reject::Bad("only \" and \\ are escaped in a quoted string"))?,
                    );
                    self.at += 1;
                }
                None | Some(b'\r' | b'\n' | 0) => {
                    return Err(Reject::Bad("quoted string does not end"));
                }
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn literal(&mut self) -> Parsed<&'a [u8]> {
        const BAD: Reject = Reject::Bad("literal expected");
        self.expect(b'{', "literal expected")?;
        let size = usize::try_from(self.number64()?).map_err(|_| BAD)?;
        self.take(b'+');
        for c in *b"}\r\n" {
            self.expect(c, "literal expected")?;
        }
        let octets = self.rest().get(..size).ok_or(BAD)?;
        self.at += size;
        if octets.contains(&0) {
            Err(Reject::Bad("NUL in a literal"))
        } else {
            Ok(octets)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_every_kind_are_read() {
        let mut s = Scan::new(b"atom] \"a \\\"q\\\\ \" {3}\r\n\r\nx {2+}\r\nab NIL \"\"");
        assert_eq!(&*s.astring().unwrap(), b"atom]");
        s.space().unwrap();
        assert_eq!(&*s.string().unwrap(), b"a \"q\\ ");
        s.space().unwrap();
        assert_eq!(&*s.string().unwrap(), b"\r\nx");
        s.space().unwrap();
        assert_eq!(&*s.astring().unwrap(), b"ab");
        s.space().unwrap();
        assert_eq!(s.nstring().unwrap(), None);
        s.space().unwrap();
        assert_eq!(&*s.nstring().unwrap().unwrap(), b"");
        s.end().unwrap();
    }

    #[test]
    fn broken_strings_are_refused() {
        for bad in [
            &b"\"open"[..],
            b"\"a\\x\"",
            b"\"a\rb\"",
            b"{5}\r\nab",
            b"{3}ab",
            b"{x}\r\n",
            b"(",
            b"",
            b"{1}\r\n\0",
            b"{99999999999999999999}\r\n",
        ] {
            assert!(Scan::new(bad).astring().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_end_at_their_bounds() {
        assert_eq!(Scan::new(b"4294967295").number(), Ok(u32::MAX));
        assert!(Scan::new(b"4294967296").number().is_err());
        assert_eq!(
            Scan::new(b"9223372036854775807").number64(),
            Ok(i64::MAX as u64)
        );
        assert!(Scan::new(b"9223372036854775808").number64().is_err());
        assert!(Scan::new(b"99999999999999999999999").number64().is_err());
    }
}
