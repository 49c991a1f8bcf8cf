//! The sections `[allow]`, `[deny]` and `[reject]`: who may send to this box before anything of a message is seen.

use super::read::{Reader, Section, Value};
use crate::limits::ACCESS_ENTRIES_MAX;
use crate::wire::access::{Lists, Mark, Marks, Rules};
use std::fmt::Display;
use std::str::FromStr;

impl<'t> Reader<'t> {
    pub(super) fn access(&mut self, top: &mut Section<'t>) -> Rules {
        let mut room = ACCESS_ENTRIES_MAX;
        Rules {
            allow: self.lists(top, "allow", &mut room),
            deny: self.lists(top, "deny", &mut room),
            reject: self.marks(top),
        }
    }

    fn lists(&mut self, top: &mut Section<'t>, name: &'static str, room: &mut usize) -> Lists {
        let mut section = self.section(top, name);
        let senders =
            "a list of senders like [\"anna@example.org\", \"example.org\", \"*.example.org\"]";
        let hosts = "a list of names of servers like [\"mail.example.org\", \"*.example.org\"]";
        let networks = "a list of networks like [\"192.0.2.0/24\", \"2001:db8::/32\"]";
        let lists = Lists {
            senders: self.entries(&mut section, "senders", senders, room),
            hosts: self.entries(&mut section, "hosts", hosts, room),
            networks: self.entries(&mut section, "networks", networks, room),
        };
        self.leftovers(&section);
        lists
    }

    /// Every entry of a list, as long as there is room for it.
    fn entries<T: FromStr<Err: Display>>(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
        is: &str,
        room: &mut usize,
    ) -> Vec<T> {
        let path = section.path(key);
        let Some(value) = section.take(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.mistake(Some(value.span()), format!("{path} is {is}"));
            return Vec::new();
        };
        let Some(left) = room.checked_sub(list.len()) else {
            self.mistake(
                Some(value.span()),
                format!("[allow] and [deny] have {ACCESS_ENTRIES_MAX} entries at most; name whole networks and domains"),
            );
            return Vec::new();
        };
        *room = left;
        let mut entries = Vec::with_capacity(list.len());
        for item in list.iter() {
            entries.extend(self.entry(item, &path, is));
        }
        entries
    }

    fn entry<T: FromStr<Err: Display>>(
        &mut self,
        item: Value<'t>,
        path: &str,
        is: &str,
    ) -> Option<T> {
        let parsed = match item.get_ref().as_str() {
            Some(text) => text.parse().map_err(|error: T::Err| error.to_string()),
            None => Err(format!("this is {}", item.get_ref().type_str())),
        };
        parsed
            .map_err(|error| self.mistake(Some(item.span()), format!("{error}; {path} is {is}")))
            .ok()
    }

    fn marks(&mut self, top: &mut Section<'t>) -> Marks {
        let mut section = self.section(top, "reject");
        let mut marks = Marks::default();
        for mark in Mark::ALL {
            let key = mark.key();
            let Some(value) = section.take(key) else {
                continue;
            };
            match value.get_ref().as_bool() {
                Some(true) => marks = marks.with(mark),
                Some(false) => marks = marks.without(mark),
                None => self.mistake(Some(value.span()), format!("`{key}` is true or false")),
            }
        }
        self.leftovers(&section);
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Mistake};
    use super::*;
    use std::path::Path;

    fn parse(access: &str) -> Result<Rules, Vec<Mistake>> {
        let text = format!("hostname = \"mail.example.org\"\n{access}");
        Config::parse(&text, Path::new("")).map(|config| config.access)
    }

    #[test]
    fn lists_and_marks() {
        let rules = parse(
            "[allow]\nsenders = [\"Anna@b\u{fc}cher.test\", \"*.example.org\"]\nnetworks = [\"2001:db8::/32\"]\n\
             [deny]\nhosts = [\"ylmf-pc\"]\n[reject]\nsender_null_mx = false\nptr_missing = true\n",
        )
        .unwrap();
        assert_eq!(rules.allow.senders.len(), 2);
        assert!(rules.allow.networks[0].holds("2001:db8::1".parse().unwrap()));
        assert!(rules.deny.hosts[0].matches("YLMF-PC"));
        let rejected: Vec<Mark> = Mark::ALL
            .into_iter()
            .filter(|m| rules.reject.has(*m))
            .collect();
        assert_eq!(rejected, [Mark::SenderDomainMissing, Mark::PtrMissing]);
    }

    #[test]
    fn mistakes_have_their_line() {
        let mistakes = parse(
            "[allow]\nsenders = [\"a@b@c.test\",\n\"good.test\",\n7]\n[deny]\nnetworks = [\"192.0.2.1/24\"]\n\
             hosts = \"x.test\"\n[reject]\nptr_mising = true\nhelo_ours = 1\n",
        )
        .unwrap_err();
        let found = |line: usize, part: &str| {
            let mut mistakes = mistakes.iter();
            mistakes.any(|m| m.line == Some(line) && m.text.contains(part))
        };
        for (line, part) in [
            (3, "`senders` in [allow] is a list of senders like"),
            (5, "this is integer"),
            (7, "write \"192.0.2.0/24\""),
            (8, "`hosts` in [deny] is a list of names"),
            (10, "did you mean `ptr_missing`?"),
            (11, "`helo_ours` is true or false"),
        ] {
            assert!(found(line, part), "{line} {part}: {mistakes:?}");
        }
        assert_eq!(mistakes.len(), 6);
    }

    #[test]
    fn entries_are_bounded_over_all_lists() {
        let with = |hosts: usize| {
            let list = |n: usize| vec!["\"a.test\""; n].join(",");
            parse(&format!(
                "[allow]\nsenders = [{}]\n[deny]\nhosts = [{}]\n",
                list(1),
                list(hosts)
            ))
        };
        assert!(with(ACCESS_ENTRIES_MAX - 2).is_ok());
        assert!(with(ACCESS_ENTRIES_MAX - 1).is_ok());
        assert_eq!(with(ACCESS_ENTRIES_MAX).unwrap_err()[0].line, Some(5));
    }
}
