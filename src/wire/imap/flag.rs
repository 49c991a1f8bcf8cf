//! Flags of a message (RFC 3501 section 2.3.2): five system flags and up to `KEYWORDS_MAX` keywords of the account,
//! as one word. `\Recent` is no flag of a message but of a session, so it is not here.

use super::scan::{Parsed, Reject, Scan};
use crate::limits::{KEYWORD_BYTES_MAX, KEYWORDS_MAX};

/// Bits 0..5 are system flags, bits 8..64 the account's keywords in the order in which they were first used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Hash)]
pub struct Flags(pub u64);

impl Flags {
    /// `\Seen`
    pub const SEEN: Flags = Flags(1);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(2);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(4);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(8);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(16);
    /// All system flags with their names.
    pub const SYSTEM: [(Flags, &'static str); 5] = [
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];
    /// The bit of keyword number `index` (0..`KEYWORDS_MAX`).
    pub fn keyword(index: u8) -> Flags {
        Flags(1 << (8 + u32::from(index)))
    }
    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both.
    pub fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
    /// These without those.
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
    /// Whether there is a keyword whose position is `known` or above: the session must look its name up.
    pub fn beyond(self, known: usize) -> bool {
        known < KEYWORDS_MAX && self.0 >> (8 + known) != 0
    }
}

/// Flags as a client names them: system flags as bits, keywords by name (compared without case, kept as first used).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FlagNames {
    /// System flags only.
    pub system: Flags,
    /// Keywords, each an atom of at most `KEYWORD_BYTES_MAX` octets; at most `KEYWORDS_MAX`.
    pub keywords: Vec<Box<str>>,
}

/// The keywords of one account: the position is the bit.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Keywords(pub Vec<Box<str>>);

impl Keywords {
    /// The bit of a keyword, compared without case; None while nobody has used it.
    pub fn find(&self, name: &str) -> Option<Flags> {
        let at = self.0.iter().position(|k| k.eq_ignore_ascii_case(name))?;
        u8::try_from(at)
            .ok()
            .filter(|at| usize::from(*at) < KEYWORDS_MAX)
            .map(Flags::keyword)
    }
    /// Puts the names of `flags` and a space in front of each but the first into `out`, without parentheses.
    pub fn put(&self, flags: Flags, out: &mut Vec<u8>) {
        let start = out.len();
        let system = Flags::SYSTEM.iter().map(|(flag, name)| (*flag, *name));
        let keywords = self
            .0
            .iter()
            .take(KEYWORDS_MAX)
            .zip(0u8..)
            .map(|(k, at)| (Flags::keyword(at), &**k));
        for (flag, name) in system.chain(keywords) {
            if flags.contains(flag) {
                if out.len() > start {
                    out.push(b' ');
                }
                out.extend_from_slice(name.as_bytes());
            }
        }
    }
}

impl Scan<'_> {
    /// `flag-list`: `(\Seen $Junk)`.
    pub fn flag_list(&mut self) -> Parsed<FlagNames> {
        self.expect(b'(', "flag list expected")?;
        let mut flags = FlagNames::default();
        if self.take(b')') {
            return Ok(flags);
        }
        loop {
            self.flag(&mut flags)?;
            if self.take(b')') {
                return Ok(flags);
            }
            self.space()?;
        }
    }
    /// STORE's flags: a list, or flags without parentheses.
    pub fn store_flags(&mut self) -> Parsed<FlagNames> {
        if self.peek() == Some(b'(') {
            return self.flag_list();
        }
        let mut flags = FlagNames::default();
        loop {
            self.flag(&mut flags)?;
            if !self.take(b' ') || self.at_end() {
                return Ok(flags);
            }
        }
    }

    /// A keyword is an atom, so it needs no quoting ever after.
    pub fn flag_keyword(&mut self) -> Parsed<Box<str>> {
        let keyword = self.atom()?;
        if keyword.len() > KEYWORD_BYTES_MAX {
            return Err(Reject::Limit("keyword is too long"));
        }
        Ok(keyword.into())
    }

    fn flag(&mut self, flags: &mut FlagNames) -> Parsed<()> {
        if self.take(b'\\') {
            let name = self.atom()?;
            let known = Flags::SYSTEM
                .iter()
                .find(|(_, n)| n.get(1..).is_some_and(|n| n.eq_ignore_ascii_case(name)));
            match known {
                Some((flag, _)) => flags.system = flags.system.union(*flag),
                // Clients that copy a message hand back all flags they saw; it cannot be set, so it is passed over.
                None if name.eq_ignore_ascii_case("Recent") => {}
                None => return Err(Reject::Bad("unknown system flag")),
            }
            return Ok(());
        }
        let keyword = self.flag_keyword()?;
        if !flags
            .keywords
            .iter()
            .any(|k| k.eq_ignore_ascii_case(&keyword))
        {
            if flags.keywords.len() == KEYWORDS_MAX {
                return Err(Reject::Limit("too many keywords"));
            }
            flags.keywords.push(keyword);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let flags = Scan::new(b"(\\seen $Junk \\Recent $JUNK x)")
            .flag_list()
            .unwrap();
        assert_eq!(flags.system, Flags::SEEN);
        assert_eq!(flags.keywords, ["$Junk".into(), "x".into()]);
        assert_eq!(Scan::new(b"()").flag_list(), Ok(FlagNames::default()));
        let bare = Scan::new(b"\\Deleted \\Flagged").store_flags().unwrap();
        assert_eq!(bare.system, Flags::DELETED.union(Flags::FLAGGED));
        for bad in [
            "(",
            "(\\Foo)",
            "(\\*)",
            "(a",
            "(a b",
            "(\\Seen,)",
            "(\"a\")",
        ] {
            assert!(Scan::new(bad.as_bytes()).flag_list().is_err(), "{bad}");
        }
    }

    #[test]
    fn keywords_are_bounded() {
        let list = |n: usize| {
            format!(
                "({})",
                (0..n)
                    .map(|i| format!("k{i}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        };
        assert!(Scan::new(list(KEYWORDS_MAX).as_bytes()).flag_list().is_ok());
        assert_eq!(
            Scan::new(list(KEYWORDS_MAX + 1).as_bytes()).flag_list(),
            Err(Reject::Limit("too many keywords"))
        );
        let long = format!("({})", "k".repeat(KEYWORD_BYTES_MAX));
        assert!(Scan::new(long.as_bytes()).flag_list().is_ok());
        assert!(
            Scan::new(long.replace('(', "(k").as_bytes())
                .flag_list()
                .is_err()
        );
    }

    #[test]
    fn names_come_back() {
        let keywords = Keywords(vec!["$Junk".into(), "$Forwarded".into()]);
        let flags = Flags::SEEN.union(keywords.find("$forwarded").unwrap());
        let mut out = Vec::new();
        keywords.put(flags, &mut out);
        assert_eq!(out, b"\\Seen $Forwarded");
        assert!(flags.beyond(1) && !flags.beyond(2));
        assert!(Flags::keyword(55).beyond(55) && !Flags::keyword(55).beyond(56));
    }
}
