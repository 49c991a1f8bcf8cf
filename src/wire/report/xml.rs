//! The XML of reports, cut into elements as it passes.
//!
//! What is held: the names of the open elements, and the text of the innermost one, both bounded. Attributes,
//! comments and instructions are passed over, whatever their size. A document type is refused, so that there are no
//! entities but the five of XML and numbers: nothing expands. Names are taken without their namespace prefix. Lenient
//! where reports are: an `&` that starts no entity is itself, and what follows the last end tag is not looked at.
//!
//! Not quick-xml, which is in the tree: it holds a whole event (an attribute of 10 MB) before it shows it.

use super::{Fault, short};
use crate::limits::{REPORT_DEPTH_MAX, REPORT_NAME_BYTES_MAX, REPORT_TEXT_BYTES_MAX};

/// Names of the open elements, outermost first.
#[derive(Clone, Default, Debug)]
pub struct Path(Vec<Box<str>>);

impl Path {
    /// The name of the element `up` levels above the innermost (0: itself); empty where there is none.
    pub fn up(&self, up: usize) -> &str {
        let at = self.0.len().checked_sub(up + 1);
        at.and_then(|at| self.0.get(at)).map_or("", |name| name)
    }
    /// How many are open.
    pub fn depth(&self) -> usize {
        self.0.len()
    }
}

/// Who wants the elements.
pub trait Elements {
    /// The innermost element of `path` has begun.
    fn open(&mut self, path: &Path) -> Result<(), Fault>;
    /// It ends; `text` is what stood in it behind its last child, trimmed.
    fn close(&mut self, path: &Path, text: &str) -> Result<(), Fault>;
}

/// Cuts one document.
pub struct Cutter {
    state: State,
    path: Path,
    text: Vec<u8>,
    /// The name or entity that is being read.
    word: Vec<u8>,
    /// Octets taken, for messages.
    at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Between tags.
    Text,
    /// Behind `&`.
    Entity,
    /// Behind `<`.
    Less,
    /// In the name of a start tag.
    Name,
    /// Behind it, outside of quotes.
    Attributes,
    /// In a value with these quotes.
    Quoted(u8),
    /// Behind the `/` of an empty element.
    Empty,
    /// Behind `</`.
    EndName,
    /// Behind its name.
    EndRest,
    /// Behind `<!`, with what has come in `word`.
    Declaration,
    /// In a comment; dashes in a row.
    Comment(u8),
    /// In a CDATA section; brackets in a row.
    Data(u8),
    /// In `<? ... ?>`; whether a `?` came last.
    Instruction(bool),
    /// Behind the last end tag.
    Done,
}

impl Default for Cutter {
    fn default() -> Cutter {
        Cutter {
            state: State::Text,
            path: Path::default(),
            text: Vec::new(),
            word: Vec::new(),
            at: 0,
        }
    }
}

impl Cutter {
    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8], to: &mut impl Elements) -> Result<(), Fault> {
        for &octet in octets {
            if self.state == State::Done {
                return Ok(());
            }
            self.at += 1;
            self.octet(octet, to)?;
        }
        Ok(())
    }

    /// The end of the document.
    pub fn finish(self) -> Result<(), Fault> {
        match self.state {
            State::Done => Ok(()),
            _ => Err(self.wrong("ends before its last end tag")),
        }
    }

    fn octet(&mut self, octet: u8, to: &mut impl Elements) -> Result<(), Fault> {
        match self.state {
            State::Done => {}
            State::Text => match octet {
                b'<' => self.enter(State::Less),
                b'&' => self.enter(State::Entity),
                // A NUL in front of or behind every letter: UTF-16, which no report is written in.
                0 => return Err(self.wrong("holds NUL octets")),
                _ => self.keep(octet),
            },
            State::Entity => self.entity(octet, to)?,
            State::Less => match octet {
                b'/' => self.enter(State::EndName),
                b'!' => self.enter(State::Declaration),
                b'?' => self.enter(State::Instruction(false)),
                b':' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
                    self.enter(State::Name);
                    self.name(octet);
                }
                _ => return Err(self.wrong("has a < that begins no tag")),
            },
            State::Name => match octet {
                b'>' => self.open(to)?,
                b'/' => {
                    self.open(to)?;
                    self.state = State::Empty;
                }
                b' ' | b'\t' | b'\r' | b'\n' => {
                    self.open(to)?;
                    self.state = State::Attributes;
                }
                _ => self.name(octet),
            },
            State::Attributes => match octet {
                b'>' => self.enter(State::Text),
                b'/' => self.enter(State::Empty),
                b'"' | b'\'' => self.enter(State::Quoted(octet)),
                b'<' => return Err(self.wrong("has a tag inside a tag")),
                _ => {}
            },
            State::Quoted(quote) if octet == quote => self.enter(State::Attributes),
            State::Quoted(_) => {}
            State::Empty => match octet {
                b'>' => self.close(to)?,
                _ => return Err(self.wrong("has a / inside a tag")),
            },
            State::EndName => match octet {
                b'>' => self.end(to)?,
                b' ' | b'\t' | b'\r' | b'\n' => self.state = State::EndRest,
                _ => self.name(octet),
            },
            State::EndRest => match octet {
                b'>' => self.end(to)?,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => return Err(self.wrong("has something behind the name of an end tag")),
            },
            State::Declaration => self.declaration(octet)?,
            State::Comment(dashes) => {
                self.state = match (octet, dashes) {
                    (b'>', 2..) => State::Text,
                    (b'-', _) => State::Comment(dashes.saturating_add(1)),
                    _ => State::Comment(0),
                }
            }
            State::Data(brackets) => self.data(octet, brackets),
            State::Instruction(question) => {
                self.state = match octet {
                    b'>' if question => State::Text,
                    _ => State::Instruction(octet == b'?'),
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, state: State) {
        self.word.clear();
        self.state = state;
    }

    fn keep(&mut self, octet: u8) {
        // Leading white space takes no room.
        if self.text.len() < REPORT_TEXT_BYTES_MAX
            && !(self.text.is_empty() && octet.is_ascii_whitespace())
        {
            self.text.push(octet);
        }
    }

    /// A name's next octet. What stands before a colon is a namespace's prefix.
    fn name(&mut self, octet: u8) {
        match octet {
            b':' => self.word.clear(),
            // One more than any name that is known: it stays unknown.
            _ if self.word.len() <= REPORT_NAME_BYTES_MAX => self.word.push(octet),
            _ => {}
        }
    }

    /// Behind `&`: the five names and numbers. What is none of them stands for itself.
    fn entity(&mut self, octet: u8, to: &mut impl Elements) -> Result<(), Fault> {
        const NAME_BYTES_MAX: usize = 9;
        if octet == b';' {
            let word = std::mem::take(&mut self.word);
            self.state = State::Text;
            match character(&word) {
                Some(c) => {
                    let mut utf8 = [0; 4];
                    let octets = c.encode_utf8(&mut utf8).as_bytes();
                    octets.iter().for_each(|&octet| self.keep(octet));
                }
                None => self.keep_literally(&word, Some(b';')),
            }
            return Ok(());
        }
        if self.word.len() < NAME_BYTES_MAX && (octet == b'#' || octet.is_ascii_alphanumeric()) {
            self.word.push(octet);
            return Ok(());
        }
        let word = std::mem::take(&mut self.word);
        self.keep_literally(&word, None);
        self.state = State::Text;
        self.octet(octet, to)
    }

    fn keep_literally(&mut self, word: &[u8], end: Option<u8>) {
        self.keep(b'&');
        word.iter().chain(&end).for_each(|&octet| self.keep(octet));
    }

    /// Behind `<!`: a comment or a CDATA section; a document type is refused.
    fn declaration(&mut self, octet: u8) -> Result<(), Fault> {
        self.word.push(octet);
        match self.word.as_slice() {
            b"--" => self.enter(State::Comment(0)),
            b"[CDATA[" => self.enter(State::Data(0)),
            word if b"--".starts_with(word) || b"[CDATA[".starts_with(word) => {}
            _ => return Err(self.wrong("has a document type, which no report needs")),
        }
        Ok(())
    }

    fn data(&mut self, octet: u8, brackets: u8) {
        match (octet, brackets) {
            (b'>', 2..) => {
                (2..brackets).for_each(|_| self.keep(b']'));
                self.state = State::Text;
            }
            (b']', _) => self.state = State::Data(brackets.saturating_add(1)),
            _ => {
                (0..brackets).for_each(|_| self.keep(b']'));
                self.keep(octet);
                self.state = State::Data(0);
            }
        }
    }

    /// A start tag's name has come.
    fn open(&mut self, to: &mut impl Elements) -> Result<(), Fault> {
        if self.path.depth() >= REPORT_DEPTH_MAX {
            return Err(Fault::TooLarge("its elements are nested deeper than 16"));
        }
        self.text.clear();
        // Some send the schema's start tag around the report, never closed.
        if self.path.depth() == 0 && self.word == b"schema" {
            self.enter(State::Text);
            return Ok(());
        }
        let name = String::from_utf8_lossy(&self.word).into_owned();
        self.path.0.push(name.into());
        self.enter(State::Text);
        to.open(&self.path)
    }

    /// An end tag has come.
    fn end(&mut self, to: &mut impl Elements) -> Result<(), Fault> {
        match !self.path.0.is_empty() && *String::from_utf8_lossy(&self.word) == *self.path.up(0) {
            true => self.close(to),
            false => Err(self.wrong("has an end tag without its start tag")),
        }
    }

    fn close(&mut self, to: &mut impl Elements) -> Result<(), Fault> {
        let text = short(&self.text, REPORT_TEXT_BYTES_MAX);
        to.close(&self.path, &text)?;
        self.text.clear();
        self.path.0.pop();
        self.enter(match self.path.depth() {
            0 => State::Done,
            _ => State::Text,
        });
        Ok(())
    }

    fn wrong(&self, what: &str) -> Fault {
        Fault::Damaged(format!("its XML {what} (octet {})", self.at))
    }
}

/// What an entity's name or number stands for.
fn character(word: &[u8]) -> Option<char> {
    let number = |digits: &[u8], radix| {
        let digits = std::str::from_utf8(digits).ok()?;
        char::from_u32(u32::from_str_radix(digits, radix).ok()?)
    };
    match word {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x', hex @ ..] => number(hex, 16),
        [b'#', decimal @ ..] => number(decimal, 10),
        _ => None,
    }
}

/// Text as it stands between tags: nothing in it can begin one, and characters that XML does not have are left out.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}
