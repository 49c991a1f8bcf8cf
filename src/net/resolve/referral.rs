//! What a server's message means for the way down, how much of a name it is shown, and where it may stand. Pure.

use super::tidy;
use crate::limits::DNS_MINIMISED_MAX;
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use std::net::IpAddr;

/// How a message of a server is to be taken.
pub enum Said {
    /// Records, or that there are none.
    Answer,
    /// Ask the servers of this zone.
    Referral(Name),
    /// It knows nothing of the zone.
    Lame,
}

/// What a server means (RFC 1034 section 5.3.3 step 4).
pub fn said(message: &Message, query: &Query, zone: &Name, target: &Name) -> Said {
    let code = message.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Said::Lame;
    }
    let answers = |r: &Record| {
        let kind = r.record_type();
        (r.name == query.name && (kind == query.query_type || kind == RecordType::CNAME))
            || tidy::is_dname_above(r, query)
    };
    if message.answers.iter().any(answers) {
        return Said::Answer;
    }
    // Deeper than the zone, and not past what was asked: nothing else can be a referral.
    let referral = message.authorities.iter().find(|r| {
        r.record_type() == RecordType::NS
            && r.name != *zone
            && zone.zone_of(&r.name)
            && r.name.zone_of(target)
    });
    let soa = message.authorities.iter().any(|r| {
        r.record_type() == RecordType::SOA && zone.zone_of(&r.name) && r.name.zone_of(&query.name)
    });
    match referral {
        Some(ns) if !soa && code == ResponseCode::NoError => Said::Referral(ns.name.clone()),
        _ if soa || message.metadata.authoritative => Said::Answer,
        _ => Said::Lame,
    }
}

/// RFC 9156 section 2.3: the first few labels one by one, long names in growing pieces.
pub fn labels_at_once(left: usize, minimised: usize) -> usize {
    match minimised {
        0..4 => 1,
        _ => left.div_ceil(DNS_MINIMISED_MAX.saturating_sub(minimised).max(1)),
    }
}

/// `_dmarc` and the like are hardly ever zones: the name is shown whole (RFC 9156 section 2.3).
pub fn begins_with_underscore(name: &Name) -> bool {
    name.iter()
        .next()
        .is_some_and(|label| label.first() == Some(&b'_'))
}

/// Whether a server may stand there: nobody's delegation leads us into a network of ours.
pub fn is_public(ip: &IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let special = (a, b, c) == (192, 0, 0) || (a == 198 && (18..20).contains(&b));
            !(a == 0
                || a >= 240
                || shared
                || special
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation())
        }
        // 2000::/3 is what has been given out, without documentation (2001:db8::/32).
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0xdb8)
        }
    }
}
