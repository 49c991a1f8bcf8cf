//! Conversations over a real control socket, on a real store.

mod mail;

use super::*;
use crate::limits::CONTROL_ROWS_MAX;
use crate::run::lanes::{Lanes, now_millis};
use crate::run::login::{Login, LoginRefused};
use crate::run::notify::Notify;
use crate::store::disk::real::RealDisk;
use crate::store::state::StateChange;
use crate::store::{self, AccountId, Change, Options};
use serde_json::{Value, json};
use std::os::unix::net::UnixListener as StdListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A box in a directory of its own, with a control socket.
struct Fixture {
    hands: Hands,
    data: PathBuf,
}

impl Fixture {
    fn new() -> Fixture {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("pillarbox-box-{}-{number}", std::process::id());
        let data = std::env::temp_dir().join(name);
        let hands = open(&data);
        Fixture { hands, data }
    }

    /// Listens until the test's runtime ends.
    fn listen(&self) {
        let (listener, _) = bind(&self.data).unwrap();
        let hands = self.hands.clone();
        tokio::spawn(async move { serve(listener, &hands, std::future::pending()).await });
    }

    async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(self.data.join(SOCKET)).await.unwrap())
    }

    async fn login(&self, user: &str, password: &str) -> Result<(), LoginRefused> {
        let peer = "192.0.2.1".parse().unwrap();
        let verified = self
            .hands
            .login
            .verify(peer, user, password.as_bytes(), Instant::now());
        verified.await.map(|_| ())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.hands.lanes.stop();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn open(data: &Path) -> Hands {
    let options = Options {
        dir: data.to_path_buf(),
        disk: Arc::new(RealDisk::new(data.to_path_buf())),
        reserve_bytes: 0,
        now_millis: now_millis(),
        random: |into| {
            use ring::rand::SecureRandom;
            ring::rand::SystemRandom::new().fill(into).unwrap();
        },
    };
    let (writer, shared) = store::open(options).unwrap();
    let lanes = Lanes::start(writer, shared, Notify::default()).unwrap();
    let login = Login::new(lanes.clone());
    Hands { lanes, login }
}

/// Sends one request as text; the rows and the line that ends the answer.
async fn say(stream: &mut BufReader<UnixStream>, text: &str) -> (Vec<Value>, Line) {
    let line = format!("{text}\n");
    stream.write_all(line.as_bytes()).await.unwrap();
    let mut rows = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}")) {
            Line::Row(row) => rows.push(row),
            end => return (rows, end),
        }
    }
}

fn error(answer: (Vec<Value>, Line)) -> String {
    match answer {
        (rows, Line::Error(why)) if rows.is_empty() => why,
        other => panic!("no error: {other:?}"),
    }
}

fn done(answer: (Vec<Value>, Line)) -> (Vec<Value>, End) {
    match answer {
        (rows, Line::Done(end)) => (rows, end),
        other => panic!("not done: {other:?}"),
    }
}

async fn ana(stream: &mut BufReader<UnixStream>) {
    done(say(stream, r#"{"verb":"domain-add","name":"a.test"}"#).await);
    let add = r#"{"verb":"account-add","name":"ana@a.test","password":"first"}"#;
    let (_, end) = done(say(stream, add).await);
    assert!(end.notes[0].contains("owner of this box"), "{end:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn an_account_is_made_logs_in_and_has_mailboxes() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    ana(&mut stream).await;
    assert!(fixture.login("ana@a.test", "first").await.is_ok());
    assert_eq!(
        fixture.login("ana@a.test", "wrong").await,
        Err(LoginRefused::Wrong)
    );
    let (rows, _) = done(say(&mut stream, r#"{"verb":"account-list","after":0}"#).await);
    let account = AccountId(rows[0]["id"].as_u64().unwrap());
    assert_eq!(rows[0]["account"], "ana@a.test");
    let mailboxes = fixture
        .hands
        .lanes
        .read(move |r| r.mailboxes(account))
        .await
        .unwrap();
    let names: Vec<_> = mailboxes.iter().map(|m| &*m.name).collect();
    assert_eq!(
        names,
        ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_new_password_and_disabling_end_live_sessions() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    ana(&mut stream).await;
    let peer = "192.0.2.1".parse().unwrap();
    let log_in = |password: &'static [u8]| {
        fixture
            .hands
            .login
            .verify(peer, "ana", password, Instant::now())
    };
    let mut session = log_in(b"first").await.unwrap();
    let change = r#"{"verb":"account-password","name":"ANA@a.test","password":"second"}"#;
    done(say(&mut stream, change).await);
    session.watch.revoked().await;
    assert_eq!(log_in(b"first").await.unwrap_err(), LoginRefused::Wrong);

    let mut session = log_in(b"second").await.unwrap();
    done(
        say(
            &mut stream,
            r#"{"verb":"account-disable","name":"ana@a.test"}"#,
        )
        .await,
    );
    session.watch.revoked().await;
    assert_eq!(log_in(b"second").await.unwrap_err(), LoginRefused::Disabled);
    done(
        say(
            &mut stream,
            r#"{"verb":"account-enable","name":"ana@a.test"}"#,
        )
        .await,
    );

    let mut session = log_in(b"second").await.unwrap();
    let remove = r#"{"verb":"account-remove","name":"ana@a.test","aliases":"refuse"}"#;
    let (_, end) = done(say(&mut stream, remove).await);
    assert!(end.count.is_some());
    session.watch.revoked().await;
    assert_eq!(log_in(b"second").await.unwrap_err(), LoginRefused::Wrong);
}

#[tokio::test(flavor = "current_thread")]
async fn mistakes_are_explained_and_the_connection_goes_on() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    for (request, words) in [
        ("nonsense", "one version"),
        (r#"{"verb":"reboot"}"#, "one version"),
        (r#"{"verb":"domain-add","name":"not a domain"}"#, "domain"),
        (
            r#"{"verb":"account-add","name":"ana@a.test","password":"p"}"#,
            "domain add a.test",
        ),
        (
            r#"{"verb":"account-add","name":"ana","password":"p"}"#,
            "no @",
        ),
        (r#"{"verb":"queue-show","id":7}"#, "no queue entry 7"),
        (
            r#"{"verb":"mail-expunged","account":"ana@a.test"}"#,
            "no account",
        ),
        (
            r#"{"verb":"mail-undelete","account":"ana@a.test","emails":["x"]}"#,
            "no account",
        ),
    ] {
        let why = error(say(&mut stream, request).await);
        assert!(why.contains(words), "{request}: {why}");
    }
    ana(&mut stream).await;
    for (request, words) in [
        (
            r#"{"verb":"alias-add","alias":"x@a.test","targets":["me@far.test"]}"#,
            "does not relay",
        ),
        (
            r#"{"verb":"account-add","name":"ben@a.test","password":""}"#,
            "empty",
        ),
        (
            r#"{"verb":"mail-undelete","account":"ana@a.test","emails":["x"]}"#,
            "no email id",
        ),
    ] {
        let why = error(say(&mut stream, request).await);
        assert!(why.contains(words), "{request}: {why}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn long_lists_come_in_pages() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    ana(&mut stream).await;
    let total = CONTROL_ROWS_MAX + 1;
    for n in 0..total {
        let change = StateChange::AliasAdd {
            alias: Address::parse(&format!("alias{n}@a.test")).unwrap(),
            targets: vec![Address::parse("ana@a.test").unwrap()],
        };
        fixture
            .hands
            .lanes
            .commit(Change::State(Box::new(change)))
            .await
            .unwrap();
    }
    let (first, end) = done(say(&mut stream, r#"{"verb":"alias-list","after":0}"#).await);
    let next = json!({"verb": "alias-list", "after": end.next.unwrap()}).to_string();
    let (second, end) = done(say(&mut stream, &next).await);
    assert_eq!(
        (first.len(), second.len(), end.next),
        (CONTROL_ROWS_MAX, 1, None)
    );
    assert_eq!(second[0]["alias"], format!("alias{}@a.test", total - 1));
}

#[tokio::test(flavor = "current_thread")]
async fn connections_are_bounded_and_the_next_one_waits() {
    let fixture = Fixture::new();
    fixture.listen();
    let list = r#"{"verb":"domain-list","after":0}"#;
    let mut open = Vec::new();
    for _ in 0..CONTROL_CONNECTIONS_MAX {
        let mut stream = fixture.connect().await;
        done(say(&mut stream, list).await);
        open.push(stream);
    }
    let mut waiting = fixture.connect().await;
    {
        let mut answer = pin!(say(&mut waiting, list));
        for _ in 0..50 {
            tokio::task::yield_now().await;
            let now =
                std::future::poll_fn(|c| std::task::Poll::Ready(answer.as_mut().poll(c))).await;
            assert!(now.is_pending());
        }
        open.pop();
        done(answer.await);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_socket_is_private_and_a_left_one_is_replaced() {
    let fixture = Fixture::new();
    drop(StdListener::bind(fixture.data.join(SOCKET)).unwrap());
    fixture.listen();
    let mode = std::fs::metadata(fixture.data.join(SOCKET))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    done(
        say(
            &mut fixture.connect().await,
            r#"{"verb":"domain-list","after":0}"#,
        )
        .await,
    );
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_crash_interrupted_is_finished() {
    let fixture = Fixture::new();
    let hands = &fixture.hands;
    let commit = |change| hands.lanes.commit(Change::State(Box::new(change)));
    let name = || Address::parse("ana@a.test").unwrap();
    let domain = Domain::parse("a.test").unwrap();
    commit(StateChange::DomainAdd {
        name: domain,
        mirror: None,
    })
    .await
    .unwrap();
    let add = |name| StateChange::AccountAdd {
        name,
        phc: "x".into(),
        quota_bytes: None,
        created_secs: 0,
    };
    commit(add(name())).await.unwrap();
    // The account has no mailboxes yet.
    settle(hands).await.unwrap();
    let count = || {
        hands
            .lanes
            .read(|r| r.mailboxes(AccountId(1)).unwrap().len())
    };
    assert_eq!(count().await, 6);
    settle(hands).await.unwrap();
    assert_eq!(count().await, 6);
    // The account is gone and its mail is not.
    let aliases = store::state::Dependents::Refuse;
    commit(StateChange::AccountRemove {
        name: name(),
        aliases,
    })
    .await
    .unwrap();
    settle(hands).await.unwrap();
    assert_eq!(count().await, 0);
    assert!(
        hands
            .lanes
            .read(|r| r.state().removals())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "current_thread")]
async fn the_first_account_may_be_asked_for_twice() {
    let fixture = Fixture::new();
    for password in ["one", "two"] {
        let (domain, name) = ("box.test", "user@box.test");
        let domain = Domain::parse(domain).unwrap();
        let name = Address::parse(name).unwrap();
        execute::make_first_account(&fixture.hands, domain, name, password)
            .await
            .unwrap();
    }
    assert_eq!(fixture.login("user", "one").await, Err(LoginRefused::Wrong));
    assert!(fixture.login("user@box.test", "two").await.is_ok());
}

async fn read_all(input: &[u8]) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut stream = input;
    read_line(&mut stream).await
}

#[tokio::test(flavor = "current_thread")]
async fn a_line_is_bounded() {
    for (octets, fits) in [
        (CONTROL_LINE_BYTES_MAX - 1, true),
        (CONTROL_LINE_BYTES_MAX, true),
        (CONTROL_LINE_BYTES_MAX + 1, false),
    ] {
        let mut line = vec![b' '; octets - 1];
        line.push(b'\n');
        assert_eq!(read_all(&line).await.is_ok(), fits, "{octets}");
    }
    assert!(read_all(b"").await.unwrap().is_none());
    assert!(read_all(b"no end").await.unwrap().is_none());
    assert_eq!(read_all(b"x\n").await.unwrap().unwrap().as_slice(), b"x");
}

#[test]
fn a_deep_data_directory_has_a_socket_too() {
    let root = std::env::temp_dir().join(format!("pillarbox-control-{}", std::process::id()));
    let deep = root.join("d".repeat(90)).join("e".repeat(90));
    std::fs::create_dir_all(&deep).unwrap();
    let path = SocketPath::of(&deep).unwrap();
    let bound = StdListener::bind(path.as_path());
    let there = deep.join(SOCKET).exists();
    std::fs::remove_dir_all(&root).unwrap();
    assert!(bound.is_ok() && there);
}

#[test]
fn an_answer_is_rows_and_an_end() {
    let end = End {
        next: Some(7),
        ..End::default()
    };
    let answer = Answer {
        rows: vec![json!({"a": "x\ny"})],
        end,
    };
    let text: Vec<Vec<u8>> = lines(Ok(answer)).collect();
    assert_eq!(
        text,
        [
            &b"{\"row\":{\"a\":\"x\\ny\"}}\n"[..],
            b"{\"done\":{\"next\":7}}\n"
        ]
    );
    let text: Vec<Vec<u8>> = lines(Err("no".into())).collect();
    assert_eq!(text, [b"{\"error\":\"no\"}\n"]);
}
