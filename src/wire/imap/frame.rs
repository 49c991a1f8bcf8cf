//! Finds whole commands in a stream of octets (RFC 3501 section 2.2.1 and LITERAL+, RFC 7888), however they are cut
//! into pieces. Small literals are gathered with the command; the message of an APPEND is left in the stream.
//!
//! Whatever is refused is refused with the framing kept: the octets of a refused non-synchronising literal are passed
//! over, never read as commands.

use super::command::is_append_head;
use crate::limits::{IMAP_COMMAND_BYTES_MAX, IMAP_LITERALS_BYTES_MAX, IMAP_SKIPPED_BYTES_MAX};

/// Octets of a refused command that are kept, for its tag.
const KEPT_BYTES: usize = 256;
/// Octets at the end of a line that can announce a literal: `{`, 20 digits, `+}`, CR.
const ANNOUNCEMENT_BYTES: usize = 24;

/// Gathers one command at a time.
#[derive(Default)]
pub struct Framer {
    text: Vec<u8>,
    /// Octets of `text` that are literals.
    literal_bytes: usize,
    /// Where the line behind the last literal starts in `text`.
    line_start: usize,
    skipped_bytes: u64,
    tail: heapless::Vec<u8, ANNOUNCEMENT_BYTES>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Line,
    Literal(usize),
    SkipLine(Refusal),
    SkipLiteral(u64, Refusal),
}

/// What the octets that came in made of the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It goes on: more octets are needed.
    More,
    /// The client waits for `+ ` before it sends a small literal.
    Continue,
    /// It is whole: [`Framer::text`]. Call [`Framer::clear`] afterwards.
    Command,
    /// [`Framer::text`] is an APPEND up to its message, which follows in the stream. What stands behind the message is
    /// to be read with [`Framer::feed_line`].
    Append(Literal),
    /// It is refused; [`Framer::text`] holds its start. The framing is intact.
    Refused(Refusal),
    /// More refused octets than `IMAP_SKIPPED_BYTES_MAX`: say BYE.
    Hopeless,
}

/// An announced literal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Literal {
    /// Its octets, as announced: never size memory by it.
    pub bytes: u64,
    /// Whether the client waits.
    pub sync: Sync,
}

/// Whether a literal is announced by `{n}` or `{n+}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sync {
    /// The client waits for a continuation.
    Waits,
    /// The octets are on their way.
    Flows,
}

/// Why a command is refused before it is parsed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Longer than `IMAP_COMMAND_BYTES_MAX` without its literals.
    LineTooLong,
    /// Literals of more than `IMAP_LITERALS_BYTES_MAX`, APPEND's message apart.
    LiteralTooLarge,
    /// A line that ends with LF alone.
    BareLf,
}

impl Framer {
    /// The command so far.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
    /// Whether a command has begun and is not whole.
    pub fn in_command(&self) -> bool {
        !self.text.is_empty() || self.state != State::Line
    }
    /// Forgets the command, passwords in it too, and gives its memory back if it was a large one.
    pub fn clear(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.text);
        if self.text.capacity() > 1024 {
            self.text = Vec::new();
        }
        *self = Framer {
            text: std::mem::take(&mut self.text),
            ..Framer::default()
        };
    }
    /// Gives all memory back while the connection is idle.
    pub fn release(&mut self) {
        if !self.in_command() {
            self.text = Vec::new();
        }
    }

    /// Takes octets of a command; says how many it took.
    pub fn feed(&mut self, input: &[u8]) -> (usize, Step) {
        self.run(input, Self::line_done)
    }
    /// Takes octets of a line that announces nothing: IDLE's DONE, answers to AUTHENTICATE, the end of an APPEND.
    pub fn feed_line(&mut self, input: &[u8]) -> (usize, Step) {
        self.run(input, |_| Step::Command)
    }

    fn run(&mut self, input: &[u8], line_done: fn(&mut Self) -> Step) -> (usize, Step) {
        let mut taken = 0;
        while let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty()) {
            let (n, step) = match self.state {
                State::Line => self.line(rest, line_done),
                State::Literal(left) => self.literal(rest, left),
                State::SkipLine(why) => self.skip_line(rest, why),
                State::SkipLiteral(left, why) => self.skip_literal(rest, left, why),
            };
            taken += n;
            if step != Step::More {
                return (taken, step);
            }
        }
        (taken, Step::More)
    }

    fn line(&mut self, rest: &[u8], line_done: fn(&mut Self) -> Step) -> (usize, Step) {
        let end = memchr::memchr(b'\n', rest);
        let n = end.map_or(rest.len(), |at| at + 1);
        let piece = rest.get(..n).unwrap_or_default();
        if self.text.len() - self.literal_bytes + n > IMAP_COMMAND_BYTES_MAX + 2 {
            self.keep_start(piece);
            self.state = State::SkipLine(Refusal::LineTooLong);
            return (0, Step::More);
        }
        self.text.extend_from_slice(piece);
        if end.is_none() {
            return (n, Step::More);
        }
        self.text.pop();
        if self.text.len() <= self.line_start || self.text.pop() != Some(b'\r') {
            return (n, Step::Refused(Refusal::BareLf));
        }
        (n, line_done(self))
    }

    /// A line of a command is whole, without its CRLF: the command ends here, or a literal follows.
    fn line_done(&mut self) -> Step {
        let line = self.text.get(self.line_start..).unwrap_or_default();
        let Some((literal, length)) = announced(line) else {
            return Step::Command;
        };
        let before = self.text.len() - length;
        if is_append_head(self.text.get(..before).unwrap_or_default()) {
            self.text.truncate(before);
            return Step::Append(literal);
        }
        let size = usize::try_from(literal.bytes).ok();
        let size =
            size.filter(|size| self.literal_bytes.saturating_add(*size) <= IMAP_LITERALS_BYTES_MAX);
        match (size, literal.sync) {
            (Some(size), sync) => {
                self.text.extend_from_slice(b"\r\n");
                self.state = State::Literal(size);
                self.line_start = self.text.len();
                if size == 0 {
                    self.state = State::Line;
                }
                if sync == Sync::Waits {
                    Step::Continue
                } else {
                    Step::More
                }
            }
            (None, Sync::Waits) => {
                self.text.truncate(before);
                Step::Refused(Refusal::LiteralTooLarge)
            }
            (None, Sync::Flows) => {
                self.text.truncate(before);
                self.start_skipping(literal.bytes, Refusal::LiteralTooLarge)
            }
        }
    }

    fn literal(&mut self, rest: &[u8], left: usize) -> (usize, Step) {
        let n = left.min(rest.len());
        self.text
            .extend_from_slice(rest.get(..n).unwrap_or_default());
        self.literal_bytes += n;
        self.line_start = self.text.len();
        self.state = if n == left {
            State::Line
        } else {
            State::Literal(left - n)
        };
        (n, Step::More)
    }

    fn skip_line(&mut self, rest: &[u8], why: Refusal) -> (usize, Step) {
        let end = memchr::memchr(b'\n', rest);
        let n = end.map_or(rest.len(), |at| at + 1);
        self.skipped_bytes += n as u64;
        let piece = rest.get(..end.unwrap_or(n)).unwrap_or_default();
        let kept = piece.len().min(ANNOUNCEMENT_BYTES);
        let excess = (self.tail.len() + kept).saturating_sub(ANNOUNCEMENT_BYTES);
        let tail: heapless::Vec<u8, ANNOUNCEMENT_BYTES> = self
            .tail
            .iter()
            .skip(excess)
            .chain(piece.iter().skip(piece.len() - kept))
            .copied()
            .collect();
        self.tail = tail;
        if self.skipped_bytes > IMAP_SKIPPED_BYTES_MAX {
            return (n, Step::Hopeless);
        }
        if end.is_none() {
            return (n, Step::More);
        }
        let line = self.tail.strip_suffix(b"\r").unwrap_or(&self.tail);
        let literal = announced(line).map(|(literal, _)| literal);
        self.tail.clear();
        match literal {
            Some(Literal {
                bytes,
                sync: Sync::Flows,
            }) => (n, self.start_skipping(bytes, why)),
            _ => (n, Step::Refused(why)),
        }
    }

    /// Passes over a literal of a refused command, if that is possible at all.
    fn start_skipping(&mut self, bytes: u64, why: Refusal) -> Step {
        self.state = State::SkipLiteral(bytes, why);
        match self.skipped_bytes.saturating_add(bytes) > IMAP_SKIPPED_BYTES_MAX {
            true => Step::Hopeless,
            false => Step::More,
        }
    }

    fn skip_literal(&mut self, rest: &[u8], left: u64, why: Refusal) -> (usize, Step) {
        let n = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.skipped_bytes += n as u64;
        let left = left - n as u64;
        self.state = if left == 0 {
            State::SkipLine(why)
        } else {
            State::SkipLiteral(left, why)
        };
        (n, Step::More)
    }

    /// Keeps only what the refusal needs.
    fn keep_start(&mut self, piece: &[u8]) {
        let more = KEPT_BYTES.saturating_sub(self.text.len()).min(piece.len());
        self.text.truncate(KEPT_BYTES);
        self.text
            .extend_from_slice(piece.get(..more).unwrap_or_default());
        self.text.shrink_to_fit();
    }
}

/// The literal that `line` announces at its end, and how many octets the announcement has.
fn announced(line: &[u8]) -> Option<(Literal, usize)> {
    let inner = line.strip_suffix(b"}")?;
    let (digits, sync) = match inner.strip_suffix(b"+") {
        Some(digits) => (digits, Sync::Flows),
        None => (inner, Sync::Waits),
    };
    let count = digits
        .iter()
        .rev()
        .take_while(|c| c.is_ascii_digit())
        .count();
    let (before, digits) = digits.split_at_checked(digits.len() - count)?;
    if digits.is_empty() || before.last() != Some(&b'{') {
        return None;
    }
    let bytes = digits.iter().fold(0u64, |n, c| {
        n.saturating_mul(10).saturating_add(u64::from(c - b'0'))
    });
    Some((Literal { bytes, sync }, line.len() - before.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything that happens while `stream` comes in pieces that end at `cuts`.
    fn run(stream: &[u8], cuts: &[usize]) -> Vec<String> {
        let (mut framer, mut seen, mut at) = (Framer::default(), Vec::new(), 0);
        let mut cuts: Vec<usize> = cuts
            .iter()
            .map(|c| c % (stream.len() + 1))
            .chain([stream.len()])
            .collect();
        cuts.sort_unstable();
        for end in cuts {
            while at < end {
                let (n, step) = framer.feed(&stream[at..end]);
                at += n;
                match step {
                    Step::More => {}
                    Step::Continue => seen.push("+".into()),
                    Step::Command => seen.push(format!("C {}", framer.text().escape_ascii())),
                    Step::Append(l) => {
                        seen.push(format!("A {} {}", framer.text().escape_ascii(), l.bytes))
                    }
                    Step::Refused(why) => seen.push(format!("R {why:?}")),
                    Step::Hopeless => return seen,
                }
                if !matches!(step, Step::More | Step::Continue) {
                    framer.clear();
                }
            }
        }
        seen
    }

    #[test]
    fn commands_and_literals_are_found() {
        let seen = run(
            b"a NOOP\r\nb LOGIN {1}\r\nx {2+}\r\n\r\n\r\nc APPEND x (\\Seen) {9}\r\nd NOOP\r\n",
            &[],
        );
        assert_eq!(
            seen,
            [
                "C a NOOP",
                "+",
                "C b LOGIN {1}\\r\\nx {2+}\\r\\n\\r\\n",
                "A c APPEND x (\\\\Seen)  9",
                "C d NOOP"
            ]
        );
        assert_eq!(
            run(b"a APPEND {5+}\r\nINBOX {7+}\r\n", &[]),
            ["A a APPEND {5+}\\r\\nINBOX  7"]
        );
        assert_eq!(
            run(b"a SELECT {0}\r\n\r\nb NOOP\r\n", &[]),
            ["+", "C a SELECT {0}\\r\\n", "C b NOOP"]
        );
        assert_eq!(
            run(b"a NOOP\nb NOOP\r\n\nc NOOP\r\n", &[]),
            ["R BareLf", "C b NOOP", "R BareLf", "C c NOOP"]
        );
        assert_eq!(
            run(b"a x {1+}\r\nz\nb NOOP\r\n", &[]),
            ["R BareLf", "C b NOOP"]
        );
    }

    #[test]
    fn lines_end_at_their_bound() {
        let line = |n: usize| [&b"a "[..], &b"x".repeat(n - 2), b"\r\nb NOOP\r\n"].concat();
        assert_eq!(run(&line(IMAP_COMMAND_BYTES_MAX), &[]).len(), 2);
        assert!(run(&line(IMAP_COMMAND_BYTES_MAX), &[])[0].starts_with("C a x"));
        assert_eq!(
            run(&line(IMAP_COMMAND_BYTES_MAX + 1), &[70, 65_000]),
            ["R LineTooLong", "C b NOOP"]
        );
        assert_eq!(
            run(&line(3 * IMAP_COMMAND_BYTES_MAX), &[5, 100_000, 196_605]),
            ["R LineTooLong", "C b NOOP"]
        );
    }

    #[test]
    fn large_literals_are_refused_and_passed_over() {
        let over = IMAP_LITERALS_BYTES_MAX + 1;
        assert_eq!(
            run(format!("a LOGIN {{{over}}}\r\nb NOOP\r\n").as_bytes(), &[]),
            ["R LiteralTooLarge", "C b NOOP"]
        );
        let flowing = [
            format!("a LOGIN {{{over}+}}\r\n").as_bytes(),
            &b"\r\nz NOOP\r\n".repeat(over)[..over],
            b" {3+}\r\n\r\nc\r\nb NOOP\r\n",
        ]
        .concat();
        assert_eq!(
            run(&flowing, &[9, 20, 50_000]),
            ["R LiteralTooLarge", "C b NOOP"]
        );
        assert!(run(b"a LOGIN {99999999999999999999999+}\r\nb NOOP\r\n", &[]).is_empty());
        let most = [
            format!("a LOGIN {{{}+}}\r\n", over - 1).as_bytes(),
            &vec![b'x'; over - 1],
            b" {1+}\r\nx\r\nb NOOP\r\n",
        ]
        .concat();
        assert_eq!(run(&most, &[]), ["R LiteralTooLarge", "C b NOOP"]);
        let long_then_literal = [
            &b"a "[..],
            &vec![b'x'; IMAP_COMMAND_BYTES_MAX],
            b" {8+}\r\nz NOOP\r\n x\r\nb NOOP\r\n",
        ]
        .concat();
        assert_eq!(
            run(&long_then_literal, &[65_560, 65_545]),
            ["R LineTooLong", "C b NOOP"]
        );
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_commands(cuts in proptest::collection::vec(any::<usize>(), 0..12)) {
            let stream = [
                &b"a NOOP\r\nb LOGIN {1}\r\nx {3+}\r\n{1}\r\nc x\nd APPEND {1+}\r\nx (\\Seen) {4+}\r\n"[..],
                b"e LOGIN {70000+}\r\n", &b"q NOOP\r\n".repeat(8750), b" {3}\r\nf ", &b"y".repeat(66_000), b"{2+}\r\nxx\r\ng NOOP\r\n",
            ].concat();
            prop_assert_eq!(run(&stream, &cuts), run(&stream, &[]));
        }
        #[test]
        fn any_octets_are_safe(stream in "([a-z {}+0-9]|\r\n){0,80}", cuts in proptest::collection::vec(any::<usize>(), 0..6)) {
            prop_assert_eq!(run(stream.as_bytes(), &cuts), run(stream.as_bytes(), &[]));
        }
    }
}
