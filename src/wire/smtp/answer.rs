//! What a server answers, read from its lines (RFC 5321 section 4.2), and what it can do (EHLO, section 4.1.1.1).
//!
//! Servers are peers too: a line that is none, codes that disagree within one answer, and answers without an end
//! are faults; the text that is kept of one is bounded and holds printable characters only.

use crate::limits::{ANSWER_LINES_MAX, ANSWER_TEXT_BYTES_MAX};
use std::fmt;

/// A whole answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// The enhanced status of its last line that has one (RFC 2034): class, subject, detail.
    pub status: Option<(u8, u16, u16)>,
    /// Its lines without code and status, joined by a space; at most `ANSWER_TEXT_BYTES_MAX` octets.
    pub text: Box<str>,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerFault {
    /// A line does not begin with a code and a space or hyphen.
    NoCode,
    /// Two codes in one answer.
    CodesDiffer,
    /// More lines than `ANSWER_LINES_MAX`.
    TooManyLines,
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AnswerFault::NoCode => "a line without a reply code",
            AnswerFault::CodesDiffer => "one reply with two codes",
            AnswerFault::TooManyLines => "a reply without an end",
        })
    }
}

impl Answer {
    /// 2xx.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Whether the enhanced status, if there is one, is `class.subject.detail`.
    pub fn has_status(&self, subject: u16, detail: u16) -> bool {
        matches!(self.status, Some((_, s, d)) if s == subject && d == detail)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some((class, subject, detail)) = self.status {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        match self.text.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.text),
        }
    }
}

/// Puts the lines of one answer together.
#[derive(Default, Debug)]
pub struct AnswerReader {
    code: Option<u16>,
    status: Option<(u8, u16, u16)>,
    text: String,
    lines: usize,
}

impl AnswerReader {
    /// Takes a line without its CRLF; the answer when it was the last. `each` sees the text of every line (EHLO's
    /// keywords) unbounded by what is kept.
    pub fn line(
        &mut self,
        line: &[u8],
        each: &mut dyn FnMut(&str),
    ) -> Result<Option<Answer>, AnswerFault> {
        let (code, more, text) = split(line).ok_or(AnswerFault::NoCode)?;
        if self.code.is_some_and(|before| before != code) {
            return Err(AnswerFault::CodesDiffer);
        }
        self.lines += 1;
        if self.lines > ANSWER_LINES_MAX {
            return Err(AnswerFault::TooManyLines);
        }
        self.code = Some(code);
        let text = printable(text);
        each(&text);
        let (status, text) = enhanced(code, &text);
        self.status = status.or(self.status);
        self.keep(text);
        if more {
            return Ok(None);
        }
        let done = std::mem::take(self);
        Ok(Some(Answer {
            code,
            status: done.status,
            text: done.text.into(),
        }))
    }

    fn keep(&mut self, text: &str) {
        let room = ANSWER_TEXT_BYTES_MAX.saturating_sub(self.text.len() + 1);
        // Printable ASCII: every octet is a character.
        let text = text.get(..text.len().min(room)).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }
}

/// Code, whether more lines follow, text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !matches!(digits.first(), Some(b'2'..=b'5')) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Some((code, false, rest)),
        Some((b' ', text)) => Some((code, false, text)),
        Some((b'-', text)) => Some((code, true, text)),
        Some(_) => None,
    }
}

fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .map(|c| match c {
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

/// The enhanced status in front of a text, where its class is that of the code.
fn enhanced(code: u16, text: &str) -> (Option<(u8, u16, u16)>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.splitn(3, '.').map(|number| match number.len() {
        1..=3 => number.parse::<u16>().ok(),
        _ => None,
    });
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Some(class)), Some(Some(subject)), Some(Some(detail))) if class == code / 100 => {
            (Some((class as u8, subject, detail)), rest.trim_start())
        }
        _ => (None, text),
    }
}

/// What a server says that it can do.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Capabilities {
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 6152.
    pub eight_bit: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 1870: offered; the most octets where it says so (0 says nothing).
    pub size: Option<u64>,
    /// RFC 9422 RCPTMAX.
    pub recipients_max: Option<usize>,
    /// RFC 9422 MAILMAX.
    pub mails_max: Option<usize>,
    /// RFC 4954.
    pub auth: Mechanisms,
}

/// Login mechanisms that we know.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Mechanisms {
    /// RFC 4616.
    pub plain: bool,
    /// Not standardized, everywhere.
    pub login: bool,
    /// RFC 7677.
    pub scram_sha_256: bool,
}

impl Capabilities {
    /// Takes the text of one line of the answer to EHLO (the first line, the greeting, does no harm).
    pub fn add(&mut self, line: &str) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else {
            return;
        };
        match keyword.to_ascii_uppercase().as_str() {
            "STARTTLS" => self.starttls = true,
            "PIPELINING" => self.pipelining = true,
            "CHUNKING" => self.chunking = true,
            "8BITMIME" => self.eight_bit = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "DSN" => self.dsn = true,
            "SIZE" => self.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
            "LIMITS" => words.for_each(|word| self.limit(word)),
            "AUTH" => words.for_each(|word| self.auth.add(word)),
            // What some old servers write.
            other => {
                if let Some(first) = other.strip_prefix("AUTH=") {
                    self.auth.add(first);
                    words.for_each(|word| self.auth.add(word));
                }
            }
        }
    }

    fn limit(&mut self, word: &str) {
        let number = |digits: &str| digits.parse().ok().filter(|n| *n > 0);
        match word.split_once('=') {
            Some((name, digits)) if name.eq_ignore_ascii_case("RCPTMAX") => {
                self.recipients_max = number(digits);
            }
            Some((name, digits)) if name.eq_ignore_ascii_case("MAILMAX") => {
                self.mails_max = number(digits);
            }
            _ => {}
        }
    }
}

impl Mechanisms {
    fn add(&mut self, word: &str) {
        match word.to_ascii_uppercase().as_str() {
            "PLAIN" => self.plain = true,
            "LOGIN" => self.login = true,
            "SCRAM-SHA-256" => self.scram_sha_256 = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Answer>, AnswerFault> {
        let mut reader = AnswerReader::default();
        let mut last = Ok(None);
        for line in lines {
            last = reader.line(line.as_bytes(), &mut |_| {});
            if last.is_err() {
                break;
            }
        }
        last
    }

    #[test]
    fn answers_are_put_together() {
        let show = |lines: &[&str]| read(lines).unwrap().unwrap().to_string();
        assert_eq!(show(&["250 2.1.0 Sender ok"]), "250 2.1.0 Sender ok");
        assert_eq!(
            show(&["550-5.7.26 This mail has", "550 5.7.26 no SPF"]),
            "550 5.7.26 This mail has no SPF"
        );
        assert_eq!(show(&["250"]), "250");
        // A status of another class is text.
        assert_eq!(read(&["250 4.1.1 x"]).unwrap().unwrap().status, None);
        assert_eq!(read(&["250-a"]), Ok(None));
        assert_eq!(show(&["554 a\r\nb\u{e9}"]), "554 a??b?");
    }

    #[test]
    fn faults_are_named() {
        for bad in ["", "25", "2x0 a", "150 a", "600 a", "250_a", "hello"] {
            assert_eq!(read(&[bad]), Err(AnswerFault::NoCode), "{bad}");
        }
        assert_eq!(read(&["250-a", "550 b"]), Err(AnswerFault::CodesDiffer));
        let many = vec!["250-a"; ANSWER_LINES_MAX];
        assert_eq!(read(&many), Ok(None));
        let more = vec!["250-a"; ANSWER_LINES_MAX + 1];
        assert_eq!(read(&more), Err(AnswerFault::TooManyLines));
    }

    #[test]
    fn little_is_kept_of_long_answers() {
        let line = format!("550-{}", "x".repeat(300));
        let mut reader = AnswerReader::default();
        for _ in 0..10 {
            assert_eq!(reader.line(line.as_bytes(), &mut |_| {}), Ok(None));
        }
        let answer = reader.line(b"550 y", &mut |_| {}).unwrap().unwrap();
        assert!(answer.text.len() <= ANSWER_TEXT_BYTES_MAX);
        assert!(answer.text.len() > ANSWER_TEXT_BYTES_MAX / 2);
    }

    #[test]
    fn capabilities_are_read() {
        let mut can = Capabilities::default();
        for line in [
            "mx.example greets you",
            "size 1000",
            "PIPELINING",
            "8bitmime",
            "STARTTLS",
            "LIMITS RCPTMAX=20 MAILMAX=0",
            "AUTH LOGIN PLAIN X",
            "DSN",
        ] {
            can.add(line);
        }
        assert_eq!(can.size, Some(1000));
        assert!(can.pipelining && can.eight_bit && can.starttls && can.dsn);
        assert!(!can.chunking && !can.smtputf8);
        assert_eq!((can.recipients_max, can.mails_max), (Some(20), None));
        assert!(can.auth.login && can.auth.plain && !can.auth.scram_sha_256);
    }
}
