use super::*;
use crate::net::tls::{Acceptor, Pem};
use crate::wire::dns::Record;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::TcpListener;

const WITHIN: Duration = Duration::from_secs(10);

/// What a server shows: its certificate under an authority of its own, which it sends along.
struct Shown {
    pem: Pem,
    authority: Vec<u8>,
    authority_pem: Vec<u8>,
    leaf: Vec<u8>,
}

fn shown(name: &str, not_after_year: i32) -> Shown {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_string()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(not_after_year, 1, 1);
    let leaf = params.signed_by(&key, &issuer).unwrap();
    Shown {
        pem: Pem {
            chain_name: "chain.pem".into(),
            chain: (leaf.pem() + &authority.pem()).into_bytes(),
            key_name: "key.pem".into(),
            key: key.serialize_pem().into_bytes().into(),
        },
        authority: authority.der().to_vec(),
        authority_pem: authority.pem().into_bytes(),
        leaf: leaf.der().to_vec(),
    }
}

/// A handshake with a server that shows this, as the client of `mx.b.de`.
async fn meet(pem: Pem, dialer: &Dialer, trust: &Trust) -> Result<&'static str, Refusal> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(&[pem]).unwrap();
    let server = async {
        let mut conn = Conn::new(listener.accept().await.unwrap().0).unwrap();
        let _ = conn.start_tls(&acceptor, WITHIN).await;
        let _ = conn.fill(WITHIN).await;
    };
    let client = async {
        let mut conn = dialer.connect(address, None, WITHIN).await.unwrap();
        let done = conn.start_tls_to(dialer, "mx.b.de", trust, WITHIN).await;
        let version = conn.tls().map(|tls| tls.version);
        conn.close().await;
        done.map(|()| version.unwrap()).map_err(|no| no.refusal)
    };
    tokio::join!(server, client).1
}

fn dane(usage: u8, selector: u8, certificate: &[u8], matching: u8) -> Trust {
    let part = match selector {
        0 => certificate,
        _ => crate::wire::certificate::public_key(certificate).unwrap(),
    };
    let data: Box<[u8]> = match matching {
        0 => part.into(),
        _ => ring::digest::digest(&ring::digest::SHA256, part)
            .as_ref()
            .into(),
    };
    let record = Record::Tlsa {
        usage,
        selector,
        matching,
        data,
    };
    Trust::Dane {
        records: vec![Tlsa::usable(&record).unwrap()],
        names: vec!["mx.b.de".into(), "b.de".into()],
    }
}

#[tokio::test]
async fn anyone_is_good_enough_where_nothing_is_asked() {
    let dialer = Dialer::new(&[]).unwrap();
    let met = meet(shown("other.test", 2001).pem, &dialer, &Trust::Anyone).await;
    assert_eq!(met, Ok("TLS1.3"));
}

#[tokio::test]
async fn names_are_proven_to_known_authorities() {
    let stranger = Dialer::new(&[]).unwrap();
    let good = shown("mx.b.de", 2100);
    let known = Dialer::new(&[("ca.pem".into(), good.authority_pem.clone())]).unwrap();
    assert_eq!(
        meet(shown("mx.b.de", 2100).pem, &stranger, &Trust::Name).await,
        Err(Refusal::NotTrusted)
    );
    assert_eq!(meet(good.pem, &known, &Trust::Name).await, Ok("TLS1.3"));
    for (name, year, refusal) in [
        ("mx.c.de", 2100, Refusal::HostMismatch),
        ("mx.b.de", 2001, Refusal::Expired),
    ] {
        let bad = shown(name, year);
        let dialer = Dialer::new(&[("ca.pem".into(), bad.authority_pem)]).unwrap();
        assert_eq!(meet(bad.pem, &dialer, &Trust::Name).await, Err(refusal));
    }
    assert!(
        Dialer::new(&[(
            "ca.pem".into(),
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec()
        )])
        .is_err()
    );
}

#[tokio::test]
async fn the_servers_own_certificate_by_dane() {
    let dialer = Dialer::new(&[]).unwrap();
    for (selector, matching) in [(1, 1), (0, 1), (0, 0), (1, 0)] {
        // Neither its name nor its dates count.
        let server = shown("other.test", 2001);
        let trust = dane(3, selector, &server.leaf, matching);
        assert_eq!(meet(server.pem, &dialer, &trust).await, Ok("TLS1.3"));
    }
    let other = dane(3, 1, &shown("mx.b.de", 2100).leaf, 1);
    let met = meet(shown("mx.b.de", 2100).pem, &dialer, &other).await;
    assert_eq!(met, Err(Refusal::Validation));
}

#[tokio::test]
async fn a_rollover_has_two_records() {
    let dialer = Dialer::new(&[]).unwrap();
    let (old, new) = (shown("mx.b.de", 2100), shown("mx.b.de", 2100));
    let Trust::Dane { mut records, names } = dane(3, 1, &old.leaf, 1) else {
        unreachable!()
    };
    let Trust::Dane { records: more, .. } = dane(3, 1, &new.leaf, 1) else {
        unreachable!()
    };
    records.extend(more);
    let trust = Trust::Dane { records, names };
    for server in [old, new] {
        assert_eq!(meet(server.pem, &dialer, &trust).await, Ok("TLS1.3"));
    }
}

#[tokio::test]
async fn trust_anchors_outside_the_roots_by_dane() {
    let dialer = Dialer::new(&[]).unwrap();
    for (selector, matching) in [(0, 1), (1, 1), (0, 0)] {
        // The server's name, or the domain that the mail is for.
        for name in ["mx.b.de", "b.de"] {
            let server = shown(name, 2100);
            let trust = dane(2, selector, &server.authority, matching);
            assert_eq!(meet(server.pem, &dialer, &trust).await, Ok("TLS1.3"));
        }
    }
    for (name, year, refusal) in [
        ("mx.c.de", 2100, Refusal::HostMismatch),
        ("mx.b.de", 2001, Refusal::Expired),
    ] {
        let server = shown(name, year);
        let trust = dane(2, 0, &server.authority, 1);
        assert_eq!(
            meet(server.pem, &dialer, &trust).await,
            Err(refusal),
            "{name}"
        );
    }
    let trust = dane(2, 0, &shown("mx.b.de", 2100).authority, 1);
    let met = meet(shown("mx.b.de", 2100).pem, &dialer, &trust).await;
    assert_eq!(met, Err(Refusal::Validation));
}

#[tokio::test]
async fn the_anchor_need_not_be_sent_where_the_record_holds_it() {
    let dialer = Dialer::new(&[]).unwrap();
    let mut server = shown("mx.b.de", 2100);
    let text = String::from_utf8(server.pem.chain).unwrap();
    let end = text.find("-----END CERTIFICATE-----").unwrap() + "-----END CERTIFICATE-----\n".len();
    server.pem.chain = text.as_bytes()[..end].to_vec();
    let trust = dane(2, 0, &server.authority, 0);
    assert_eq!(meet(server.pem, &dialer, &trust).await, Ok("TLS1.3"));
}

#[tokio::test]
async fn no_tls_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dialer = Dialer::new(&[]).unwrap();
    let server = async {
        let mut conn = Conn::new(listener.accept().await.unwrap().0).unwrap();
        let _ = conn.send(b"500 what?\r\n", WITHIN).await;
        conn.close().await;
    };
    let client = async {
        let mut conn = dialer.connect(address, None, WITHIN).await.unwrap();
        conn.start_tls_to(&dialer, "mx.b.de", &Trust::Anyone, WITHIN)
            .await
    };
    let no = tokio::join!(server, client).1.unwrap_err();
    assert!(
        matches!(no.refusal, Refusal::Validation | Refusal::Connection),
        "{no:?}"
    );
}
