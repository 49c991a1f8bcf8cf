//! Command lines (RFC 5321 section 4.1.1). Parameters of MAIL and RCPT are in `envelope.rs`.

use super::envelope::{self, MailFrom, RcptTo};
use super::reply::Reply;

/// One command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// HELO with the name that the client gives itself.
    Helo(&'a str),
    /// EHLO, likewise.
    Ehlo(&'a str),
    /// MAIL FROM.
    Mail(MailFrom),
    /// RCPT TO.
    Rcpt(RcptTo),
    /// DATA.
    Data,
    /// BDAT (RFC 3030): so many octets follow at once.
    Bdat {
        /// As announced.
        bytes: u64,
        /// LAST.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// HELP.
    Help,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth {
        /// As written.
        mechanism: &'a str,
        /// The initial response, base64.
        initial: Option<&'a str>,
    },
}

/// Why a line is no command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandError {
    /// The reply says it; the next line is a command again.
    Refused(Reply),
    /// It is unknown what the next octets are (BDAT without a length): answer and close.
    FramingLost(Reply),
    /// A client of another protocol, most likely a browser that somebody misuses: answer and close.
    OtherProtocol(Reply),
}

const SYNTAX: Reply = Reply::new(500, "5.5.2", "Syntax error");
const NO_PARAMETERS: Reply = Reply::new(501, "5.5.4", "No parameters here");
const UNKNOWN: Reply = Reply::new(500, "5.5.1", "Unknown command");

/// Parses a line without its CRLF. Blanks at its end are forgiven.
pub fn parse(line: &[u8]) -> Result<Command<'_>, CommandError> {
    let text = std::str::from_utf8(line)
        .ok()
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or(CommandError::Refused(SYNTAX))?
        .trim_end_matches(' ');
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start_matches(' ');
    let refused = CommandError::Refused;
    let bare = |command| match rest {
        "" => Ok(command),
        _ => Err(refused(NO_PARAMETERS)),
    };
    let mut upper = [0; 8];
    match upper_case(verb, &mut upper) {
        b"EHLO" => hello(rest).map(Command::Ehlo).map_err(refused),
        b"HELO" => hello(rest).map(Command::Helo).map_err(refused),
        b"MAIL" => envelope::mail_from(rest)
            .map(Command::Mail)
            .map_err(refused),
        b"RCPT" => envelope::rcpt_to(rest).map(Command::Rcpt).map_err(refused),
        b"DATA" => bare(Command::Data),
        b"BDAT" => bdat(rest),
        b"RSET" => bare(Command::Rset),
        b"NOOP" => Ok(Command::Noop),
        b"QUIT" => bare(Command::Quit),
        b"HELP" => Ok(Command::Help),
        b"VRFY" if !rest.is_empty() => Ok(Command::Vrfy),
        b"VRFY" => Err(refused(Reply::new(501, "5.5.4", "VRFY wants an address"))),
        b"EXPN" => Ok(Command::Expn),
        b"STARTTLS" => bare(Command::StartTls),
        b"AUTH" => auth(rest).map_err(refused),
        b"GET" | b"POST" | b"HEAD" | b"PUT" | b"CONNECT" | b"OPTIONS" | b"HOST:" => Err(
            CommandError::OtherProtocol(Reply::new(554, "5.5.1", "This is not HTTP")),
        ),
        _ => Err(refused(UNKNOWN)),
    }
}

/// The verb in upper case; empty when it is longer than any that we know.
fn upper_case<'b>(verb: &str, buffer: &'b mut [u8; 8]) -> &'b [u8] {
    match buffer.get_mut(..verb.len()) {
        Some(upper) => {
            upper.copy_from_slice(verb.as_bytes());
            upper.make_ascii_uppercase();
            upper
        }
        None => b"",
    }
}

/// RFC 5321 asks for a domain or literal. Programs on people's computers say all kinds of things, which is harmless:
/// any word is taken, and `header.rs` cleans it before it is written anywhere.
fn hello(rest: &str) -> Result<&str, Reply> {
    match rest.split_once(' ') {
        None if rest.is_empty() => {
            Err(Reply::new(501, "5.5.4", "Say your name: EHLO host.example"))
        }
        None => Ok(rest),
        Some(_) => Err(Reply::new(501, "5.5.4", "One name and nothing else")),
    }
}

fn bdat(rest: &str) -> Result<Command<'_>, CommandError> {
    let wrong = || {
        CommandError::FramingLost(Reply::new(
            501,
            "5.5.4",
            "BDAT wants a length; closing, since what follows cannot be told apart",
        ))
    };
    let (bytes, last) = match rest.split_once(' ') {
        None => (rest, false),
        Some((bytes, last)) if last.trim().eq_ignore_ascii_case("LAST") => (bytes, true),
        Some(_) => return Err(wrong()),
    };
    if bytes.is_empty() || !bytes.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let bytes = bytes.parse().map_err(|_| wrong())?;
    Ok(Command::Bdat { bytes, last })
}

fn auth(rest: &str) -> Result<Command<'_>, Reply> {
    let (mechanism, initial) = match rest.split_once(' ') {
        None => (rest, None),
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
    };
    if mechanism.is_empty() || initial.is_some_and(|text| text.contains(' ')) {
        return Err(Reply::new(
            501,
            "5.5.4",
            "AUTH wants a mechanism and at most one response",
        ));
    }
    Ok(Command::Auth { mechanism, initial })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        match parse(line.as_bytes()) {
            Ok(_) => 0,
            Err(CommandError::Refused(reply)) => reply.code,
            Err(CommandError::FramingLost(reply)) => reply.code + 1000,
            Err(CommandError::OtherProtocol(reply)) => reply.code + 2000,
        }
    }

    #[test]
    fn verbs_have_no_case() {
        assert_eq!(parse(b"eHlO a.de  "), Ok(Command::Ehlo("a.de")));
        assert_eq!(
            parse(b"helo  [127.0.0.1]"),
            Ok(Command::Helo("[127.0.0.1]"))
        );
        assert_eq!(parse(b"quit"), Ok(Command::Quit));
        assert_eq!(parse(b"NOOP what ever"), Ok(Command::Noop));
        assert_eq!(
            parse(b"auth plain AGE="),
            Ok(Command::Auth {
                mechanism: "plain",
                initial: Some("AGE=")
            })
        );
    }

    #[test]
    fn what_is_no_command() {
        for (line, expected) in [
            ("", 500),
            ("X", 500),
            ("STARTTLSX", 500),
            ("MAILFROM:<a@b.de>", 500),
            ("EHLO", 501),
            ("EHLO a b", 501),
            ("DATA x", 501),
            ("QUIT x", 501),
            ("RSET x", 501),
            ("STARTTLS x", 501),
            ("VRFY", 501),
            ("AUTH", 501),
            ("AUTH PLAIN a b", 501),
            ("NO\0OP", 500),
            ("EHLO a\tb", 500),
            ("GET / HTTP/1.1", 2554),
            ("host: box.test", 2554),
        ] {
            assert_eq!(code(line), expected, "{line:?}");
        }
        assert!(parse(b"EHLO \xff").is_err());
    }

    #[test]
    fn bdat_lengths() {
        assert_eq!(
            parse(b"bdat 0 last"),
            Ok(Command::Bdat {
                bytes: 0,
                last: true
            })
        );
        assert_eq!(
            parse(b"BDAT 18446744073709551615"),
            Ok(Command::Bdat {
                bytes: u64::MAX,
                last: false
            })
        );
        for lost in [
            "BDAT",
            "BDAT x",
            "BDAT -1",
            "BDAT +1",
            "BDAT 1 LASTT",
            "BDAT 1 2",
            "BDAT LAST",
            "BDAT 18446744073709551616",
            "BDAT 1 LAST LAST",
            "BDAT 0x10",
        ] {
            assert_eq!(code(lost), 1501, "{lost}");
        }
    }
}
