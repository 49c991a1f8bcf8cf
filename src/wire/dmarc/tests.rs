use super::*;
use proptest::prelude::*;

fn record(text: &str) -> Record {
    Record::parse(text.as_bytes()).expect(text)
}

#[test]
fn the_version_comes_first_and_is_exact() {
    for good in [
        "v=DMARC1",
        "v=DMARC1;",
        " v = DMARC1 ; p=none",
        "V=DMARC1;p=none",
    ] {
        assert!(Record::parse(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [
        "",
        "v",
        "v=DMARC1 p=none",
        "v=dmarc1; p=none",
        "v=DMARC2; p=none",
        "v=DMARC1x; p=none",
        "p=none; v=DMARC1",
        "; v=DMARC1",
        "v=spf1 -all",
        "\u{feff}v=DMARC1; p=none",
    ] {
        assert_eq!(Record::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn every_tag() {
    let all = record(
        "v=DMARC1; p=Reject; sp = quarantine; np=none; psd=N; t=Y; adkim=S; aspf=r; fo=1:d:s; \
         rua=mailto:a@example.com,https://r.example/x; ruf=mailto:b@example.com!10m; pct=7; rf=afrf; ri=86400",
    );
    let address = |text| Address::parse(text).unwrap();
    assert_eq!(
        all,
        Record {
            p: Some(Policy::Reject),
            sp: Some(Policy::Quarantine),
            np: Some(Policy::None),
            broken: false,
            psd: PublicSuffix::No,
            testing: true,
            adkim: Alignment::Strict,
            aspf: Alignment::Relaxed,
            rua: vec![address("a@example.com")],
            reportable: true,
            ruf: vec![address("b@example.com")],
            fo: FailureOptions {
                any: true,
                dkim: true,
                spf: true
            },
        }
    );
}

#[test]
fn policies_follow_each_other() {
    let three = |text: &str| {
        let record = record(text);
        [record.own(), record.subdomain(), record.missing_subdomain()].map(Policy::as_str)
    };
    let (none, quarantine, reject) = ("none", "quarantine", "reject");
    for (tags, expected) in [
        ("p=reject", [reject; 3]),
        ("p=reject; sp=none", [reject, none, none]),
        ("p=reject; np=none", [reject, reject, none]),
        (
            "p=none; sp=quarantine; np=reject",
            [none, quarantine, reject],
        ),
        ("sp=reject", [none; 3]),
        ("p=reject; sp=bounce", [none; 3]),
        ("p=reject; np=", [none; 3]),
        ("p=reject; p=none", [reject; 3]),
        ("p=reject; pct=0", [reject; 3]),
    ] {
        assert_eq!(three(&format!("v=DMARC1; {tags}")), expected, "{tags}");
    }
}

#[test]
fn a_broken_policy_needs_somebody_to_tell() {
    for (tags, applies) in [
        ("p=none", true),
        ("adkim=s", false),
        ("rua=mailto:a@example.com", true),
        ("p=block; rua=https://example.com/", true),
        ("p=block; rua=a@example.com", false),
        ("p=reject; sp=x; rua=", false),
        ("p=reject; sp=x; rua=mailto:a b@example.com", false),
        ("p=reject; sp=x; rua=<mailto:a@example.com>", false),
    ] {
        assert_eq!(
            record(&format!("v=DMARC1; {tags}")).applies(),
            applies,
            "{tags}"
        );
    }
}

#[test]
fn what_is_wrong_is_as_if_it_were_not_there() {
    let plain = record("v=DMARC1; p=reject");
    for junk in [
        ";;",
        "x=y; adkim=z; aspf=; t=yes; psd=maybe; fo=2",
        "unknown",
        "fo=0:x",
        "sp\u{e4}=reject",
        "rua=ftp//x",
    ] {
        assert_eq!(record(&format!("v=DMARC1; {junk}; p=reject")), plain);
    }
}

#[test]
fn mail_addresses_are_unescaped() {
    let addresses = |rua: &str| {
        record(&format!("v=DMARC1; p=none; rua={rua}"))
            .rua
            .iter()
            .map(Address::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        addresses("mailto:a%2Bb@EXAMPLE.com , MAILTO:c%2cd@e.example?subject=x"),
        ["a+b@example.com", "\"c,d\"@e.example"]
    );
    assert_eq!(addresses("mailto:a%0d%0a@b.example"), [""; 0]);
    assert_eq!(addresses("mailto:a@b.example,mailto:a@b.example").len(), 1);
    for (given, kept) in [
        (DMARC_URIS_MAX - 1, DMARC_URIS_MAX - 1),
        (DMARC_URIS_MAX, DMARC_URIS_MAX),
        (DMARC_URIS_MAX + 1, DMARC_URIS_MAX),
    ] {
        let list: Vec<String> = (0..given)
            .map(|n| format!("mailto:a{n}@b.example"))
            .collect();
        assert_eq!(addresses(&list.join(",")).len(), kept);
    }
}

#[test]
fn records_are_bounded() {
    let with = |bytes: usize| format!("v=DMARC1; p=none; x={}", "y".repeat(bytes - 20));
    for (bytes, fits) in [
        (DMARC_RECORD_BYTES_MAX - 1, true),
        (DMARC_RECORD_BYTES_MAX, true),
        (DMARC_RECORD_BYTES_MAX + 1, false),
    ] {
        let text = with(bytes);
        assert_eq!(text.len(), bytes);
        assert_eq!(Record::parse(text.as_bytes()).is_some(), fits);
    }
}

proptest! {
    #[test]
    fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Record::parse(&octets);
        let mut text = b"v=DMARC1;".to_vec();
        text.extend(octets);
        prop_assert!(Record::parse(&text).is_some());
    }
}
