//! A report on its way from the octets of a part to its value, in chunks of any size.

use super::unpack::Unpacker;
use super::{Attached, Fault, Form, Report, aggregate, feedback, tls};
use crate::wire::mime::decode::{Base64, QuotedPrintable, Transfer};

/// Reads one report.
pub struct Reading {
    transfer: Undo,
    packed: Option<Unpacker>,
    document: Document,
    decoded: Vec<u8>,
}

enum Undo {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

enum Document {
    /// White space and a byte order mark; octets of the mark that have come.
    Unknown(usize),
    Xml(Box<aggregate::Reader>),
    Json(tls::Reader),
    Feedback(feedback::Reader),
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Reading {
    /// Of a part of a mail.
    pub fn of(attached: &Attached) -> Reading {
        let feedback = attached.form == Form::Feedback;
        Reading {
            transfer: match attached.transfer {
                Transfer::Identity => Undo::Identity,
                Transfer::Base64 => Undo::Base64(Base64::default()),
                Transfer::QuotedPrintable => Undo::QuotedPrintable(QuotedPrintable::default()),
            },
            packed: (!feedback).then(Unpacker::default),
            document: match feedback {
                true => Document::Feedback(feedback::Reader::default()),
                false => Document::Unknown(0),
            },
            decoded: Vec::new(),
        }
    }

    /// Of a file that holds a report and nothing else.
    pub fn of_file() -> Reading {
        Reading::of(&Attached {
            octets: 0..0,
            transfer: Transfer::Identity,
            form: Form::Document,
        })
    }

    /// Takes the next octets of the part. After an error there is nothing more to feed.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let result = match &mut self.transfer {
            Undo::Identity => self.unpack(octets),
            Undo::Base64(base64) => {
                base64.decode(octets, &mut decoded);
                self.unpack(&decoded)
            }
            Undo::QuotedPrintable(quoted) => {
                quoted.decode(octets, &mut decoded);
                self.unpack(&decoded)
            }
        };
        self.decoded = decoded;
        result
    }

    /// The end of the part.
    pub fn finish(mut self) -> Result<Report, Fault> {
        let mut rest = Vec::new();
        match &mut self.transfer {
            Undo::Identity => {}
            Undo::Base64(base64) => base64.decode(b"=", &mut rest),
            Undo::QuotedPrintable(quoted) => quoted.finish(&mut rest),
        }
        self.unpack(&rest)?;
        if let Some(packed) = self.packed.take() {
            let document = &mut self.document;
            packed.finish(&mut |octets| document.feed(octets))?;
        }
        match self.document {
            Document::Unknown(_) => Err(Fault::Other("it is empty")),
            Document::Xml(xml) => xml.finish().map(Report::Aggregate),
            Document::Json(json) => json.finish().map(Report::Tls),
            Document::Feedback(fields) => fields.finish().map(Report::Failure),
        }
    }

    fn unpack(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let document = &mut self.document;
        match &mut self.packed {
            Some(packed) => packed.feed(octets, &mut |octets| document.feed(octets)),
            None => document.feed(octets),
        }
    }
}

impl Document {
    fn feed(&mut self, mut octets: &[u8]) -> Result<(), Fault> {
        if let Document::Unknown(mark) = self {
            let rest = skip(octets, mark);
            *self = match rest.first() {
                None => return Ok(()),
                Some(b'<') => Document::Xml(Box::default()),
                Some(b'{') => Document::Json(tls::Reader::default()),
                Some(0x1f | b'P') => return Err(Fault::Other("it is packed twice")),
                Some(0xfe | 0xff | 0) => {
                    return Err(Fault::Other("it is UTF-16, and reports are UTF-8"));
                }
                Some(_) => return Err(Fault::Other("it holds neither XML nor JSON")),
            };
            octets = rest;
        }
        match self {
            Document::Unknown(_) => Ok(()),
            Document::Xml(xml) => xml.feed(octets),
            Document::Json(json) => json.feed(octets),
            Document::Feedback(fields) => fields.feed(octets),
        }
    }
}

/// Passes over white space and one byte order mark.
fn skip<'a>(octets: &'a [u8], mark: &mut usize) -> &'a [u8] {
    let used = octets.iter().take_while(|&&octet| {
        if BYTE_ORDER_MARK.get(*mark) == Some(&octet) {
            *mark += 1;
            return true;
        }
        octet.is_ascii_whitespace()
    });
    let used = used.count();
    octets.get(used..).unwrap_or_default()
}
