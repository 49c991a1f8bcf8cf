//! BODY[...]: which octets of a message a section is, and how they come out of the content.

use crate::limits::HEADER_BLOCK_BYTES_MAX;
use crate::store::StoreError;
use crate::store::reader::ContentReader;
use crate::wire::imap::fetch::{SectionItem, SectionText};
use crate::wire::mime::field::{Keep, subset};
use crate::wire::mime::section::{self, Of};

/// The octets of one section item.
pub(super) enum Octets {
    /// There is no such section.
    Missing,
    /// `start..end` of the served message.
    Range(u64, u64),
    /// Header fields that were picked out.
    Held(Vec<u8>),
}

/// Finds the octets. `structure` may be empty when the item names no part.
pub(super) fn find(
    item: &SectionItem,
    content: &ContentReader,
    structure: &[u8],
) -> Result<Octets, StoreError> {
    let section = &item.section;
    let of = match section.text {
        SectionText::Whole => Of::Whole,
        SectionText::Mime => Of::Mime,
        SectionText::Text => Of::Text,
        SectionText::Header | SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_) => {
            Of::Header
        }
    };
    let Some((start, end)) = range(section.path.as_slice(), of, content, structure) else {
        return Ok(Octets::Missing);
    };
    let octets = match &section.text {
        SectionText::HeaderFields(names) => {
            Octets::Held(fields(content, (start, end), names, Keep::Named)?)
        }
        SectionText::HeaderFieldsNot(names) => {
            Octets::Held(fields(content, (start, end), names, Keep::Others)?)
        }
        SectionText::Whole | SectionText::Header | SectionText::Text | SectionText::Mime => {
            Octets::Range(start, end)
        }
    };
    Ok(partial(item.partial, octets))
}

/// In octets of the message as served.
fn range(path: &[u32], of: Of, content: &ContentReader, structure: &[u8]) -> Option<(u64, u64)> {
    let (header, all) = (content.served_header_bytes(), content.served_bytes());
    match (path.is_empty(), of) {
        (true, Of::Whole) => return Some((0, all)),
        (true, Of::Header | Of::Mime) => return Some((0, header)),
        (true, Of::Text) => return Some((header, all)),
        (false, _) => {}
    }
    match section::section(structure, path, of) {
        section::Section::Message => Some((0, all)),
        section::Section::TopHeader => Some((0, header)),
        section::Section::Body(range) => {
            let shift = content.body_shift();
            let (start, end) = (
                range.start.checked_add_signed(shift)?,
                range.end.checked_add_signed(shift)?,
            );
            Some((start.min(all), end.min(all).max(start.min(all))))
        }
        section::Section::Missing => None,
    }
}

/// RFC 3501 section 6.4.5: a range that starts beyond the end is an empty string, one that ends there is cut.
fn partial(partial: Option<(u32, u32)>, octets: Octets) -> Octets {
    let Some((first, count)) = partial else {
        return octets;
    };
    match octets {
        Octets::Missing => Octets::Missing,
        Octets::Range(start, end) => {
            let from = start.saturating_add(u64::from(first)).min(end);
            Octets::Range(from, from.saturating_add(u64::from(count)).min(end))
        }
        Octets::Held(held) => {
            let from = held.len().min(first as usize);
            let to = held.len().min(from.saturating_add(count as usize));
            Octets::Held(held.get(from..to).unwrap_or_default().to_vec())
        }
    }
}

/// Room for the fields that a list of messages shows, mostly.
const USUAL_FIELDS_BYTES: usize = 500;

/// Reads a header block alone and picks fields out of it. Of the header of an enclosed message, at most the first
/// `HEADER_BLOCK_BYTES_MAX` octets are looked at.
fn fields(
    content: &ContentReader,
    range: (u64, u64),
    names: &[Box<str>],
    keep: Keep,
) -> Result<Vec<u8>, StoreError> {
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let pick = |block: &[u8]| {
        let mut held = Vec::with_capacity(USUAL_FIELDS_BYTES);
        subset(block, &names, keep).for_each(|field| held.extend_from_slice(field));
        held.extend_from_slice(b"\r\n");
        held
    };
    if range == (0, content.served_header_bytes()) {
        return content.with_header(2 * HEADER_BLOCK_BYTES_MAX, pick);
    }
    let bytes = usize::try_from(range.1 - range.0)
        .unwrap_or(usize::MAX)
        .min(2 * HEADER_BLOCK_BYTES_MAX);
    let mut block = vec![0; bytes];
    read_exactly(content, range.0, &mut block)?;
    Ok(pick(&block))
}

/// Fills `into` from `at`; less than that is damage.
pub(super) fn read_exactly(
    content: &ContentReader,
    at: u64,
    into: &mut [u8],
) -> Result<(), StoreError> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match content.read_at(at + done as u64, rest)? {
            0 => {
                return Err(StoreError(
                    "a message ends before its size: damaged; run `pillarbox store check`".into(),
                ));
            }
            n => done += n,
        }
    }
    Ok(())
}
