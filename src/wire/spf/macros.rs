//! Text with macros (RFC 7208 section 7), checked once and expanded into bounded buffers.

use crate::limits::{SPF_EXPLANATION_BYTES_MAX, SPF_NAME_BYTES_MAX};
use crate::wire::dns::Name;
use std::fmt::Write;
use std::net::IpAddr;

/// Where a domain is told: text with macros that ends like a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DomainSpec<'a>(&'a str);

/// What stands at `exp=`, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explanation<'a>(&'a str);

/// What macros stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `l`: the sender's local part without quotes; `postmaster` where there is none.
    pub local: &'a str,
    /// `o`: the sender's domain.
    pub origin: &'a str,
    /// `d`: the domain whose record is looked at.
    pub domain: &'a str,
    /// `i`, `c`, `v`. IPv4-mapped ones are IPv4.
    pub client: IpAddr,
    /// `p`: the client's name that was found to lead back, or `unknown`.
    pub validated: &'a str,
    /// `h`: what the client called itself.
    pub helo: &'a str,
    /// `r`: our name.
    pub receiver: &'a str,
    /// `t`: seconds since 1970, 0 while it is not known.
    pub now_seconds: i64,
}

/// Which macro letters may stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letters {
    /// Those of terms.
    OfTerms,
    /// Those and `c`, `r`, `t`.
    OfExplanations,
}

/// Buffers that expansions share, so that each costs no memory of its own.
#[derive(Default, Debug)]
pub struct Room {
    value: String,
    out: String,
}

/// One piece of text.
enum Piece<'a> {
    Literal(&'a str),
    Macro(Macro<'a>),
}

/// `%{` letter, transformers, delimiters `}`.
struct Macro<'a> {
    /// In lower case.
    letter: u8,
    /// It was written in upper case: the value is escaped for a URL.
    escaped: bool,
    /// So many parts are kept, from the right.
    keep: usize,
    reversed: bool,
    /// Empty means a dot.
    delimiters: &'a str,
}

/// How a text ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With a macro, `%%`, `%_` or `%-`.
    Macro,
    /// With other text, or it is empty.
    Literal,
}

/// Checks text of printable ASCII; how it ends.
pub fn check(text: &str, letters: Letters) -> Result<End, &'static str> {
    let mut end = End::Literal;
    let mut rest = text;
    while let Some((piece, behind)) = next(rest)? {
        end = match piece {
            // `%%` and its like are literals of what they stand for.
            Piece::Literal(_) if rest.starts_with('%') => End::Macro,
            Piece::Literal(_) => End::Literal,
            Piece::Macro(Macro { letter, .. }) => match (letter, letters) {
                (b's' | b'l' | b'o' | b'd' | b'i' | b'p' | b'v' | b'h', _) => End::Macro,
                (b'c' | b'r' | b't', Letters::OfExplanations) => End::Macro,
                (b'c' | b'r' | b't', Letters::OfTerms) => {
                    return Err("this macro stands in explanations only");
                }
                _ => return Err("there is no such macro"),
            },
        };
        rest = behind;
    }
    Ok(end)
}

/// The next piece and what follows it; None at the end.
fn next(text: &str) -> Result<Option<(Piece<'_>, &str)>, &'static str> {
    let Some(behind) = text.strip_prefix('%') else {
        let at = text.find('%').unwrap_or(text.len());
        let (literal, behind) = text.split_at_checked(at).unwrap_or((text, ""));
        let piece = (!literal.is_empty()).then_some((Piece::Literal(literal), behind));
        return Ok(piece);
    };
    for (sign, stands_for) in [('%', "%"), ('_', " "), ('-', "%20")] {
        if let Some(behind) = behind.strip_prefix(sign) {
            return Ok(Some((Piece::Literal(stands_for), behind)));
        }
    }
    let wrong = "behind `%` stands `{`, `%`, `_` or `-`";
    let inner = behind.strip_prefix('{').ok_or(wrong)?;
    let (inner, behind) = inner.split_once('}').ok_or("a macro does not end")?;
    Ok(Some((Piece::Macro(Macro::parse(inner)?), behind)))
}

impl<'a> Macro<'a> {
    /// What stands in the braces.
    fn parse(inner: &'a str) -> Result<Macro<'a>, &'static str> {
        let letter = *inner.as_bytes().first().ok_or("a macro has no letter")?;
        let rest = inner.get(1..).ok_or("there is no such macro")?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let keep = match digits {
            "" => usize::MAX,
            // More parts than a number can say are all of them; none at all is no number (section 7.3).
            digits => digits.parse().unwrap_or(usize::MAX),
        };
        if keep == 0 {
            return Err("a macro keeps no part");
        }
        let delimiters = rest.strip_prefix(['r', 'R']).unwrap_or(rest);
        if delimiters.bytes().any(|octet| !b".-+,/_=".contains(&octet)) {
            return Err("that is no delimiter");
        }
        Ok(Macro {
            letter: letter.to_ascii_lowercase(),
            escaped: letter.is_ascii_uppercase(),
            keep,
            reversed: delimiters.len() < rest.len(),
            delimiters,
        })
    }

    /// Appends what it stands for; `value` is room for it.
    fn expand(&self, values: &Values<'_>, value: &mut String, out: &mut String) {
        value.clear();
        values.write(self.letter, value);
        let delimiters = match self.delimiters {
            "" => ".",
            delimiters => delimiters,
        };
        let splits = |c: char| delimiters.contains(c);
        let skipped = match self.keep {
            usize::MAX => 0,
            keep => value.split(splits).count().saturating_sub(keep),
        };
        match self.reversed {
            true => self.join(value.rsplit(splits).skip(skipped), out),
            false => self.join(value.split(splits).skip(skipped), out),
        }
    }

    fn join<'v>(&self, parts: impl Iterator<Item = &'v str>, out: &mut String) {
        for (n, part) in parts.enumerate() {
            if n > 0 {
                out.push('.');
            }
            match self.escaped {
                true => escape(part, out),
                false => out.push_str(part),
            }
        }
    }
}

/// RFC 3986 section 2.3: what is not unreserved is written as `%` and two digits.
fn escape(part: &str, out: &mut String) {
    for octet in part.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet));
            }
            _ => push_hex(octet, out),
        }
    }
}

fn push_hex(octet: u8, out: &mut String) {
    out.push('%');
    for nibble in [octet >> 4, octet & 15] {
        push_nibble(nibble, out);
    }
}

fn push_nibble(nibble: u8, out: &mut String) {
    let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    out.push(digit.to_ascii_uppercase());
}

impl Values<'_> {
    fn write(&self, letter: u8, out: &mut String) {
        match letter {
            b's' => {
                out.push_str(self.local);
                out.push('@');
                out.push_str(self.origin);
            }
            b'l' => out.push_str(self.local),
            b'o' => out.push_str(self.origin),
            b'd' => out.push_str(self.domain),
            b'p' => out.push_str(self.validated),
            b'h' => out.push_str(self.helo),
            b'r' => out.push_str(self.receiver),
            b'v' => out.push_str(match self.client {
                IpAddr::V4(_) => "in-addr",
                IpAddr::V6(_) => "ip6",
            }),
            b'i' => match self.client {
                IpAddr::V4(_) => self.write(b'c', out),
                IpAddr::V6(client) => {
                    for (n, octet) in client.octets().into_iter().enumerate() {
                        if n > 0 {
                            out.push('.');
                        }
                        push_nibble(octet >> 4, out);
                        out.push('.');
                        push_nibble(octet & 15, out);
                    }
                }
            },
            // Writing to a text cannot fail.
            b'c' => drop(write!(out, "{}", self.client)),
            _ => drop(write!(out, "{}", self.now_seconds)),
        }
    }
}

impl<'a> DomainSpec<'a> {
    /// `macro-string domain-end` (section 7.1).
    pub fn parse(text: &'a str) -> Result<DomainSpec<'a>, &'static str> {
        match check(text, Letters::OfTerms)? {
            End::Macro => Ok(DomainSpec(text)),
            End::Literal if ends_with_top_label(text) => Ok(DomainSpec(text)),
            End::Literal if text.is_empty() => Err("the domain is missing"),
            End::Literal => Err("that is no domain"),
        }
    }

    /// Whether `%{p}` stands in it: the client's name has to be asked for before it can be expanded.
    pub fn needs_validated(&self) -> bool {
        let mut rest = self.0;
        while let Ok(Some((piece, behind))) = next(rest) {
            if matches!(piece, Piece::Macro(Macro { letter: b'p', .. })) {
                return true;
            }
            rest = behind;
        }
        false
    }

    /// The domain meant; None where what comes of the macros is no name that can be asked. A text of more than 253
    /// octets loses labels from the left (section 7.3).
    pub fn expand(&self, values: &Values<'_>, room: &mut Room) -> Option<Name> {
        let Room { value, out } = room;
        out.clear();
        let mut rest = self.0;
        while let Ok(Some((piece, behind))) = next(rest) {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Macro(found) => found.expand(values, value, out),
            }
            // Only the end of the whole is ever used: what is in front of it need not be kept.
            keep_end(out, 2 * SPF_NAME_BYTES_MAX);
            rest = behind;
        }
        let text = out.strip_suffix('.').unwrap_or(out);
        Name::parse_spaced(cut_from_left(text)?)
    }
}

/// Drops characters from the front until at most `bytes_max` octets are left.
fn keep_end(text: &mut String, bytes_max: usize) {
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.drain(..from);
}

/// The longest end of the text that begins with a label and fits.
fn cut_from_left(text: &str) -> Option<&str> {
    let Some(from) = text.len().checked_sub(SPF_NAME_BYTES_MAX + 1) else {
        return Some(text);
    };
    let dot = text
        .as_bytes()
        .get(from..)?
        .iter()
        .position(|b| *b == b'.')?;
    text.get(from + dot + 1..)
}

/// `"." toplabel [ "." ]`: letters, digits and hyphens, not digits alone, no hyphen at an edge.
fn ends_with_top_label(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, label)) = text.rsplit_once('.') else {
        return false;
    };
    !label.is_empty()
        && label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.bytes().all(|octet| octet.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl<'a> Explanation<'a> {
    /// Reads what stands at `exp=`; None where it has a mistake, and then there is no explanation (section 6.2).
    pub fn parse(octets: &'a [u8]) -> Option<Explanation<'a>> {
        let text = std::str::from_utf8(octets).ok()?;
        let printable = text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        (printable && check(text, Letters::OfExplanations).is_ok()).then_some(Explanation(text))
    }

    /// See [`DomainSpec::needs_validated`].
    pub fn needs_validated(&self) -> bool {
        DomainSpec(self.0).needs_validated()
    }

    /// The text for people: printable ASCII (anything else becomes `?`) of at most `SPF_EXPLANATION_BYTES_MAX` octets.
    pub fn expand(&self, values: &Values<'_>, room: &mut Room) -> String {
        let Room { value, out } = room;
        out.clear();
        let mut rest = self.0;
        while let Ok(Some((piece, behind))) = next(rest) {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Macro(found) => found.expand(values, value, out),
            }
            if out.len() > SPF_EXPLANATION_BYTES_MAX {
                break;
            }
            rest = behind;
        }
        out.chars()
            .map(|c| match c {
                ' '..='~' => c,
                _ => '?',
            })
            .take(SPF_EXPLANATION_BYTES_MAX)
            .collect()
    }
}
