//! Replies: a code, an enhanced status (RFC 3463, 5248) and a text for people.

use std::borrow::Cow;

/// One reply of one line. Several lines are written with [`Reply::write_lines`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// RFC 5321 section 4.2: three digits.
    pub code: u16,
    /// `5.5.1`; empty where none belongs (banner, EHLO, 334, 354).
    pub status: &'static str,
    /// Printable text.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with a fixed text.
    pub const fn new(code: u16, status: &'static str, text: &'static str) -> Reply {
        Reply {
            code,
            status,
            text: Cow::Borrowed(text),
        }
    }

    /// A reply whose text was put together.
    pub fn with_text(code: u16, status: &'static str, text: String) -> Reply {
        Reply {
            code,
            status,
            text: Cow::Owned(text),
        }
    }

    /// 4xx or 5xx.
    pub fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// Appends the reply with its CRLF.
    pub fn write(&self, out: &mut Vec<u8>) {
        push_code(out, self.code);
        out.push(b' ');
        if !self.status.is_empty() {
            out.extend_from_slice(self.status.as_bytes());
            out.push(b' ');
        }
        push_text(out, &self.text);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends a reply of several lines.
    pub fn write_lines(code: u16, lines: &[&str], out: &mut Vec<u8>) {
        for (n, line) in lines.iter().enumerate() {
            push_code(out, code);
            out.push(if n + 1 == lines.len() { b' ' } else { b'-' });
            push_text(out, line);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn push_code(out: &mut Vec<u8>, code: u16) {
    for weight in [100, 10, 1] {
        out.push(b'0' + (code / weight % 10) as u8);
    }
}

/// Nothing in a text can end the line: what is not printable ASCII becomes a question mark.
fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.chars().map(|c| match c {
        ' '..='~' => c as u8,
        _ => b'?',
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_cannot_be_broken_out_of() {
        let mut out = Vec::new();
        Reply::with_text(550, "5.1.1", "no <ä\r\n250 ok>".into()).write(&mut out);
        assert_eq!(out, b"550 5.1.1 no <???250 ok>\r\n");
        out.clear();
        Reply::write_lines(250, &["a", "b"], &mut out);
        assert_eq!(out, b"250-a\r\n250 b\r\n");
    }
}
