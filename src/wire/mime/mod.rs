//! MIME (RFC 2045, 2046, 5322), one pass, bounded: a body of any size passes through in chunks.
//!
//! [`Scanner`] makes the [`Summary`] of a message while it is received. Everything that IMAP says of a message without
//! reading it comes from there: ENVELOPE as it stands, [`body`] and [`section`] from the structure. [`field`] cuts header
//! blocks, [`date`] reads dates, [`decode`] undoes transfer encodings and charsets, [`search`] matches SEARCH keys
//! over what a reader streams.
//!
//! Past a bound nothing is an error: a container too deep is a leaf, a part too many belongs to the one before it.

pub mod body;
mod content;
pub mod date;
pub mod decode;
mod envelope;
pub mod field;
mod lexer;
mod mailboxes;
mod scan;
pub mod search;
pub mod section;
pub mod structure;
#[cfg(test)]
mod tests;

pub use scan::Scanner;

use crate::wire::imap::write::put_string;

/// What IMAP wants to know of a message without reading it again; made once by [`Scanner`], kept in the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// The ENVELOPE (RFC 3501 section 7.4.2) as IMAP bytes, with its parentheses.
    pub envelope: Vec<u8>,
    /// The tree of parts in a compact encoding of ours: BODY, BODYSTRUCTURE and section offsets come from it.
    pub structure: Vec<u8>,
    /// Where the body starts: octets of the header block as received, with its empty line.
    pub header_bytes: u32,
    /// Value of the Date field in seconds since 1970 (UTC), for SENTSINCE and sorting; None where it is unreadable.
    pub sent_at: Option<i64>,
}

/// Appends an IMAP string, or NIL.
fn put_nstring(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}
