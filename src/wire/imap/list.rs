//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9) with selection and return options (RFC 5258), SPECIAL-USE
//! (RFC 6154) and LIST-STATUS (RFC 5819); and how a pattern matches.

use super::scan::{Parsed, Reject, Scan};
use super::status::StatusItem;
use crate::limits::{LIST_PATTERNS_BYTES_MAX, LIST_PATTERNS_MAX, MAILBOX_NAME_BYTES_MAX};

/// A LIST command.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct List {
    /// Put in front of each pattern; UTF-8.
    pub reference: Box<str>,
    /// UTF-8 with `%` and `*`, at most `LIST_PATTERNS_MAX`.
    pub patterns: Vec<Box<str>>,
    /// What is listed at all.
    pub select: ListSelect,
    /// What is said of it.
    pub wanted: ListReturn,
    /// The command had options of RFC 5258, so that a lone empty pattern has no special meaning.
    pub extended: bool,
}

/// Selection options.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ListSelect {
    /// Only subscribed names, missing ones too.
    pub subscribed: bool,
    /// Remote mailboxes too; there are none.
    pub remote: bool,
    /// Parents of what matches too, with CHILDINFO.
    pub recursive_match: bool,
    /// Only mailboxes with a special use.
    pub special_use: bool,
}

/// Return options.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ListReturn {
    /// \Subscribed
    pub subscribed: bool,
    /// \HasChildren and \HasNoChildren (which we always say).
    pub children: bool,
    /// Special uses (which we always say).
    pub special_use: bool,
    /// A STATUS response behind each mailbox; none when empty.
    pub status: Vec<StatusItem>,
}

impl Scan<'_> {
    /// What follows `LIST `.
    pub fn list(&mut self) -> Parsed<List> {
        let mut list = List::default();
        if self.peek() == Some(b'(') {
            list.extended = true;
            list.select = self.list_select()?;
            self.space()?;
        }
        list.reference = self.list_mailbox()?;
        self.space()?;
        if self.take(b'(') {
            list.extended = true;
            list.patterns = self.list_patterns()?;
        } else {
            list.patterns.push(self.list_mailbox()?);
        }
        let reference_bytes = list.reference.len();
        let patterns = list.patterns.iter();
        if patterns.map(|p| reference_bytes + p.len()).sum::<usize>() > LIST_PATTERNS_BYTES_MAX {
            return Err(Reject::Limit("patterns are too long together"));
        }
        if self.take(b' ') && !self.at_end() {
            if !self.word("RETURN") {
                return Err(Reject::Bad("RETURN expected"));
            }
            list.extended = true;
            self.space()?;
            list.wanted = self.list_return()?;
        }
        Ok(list)
    }

    fn list_patterns(&mut self) -> Parsed<Vec<Box<str>>> {
        let mut patterns = Vec::new();
        loop {
            if patterns.len() == LIST_PATTERNS_MAX {
                return Err(Reject::Limit("too many patterns"));
            }
            patterns.push(self.list_mailbox()?);
            if self.take(b')') {
                return Ok(patterns);
            }
            self.space()?;
        }
    }

    fn list_select(&mut self) -> Parsed<ListSelect> {
        let mut select = ListSelect::default();
        self.options(|_, word| {
            match word {
                "SUBSCRIBED" => select.subscribed = true,
                "REMOTE" => select.remote = true,
                "RECURSIVEMATCH" => select.recursive_match = true,
                "SPECIAL-USE" => select.special_use = true,
                _ => return Err(Reject::Bad("unknown selection option")),
            }
            Ok(())
        })?;
        // RFC 5258 section 3.1: RECURSIVEMATCH needs another option to be recursive about.
        if select.recursive_match && !select.subscribed && !select.special_use {
            return Err(Reject::Bad("RECURSIVEMATCH stands alone"));
        }
        Ok(select)
    }

    fn list_return(&mut self) -> Parsed<ListReturn> {
        let mut wanted = ListReturn::default();
        self.options(|scan, word| {
            match word {
                "SUBSCRIBED" => wanted.subscribed = true,
                "CHILDREN" => wanted.children = true,
                "SPECIAL-USE" => wanted.special_use = true,
                "STATUS" => {
                    scan.space()?;
                    wanted.status = scan.status_items()?;
                }
                _ => return Err(Reject::Bad("unknown return option")),
            }
            Ok(())
        })?;
        Ok(wanted)
    }

    /// `(A B C)` or `()`; `each` gets the word in upper case.
    pub(super) fn options(
        &mut self,
        mut each: impl FnMut(&mut Self, &str) -> Parsed<()>,
    ) -> Parsed<()> {
        self.expect(b'(', "list of options expected")?;
        if self.take(b')') {
            return Ok(());
        }
        loop {
            let word = self.keyword()?;
            each(self, &word)?;
            if self.take(b')') {
                return Ok(());
            }
            self.space()?;
        }
    }
}

/// Whether `name` matches `pattern`: `*` is anything, `%` anything without `/`; INBOX has no case. Whatever the
/// wildcards, an octet of the pattern costs a few operations on `WORDS` words; a name longer than
/// `MAILBOX_NAME_BYTES_MAX`, which no mailbox has, matches nothing.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.len() > MAILBOX_NAME_BYTES_MAX {
        return false;
    }
    // Bit i: the pattern so far can end in front of the name's octet i.
    let mut reached = Places::default();
    reached.set(0);
    let (anything, mut level) = (Places::below(name.len()), Places::below(name.len()));
    for (at, octet) in name.bytes().enumerate() {
        if octet == b'/' {
            level.clear(at);
        }
    }
    let mut literals = Literals::new(name);
    for p in pattern.bytes() {
        reached = match p {
            b'*' => reached.through(&anything),
            b'%' => reached.through(&level),
            p => reached.and(&literals.places(p)).next(),
        };
        if reached.is_empty() {
            return false;
        }
    }
    reached.has(name.len())
}

/// Words of bits for every place in a name and the one behind it.
const WORDS: usize = (MAILBOX_NAME_BYTES_MAX + 1).div_ceil(64);

/// A set of places in a name.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Places([u64; WORDS]);

impl Places {
    /// 0 to `end`, `end` not included.
    fn below(end: usize) -> Places {
        let mut places = Places::default();
        for (word, n) in places.0.iter_mut().zip(0..) {
            *word = match end.saturating_sub(64 * n) {
                64.. => u64::MAX,
                bits => (1 << bits) - 1,
            };
        }
        places
    }

    fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn clear(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    fn has(&self, at: usize) -> bool {
        self.0
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn and(mut self, other: &Places) -> Places {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
        self
    }

    /// Each place one further.
    fn next(mut self) -> Places {
        let mut carry = 0;
        for word in &mut self.0 {
            (*word, carry) = (*word << 1 | carry, *word >> 63);
        }
        self
    }

    /// These, and all that are reached from them over places of `over` only: the carry of an addition runs along
    /// each unbroken row of ones.
    fn through(self, over: &Places) -> Places {
        let (mut all, mut carry) = (self, false);
        for (all, over) in all.0.iter_mut().zip(&over.0) {
            let (sum, first) = (*all & over).overflowing_add(*over);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            carry = first || second;
            *all |= sum ^ over;
        }
        all
    }
}

/// Where an octet stands in a name, looked for once.
struct Literals<'a> {
    name: &'a [u8],
    /// Whether the name is INBOX or below it.
    inbox: bool,
    known: Vec<Places>,
    /// Of each octet its number in `known` and one; 0: not looked for yet.
    index: [u16; 256],
}

impl<'a> Literals<'a> {
    fn new(name: &'a str) -> Literals<'a> {
        Literals {
            name: name.as_bytes(),
            inbox: name == "INBOX" || name.starts_with("INBOX/"),
            known: Vec::new(),
            index: [0; 256],
        }
    }

    fn places(&mut self, octet: u8) -> Places {
        let index = self.index.get_mut(usize::from(octet));
        let known = index.as_ref().and_then(|n| usize::from(**n).checked_sub(1));
        if let Some(places) = known.and_then(|n| self.known.get(n)) {
            return *places;
        }
        let mut places = Places::default();
        for (at, found) in self.name.iter().enumerate() {
            let folded = self.inbox && at < 5 && found.eq_ignore_ascii_case(&octet);
            if *found == octet || folded {
                places.set(at);
            }
        }
        self.known.push(places);
        if let (Some(index), Ok(n)) = (index, u16::try_from(self.known.len())) {
            *index = n;
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_rfc_says() {
        for (pattern, name, expected) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a/*", "a", false),
            ("a*", "a/b/c", true),
            ("%/%", "a/b", true),
            ("inbox", "INBOX", true),
            ("in%", "INBOX", true),
            ("inbox/X", "INBOX/X", true),
            ("inbox/x", "INBOX/X", false),
            ("foo", "FOO", false),
            ("", "", true),
            ("", "a", false),
            ("*c", "a/b/c", true),
            ("%b%", "abc", true),
            ("%*", "a/b", true),
            ("INBOX", "INBOXES", false),
            ("ü%", "über", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_wildcards_cost_no_time() {
        assert!(!matches(&"*a".repeat(250), &"a".repeat(249)));
        assert!(matches(&"*%".repeat(250), &"a/".repeat(250)));
    }

    /// As the RFC says it, place by place and without haste.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        let rest = |from: usize| (from..=name.len()).map(|to| name.get(to..).unwrap_or_default());
        match (pattern.split_first(), name.split_first()) {
            (None, _) => name.is_empty(),
            (Some((b'*', more)), _) => rest(0).any(|name| plainly(more, name)),
            (Some((b'%', more)), _) => {
                let level = name.iter().position(|c| *c == b'/').unwrap_or(name.len());
                rest(0).take(level + 1).any(|name| plainly(more, name))
            }
            (Some((p, more)), Some((c, name))) => p == c && plainly(more, name),
            (Some(_), None) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_plain_reading(pattern in "[ab/%*]{0,9}", name in "[ab/]{0,9}", before in 0usize..130) {
            // Moved along, so that the borders of words are met.
            let (pattern, name) = (format!("{}{pattern}", "c".repeat(before)), format!("{}{name}", "c".repeat(before)));
            proptest::prop_assert_eq!(matches(&pattern, &name), plainly(pattern.as_bytes(), name.as_bytes()));
        }
    }

    #[test]
    fn names_and_patterns_have_their_bounds() {
        let longest = "ab".repeat(MAILBOX_NAME_BYTES_MAX / 2);
        assert!(matches("*b", &longest) && matches("%", &longest) && matches(&longest, &longest));
        assert!(!matches("*", &format!("{longest}a")));
        let list = |patterns: usize, bytes: usize| {
            let pattern = vec!["x".repeat(bytes); patterns].join(" ");
            Scan::new(format!("\"\" ({pattern})").as_bytes())
                .list()
                .map(|_| ())
        };
        let most = LIST_PATTERNS_BYTES_MAX / 32;
        assert_eq!(list(32, most - 1), Ok(()));
        assert_eq!(list(32, most), Ok(()));
        assert_eq!(
            list(32, most + 1),
            Err(Reject::Limit("patterns are too long together"))
        );
        let reference = "x".repeat(MAILBOX_NAME_BYTES_MAX);
        let all = |patterns: &str| {
            Scan::new(format!("{reference} {patterns}").as_bytes())
                .list()
                .map(|_| ())
        };
        assert_eq!(all("*"), Ok(()));
        assert!(all("(* *)").is_err());
    }

    #[test]
    fn options_are_read() {
        let list = Scan::new(b"(SUBSCRIBED RECURSIVEMATCH) \"\" (% INBOX/*) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))").list().unwrap();
        assert!(
            list.select.subscribed
                && list.select.recursive_match
                && list.wanted.children
                && list.extended
        );
        assert_eq!(list.patterns, ["%".into(), "INBOX/*".into()]);
        assert_eq!(
            list.wanted.status,
            [StatusItem::Messages, StatusItem::Unseen]
        );
        assert!(!Scan::new(b"\"\" \"\"").list().unwrap().extended);
        for bad in [
            "(RECURSIVEMATCH) \"\" *",
            "(FOO) \"\" *",
            "\"\" * RETURN (FOO)",
            "\"\"",
            "\"\" ()",
            "\"\" * FOO",
        ] {
            let mut scan = Scan::new(bad.as_bytes());
            assert!(
                scan.list().and_then(|l| scan.end().map(|()| l)).is_err(),
                "{bad}"
            );
        }
    }
}
