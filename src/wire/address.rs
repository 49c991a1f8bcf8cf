//! Mail addresses and domains (RFC 5321 section 4.1.2, RFC 6531, IDNA by UTS 46).
//!
//! Parsed once; a value cannot be wrong. Domains are kept as lower-case A-labels, so that both forms of an IDN are
//! equal; local parts are kept as written, without quotes. What `Display` writes parses to the same value again.

use crate::limits::{DOMAIN_BYTES_MAX, DOMAIN_LABEL_BYTES_MAX, LOCAL_PART_BYTES_MAX};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A domain name as lower-case A-labels, or an address literal in brackets. At most `DOMAIN_BYTES_MAX` octets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Domain(Box<str>);

/// `local@domain`; the local part without quotes, case kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

/// Why a text is no address; the text says what and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressError(pub String);

impl Domain {
    /// Parses either form of a domain name, or an address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). A dot at
    /// the end is refused: it is no part of the mail grammar.
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        // Every octet of an A-label comes from at least a quarter of a character's four octets.
        if text.len() > 4 * DOMAIN_BYTES_MAX {
            return Err(too_long("domain", text.len(), DOMAIN_BYTES_MAX));
        }
        if let Some(inner) = text.strip_prefix('[') {
            return literal(inner);
        }
        let lower = text.to_ascii_lowercase();
        // Only labels that are IDNs in one form or the other need the tables.
        if lower.is_ascii() && !lower.split('.').any(|label| label.starts_with("xn--")) {
            return checked_name(lower);
        }
        // Characters are judged afterwards by the same rule as in plain names: mapping may have made a `@` or space.
        let ascii = Uts46::new()
            .to_ascii(
                lower.as_bytes(),
                AsciiDenyList::EMPTY,
                Hyphens::CheckFirstLast,
                DnsLength::Ignore,
            )
            .map_err(|_| AddressError(format!("domain {text:?} is no valid international name")))?;
        checked_name(ascii.into_owned())
    }

    /// The A-label form, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address in a literal; None for a name.
    pub fn literal(&self) -> Option<IpAddr> {
        let inner = self.0.strip_prefix('[')?.strip_suffix(']')?;
        match inner.strip_prefix("IPv6:") {
            Some(v6) => v6.parse().ok().map(IpAddr::V6),
            None => inner.parse().ok().map(IpAddr::V4),
        }
    }

    /// The U-label form, for people's eyes only.
    pub fn to_unicode(&self) -> String {
        let (text, result) = Uts46::new().to_unicode(
            self.0.as_bytes(),
            AsciiDenyList::EMPTY,
            Hyphens::CheckFirstLast,
        );
        match result {
            Ok(()) if self.literal().is_none() => text.into_owned(),
            _ => self.0.to_string(),
        }
    }
}

impl Address {
    /// Parses `local@domain` (a quoted local part too), without angle brackets. Dots at the ends of an unquoted
    /// local part or side by side are taken although the grammar forbids them: some providers have given out such
    /// addresses. They are quoted when written.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if text.starts_with('"') {
            let (local, rest) = quoted(text)?;
            let domain = rest
                .strip_prefix('@')
                .ok_or_else(|| AddressError(format!("no @ behind the local part of {text:?}")))?;
            return Address::new(&local, Domain::parse(domain)?);
        }
        let (local, domain) = text
            .rsplit_once('@')
            .ok_or_else(|| AddressError(format!("no @ in {text:?}")))?;
        if let Some(wrong) = local.chars().find(|&c| !is_atext(c) && c != '.') {
            return Err(AddressError(format!(
                "{wrong:?} in the local part of {text:?} needs quotes"
            )));
        }
        Address::new(local, Domain::parse(domain)?)
    }

    /// An address from its halves; `local` without quotes.
    pub fn new(local: &str, domain: Domain) -> Result<Address, AddressError> {
        if local.is_empty() {
            return Err(AddressError("local part is empty".into()));
        }
        if local.len() > LOCAL_PART_BYTES_MAX {
            return Err(too_long("local part", local.len(), LOCAL_PART_BYTES_MAX));
        }
        // RFC 5321: qtextSMTP and quoted-pairSMTP reach from space to tilde; RFC 6531 adds UTF-8.
        if local.chars().any(char::is_control) {
            return Err(AddressError(format!(
                "control character in local part {local:?}"
            )));
        }
        Ok(Address {
            local: local.into(),
            domain,
        })
    }

    /// The local part without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether it may be sent to a peer without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }
}

/// Behind `[`: RFC 5321 section 4.1.3, IPv4 and IPv6; nobody has registered another tag.
fn literal(inner: &str) -> Result<Domain, AddressError> {
    let wrong = || AddressError(format!("[{inner} is no address literal"));
    let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
    let text = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => {
            let address: Ipv6Addr = inner
                .get(5..)
                .unwrap_or_default()
                .parse()
                .map_err(|_| wrong())?;
            format!("[IPv6:{address}]")
        }
        _ => {
            let address: Ipv4Addr = inner.parse().map_err(|_| wrong())?;
            format!("[{address}]")
        }
    };
    Ok(Domain(text.into()))
}

/// Letters, digits and hyphens in labels of 1 to 63 octets. Underscores are let through: senders exist with them.
fn checked_name(name: String) -> Result<Domain, AddressError> {
    if name.len() > DOMAIN_BYTES_MAX {
        return Err(too_long("domain", name.len(), DOMAIN_BYTES_MAX));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(AddressError(format!("empty label in domain {name:?}")));
        }
        if label.len() > DOMAIN_LABEL_BYTES_MAX {
            return Err(too_long(
                "label of a domain",
                label.len(),
                DOMAIN_LABEL_BYTES_MAX,
            ));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(AddressError(format!(
                "hyphen at the edge of a label in domain {name:?}"
            )));
        }
        if let Some(wrong) = label
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
        {
            return Err(AddressError(format!("{wrong:?} in domain {name:?}")));
        }
    }
    Ok(Domain(name.into()))
}

/// Reads a quoted string at the start of `text`: its content without quotes and what follows.
pub(crate) fn quoted(text: &str) -> Result<(String, &str), AddressError> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((content, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next() {
                Some((_, escaped)) => content.push(escaped),
                None => break,
            },
            c => content.push(c),
        }
        if content.len() > LOCAL_PART_BYTES_MAX {
            return Err(too_long("local part", content.len(), LOCAL_PART_BYTES_MAX));
        }
    }
    Err(AddressError(format!("{text:?} has no closing quote")))
}

/// RFC 5322 section 3.2.3, and every character beyond ASCII (RFC 6531 section 3.3).
fn is_atext(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9')
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

fn is_dot_atom(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn too_long(what: &str, bytes: usize, bytes_max: usize) -> AddressError {
    AddressError(format!(
        "{what} of {bytes} octets is too long: at most {bytes_max}"
    ))
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it stands in a path: the local part is quoted where it must be.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_atom(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_char('"')?;
        for c in self.local.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    #[test]
    fn both_forms_of_an_idn_are_equal() {
        let ascii = Domain::parse("xn--bcher-kva.example").unwrap();
        assert_eq!(Domain::parse("BÜCHER.example").unwrap(), ascii);
        assert_eq!(
            Domain::parse("bu\u{308}cher。EXAMPLE").unwrap(),
            ascii,
            "composed and mapped"
        );
        assert_eq!(ascii.to_unicode(), "bücher.example");
        assert_eq!(
            Domain::parse("straße.de").unwrap().as_str(),
            "xn--strae-oqa.de"
        );
    }

    #[test]
    fn names_that_cannot_be() {
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.de",
            "a-.de",
            "a b.de",
            "a@b",
            "a\u{ff20}b.de",
            "xn--a.de",
            "xn--zzzzzzz--.de",
            "a\u{0}b",
            "a\r\nb",
            "[1.2.3]",
            "[1.2.3.4",
            "[::1]",
            "[IPv6:1.2.3.4]",
            "[]",
            "[x:y]",
            "a<b",
            "é\u{200b}\u{202e}.de",
        ] {
            assert!(Domain::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn literals_are_put_in_one_form() {
        assert_eq!(
            Domain::parse("[192.0.2.1]").unwrap().as_str(),
            "[192.0.2.1]"
        );
        let v6 = Domain::parse("[ipv6:2001:DB8:0:0:0:0:0:1]").unwrap();
        assert_eq!(v6.as_str(), "[IPv6:2001:db8::1]");
        assert_eq!(v6.literal(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(Domain::parse("example.org").unwrap().literal(), None);
        assert_eq!(written("a@[127.0.0.1]"), "a@[127.0.0.1]");
    }

    #[test]
    fn domain_bounds() {
        let label = |bytes: usize| "a".repeat(bytes);
        assert!(Domain::parse(&label(62)).is_ok());
        assert!(Domain::parse(&label(63)).is_ok());
        assert!(Domain::parse(&label(64)).is_err());
        let name = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
        assert!(Domain::parse(&name(62)).is_ok());
        assert_eq!(Domain::parse(&name(63)).unwrap().as_str().len(), 255);
        assert!(Domain::parse(&format!("{}.b", name(62))).is_err());
    }

    #[test]
    fn local_part_bounds() {
        let with = |bytes: usize| format!("{}@a.de", "x".repeat(bytes));
        assert!(Address::parse(&with(LOCAL_PART_BYTES_MAX - 1)).is_ok());
        assert!(Address::parse(&with(LOCAL_PART_BYTES_MAX)).is_ok());
        assert!(Address::parse(&with(LOCAL_PART_BYTES_MAX + 1)).is_err());
        let quoted = |bytes: usize| format!("\"{}\"@a.de", "\\ ".repeat(bytes));
        assert!(Address::parse(&quoted(LOCAL_PART_BYTES_MAX)).is_ok());
        assert!(Address::parse(&quoted(LOCAL_PART_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn quotes_stand_where_they_must() {
        assert_eq!(written("\"plain\"@a.de"), "plain@a.de");
        assert_eq!(written("\"two words\"@a.de"), "\"two words\"@a.de");
        assert_eq!(written("\"a\\\"b\\\\c@d\"@A.de"), "\"a\\\"b\\\\c@d\"@a.de");
        assert_eq!(
            written("a..b.@a.de"),
            "\"a..b.\"@a.de",
            "as some providers gave out"
        );
        assert_eq!(written("jörg@müller.de"), "jörg@xn--mller-kva.de");
        assert!(!Address::parse("jörg@a.de").unwrap().is_ascii());
    }

    #[test]
    fn addresses_that_cannot_be() {
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@a.de",
            "a b@a.de",
            "a@b@c.de",
            "<a@b.de>",
            "a@b.de>",
            "\"a@b.de",
            "\"a\"b@c.de",
            "\"\"@a.de",
            "\"a\r\nb\"@a.de",
            "\"a\\\r\"@a.de",
            "a\u{0}@b.de",
            "a\u{85}@b.de",
            "a(c)@b.de",
            "\"a\\",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_to_the_same(local in "[ -~äöü]{1,40}", name in "[a-z0-9ü]{1,20}\\.(de|рф)") {
            let Ok(domain) = Domain::parse(&name) else { return Ok(()) };
            let address = Address::new(&local, domain).unwrap();
            prop_assert_eq!(&Address::parse(&address.to_string()).unwrap(), &address);
        }

        #[test]
        fn any_text_is_taken_whole_or_refused(text in "\\PC{0,80}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
            }
        }
    }
}
