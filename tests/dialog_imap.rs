//! IMAP dialogues as documents: every `tests/dialog/imap/*.txt` is played over a loopback socket against `run/imap`
//! with a store of its own, by several clients at once.
//!
//! ```text
//! # A comment.
//! set message_bytes_max 1000     before the first client line
//! C1: a NOOP          client 1 sends a line with CRLF (it connects with its first step)
//! C1+ octets          as they are, without CRLF
//! S1: a OK…           a line that it is answered; … stands for anything
//! LOGIN1              greeting and login of anna@box.test
//! DO1: SELECT INBOX   a command whose answer must be OK and does not matter
//! APPEND1 INBOX (\Seen) | text  appends a message of these octets
//! TIMES1 9 COPY 1 x   such a command so often
//! S1*9: * … EXPUNGE   such a line so often
//! TLS1                the handshake, after STARTTLS
//! HANGUP1             the client goes away without a word
//! CLOSED1             the server has closed
//! ```
//!
//! Escapes in what a client sends: `\r \n \0 \\`, `\xHH` an octet, `\(N*text)` a text N times.

#[path = "dialog/imap_sessions.rs"]
mod imap_sessions;

use pillarbox::config::Config;
use pillarbox::net::conn::Conn;
use pillarbox::net::tls::{Acceptor, Pem};
use pillarbox::run::authentic::Names;
use pillarbox::run::control::make_first_account;
use pillarbox::run::imap::Imap;
use pillarbox::run::lanes::{Lanes, now_millis};
use pillarbox::run::notify::Notify;
use pillarbox::run::server::Server;
use pillarbox::store;
use pillarbox::wire::address::{Address, Domain};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any answer takes on a busy machine; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const PASSWORD: &str = "a \"good\\ password";

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

struct Client {
    stream: Option<Box<dyn Stream>>,
    input: Vec<u8>,
}

struct Box_ {
    server: Arc<Server>,
    listener: TcpListener,
    imap: Arc<Imap>,
    certificate: Vec<u8>,
    dir: PathBuf,
}

impl Drop for Box_ {
    fn drop(&mut self) {
        self.server.lanes.stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Box_ {
    async fn new(name: &str, settings: &[(&str, &str)]) -> Box_ {
        let dir = std::env::temp_dir().join(format!(
            "pillarbox-dialog-imap-{}-{name}",
            std::process::id()
        ));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let (writer, shared) = store::open(store::Options {
            dir: dir.clone(),
            disk: Arc::new(store::disk::real::RealDisk::new(dir.clone())),
            reserve_bytes: 0,
            now_millis: now_millis(),
            random: pillarbox::run::random::fill,
        })
        .unwrap();
        let lanes = Lanes::start(writer, shared, Notify::default()).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["box.test".to_string()]).unwrap();
        let pem = Pem {
            chain_name: "chain.pem".into(),
            chain: made.cert.pem().into_bytes(),
            key_name: "key.pem".into(),
            key: made.signing_key.serialize_pem().into_bytes().into(),
        };
        let domain = Domain::parse("box.test").unwrap();
        let mut config = Config::new(domain.clone());
        config.data = dir.clone();
        config.plain_text_login = true;
        for (key, value) in settings {
            match *key {
                "message_bytes_max" => config.message_bytes_max = value.parse().unwrap(),
                "plain_text_login" => config.plain_text_login = value.parse().unwrap(),
                other => panic!("no setting: {other}"),
            }
        }
        let server = Server::new(
            config,
            lanes,
            Acceptor::new(&[pem]).unwrap(),
            Names::Own(Arc::default()),
        );
        make_first_account(
            &server,
            domain,
            Address::parse("anna@box.test").unwrap(),
            PASSWORD,
        )
        .await
        .unwrap();
        Box_ {
            imap: Imap::new(server.clone()),
            server,
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            certificate: made.cert.der().to_vec(),
            dir,
        }
    }

    async fn connect(&self) -> Client {
        let (client, accepted) = tokio::join!(
            TcpStream::connect(self.listener.local_addr().unwrap()),
            self.listener.accept()
        );
        let imap = self.imap.clone();
        let conn = Conn::new(accepted.unwrap().0).unwrap();
        tokio::task::spawn_local(async move { imap.serve(conn).await });
        Client {
            stream: Some(Box::new(client.unwrap())),
            input: Vec::new(),
        }
    }
}

impl Client {
    async fn send(&mut self, octets: &[u8]) {
        // A server that has closed meanwhile shows in what it answers.
        let _ = self.stream.as_mut().unwrap().write_all(octets).await;
    }

    async fn line(&mut self) -> Result<String, String> {
        self.line_within(PATIENCE).await
    }

    async fn line_within(&mut self, patience: Duration) -> Result<String, String> {
        loop {
            if let Some(end) = self.input.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.input[..end]).into_owned();
                self.input.drain(..end + 2);
                return Ok(line);
            }
            let mut chunk = [0; 4096];
            let read = self.stream.as_mut().unwrap().read(&mut chunk);
            match tokio::time::timeout(patience, read).await {
                Err(_) => {
                    return Err(format!(
                        "nothing comes behind {:?}",
                        String::from_utf8_lossy(&self.input)
                    ));
                }
                Ok(Ok(0)) | Ok(Err(_)) => return Err("closed".into()),
                Ok(Ok(n)) => self.input.extend_from_slice(&chunk[..n]),
            }
        }
    }

    async fn octets(&mut self, bytes: usize) -> Result<Vec<u8>, String> {
        while self.input.len() < bytes {
            let read = self.stream.as_mut().unwrap().read_buf(&mut self.input);
            match tokio::time::timeout(PATIENCE, read).await {
                Err(_) => return Err("nothing comes".into()),
                Ok(Ok(0)) | Ok(Err(_)) => return Err("closed".into()),
                Ok(Ok(_)) => {}
            }
        }
        let rest = self.input.split_off(bytes);
        Ok(std::mem::replace(&mut self.input, rest))
    }

    async fn command(&mut self, command: &[u8]) -> Result<(), String> {
        self.send(&[b"zz ", command, b"\r\n"].concat()).await;
        loop {
            let line = self.line().await?;
            if let Some(rest) = line.strip_prefix("zz ") {
                return if rest.starts_with("OK") {
                    Ok(())
                } else {
                    Err(line)
                };
            }
        }
    }

    async fn log_in(&mut self) -> Result<(), String> {
        let quoted = PASSWORD.replace('\\', "\\\\").replace('"', "\\\"");
        self.command(format!("LOGIN anna@box.test \"{quoted}\"").as_bytes())
            .await
    }

    async fn start_tls(&mut self, certificate: &[u8]) {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(rustls::pki_types::CertificateDer::from(
                certificate.to_vec(),
            ))
            .unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("box.test").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect(name, self.stream.take().unwrap())
            .await
            .unwrap();
        self.stream = Some(Box::new(stream));
    }
}

/// One step of a transcript, of one client.
async fn step(setup: &Box_, clients: &mut HashMap<char, Client>, line: &str) -> Result<(), String> {
    let at = line
        .find(|c: char| c.is_ascii_digit())
        .ok_or("what does this line mean?")?;
    let (verb, rest) = line.split_at(at);
    let who = rest.chars().next().unwrap();
    let rest = &rest[1..];
    let client = match clients.entry(who) {
        Entry::Occupied(client) => client.into_mut(),
        Entry::Vacant(place) => place.insert(setup.connect().await),
    };
    match (
        verb,
        rest.strip_prefix(':')
            .map(|r| r.strip_prefix(' ').unwrap_or(r)),
    ) {
        ("C", Some(text)) => {
            client
                .send(&[unescape(text), b"\r\n".to_vec()].concat())
                .await
        }
        ("C", None) => {
            client
                .send(&unescape(rest.strip_prefix("+ ").ok_or("C1: or C1+")?))
                .await
        }
        ("S", Some(pattern)) => {
            let line = client.line().await?;
            if !matches(pattern, &line) {
                return Err(format!("answered: {line}"));
            }
        }
        ("LOGIN", _) => {
            client.line().await?;
            client.log_in().await?;
        }
        ("TIMES", _) => {
            let (times, text) = rest
                .trim_start()
                .split_once(' ')
                .ok_or("TIMES1 9 command")?;
            for _ in 0..times.parse().unwrap() {
                client.command(&unescape(text)).await?;
            }
        }
        ("S", None) => {
            let (times, pattern) = rest
                .strip_prefix('*')
                .and_then(|r| r.split_once(": "))
                .ok_or("S1*9: text")?;
            for _ in 0..times.parse().unwrap() {
                let line = client.line().await?;
                if !matches(pattern, &line) {
                    return Err(format!("answered: {line}"));
                }
            }
        }
        ("DO", Some(text)) => client.command(&unescape(text)).await?,
        ("APPEND", _) => {
            let (mailbox, text) = rest
                .trim_start()
                .split_once(" | ")
                .ok_or("APPEND1 mailbox | text")?;
            let octets = unescape(text);
            let head = format!("APPEND {mailbox} {{{}+}}\r\n", octets.len());
            client.command(&[head.as_bytes(), &octets].concat()).await?;
        }
        ("TLS", _) => client.start_tls(&setup.certificate).await,
        ("HANGUP", _) => client.stream = None,
        ("CLOSED", _) => match client.line().await {
            Err(closed) if closed == "closed" => {}
            other => return Err(format!("not closed: {other:?}")),
        },
        _ => return Err("what does this line mean?".into()),
    }
    Ok(())
}

async fn play(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(n, l)| (n + 1, l))
        .filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'))
        .collect();
    let settings: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|(_, l)| l.strip_prefix("set ")?.split_once(' '))
        .collect();
    let setup = Box_::new(&name, &settings).await;
    let mut clients = HashMap::new();
    for (number, line) in lines.into_iter().filter(|(_, l)| !l.starts_with("set ")) {
        step(&setup, &mut clients, line)
            .await
            .map_err(|why| format!("{name}:{number}: {line}\n    {why}"))?;
    }
    Ok(())
}

/// Whether `line` is what `pattern` says.
fn matches(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split('…').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    if parts.len() == 1 {
        return line == pattern;
    }
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let (octet, used) = match escape.as_bytes()[0] {
            b'r' => (Some(b'\r'), 1),
            b'n' => (Some(b'\n'), 1),
            b'0' => (Some(0), 1),
            b'\\' => (Some(b'\\'), 1),
            b'x' => (Some(u8::from_str_radix(&escape[1..3], 16).unwrap()), 3),
            b'(' => {
                let end = escape.find(')').unwrap();
                let (times, text) = escape[1..end].split_once('*').unwrap();
                octets.extend(unescape(text).repeat(times.parse().unwrap()));
                (None, end + 1)
            }
            // IMAP's own backslashes: \Seen
            _ => (Some(b'\\'), 0),
        };
        octets.extend(octet);
        rest = &escape[used..];
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

/// What the server logs, into the test's output.
struct Journal;
impl log::Log for Journal {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }
    fn log(&self, record: &log::Record) {
        println!("log: {}", record.args());
    }
    fn flush(&self) {}
}

#[test]
fn imap() {
    log::set_logger(&Journal).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialog/imap");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let only = std::env::var("IMAP_DIALOG").ok();
    files.retain(|f| {
        only.as_ref()
            .is_none_or(|only| f.to_string_lossy().contains(only))
    });
    assert!(!files.is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let failed: Vec<String> = files
        .iter()
        .filter_map(|file| {
            tokio::task::LocalSet::new()
                .block_on(&runtime, play(file))
                .err()
        })
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
