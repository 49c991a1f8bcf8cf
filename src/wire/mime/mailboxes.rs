//! Address lists of header fields as IMAP address structures (RFC 3501 section 7.4.2): groups, routes, comments as names,
//! and whatever real mail writes. What cannot be read becomes an address with `MISSING_MAILBOX` or `MISSING_DOMAIN`, as
//! clients know it from Dovecot.

use super::field::collapse;
use super::lexer::{Broken, Lexer};
use super::put_nstring;
use crate::wire::imap::write::put_string;

/// What the last address of a list may be longer than its bound.
const ADDRESS_BYTES_SLACK: usize = 1_024;

/// Appends the addresses of one field's value as `(name route mailbox host)`, without parentheses around the list.
/// Stops where the list in `out` has `bytes_max` octets; an absurdly long address behind that is taken back.
pub fn push_addresses(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    let mut reader = Reader {
        lexer: Lexer::new(value),
        out,
        bytes_max,
    };
    if reader.lexer.skip_space().is_err() || reader.lexer.peek().is_none() {
        return;
    }
    while reader.out.len() < bytes_max {
        let before = reader.out.len();
        reader.address();
        if reader.out.len() > bytes_max + ADDRESS_BYTES_SLACK {
            reader.out.truncate(before);
            break;
        }
        if !reader.lexer.take(b',') {
            break;
        }
        if reader.lexer.skip_space().is_err() || reader.lexer.peek().is_none() {
            break;
        }
    }
}

/// One mailbox as it was found.
#[derive(Default)]
struct Mailbox {
    name: Option<Vec<u8>>,
    route: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
}

struct Reader<'a, 'o> {
    lexer: Lexer<'a>,
    out: &'o mut Vec<u8>,
    bytes_max: usize,
}

impl<'a> Reader<'a, '_> {
    /// address = group / mailbox. The phrase in front of `<` or `:` is read once for both.
    fn address(&mut self) {
        let start = self.lexer.rest();
        let mut phrase = Vec::new();
        match (self.lexer.phrase(&mut phrase), self.lexer.peek()) {
            (Ok(()), Some(b':')) => self.group(&phrase),
            (Ok(()), Some(b'<')) => self.named(phrase),
            _ => {
                self.lexer.back_to(start);
                self.bare();
            }
        }
    }

    /// group = phrase ":" [mailbox-list] ";"
    fn group(&mut self, name: &[u8]) {
        self.lexer.take(b':');
        self.out.extend_from_slice(b"(NIL NIL ");
        put_string(self.out, name);
        self.out.extend_from_slice(b" NIL)");
        if self.lexer.skip_space().is_ok() && !matches!(self.lexer.peek(), None | Some(b';')) {
            while self.out.len() < self.bytes_max {
                self.mailbox();
                if !self.lexer.take(b',')
                    || self.lexer.skip_space().is_err()
                    || self.lexer.peek().is_none()
                {
                    break;
                }
            }
        }
        if self.lexer.take(b';') {
            let _ = self.lexer.skip_space();
        }
        self.out.extend_from_slice(b"(NIL NIL NIL NIL)");
    }

    /// A member of a group: groups do not nest.
    fn mailbox(&mut self) {
        let start = self.lexer.rest();
        let mut phrase = Vec::new();
        match (self.lexer.phrase(&mut phrase), self.lexer.peek()) {
            (Ok(()), Some(b'<')) => self.named(phrase),
            _ => {
                self.lexer.back_to(start);
                self.bare();
            }
        }
    }

    /// [phrase] "<" [route ":"] addr-spec ">"
    fn named(&mut self, phrase: Vec<u8>) {
        let mut mailbox = Mailbox {
            name: (!phrase.is_empty()).then_some(phrase),
            ..Mailbox::default()
        };
        if self.angle(&mut mailbox).is_err() {
            mailbox.host = Some(b"SYNTAX_ERROR".to_vec());
        }
        self.push(mailbox);
    }

    fn angle(&mut self, mailbox: &mut Mailbox) -> Result<(), Broken> {
        self.lexer.take(b'<');
        self.space_then_more()?;
        if self.lexer.peek() == Some(b'@') {
            mailbox.route = Some(self.route().unwrap_or_else(|_| b"INVALID_ROUTE".to_vec()));
            self.space_then_more()?;
        }
        if self.lexer.peek() != Some(b'>') {
            mailbox.local = Some(self.local()?);
            if self.lexer.peek() == Some(b'@') {
                mailbox.host = Some(self.host()?);
            }
        }
        if !self.lexer.take(b'>') {
            return Err(Broken);
        }
        self.lexer.skip_space()
    }

    /// "@" domain *("," "@" domain) ":" (RFC 5322 section 4.4 obs-route)
    fn route(&mut self) -> Result<Vec<u8>, Broken> {
        let mut route = Vec::new();
        while self.lexer.peek() == Some(b'@') {
            if !route.is_empty() {
                route.push(b',');
            }
            route.push(b'@');
            route.extend(self.host()?);
            while self.lexer.take(b',') {
                self.space_then_more()?;
            }
        }
        if self.lexer.take(b':') {
            Ok(route)
        } else {
            Err(Broken)
        }
    }

    /// addr-spec without angle brackets. A comment after it is its name; a lone word is a mailbox without a domain, and
    /// several words are a name without an address.
    fn bare(&mut self) {
        let mut mailbox = Mailbox::default();
        self.lexer.comment.clear();
        let quoted = self.lexer.peek() == Some(b'"');
        let mut text = Vec::new();
        let local = self.local_into(&mut text);
        if local.is_ok() {
            mailbox.local = Some(text.clone());
        }
        let with_host = self.lexer.peek() == Some(b'@');
        if with_host {
            mailbox.host = self.host().ok();
        }
        if !self.lexer.comment.is_empty() {
            mailbox.name = Some(std::mem::take(&mut self.lexer.comment));
        } else if !with_host {
            text.push(b' ');
            let word_bytes = text.len();
            let _ = self.lexer.phrase(&mut text);
            if text.len() > word_bytes {
                mailbox.local = None;
                mailbox.name = Some(text);
            } else if quoted {
                mailbox.name = mailbox.local.take();
            }
        }
        self.push(mailbox);
    }

    fn local(&mut self) -> Result<Vec<u8>, Broken> {
        let mut text = Vec::new();
        self.local_into(&mut text)?;
        Ok(text)
    }

    fn local_into(&mut self, text: &mut Vec<u8>) -> Result<(), Broken> {
        if self.lexer.peek() == Some(b'"') {
            self.lexer.quoted(text)?;
            self.lexer.skip_space()
        } else {
            self.lexer.loose_dot_atom(text)
        }
    }

    fn host(&mut self) -> Result<Vec<u8>, Broken> {
        let mut host = Vec::new();
        self.lexer.take(b'@');
        self.space_then_more()?;
        if self.lexer.peek() == Some(b'[') {
            self.lexer.literal(&mut host)?;
            self.lexer.skip_space()?;
        } else {
            self.lexer.dot_atom(&mut host)?;
        }
        Ok(host)
    }

    fn space_then_more(&mut self) -> Result<(), Broken> {
        self.lexer.skip_space()?;
        self.lexer.peek().map(|_| ()).ok_or(Broken)
    }

    fn push(&mut self, mailbox: Mailbox) {
        let host = mailbox.host.filter(|host| !host.is_empty());
        self.out.push(b'(');
        let name = mailbox.name.map(|name| collapse(&name));
        put_nstring(self.out, name.as_deref());
        self.out.push(b' ');
        put_nstring(self.out, mailbox.route.as_deref());
        self.out.push(b' ');
        put_string(
            self.out,
            mailbox.local.as_deref().unwrap_or(b"MISSING_MAILBOX"),
        );
        self.out.push(b' ');
        put_string(self.out, host.as_deref().unwrap_or(b"MISSING_DOMAIN"));
        self.out.push(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ENVELOPE_LISTS_BYTES_MAX as MAX;

    fn list(value: &str) -> String {
        let mut out = Vec::new();
        push_addresses(&mut out, value.as_bytes(), MAX);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses() {
        for (value, expected) in [
            ("a@b.c", r#"(NIL NIL "a" "b.c")"#),
            ("A B <a@b>", r#"("A B" NIL "a" "b")"#),
            (
                "\"B, A\" <a@b>,\r\n c@d",
                r#"("B, A" NIL "a" "b")(NIL NIL "c" "d")"#,
            ),
            ("a@b (A (x) B)", r#"("A (x) B" NIL "a" "b")"#),
            ("<@x,@y:a@b>", r#"(NIL "@x,@y" "a" "b")"#),
            ("\"a b\"@c", r#"(NIL NIL "a b" "c")"#),
            ("a . b @ c . d", r#"(NIL NIL "a.b" "c.d")"#),
            ("a@[127.0.0.1]", r#"(NIL NIL "a" "[127.0.0.1]")"#),
            (
                "=?utf-8?q?=C3=A9?= <a@b>",
                r#"("=?utf-8?q?=C3=A9?=" NIL "a" "b")"#,
            ),
            (
                "G: a@b, C <c@d>;, e@f",
                r#"(NIL NIL "G" NIL)(NIL NIL "a" "b")("C" NIL "c" "d")(NIL NIL NIL NIL)(NIL NIL "e" "f")"#,
            ),
            (
                "undisclosed-recipients:;",
                r#"(NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)"#,
            ),
            ("", ""),
            ("(only a comment)", ""),
        ] {
            assert_eq!(list(value), expected, "{value}");
        }
    }

    #[test]
    fn ugly_addresses() {
        for (value, expected) in [
            ("root", r#"(NIL NIL "root" "MISSING_DOMAIN")"#),
            (
                "John Doe",
                r#"("John Doe" NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#,
            ),
            ("<>", r#"(NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN")"#),
            ("A <a@b", r#"("A" NIL "a" "SYNTAX_ERROR")"#),
            ("<a@b@c>", r#"(NIL NIL "a" "SYNTAX_ERROR")"#),
            ("<.a..b.@c>", r#"(NIL NIL ".a..b." "c")"#),
            (
                "a. b @ c, ...",
                r#"(NIL NIL "a.b" "c")(NIL NIL "..." "MISSING_DOMAIN")"#,
            ),
            ("a@b,", r#"(NIL NIL "a" "b")"#),
        ] {
            assert_eq!(list(value), expected, "{value}");
        }
    }

    #[test]
    fn a_list_is_bounded() {
        let mut out = Vec::new();
        push_addresses(&mut out, "a@b,".repeat(MAX).as_bytes(), MAX);
        assert!((MAX..MAX + 100).contains(&out.len()));
        push_addresses(&mut Vec::new(), "(".repeat(100_000).as_bytes(), MAX);
        push_addresses(&mut Vec::new(), "a:".repeat(100_000).as_bytes(), MAX);
        push_addresses(&mut Vec::new(), "<".repeat(100_000).as_bytes(), MAX);
    }
}
