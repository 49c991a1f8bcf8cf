//! What a Received field (RFC 5321 section 4.4) says of the client, as the servers of the world write it. To be asked
//! only of fields that a trusted relay wrote: everybody can write them.
//!
//! The address is what the relay saw; the greeting and the name of the address are what a stranger chose, and must
//! not be taken for it: `from [192.0.2.9] (unknown [192.0.2.1])` came from 192.0.2.1, and so did
//! `from [192.0.2.1] (helo=[192.0.2.9])`.

use crate::limits::DOMAIN_BYTES_MAX;
use std::net::IpAddr;

/// Who gave the message to the server that wrote the field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct From {
    /// The client's address.
    pub address: IpAddr,
    /// What it called itself, as far as that is known; empty otherwise.
    pub helo: String,
}

/// A piece of the part in front of `by`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    /// Outside of comments.
    Word(&'a str),
    /// A word in a comment.
    InComment(&'a str),
}

/// Reads the value of a Received field; None where it names no client with an address.
pub fn from(value: &[u8]) -> Option<From> {
    let text = std::str::from_utf8(value).ok()?;
    let tokens = from_clause(text)?;
    let mut greeting: Option<&str> = None;
    let mut name = "";
    let mut seen: Option<IpAddr> = None;
    let mut greets = false;
    for token in tokens {
        match token {
            Token::Word(word) => name = if name.is_empty() { word } else { name },
            // `(HELO name)` of qmail: what follows is what the client called itself.
            Token::InComment(word) if is_greeting(word) => greets = true,
            Token::InComment(word) if greets => {
                greeting = Some(word);
                greets = false;
            }
            // `helo=name` of Exim.
            Token::InComment(word) if after_helo(word).is_some() => greeting = after_helo(word),
            // The last one: in front of it stands the name of the address.
            Token::InComment(word) => seen = address(word).or(seen),
        }
    }
    // Without an address in a comment the word itself is it: `from [192.0.2.1] by ...`.
    let address = seen.or_else(|| literal(name))?;
    let helo = match (greeting, seen) {
        (Some(greeting), _) => greeting,
        (None, Some(_)) => name,
        (None, None) => "",
    };
    Some(From {
        address: address.to_canonical(),
        helo: helo.chars().take(DOMAIN_BYTES_MAX).collect(),
    })
}

/// The tokens between `from` and `by`.
fn from_clause(text: &str) -> Option<impl Iterator<Item = Token<'_>>> {
    let rest = text.trim_start();
    let after = rest
        .get(4..)
        .filter(|after| after.starts_with([' ', '\t', '\r', '\n']))?;
    let starts = rest.get(..4)?.eq_ignore_ascii_case("from");
    starts.then(|| {
        Tokens {
            rest: after,
            depth: 0,
        }
        .enumerate()
        .take_while(|(n, token)| match token {
            // A client may call itself so.
            Token::Word(word) if *n > 0 => !word.eq_ignore_ascii_case("by"),
            Token::Word(_) | Token::InComment(_) => true,
        })
        .map(|(_, token)| token)
    })
}

struct Tokens<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.chars().next()? {
                '(' => self.depth += 1,
                ')' => self.depth = self.depth.saturating_sub(1),
                // The date: the clause is over.
                ';' if self.depth == 0 => return None,
                ';' | ',' => {}
                _ => break,
            }
            self.rest = self.rest.get(1..)?;
        }
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | ';' | ',');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(match self.depth {
            0 => Token::Word(word),
            _ => Token::InComment(word),
        })
    }
}

fn is_greeting(word: &str) -> bool {
    word.eq_ignore_ascii_case("helo") || word.eq_ignore_ascii_case("ehlo")
}

fn after_helo(word: &str) -> Option<&str> {
    let (key, greeting) = word.split_once('=')?;
    is_greeting(key).then_some(greeting)
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `name[192.0.2.1]`, `192.0.2.1`, `[192.0.2.1]:4711`.
fn address(word: &str) -> Option<IpAddr> {
    match word.find('[') {
        Some(open) => literal(word.get(open..)?),
        None => word.parse().ok(),
    }
}

fn literal(word: &str) -> Option<IpAddr> {
    let (inside, _) = word.strip_prefix('[')?.split_once(']')?;
    let tagged = inside
        .get(..5)
        .filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let text = match tagged {
        Some(_) => inside.get(5..)?,
        None => inside,
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &str) -> Option<(String, String)> {
        from(value.as_bytes()).map(|from| (from.address.to_string(), from.helo))
    }

    #[test]
    fn as_servers_write_it() {
        let v4 = "192.0.2.1";
        for (value, address, helo) in [
            // Postfix, OpenSMTPD, ours.
            (
                "from mx.a.test (name.a.test [192.0.2.1])\r\n\tby b.test with ESMTP; x",
                v4,
                "mx.a.test",
            ),
            (
                "from mx.a.test (unknown [192.0.2.1]) by b.test",
                v4,
                "mx.a.test",
            ),
            (
                "from mx.a.test (unknown [IPv6:2001:db8::1]) by b.test",
                "2001:db8::1",
                "mx.a.test",
            ),
            ("from mx.a.test ([192.0.2.1]) by b.test", v4, "mx.a.test"),
            // Sendmail.
            (
                "from mx.a.test (name.a.test [192.0.2.1] (may be forged)) by b.test",
                v4,
                "mx.a.test",
            ),
            (
                "from mx.a.test (IDENT:joe@name.a.test [192.0.2.1]) by b.test",
                v4,
                "mx.a.test",
            ),
            // Exim.
            (
                "from name.a.test ([192.0.2.1] helo=mx.a.test) by b.test",
                v4,
                "mx.a.test",
            ),
            (
                "from [192.0.2.1] (helo=mx.a.test) by b.test",
                v4,
                "mx.a.test",
            ),
            (
                "from [192.0.2.1] (port=4711 helo=[192.0.2.9]) by b.test",
                v4,
                "[192.0.2.9]",
            ),
            (
                "from name.a.test ([192.0.2.1]:4711) by b.test",
                v4,
                "name.a.test",
            ),
            ("from [192.0.2.1] by b.test", v4, ""),
            // qmail, Exchange.
            (
                "from unknown (HELO mx.a.test) (192.0.2.1)\r\n  by b.test",
                v4,
                "mx.a.test",
            ),
            (
                "from mx.a.test (192.0.2.1) by b.test (192.0.2.2)",
                v4,
                "mx.a.test",
            ),
            (
                "From mx.a.test (2001:db8::1) BY b.test",
                "2001:db8::1",
                "mx.a.test",
            ),
        ] {
            assert_eq!(read(value), Some((address.into(), helo.into())), "{value}");
        }
    }

    #[test]
    fn what_a_stranger_chose_is_not_the_address() {
        for value in [
            "from [192.0.2.9] (unknown [192.0.2.1]) by b.test",
            "from [192.0.2.9] ([192.0.2.9] [192.0.2.1]) by b.test",
            "from x (HELO [192.0.2.9]) ([192.0.2.1]) by b.test",
            "from [192.0.2.1] (helo=[192.0.2.9]) by b.test",
            "from a.test ([192.0.2.1] helo=192.0.2.9) by b.test ([192.0.2.8])",
            "from by (unknown [192.0.2.1]) by b.test",
        ] {
            let (address, _) = read(value).unwrap();
            assert_eq!(address, "192.0.2.1", "{value}");
        }
    }

    #[test]
    fn what_names_no_client() {
        for value in [
            "",
            "from",
            "fromage [192.0.2.1]",
            "by b.test from [192.0.2.1]",
            "from a.test by b.test ([192.0.2.1])",
            "from a.test; ([192.0.2.1])",
            "(qmail 1 invoked by uid 0); x",
            "from a.test ([999.0.2.1]) by b",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        let long = format!(
            "from {} ([192.0.2.1]) by b",
            "a".repeat(DOMAIN_BYTES_MAX + 1)
        );
        assert_eq!(read(&long).unwrap().1.len(), DOMAIN_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_value_breaks_it(value in "(from )?[a-zé\\[\\]();=:0-9. \\n]{0,60}( by)?") {
            let _ = read(&value);
        }
    }
}
