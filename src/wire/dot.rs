//! The content of a message as it comes in by DATA (RFC 5321 section 4.5.2) or BDAT (RFC 3030), streamed.
//!
//! Only CRLF.CRLF ends DATA, and a dot is a stuffed one only behind CRLF. A bare LF, a bare CR or a NUL never changes
//! the framing: it is noted, and the message is refused when it has been consumed whole. (Servers that disagree about
//! what ends a message can be made to see two where there is one: "SMTP smuggling".) Lines may have any length.

use memchr::memchr3;

/// What becomes of a LF without CR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoneLf {
    /// Noted as a fault: mail from strangers.
    Refuse,
    /// Becomes CRLF: what a person's own program submits.
    Repair,
}

/// What was wrong with the octets. All false in a message that may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ContentFaults {
    /// LF without CR (where it is not repaired).
    pub bare_lf: bool,
    /// CR without LF.
    pub bare_cr: bool,
    /// NUL.
    pub nul: bool,
}

impl ContentFaults {
    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.bare_lf || self.bare_cr || self.nul
    }
}

/// What [`ContentReader::dotted`] made of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Octets of the window that are done with; all of them unless the message ended before.
    pub consume: usize,
    /// CRLF.CRLF was there.
    pub ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// Behind CRLF, or at the very start.
    LineStart,
    /// Anywhere else.
    Inside,
    /// Behind a CR that waits for its LF.
    Cr,
    /// Behind a dot at the start of a line; the dot is not part of the content.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
}

/// The state of one message between windows. What it gives out is at most twice as long as what it takes (repairs).
#[derive(Clone, Debug)]
pub struct ContentReader {
    at: At,
    lone_lf: LoneLf,
    faults: ContentFaults,
}

impl ContentReader {
    /// At the start of a message.
    pub fn new(lone_lf: LoneLf) -> ContentReader {
        ContentReader {
            at: At::LineStart,
            lone_lf,
            faults: ContentFaults::default(),
        }
    }

    /// What has been wrong so far.
    pub fn faults(&self) -> ContentFaults {
        self.faults
    }

    /// Takes octets that follow DATA; gives the content without its stuffed dots to `out`, in few pieces.
    pub fn dotted(&mut self, window: &[u8], out: &mut impl FnMut(&[u8])) -> Taken {
        let mut run = 0; // start of the octets that are content and not given out yet
        let mut pos = 0;
        while let Some(&octet) = window.get(pos) {
            match (self.at, octet) {
                (At::LineStart, b'.') => {
                    give(window, run, pos, out);
                    pos += 1;
                    run = pos;
                    self.at = At::Dot;
                }
                (At::Dot, b'\r') => {
                    pos += 1;
                    run = pos;
                    self.at = At::DotCr;
                }
                (At::DotCr, b'\n') => {
                    return Taken {
                        consume: pos + 1,
                        ended: true,
                    };
                }
                (At::DotCr, _) => {
                    // The CR was a bare one; the message is refused, so that what is given out does not matter.
                    self.faults.bare_cr = true;
                    self.at = At::Inside;
                }
                _ => (run, pos) = self.run_of_line(window, run, pos, out),
            }
        }
        give(window, run, pos, out);
        Taken {
            consume: window.len(),
            ended: false,
        }
    }

    /// Takes octets of a BDAT chunk: all of them are content. Chunks follow each other without a seam.
    pub fn counted(&mut self, window: &[u8], out: &mut impl FnMut(&[u8])) {
        let (mut run, mut pos) = (0, 0);
        while pos < window.len() {
            (run, pos) = self.run_of_line(window, run, pos, out);
        }
        give(window, run, pos, out);
    }

    /// The end of the last chunk.
    pub fn finish_counted(&mut self) {
        if self.at == At::Cr {
            self.faults.bare_cr = true;
        }
    }

    /// Goes on to behind the next line end (or octet of note), from anywhere but behind a dot and its CR. Answers
    /// where the open run starts and where to go on.
    fn run_of_line(
        &mut self,
        window: &[u8],
        run: usize,
        pos: usize,
        out: &mut impl FnMut(&[u8]),
    ) -> (usize, usize) {
        let rest = window.get(pos..).unwrap_or_default();
        if self.at == At::Cr {
            if rest.first() == Some(&b'\n') {
                self.at = At::LineStart;
                return (run, pos + 1);
            }
            self.faults.bare_cr = true;
        }
        self.at = At::Inside;
        let Some(found) = memchr3(b'\r', b'\n', 0, rest) else {
            return (run, window.len());
        };
        let next = pos + found + 1;
        match rest.get(found) {
            Some(b'\r') if rest.get(found + 1) == Some(&b'\n') => {
                self.at = At::LineStart;
                (run, next + 1)
            }
            Some(b'\r') => {
                self.at = At::Cr;
                (run, next)
            }
            Some(b'\n') if self.lone_lf == LoneLf::Repair => {
                give(window, run, next - 1, out);
                out(b"\r\n");
                (next, next)
            }
            Some(b'\n') => {
                self.faults.bare_lf = true;
                (run, next)
            }
            _ => {
                self.faults.nul = true;
                (run, next)
            }
        }
    }
}

fn give(window: &[u8], from: usize, to: usize, out: &mut impl FnMut(&[u8])) {
    if let Some(piece) = window.get(from..to)
        && !piece.is_empty()
    {
        out(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Read {
        content: Vec<u8>,
        faults: ContentFaults,
        rest: Option<Vec<u8>>,
    }

    fn dotted(input: &[u8], step: usize, lone_lf: LoneLf) -> Read {
        let mut reader = ContentReader::new(lone_lf);
        let mut content = Vec::new();
        let mut done = 0;
        for piece in input.chunks(step) {
            let taken = reader.dotted(piece, &mut |out| content.extend_from_slice(out));
            done += taken.consume;
            if taken.ended {
                let rest = input.get(done..).map(<[u8]>::to_vec);
                return Read {
                    content,
                    faults: reader.faults(),
                    rest,
                };
            }
        }
        Read {
            content,
            faults: reader.faults(),
            rest: None,
        }
    }

    /// As RFC 5321 says it, octet by octet and without haste; None when there is no end.
    fn plain(input: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let marked = [b"\r\n", input].concat();
        let end = memchr::memmem::find(&marked, b"\r\n.\r\n")?;
        let mut content = Vec::new();
        for (at, octet) in marked.iter().enumerate().take(end + 2).skip(2) {
            if *octet != b'.' || marked.get(at - 2..at) != Some(b"\r\n") {
                content.push(*octet);
            }
        }
        Some((content, marked[end + 5..].to_vec()))
    }

    #[test]
    fn dots() {
        for (input, content) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
            (b"a.\r\n.b\r\n.\r\n", b"a.\r\nb\r\n"),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        ] {
            for step in [1, 2, 3, 99] {
                let read = dotted(input, step, LoneLf::Refuse);
                assert_eq!(read.content, content, "{input:?}");
                assert_eq!(read.rest.as_deref(), Some(&b""[..]));
                assert!(!read.faults.any());
            }
        }
    }

    #[test]
    fn no_other_sequence_ends_a_message() {
        for smuggled in [
            "\n.\n",
            "\n.\r\n",
            "\r\n.\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\r",
            "\n.\r",
            "\r.\n",
            "\0\n.\n",
            "\r\n\0.\r\n",
            "\r\n.\0\r\n",
            "\r\r\n.\r\r\n",
            "\r\n.\r\r\n",
        ] {
            let input = format!("a{smuggled}MAIL FROM:<x@y.z>\r\n.\r\nQUIT\r\n");
            for (step, lone_lf) in [
                (1, LoneLf::Refuse),
                (5, LoneLf::Refuse),
                (99, LoneLf::Refuse),
            ] {
                let read = dotted(input.as_bytes(), step, lone_lf);
                assert_eq!(read.rest.as_deref(), Some(&b"QUIT\r\n"[..]), "{smuggled:?}");
                assert!(read.faults.any(), "{smuggled:?}");
            }
            let read = dotted(input.as_bytes(), 2, LoneLf::Repair);
            assert_eq!(read.rest.as_deref(), Some(&b"QUIT\r\n"[..]), "{smuggled:?}");
        }
    }

    #[test]
    fn a_lone_lf_is_repaired_where_asked() {
        for step in [1, 2, 99] {
            let read = dotted(b"a\nb\r\n\n.\n..c\n\r\n.\r\n", step, LoneLf::Repair);
            assert_eq!(read.content, b"a\r\nb\r\n\r\n.\r\n..c\r\n\r\n");
            assert!(!read.faults.any());
        }
        assert!(dotted(b"a\rb\r\n.\r\n", 9, LoneLf::Repair).faults.bare_cr);
        assert!(dotted(b"a\0b\r\n.\r\n", 9, LoneLf::Repair).faults.nul);
    }

    #[test]
    fn chunks_have_no_seam() {
        let mut reader = ContentReader::new(LoneLf::Refuse);
        let mut content = Vec::new();
        for chunk in [&b"a\r"[..], b"\n.\r\n", b"", b"..b\r", b"\n"] {
            reader.counted(chunk, &mut |out| content.extend_from_slice(out));
        }
        reader.finish_counted();
        assert_eq!(content, b"a\r\n.\r\n..b\r\n");
        assert!(!reader.faults().any());
        reader.counted(b"\r", &mut |_| {});
        assert!(!reader.faults().any());
        reader.finish_counted();
        assert!(reader.faults().bare_cr);
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(input in "[.ab\r\n\0]{0,40}", step in 1usize..9) {
            let read = dotted(input.as_bytes(), step, LoneLf::Refuse);
            match plain(input.as_bytes()) {
                None => prop_assert!(read.rest.is_none()),
                Some((content, rest)) => {
                    prop_assert_eq!(read.rest.unwrap(), rest);
                    let crlf_only = String::from_utf8(content.clone()).unwrap().replace("\r\n", "");
                    let faulty = crlf_only.contains(['\r', '\n', '\0']);
                    if !faulty && !read.faults.any() {
                        prop_assert_eq!(read.content, content);
                    } else {
                        prop_assert!(read.faults.any());
                    }
                }
            }
        }

        #[test]
        fn counted_changes_nothing(input in "[.ab\r\n\0]{0,40}", step in 1usize..9) {
            let mut reader = ContentReader::new(LoneLf::Refuse);
            let mut content = Vec::new();
            for piece in input.as_bytes().chunks(step) {
                reader.counted(piece, &mut |out| content.extend_from_slice(out));
            }
            reader.finish_counted();
            prop_assert_eq!(&content, input.as_bytes());
            let crlf_only = input.replace("\r\n", "");
            prop_assert_eq!(reader.faults().any(), crlf_only.contains(['\r', '\n', '\0']));
        }
    }
}
