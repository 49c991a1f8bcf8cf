//! The octets of a header block that a signature covers (RFC 6376 sections 3.4.1, 3.4.2, 3.7; RFC 8617 section 5.1.1).

use super::Canon;
use crate::wire::header::{Field, Fields};
use std::cmp::Ordering;
use std::ops::Range;

/// A field that holds a signature, and where in its value that stands: it is hashed last, the signature left out.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a, 'b> {
    /// The field.
    pub field: &'a Field<'b>,
    /// Of the value of `b=` in the field's value.
    pub signature: &'a Range<usize>,
}

/// The fields of a block ordered by name, the lowest of each first: a signature takes them from the bottom up.
pub struct Block<'a> {
    octets: &'a [u8],
    fields: Vec<Field<'a>>,
}

impl<'a> Block<'a> {
    /// Over a header block that was found to have not too many fields.
    pub fn new(octets: &'a [u8]) -> Block<'a> {
        let mut fields: Vec<Field<'a>> = Fields::new(octets).collect();
        fields.sort_unstable_by(|a, b| {
            by_name(a.name, b.name).then(b.range.start.cmp(&a.range.start))
        });
        Block { octets, fields }
    }

    /// What a signature over the fields of these names covers. A name that stands there more often than the block
    /// has fields of it stands for nothing (RFC 6376 section 5.4.2); the field with the signature is never one of
    /// them.
    pub fn signed(&self, names: &[&str], canon: Canon, own: Own<'_, '_>) -> Vec<u8> {
        let mut taken = vec![false; self.fields.len()];
        let mut chosen: Vec<&Field<'a>> = Vec::with_capacity(names.len());
        for name in names {
            let first = self
                .fields
                .partition_point(|field| by_name(field.name, name.as_bytes()).is_lt());
            let rest = self.fields.iter().zip(&mut taken).skip(first);
            let mut same = rest.take_while(|(field, _)| field.is(name));
            let free = same.find(|(field, taken)| !**taken && field.range != own.field.range);
            if let Some((field, taken)) = free {
                *taken = true;
                chosen.push(field);
            }
        }
        let bytes: usize = chosen.iter().map(|field| field.range.len() + 2).sum();
        let mut signed = Vec::with_capacity(bytes + own.field.range.len());
        for field in chosen {
            push_field(&mut signed, self.octets, field, canon);
        }
        push_own(&mut signed, self.octets, own, canon);
        signed
    }
}

/// Appends a field of `block` in canonical form, with CRLF.
pub fn push_field(signed: &mut Vec<u8>, block: &[u8], field: &Field<'_>, canon: Canon) {
    push_name(signed, block, field, canon);
    push_value(signed, &[without_end(field.value)], canon);
    signed.extend_from_slice(b"\r\n");
}

/// Appends the field that holds the signature, without the signature and without CRLF.
pub fn push_own(signed: &mut Vec<u8>, block: &[u8], own: Own<'_, '_>, canon: Canon) {
    let value = own.field.value;
    let before = value.get(..own.signature.start).unwrap_or_default();
    let behind = value.get(own.signature.end..).unwrap_or_default();
    push_name(signed, block, own.field, canon);
    push_value(signed, &[before, without_end(behind)], canon);
}

fn push_name(signed: &mut Vec<u8>, block: &[u8], field: &Field<'_>, canon: Canon) {
    match canon {
        Canon::Relaxed => {
            signed.extend(field.name.iter().map(u8::to_ascii_lowercase));
            signed.push(b':');
        }
        // With the colon, and what may stand between the two.
        Canon::Simple => {
            let end = field.range.end - field.value.len();
            signed.extend_from_slice(block.get(field.range.start..end).unwrap_or_default());
        }
    }
}

fn push_value(signed: &mut Vec<u8>, pieces: &[&[u8]], canon: Canon) {
    if canon == Canon::Simple {
        pieces.iter().for_each(|p| signed.extend_from_slice(p));
        return;
    }
    // RFC 6376 section 3.4.2: unfolded, one space for all white space in a row, none at the ends.
    let (mut blank, mut begun) = (false, false);
    for &octet in pieces.iter().copied().flatten() {
        match octet {
            b' ' | b'\t' | b'\r' | b'\n' => blank = true,
            octet => {
                if blank && begun {
                    signed.push(b' ');
                }
                signed.push(octet);
                (blank, begun) = (false, true);
            }
        }
    }
}

fn without_end(value: &[u8]) -> &[u8] {
    value.strip_suffix(b"\r\n").unwrap_or(value)
}

fn by_name(a: &[u8], b: &[u8]) -> Ordering {
    let lower = u8::to_ascii_lowercase;
    a.iter().map(lower).cmp(b.iter().map(lower))
}
