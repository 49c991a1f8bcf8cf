//! Framing of command lines over a window of input. A line ends with CRLF and with nothing else.
//!
//! A line that is too long, or holds a bare CR or LF, is a fault that is reported once and at once; what is left of
//! it is skipped up to the next CRLF, so that nothing inside it is ever read as a command.

use memchr::{memchr, memchr2};

/// Why a line is no line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineFault {
    /// More octets than the bound, CRLF counted.
    TooLong,
    /// LF without CR in front.
    BareLf,
    /// CR without LF behind.
    BareCr,
}

/// What the window holds. `consume` octets of it are done with in each case.
#[derive(PartialEq, Eq, Debug)]
pub enum Framed<'a> {
    /// No whole line yet.
    More {
        /// Skipped octets.
        consume: usize,
    },
    /// A line, without its CRLF.
    Line {
        /// Its octets: no CR, no LF, anything else.
        line: &'a [u8],
        /// With CRLF.
        consume: usize,
    },
    /// A faulty line, reported once.
    Fault {
        /// What is wrong.
        fault: LineFault,
        /// Up to where it has been looked at.
        consume: usize,
    },
}

/// The framer's state between windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LineFramer {
    /// Inside a line whose fault has been reported.
    skipping: bool,
}

impl LineFramer {
    /// Looks for the next line of at most `bytes_max` octets (CRLF counted) at the start of `window`.
    pub fn next<'a>(&mut self, window: &'a [u8], bytes_max: usize) -> Framed<'a> {
        if self.skipping {
            let (consume, ended) = skip(window);
            self.skipping = !ended;
            if !ended || consume == window.len() {
                return Framed::More { consume };
            }
            let rest = window.get(consume..).unwrap_or_default();
            return self.next(rest, bytes_max).after(consume);
        }
        let Some(at) = memchr2(b'\r', b'\n', window) else {
            return if window.len() >= bytes_max {
                self.fault(LineFault::TooLong, window, 0)
            } else {
                Framed::More { consume: 0 }
            };
        };
        if at + 2 > bytes_max {
            return self.fault(LineFault::TooLong, window, at);
        }
        match (window.get(at), window.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Framed::Line {
                line: window.get(..at).unwrap_or_default(),
                consume: at + 2,
            },
            (Some(b'\r'), None) => Framed::More { consume: 0 },
            (Some(b'\r'), Some(_)) => self.fault(LineFault::BareCr, window, at + 1),
            _ => self.fault(LineFault::BareLf, window, at + 1),
        }
    }

    /// Reports a fault and skips from `from` on.
    fn fault<'a>(&mut self, fault: LineFault, window: &[u8], from: usize) -> Framed<'a> {
        let (skipped, ended) = skip(window.get(from..).unwrap_or_default());
        self.skipping = !ended;
        Framed::Fault {
            fault,
            consume: from + skipped,
        }
    }
}

impl<'a> Framed<'a> {
    /// The same, `skipped` octets further on.
    fn after(self, skipped: usize) -> Framed<'a> {
        match self {
            Framed::More { consume } => Framed::More {
                consume: consume + skipped,
            },
            Framed::Line { line, consume } => Framed::Line {
                line,
                consume: consume + skipped,
            },
            Framed::Fault { fault, consume } => Framed::Fault {
                fault,
                consume: consume + skipped,
            },
        }
    }
}

/// Octets up to and with the first CRLF, and whether there is one. A CR at the very end is kept for the next look.
fn skip(window: &[u8]) -> (usize, bool) {
    let mut from = 0;
    while let Some(found) = memchr(b'\n', window.get(from..).unwrap_or_default()) {
        let lf = from + found;
        from = lf + 1;
        if lf > 0 && window.get(lf - 1) == Some(&b'\r') {
            return (from, true);
        }
    }
    let kept = usize::from(window.last() == Some(&b'\r'));
    (window.len() - kept, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `input` in pieces of `step` octets; what came out, a line as text or a fault.
    fn feed(input: &[u8], step: usize, bytes_max: usize) -> Vec<String> {
        let mut framer = LineFramer::default();
        let (mut out, mut window, mut input) = (Vec::new(), Vec::new(), input.chunks(step));
        loop {
            let consume = match framer.next(&window, bytes_max) {
                Framed::Line { line, consume } => {
                    out.push(String::from_utf8_lossy(line).into_owned());
                    consume
                }
                Framed::Fault { fault, consume } => {
                    out.push(format!("{fault:?}"));
                    consume
                }
                Framed::More { consume } => {
                    window.drain(..consume);
                    assert!(window.len() <= bytes_max, "never holds more than a line");
                    match input.next() {
                        Some(more) => window.extend_from_slice(more),
                        None => return out,
                    }
                    0
                }
            };
            window.drain(..consume);
        }
    }

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(feed(b"a\r\n\r\nb\r\n", 99, 10), ["a", "", "b"]);
        assert_eq!(feed(b"a\nb\r\nc\r\n", 99, 10), ["BareLf", "c"]);
        assert_eq!(feed(b"a\rb\r\nc\r\n", 99, 10), ["BareCr", "c"]);
        assert_eq!(feed(b"a\r\r\nc\r\n", 99, 10), ["BareCr", "c"]);
        assert_eq!(feed(b"\n\r\nc\r\n", 99, 10), ["BareLf", "c"]);
        assert_eq!(feed(b"a\n\nb\n\nQUIT\r\nc\r\n", 3, 10), ["BareLf", "c"]);
    }

    #[test]
    fn a_long_line_is_one_fault() {
        assert_eq!(feed(b"12345678\r\nc\r\n", 99, 10), ["12345678", "c"]);
        assert_eq!(feed(b"1234567\r\nc\r\n", 99, 10), ["1234567", "c"]);
        assert_eq!(feed(b"123456789\r\nc\r\n", 99, 10), ["TooLong", "c"]);
        let long = [b"x".repeat(50_000), b"\r\nc\r\n".to_vec()].concat();
        for step in [1, 7, 4096, 60_000] {
            if step < 10 {
                assert_eq!(feed(&long, step, 10), ["TooLong", "c"], "{step}");
            } else {
                let mut framer = LineFramer::default();
                assert!(matches!(
                    framer.next(&long, 10),
                    Framed::Fault {
                        fault: LineFault::TooLong,
                        ..
                    }
                ));
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(input in "[ab\r\n]{0,60}") {
            let whole = feed(input.as_bytes(), 1, 8);
            for step in 2..5 {
                prop_assert_eq!(&feed(input.as_bytes(), step, 8), &whole);
            }
        }
    }
}
