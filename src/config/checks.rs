//! `[checks]` and `[[trusted_relay]]`: what the checks of mail from elsewhere may do beyond their defaults, and who
//! stands between this box and the world.

use super::read::{Reader, Section, Value};
use crate::limits::{STRICT_DOMAINS_MAX, TRUSTED_NETWORKS_MAX, TRUSTED_RELAYS_MAX};
use crate::wire::address::Domain;
use crate::wire::network::Network;
use std::net::IpAddr;

/// Both sections.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checks {
    /// Authors' domains, with what is below them, whose `p=reject` refuses mail that fails it, lists or not.
    pub strict_domains: Vec<Domain>,
    /// Servers of ours that pass mail, or connections, of others on.
    pub trusted_relays: Vec<TrustedRelay>,
}

/// One `[[trusted_relay]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedRelay {
    /// Where it connects from.
    pub networks: Vec<Network>,
    /// How it tells who stands behind it.
    pub trust: Trust,
}

/// How a trusted relay tells who stands behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// By the Received field that it writes: a mail server.
    Received,
    /// By a PROXY header in front of every connection: it passes octets on.
    Proxy,
}

impl Checks {
    /// Whether an author's domain (lower case A-labels) is one of `strict_domains`, or below one.
    pub fn is_strict(&self, author: &str) -> bool {
        self.strict_domains.iter().any(|domain| {
            author
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// How an address is trusted, if it is.
    pub fn relay(&self, address: IpAddr) -> Option<Trust> {
        let mut relays = self.trusted_relays.iter();
        relays
            .find(|relay| relay.networks.iter().any(|network| network.holds(address)))
            .map(|relay| relay.trust)
    }
}

impl<'t> Reader<'t> {
    pub(super) fn checks(&mut self, top: &mut Section<'t>) -> Checks {
        let mut section = self.section(top, "checks");
        let strict_domains = match section.take("strict_domains") {
            Some(value) => self.strict_domains(value),
            None => Vec::new(),
        };
        self.leftovers(&section);
        Checks {
            strict_domains,
            trusted_relays: self.trusted_relays(top),
        }
    }

    fn strict_domains(&mut self, value: Value<'t>) -> Vec<Domain> {
        let is = format!(
            "`strict_domains` is a list of at most {STRICT_DOMAINS_MAX} domains like [\"example.org\"]"
        );
        let list = value.get_ref().as_array();
        let Some(list) = list.filter(|list| list.len() <= STRICT_DOMAINS_MAX) else {
            self.mistake(Some(value.span()), is);
            return Vec::new();
        };
        let mut domains = Vec::new();
        for item in list.iter() {
            let domain = item.get_ref().as_str().map(Domain::parse);
            match domain.and_then(Result::ok) {
                Some(domain) if domain.literal().is_none() => domains.push(domain),
                _ => self.mistake(Some(item.span()), format!("this is no domain; {is}")),
            }
        }
        domains
    }

    fn trusted_relays(&mut self, top: &mut Section<'t>) -> Vec<TrustedRelay> {
        let Some(value) = top.take("trusted_relay") else {
            return Vec::new();
        };
        let list = value.get_ref().as_array();
        let Some(list) = list.filter(|list| list.len() <= TRUSTED_RELAYS_MAX) else {
            let text = format!(
                "write [[trusted_relay]] in double brackets: there may be several, {TRUSTED_RELAYS_MAX} at most"
            );
            self.mistake(Some(value.span()), text);
            return Vec::new();
        };
        let mut relays = Vec::new();
        for item in list.iter() {
            let mut section = Section::of("[trusted_relay]", item.get_ref().as_table());
            let networks = section.take("networks").map(|value| self.networks(value));
            let trust = match section.take("proxy_protocol") {
                None => Trust::Received,
                Some(value) => match value.get_ref().as_bool() {
                    Some(true) => Trust::Proxy,
                    Some(false) => Trust::Received,
                    None => {
                        let text = "`proxy_protocol` is true or false".into();
                        self.mistake(Some(value.span()), text);
                        Trust::Received
                    }
                },
            };
            self.leftovers(&section);
            match networks {
                Some(networks) => relays.push(TrustedRelay { networks, trust }),
                None => self.mistake(
                    Some(item.span()),
                    "a [[trusted_relay]] needs `networks`, like [\"192.0.2.7\"]: where it connects from".into(),
                ),
            }
        }
        relays
    }

    fn networks(&mut self, value: Value<'t>) -> Vec<Network> {
        let is = format!(
            "`networks` is a list of 1 to {TRUSTED_NETWORKS_MAX} addresses and networks like [\"192.0.2.7\", \"2001:db8::/64\"]"
        );
        let list = value.get_ref().as_array();
        let fits = |length: usize| (1..=TRUSTED_NETWORKS_MAX).contains(&length);
        let Some(list) = list.filter(|list| fits(list.len())) else {
            self.mistake(Some(value.span()), is);
            return Vec::new();
        };
        let mut networks = Vec::new();
        for item in list.iter() {
            let parsed = match item.get_ref().as_str() {
                Some(text) => text.parse::<Network>().map_err(|error| error.0),
                None => Err(format!("this is {}", item.get_ref().type_str())),
            };
            match parsed {
                // Whoever trusts everybody believes every forged Received field.
                Ok(network) if network.prefix == 0 => {
                    let text = "this is everybody; name the relay's own addresses".into();
                    self.mistake(Some(item.span()), text);
                }
                Ok(network) => networks.push(network),
                Err(why) => self.mistake(Some(item.span()), format!("{why}; {is}")),
            }
        }
        networks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mistake};
    use std::path::Path;

    fn parse(text: &str) -> Result<Checks, Vec<Mistake>> {
        let text = format!("hostname = \"mail.example.org\"\n{text}");
        Config::parse(&text, Path::new("")).map(|config| config.checks)
    }

    #[test]
    fn strict_domains_hold_what_is_below_them() {
        let checks =
            parse("[checks]\nstrict_domains = [\"Bücher.test\", \"bank.test\"]\n").unwrap();
        for (author, strict) in [
            ("bank.test", true),
            ("mail.bank.test", true),
            ("notbank.test", false),
            ("test", false),
            ("xn--bcher-kva.test", true),
        ] {
            assert_eq!(checks.is_strict(author), strict, "{author}");
        }
    }

    #[test]
    fn relays_are_trusted_in_their_way() {
        let checks = parse(
            "[[trusted_relay]]\nnetworks = [\"192.0.2.7\", \"2001:db8::/64\"]\n\
             [[trusted_relay]]\nnetworks = [\"192.0.2.8\"]\nproxy_protocol = true\n",
        )
        .unwrap();
        let trust = |address: &str| checks.relay(address.parse().unwrap());
        assert_eq!(trust("192.0.2.7"), Some(Trust::Received));
        assert_eq!(trust("2001:db8::1"), Some(Trust::Received));
        assert_eq!(trust("::ffff:192.0.2.8"), Some(Trust::Proxy));
        assert_eq!(trust("192.0.2.9"), None);
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, line, why) in [
            ("[checks]\nstrict_domains = [\"a b\"]", 3, "no domain"),
            ("[checks]\nstrict_domains = \"a.test\"", 3, "is a list"),
            (
                "[checks]\nstrict_domain = []",
                3,
                "did you mean `strict_domains`?",
            ),
            ("[trusted_relay]\nnetworks = []", 2, "double brackets"),
            (
                "[[trusted_relay]]\nproxy_protocol = true",
                2,
                "needs `networks`",
            ),
            (
                "[[trusted_relay]]\nnetworks = [\"a\"]",
                3,
                "is a list of 1 to",
            ),
            (
                "[[trusted_relay]]\nnetworks = [\"0.0.0.0/0\"]",
                3,
                "everybody",
            ),
            ("[[trusted_relay]]\nnetworks = []", 3, "is a list of 1 to"),
            (
                "[[trusted_relay]]\nnetworks = [\"192.0.2.7\"]\nproxy_protocol = 2",
                4,
                "true or false",
            ),
            (
                "[[trusted_relay]]\nnetworks = [\"192.0.2.7\"]\nproxy_protocl = true",
                4,
                "did you mean",
            ),
        ] {
            let mistakes = parse(text).unwrap_err();
            let found = &mistakes[0];
            assert_eq!(found.line, Some(line), "{mistakes:?}");
            assert!(found.text.contains(why), "{mistakes:?}");
        }
    }

    #[test]
    fn lists_are_bounded() {
        for (n, fits) in [
            (TRUSTED_NETWORKS_MAX - 1, true),
            (TRUSTED_NETWORKS_MAX, true),
            (TRUSTED_NETWORKS_MAX + 1, false),
        ] {
            let list = vec!["\"192.0.2.7\""; n].join(",");
            let text = format!("[[trusted_relay]]\nnetworks = [{list}]\n");
            assert_eq!(parse(&text).is_ok(), fits, "{n}");
        }
        for (n, fits) in [
            (TRUSTED_RELAYS_MAX - 1, true),
            (TRUSTED_RELAYS_MAX, true),
            (TRUSTED_RELAYS_MAX + 1, false),
        ] {
            let text = "[[trusted_relay]]\nnetworks = [\"192.0.2.7\"]\n".repeat(n);
            assert_eq!(parse(&text).is_ok(), fits, "{n}");
        }
        for (n, fits) in [
            (STRICT_DOMAINS_MAX - 1, true),
            (STRICT_DOMAINS_MAX, true),
            (STRICT_DOMAINS_MAX + 1, false),
        ] {
            let list = vec!["\"a.test\""; n].join(",");
            let text = format!("[checks]\nstrict_domains = [{list}]\n");
            assert_eq!(parse(&text).is_ok(), fits, "{n}");
        }
    }
}
