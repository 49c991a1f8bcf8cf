//! Does a field claim to be written by one of these names? Whatever a careful or a careless reader might take for the
//! name counts: other letters' case, both forms of an IDN, quotes, escapes, comments, folds, a dot at the end.

use super::lexer::{Lexer, is_token};
use crate::wire::address::Domain;
use crate::wire::mime::decode::{decode_words, percent_unescape};
use std::borrow::Cow;

/// Names in their one form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names(Vec<String>);

impl Names {
    /// Host and domain names in either form; what is no name is compared as it stands.
    pub fn new(names: &[&str]) -> Names {
        Names(names.iter().map(|name| one_form(name)).collect())
    }

    fn hold(&self, name: &str) -> bool {
        let name = one_form(name);
        self.0.contains(&name)
    }

    /// Whether one of the names stands in a text that nobody can be sure how to read.
    fn stand_in(&self, text: &[u8]) -> bool {
        let unescaped: Vec<u8> = text.iter().copied().filter(|&o| o != b'\\').collect();
        let unquoted: Vec<u8> = unescaped.iter().copied().filter(|&o| o != b'"').collect();
        let unblanked: Vec<u8> = unquoted
            .iter()
            .copied()
            .filter(|octet| !octet.is_ascii_whitespace())
            .collect();
        let forms = [
            Cow::Borrowed(text),
            Cow::Owned(decode_words(text).into_bytes()),
            Cow::Owned(percent_unescape(&unquoted)),
            Cow::Owned(percent_unescape(&unblanked)),
            Cow::Owned(without_digits_behind(&unblanked)),
            Cow::Owned(unquoted),
        ];
        forms.iter().any(|form| self.are_a_word_of(form))
    }

    fn are_a_word_of(&self, octets: &[u8]) -> bool {
        let text: Cow<'_, str> = match std::str::from_utf8(octets) {
            Ok(text) => text.into(),
            // Latin-1: what some reader may show.
            Err(_) => octets.iter().map(|&octet| char::from(octet)).collect(),
        };
        text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.".contains(c))
            .filter(|word| !word.is_empty())
            .any(|word| self.hold(word))
    }
}

/// A-labels in lower case without the dot at the end.
fn one_form(name: &str) -> String {
    let name = name.trim_matches('.');
    match Domain::parse(name) {
        Ok(domain) => domain.as_str().into(),
        Err(_) => name.to_lowercase(),
    }
}

/// A version right behind the name, once blanks are gone.
fn without_digits_behind(text: &[u8]) -> Vec<u8> {
    let end = text.iter().rposition(|octet| !octet.is_ascii_digit());
    text.get(..end.map_or(0, |last| last + 1))
        .unwrap_or_default()
        .to_vec()
}

/// Whether an Authentication-Results field is said to be written by one of the names.
pub fn claims_results(value: &[u8], names: &Names) -> bool {
    let mut lexer = Lexer::new(value);
    match authserv_id(&mut lexer) {
        Some(id) => names.stand_in(&id),
        // Against the grammar: all up to the first semicolon in every reading.
        None => {
            let bare = without_comments(value);
            [value, &bare]
                .iter()
                .any(|text| names.stand_in(until_semicolon(text)))
                || (has_quote(value) && names.stand_in(value))
        }
    }
}

/// A quote or a comment may hide the semicolon.
fn has_quote(value: &[u8]) -> bool {
    value.iter().any(|octet| b"\"(".contains(octet))
}

/// The name, where everything in front of the first result follows the grammar.
fn authserv_id(lexer: &mut Lexer<'_>) -> Option<Vec<u8>> {
    lexer.blanks()?;
    let mut id = match lexer.rest().first() {
        Some(b'"') => lexer.quoted()?,
        _ => lexer.run(is_token).to_vec(),
    };
    if id.is_empty() {
        return None;
    }
    // Beyond the grammar, but one word for everybody: example.org/relay7.
    if lexer.rest().starts_with(b"/") {
        id.extend_from_slice(lexer.run(|octet| is_token(octet) || octet == b'/'));
    }
    lexer.blanks()?;
    lexer.run(|octet| octet.is_ascii_digit());
    lexer.blanks()?;
    matches!(lexer.rest().first(), None | Some(b';')).then_some(id)
}

fn until_semicolon(text: &[u8]) -> &[u8] {
    text.split(|&octet| octet == b';')
        .next()
        .unwrap_or_default()
}

/// Comments taken out, as far as they end; and the blanks around them.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut lexer = Lexer::new(value);
    let mut bare = Vec::with_capacity(value.len());
    loop {
        bare.extend_from_slice(lexer.run(|octet| octet != b'('));
        if lexer.rest().is_empty() {
            return bare;
        }
        if lexer.blanks().is_none() {
            bare.extend_from_slice(lexer.rest());
            return bare;
        }
    }
}

/// Whether a Received-SPF field is said to be written by one of the names: `receiver=` names one, or a comment begins
/// with one as RFC 7208 section 9.1 has it in its examples (`(box.example: domain of ...)`).
pub fn claims_spf(value: &[u8], names: &Names) -> bool {
    let mut claimed = false;
    let mut comment = |text: &[u8]| {
        let who = text.split(|&octet| octet == b':').next();
        claimed |= names.stand_in(who.unwrap_or_default());
    };
    let mut lexer = Lexer::new(value);
    let mut receiver = Vec::new();
    let complete = loop {
        if lexer.blanks_with(&mut comment).is_none() {
            break false;
        }
        let word = lexer.run(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet));
        if lexer.blanks_with(&mut comment).is_none() {
            break false;
        }
        if lexer.octet(b'=') {
            if lexer.blanks_with(&mut comment).is_none() {
                break false;
            }
            let Some(said) = spf_value(&mut lexer) else {
                break false;
            };
            if word.eq_ignore_ascii_case(b"receiver") {
                receiver.push(said);
            }
        } else if word.is_empty() && !lexer.octet(b';') {
            break lexer.rest().is_empty();
        }
    };
    claimed
        || receiver.iter().any(|who| names.stand_in(who))
        || (!complete && names.stand_in(value))
}

fn spf_value(lexer: &mut Lexer<'_>) -> Option<Vec<u8>> {
    match lexer.rest().first() {
        Some(b'"') => lexer.quoted(),
        _ => Some(
            lexer
                .run(|octet| !octet.is_ascii_whitespace() && !b";(\"".contains(&octet))
                .to_vec(),
        ),
    }
}
