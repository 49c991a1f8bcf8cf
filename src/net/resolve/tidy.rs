//! What is kept of a message: the records that were asked for, their signatures, and what proves that there are none.
//!
//! Everything else is dropped before anybody looks at it: records of other names cannot poison a cache or lead the
//! validator astray, and what a message can take and cost has a bound (KeyTrap: keys and signatures are counted here).

use super::work::Stop;
use crate::limits::{DNS_ANSWER_RECORDS_MAX, DNS_DENIALS_MAX, DNS_KEYS_MAX, DNS_SIGNATURES_MAX};
use crate::wire::dns::TroubleKind;
use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Cuts an answer of servers of `zone` down. Aliases stay alone: the end of a chain is asked for by itself.
pub fn answer(mut message: Message, query: &Query, zone: &Name) -> Result<Message, Stop> {
    let inside = |record: &Record| record.dns_class == DNSClass::IN && zone.zone_of(&record.name);
    let dname = message.answers.iter().find(|r| is_dname_above(r, query));
    let dname = dname.map(|record| record.name.clone());
    message.answers.retain(|record| {
        let kind = covered(record);
        let (name, wanted) = match &dname {
            Some(owner) => (owner, kind == RecordType::DNAME),
            None => (
                &query.name,
                kind == query.query_type || kind == RecordType::CNAME,
            ),
        };
        inside(record) && wanted && record.name == *name
    });
    let positive = !message.answers.is_empty();
    // What stands beside an alias is about its target; beside records of a wildcard, about the name.
    let proof_wanted = !positive || from_wildcard(&message);
    if positive {
        message.metadata.response_code = ResponseCode::NoError;
    }
    message.authorities.retain(|record| {
        inside(record)
            && match covered(record) {
                // Of a zone that holds the name.
                RecordType::SOA => !positive && record.name.zone_of(&query.name),
                RecordType::NSEC | RecordType::NSEC3 => proof_wanted,
                _ => false,
            }
    });
    message.additionals.clear();
    bound(message)
}

/// What a referral to `child` says of its DS, as the answer to a question for it; None when it says nothing.
pub fn delegation(message: &Message, child: &Name) -> Option<Message> {
    let query = Query::query(child.clone(), RecordType::DS);
    let mut said = Message::query().into_response();
    said.metadata.authoritative = true;
    said.queries.push(query);
    for record in &message.authorities {
        match covered(record) {
            RecordType::DS if record.name == *child => said.answers.push(record.clone()),
            RecordType::NSEC | RecordType::NSEC3 => said.authorities.push(record.clone()),
            _ => {}
        }
    }
    let signed = |records: &[Record]| records.iter().any(|r| signature(r).is_some());
    match said.answers.is_empty() {
        false => said.authorities.clear(),
        true if !signed(&said.authorities) => return None,
        true => {}
    }
    if !said.answers.is_empty() && !signed(&said.answers) {
        return None;
    }
    bound(said).ok()
}

fn bound(mut message: Message) -> Result<Message, Stop> {
    for section in [&mut message.answers, &mut message.authorities] {
        let (mut signatures, mut denials) = (0, 0);
        section.retain(|record| {
            let (count, most) = match (signature(record), record.record_type()) {
                (Some(_), _) => (&mut signatures, DNS_SIGNATURES_MAX),
                (None, RecordType::NSEC | RecordType::NSEC3) => (&mut denials, DNS_DENIALS_MAX),
                _ => return true,
            };
            *count += 1;
            *count <= most
        });
        section.shrink_to_fit();
    }
    let count = |kind| {
        message
            .answers
            .iter()
            .filter(|r| r.record_type() == kind)
            .count()
    };
    for kind in [RecordType::DNSKEY, RecordType::DS] {
        if count(kind) > DNS_KEYS_MAX {
            let why = format!("a zone with more than {DNS_KEYS_MAX} {kind} records is not checked");
            return Err(Stop::new(TroubleKind::TooMuchWork, why));
        }
    }
    if message.answers.len() > DNS_ANSWER_RECORDS_MAX {
        let why = format!("there are more than {DNS_ANSWER_RECORDS_MAX} records");
        return Err(Stop::new(TroubleKind::TooMuchWork, why));
    }
    message.edns = None;
    message.signature = None;
    Ok(message)
}

/// Whether a signature says that the records it signs were made from a wildcard (RFC 4035 section 5.3.2).
pub fn from_wildcard(message: &Message) -> bool {
    message.answers.iter().any(|record| {
        signature(record)
            .is_some_and(|signature| signature.input().num_labels < record.name.num_labels())
    })
}

/// The kind of a record, or what a signature signs.
pub fn covered(record: &Record) -> RecordType {
    signature(record).map_or(record.record_type(), |signature| {
        signature.input().type_covered
    })
}

/// The signature that a record is.
pub fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

/// Whether it is a DNAME (RFC 6672) that leads the name that was asked elsewhere.
pub fn is_dname_above(record: &Record, query: &Query) -> bool {
    record.record_type() == RecordType::DNAME
        && record.name != query.name
        && record.name.zone_of(&query.name)
}
