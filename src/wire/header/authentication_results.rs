//! Authentication-Results (RFC 8601) and the values of Received-SPF (RFC 7208 section 9.1), written and read; and
//! fields that claim to be written by somebody, found in every form that a reader might understand.
//!
//! Every value goes through [`encode`] or its kin, whoever it comes from: a word, a quoted string, or nothing at all.

mod claim;
mod lexer;
mod read;

pub use claim::{Names, claims_results, claims_spf};
pub use read::{Finding, Read, read};

use super::{Charset, FieldWriter};
use crate::limits::{AUTHENTICATION_RESULTS_MAX, AUTHENTICATION_VALUE_BYTES_MAX};

/// One Authentication-Results field that is being written. What passes `AUTHENTICATION_RESULTS_MAX` is left out.
pub struct Results<'a> {
    field: FieldWriter<'a>,
    count: usize,
}

impl<'a> Results<'a> {
    /// Starts with the name of who says it.
    pub fn new(out: &'a mut Vec<u8>, authserv_id: &str) -> Results<'a> {
        let name = encode_word(authserv_id).unwrap_or_else(|| "unknown".into());
        Results {
            field: FieldWriter::new(out, "Authentication-Results", Charset::Ascii).word(&name),
            count: 0,
        }
    }

    /// `method=result` on a line of its own. What follows belongs to it.
    pub fn method(mut self, method: &'static str, result: &'static str) -> Self {
        self.count += 1;
        match self.is_full() {
            true => self,
            false => {
                self.field(|field| field.glued(";").fold().word(&format!("{method}={result}")))
            }
        }
    }

    /// `reason="value"`, where the value can be said; in front of the properties.
    pub fn reason(self, value: &str) -> Self {
        self.pair("reason", encode_word(value))
    }

    /// `name=value`, where the value can be said. `name` is `smtp.mailfrom` and the like.
    pub fn property(self, name: &'static str, value: &str) -> Self {
        self.pair(name, encode(value))
    }

    fn pair(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) if !self.is_full() => {
                self.field(|field| field.word(&format!("{name}={value}")))
            }
            _ => self,
        }
    }

    /// Ends the field. Without any result it says so.
    pub fn end(self) {
        match self.count {
            0 => self.field.glued("; none").end(),
            _ => self.field.end(),
        }
    }

    fn is_full(&self) -> bool {
        self.count > AUTHENTICATION_RESULTS_MAX
    }

    fn field(self, write: impl FnOnce(FieldWriter<'a>) -> FieldWriter<'a>) -> Self {
        Results {
            field: write(self.field),
            count: self.count,
        }
    }
}

/// The value of a property: a word, or an address in plain words; otherwise a quoted string. None where it is empty,
/// longer than `AUTHENTICATION_VALUE_BYTES_MAX`, or has anything but printable ASCII.
pub fn encode(value: &str) -> Option<String> {
    let dotted = |text: &str| is_word(text) && text.split('.').all(|atom| !atom.is_empty());
    let address = |(local, domain): (&str, &str)| {
        (local.is_empty() || dotted(local)) && dotted(domain) && !domain.contains(['_', '+'])
    };
    match value.split_once('@').is_some_and(address) && fits(value) {
        true => Some(value.into()),
        false => encode_word(value),
    }
}

/// A value as a word or a quoted string.
pub fn encode_word(value: &str) -> Option<String> {
    match is_word(value) && fits(value) {
        true => Some(value.into()),
        false => encode_quoted(value),
    }
}

fn is_word(text: &str) -> bool {
    let good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet);
    !text.is_empty() && text.bytes().all(good)
}

fn fits(value: &str) -> bool {
    (1..=AUTHENTICATION_VALUE_BYTES_MAX).contains(&value.len())
}

/// A value as a dot-atom or a quoted string, as Received-SPF has them.
pub fn encode_atom(value: &str) -> Option<String> {
    let atom = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_+".contains(&octet))
    };
    match value.split('.').all(atom) && fits(value) {
        true => Some(value.into()),
        false => encode_quoted(value),
    }
}

fn encode_quoted(value: &str) -> Option<String> {
    if !fits(value) || !value.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return None;
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Some(quoted)
}

#[cfg(test)]
mod tests;
