//! The streaming MIME scanner (RFC 2045, 2046, 5322): one pass, bounded by `MIME_PARTS_MAX`, `MIME_DEPTH_MAX`,
//! `MIME_FIELDS_MAX`; a body of any size passes through in chunks.

use std::ops::Range;

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

/// Scans one message. The header block comes first and whole, the body in chunks of any size.
pub struct Scanner {}

impl Scanner {
    /// `prefix`: header fields of ours in front of the message (not counted in offsets). `header`: the header block
    /// as received with its empty line. `cuts`: ascending ranges of `header` that are not served.
    pub fn new(_prefix: &[u8], _header: &[u8], _cuts: &[Range<u32>]) -> Scanner {
        todo!()
    }
    /// The next octets of the body, as received.
    pub fn body(&mut self, _chunk: &[u8]) {
        todo!()
    }
    /// The end of the message.
    pub fn finish(self) -> Summary {
        todo!()
    }
}
