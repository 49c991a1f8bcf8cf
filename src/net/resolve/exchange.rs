//! One query to one server and its answer: by datagram, over TCP when that was cut short, or over TLS.
//!
//! Defence against answers from elsewhere (RFC 5452): a fresh connected socket for each query, so a port of the
//! kernel's choice, 16 random bits, and the case of the letters of the name (0x20); whatever does not fit all of them
//! is ignored and waiting goes on. Every answer passes [`decode`], which bounds what decoding can take.

use crate::limits::{
    DNS_DATAGRAM_BYTES_MAX, DNS_MESSAGE_BYTES_MAX, DNS_MESSAGE_RECORDS_MAX, DNS_STREAM_MILLIS_MAX,
};
use hickory_resolver::proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why a server gave no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing came in time.
    Silent,
    /// The network or the server refuses.
    Refused(io::ErrorKind),
    /// It cannot prove over TLS that it is the one we mean.
    Untrusted(String),
    /// It answered something that is none.
    Nonsense(&'static str),
    /// It answered more than is taken.
    TooLarge(&'static str),
}

/// How a query is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Of a server that knows: RD is not set.
    Authoritative,
    /// The same, without EDNS.
    Plain,
    /// Of a resolver (RD), which shall leave checking to us (CD).
    Forwarded,
}

/// Asks by datagram, and over TCP when the answer was truncated or the server changes the case of names.
pub async fn ask(
    server: SocketAddr,
    query: &Query,
    manner: Manner,
    wait: Duration,
) -> Result<Message, Fault> {
    match timeout(wait, datagram(server, query, manner)).await {
        Err(_) => return Err(Fault::Silent),
        Ok(Ok(Some(message))) => return Ok(message),
        Ok(Ok(None)) => {}
        Ok(Err(fault)) => return Err(fault),
    }
    within_stream_time(async {
        let mut stream = TcpStream::connect(server).await.map_err(refused)?;
        talk(&mut stream, query, manner).await
    })
    .await
}

async fn within_stream_time<T>(talk: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let time = Duration::from_millis(DNS_STREAM_MILLIS_MAX);
    timeout(time, talk).await.unwrap_or(Err(Fault::Silent))
}

/// None: ask again over TCP.
async fn datagram(
    server: SocketAddr,
    query: &Query,
    manner: Manner,
) -> Result<Option<Message>, Fault> {
    let local = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local).await.map_err(refused)?;
    socket.connect(server).await.map_err(refused)?;
    let mut asked = query.clone();
    asked.name.randomize_label_case();
    let (id, octets) = encode(&asked, manner)?;
    socket.send(&octets).await.map_err(refused)?;
    let mut buffer = vec![0; DNS_DATAGRAM_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(refused)?;
        let octets = buffer.get(..length).unwrap_or_default();
        if octets.get(..2) != Some(&id.to_be_bytes()) {
            continue;
        }
        match decode(octets) {
            // A datagram longer than we said we take was cut by us.
            Ok(message) if !answers(&message, &asked) => continue,
            Ok(message) if message.metadata.truncation => return Ok(None),
            Ok(message) if !same_case(&message, &asked) => return Ok(None),
            Ok(message) => return Ok(Some(restored(message, query))),
            Err(_) if length == DNS_DATAGRAM_BYTES_MAX => return Ok(None),
            Err(fault) => return Err(fault),
        }
    }
}

/// One query and its answer over a stream (RFC 1035 section 4.2.2).
async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    query: &Query,
    manner: Manner,
) -> Result<Message, Fault> {
    let (id, octets) = encode(query, manner)?;
    let mut framed = Vec::with_capacity(octets.len() + 2);
    framed.extend_from_slice(&(octets.len() as u16).to_be_bytes());
    framed.extend_from_slice(&octets);
    stream.write_all(&framed).await.map_err(refused)?;
    stream.flush().await.map_err(refused)?;
    let length = usize::from(stream.read_u16().await.map_err(refused)?);
    if length > DNS_MESSAGE_BYTES_MAX {
        return Err(Fault::TooLarge("octets"));
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets).await.map_err(refused)?;
    let message = decode(&octets)?;
    match message.metadata.id == id && answers(&message, query) && !message.metadata.truncation {
        true => Ok(restored(message, query)),
        false => Err(Fault::Nonsense("it answers something else than was asked")),
    }
}

/// Decodes a message that says no more than so many records.
pub fn decode(octets: &[u8]) -> Result<Message, Fault> {
    let count = |at: usize| match octets.get(at..at + 2) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    if count(6) + count(8) + count(10) > DNS_MESSAGE_RECORDS_MAX {
        return Err(Fault::TooLarge("records"));
    }
    Message::from_vec(octets).map_err(|_| Fault::Nonsense("its answer is no DNS message"))
}

fn encode(query: &Query, manner: Manner) -> Result<(u16, Vec<u8>), Fault> {
    let mut message = Message::query();
    message.metadata.recursion_desired = manner == Manner::Forwarded;
    message.metadata.checking_disabled = manner == Manner::Forwarded;
    message.queries.push(query.clone());
    if manner != Manner::Plain {
        let mut edns = Edns::new();
        edns.set_max_payload(DNS_DATAGRAM_BYTES_MAX as u16);
        edns.set_dnssec_ok(true);
        message.edns = Some(edns);
    }
    let octets = message.to_vec();
    let octets = octets.map_err(|_| Fault::Nonsense("the question cannot be written"))?;
    Ok((message.metadata.id, octets))
}

/// Whether a server from before EDNS has not understood the question (RFC 6891 section 7).
pub fn knows_no_edns(message: &Message) -> bool {
    let code = message.metadata.response_code;
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp) && message.edns.is_none()
}

/// Whether it is an answer to this question, in whatever case.
fn answers(message: &Message, query: &Query) -> bool {
    message.metadata.message_type == MessageType::Response
        && matches!(message.queries.as_slice(), [asked] if asked.name == query.name
            && asked.query_type == query.query_type && asked.query_class == query.query_class)
}

fn same_case(message: &Message, query: &Query) -> bool {
    let asked = message.queries.first();
    asked.is_some_and(|asked| asked.name.eq_case(&query.name))
}

/// With the question as it was before its case was changed.
fn restored(mut message: Message, query: &Query) -> Message {
    message.queries = vec![query.clone()];
    message
}

fn refused(error: io::Error) -> Fault {
    Fault::Refused(error.kind())
}

/// TLS that was not agreed on, mostly for the certificate: its reason is what helps.
fn not_trusted(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::InvalidData => Fault::Untrusted(error.to_string()),
        kind => Fault::Refused(kind),
    }
}

/// A server that is asked over TLS (RFC 7858); its last connection is kept and used again.
pub struct OverTls {
    server: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    idle: Mutex<Option<Box<TlsStream<TcpStream>>>>,
}

impl OverTls {
    /// Asks nobody yet.
    pub fn new(server: SocketAddr, name: ServerName<'static>, config: Arc<ClientConfig>) -> Self {
        OverTls {
            server,
            name,
            connector: TlsConnector::from(config),
            idle: Mutex::new(None),
        }
    }

    /// Asks; over a new connection when the server has ended the one that was kept.
    pub async fn ask(&self, query: &Query) -> Result<Message, Fault> {
        let kept = self.idle().take();
        if let Some(mut stream) = kept {
            let answer = within_stream_time(talk(&mut stream, query, Manner::Forwarded)).await;
            if answer.is_ok() {
                *self.idle() = Some(stream);
                return answer;
            }
        }
        within_stream_time(async {
            let stream = TcpStream::connect(self.server).await.map_err(refused)?;
            let connected = self.connector.connect(self.name.clone(), stream).await;
            let mut stream = Box::new(connected.map_err(not_trusted)?);
            let answer = talk(&mut stream, query, Manner::Forwarded).await?;
            *self.idle() = Some(stream);
            Ok(answer)
        })
        .await
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Option<Box<TlsStream<TcpStream>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
