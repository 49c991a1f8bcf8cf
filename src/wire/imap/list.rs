//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9) with selection and return options (RFC 5258), SPECIAL-USE
//! (RFC 6154) and LIST-STATUS (RFC 5819); and how a pattern matches.

use super::scan::{Parsed, Reject, Scan};
use super::status::StatusItem;
use crate::limits::LIST_PATTERNS_MAX;

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

/// Whether `name` matches `pattern`: `*` is anything, `%` anything without `/`; INBOX has no case. Time is the product
/// of both lengths at worst, whatever the wildcards.
pub fn matches(pattern: &str, name: &str) -> bool {
    let inbox = name == "INBOX" || name.starts_with("INBOX/");
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    // reached[i]: the pattern so far can end in front of name[i].
    let mut reached = vec![false; name.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for p in pattern {
        let mut next = vec![false; name.len() + 1];
        let mut carry = false;
        for (i, into) in next.iter_mut().enumerate() {
            let here = reached.get(i).copied().unwrap_or(false);
            let before = i.checked_sub(1);
            let octet = before.and_then(|b| name.get(b)).copied();
            *into = match p {
                b'*' => carry || here,
                b'%' => here || (carry && octet != Some(b'/')),
                _ => {
                    before
                        .and_then(|b| reached.get(b))
                        .copied()
                        .unwrap_or(false)
                        && octet.is_some_and(|o| {
                            o == *p || (inbox && i <= 5 && o.eq_ignore_ascii_case(p))
                        })
                }
            };
            carry = *into;
        }
        reached = next;
        if !reached.contains(&true) {
            return false;
        }
    }
    reached.last().copied().unwrap_or(false)
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
