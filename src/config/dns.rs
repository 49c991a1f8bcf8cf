//! The section `[dns]`: from whom answers come, and the files it names.

use super::read::{Reader, Section, Value};
use crate::limits::{
    DNS_CACHE_BYTES_CEILING, DNS_CACHE_BYTES_DEFAULT, DNS_CACHE_BYTES_MIN, DNS_FILE_BYTES_MAX,
    DNS_FORWARDERS_MAX, DNS_UNVALIDATED_MAX,
};
use crate::wire::dns::Name;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// From whom answers of the DNS come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dns {
    /// Asked instead of the root; empty: we recurse.
    pub forward: Vec<Forward>,
    /// Addresses of root servers; None: the built-in ones.
    pub root_hints: Option<PathBuf>,
    /// The root's keys; None: the built-in ones.
    pub trust_anchors: Option<PathBuf>,
    /// Authorities for the certificates of `tls://` servers, PEM; None: the system's.
    pub tls_roots: Option<PathBuf>,
    /// Servers are asked over IPv6 too.
    pub ipv6: bool,
    /// Servers with private and loopback addresses are asked.
    pub private_servers: bool,
    /// Octets of answers that are remembered.
    pub cache_bytes: u64,
    /// Names below which signatures are not looked at: time servers, without which the clock cannot be set.
    pub unvalidated: Vec<Name>,
}

/// One server of `forward`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forward {
    /// Where; 53 or 853 where no port is written.
    pub address: SocketAddr,
    /// The name in its certificate: DNS over TLS. None: plain.
    pub tls_name: Option<String>,
}

impl Default for Dns {
    fn default() -> Self {
        Dns {
            forward: Vec::new(),
            root_hints: None,
            trust_anchors: None,
            tls_roots: None,
            ipv6: true,
            private_servers: false,
            cache_bytes: DNS_CACHE_BYTES_DEFAULT,
            unvalidated: ["pool.ntp.org"]
                .into_iter()
                .filter_map(Name::parse)
                .collect(),
        }
    }
}

/// Reads one of the files that the section names. The error says what to do.
pub fn read_file(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let length = std::fs::metadata(file).map(|found| found.len());
    if length.is_ok_and(|length| length > DNS_FILE_BYTES_MAX) {
        return Err(format!(
            "{shown} is larger than {DNS_FILE_BYTES_MAX} octets: it is something else than what [dns] means"
        ));
    }
    std::fs::read_to_string(file).map_err(|error| {
        format!(
            "{shown} cannot be read: {error}; correct its path in [dns] or remove the line, what is built in is good"
        )
    })
}

impl<'t> Reader<'t> {
    pub(super) fn dns(&mut self, top: &mut Section<'t>) -> Dns {
        let mut dns = Dns::default();
        let mut section = self.section(top, "dns");
        if let Some(value) = section.take("forward") {
            dns.forward = self.forward(value);
        }
        for (key, to) in [
            ("root_hints", &mut dns.root_hints),
            ("trust_anchors", &mut dns.trust_anchors),
            ("tls_roots", &mut dns.tls_roots),
        ] {
            *to = section.take(key).and_then(|value| self.path(value, key));
        }
        for (key, to) in [
            ("ipv6", &mut dns.ipv6),
            ("private_servers", &mut dns.private_servers),
        ] {
            let Some(value) = section.take(key) else {
                continue;
            };
            match value.get_ref().as_bool() {
                Some(switch) => *to = switch,
                None => self.mistake(Some(value.span()), format!("`{key}` is true or false")),
            }
        }
        if let Some(value) = section.take("cache_bytes") {
            let range = DNS_CACHE_BYTES_MIN..=DNS_CACHE_BYTES_CEILING;
            if let Some(size) = self.size(value, "cache_bytes", range) {
                dns.cache_bytes = size;
            }
        }
        if let Some(value) = section.take("unvalidated") {
            dns.unvalidated = self.unvalidated(value);
        }
        self.leftovers(&section);
        dns
    }

    fn forward(&mut self, value: Value<'t>) -> Vec<Forward> {
        let wrong = "`forward` is a list of servers, like [\"192.0.2.1\", \"[2001:db8::1]:5353\", \"tls://192.0.2.1#dns.example.org\"], or [] to ask the root ourselves";
        let list = value.get_ref().as_array();
        let Some(list) = list.filter(|list| list.len() <= DNS_FORWARDERS_MAX) else {
            let most = format!("{wrong}; {DNS_FORWARDERS_MAX} are the most");
            self.mistake(Some(value.span()), most);
            return Vec::new();
        };
        let mut servers = Vec::new();
        for item in list.iter() {
            let shown = item.get_ref().as_str().unwrap_or("this");
            match forwarder(shown) {
                Ok(server) => servers.push(server),
                Err(why) => self.mistake(Some(item.span()), format!("{shown} {why}; {wrong}")),
            }
        }
        servers
    }

    fn unvalidated(&mut self, value: Value<'t>) -> Vec<Name> {
        let wrong = "`unvalidated` is a list of the names of time servers, like [\"pool.ntp.org\"]";
        let list = value.get_ref().as_array();
        let Some(list) = list.filter(|list| list.len() <= DNS_UNVALIDATED_MAX) else {
            self.mistake(
                Some(value.span()),
                format!("{wrong}; {DNS_UNVALIDATED_MAX} are the most"),
            );
            return Vec::new();
        };
        let mut names = Vec::new();
        for item in list.iter() {
            match item.get_ref().as_str().and_then(Name::parse) {
                Some(name) => names.push(name),
                None => self.mistake(Some(item.span()), format!("this is no name; {wrong}")),
            }
        }
        names
    }
}

/// `192.0.2.1`, `[2001:db8::1]:5353`, `tls://192.0.2.1#dns.example.org`.
fn forwarder(text: &str) -> Result<Forward, &'static str> {
    let address = |text: &str, port: u16| {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        text.parse::<SocketAddr>()
            .or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)))
            .ok()
            .filter(|address| address.port() != 0)
            .ok_or("is no address of a server (a name would have to be looked up first)")
    };
    let Some(rest) = text.strip_prefix("tls://") else {
        let address = address(text, 53)?;
        return Ok(Forward {
            address,
            tls_name: None,
        });
    };
    let (at, name) = rest
        .split_once('#')
        .ok_or("lacks the name in the server's certificate, behind a #")?;
    let good = Name::parse(name).is_some_and(|name| name.labels().count() > 1);
    if !good {
        return Err("has no full name behind the #");
    }
    Ok(Forward {
        address: address(at, 853)?,
        tls_name: Some(name.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mistake};

    fn parse(dns: &str) -> Result<Dns, Vec<Mistake>> {
        let text = format!("hostname = \"a.b.test\"\n[dns]\n{dns}\n");
        Config::parse(&text, Path::new("/etc/pillarbox")).map(|config| config.dns)
    }

    #[test]
    fn forwarders_are_addresses_with_a_name_for_tls() {
        let dns = parse(r#"forward = ["192.0.2.1", "[2001:db8::1]:5353", "2001:db8::2", "tls://192.0.2.9#dns.example.org", "tls://[2001:db8::1]:8853#a.b"]"#).unwrap();
        let shown: Vec<_> = dns
            .forward
            .iter()
            .map(|f| (f.address.to_string(), f.tls_name.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("192.0.2.1:53".into(), None),
                ("[2001:db8::1]:5353".into(), None),
                ("[2001:db8::2]:53".into(), None),
                ("192.0.2.9:853".into(), Some("dns.example.org")),
                ("[2001:db8::1]:8853".into(), Some("a.b")),
            ]
        );
        assert!(parse("forward = []").unwrap().forward.is_empty());
        for (wrong, why) in [
            ("\"dns.example.org\"", "no address"),
            ("\"tls://192.0.2.1\"", "lacks the name"),
            ("\"tls://192.0.2.1#x\"", "no full name"),
            ("\"192.0.2.1:0\"", "no address"),
            ("7", "no address"),
        ] {
            let mistakes = parse(&format!("forward = [{wrong}]")).unwrap_err();
            assert_eq!(mistakes.len(), 1);
            assert_eq!(mistakes[0].line, Some(3));
            assert!(mistakes[0].text.contains(why), "{mistakes:?}");
        }
        let many = format!(
            "forward = [{}]",
            "\"192.0.2.1\",".repeat(DNS_FORWARDERS_MAX + 1)
        );
        assert!(parse(&many).is_err());
    }

    #[test]
    fn the_other_keys() {
        let dns = parse(
            "root_hints = \"hints\"\ntrust_anchors = \"/k\"\nipv6 = false\nprivate_servers = true\ncache_bytes = \"64 KiB\"\nunvalidated = [\"Time.example.org.\"]",
        )
        .unwrap();
        assert_eq!(dns.root_hints, Some("/etc/pillarbox/hints".into()));
        assert_eq!(dns.trust_anchors, Some("/k".into()));
        assert!(!dns.ipv6 && dns.private_servers);
        assert_eq!(dns.cache_bytes, 64 << 10);
        assert_eq!(dns.unvalidated[0].as_str(), "time.example.org");
        for (wrong, why) in [
            ("ipv6 = 1", "true or false"),
            ("cache_bytes = 1", "`cache_bytes` is a size from 16 KiB"),
            ("unvalidated = [\"a b\"]", "no name"),
            ("forwards = []", "did you mean `forward`?"),
        ] {
            let mistakes = parse(wrong).unwrap_err();
            assert!(mistakes[0].text.contains(why), "{mistakes:?}");
        }
    }
}
