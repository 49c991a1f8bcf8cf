use super::*;
use crate::limits::{DKIM_KEY_BITS_MAX, DKIM_KEY_BITS_MIN};

fn with_record(record: &str) -> (Outcome, String) {
    let dns = dns("s._domainkey.x.example", &[record]);
    only(check(&dns, &signed(TAGS, PLAIN)))
}

#[test]
fn a_key_and_what_it_is_for() {
    let data = key_data();
    let folded = format!("{}\r\n {}", &data[..9], &data[9..]);
    for good in [
        format!("k=ed25519; p={data}"),
        format!(" v = DKIM1 ; p = {folded} ; k = ed25519 ; "),
        format!("{};s=tlsrpt:email", key_record()),
        format!("{};s=*;h=sha1:sha256;t=s;n=any thing", key_record()),
        format!("{};g=*", key_record()),
    ] {
        assert_eq!(with_record(&good), passes(), "{good}");
    }
    let ours = key_record();
    for (wrong, reason) in [
        ("v=DKIM1; k=ed25519; p=".into(), "its key was revoked"),
        (format!("{ours}; s=tlsrpt"), "its key is not for mail (s=)"),
        (format!("{ours}; h=sha1"), "its key is not for SHA-256 (h=)"),
        (format!("{ours}; k=rsa"), "a tag stands there twice"),
        (
            format!("k=ed25519; p={data}; v=DKIM1"),
            "v= is not the key's first tag",
        ),
        (
            format!("v=DKIM2; k=ed25519; p={data}"),
            "what stands there is no key",
        ),
        ("v=spf1 -all".into(), "what stands there is no key"),
        ("v=DKIM1; k=ed25519".into(), "what stands there is no key"),
        (
            "v=DKIM1; k=ed25519; p=AAAA".into(),
            "the key is not 32 octets of Ed25519",
        ),
        ("v=DKIM1; k=ed25519; p=A".into(), "the key is not base64"),
        (format!("v=DKIM1; p={data}"), "the key is no RSA key"),
        (
            format!("v=DKIM1; k=other; p={data}"),
            "the key's kind is not known",
        ),
        (
            RFC_8463_RSA.into(),
            "its key is of another kind (k= and a=)",
        ),
    ] {
        let told = (Outcome::PermError, reason.to_string());
        assert_eq!(with_record(&wrong), told, "{wrong}");
    }
    assert_eq!(
        with_record(RFC_8463_ED25519).0,
        Outcome::Fail,
        "another's key"
    );
}

#[test]
fn a_key_without_subdomains() {
    let dns = dns(
        "s._domainkey.x.example",
        &[&format!("{}; t=y:s", key_record())],
    );
    let told = |tags: &str| check(&dns, &signed(tags, PLAIN)).remove(0);
    assert_eq!(
        told(&format!("{TAGS}; i=@X.example")).outcome,
        Outcome::Pass
    );
    let below = told(&format!("{TAGS}; i=@mail.x.example"));
    assert_eq!(below.reason, "its key is not for subdomains (t=s)");
    assert!(below.testing);
}

#[test]
fn several_records_at_one_name() {
    let ours = key_record();
    let with = |texts: &[&str]| {
        only(check(
            &dns("s._domainkey.x.example", texts),
            &signed(TAGS, PLAIN),
        ))
    };
    // Whatever the order of the answer.
    assert_eq!(with(&["v=spf1 -all", &ours, "any thing"]), passes());
    assert_eq!(with(&[RFC_8463_ED25519, &ours]), passes());
    assert_eq!(with(&[&ours, RFC_8463_ED25519]), passes());
    assert_eq!(with(&[&ours, "v=DKIM1; p="]), passes());
    let told = with(&[RFC_8463_RSA, RFC_8463_ED25519]).1;
    assert_eq!(told, "the signature is wrong");
    let told = with(&[RFC_8463_RSA, RFC_8463_ED25519, &ours]).1;
    assert_eq!(told, "there are too many keys");
}

#[test]
fn what_the_dns_does_not_tell() {
    let message = signed(TAGS, PLAIN);
    let told = only(check(&Canned::default(), &message));
    assert_eq!(told, (Outcome::PermError, "there is no key".into()));
    let silent = Answer::trouble(TroubleKind::Timeout, "no server answers");
    let dns = Canned::default().with("s._domainkey.x.example", RecordKind::Txt, silent);
    let told = only(check(&dns, &message));
    let reason = "its key is not known now: no server answers";
    assert_eq!(told, (Outcome::TempError, reason.into()));
    let long = "a".repeat(63);
    let tags = TAGS.replace("s=s", &format!("s={long}.{long}.{long}"));
    let tags = tags.replace("x.example", &format!("{long}.example"));
    let told = only(check(&dns, &signed(&tags, PLAIN)));
    assert_eq!(told.1, "the name of its key is too long");
}

#[test]
fn rsa_keys_of_all_sizes() {
    // A modulus of so many bits, in the smallest DER that ring would take.
    let record = |bits: usize| {
        let mut modulus = vec![0; bits.div_ceil(8)];
        modulus[0] = 1 << ((bits - 1) % 8);
        *modulus.last_mut().unwrap() |= 1;
        let long = |tag: u8, content: &[u8]| {
            let bytes = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82, bytes[0], bytes[1]], content].concat()
        };
        let positive = [&[0][..], &modulus].concat();
        let key = [long(2, &positive), vec![2, 3, 1, 0, 1]].concat();
        format!("v=DKIM1; p={}", base64(&long(0x30, &key)))
    };
    let tags = TAGS.replace("ed25519-sha256", "rsa-sha256");
    let told = |bits| {
        let dns = dns("s._domainkey.x.example", &[&record(bits)]);
        only(check(&dns, &signed(&tags, PLAIN)))
    };
    let short = (Outcome::Policy, "its key is too short to count".to_string());
    let long = (Outcome::Policy, "its key is too long to try".to_string());
    let tried = (Outcome::Fail, "the signature is wrong".to_string());
    assert_eq!(told(512), short);
    assert_eq!(told(DKIM_KEY_BITS_MIN - 1), short);
    assert_eq!(told(DKIM_KEY_BITS_MIN), tried);
    assert_eq!(told(DKIM_KEY_BITS_MAX), tried);
    assert_eq!(told(DKIM_KEY_BITS_MAX + 1), long);
    assert_eq!(told(16_384), long);
}
