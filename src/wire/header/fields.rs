//! Splitting a header block (RFC 5322 section 2.2) into fields by offsets. Ugly blocks are taken as they are.

use memchr::{memchr, memmem};
use std::ops::Range;

/// One field of a header block, folded lines with it.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// The name as written; empty for a line that is no field.
    pub name: &'a [u8],
    /// What stands behind the colon, with folds and the last CRLF.
    pub value: &'a [u8],
    /// Where the field stands in the block, with its last CRLF.
    pub range: Range<usize>,
}

impl Field<'_> {
    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Iterates over the fields of a block; the empty line at its end is none.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    block: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Over a header block with or without its empty line.
    pub fn new(block: &'a [u8]) -> Fields<'a> {
        Fields { block, at: 0 }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let start = self.at;
        let rest = self.block.get(start..)?;
        if rest.is_empty() || rest.starts_with(b"\r\n") {
            return None;
        }
        let mut end = line_end(self.block, start);
        while matches!(self.block.get(end), Some(b' ' | b'\t')) {
            end = line_end(self.block, end);
        }
        self.at = end;
        let whole = self.block.get(start..end)?;
        let name_bytes = memchr(b':', whole).filter(|&colon| {
            let name = whole.get(..colon).unwrap_or_default().trim_ascii_end();
            !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
        });
        let (name, value) = match name_bytes {
            // RFC 5322 section 4.5: the obsolete syntax has blanks in front of the colon.
            Some(colon) => (
                whole.get(..colon)?.trim_ascii_end(),
                whole.get(colon + 1..)?,
            ),
            None => (&whole[..0], whole),
        };
        Some(Field {
            name,
            value,
            range: start..end,
        })
    }
}

fn line_end(block: &[u8], from: usize) -> usize {
    let rest = block.get(from..).unwrap_or_default();
    memchr(b'\n', rest).map_or(block.len(), |lf| from + lf + 1)
}

/// Octets of the header block at the start of a message, with its empty line; None while that has not come.
pub fn end_of_header(message: &[u8]) -> Option<usize> {
    if message.starts_with(b"\r\n") {
        return Some(2);
    }
    memmem::find(message, b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_with_folds_and_oddities() {
        let block = b"A: 1\r\n 2\r\nb :\r\n\t\r\n>From x\r\n: y\r\nC:z";
        let got: Vec<_> = Fields::new(block)
            .map(|f| {
                (
                    String::from_utf8_lossy(f.name).into_owned(),
                    String::from_utf8_lossy(f.value).into_owned(),
                    f.range,
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                ("A".into(), " 1\r\n 2\r\n".into(), 0..10),
                ("b".into(), "\r\n\t\r\n".into(), 10..18),
                ("".into(), ">From x\r\n".into(), 18..27),
                ("".into(), ": y\r\n".into(), 27..32),
                ("C".into(), "z".into(), 32..35),
            ]
        );
    }

    #[test]
    fn where_a_header_ends() {
        assert_eq!(end_of_header(b"\r\nbody"), Some(2));
        assert_eq!(end_of_header(b"A: 1\r\n\r\nbody"), Some(8));
        assert_eq!(end_of_header(b"A: 1\r\n"), None);
        assert_eq!(end_of_header(b""), None);
        assert_eq!(Fields::new(b"\r\nA: 1\r\n").count(), 0);
    }

    proptest! {
        #[test]
        fn ranges_cover_the_block(block in "[aB: \t\r\n]{0,60}") {
            let block = block.as_bytes();
            let mut at = 0;
            for field in Fields::new(block) {
                prop_assert_eq!(field.range.start, at);
                prop_assert!(field.range.end > at);
                at = field.range.end;
            }
            prop_assert!(at == block.len() || block[at..].starts_with(b"\r\n"));
        }
    }
}
