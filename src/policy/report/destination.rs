//! Who gets a report (RFC 9990 sections 3.5 and 4): the addresses of `rua`, and whether those outside of the domain's
//! organization want it.

use crate::limits::REPORT_DESTINATIONS_MAX;
use crate::policy::authentic::Dns;
use crate::wire::address::Address;
use crate::wire::dmarc::Record;
use crate::wire::dns::{Kind, Name, Outcome, Question, Record as Answered};

/// Somebody who may get a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Where.
    pub address: Address,
    /// What it takes, octets of the mail; RFC 7489 had it, RFC 9989 passes over it. None: anything.
    pub bytes_max: Option<u64>,
}

/// Whether they want it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Yes, sent there.
    By(Vec<Destination>),
    /// No; why.
    No(String),
    /// The DNS could not say; why.
    Unknown(String),
}

/// The addresses that a record names, as far as they can be written to.
pub fn destinations(record: &str) -> Vec<Destination> {
    let is_rua = |tag: &&str| {
        let name = tag.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("rua")
    };
    let rua = record.split(';').find(is_rua);
    let uris = rua
        .and_then(|tag| tag.split_once('='))
        .map_or("", |(_, uris)| uris);
    let mut found: Vec<Destination> = Vec::new();
    for uri in uris.split(',') {
        // The grammar is the record's own, URI by URI: only there is it known which limit belongs to which.
        let one = Record::parse(format!("v=DMARC1;p=none;rua={uri}").as_bytes());
        let Some(address) = one.and_then(|record| record.rua.into_iter().next()) else {
            continue;
        };
        if found.len() < REPORT_DESTINATIONS_MAX && !found.iter().any(|one| one.address == address)
        {
            found.push(Destination {
                address,
                bytes_max: uri.split_once('!').and_then(|(_, limit)| size(limit)),
            });
        }
    }
    found
}

/// `10m`, with the letters of RFC 7489 section 6.4.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_shl(shift)
}

/// Whether `to` wants reports about `domain`, whose author's organization is `organizational`.
pub async fn wanted<D: Dns>(
    dns: &D,
    domain: &str,
    organizational: &str,
    to: &Destination,
) -> Wanted {
    let host = to.address.domain().as_str();
    if to.address.domain().literal().is_some() {
        return Wanted::No(format!("{} has no domain that could be asked", to.address));
    }
    // A public suffix's record (`psd=y`) does not make those below it one organization.
    let same = match is_under(domain, organizational) {
        true => is_under(host, organizational),
        false => host == domain,
    };
    if same {
        return Wanted::By(vec![to.clone()]);
    }
    let Some(name) = Name::parse(&format!("{domain}._report._dmarc.{host}")) else {
        return Wanted::No(format!(
            "the name that would permit {} is too long",
            to.address
        ));
    };
    let answer = dns.ask(Question::new(name.clone(), Kind::Txt)).await;
    if let Outcome::Trouble(trouble) = &answer.outcome {
        return Wanted::Unknown(format!("{name}: {}", trouble.why));
    }
    let permits = answer.records().iter().filter_map(|record| match record {
        Answered::Txt(text) => {
            Record::parse(text).map(|record| (record, String::from_utf8_lossy(text).into_owned()))
        }
        _ => None,
    });
    let permits: Vec<(Record, String)> = permits.collect();
    match permits.iter().find(|(record, _)| record.reportable) {
        _ if permits.is_empty() => Wanted::No(format!(
            "{host} does not say that it wants reports about {domain} (no TXT record {name})"
        )),
        None => Wanted::By(vec![to.clone()]),
        Some((_, text)) => instead(host, domain, destinations(text)),
    }
}

/// The permitting record names others instead: of the same host, or nobody gets it (RFC 9990 section 4 step 9).
fn instead(host: &str, domain: &str, others: Vec<Destination>) -> Wanted {
    let same = |one: &Destination| one.address.domain().as_str() == host;
    match !others.is_empty() && others.iter().all(same) {
        true => Wanted::By(others),
        false => Wanted::No(format!(
            "{host} sends reports about {domain} on to another host, which is not permitted"
        )),
    }
}

fn is_under(domain: &str, ancestor: &str) -> bool {
    domain
        .strip_suffix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
