use super::*;
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// A self-signed pair for these names.
pub(crate) fn pem(names: &[&str]) -> Pem {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    Pem {
        chain_name: "chain.pem".into(),
        chain: made.cert.pem().into_bytes(),
        key_name: "key.pem".into(),
        key: made.signing_key.serialize_pem().into_bytes().into(),
    }
}

/// An acceptor for these names and what a client must trust.
pub(crate) fn acceptor(names: &[&str]) -> (Acceptor, RootCertStore) {
    let pem = pem(names);
    let mut roots = RootCertStore::empty();
    let leaf = CertificateDer::from_pem_slice(&pem.chain).unwrap();
    roots.add(leaf).unwrap();
    (Acceptor::new(&[pem]).unwrap(), roots)
}

pub(crate) fn client(roots: RootCertStore) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn by_sni(all: &[&[&str]]) -> (BySni, Vec<Vec<u8>>) {
    let certificates: Vec<Certificate> = all
        .iter()
        .map(|names| Certificate::parse(&pem(names)).unwrap())
        .collect();
    let leaves = certificates
        .iter()
        .map(|c| c.key.cert[0].to_vec())
        .collect();
    (BySni::new(certificates).unwrap(), leaves)
}

#[test]
fn the_name_chooses_the_certificate() {
    let (table, leaves) = by_sni(&[&["a.test"], &["*.b.test"], &["mail.b.test", "c.test"]]);
    let chosen = |name| table.choose(name).cert[0].to_vec();
    assert_eq!(chosen(None), leaves[0]);
    assert_eq!(chosen(Some("unknown.test")), leaves[0]);
    assert_eq!(chosen(Some("imap.B.test")), leaves[1]);
    assert_eq!(
        chosen(Some("Mail.b.test")),
        leaves[2],
        "exact before wildcard"
    );
    assert_eq!(chosen(Some("x.y.b.test")), leaves[0], "one label only");
    assert_eq!(chosen(Some("b.test")), leaves[0]);
}

#[test]
fn mistakes_are_said_in_plain_words() {
    let good = pem(&["a.test"]);
    let other = pem(&["a.test"]);
    let say = |pem: &Pem| Certificate::parse(pem).unwrap_err().0;
    let mixed = Pem {
        key: other.key.clone(),
        ..pem_copy(&good)
    };
    assert!(
        say(&mixed).contains("key.pem does not belong"),
        "{}",
        say(&mixed)
    );
    let empty = Pem {
        chain: b"hello".to_vec(),
        ..pem_copy(&good)
    };
    assert!(say(&empty).contains("chain.pem holds no certificate"));
    let swapped = Pem {
        key: good.chain.clone().into(),
        ..pem_copy(&good)
    };
    assert!(say(&swapped).contains("key.pem holds no private key"));
    assert!(Acceptor::new(&[]).is_err());
}

fn pem_copy(pem: &Pem) -> Pem {
    Pem {
        chain_name: pem.chain_name.clone(),
        chain: pem.chain.clone(),
        key_name: pem.key_name.clone(),
        key: pem.key.clone(),
    }
}

#[test]
fn a_reload_reaches_every_clone_and_a_failed_one_changes_nothing() {
    let (acceptor, _) = acceptor(&["a.test"]);
    let clone = acceptor.clone();
    let config = |a: &Acceptor| Arc::as_ptr(&a.config.read().unwrap()) as usize;
    let before = config(&clone);
    assert!(acceptor.reload(&[]).is_err());
    assert_eq!(config(&clone), before);
    acceptor.reload(&[pem(&["b.test"])]).unwrap();
    assert_ne!(config(&clone), before);
}

/// One exchange through the acceptor; how the client's handshake went.
async fn exchange(acceptor: &Acceptor, connector: &TlsConnector) -> rustls::HandshakeKind {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ours = async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.handshake(Meter::new(socket)).await.unwrap();
        // TLS 1.3 tickets travel with the first data.
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let theirs = async {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = "box.test".try_into().unwrap();
        let mut stream = connector.connect(name, socket).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        stream.get_ref().1.handshake_kind().unwrap()
    };
    tokio::join!(ours, theirs).1
}

#[tokio::test]
async fn sessions_are_resumed_by_tickets_and_survive_a_reload() {
    use rustls::HandshakeKind::{Full, FullWithHelloRetryRequest, Resumed};
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (acceptor, roots) = acceptor(&["box.test"]);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let first = exchange(&acceptor, &connector).await;
        assert!(
            matches!(first, Full | FullWithHelloRetryRequest),
            "{first:?}"
        );
        acceptor.reload(&[pem(&["other.test"])]).unwrap();
        let second = exchange(&acceptor, &connector).await;
        assert_eq!(second, Resumed, "{version:?}");
    }
}
