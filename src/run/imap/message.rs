//! What a FETCH says of one message: the words around the data, and the data.

use super::octets::{self, Octets};
use crate::limits::{FETCH_SLICE_BYTES, FETCH_WHOLE_BYTES_MAX};
use crate::store::StoreError;
use crate::store::reader::{ContentReader, SummaryRef};
use crate::store::row::MessageRow;
use crate::wire::imap::date::date_time;
use crate::wire::imap::fetch::{Item, SectionItem};
use crate::wire::imap::flag::Keywords;
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::{Recent, put_flags, put_literal_head, put_number};
use crate::wire::mime::body::{Form, push_body};
use std::sync::Arc;

/// What is told of every message of a job.
pub(super) struct Told {
    pub items: Vec<Item>,
    /// Octets that a slice aims at.
    pub slice_bytes: usize,
    /// What the answer calls the first of them that are sections, for all messages: as many as `NAMES_BYTES_MAX` holds.
    names: Vec<Box<str>>,
    pub map: Arc<SeqMap>,
    pub recent: Arc<UidSet>,
    /// As told to the client; new ones are looked up and told before they are used.
    pub keywords: Arc<Keywords>,
}

/// Octets that a slice may have which aims at `slice_bytes`: a literal that ends within them is read at once.
pub(super) const fn slice_room(slice_bytes: usize) -> usize {
    slice_bytes + (FETCH_WHOLE_BYTES_MAX - FETCH_SLICE_BYTES)
}

/// Longer names are written anew for each message.
const NAMES_BYTES_MAX: usize = 512;

/// A message whose answer is being written.
pub(super) struct Open {
    pub row: MessageRow,
    pub content: ContentReader,
    pub envelope: Vec<u8>,
    pub structure: Vec<u8>,
    next_item: usize,
    literal: Option<Literal>,
    /// Envelope and structure were dropped and have to be read again.
    pub rested: bool,
}

/// A literal under way: its octets `at..end` are still to come.
struct Literal {
    at: u64,
    end: u64,
    of: Of,
}

/// What a literal is cut out of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The served message.
    Message,
    /// The fields that the item picks out: they are picked out again for each slice, not held between.
    Fields,
}

/// How far the answer about a message got.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// To its end.
    Whole,
    /// The slice is full.
    Part,
}

impl Open {
    /// Before its first item.
    pub fn new(
        row: MessageRow,
        content: ContentReader,
        envelope: Vec<u8>,
        structure: Vec<u8>,
    ) -> Open {
        Open {
            row,
            content,
            envelope,
            structure,
            next_item: 0,
            literal: None,
            rested: false,
        }
    }

    /// Holds no more than it must until the next slice.
    pub fn rest(&mut self) {
        (self.envelope, self.structure) = (Vec::new(), Vec::new());
        self.rested = true;
    }

    /// Whether nothing of it has been written.
    pub fn is_new(&self) -> bool {
        self.next_item == 0 && self.literal.is_none()
    }

    /// Goes on writing. What is appended stays near `slice_bytes`, whatever the items are.
    pub fn put(&mut self, told: &Told, out: &mut Vec<u8>) -> Result<Progress, StoreError> {
        if self.is_new() {
            told.put_head(&self.row, out);
        }
        loop {
            if let Some(literal) = self.literal.take() {
                self.literal = self.put_literal(literal, told, out)?;
            }
            if self.literal.is_some() || (self.next_item > 0 && out.len() >= told.slice_bytes) {
                return Ok(Progress::Part);
            }
            let Some(item) = told.items.get(self.next_item) else {
                out.extend_from_slice(b")\r\n");
                return Ok(Progress::Whole);
            };
            if self.next_item > 0 {
                out.push(b' ');
            }
            self.next_item += 1;
            match item {
                Item::Section(section) => {
                    told.put_name(self.next_item - 1, section, out);
                    self.put_section(section, slice_room(told.slice_bytes), out)?;
                }
                Item::Envelope => put_envelope(&self.envelope, out),
                Item::Body => put_structure(&self.structure, Form::Body, out),
                Item::BodyStructure => put_structure(&self.structure, Form::BodyStructure, out),
                item => told.put_item(item, &self.row, out),
            }
        }
    }

    /// As much of a literal as there is room for; the rest of it.
    fn put_literal(
        &self,
        literal: Literal,
        told: &Told,
        out: &mut Vec<u8>,
    ) -> Result<Option<Literal>, StoreError> {
        let Literal { at, end, of } = literal;
        let room = told.slice_bytes.saturating_sub(out.len()) as u64;
        let to = at + room.min(end - at);
        match (of, told.items.get(self.next_item.saturating_sub(1))) {
            (Of::Fields, Some(Item::Section(item))) => {
                let Octets::Held(held) = octets::find(item, &self.content, &self.structure)? else {
                    return Err(StoreError("header fields are gone between slices".into()));
                };
                let piece = held.get(at as usize..to as usize).unwrap_or_default();
                out.extend_from_slice(piece);
            }
            _ => self.content.append(at..to, out)?,
        }
        Ok((to < end).then_some(Literal { at: to, end, of }))
    }

    fn put_section(
        &mut self,
        item: &SectionItem,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        match octets::find(item, &self.content, &self.structure)? {
            Octets::Missing => out.extend_from_slice(b"NIL"),
            Octets::Held(held) if held.is_empty() => out.extend_from_slice(b"\"\""),
            Octets::Held(held) => {
                let end = held.len() as u64;
                put_literal_head(out, end);
                let of = Of::Fields;
                if held.len() + out.len() <= room {
                    out.extend_from_slice(&held);
                } else {
                    self.literal = Some(Literal { at: 0, end, of });
                }
            }
            Octets::Range(start, end) if start == end => out.extend_from_slice(b"\"\""),
            Octets::Range(start, end) => {
                put_literal_head(out, end - start);
                // What fits is read at once, so that damage is found before the message is half sent.
                if end - start + out.len() as u64 <= room as u64 {
                    self.content.append(start..end, out)?;
                } else {
                    self.literal = Some(Literal {
                        at: start,
                        end,
                        of: Of::Message,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Told {
    /// Of a view of a mailbox.
    pub fn new(
        items: Vec<Item>,
        map: Arc<SeqMap>,
        recent: Arc<UidSet>,
        keywords: Arc<Keywords>,
    ) -> Told {
        let mut room = NAMES_BYTES_MAX;
        let names = items.iter().map_while(|item| {
            let name: Box<str> = match item {
                Item::Section(section) => section.to_string().into(),
                _ => "".into(),
            };
            room = room.checked_sub(name.len())?;
            Some(name)
        });
        Told {
            names: names.collect(),
            slice_bytes: FETCH_SLICE_BYTES,
            items,
            map,
            recent,
            keywords,
        }
    }

    /// `BODY[TEXT] `
    fn put_name(&self, number: usize, item: &SectionItem, out: &mut Vec<u8>) {
        use std::io::Write;
        match self.names.get(number) {
            Some(name) => {
                out.extend_from_slice(name.as_bytes());
                out.push(b' ');
            }
            // Writing into a Vec cannot fail.
            None => drop(write!(out, "{item} ")),
        }
    }

    /// `* 7 FETCH (`
    pub fn put_head(&self, row: &MessageRow, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* ");
        put_number(out, u64::from(self.map.seq(row.uid).unwrap_or(0)));
        out.extend_from_slice(b" FETCH (");
    }

    /// A message of which the row is told, and the summary if there is one.
    pub fn put_indexed(
        &self,
        row: &MessageRow,
        summary: Option<&SummaryRef<'_>>,
        out: &mut Vec<u8>,
    ) {
        self.put_head(row, out);
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            match (item, summary) {
                (Item::Envelope, Some(summary)) => put_envelope(summary.envelope, out),
                (Item::Body, Some(summary)) => put_structure(summary.structure, Form::Body, out),
                (Item::BodyStructure, Some(summary)) => {
                    put_structure(summary.structure, Form::BodyStructure, out);
                }
                (item, _) => self.put_item(item, row, out),
            }
        }
        out.extend_from_slice(b")\r\n");
    }

    fn put_item(&self, item: &Item, row: &MessageRow, out: &mut Vec<u8>) {
        match item {
            Item::Uid => {
                out.extend_from_slice(b"UID ");
                put_number(out, u64::from(row.uid));
            }
            Item::Flags => {
                let recent = if self.recent.contains(row.uid) {
                    Recent::Yes
                } else {
                    Recent::No
                };
                put_flags(out, row.flags, &self.keywords, recent);
            }
            Item::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                out.extend_from_slice(date_time(row.internal_secs).as_bytes());
            }
            Item::Size => {
                out.extend_from_slice(b"RFC822.SIZE ");
                put_number(out, row.served_bytes);
            }
            // Written by whoever has the summary or the content.
            Item::Envelope | Item::Body | Item::BodyStructure | Item::Section(_) => {}
        }
    }
}

fn put_envelope(envelope: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"ENVELOPE ");
    out.extend_from_slice(envelope);
}

fn put_structure(structure: &[u8], form: Form, out: &mut Vec<u8>) {
    out.extend_from_slice(match form {
        Form::Body => b"BODY ",
        Form::BodyStructure => b"BODYSTRUCTURE ",
    });
    push_body(out, structure, form);
}
