//! Mailbox names: modified UTF-7 on the wire, UTF-8 inside, levels divided by `/`.

use super::mutf7;
use super::scan::{Parsed, Reject, Scan};
use crate::limits::{MAILBOX_DEPTH_MAX, MAILBOX_NAME_BYTES_MAX};

/// The hierarchy delimiter.
pub const DELIMITER: char = '/';

/// A name that may exist: at most `MAILBOX_NAME_BYTES_MAX` octets of UTF-8, at most `MAILBOX_DEPTH_MAX` levels, none
/// of them empty, no control characters; a first level that is INBOX in any case is `INBOX`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MailboxName(Box<str>);

impl MailboxName {
    /// Checks a UTF-8 name.
    pub fn new(name: &str) -> Result<MailboxName, &'static str> {
        if name.len() > MAILBOX_NAME_BYTES_MAX {
            return Err("mailbox name is too long");
        }
        if name.split(DELIMITER).count() > MAILBOX_DEPTH_MAX {
            return Err("mailbox name has too many levels");
        }
        if name.split(DELIMITER).any(str::is_empty) {
            return Err("mailbox name has an empty level");
        }
        if name.chars().any(char::is_control) {
            return Err("mailbox name has a control character");
        }
        Ok(MailboxName(inbox_folded(name).into()))
    }
    /// UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether it is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }
    /// Whether it has a list wildcard, which a new mailbox may not have (RFC 9051 section 5.1).
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['%', '*'])
    }
    /// The UTF-8 name.
    pub fn into_inner(self) -> Box<str> {
        self.0
    }
}

/// `inbox` or `Inbox/x` as `INBOX` and `INBOX/x` (RFC 3501 section 5.1).
fn inbox_folded(name: &str) -> String {
    let (first, rest) = name
        .find(DELIMITER)
        .map_or((name, ""), |at| name.split_at(at));
    if first.eq_ignore_ascii_case("INBOX") {
        format!("INBOX{rest}")
    } else {
        name.to_owned()
    }
}

impl Scan<'_> {
    /// `mailbox`.
    pub fn mailbox(&mut self) -> Parsed<MailboxName> {
        MailboxName::new(&decoded(&self.astring()?)?).map_err(Reject::Cannot)
    }
    /// CREATE's: a `/` at the end says that inferiors will follow, and is dropped (RFC 3501 section 6.3.3).
    pub fn mailbox_to_create(&mut self) -> Parsed<MailboxName> {
        let name = decoded(&self.astring()?)?;
        MailboxName::new(name.strip_suffix(DELIMITER).unwrap_or(&name)).map_err(Reject::Cannot)
    }
    /// `list-mailbox`: as an astring that may hold `%` and `*`; UTF-8 of at most `MAILBOX_NAME_BYTES_MAX` octets.
    pub fn list_mailbox(&mut self) -> Parsed<Box<str>> {
        let bytes = match self.peek() {
            Some(b'"' | b'{') => self.string()?,
            _ => {
                let plain = self
                    .take_while(|c| super::scan::is_astring_char(c) || matches!(c, b'%' | b'*'));
                if plain.is_empty() {
                    return Err(Reject::Bad("mailbox pattern expected"));
                }
                plain.into()
            }
        };
        let pattern = decoded(&bytes)?;
        if pattern.len() > MAILBOX_NAME_BYTES_MAX {
            return Err(Reject::Cannot("pattern is too long"));
        }
        Ok(pattern.into())
    }
}

fn decoded(wire: &[u8]) -> Parsed<String> {
    mutf7::decode(wire).ok_or(Reject::Cannot("mailbox name is not modified UTF-7"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_their_bounds() {
        let long = "x".repeat(MAILBOX_NAME_BYTES_MAX);
        assert!(MailboxName::new(&long).is_ok());
        assert!(MailboxName::new(&format!("{long}x")).is_err());
        let deep = vec!["a"; MAILBOX_DEPTH_MAX].join("/");
        assert!(MailboxName::new(&deep).is_ok());
        assert!(MailboxName::new(&format!("{deep}/a")).is_err());
        for bad in ["", "/", "a//b", "/a", "a/", "a\tb"] {
            assert!(MailboxName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn inbox_has_no_case() {
        assert!(MailboxName::new("iNbOx").unwrap().is_inbox());
        assert_eq!(MailboxName::new("inbox/Sub").unwrap().as_str(), "INBOX/Sub");
        assert_eq!(MailboxName::new("inboxes").unwrap().as_str(), "inboxes");
    }

    #[test]
    fn names_come_from_every_kind_of_string() {
        assert_eq!(
            Scan::new(b"\"Gel&APY-scht\"").mailbox().unwrap().as_str(),
            "Gelöscht"
        );
        assert_eq!(
            Scan::new(b"{5}\r\nINBOX").mailbox().unwrap().as_str(),
            "INBOX"
        );
        assert_eq!(
            Scan::new(b"foo/").mailbox_to_create().unwrap().as_str(),
            "foo"
        );
        assert_eq!(&*Scan::new(b"%/a*").list_mailbox().unwrap(), "%/a*");
        assert_eq!(&*Scan::new(b"\"\"").list_mailbox().unwrap(), "");
        assert!(matches!(
            Scan::new(b"\"a&b\"").mailbox(),
            Err(Reject::Cannot(_))
        ));
    }
}
