//! Plays transcripts over a real socket against `run/smtp` with a store behind it.

use crate::live_box::LiveBox;
use crate::transcript::{Has, Step, Transcript, matches};
use pillarbox::net::listen::{self, Gate, Listener};
use pillarbox::run::{proxy, smtp};
use pillarbox::session::smtp::Role;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A server that does not answer in this time never will: not a measure, only an end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long QUIET listens. A late reply would be found by the next step.
const QUIET: Duration = Duration::from_millis(30);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub struct Client {
    stream: Option<Box<dyn Stream>>,
    plain: Option<TcpStream>,
    heard: Vec<u8>,
}

/// Connects from an address of its own (failed logins are counted by address); what is in `early` is sent before the
/// server accepts.
pub async fn connect(live: &LiveBox, role: Role, number: u8, early: &[u8]) -> Client {
    connect_through(&Gate::new(8), live, (role, number), early).await
}

async fn connect_through(
    gate: &Gate,
    live: &LiveBox,
    (role, number): (Role, u8),
    early: &[u8],
) -> Client {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = Listener::new(listener).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    let ours = SocketAddr::from((Ipv4Addr::new(127, 0, 77, number), 0));
    socket.bind(ours).unwrap();
    let mut plain = socket.connect(listener.local()).await.unwrap();
    plain.set_nodelay(true).unwrap();
    plain.write_all(early).await.unwrap();
    let accepted = listener.accept(gate, b"").await;
    let server = live.server.clone();
    tokio::spawn(async move {
        if let Some(client) = proxy::unwrap(&server, accepted, b"").await {
            smtp::serve(server, client, role).await;
        }
    });
    let mut client = Client {
        stream: None,
        plain: Some(plain),
        heard: Vec::new(),
    };
    if role == Role::Submissions {
        client.tls(live).await;
    }
    client
}

/// How long a client is waited for that says nothing, in a service with so many places.
pub async fn silence_lasts(live: &LiveBox, places: usize) -> Duration {
    tokio::time::pause();
    let mut client = connect_through(&Gate::new(places), live, (Role::Mx, 1), b"").await;
    let begun = tokio::time::Instant::now();
    let mut said = String::new();
    let socket = client.plain.as_mut().unwrap();
    socket.read_to_string(&mut said).await.unwrap();
    let lasted = begun.elapsed();
    tokio::time::resume();
    assert!(said.contains("\r\n421 4.4.2 "), "{said}");
    lasted
}

pub async fn play(live: &LiveBox, transcript: &Transcript, number: u8) -> Result<(), String> {
    let role = match transcript.role.as_str() {
        "mx" => Role::Mx,
        "submission" => Role::Submission,
        _ => Role::Submissions,
    };
    live.configure(|config| {
        let bytes_max = transcript.setting("message_bytes_max");
        config.message_bytes_max = bytes_max.map_or(100_000, |text| text.parse().unwrap());
        config.plain_text_login = transcript.setting("plain_text_login").is_some();
    });
    let mut before = BTreeMap::new();
    for who in ["anna", "bert", "cleo"] {
        before.insert(who.to_string(), live.stored(who).await);
    }
    let queued = live.queued().await;
    let early: &[u8] = match transcript.steps.first() {
        Some(Step::Send(octets)) => octets,
        _ => b"",
    };
    let mut client = connect(live, role, number, early).await;
    for step in transcript.steps.iter().skip(usize::from(!early.is_empty())) {
        let result = match step {
            Step::Stored(at, who, count) => {
                let stored = live.stored(who).await - before[who];
                check(stored == *count, *at, || {
                    format!("{stored} messages of {who}")
                })
            }
            Step::Queued(at, count) => {
                let entries = live.queued().await - queued;
                check(entries == *count, *at, || {
                    format!("{entries} entries in the queue")
                })
            }
            Step::Holds(at, who, mailbox, count) => {
                let stored = live.stored_in(who, mailbox).await;
                check(stored == *count, *at, || {
                    format!("{stored} messages in {mailbox} of {who}")
                })
            }
            Step::Field(at, who, mailbox, has, pattern) => {
                let message = live.last_in(who, mailbox).await;
                let header = message.split("\r\n\r\n").next().unwrap_or_default();
                let header = header.replace("\r\n ", " ").replace("\r\n\t", " ");
                let found = header.split("\r\n").any(|field| matches(pattern, field));
                check(found == (*has == Has::Yes), *at, || {
                    format!("{pattern:?}: {found} in {header}")
                })
            }
            step => client.play(live, step).await,
        };
        result.map_err(|why| format!("{}:{why}", transcript.name))?;
    }
    Ok(())
}

fn check(right: bool, at: usize, why: impl FnOnce() -> String) -> Result<(), String> {
    match right {
        true => Ok(()),
        false => Err(format!("{at}: {}", why())),
    }
}

impl Client {
    async fn play(&mut self, live: &LiveBox, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(octets) => self.send(octets).await,
            Step::Expect(at, pattern) => {
                let line = self.line().await.unwrap_or_else(|why| format!("({why})"));
                check(matches(pattern, &line), *at, || {
                    format!("expected {pattern:?}, got {line:?}")
                })?;
            }
            Step::Tls => self.tls(live).await,
            Step::Closed(at) => {
                let end = self.line().await;
                check(end == Err("closed".into()), *at, || {
                    format!("should be closed: {end:?}")
                })?;
            }
            Step::Quiet(at) => {
                let line = timeout(QUIET, self.line()).await;
                check(line.is_err(), *at, || {
                    format!("should be waiting: {line:?}")
                })?;
            }
            Step::Stored(..) | Step::Queued(..) | Step::Holds(..) | Step::Field(..) => {
                unreachable!("done by the caller")
            }
        }
        Ok(())
    }

    pub async fn send(&mut self, octets: &[u8]) {
        // A server that closed meanwhile is noticed by the next line that is expected.
        let _ = self.stream().write_all(octets).await;
        let _ = self.stream().flush().await;
    }

    /// The next line, without its CRLF.
    pub async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.heard.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8(self.heard[..end].to_vec()).unwrap();
                self.heard.drain(..end + 2);
                return Ok(line);
            }
            let mut octets = [0; 4096];
            match timeout(PATIENCE, self.stream().read(&mut octets)).await {
                Err(_) => return Err("nothing came".into()),
                Ok(Ok(0) | Err(_)) => return Err("closed".into()),
                Ok(Ok(read)) => self.heard.extend_from_slice(&octets[..read]),
            }
        }
    }

    /// The last line before the server closes, however long that takes: under a paused clock, that is at once.
    pub async fn last_line(&mut self) -> String {
        self.listen_to_end(b"\r\n421 ").await
    }

    /// The next line, however long it takes.
    pub async fn waited_line(&mut self) -> String {
        self.listen_to_end(b"\r\n").await
    }

    async fn listen_to_end(&mut self, mark: &[u8]) -> String {
        let mut octets = [0; 4096];
        loop {
            let heard = [b"\r\n", &self.heard[..]].concat();
            let seen = heard
                .windows(mark.len())
                .skip(usize::from(mark.len() == 2))
                .any(|w| w == mark);
            let read = match seen && heard.ends_with(b"\r\n") {
                true => 0,
                false => self.stream().read(&mut octets).await.unwrap_or(0),
            };
            if read == 0 {
                let text = String::from_utf8(std::mem::take(&mut self.heard)).unwrap();
                return text
                    .trim_end()
                    .rsplit("\r\n")
                    .next()
                    .unwrap_or("")
                    .to_string();
            }
            self.heard.extend_from_slice(&octets[..read]);
        }
    }

    fn stream(&mut self) -> &mut dyn Stream {
        match &mut self.plain {
            Some(plain) => plain,
            None => self.stream.as_mut().unwrap(),
        }
    }

    async fn tls(&mut self, live: &LiveBox) {
        let plain = self.plain.take().unwrap();
        let name = "box.test".try_into().unwrap();
        let stream = live.connector.connect(name, plain).await.unwrap();
        self.stream = Some(Box::new(stream));
    }
}
