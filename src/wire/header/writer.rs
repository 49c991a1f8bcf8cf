//! The one encoder for header fields that we write: folded at 78 columns, nothing in a value can end the field.

/// Column behind which no word starts (RFC 5322 section 2.1.1: lines should have at most 78).
const COLUMN_MAX: usize = 78;

/// Whether a field may hold more than ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charset {
    /// Anything else becomes a question mark.
    Ascii,
    /// RFC 6532: only in mail that came with SMTPUTF8.
    Utf8,
}

/// Writes one field to the end of a buffer.
pub struct FieldWriter<'a> {
    out: &'a mut Vec<u8>,
    column: usize,
    charset: Charset,
}

impl<'a> FieldWriter<'a> {
    /// Starts with `name:`. The name is one of ours.
    pub fn new(out: &'a mut Vec<u8>, name: &'static str, charset: Charset) -> FieldWriter<'a> {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        FieldWriter {
            column: name.len() + 1,
            out,
            charset,
        }
    }

    /// A word behind a blank, on a line of its own where it would pass the margin. Control characters become
    /// question marks: a word never ends the line.
    pub fn word(mut self, word: &str) -> Self {
        let width = word.chars().count();
        if self.column + 1 + width > COLUMN_MAX && self.column > 1 {
            self.out.extend_from_slice(b"\r\n");
            self.column = 0;
        }
        self.out.push(b' ');
        self.column += 1 + width;
        self.text(word);
        self
    }

    /// Characters right behind what stands there, without a blank and never folded.
    pub fn glued(mut self, text: &str) -> Self {
        self.column += text.chars().count();
        self.text(text);
        self
    }

    /// A new line with everything that follows, for fields that people read.
    pub fn fold(mut self) -> Self {
        self.out.extend_from_slice(b"\r\n");
        self.column = 0;
        self
    }

    /// Ends the field.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                ' '..='~' => self.out.push(c as u8),
                c if c.is_ascii() || c.is_control() || self.charset == Charset::Ascii => {
                    self.out.push(b'?')
                }
                c => {
                    let mut octets = [0; 4];
                    self.out
                        .extend_from_slice(c.encode_utf8(&mut octets).as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::header::Fields;
    use proptest::prelude::*;

    fn written(charset: Charset, words: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut field = FieldWriter::new(&mut out, "X-Original-To", charset);
        for word in words {
            field = field.word(word);
        }
        field.end();
        out
    }

    #[test]
    fn folds_at_78() {
        let word = |bytes: usize| "x".repeat(bytes);
        assert_eq!(written(Charset::Ascii, &[word(63)]).len(), 78 + 2);
        assert_eq!(
            written(Charset::Ascii, &[word(64)]),
            format!("X-Original-To:\r\n {}\r\n", word(64)).into_bytes()
        );
    }

    #[test]
    fn utf8_only_where_it_may_be() {
        let word = ["bü\u{85}".to_string()];
        assert_eq!(written(Charset::Ascii, &word), b"X-Original-To: b??\r\n");
        assert_eq!(
            written(Charset::Utf8, &word),
            "X-Original-To: bü?\r\n".as_bytes()
        );
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(words in proptest::collection::vec(any::<String>(), 0..9)) {
            for charset in [Charset::Ascii, Charset::Utf8] {
                let out = written(charset, &words);
                let mut fields = Fields::new(&out);
                prop_assert_eq!(fields.next().unwrap().range, 0..out.len());
                prop_assert!(!out.contains(&0));
            }
        }
    }
}
