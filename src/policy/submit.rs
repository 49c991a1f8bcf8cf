//! The header of a submitted message (RFC 6409 sections 5 to 8): completed, cleaned, and its authors named.

use crate::limits::{AUTHORS_MAX, SUBMITTED_FIELDS_BYTES_MAX};
use crate::wire::address::Address;
use crate::wire::header::{
    Charset, Field, FieldAddress, FieldWriter, Fields, complete, each_address, write_date,
};
use crate::wire::smtp::Reply;
use std::ops::Range;

/// What is known of a submission.
pub struct Facts<'a> {
    /// The header block.
    pub header: &'a [u8],
    /// The account: its domain completes addresses.
    pub login: &'a Address,
    /// Reverse-path; becomes From where that is missing.
    pub sender: Option<&'a Address>,
    /// For a missing Message-ID: what stands between the angle brackets.
    pub message_id: &'a str,
    /// Seconds since 1970, for a missing Date.
    pub seconds: i64,
}

/// What becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// Fields of ours, with their CRLF.
    pub added: Vec<u8>,
    /// Ranges of the header that are not served.
    pub cuts: Vec<Range<u32>>,
    /// Who the message says it is from: all of them must be the login's own.
    pub authors: Vec<Address>,
}

const TWO_AUTHORS: Reply = Reply::new(554, "5.6.0", "The header has more than one From field");
const BAD_AUTHOR: Reply = Reply::new(554, "5.6.0", "From does not name an address");
const MANY_AUTHORS: Reply = Reply::new(554, "5.6.0", "Too many addresses in From");

const MUCH_TO_COMPLETE: Reply = Reply::new(554, "5.6.0", "Too many addresses without a domain");
const MAX: usize = SUBMITTED_FIELDS_BYTES_MAX;

/// Fields whose addresses are completed.
const ADDRESS_FIELDS: [&str; 9] = [
    "From",
    "To",
    "Cc",
    "Sender",
    "Reply-To",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Sender",
];

/// Completes the header or says why the message is refused. A missing From is added as the best peers do: programs
/// that send plain text through `msmtp` have none.
pub fn submitted(facts: &Facts<'_>) -> Result<Submitted, Reply> {
    let mut result = Submitted {
        added: Vec::new(),
        cuts: Vec::new(),
        authors: Vec::new(),
    };
    let (mut from, mut date, mut message_id) = (false, false, false);
    for field in Fields::new(facts.header) {
        date |= field.is("Date");
        message_id |= field.is("Message-ID");
        if field.is("From") {
            if std::mem::replace(&mut from, true) {
                return Err(TWO_AUTHORS);
            }
            result.authors = authors(&field, facts.login)?;
        }
        if field.is("Bcc") || field.is("Resent-Bcc") || field.is("Return-Path") {
            result.cuts.push(super::cut(&field));
        } else if ADDRESS_FIELDS.iter().any(|name| field.is(name))
            && let Some(value) = complete(field.value, facts.login.domain(), MAX)
        {
            result.cuts.push(super::cut(&field));
            rewrite(&mut result.added, &field, &value);
            if result.added.len() > MAX {
                return Err(MUCH_TO_COMPLETE);
            }
        }
    }
    if !from {
        let author = facts.sender.unwrap_or(facts.login);
        FieldWriter::new(&mut result.added, "From", Charset::Utf8)
            .word(&format!("<{author}>"))
            .end();
    }
    if !date {
        FieldWriter::new(&mut result.added, "Date", Charset::Ascii)
            .word(&write_date(facts.seconds))
            .end();
    }
    if !message_id {
        FieldWriter::new(&mut result.added, "Message-ID", Charset::Ascii)
            .word(&format!("<{}>", facts.message_id))
            .end();
    }
    Ok(result)
}

/// The addresses of From, completed.
fn authors(field: &Field<'_>, login: &Address) -> Result<Vec<Address>, Reply> {
    let mut authors = Vec::new();
    let mut trouble = None;
    each_address(field.value, &mut |address| {
        let author = match address {
            FieldAddress::Full(address) => Some(address),
            FieldAddress::Local { local, .. } => Address::new(&local, login.domain().clone()).ok(),
            FieldAddress::Malformed { .. } => None,
        };
        match author {
            Some(author) if authors.len() < AUTHORS_MAX => authors.push(author),
            Some(_) => trouble = Some(MANY_AUTHORS),
            None => trouble = Some(BAD_AUTHOR),
        }
    });
    match trouble {
        Some(reply) => Err(reply),
        None if authors.is_empty() => Err(BAD_AUTHOR),
        None => Ok(authors),
    }
}

/// The field with another value: octets of the same header, so that nothing new can break out.
fn rewrite(added: &mut Vec<u8>, field: &Field<'_>, value: &[u8]) {
    added.extend_from_slice(field.name);
    added.push(b':');
    added.extend_from_slice(value);
    if !added.ends_with(b"\r\n") {
        added.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(header: &'a str, login: &'a Address) -> Facts<'a> {
        Facts {
            header: header.as_bytes(),
            login,
            sender: None,
            message_id: "id@box.test",
            seconds: 0,
        }
    }

    fn run(header: &str) -> Result<Submitted, Reply> {
        submitted(&facts(header, &Address::parse("anna@box.test").unwrap()))
    }

    /// The header as served.
    fn served(header: &str) -> String {
        let done = run(header).unwrap();
        let mut text = String::from_utf8(done.added).unwrap();
        let mut at = 0;
        for cut in done.cuts {
            text += &header[at..cut.start as usize];
            at = cut.end as usize;
        }
        text + &header[at..]
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(
            served("Subject: x\r\n\r\n"),
            "From: <anna@box.test>\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <id@box.test>\r\nSubject: x\r\n\r\n"
        );
        let whole = "From: anna@box.test\r\nDate: x\r\nMessage-Id: <y>\r\n\r\n";
        assert_eq!(served(whole), whole);
    }

    #[test]
    fn bcc_is_cut_and_addresses_completed() {
        assert_eq!(
            served(
                "From: Anna <anna>\r\nDATE: x\r\nBCC: a@b.de,\r\n c@d.de\r\nTo: bert, c@d.de\r\nMessage-ID: y\r\nResent-Bcc: z\r\n\r\n"
            ),
            "From: Anna <anna@box.test>\r\nTo: bert@box.test, c@d.de\r\nDATE: x\r\nMessage-ID: y\r\n\r\n"
        );
    }

    #[test]
    fn completing_has_an_end() {
        // " a@box.test," is 12 octets; with the name, colon and CRLF.
        let to = |addresses: usize| format!("To:{} x@y.de\r\n\r\n", " a,".repeat(addresses));
        let fits = (MAX - 3 - 9) / 12;
        assert!(run(&to(fits)).is_ok());
        assert_eq!(run(&to(fits + 1)), Err(MUCH_TO_COMPLETE));
        assert_eq!(run(&to(40_000)), Err(MUCH_TO_COMPLETE));
    }

    #[test]
    fn authors_are_named() {
        let authors = |value: &str| {
            run(&format!("From: {value}\r\n\r\n"))
                .map(|done| {
                    done.authors
                        .iter()
                        .map(|a| a.to_string())
                        .collect::<Vec<_>>()
                })
                .map_err(|reply| reply.status)
        };
        assert_eq!(
            authors("a@b.de, \"X\" <c>"),
            Ok(vec!["a@b.de".into(), "c@box.test".into()])
        );
        for bad in [
            "",
            "<>",
            "A B",
            "a@b.de\r\nFrom: c@d.de",
            "<a@b.de> <c@d.de>",
        ] {
            assert_eq!(authors(bad), Err("5.6.0"), "{bad}");
        }
        let many = |n: usize| vec!["a@b.de"; n].join(",");
        assert!(authors(&many(AUTHORS_MAX)).is_ok());
        assert!(authors(&many(AUTHORS_MAX + 1)).is_err());
    }
}
