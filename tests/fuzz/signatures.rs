//! Properties of DKIM and ARC: fields, key records, canonical bodies, whole headers.

use super::chunked;
use pillarbox::limits::*;
use pillarbox::policy::authentic::canned::{Canned, ready};
use pillarbox::policy::authentic::{Outcome, arc, dkim};
use pillarbox::wire::address::Domain;
use pillarbox::wire::dkim::Canon;
use pillarbox::wire::dkim::body::{Body, Wanted};
use pillarbox::wire::dkim::key::{Key, Public};
use pillarbox::wire::dkim::seal::{Seal, instance, results_instance};
use pillarbox::wire::dkim::signature::{Claims, Kind, Signature};
use pillarbox::wire::dkim::tags::Tags;
use pillarbox::wire::dns::{Answer, Kind as RecordKind, Record};
use pillarbox::wire::header::{Fields, end_of_header};
use ring::digest::{SHA256, digest};

/// What a field or a key record says lies in its bounds; what is shown of it, well-formed or not, cannot break out.
pub fn dkim(data: &[u8]) {
    if let Ok(tags) = Tags::parse(data) {
        let first = tags.first().expect("a list holds something");
        let place = tags.place(first).expect("the first tag stands there");
        assert!(data[..place.start].ends_with(b"="));
        assert!(matches!(data.get(place.end), None | Some(b';')));
    }
    let claims = Claims::read(data);
    let shown = [
        &claims.domain,
        &claims.selector,
        &claims.algorithm,
        &claims.signature,
    ];
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.+/=".contains(c);
    assert!(shown.iter().all(|text| text.chars().all(harmless)));
    assert!(claims.identity.len() <= DKIM_IDENTITY_BYTES_MAX.max(DOMAIN_BYTES_MAX + 1));
    assert!(
        !claims
            .identity
            .chars()
            .any(|c| c.is_control() || c.is_whitespace())
    );
    for kind in [Kind::Dkim, Kind::Arc] {
        let Ok(signature) = Signature::parse(data, kind) else {
            continue;
        };
        let signer = &signature.signer;
        assert_eq!(claims.domain, signer.domain.as_str());
        assert_eq!(Domain::parse(&claims.domain).as_ref(), Ok(&signer.domain));
        assert!(
            signature
                .identity_domain
                .as_str()
                .ends_with(signer.domain.as_str())
        );
        assert!(signature.names.len() <= DKIM_SIGNED_NAMES_MAX);
        let name = |name: &&str| {
            name.bytes()
                .all(|b| b.is_ascii_graphic() && b != b':' && b != b';')
        };
        assert!(signature.names.iter().all(name));
        let place = signature.signature_place;
        assert!(
            !signature.signature.is_empty()
                && data[place].len() * 3 >= signature.signature.len() * 4
        );
        if let Some(name) = signer.key_name() {
            assert!(name.as_str().ends_with(signer.domain.as_str()));
        }
    }
    let in_bounds = |n: usize| (1..=ARC_SETS_MAX).contains(&n);
    assert!(instance(data).ok().is_none_or(in_bounds));
    assert!(results_instance(data).ok().is_none_or(in_bounds));
    if let Ok(seal) = Seal::parse(data) {
        assert_eq!(claims.domain, seal.signer.domain.as_str());
    }
    if let Ok(Key {
        public: Public::Rsa { der, bits },
        ..
    }) = Key::parse(data)
    {
        assert!(der.len() <= data.len() && (der.is_empty() || bits <= DKIM_KEY_BITS_MAX));
    }
}

/// However a body is cut, its hashes are those of its canonical form, made in the plainest way.
pub fn dkim_body(data: &[u8]) {
    let (chunk_bytes, data) = chunked(data);
    let (length, body) = chunked(data);
    for canon in [Canon::Simple, Canon::Relaxed] {
        let whole = canonical(body, canon);
        for length in [None, Some(length), Some(0)] {
            let wanted = Wanted {
                canon,
                length: length.map(|n| n as u64),
            };
            let mut passing = Body::default();
            passing.want(wanted);
            passing.want(Wanted {
                canon,
                length: Some(3),
            });
            body.chunks(chunk_bytes)
                .for_each(|piece| passing.update(piece));
            let covered = whole.get(..length.unwrap_or(whole.len()));
            let hash = covered.map(|octets| digest(&SHA256, octets));
            let found = passing.finish().of(wanted);
            assert_eq!(
                found.as_ref().map(|hash| &hash[..]),
                hash.as_ref().map(AsRef::as_ref),
                "{wanted:?}"
            );
        }
    }
}

/// RFC 6376 sections 3.4.3 and 3.4.4, line by line.
fn canonical(body: &[u8], canon: Canon) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut line = Vec::new();
    for &octet in body {
        line.push(octet);
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    if canon == Canon::Relaxed {
        for line in &mut lines {
            line.iter_mut()
                .filter(|octet| **octet == b'\t')
                .for_each(|octet| *octet = b' ');
            line.dedup_by(|a, b| *a == b' ' && *b == b' ');
            line.pop_if(|last| *last == b' ');
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    let mut octets: Vec<u8> = lines
        .into_iter()
        .flat_map(|line| [line, b"\r\n".to_vec()].concat())
        .collect();
    if octets.is_empty() && canon == Canon::Simple {
        octets = b"\r\n".to_vec();
    }
    octets
}

/// Whatever a message holds: as many questions and results as their bounds allow, the same however its body is cut; and
/// no pass without its key's name.
pub fn signatures(data: &[u8]) {
    let (chunk_bytes, message) = chunked(data);
    let (header, rest) = message.split_at(end_of_header(message).unwrap_or(message.len()));
    let record = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let answer = Answer::insecure(vec![Record::Txt(record.as_bytes().into())]);
    let dns = Canned::default().with(
        "brisbane._domainkey.football.example.com",
        RecordKind::Txt,
        answer,
    );
    let check = |chunk_bytes: usize| {
        let mut body = Body::default();
        let signed = ready(dkim::at_header(&dns, header, None, &mut body));
        let chain = ready(arc::at_header(&dns, header, None, &mut body));
        rest.chunks(chunk_bytes)
            .for_each(|piece| body.update(piece));
        let hashes = body.finish();
        (
            signed.fields(),
            signed.finish(&hashes),
            chain.finish(&hashes),
        )
    };
    let whole = check(usize::MAX);
    assert!(dns.asked().len() <= DKIM_SIGNATURES_MAX + ARC_KEYS_MAX);
    let (fields, checked, chain) = &whole;
    assert_eq!(
        *fields,
        Fields::new(header)
            .filter(|field| field.is("DKIM-Signature"))
            .count()
    );
    assert_eq!(checked.len(), (*fields).min(DKIM_SIGNATURES_MAX));
    for one in checked {
        assert_ne!(one.outcome, Outcome::None);
        assert_eq!(one.outcome == Outcome::Pass, one.reason.is_empty());
        assert!(one.outcome != Outcome::Pass || one.domain == "football.example.com");
    }
    assert!(chain.sets <= ARC_SETS_MAX);
    assert_eq!(chain.outcome == Outcome::None, chain.sets == 0);
    assert_eq!(check(chunk_bytes), whole, "chunks make a difference");
}
