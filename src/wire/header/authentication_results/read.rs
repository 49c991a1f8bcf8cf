//! Authentication-Results as values (RFC 8601 section 2.2).

use super::lexer::{Lexer, is_token};
use crate::limits::{AUTHENTICATION_PROPERTIES_MAX, AUTHENTICATION_RESULTS_MAX};

/// A field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Who says it, as it stands without quotes.
    pub authserv_id: String,
    /// 1 where it is not said. A field of another version says nothing that we would understand (section 2.2).
    pub version: u32,
    /// What was found: at most `AUTHENTICATION_RESULTS_MAX`.
    pub findings: Vec<Finding>,
}

/// One result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Lower case.
    pub method: String,
    /// Lower case.
    pub result: String,
    /// For people.
    pub reason: Option<String>,
    /// `smtp.mailfrom` and the like, lower case, with its value: at most `AUTHENTICATION_PROPERTIES_MAX`.
    pub properties: Vec<(String, String)>,
}

/// Reads the value of a field; None where it does not follow the grammar.
pub fn read(value: &[u8]) -> Option<Read> {
    let mut lexer = Lexer::new(value);
    lexer.blanks()?;
    let authserv_id = text(lexer.value()?)?;
    lexer.blanks()?;
    let version = match lexer.run(|octet| octet.is_ascii_digit()) {
        [] => 1,
        digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    lexer.blanks()?;
    let mut findings = Vec::new();
    while lexer.octet(b';') {
        lexer.blanks()?;
        match finding(&mut lexer)? {
            Some(finding) if findings.len() < AUTHENTICATION_RESULTS_MAX => findings.push(finding),
            _ => {}
        }
        lexer.blanks()?;
    }
    lexer.rest().is_empty().then_some(Read {
        authserv_id,
        version,
        findings,
    })
}

/// Behind a semicolon. `none` and nothing are no finding.
fn finding(lexer: &mut Lexer<'_>) -> Option<Option<Finding>> {
    let Some(method) = lexer.keyword() else {
        return matches!(lexer.rest().first(), None | Some(b';')).then_some(None);
    };
    lexer.blanks()?;
    if method == "none" && !lexer.rest().starts_with(b"=") {
        return Some(None);
    }
    if lexer.octet(b'/') {
        lexer.blanks()?;
        lexer.run(|octet| octet.is_ascii_digit());
        lexer.blanks()?;
    }
    if !lexer.octet(b'=') {
        return None;
    }
    lexer.blanks()?;
    let mut finding = Finding {
        method,
        result: lexer.keyword()?,
        reason: None,
        properties: Vec::new(),
    };
    loop {
        lexer.blanks()?;
        let Some(mut name) = lexer.keyword() else {
            return Some(Some(finding));
        };
        lexer.blanks()?;
        if lexer.octet(b'.') {
            lexer.blanks()?;
            name.push('.');
            name.push_str(&lexer.keyword()?);
            lexer.blanks()?;
        }
        if !lexer.octet(b'=') {
            return None;
        }
        lexer.blanks()?;
        let value = property_value(lexer)?;
        match name.as_str() {
            "reason" => finding.reason = Some(value),
            _ if !name.contains('.') => return None,
            _ if finding.properties.len() < AUTHENTICATION_PROPERTIES_MAX => {
                finding.properties.push((name, value));
            }
            _ => {}
        }
    }
}

/// A value, or an address. What others write without the quotes that it needs (base64, an IPv6 address) is taken.
fn property_value(lexer: &mut Lexer<'_>) -> Option<String> {
    let loose = |octet| is_token(octet) || b"@/=:[]<>,?".contains(&octet);
    let mut value = match lexer.rest().first() {
        Some(b'"') => lexer.quoted()?,
        _ => Vec::new(),
    };
    value.extend_from_slice(lexer.run(loose));
    text(value)
}

fn text(octets: Vec<u8>) -> Option<String> {
    String::from_utf8(octets).ok()
}
