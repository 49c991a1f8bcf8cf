//! The format of transcripts.
//!
//! ```text
//! # A comment. Before the first C: or S: line stand settings:
//! role mx | submission | submissions
//! set message_bytes_max 1000
//! C: a line that the client sends, with CRLF
//! C+ octets that it sends as they are, without CRLF
//! C*100: a line that it sends so often
//! S: a line that the server answers; * stands for anything
//! S*3: such a line so often
//! TLS                 the handshake
//! CLOSED              the server has closed
//! QUIET               the server has nothing to say
//! STORED anna 1       messages in anna's INBOX
//! QUEUED 1            entries in the queue
//! ```
//!
//! Escapes in C lines: `\r \n \0 \t \\`, `\xHH` an octet, `\(N*text)` a text N times. Lines of the client that
//! follow each other are sent at once.

use std::path::Path;

pub struct Transcript {
    pub name: String,
    pub role: String,
    pub settings: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Octets of the client.
    Send(Vec<u8>),
    /// One line of the server, at this line of the file.
    Expect(usize, String),
    Tls,
    Closed(usize),
    Quiet(usize),
    Stored(usize, String, usize),
    Queued(usize, usize),
    /// Messages in a mailbox.
    Holds(usize, String, &'static str, usize),
    /// Whether the last message of a mailbox has such a field.
    Field(usize, String, &'static str, Has, String),
}

/// Whether something is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Has {
    Yes,
    No,
}

fn mailbox(name: &str) -> &'static str {
    match name {
        "INBOX" => "INBOX",
        "Junk" => "Junk",
        other => panic!("no mailbox: {other}"),
    }
}

impl Transcript {
    pub fn read(path: &Path) -> Transcript {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut transcript = Transcript {
            role: "mx".into(),
            settings: Vec::new(),
            steps: Vec::new(),
            name,
        };
        for (at, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                transcript.line(at + 1, line);
            }
        }
        transcript
    }

    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a setting.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.settings.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    fn line(&mut self, at: usize, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (
            line.split_once(": ")
                .unwrap_or((line.trim_end_matches(':'), "")),
            words.as_slice(),
        ) {
            (_, ["role", role]) => self.role = role.to_string(),
            (_, ["set", key, value]) => self.settings.push((key.to_string(), value.to_string())),
            (_, ["dns", ..]) => self.settings.push(("dns".into(), line[4..].to_string())),
            (_, ["JUNK", who, count]) => {
                let count = count.parse().unwrap();
                self.steps
                    .push(Step::Holds(at, who.to_string(), "Junk", count));
            }
            (_, [has @ ("HAS" | "LACKS"), who, place, ..]) => {
                let pattern = line.splitn(4, ' ').nth(3).unwrap().to_string();
                let has = if *has == "HAS" { Has::Yes } else { Has::No };
                let (who, place) = (who.to_string(), mailbox(place));
                self.steps.push(Step::Field(at, who, place, has, pattern));
            }
            (_, ["TLS"]) => self.steps.push(Step::Tls),
            (_, ["CLOSED"]) => self.steps.push(Step::Closed(at)),
            (_, ["QUIET"]) => self.steps.push(Step::Quiet(at)),
            (_, ["STORED", who, count]) => {
                let count = count.parse().unwrap();
                self.steps.push(Step::Stored(at, who.to_string(), count));
            }
            (_, ["QUEUED", count]) => self.steps.push(Step::Queued(at, count.parse().unwrap())),
            _ if line.starts_with("C+ ") => self.send(&unescape(&line[3..])),
            ((head, rest), _) if head == "C" || head.starts_with("C*") => {
                let line = [unescape(rest), b"\r\n".to_vec()].concat();
                for _ in 0..times(head) {
                    self.send(&line);
                }
            }
            ((head, rest), _) if head == "S" || head.starts_with("S*") => {
                for _ in 0..times(head) {
                    self.steps.push(Step::Expect(at, rest.to_string()));
                }
            }
            _ => panic!("{}:{at}: what does this line mean? {line}", self.name),
        }
    }

    fn send(&mut self, octets: &[u8]) {
        match self.steps.last_mut() {
            Some(Step::Send(before)) => before.extend_from_slice(octets),
            _ => self.steps.push(Step::Send(octets.to_vec())),
        }
    }
}

fn times(head: &str) -> usize {
    head.split_once('*').map_or(1, |(_, n)| n.parse().unwrap())
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let used = match escape.as_bytes()[0] {
            b'r' => plain(&mut octets, b'\r'),
            b'n' => plain(&mut octets, b'\n'),
            b't' => plain(&mut octets, b'\t'),
            b'0' => plain(&mut octets, 0),
            b'\\' => plain(&mut octets, b'\\'),
            b'x' => {
                octets.push(u8::from_str_radix(&escape[1..3], 16).unwrap());
                3
            }
            b'(' => {
                let end = escape.find(')').unwrap();
                let (times, text) = escape[1..end].split_once('*').unwrap();
                octets.extend(unescape(text).repeat(times.parse().unwrap()));
                end + 1
            }
            other => panic!("no escape: {}", other as char),
        };
        rest = &escape[used..];
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

fn plain(octets: &mut Vec<u8>, octet: u8) -> usize {
    octets.push(octet);
    1
}

/// Whether `line` is what `pattern` says; `*` stands for anything.
pub fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
