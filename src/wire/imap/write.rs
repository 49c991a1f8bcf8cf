//! What the server says, as octets at the end of a `Vec`: strings, flags, numbers, status responses.

use super::flag::{Flags, Keywords};
use super::mutf7;
use super::scan::is_astring_char;
use memchr::memchr2;

/// `text-code` of a status response (RFC 3501 section 7.1, RFC 5530).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    /// ALREADYEXISTS
    AlreadyExists,
    /// APPENDUID uidvalidity uid
    AppendUid(u32, u32),
    /// AUTHENTICATIONFAILED
    AuthenticationFailed,
    /// BADCHARSET (US-ASCII UTF-8)
    BadCharset,
    /// CANNOT
    Cannot,
    /// CAPABILITY names
    Capability(&'static str),
    /// CLIENTBUG
    ClientBug,
    /// CONTACTADMIN
    ContactAdmin,
    /// COPYUID uidvalidity from to, as one text.
    CopyUid(Box<str>),
    /// EXPUNGEISSUED
    ExpungeIssued,
    /// LIMIT
    Limit,
    /// NONEXISTENT
    Nonexistent,
    /// OVERQUOTA
    OverQuota,
    /// PRIVACYREQUIRED
    PrivacyRequired,
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// SERVERBUG
    ServerBug,
    /// TOOBIG
    TooBig,
    /// TRYCREATE
    TryCreate,
    /// UNAVAILABLE
    Unavailable,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Code::AlreadyExists => "ALREADYEXISTS",
            Code::AppendUid(validity, uid) => return write!(f, "APPENDUID {validity} {uid}"),
            Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Code::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
            Code::Cannot => "CANNOT",
            Code::Capability(names) => return write!(f, "CAPABILITY {names}"),
            Code::ClientBug => "CLIENTBUG",
            Code::ContactAdmin => "CONTACTADMIN",
            Code::CopyUid(text) => return write!(f, "COPYUID {text}"),
            Code::ExpungeIssued => "EXPUNGEISSUED",
            Code::Limit => "LIMIT",
            Code::Nonexistent => "NONEXISTENT",
            Code::OverQuota => "OVERQUOTA",
            Code::PrivacyRequired => "PRIVACYREQUIRED",
            Code::ReadOnly => "READ-ONLY",
            Code::ReadWrite => "READ-WRITE",
            Code::ServerBug => "SERVERBUG",
            Code::TooBig => "TOOBIG",
            Code::TryCreate => "TRYCREATE",
            Code::Unavailable => "UNAVAILABLE",
        })
    }
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// OK
    Ok,
    /// NO
    No,
    /// BAD
    Bad,
}

/// `tag OK [CODE] text` and CRLF; `*` as tag makes it untagged.
pub fn put_status(out: &mut Vec<u8>, tag: &str, status: Status, code: Option<&Code>, text: &str) {
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(match status {
        Status::Ok => b" OK ",
        Status::No => b" NO ",
        Status::Bad => b" BAD ",
    });
    if let Some(code) = code {
        out.extend_from_slice(format!("[{code}] ").as_bytes());
    }
    // `text` may quote what a disk or a client said: never let it end the line.
    out.extend(
        text.bytes()
            .map(|c| if c.is_ascii_control() { b'?' } else { c }),
    );
    out.extend_from_slice(b"\r\n");
}

/// `* text` and CRLF.
pub fn put_untagged(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"* ");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A number.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let (mut left, mut count) = (number, 0);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
        count += 1;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

/// A string: quoted where it may be, else a literal (8-bit octets, line ends, or long).
pub fn put_string(out: &mut Vec<u8>, octets: &[u8]) {
    let quotable = octets.len() <= 1024
        && octets
            .iter()
            .all(|c| c.is_ascii() && !matches!(c, b'\r' | b'\n' | 0));
    if !quotable {
        put_literal(out, octets);
        return;
    }
    out.push(b'"');
    let mut rest = octets;
    while let Some((plain, special)) =
        memchr2(b'"', b'\\', rest).and_then(|at| rest.split_at_checked(at))
    {
        out.extend_from_slice(plain);
        out.push(b'\\');
        let (first, behind) = special.split_at_checked(1).unwrap_or_default();
        out.extend_from_slice(first);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// `{n}`, CRLF and the octets.
pub fn put_literal(out: &mut Vec<u8>, octets: &[u8]) {
    put_literal_head(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// `{n}` and CRLF; the octets follow by other ways.
pub fn put_literal_head(out: &mut Vec<u8>, bytes: u64) {
    out.push(b'{');
    put_number(out, bytes);
    out.extend_from_slice(b"}\r\n");
}

/// A mailbox name (UTF-8) in modified UTF-7: an atom where it may be one.
pub fn put_mailbox(out: &mut Vec<u8>, name: &str) {
    let wire = mutf7::encode(name);
    if !wire.is_empty() && !wire.eq_ignore_ascii_case("NIL") && wire.bytes().all(is_astring_char) {
        out.extend_from_slice(wire.as_bytes());
    } else {
        put_string(out, wire.as_bytes());
    }
}

/// Whether a message is recent for the session that asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recent {
    /// Say `\Recent`.
    Yes,
    /// Do not.
    No,
}

/// `FLAGS (\Seen $Junk \Recent)`.
pub fn put_flags(out: &mut Vec<u8>, flags: Flags, keywords: &Keywords, recent: Recent) {
    out.extend_from_slice(b"FLAGS (");
    let start = out.len();
    keywords.put(flags, out);
    if recent == Recent::Yes {
        out.extend_from_slice(if out.len() > start {
            b" \\Recent"
        } else {
            b"\\Recent"
        });
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scan;
    use super::*;
    use proptest::prelude::*;

    fn written(put: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_quoted_or_literals() {
        assert_eq!(written(|o| put_string(o, b"a\"b\\c")), "\"a\\\"b\\\\c\"");
        assert_eq!(written(|o| put_string(o, "é".as_bytes())), "{2}\r\né");
        assert_eq!(written(|o| put_string(o, b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(written(|o| put_mailbox(o, "Sent")), "Sent");
        assert_eq!(written(|o| put_mailbox(o, "Sent Mail")), "\"Sent Mail\"");
        assert_eq!(written(|o| put_mailbox(o, "é")), "&AOk-");
        assert_eq!(written(|o| put_mailbox(o, "nil")), "\"nil\"");
        assert_eq!(written(|o| put_mailbox(o, "a*")), "\"a*\"");
        assert_eq!(written(|o| put_number(o, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|o| put_number(o, 0)), "0");
    }

    #[test]
    fn status_lines_stay_lines() {
        let code = Code::AppendUid(7, 9);
        assert_eq!(
            written(|o| put_status(o, "a", Status::Ok, Some(&code), "done")),
            "a OK [APPENDUID 7 9] done\r\n"
        );
        assert_eq!(
            written(|o| put_status(o, "*", Status::No, None, "x\r\ny")),
            "* NO x??y\r\n"
        );
        let keywords = Keywords(vec!["k".into()]);
        assert_eq!(
            written(|o| put_flags(o, Flags::keyword(0), &keywords, Recent::Yes)),
            "FLAGS (k \\Recent)"
        );
        assert_eq!(
            written(|o| put_flags(o, Flags::default(), &keywords, Recent::Yes)),
            "FLAGS (\\Recent)"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in proptest::collection::vec(1u8..=255, 0..40)) {
            let mut out = Vec::new();
            put_string(&mut out, &octets);
            let mut scan = Scan::new(&out);
            prop_assert_eq!(&*scan.string().unwrap(), &octets[..]);
            scan.end().unwrap();
        }
        #[test]
        fn mailboxes_come_back(name in "[^/\\p{C}]{1,20}") {
            let mut out = Vec::new();
            put_mailbox(&mut out, &name);
            let read = Scan::new(&out).mailbox().unwrap();
            let same = read.as_str() == name || (read.is_inbox() && name.eq_ignore_ascii_case("inbox"));
            prop_assert!(same);
        }
    }
}
