//! FETCH (RFC 3501 section 6.4.5): items, sections, partial ranges and the macros.

use super::scan::{Parsed, Reject, Scan};
use super::sequence_set::SequenceSet;
use crate::limits::{FETCH_FIELDS_MAX, FETCH_ITEMS_MAX, MIME_DEPTH_MAX};

/// A FETCH or UID FETCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// Which messages.
    pub set: SequenceSet,
    /// What of each, in the order of the command; at most `FETCH_ITEMS_MAX`.
    pub items: Vec<Item>,
}

/// One item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// UID
    Uid,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODY: the structure without extension data.
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// BODY[...] and its older names.
    Section(Box<SectionItem>),
}

/// Octets of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SectionItem {
    /// Which octets.
    pub section: Section,
    /// `<first.count>`: offset and number (never 0) of octets.
    pub partial: Option<(u32, u32)>,
    /// Whether the message becomes \Seen.
    pub sight: Sight,
    /// What the answer calls it.
    pub name: SectionName,
}

/// Whether reading leaves a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// BODY[...], RFC822, RFC822.TEXT: sets \Seen.
    Seen,
    /// BODY.PEEK[...], RFC822.HEADER
    Peek,
}

/// The name in the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SectionName {
    /// BODY[...]
    Body,
    /// RFC822
    Rfc822,
    /// RFC822.HEADER
    Rfc822Header,
    /// RFC822.TEXT
    Rfc822Text,
}

/// What stands between the brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Part numbers, each at least 1; empty for the message itself. At most `MIME_DEPTH_MAX`.
    pub path: Vec<u32>,
    /// Which of it.
    pub text: SectionText,
}

/// `section-text`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SectionText {
    /// All of it (of a part: its body).
    Whole,
    /// HEADER
    Header,
    /// HEADER.FIELDS (names); at most `FETCH_FIELDS_MAX`.
    HeaderFields(Vec<Box<str>>),
    /// HEADER.FIELDS.NOT (names)
    HeaderFieldsNot(Vec<Box<str>>),
    /// TEXT
    Text,
    /// MIME: the header of a part.
    Mime,
}

impl Scan<'_> {
    /// What follows `FETCH `.
    pub fn fetch(&mut self) -> Parsed<Fetch> {
        let set = self.sequence_set()?;
        self.space()?;
        let items = self.fetch_items()?;
        Ok(Fetch { set, items })
    }

    fn fetch_items(&mut self) -> Parsed<Vec<Item>> {
        use Item::*;
        if self.word("ALL") {
            return Ok(vec![Flags, InternalDate, Size, Envelope]);
        } else if self.word("FAST") {
            return Ok(vec![Flags, InternalDate, Size]);
        } else if self.word("FULL") {
            return Ok(vec![Flags, InternalDate, Size, Envelope, Body]);
        }
        if !self.take(b'(') {
            return Ok(vec![self.fetch_item()?]);
        }
        let mut items = Vec::new();
        loop {
            let item = self.fetch_item()?;
            if items.len() == FETCH_ITEMS_MAX {
                return Err(Reject::Limit("too many items"));
            }
            // An item that is asked for twice is answered once.
            if !items.contains(&item) {
                items.push(item);
            }
            if self.take(b')') {
                return Ok(items);
            }
            self.space()?;
        }
    }

    fn fetch_item(&mut self) -> Parsed<Item> {
        let word = self
            .take_while(|c| c.is_ascii_alphanumeric() || c == b'.')
            .to_ascii_uppercase();
        let older = |text, sight, name| {
            let section = self::Section {
                path: Vec::new(),
                text,
            };
            Item::Section(Box::new(SectionItem {
                section,
                partial: None,
                sight,
                name,
            }))
        };
        Ok(match word.as_slice() {
            b"UID" => Item::Uid,
            b"FLAGS" => Item::Flags,
            b"INTERNALDATE" => Item::InternalDate,
            b"RFC822.SIZE" => Item::Size,
            b"ENVELOPE" => Item::Envelope,
            b"BODYSTRUCTURE" => Item::BodyStructure,
            b"RFC822" => older(SectionText::Whole, Sight::Seen, SectionName::Rfc822),
            b"RFC822.HEADER" => older(SectionText::Header, Sight::Peek, SectionName::Rfc822Header),
            b"RFC822.TEXT" => older(SectionText::Text, Sight::Seen, SectionName::Rfc822Text),
            b"BODY" if self.peek() != Some(b'[') => Item::Body,
            b"BODY" => self.section_item(Sight::Seen)?,
            b"BODY.PEEK" => self.section_item(Sight::Peek)?,
            _ => return Err(Reject::Bad("unknown fetch item")),
        })
    }

    fn section_item(&mut self, sight: Sight) -> Parsed<Item> {
        self.expect(b'[', "[ expected")?;
        let section = self.section()?;
        self.expect(b']', "] expected")?;
        let partial = if self.take(b'<') {
            Some(self.partial()?)
        } else {
            None
        };
        Ok(Item::Section(Box::new(SectionItem {
            section,
            partial,
            sight,
            name: SectionName::Body,
        })))
    }

    fn partial(&mut self) -> Parsed<(u32, u32)> {
        let first = self.number()?;
        self.expect(b'.', ". expected")?;
        let count = self.number()?;
        self.expect(b'>', "> expected")?;
        if count == 0 {
            Err(Reject::Bad("partial range of no octets"))
        } else {
            Ok((first, count))
        }
    }

    fn section(&mut self) -> Parsed<Section> {
        let mut path = Vec::new();
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            let part = self.number()?;
            if part == 0 {
                return Err(Reject::Bad("part numbers start at 1"));
            }
            if path.len() == MIME_DEPTH_MAX {
                return Err(Reject::Bad("section is nested too deeply"));
            }
            path.push(part);
            if !self.take(b'.') {
                return Ok(Section {
                    path,
                    text: SectionText::Whole,
                });
            }
        }
        if path.is_empty() && self.peek() == Some(b']') {
            return Ok(Section {
                path,
                text: SectionText::Whole,
            });
        }
        let text = self.section_text(path.is_empty())?;
        Ok(Section { path, text })
    }

    fn section_text(&mut self, of_message: bool) -> Parsed<SectionText> {
        let word = self
            .take_while(|c| c.is_ascii_alphabetic() || c == b'.')
            .to_ascii_uppercase();
        Ok(match word.as_slice() {
            b"HEADER" => SectionText::Header,
            b"HEADER.FIELDS" => SectionText::HeaderFields(self.header_fields()?),
            b"HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(self.header_fields()?),
            b"TEXT" => SectionText::Text,
            // RFC 3501 section 6.4.5: MIME MUST be prefixed by part numbers.
            b"MIME" if !of_message => SectionText::Mime,
            _ => return Err(Reject::Bad("unknown section")),
        })
    }

    fn header_fields(&mut self) -> Parsed<Vec<Box<str>>> {
        self.space()?;
        self.expect(b'(', "list of header fields expected")?;
        let mut fields = Vec::new();
        loop {
            if fields.len() == FETCH_FIELDS_MAX {
                return Err(Reject::Limit("too many header fields"));
            }
            fields.push(self.header_field()?);
            if self.take(b')') {
                return Ok(fields);
            }
            self.space()?;
        }
    }
}

/// As an answer writes it, without the brackets: the client's spelling of field names is kept.
impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, part) in self.path.iter().enumerate() {
            write!(f, "{}{part}", if i == 0 { "" } else { "." })?;
        }
        if !self.path.is_empty() && self.text != SectionText::Whole {
            f.write_str(".")?;
        }
        let (word, fields) = match &self.text {
            SectionText::Whole => ("", None),
            SectionText::Header => ("HEADER", None),
            SectionText::HeaderFields(fields) => ("HEADER.FIELDS", Some(fields)),
            SectionText::HeaderFieldsNot(fields) => ("HEADER.FIELDS.NOT", Some(fields)),
            SectionText::Text => ("TEXT", None),
            SectionText::Mime => ("MIME", None),
        };
        f.write_str(word)?;
        let Some(fields) = fields else { return Ok(()) };
        for (i, field) in fields.iter().enumerate() {
            f.write_str(if i == 0 { " (" } else { " " })?;
            write_field(f, field)?;
        }
        f.write_str(")")
    }
}

/// A field name is an astring; few need quotes.
fn write_field(f: &mut std::fmt::Formatter<'_>, field: &str) -> std::fmt::Result {
    if field.bytes().all(super::scan::is_astring_char) {
        return f.write_str(field);
    }
    write!(
        f,
        "\"{}\"",
        field.replace('\\', "\\\\").replace('"', "\\\"")
    )
}

/// As an answer names it, with origin: `BODY[1.TEXT]<0>`.
impl std::fmt::Display for SectionItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name {
            SectionName::Body => write!(f, "BODY[{}]", self.section)?,
            SectionName::Rfc822 => f.write_str("RFC822")?,
            SectionName::Rfc822Header => f.write_str("RFC822.HEADER")?,
            SectionName::Rfc822Text => f.write_str("RFC822.TEXT")?,
        }
        match self.partial {
            Some((first, _)) => write!(f, "<{first}>"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(text: &str) -> Parsed<Vec<Item>> {
        let mut scan = Scan::new(text.as_bytes());
        let items = scan.fetch_items()?;
        scan.end().map(|()| items)
    }

    #[test]
    fn items_are_read() {
        assert_eq!(
            items("FAST"),
            Ok(vec![Item::Flags, Item::InternalDate, Item::Size])
        );
        assert_eq!(items("all").unwrap().len(), 4);
        assert_eq!(items("(uid FLAGS uid)"), Ok(vec![Item::Uid, Item::Flags]));
        assert_eq!(items("BODY"), Ok(vec![Item::Body]));
        for (text, answer) in [
            ("BODY[]", "BODY[]"),
            ("body.peek[header]<0.10>", "BODY[HEADER]<0>"),
            ("BODY[1.2.MIME]", "BODY[1.2.MIME]"),
            (
                "BODY[header.fields (From \"to\" {2}\r\ncc)]",
                "BODY[HEADER.FIELDS (From to cc)]",
            ),
            (
                "BODY[3.HEADER.FIELDS.NOT (\"a(b\")]<5.4294967295>",
                "BODY[3.HEADER.FIELDS.NOT (\"a(b\")]<5>",
            ),
            ("RFC822.TEXT", "RFC822.TEXT"),
            ("BODY[1]", "BODY[1]"),
        ] {
            let Item::Section(item) = items(text).unwrap().remove(0) else {
                panic!("{text}")
            };
            assert_eq!(item.to_string(), answer);
        }
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for bad in [
            "",
            "()",
            "(ALL)",
            "FOO",
            "BODY[",
            "BODY[MIME]",
            "BODY[0]",
            "BODY[1.]",
            "BODY[]<0>",
            "BODY[]<0.0>",
            "BODY[]<-1.5>",
            "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER.FIELDS]",
            "(UID",
            "BODY.PEEK",
            "BODY[TEXT.1]",
            "BODY[.1]",
        ] {
            assert!(items(bad).is_err(), "{bad}");
        }
        let deep = |n: usize| format!("BODY[{}]", vec!["1"; n].join("."));
        assert!(items(&deep(MIME_DEPTH_MAX)).is_ok());
        assert!(items(&deep(MIME_DEPTH_MAX + 1)).is_err());
    }

    fn text() -> impl Strategy<Value = SectionText> {
        let fields = proptest::collection::vec("[!-9;-~]{1,12}".prop_map(Into::into), 1..5);
        prop_oneof![
            Just(SectionText::Whole),
            Just(SectionText::Header),
            Just(SectionText::Text),
            Just(SectionText::Mime),
            fields.clone().prop_map(SectionText::HeaderFields),
            fields.prop_map(SectionText::HeaderFieldsNot),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(path in proptest::collection::vec(1u32..99, 1..6), text in text()) {
            let section = Section { path, text };
            let written = format!("{section}]");
            prop_assert_eq!(Scan::new(written.as_bytes()).section(), Ok(section));
        }
    }
}
