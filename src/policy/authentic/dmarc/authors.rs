//! Whom From names, and what else a header shows that decides how a verdict is used.

use super::super::{Asked, Traits};
use crate::limits::DMARC_AUTHOR_DOMAINS_MAX;
use crate::wire::address::Domain;
use crate::wire::header::{FieldAddress, Fields, each_address};
use crate::wire::mime::decode::decode_words;
use std::net::IpAddr;

/// Whom From names.
#[derive(Clone, Default, Debug)]
pub struct Authors {
    /// Every domain once, of all From fields, in order; at most `DMARC_AUTHOR_DOMAINS_MAX`.
    pub domains: Vec<Domain>,
    /// There are more of them.
    pub more: bool,
    /// The one domain; None where there is no From, several fields, several domains or none that is one.
    pub only: Option<Domain>,
}

/// Reads a header block.
pub fn authors(header: &[u8], asked: &Asked<'_>) -> (Authors, Traits) {
    let mut authors = Authors::default();
    let mut traits = Traits::default();
    for field in Fields::new(header) {
        if field.is("From") {
            traits.from_fields += 1;
            let mut named = false;
            each_address(field.value, &mut |address| match address {
                FieldAddress::Full(address) => {
                    named = true;
                    authors.add(address.domain());
                }
                FieldAddress::Local { local, .. } => {
                    named = true;
                    traits.from_malformed |= shows_address(local.as_bytes());
                }
                // Words alone are half of a name with a comma in it.
                FieldAddress::Malformed { start, end } => {
                    let text = field.value.get(start..end).unwrap_or_default();
                    traits.from_malformed |= shows_address(text);
                }
            });
            traits.from_malformed |= !named;
        } else if field.is("Received") {
            traits.relayed |= !is_own(field.value, asked);
        } else if field.name.len() > 5
            && field
                .name
                .get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"List-"))
        {
            traits.list = true;
        }
    }
    traits.from_domains = authors.domains.len() + usize::from(authors.more);
    if let ([only], 1, false) = (&*authors.domains, traits.from_fields, traits.from_malformed) {
        authors.only = Some(only.clone());
    }
    (authors, traits)
}

/// Whether a reader might see a whole address in what is none.
fn shows_address(text: &[u8]) -> bool {
    decode_words(text).contains('@')
}

impl Authors {
    fn add(&mut self, domain: &Domain) {
        if self.domains.contains(domain) {
            return;
        }
        match self.domains.len() < DMARC_AUTHOR_DOMAINS_MAX {
            true => self.domains.push(domain.clone()),
            false => self.more = true,
        }
    }
}

/// Whether a Received field was written by the client about itself: no other host had the message. When in doubt it
/// was not: then the message is not refused.
fn is_own(value: &[u8], asked: &Asked<'_>) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let mut from: Option<&str> = None;
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut words = text
        .split(|c: char| c.is_ascii_whitespace() || matches!(c, '(' | ')' | ';'))
        .filter(|word| !word.is_empty());
    let by = loop {
        match words.next() {
            Some(word) if word.eq_ignore_ascii_case("by") => break words.next(),
            Some(word) if word.eq_ignore_ascii_case("from") && from.is_none() => {
                from = words.next();
                addresses.extend(from.and_then(address));
            }
            Some(word) => addresses.extend(address(word)),
            None => break None,
        }
    };
    let helo = |name: &str| {
        name.trim_end_matches('.')
            .eq_ignore_ascii_case(asked.helo.trim_end_matches('.'))
    };
    let itself = |address: &IpAddr| {
        address.to_canonical() == asked.client.to_canonical()
            || address.to_canonical().is_loopback()
    };
    let from_itself = match from {
        None => true,
        Some(_) if !addresses.is_empty() => addresses.iter().all(itself),
        Some(name) => name.eq_ignore_ascii_case("localhost") || helo(name),
    };
    from_itself && by.is_some_and(helo)
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, with or without brackets.
fn address(word: &str) -> Option<IpAddr> {
    let inner = word.trim_start_matches('[').trim_end_matches(']');
    let bare = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner.get(5..)?,
        _ => inner,
    };
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked<'static> {
        Asked {
            client: "192.0.2.1".parse().unwrap(),
            helo: "mail.example.org",
            sender: None,
            hostname: "box.test",
            now_seconds: None,
        }
    }

    fn seen(header: &str) -> (String, Traits) {
        let (authors, traits) = authors(header.as_bytes(), &asked());
        let domains: Vec<&str> = authors.domains.iter().map(Domain::as_str).collect();
        let more = if authors.more { "+" } else { "" };
        (domains.join(" ") + more, traits)
    }

    #[test]
    fn whom_from_names() {
        for (from, domains, malformed) in [
            ("From: a@B.example", "b.example", false),
            ("fRoM : A <a@b.example>", "b.example", false),
            ("From: a@b.example (c@d.example)", "b.example", false),
            (
                "From: (\"c\" <c@d.example>) a@b.example",
                "b.example",
                false,
            ),
            ("From: \"c@d.example\" <a@b.example>", "b.example", false),
            ("From: c@d.example <a@b.example>", "b.example", false),
            (
                "From: =?utf-8?q?=3Cc=40d.example=3E?= <a@b.example>",
                "b.example",
                false,
            ),
            ("From: =?utf-8?q?c=40d.example?=", "", true),
            (
                "From: us: a@b.example, c@d.example;",
                "b.example d.example",
                false,
            ),
            ("From: a@b.example, c@B.EXAMPLE", "b.example", false),
            (
                "From: a@b.example\r\nFrom: c@d.example",
                "b.example d.example",
                false,
            ),
            ("From: undisclosed-recipients:;", "", true),
            ("From:", "", true),
            ("From: <>", "", true),
            ("From: root", "", false),
            ("From: a@b.example\0@d.example", "", true),
            ("From: <a@b.example> <c@d.example>", "", true),
            ("From: <@x.example:a@b.example>", "b.example", false),
            (
                "From: a@b\u{fc}cher.example",
                "xn--bcher-kva.example",
                false,
            ),
            ("From: a@b.example.", "", true),
            ("From: a@[192.0.2.9]", "[192.0.2.9]", false),
            ("From:\r\n a@\r\n b.example", "b.example", false),
            ("X-From: a@b.example", "", false),
            ("From: a@1.e,a@2.e,a@3.e,a@4.e", "1.e 2.e 3.e 4.e", false),
            (
                "From: a@1.e,a@2.e,a@3.e,a@4.e,a@5.e",
                "1.e 2.e 3.e 4.e+",
                false,
            ),
        ] {
            let (found, traits) = seen(&format!("{from}\r\n\r\n"));
            assert_eq!(
                (&*found, traits.from_malformed),
                (domains, malformed),
                "{from}"
            );
        }
    }

    #[test]
    fn the_only_domain() {
        let only = |header: &str| authors(header.as_bytes(), &asked()).0.only.is_some();
        assert!(only("From: a@b.example, c@b.example\r\n\r\n"));
        assert!(!only("From: a@b.example\r\nFrom: a@b.example\r\n\r\n"));
        assert!(!only("From: a@b.example, c@d@e.example\r\n\r\n"));
        assert!(only("From: A, B C <a@b.example>\r\n\r\n"));
        assert!(!only("From: a@b.example, c@d.example\r\n\r\n"));
        assert!(!only("\r\n"));
    }

    #[test]
    fn other_hosts() {
        for (received, relayed) in [
            ("by mail.example.org with local", false),
            ("by MAIL.example.org. (Postfix, from userid 0)", false),
            (
                "from localhost (localhost [127.0.0.1]) by mail.example.org",
                false,
            ),
            ("from localhost by mail.example.org; now", false),
            (
                "from mail.example.org (x [192.0.2.1])\r\n\tby mail.example.org",
                false,
            ),
            ("from [IPv6:::1] by mail.example.org", false),
            ("from laptop ([10.0.0.9]) by mail.example.org", true),
            ("from laptop by mail.example.org", true),
            (
                "from mail.example.org ([198.51.100.7]) by mail.example.org",
                true,
            ),
            ("from localhost by other.example.org", true),
            ("by other.example.org", true),
            ("x", true),
            ("", true),
        ] {
            let (_, traits) = seen(&format!("Received: {received}\r\n\r\n"));
            assert_eq!(traits.relayed, relayed, "{received}");
        }
        assert!(!seen("X: 1\r\n\r\n").1.relayed);
    }

    #[test]
    fn lists() {
        assert!(seen("list-ID: x\r\n\r\n").1.list);
        assert!(!seen("Listen: x\r\nList-: x\r\nX: List-Id\r\n\r\n").1.list);
    }
}
