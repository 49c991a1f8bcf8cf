//! Which mailboxes a LIST or LSUB names, and with which attributes (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258,
//! RFC 6154).

use crate::wire::imap::list::{List, matches};
use crate::wire::imap::mailbox::DELIMITER;
use std::collections::{BTreeMap, BTreeSet};

/// A mailbox of the account as the store knows it.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// UTF-8.
    pub name: &'a str,
    /// Only holds inferiors.
    pub no_select: bool,
    /// `\Sent` and the like.
    pub special_use: Option<&'static str>,
}

/// One line of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// UTF-8.
    pub name: Box<str>,
    /// Attributes in parentheses, divided by spaces.
    pub attributes: Vec<&'static str>,
    /// It is listed because of inferiors: `("CHILDINFO" ("SUBSCRIBED"))`.
    pub child_info: bool,
    /// STATUS makes sense.
    pub selectable: bool,
}

/// What LIST names. `known` in any order.
pub fn list(command: &List, known: &[Known<'_>], subscribed: &[Box<str>]) -> Vec<Listed> {
    let account = Account::new(known, subscribed);
    let patterns = full_patterns(command);
    let mut lines = Vec::new();
    let names = account.names(command.select.subscribed);
    for name in &names {
        let hit = patterns.iter().any(|p| matches(p, name));
        if hit && account.selected(command, name) {
            lines.push(account.line(command, name, false));
        }
    }
    if command.select.recursive_match {
        account.add_parents(command, &patterns, &names, &mut lines);
    }
    inbox_first(&mut lines);
    lines
}

/// What LSUB names: subscribed names, and with `\Noselect` the level at which a `%` hid a subscribed inferior.
pub fn lsub(command: &List, known: &[Known<'_>], subscribed: &[Box<str>]) -> Vec<Listed> {
    let account = Account::new(known, subscribed);
    let patterns = full_patterns(command);
    let matches_any = |name: &str| patterns.iter().any(|p| matches(p, name));
    let mut named: BTreeMap<&str, bool> = BTreeMap::new();
    for name in &account.subscribed {
        if matches_any(name) {
            named.insert(name, true);
        } else if let Some(parent) = parents(name).find(|parent| matches_any(parent)) {
            named.entry(parent).or_insert(false);
        }
    }
    let mut lines: Vec<Listed> = named
        .into_iter()
        .map(|(name, whole)| Listed {
            name: name.into(),
            attributes: if whole && account.exists(name) {
                Vec::new()
            } else {
                vec!["\\Noselect"]
            },
            child_info: false,
            selectable: whole,
        })
        .collect();
    inbox_first(&mut lines);
    lines
}

struct Account<'a> {
    known: BTreeMap<&'a str, &'a Known<'a>>,
    subscribed: BTreeSet<&'a str>,
    /// Names that have an inferior which exists.
    with_children: BTreeSet<&'a str>,
}

impl<'a> Account<'a> {
    fn new(known: &'a [Known<'a>], subscribed: &'a [Box<str>]) -> Account<'a> {
        Account {
            known: known.iter().map(|k| (k.name, k)).collect(),
            subscribed: subscribed.iter().map(|s| &**s).collect(),
            with_children: known.iter().flat_map(|k| parents(k.name)).collect(),
        }
    }

    fn exists(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|k| !k.no_select)
    }

    /// All names that could be listed; superior levels count as names even where no mailbox has them.
    fn names(&self, subscribed: bool) -> BTreeSet<&'a str> {
        if subscribed {
            return self.subscribed.clone();
        }
        self.known
            .keys()
            .copied()
            .chain(self.with_children.iter().copied())
            .collect()
    }

    fn selected(&self, command: &List, name: &str) -> bool {
        let special = self
            .known
            .get(name)
            .is_some_and(|k| k.special_use.is_some());
        (!command.select.subscribed || self.subscribed.contains(name))
            && (!command.select.special_use || special)
    }

    fn line(&self, command: &List, name: &str, child_info: bool) -> Listed {
        let known = self.known.get(name);
        let selectable = self.exists(name);
        let mut attributes = Vec::new();
        if !selectable {
            // RFC 5258 section 3: \NonExistent implies \Noselect; older clients know only the latter.
            attributes.push(if command.extended && known.is_none() {
                "\\NonExistent"
            } else {
                "\\Noselect"
            });
        }
        attributes.push(if self.with_children.contains(name) {
            "\\HasChildren"
        } else {
            "\\HasNoChildren"
        });
        attributes.extend(known.and_then(|k| k.special_use));
        let tell = command.select.subscribed || command.wanted.subscribed;
        if tell && self.subscribed.contains(name) {
            attributes.push("\\Subscribed");
        }
        Listed {
            name: name.into(),
            attributes,
            child_info,
            selectable,
        }
    }

    /// RECURSIVEMATCH (RFC 5258 section 3.5): parents that match a pattern, of names that fit the selection but match
    /// none.
    fn add_parents(
        &self,
        command: &List,
        patterns: &[String],
        names: &BTreeSet<&'a str>,
        lines: &mut Vec<Listed>,
    ) {
        let mut with_info = BTreeSet::new();
        for name in names.iter().filter(|name| self.selected(command, name)) {
            if patterns.iter().any(|p| matches(p, name)) {
                continue;
            }
            with_info
                .extend(parents(name).filter(|parent| patterns.iter().any(|p| matches(p, parent))));
        }
        for parent in with_info {
            match lines.iter_mut().find(|line| *line.name == *parent) {
                Some(line) => line.child_info = true,
                None => lines.push(self.line(command, parent, true)),
            }
        }
        lines.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// The superior levels of a name, the nearest first.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once(DELIMITER), |(parent, _)| {
        parent.rsplit_once(DELIMITER)
    })
    .map(|(parent, _)| parent)
}

fn full_patterns(command: &List) -> Vec<String> {
    command
        .patterns
        .iter()
        .map(|p| format!("{}{p}", command.reference))
        .collect()
}

fn inbox_first(lines: &mut [Listed]) {
    lines.sort_by_key(|line| *line.name != *"INBOX");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::scan::Scan;

    fn known() -> Vec<Known<'static>> {
        let k = |name, no_select, special_use| Known {
            name,
            no_select,
            special_use,
        };
        vec![
            k("Archive", false, Some("\\Archive")),
            k("INBOX", false, None),
            k("a", true, None),
            k("a/b", false, None),
            k("a/b/c", false, None),
            k("x/y", false, None),
        ]
    }
    type How = fn(&List, &[Known<'_>], &[Box<str>]) -> Vec<Listed>;
    fn said(text: &str, how: How) -> Vec<String> {
        let command = Scan::new(text.as_bytes()).list().unwrap();
        let subscribed: Vec<Box<str>> = ["a/b", "gone", "INBOX", "x/y"].map(Into::into).to_vec();
        let lines = how(&command, &known(), &subscribed);
        lines
            .iter()
            .map(|l| {
                format!(
                    "{} {}{}",
                    l.name,
                    l.attributes.join(" "),
                    if l.child_info { " +" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn list_names_what_exists_and_its_parents() {
        assert_eq!(
            said("\"\" %", list),
            [
                "INBOX \\HasNoChildren",
                "Archive \\HasNoChildren \\Archive",
                "a \\Noselect \\HasChildren",
                "x \\Noselect \\HasChildren"
            ]
        );
        assert_eq!(
            said("\"a/\" *", list),
            ["a/b \\HasChildren", "a/b/c \\HasNoChildren"]
        );
        assert_eq!(said("\"\" inbox", list), ["INBOX \\HasNoChildren"]);
        assert_eq!(
            said("(SPECIAL-USE) \"\" *", list),
            ["Archive \\HasNoChildren \\Archive"]
        );
        assert_eq!(
            said("\"\" a/b RETURN (SUBSCRIBED)", list),
            ["a/b \\HasChildren \\Subscribed"]
        );
    }

    #[test]
    fn subscribed_names_may_be_missing() {
        assert_eq!(
            said("(SUBSCRIBED) \"\" *", list),
            [
                "INBOX \\HasNoChildren \\Subscribed",
                "a/b \\HasChildren \\Subscribed",
                "gone \\NonExistent \\HasNoChildren \\Subscribed",
                "x/y \\HasNoChildren \\Subscribed"
            ]
        );
        assert_eq!(
            said("(SUBSCRIBED RECURSIVEMATCH) \"\" %", list),
            [
                "INBOX \\HasNoChildren \\Subscribed",
                "a \\Noselect \\HasChildren +",
                "gone \\NonExistent \\HasNoChildren \\Subscribed",
                "x \\NonExistent \\HasChildren +"
            ]
        );
    }

    #[test]
    fn lsub_shows_the_level_that_hides_a_subscription() {
        assert_eq!(
            said("\"\" *", lsub),
            ["INBOX ", "a/b ", "gone \\Noselect", "x/y "]
        );
        assert_eq!(
            said("\"\" %", lsub),
            ["INBOX ", "a \\Noselect", "gone \\Noselect", "x \\Noselect"]
        );
    }
}
