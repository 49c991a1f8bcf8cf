//! A whole box in a temporary directory: store, lanes, accounts, TLS. What transcripts over a socket talk to.
//!
//! anna@box.test and bert@box.test (password `secret`), cleo@box.test disabled, info@box.test for anna and bert,
//! reject@box.test takes no mail.

use pillarbox::config::Config;
use pillarbox::net::tls::{Acceptor, Pem};
use pillarbox::run::authentic::Names;
use pillarbox::run::lanes::{Lanes, now_millis};
use pillarbox::run::notify::Notify;
use pillarbox::run::random;
use pillarbox::run::server::Server;
use pillarbox::store::change::{Change, Outcome};
use pillarbox::store::disk::real::RealDisk;
use pillarbox::store::reader::RowRange;
use pillarbox::store::state::{Access, StateChange, StateDone};
use pillarbox::store::{AccountId, Options, QueueId};
use pillarbox::wire::address::{Address, Domain};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;

pub struct LiveBox {
    pub server: Arc<Server>,
    pub connector: TlsConnector,
    dir: PathBuf,
}

impl LiveBox {
    /// `name` tells boxes of one test run apart.
    pub async fn new(name: &str) -> LiveBox {
        LiveBox::with_names(name, Names::Own(Arc::default())).await
    }

    /// The same with a DNS of its own.
    pub async fn with_names(name: &str, names: Names) -> LiveBox {
        let dir = std::env::temp_dir().join(format!("pillarbox-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let (writer, shared) = pillarbox::store::open(Options {
            disk: Arc::new(RealDisk::new(dir.clone())),
            dir: dir.clone(),
            reserve_bytes: 0,
            now_millis: now_millis(),
            random: random::fill,
        })
        .unwrap();
        let lanes = Lanes::start(writer, shared, Notify::default()).unwrap();
        let (acceptor, connector) = tls();
        let mut config = Config::new(Domain::parse("box.test").unwrap());
        config.data = dir.clone();
        let server = Server::new(config, lanes, acceptor, names);
        let live = LiveBox {
            server,
            connector,
            dir,
        };
        live.people().await;
        live
    }

    async fn people(&self) {
        let phc = self
            .server
            .login
            .new_password(b"secret".to_vec().into())
            .await
            .unwrap();
        let name = |local: &str| Address::parse(&format!("{local}@box.test")).unwrap();
        self.change(StateChange::DomainAdd {
            name: Domain::parse("box.test").unwrap(),
            mirror: None,
        })
        .await;
        for local in ["anna", "bert", "cleo"] {
            let done = self
                .change(StateChange::AccountAdd {
                    name: name(local),
                    phc: phc.clone(),
                    quota_bytes: None,
                    created_secs: 0,
                })
                .await;
            if let StateDone::Account { account, .. } = done {
                let mailboxes = Change::AccountMailboxes { account };
                self.server.lanes.commit(mailboxes).await.unwrap();
            }
        }
        self.change(StateChange::AccountAccess {
            name: name("cleo"),
            access: Access::Disabled,
        })
        .await;
        self.change(StateChange::AliasAdd {
            alias: name("info"),
            targets: vec![name("anna"), name("bert")],
        })
        .await;
        self.change(StateChange::AliasReject {
            address: name("reject"),
        })
        .await;
    }

    async fn change(&self, change: StateChange) -> StateDone {
        let done = self
            .server
            .lanes
            .commit(Change::State(Box::new(change)))
            .await
            .unwrap();
        match done.outcome {
            Outcome::State(done) => done,
            other => panic!("{other:?}"),
        }
    }

    /// Anything that the configuration can say, for sessions from now on.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(&self.server.config());
        change(&mut config);
        self.server.reconfigure(config);
    }

    /// Messages in somebody's INBOX.
    pub async fn stored(&self, local: &str) -> usize {
        self.stored_in(local, "INBOX").await
    }

    /// Messages in one of somebody's mailboxes.
    pub async fn stored_in(&self, local: &str, mailbox: &'static str) -> usize {
        let account = self.account(local).await;
        let row = self
            .server
            .lanes
            .read(move |reader| reader.mailbox(account, mailbox).unwrap());
        row.await.map_or(0, |row| row.messages as usize)
    }

    /// Entries in the queue.
    pub async fn queued(&self) -> usize {
        let queue = self
            .server
            .lanes
            .read(|reader| reader.queue(QueueId(0), 10_000).unwrap());
        queue.await.len()
    }

    /// The last message in somebody's INBOX, as served.
    pub async fn last(&self, local: &str) -> String {
        self.last_in(local, "INBOX").await
    }

    /// The last message in one of somebody's mailboxes, as served.
    pub async fn last_in(&self, local: &str, mailbox: &'static str) -> String {
        let account = self.account(local).await;
        let row = self
            .server
            .lanes
            .read(move |reader| reader.mailbox(account, mailbox).unwrap().unwrap());
        let uid = row.await.uid_next - 1;
        String::from_utf8(self.message_in(local, mailbox, uid).await).unwrap()
    }

    /// A message in one of somebody's mailboxes, as served; nothing where there is none.
    pub async fn message_in(&self, local: &str, mailbox: &'static str, uid: u32) -> Vec<u8> {
        let account = self.account(local).await;
        let message = self.server.lanes.read(move |reader| {
            let inbox = reader.mailbox(account, mailbox).unwrap().unwrap();
            let mut found = None;
            let range = RowRange {
                mailbox: inbox.id,
                from_uid: uid,
                to_uid: uid,
                rows_max: 1,
            };
            reader
                .rows(range, &mut |row| {
                    found = Some((row.content, row.prefix, row.served_bytes));
                    true
                })
                .unwrap();
            let Some((content, prefix, bytes)) = found else {
                return Vec::new();
            };
            let content = reader.content(content, prefix).unwrap();
            assert_eq!(content.served_bytes(), bytes);
            let mut octets = vec![0; bytes as usize];
            let mut at = 0;
            while at < octets.len() {
                at += content.read_at(at as u64, &mut octets[at..]).unwrap();
            }
            octets
        });
        message.await
    }

    async fn account(&self, local: &str) -> AccountId {
        let name = Address::parse(&format!("{local}@box.test")).unwrap();
        let account = self
            .server
            .lanes
            .read(move |reader| reader.state().account(&name).unwrap());
        account.await.unwrap().account
    }
}

impl Drop for LiveBox {
    fn drop(&mut self) {
        self.server.lanes.stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A self-signed certificate and a client that trusts it.
fn tls() -> (Acceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec!["box.test".into()]).unwrap();
    let pem = Pem {
        chain_name: "chain.pem".into(),
        chain: made.cert.pem().into_bytes(),
        key_name: "key.pem".into(),
        key: made.signing_key.serialize_pem().into_bytes().into(),
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        Acceptor::new(&[pem]).unwrap(),
        TlsConnector::from(Arc::new(client)),
    )
}
