//! The two dialogues that `try` holds with its own server, as any client would: a message in by SMTP with STARTTLS,
//! the same message out by IMAP over TLS. Only what is needed for that; answers are checked word by word.

use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A peer on loopback that does not answer within this time is broken.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Longest answer line and literal that a server of ours sends to these few commands, octets.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Talk {
    stream: BufReader<Box<dyn Stream>>,
}

fn surprise(what: &str, line: &str) -> io::Error {
    io::Error::other(format!(
        "expected {what}, the server said: {}",
        line.trim_end()
    ))
}

impl Talk {
    fn over(stream: impl Stream + 'static) -> Talk {
        Talk {
            stream: BufReader::new(Box::new(stream)),
        }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(ANSWER_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut line);
        match tokio::time::timeout(ANSWER_WITHIN, read).await {
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server did not answer within 10 s",
            )),
            Ok(Err(error)) => Err(error),
            Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(_)) => Ok(String::from_utf8_lossy(&line).into_owned()),
        }
    }

    /// Reads one SMTP reply (of several lines) and checks its code; its last line.
    async fn reply(&mut self, code: &str) -> io::Result<String> {
        loop {
            let line = self.line().await?;
            if !line.starts_with(code) {
                return Err(surprise(code, &line));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    /// Reads IMAP answers up to the tagged one, which must be OK; gives the untagged ones and the literals in them.
    async fn tagged_ok(&mut self, tag: &str) -> io::Result<(Vec<String>, Vec<Vec<u8>>)> {
        let (mut lines, mut literals) = (Vec::new(), Vec::new());
        loop {
            let line = self.line().await?;
            if let Some(rest) = line.strip_prefix(tag) {
                return if rest.starts_with(" OK") {
                    Ok((lines, literals))
                } else {
                    Err(surprise("OK", &line))
                };
            }
            let literal = line
                .trim_end()
                .strip_suffix('}')
                .and_then(|l| l.rsplit('{').next()?.parse::<u64>().ok());
            if let Some(bytes) = literal {
                if bytes > ANSWER_BYTES_MAX {
                    return Err(surprise("a short message", &line));
                }
                let mut literal = vec![0; bytes as usize];
                self.stream.read_exact(&mut literal).await?;
                literals.push(literal);
            }
            lines.push(line);
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Delivers `message` (CRLF lines, dot-stuffed where needed) to `to` as a stranger would: port 25 with STARTTLS.
/// Gives the server's final reply.
pub async fn send(
    smtp: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    to: &str,
    message: &str,
) -> io::Result<String> {
    let mut plain = connect(smtp).await?;
    plain_reply(&mut plain, "220").await?;
    plain.write_all(b"EHLO try.box.test\r\n").await?;
    plain_reply(&mut plain, "250").await?;
    plain.write_all(b"STARTTLS\r\n").await?;
    plain_reply(&mut plain, "220").await?;
    let stream = TlsConnector::from(tls).connect(local_name(), plain).await?;
    let mut talk = Talk::over(stream);
    talk.say("EHLO try.box.test\r\n").await?;
    talk.reply("250").await?;
    talk.say(&format!(
        "MAIL FROM:<welcome@box.test>\r\nRCPT TO:<{to}>\r\nDATA\r\n"
    ))
    .await?;
    talk.reply("250").await?;
    talk.reply("250").await?;
    talk.reply("354").await?;
    talk.say(message).await?;
    talk.say(".\r\n").await?;
    let last = talk.reply("250").await?;
    talk.say("QUIT\r\n").await?;
    talk.reply("221").await?;
    Ok(last.trim_end().to_owned())
}

/// Before STARTTLS nothing may be buffered beyond the reply, so this reads octet by octet.
async fn plain_reply(stream: &mut TcpStream, code: &str) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 1024 {
            let octet = tokio::time::timeout(ANSWER_WITHIN, stream.read_u8()).await;
            line.push(octet.map_err(|_| io::ErrorKind::TimedOut)??);
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        if !line.starts_with(code) {
            return Err(surprise(code, &line));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

/// Logs in over IMAPS, looks for the message with this Message-ID in INBOX and gives its octets as served.
pub async fn read_back(
    imaps: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    login: (&str, &str),
    message_id: &str,
) -> io::Result<Vec<u8>> {
    let stream = TlsConnector::from(tls)
        .connect(local_name(), connect(imaps).await?)
        .await?;
    let mut talk = Talk::over(stream);
    let greeting = talk.line().await?;
    if !greeting.starts_with("* OK") {
        return Err(surprise("* OK", &greeting));
    }
    talk.say(&format!("a1 LOGIN \"{}\" \"{}\"\r\n", login.0, login.1))
        .await?;
    talk.tagged_ok("a1").await?;
    talk.say("a2 SELECT INBOX\r\n").await?;
    talk.tagged_ok("a2").await?;
    talk.say(&format!(
        "a3 UID SEARCH HEADER Message-ID \"{message_id}\"\r\n"
    ))
    .await?;
    let (lines, _) = talk.tagged_ok("a3").await?;
    let uid = lines
        .iter()
        .filter_map(|line| line.strip_prefix("* SEARCH"))
        .find_map(|uids| uids.split_whitespace().last()?.parse::<u32>().ok())
        .ok_or_else(|| io::Error::other("the message was accepted but INBOX does not show it"))?;
    talk.say(&format!("a4 UID FETCH {uid} (BODY.PEEK[])\r\n"))
        .await?;
    let (_, mut literals) = talk.tagged_ok("a4").await?;
    talk.say("a5 LOGOUT\r\n").await?;
    talk.tagged_ok("a5").await?;
    literals
        .pop()
        .ok_or_else(|| io::Error::other("FETCH gave no message"))
}

fn local_name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a literal of ours is a valid name")
}
