//! Lists of `tag=value` (RFC 6376 section 3.2), in header fields and in the DNS.

use super::Malformed;
use crate::limits::DKIM_TAGS_MAX;
use std::ops::Range;

/// A tag list: names once each, in their order.
#[derive(Clone, Debug)]
pub struct Tags<'a>(Vec<Tag<'a>>);

#[derive(Clone, Debug)]
struct Tag<'a> {
    name: &'a str,
    value: &'a str,
    /// All between `=` and `;`.
    place: Range<usize>,
}

impl<'a> Tags<'a> {
    /// Reads a list. Values may hold white space and, as RFC 8616 wants it, UTF-8; no control characters.
    pub fn parse(text: &'a [u8]) -> Result<Tags<'a>, Malformed> {
        let text = std::str::from_utf8(text).map_err(|_| Malformed("it is not UTF-8"))?;
        let mut tags = Tags(Vec::with_capacity(DKIM_TAGS_MAX.min(12)));
        let mut rest = text;
        loop {
            let start = text.len() - rest.len();
            let (spec, behind) = match rest.split_once(';') {
                Some((spec, behind)) => (spec, Some(behind)),
                None => (rest, None),
            };
            match behind {
                // The last semicolon may be left out, and only one may stand there.
                None if trim(spec).is_empty() && !tags.0.is_empty() => return Ok(tags),
                _ => tags.push(spec, start)?,
            }
            match behind {
                Some(behind) => rest = behind,
                None => return Ok(tags),
            }
        }
    }

    fn push(&mut self, spec: &'a str, start: usize) -> Result<(), Malformed> {
        let (name, value) = spec
            .split_once('=')
            .ok_or(Malformed("a tag has no equals sign"))?;
        let value_start = start + name.len() + 1;
        let tag = Tag {
            name: trim(name),
            value: trim(value),
            place: value_start..start + spec.len(),
        };
        let mut letters = tag.name.bytes();
        let named = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !named {
            return Err(Malformed("a tag's name is malformed"));
        }
        let printable = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
        if !tag.value.chars().all(printable) {
            return Err(Malformed("a tag's value holds a control character"));
        }
        if self.find(tag.name).is_some() {
            return Err(Malformed("a tag stands there twice"));
        }
        if self.0.len() == DKIM_TAGS_MAX {
            return Err(Malformed("it has too many tags"));
        }
        self.0.push(tag);
        Ok(())
    }

    /// The value of a tag without the white space around it; names are compared with their case.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|tag| tag.value)
    }

    /// Where a tag's value stands in the text, all the white space around it included.
    pub fn place(&self, name: &str) -> Option<Range<usize>> {
        self.find(name).map(|tag| tag.place.clone())
    }

    /// The name of the first tag.
    pub fn first(&self) -> Option<&'a str> {
        self.0.first().map(|tag| tag.name)
    }

    /// The value of a tag that must be there.
    pub(super) fn needed(&self, name: &str, missing: &'static str) -> Result<&'a str, Malformed> {
        self.value(name).ok_or(Malformed(missing))
    }

    fn find(&self, name: &str) -> Option<&Tag<'a>> {
        self.0.iter().find(|tag| tag.name == name)
    }
}

/// The items of a list with colons between them, white space around each dropped.
pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(':').map(trim)
}

/// Without FWS at both ends.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}
