//! Sections of a message (RFC 3501 section 6.4.5) as ranges of octets.

use super::structure::{Kind, Part, parts};
use std::ops::Range;

/// What of a part is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// The part's body (`1.2`), or with no part the whole message.
    Whole,
    /// `MIME`: the part's own header.
    Mime,
    /// `HEADER` and the base of HEADER.FIELDS: header of the message, or of the message inside message/rfc822.
    Header,
    /// `TEXT`: body of the message, or of the message inside message/rfc822.
    Text,
}

/// Where a section's octets are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Section {
    /// The whole message as served.
    Message,
    /// The header block as served with its empty line: prefix and cuts apply, so the reader knows its octets.
    TopHeader,
    /// Octets of the content as received, all behind the top-level header block; add the reader's `body_shift`.
    Body(Range<u64>),
    /// There is no such section.
    Missing,
}

/// Finds the section `path` and `of` of a message. `path` counts from 1; empty means the message itself.
pub fn section(structure: &[u8], path: &[u32], of: Of) -> Section {
    let Some(root) = parts(structure).next() else {
        return Section::Missing;
    };
    if path.is_empty() {
        return match of {
            Of::Whole => Section::Message,
            Of::Header | Of::Mime => Section::TopHeader,
            Of::Text => Section::Body(root.body()),
        };
    }
    let Some((index, part)) = walk(structure, path) else {
        return Section::Missing;
    };
    match of {
        Of::Whole => Section::Body(part.body()),
        Of::Mime if part.depth == 0 => Section::TopHeader,
        Of::Mime => Section::Body(part.header()),
        Of::Header | Of::Text if part.kind == Kind::Message => {
            match parts(structure).nth(index + 1) {
                Some(inside) if of == Of::Header => Section::Body(inside.header()),
                Some(inside) => Section::Body(inside.body()),
                None => Section::Missing,
            }
        }
        Of::Header | Of::Text => Section::Missing,
    }
}

/// The part that `path` names, with its index among all parts.
pub fn walk<'a>(structure: &'a [u8], path: &[u32]) -> Option<(usize, Part<'a>)> {
    let mut tree = parts(structure).enumerate();
    let mut here = tree.next()?;
    // A message's number 1 is itself where it is no multipart; so is that of the message inside message/rfc822.
    let mut enter = Enter::Message;
    for &number in path {
        if enter == Enter::Part {
            match here.1.kind {
                Kind::Multipart => {}
                Kind::Message => here = tree.next()?,
                Kind::Leaf | Kind::Opaque => return None,
            }
        }
        if here.1.kind == Kind::Multipart {
            let depth = here.1.depth + 1;
            let mut left = number;
            here = loop {
                let next = tree.next().filter(|(_, part)| part.depth >= depth)?;
                if next.1.depth == depth {
                    left = left.checked_sub(1)?;
                    if left == 0 {
                        break next;
                    }
                }
            };
        } else if number != 1 {
            return None;
        }
        enter = Enter::Part;
    }
    Some(here)
}

#[derive(PartialEq, Eq)]
enum Enter {
    Message,
    Part,
}
