//! What is decided here beside the validator: denials over the heads of zones, SHA-1, wildcards.

use super::*;
use hickory_resolver::proto::dnssec::rdata::SigInput;
use hickory_resolver::proto::dnssec::{Algorithm, Nsec3HashAlgorithm};
use hickory_resolver::proto::rr::SerialNumber;
use hickory_resolver::proto::rr::rdata::TXT;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn signature_of(owner: &str, signer: &str, labels: u8, proof: Proof) -> Record {
    let signature = RRSIG::from_sig(
        SigInput {
            type_covered: RecordType::TXT,
            algorithm: Algorithm::ED25519,
            num_labels: labels,
            original_ttl: 1,
            sig_expiration: SerialNumber::new(2),
            sig_inception: SerialNumber::new(1),
            key_tag: 1,
            signer_name: name(signer),
        },
        Vec::new(),
    );
    let data = RData::DNSSEC(DNSSECRData::RRSIG(signature));
    let mut record = Record::from_rdata(name(owner), 1, data);
    record.proof = proof;
    record
}

fn denial(owner: &str, iterations: u16, opt_out: bool, proof: Proof) -> Record {
    let hashed = Nsec3HashAlgorithm::SHA1;
    let nsec3 = NSEC3::new(hashed, opt_out, iterations, Vec::new(), vec![1; 20], []);
    let data = RData::DNSSEC(DNSSECRData::NSEC3(nsec3));
    let mut record = Record::from_rdata(name(owner), 1, data);
    record.proof = proof;
    record
}

#[test]
fn what_an_ancestor_denies_leaps_over_the_zones_between() {
    let names = |zone, of| between(&name(zone), &name(of));
    assert_eq!(names("com.", "s.com."), []);
    assert_eq!(names("com.", "x.s.com."), [name("s.com.")]);
    assert_eq!(names(".", "x.s.com."), [name("s.com."), name("com.")]);
    assert_eq!(names("org.", "x.s.com."), []);
    let mut message = Message::query().into_response();
    let hash = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.com.";
    message.authorities = vec![denial(hash, 100, false, Proof::Secure)];
    let leapt = |of| leapt_by(&message, &Query::query(name(of), RecordType::TXT));
    assert_eq!(leapt("s.com."), [name("s.com.")]);
    assert_eq!(leapt("x.s.com."), [name("s.com."), name("x.s.com.")]);
    assert_eq!(leapt("com."), [], "its own");
}

#[test]
fn keys_beside_the_chain_do_not_weaken_it() {
    let mut message = Message::query().into_response();
    message.add_query(Query::query(name("a.s.com."), RecordType::TXT));
    message.answers = vec![
        signature_of("a.s.com.", "s.com.", 3, Proof::Secure),
        signature_of("a.s.com.", "a.s.com.", 3, Proof::Indeterminate),
    ];
    assert!(is_weak(&message, &[name("s.com.")]));
    assert!(is_weak(&message, &[name("com.")]));
    assert!(is_weak(&message, &[name("a.s.com.")]), "the answer itself");
    message.queries = vec![Query::query(name("b.s.com."), RecordType::TXT)];
    assert!(!is_weak(&message, &[name("a.s.com.")]));
}

#[test]
fn a_wildcard_answers_only_with_the_denial_of_its_own_branch() {
    let query = Query::query(name("a.b.s.com."), RecordType::TXT);
    let mut message = Message::query().into_response();
    let text = RData::TXT(TXT::new(vec!["x".into()]));
    let mut record = Record::from_rdata(query.name.clone(), 1, text);
    record.proof = Proof::Secure;
    let used = signature_of("a.b.s.com.", "s.com.", 2, Proof::Secure);
    message.answers = vec![record, used];
    let hash = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.s.com.";
    message.authorities = vec![denial(hash, 0, false, Proof::Secure)];
    assert_eq!(judge(&message, &query), Some(Security::Secure));
    // The library takes the branch from the first, which it did not check.
    let steering = signature_of("a.b.s.com.", "s.com.", 3, Proof::Indeterminate);
    message.answers.insert(1, steering);
    assert_eq!(judge(&message, &query), None);
}

#[test]
fn unsigned_denials_are_not_hashed() {
    let query = Query::query(name("s.com."), RecordType::TXT);
    let hash = Nsec3HashAlgorithm::SHA1.hash(&[], &query.name, 1).unwrap();
    let label = String::from_utf8(base32hex(hash.as_ref())).unwrap();
    let mut message = Message::query().into_response();
    let other = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.com.";
    let opted_out = denial(other, 1, true, Proof::Secure);
    let matching = |proof| denial(&format!("{label}.com."), 1, false, proof);
    message.authorities = vec![opted_out.clone(), matching(Proof::Secure)];
    assert_eq!(judge(&message, &query), Some(Security::Secure));
    message.authorities = vec![opted_out, matching(Proof::Insecure)];
    assert_eq!(judge(&message, &query), Some(Security::Insecure));
}

#[test]
fn base32hex_of_rfc_4648() {
    for (octets, text) in [
        ("", ""),
        ("f", "co"),
        ("fo", "cpng"),
        ("foo", "cpnmu"),
        ("foobar", "cpnmuoj1e8"),
    ] {
        assert_eq!(base32hex(octets.as_bytes()), text.as_bytes());
    }
}
