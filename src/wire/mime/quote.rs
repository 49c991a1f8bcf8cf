//! Strings of IMAP answers (RFC 3501 section 4.3): quoted where that is allowed, else a literal.

/// Above this a string is sent as a literal, whatever it holds: clients read quoted strings by lines.
const QUOTED_BYTES_MAX: usize = 1_000;

/// Appends a string.
pub fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    let quotable = text.len() <= QUOTED_BYTES_MAX
        && text
            .iter()
            .all(|octet| !matches!(octet, 0 | b'\r' | b'\n' | 127..));
    if quotable {
        out.push(b'"');
        for &octet in text {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(octet);
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
        // CHAR8 has no NUL, and a client may stop at one.
        out.extend(
            text.iter()
                .map(|&octet| if octet == 0 { b'?' } else { octet }),
        );
    }
}

/// Appends a string, or NIL.
pub fn push_nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => push_string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_string(&mut out, text);
        out
    }

    #[test]
    fn quotes_or_sends_a_literal() {
        assert_eq!(string(b"a\"b\\"), b"\"a\\\"b\\\\\"");
        assert_eq!(string("é".as_bytes()), "{2}\r\né".as_bytes());
        assert_eq!(string(b"a\r\nb"), b"{4}\r\na\r\nb");
        assert_eq!(string(b"\0"), b"{1}\r\n?");
        assert_eq!(
            string(&[b'a'; QUOTED_BYTES_MAX]).len(),
            QUOTED_BYTES_MAX + 2
        );
        assert!(string(&[b'a'; QUOTED_BYTES_MAX + 1]).starts_with(b"{1001}\r\n"));
    }
}
