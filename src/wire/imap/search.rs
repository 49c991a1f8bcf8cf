//! SEARCH (RFC 3501 section 6.4.4) with ESEARCH's RETURN (RFC 4731), bounded by `SEARCH_DEPTH_MAX` and
//! `SEARCH_KEYS_MAX`.

use super::date::Day;
use super::flag::Flags;
use super::scan::{Parsed, Reject, Scan};
use super::sequence_set::SequenceSet;
use crate::limits::{SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};

/// A SEARCH or UID SEARCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Search {
    /// RETURN options; None asks for the untagged SEARCH of RFC 3501.
    pub wanted: Option<SearchReturn>,
    /// Messages for which this holds.
    pub key: Key,
}

/// ESEARCH result options; `RETURN ()` is ALL.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SearchReturn {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
}

/// Which date of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateOf {
    /// INTERNALDATE
    Internal,
    /// The Date field.
    Sent,
}

/// How a date compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateHow {
    /// Earlier than the day.
    Before,
    /// Within it.
    On,
    /// On or after it.
    Since,
}

/// Address and subject fields that ENVELOPE knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnvelopeField {
    /// BCC
    Bcc,
    /// CC
    Cc,
    /// FROM
    From,
    /// SUBJECT
    Subject,
    /// TO
    To,
}

impl EnvelopeField {
    /// The header field's name.
    pub fn name(self) -> &'static str {
        match self {
            EnvelopeField::Bcc => "Bcc",
            EnvelopeField::Cc => "Cc",
            EnvelopeField::From => "From",
            EnvelopeField::Subject => "Subject",
            EnvelopeField::To => "To",
        }
    }
}

/// A search key. Strings are UTF-8 whatever the command's charset was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// ALL
    All,
    /// Each of them; of one or more.
    And(Vec<Key>),
    /// OR
    Or(Box<Key>, Box<Key>),
    /// NOT
    Not(Box<Key>),
    /// A system flag is set (SEEN) or not (UNSEEN).
    Flag(Flags, bool),
    /// KEYWORD or UNKEYWORD
    Keyword(Box<str>, bool),
    /// RECENT or OLD
    Recent(bool),
    /// SINCE, SENTBEFORE and the like.
    Date(DateOf, DateHow, Day),
    /// LARGER
    Larger(u64),
    /// SMALLER
    Smaller(u64),
    /// FROM, SUBJECT and the like: a substring of the decoded field.
    Envelope(EnvelopeField, Box<str>),
    /// HEADER: a substring of a field; an empty one only asks whether there is such a field.
    Header(Box<str>, Box<str>),
    /// BODY
    Body(Box<str>),
    /// TEXT
    Text(Box<str>),
    /// UID
    Uid(SequenceSet),
    /// Sequence numbers.
    Sequence(SequenceSet),
}

#[derive(Clone, Copy)]
enum Charset {
    UsAscii,
    Utf8,
}

struct Limits {
    keys: usize,
    charset: Charset,
}

impl Scan<'_> {
    /// What follows `SEARCH `.
    pub fn search(&mut self) -> Parsed<Search> {
        let wanted = self.search_return()?;
        let mut limits = Limits {
            keys: 0,
            charset: Charset::Utf8,
        };
        if self.word("CHARSET") {
            self.space()?;
            limits.charset = self.charset()?;
            self.space()?;
        }
        let mut keys = vec![self.key(&mut limits, 0)?];
        while self.take(b' ') && !self.at_end() {
            keys.push(self.key(&mut limits, 0)?);
        }
        Ok(Search {
            wanted,
            key: all_of(keys),
        })
    }

    fn search_return(&mut self) -> Parsed<Option<SearchReturn>> {
        if !self.word("RETURN") {
            return Ok(None);
        }
        self.space()?;
        let mut wanted = SearchReturn::default();
        self.options(|_, word| {
            match word {
                "MIN" => wanted.min = true,
                "MAX" => wanted.max = true,
                "ALL" => wanted.all = true,
                "COUNT" => wanted.count = true,
                _ => return Err(Reject::Bad("unknown search return option")),
            }
            Ok(())
        })?;
        self.space()?;
        if wanted == SearchReturn::default() {
            wanted.all = true;
        }
        Ok(Some(wanted))
    }

    fn charset(&mut self) -> Parsed<Charset> {
        let name = self.astring()?;
        if name.eq_ignore_ascii_case(b"UTF-8") {
            Ok(Charset::Utf8)
        } else if name.eq_ignore_ascii_case(b"US-ASCII") {
            Ok(Charset::UsAscii)
        } else {
            Err(Reject::BadCharset)
        }
    }

    fn key(&mut self, limits: &mut Limits, depth: usize) -> Parsed<Key> {
        limits.keys += 1;
        if limits.keys > SEARCH_KEYS_MAX {
            return Err(Reject::Limit("too many search keys"));
        }
        if depth > SEARCH_DEPTH_MAX {
            return Err(Reject::Bad("search keys are nested too deeply"));
        }
        if self.take(b'(') {
            return self.keys_in_parentheses(limits, depth);
        }
        if matches!(self.peek(), Some(b'0'..=b'9' | b'*')) {
            return self.sequence_set().map(Key::Sequence);
        }
        let word = self
            .keyword()
            .map_err(|_| Reject::Bad("search key expected"))?;
        match simple_key(&word) {
            Some(key) => Ok(key),
            None => {
                self.space()?;
                self.key_with_argument(&word, limits, depth)
            }
        }
    }

    fn keys_in_parentheses(&mut self, limits: &mut Limits, depth: usize) -> Parsed<Key> {
        let mut keys = Vec::new();
        loop {
            keys.push(self.key(limits, depth + 1)?);
            if self.take(b')') {
                return Ok(all_of(keys));
            }
            self.space()?;
        }
    }

    fn key_with_argument(&mut self, word: &str, limits: &mut Limits, depth: usize) -> Parsed<Key> {
        use {DateHow::*, DateOf::*, EnvelopeField::*};
        Ok(match word {
            "NOT" => Key::Not(Box::new(self.key(limits, depth + 1)?)),
            "OR" => {
                let one = self.key(limits, depth + 1)?;
                self.space()?;
                Key::Or(Box::new(one), Box::new(self.key(limits, depth + 1)?))
            }
            "KEYWORD" => Key::Keyword(self.flag_keyword()?, true),
            "UNKEYWORD" => Key::Keyword(self.flag_keyword()?, false),
            "BEFORE" => Key::Date(Internal, Before, self.date()?),
            "ON" => Key::Date(Internal, On, self.date()?),
            "SINCE" => Key::Date(Internal, Since, self.date()?),
            "SENTBEFORE" => Key::Date(Sent, Before, self.date()?),
            "SENTON" => Key::Date(Sent, On, self.date()?),
            "SENTSINCE" => Key::Date(Sent, Since, self.date()?),
            "LARGER" => Key::Larger(self.number64()?),
            "SMALLER" => Key::Smaller(self.number64()?),
            "BCC" => Key::Envelope(Bcc, self.search_text(limits)?),
            "CC" => Key::Envelope(Cc, self.search_text(limits)?),
            "FROM" => Key::Envelope(From, self.search_text(limits)?),
            "SUBJECT" => Key::Envelope(Subject, self.search_text(limits)?),
            "TO" => Key::Envelope(To, self.search_text(limits)?),
            "BODY" => Key::Body(self.search_text(limits)?),
            "TEXT" => Key::Text(self.search_text(limits)?),
            "HEADER" => {
                let field = self.header_field()?;
                self.space()?;
                Key::Header(field, self.search_text(limits)?)
            }
            "UID" => Key::Uid(self.sequence_set()?),
            _ => return Err(Reject::Bad("unknown search key")),
        })
    }

    fn search_text(&mut self, limits: &Limits) -> Parsed<Box<str>> {
        let octets = self.astring()?;
        match limits.charset {
            Charset::UsAscii if !octets.is_ascii() => {
                Err(Reject::Bad("search text is not US-ASCII"))
            }
            _ => std::str::from_utf8(&octets)
                .map(Into::into)
                .map_err(|_| Reject::Bad("search text is not UTF-8")),
        }
    }

    /// A header field's name (RFC 5322 section 3.6.8: printable ASCII without the colon), from an astring.
    pub(super) fn header_field(&mut self) -> Parsed<Box<str>> {
        let name = self.astring_text()?;
        let good = !name.is_empty() && name.bytes().all(|c| c.is_ascii_graphic() && c != b':');
        if good {
            Ok(name)
        } else {
            Err(Reject::Bad("not a header field name"))
        }
    }
}

fn all_of(mut keys: Vec<Key>) -> Key {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            Key::And(keys)
        }
        None => Key::All,
    }
}

fn simple_key(word: &str) -> Option<Key> {
    Some(match word {
        "ALL" => Key::All,
        "ANSWERED" => Key::Flag(Flags::ANSWERED, true),
        "DELETED" => Key::Flag(Flags::DELETED, true),
        "DRAFT" => Key::Flag(Flags::DRAFT, true),
        "FLAGGED" => Key::Flag(Flags::FLAGGED, true),
        "SEEN" => Key::Flag(Flags::SEEN, true),
        "UNANSWERED" => Key::Flag(Flags::ANSWERED, false),
        "UNDELETED" => Key::Flag(Flags::DELETED, false),
        "UNDRAFT" => Key::Flag(Flags::DRAFT, false),
        "UNFLAGGED" => Key::Flag(Flags::FLAGGED, false),
        "UNSEEN" => Key::Flag(Flags::SEEN, false),
        "RECENT" => Key::Recent(true),
        "OLD" => Key::Recent(false),
        "NEW" => Key::And(vec![Key::Recent(true), Key::Flag(Flags::SEEN, false)]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Parsed<Key> {
        let mut scan = Scan::new(text.as_bytes());
        let search = scan.search()?;
        scan.end().map(|()| search.key)
    }

    #[test]
    fn keys_are_read() {
        let k = key("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"").unwrap();
        let expected = vec![
            Key::Flag(Flags::FLAGGED, true),
            Key::Date(DateOf::Internal, DateHow::Since, Day(8797)),
            Key::Not(Box::new(Key::Envelope(EnvelopeField::From, "Smith".into()))),
        ];
        assert_eq!(k, Key::And(expected));
        assert!(matches!(key("OR (1:3 UID 5) (TEXT a)"), Ok(Key::Or(..))));
        assert!(
            Scan::new(b"CHARSET utf-8 SUBJECT {3}\r\n\xc3\xa9\xc3")
                .search()
                .is_err()
        );
        assert_eq!(key("CHARSET KOI8-R ALL"), Err(Reject::BadCharset));
        assert_eq!(
            key("HEADER X-Foo \"\""),
            Ok(Key::Header("X-Foo".into(), "".into()))
        );
        for bad in [
            "",
            "FOO",
            "NOT",
            "OR ALL",
            "(ALL",
            "()",
            "SINCE x",
            "LARGER -1",
            "HEADER a: b",
            "ALL)",
            "KEYWORD \\Seen",
            "RETURN (FOO) ALL",
            "CHARSET US-ASCII TEXT \"\u{e9}\"",
        ] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn return_options_are_read() {
        let wanted = |text: &str| Scan::new(text.as_bytes()).search().unwrap().wanted;
        assert_eq!(wanted("ALL"), None);
        assert!(wanted("RETURN () ALL").unwrap().all);
        let some = wanted("RETURN (MIN COUNT) CHARSET UTF-8 ALL").unwrap();
        assert!(some.min && some.count && !some.all && !some.max);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |n: usize| format!("{}ALL{}", "(".repeat(n), ")".repeat(n));
        assert!(key(&nested(SEARCH_DEPTH_MAX)).is_ok());
        assert!(key(&nested(SEARCH_DEPTH_MAX + 1)).is_err());
        assert!(key(&"NOT ".repeat(20_000)).is_err());
        let many = |n: usize| vec!["ALL"; n].join(" ");
        assert!(key(&many(SEARCH_KEYS_MAX)).is_ok());
        assert_eq!(
            key(&many(SEARCH_KEYS_MAX + 1)),
            Err(Reject::Limit("too many search keys"))
        );
    }
}
