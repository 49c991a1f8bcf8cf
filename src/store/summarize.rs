//! The summary of a message that is in the log already, for replay and rebuild: the same scanner that saw it arrive.

use super::log::{Location, Segments};
use super::record::ContentMeta;
use crate::limits::{CHUNK_BYTES, HEADER_BLOCK_BYTES_MAX};
use crate::wire::mime::{Scanner, Summary};
use std::sync::Arc;

/// Scans the content at `at`. One that cannot be read (its file is gone since nobody needs it, or damage, which
/// `store check` names) gets an empty summary.
pub fn summarize(segments: &Arc<Segments>, at: Location, meta: &ContentMeta) -> Summary {
    scan(segments, at, meta).unwrap_or_else(|| Summary {
        envelope: b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)".to_vec(),
        structure: Vec::new(),
        header_bytes: meta.header_bytes,
        sent_at: None,
    })
}

fn scan(segments: &Arc<Segments>, at: Location, meta: &ContentMeta) -> Option<Summary> {
    let content = segments.content(at, meta.email).ok()?;
    let header_bytes = (meta.header_bytes as usize).min(HEADER_BLOCK_BYTES_MAX);
    let mut header = vec![0; header_bytes];
    let read = content.read_at(0, &mut header).ok()?;
    header.truncate(read);
    let prefix = meta.prefixes.first().map_or(&[][..], Vec::as_slice);
    let mut scanner = Scanner::new(prefix, &header, &meta.cuts);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = header.len() as u64;
    while offset < content.bytes() {
        let read = content.read_at(offset, &mut chunk).ok()?;
        if read == 0 {
            return None;
        }
        scanner.body(&chunk[..read]);
        offset += read as u64;
    }
    Some(scanner.finish())
}
