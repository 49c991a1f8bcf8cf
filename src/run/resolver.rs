//! The resolver as configured, and the clock that it judges signatures by.

use crate::config::dns::{Dns, read_file};
use crate::limits::CLOCK_SANE_SECS;
use crate::net::resolve::{self, ClockIsSane, Forwarder, Resolver, Setup, Source};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes it; asks nobody yet. The error names the file and what to do.
pub fn open(dns: &Dns) -> Result<Resolver, String> {
    let setup = Setup {
        source: source(dns)?,
        cache_bytes: dns.cache_bytes as usize,
        clock_is_sane: clock_is_sane(),
        unvalidated: dns.unvalidated.clone(),
    };
    Resolver::with(setup).map_err(|why| format!("{why}; correct [dns] in the configuration"))
}

/// What an operator should know of the configuration, one line each.
pub fn warnings(dns: &Dns) -> Vec<&'static str> {
    let shared = "answers of the DNS come from the servers under `forward`: most blocklists (DNSBL) answer nothing, or wrongly, to large shared resolvers";
    (!dns.forward.is_empty())
        .then_some(shared)
        .into_iter()
        .collect()
}

fn source(dns: &Dns) -> Result<Source, String> {
    let text = |file: &Option<PathBuf>| file.as_deref().map_or(Ok(String::new()), read_file);
    let anchors = text(&dns.trust_anchors)?;
    if dns.forward.is_empty() {
        return Ok(Source::Recurse {
            roots: resolve::hints(&text(&dns.root_hints)?)?,
            anchors,
            ipv6: dns.ipv6,
            private_servers: dns.private_servers,
        });
    }
    let servers = dns.forward.iter().map(|server| Forwarder {
        address: server.address,
        tls_name: server.tls_name.clone(),
    });
    Ok(Source::Forward {
        servers: servers.collect(),
        anchors,
        authorities: text(&dns.tls_roots)?,
    })
}

/// A clock before the day of this program's making was never set.
fn clock_is_sane() -> ClockIsSane {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.is_ok_and(|since| since.as_secs() >= CLOCK_SANE_SECS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let dns = Dns {
            root_hints: Some("/nowhere/hints".into()),
            ..Dns::default()
        };
        let error = open(&dns).err().unwrap();
        assert!(
            error.contains("/nowhere/hints") && error.contains("[dns]"),
            "{error}"
        );
        assert!(open(&Dns::default()).is_ok());
    }
}
