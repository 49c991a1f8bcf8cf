//! A checked message as values: records of the kind that was asked, an alias, or that there is nothing.

use crate::limits::{DNS_NEGATIVE_TTL_SECS_MAX, DNS_TTL_SECS_MAX, DNS_TTL_SECS_MIN};
use crate::wire::dns::{self, Kind};
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

/// What a message says. Times in seconds, within our bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// At least one record.
    Records(Vec<dns::Record>, u32),
    /// Another name has them.
    Alias(Name, u32),
    /// The name exists, without such records.
    NoData(u32),
    /// The name does not exist.
    NoSuchName(u32),
}

/// Reads it. Records whose names cannot be written as text are dropped.
pub fn read(message: &Message, query: &Query) -> Found {
    let of_name = message
        .answers
        .iter()
        .filter(|record| record.name == query.name);
    let wanted = of_name
        .clone()
        .filter(|record| record.record_type() == query.query_type);
    let mut secs = DNS_TTL_SECS_MAX;
    let mut records = Vec::new();
    for record in wanted {
        secs = secs.min(record.ttl);
        records.extend(value(&record.data));
    }
    let bounded = |secs: u32| secs.clamp(DNS_TTL_SECS_MIN, DNS_TTL_SECS_MAX);
    if !records.is_empty() {
        return Found::Records(records, bounded(secs));
    }
    let alias = of_name.into_iter().find_map(|record| match &record.data {
        RData::CNAME(target) => Some((target.0.to_lowercase(), record.ttl)),
        _ => None,
    });
    if let Some((target, secs)) = alias {
        return Found::Alias(target, bounded(secs));
    }
    let secs = negative_secs(message);
    match message.metadata.response_code {
        ResponseCode::NXDomain => Found::NoSuchName(secs),
        _ => Found::NoData(secs),
    }
}

/// RFC 2308 section 5: the lesser of the SOA's time and its last field. Without an SOA nearly none.
fn negative_secs(message: &Message) -> u32 {
    let soa = message
        .authorities
        .iter()
        .find_map(|record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        });
    soa.unwrap_or(0)
        .clamp(DNS_TTL_SECS_MIN, DNS_NEGATIVE_TTL_SECS_MAX)
}

fn value(data: &RData) -> Option<dns::Record> {
    Some(match data {
        RData::A(a) => dns::Record::A(a.0),
        RData::AAAA(aaaa) => dns::Record::Aaaa(aaaa.0),
        RData::MX(mx) => {
            let exchange = match mx.exchange.is_root() {
                true => None,
                false => Some(to_text(&mx.exchange)?),
            };
            dns::Record::Mx {
                preference: mx.preference,
                exchange,
            }
        }
        RData::TXT(txt) => dns::Record::Txt(txt.txt_data.concat().into()),
        RData::PTR(name) => dns::Record::Ptr(to_text(&name.0)?),
        RData::TLSA(tlsa) => dns::Record::Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.as_slice().into(),
        },
        RData::CNAME(name) => dns::Record::Name(to_text(&name.0)?),
        RData::NS(name) => dns::Record::Name(to_text(&name.0)?),
        // Names in it may have the case of our question.
        other => dns::Record::Text(other.to_string().to_ascii_lowercase().into()),
    })
}

/// A name as text; None for the root and for labels that text cannot hold.
pub fn to_text(name: &Name) -> Option<dns::Name> {
    let mut text = String::with_capacity(name.len());
    for label in name.iter() {
        let label = std::str::from_utf8(label)
            .ok()
            .filter(|label| !label.contains('.'))?;
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(label);
    }
    dns::Name::parse(&text)
}

/// A name as the library has it.
pub fn from_text(name: &dns::Name) -> Option<Name> {
    let mut found = Name::from_labels(name.labels().map(str::as_bytes)).ok()?;
    found.set_fqdn(true);
    Some(found)
}

/// A kind as the library has it.
pub fn kind(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Txt => RecordType::TXT,
        Kind::Ptr => RecordType::PTR,
        Kind::Tlsa => RecordType::TLSA,
        Kind::Cname => RecordType::CNAME,
        Kind::Ns => RecordType::NS,
        Kind::Soa => RecordType::SOA,
    }
}
