//! gzip (RFC 1952), zip and plain octets, told apart by their first octets: names and types of attachments lie.
//!
//! Octets go in as they come and out in blocks; the window of the inflater and one block are held. Of a zip the first
//! file that may be a report is unpacked, from the front: the directory at its end is never looked at, so that a
//! lying one has no say. Sizes in headers bound nothing; they are compared at the end.

use super::Fault;
use crate::limits::{
    REPORT_BYTES_MAX, REPORT_PACKED_BYTES_MAX, REPORT_RATIO_FREE_BYTES, REPORT_RATIO_MAX,
    REPORT_ZIP_ENTRIES_MAX,
};
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Octets that come out at once.
const BLOCK_BYTES: usize = 8 * 1024;
/// The octets that tell the forms apart.
const MAGIC_BYTES: usize = 4;
/// A local file header of zip without name and extra field.
const ENTRY_BYTES: usize = 30;
/// Octets of a name in a zip that are looked at: its end.
const ENTRY_NAME_BYTES: usize = 64;
/// CRC and length behind a gzip member.
const GZIP_END_BYTES: usize = 8;
const ZIP_ENTRY: &[u8] = b"PK\x03\x04";
const ZIP_DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// Unpacks one attachment.
pub struct Unpacker {
    state: State,
    /// Octets of a header that has not come whole.
    held: Vec<u8>,
    inflate: Option<Box<Decompress>>,
    crc: Crc,
    /// Octets taken so far, of these the compressed ones that were undone, and octets given.
    taken: u64,
    inflated: u64,
    given: u64,
    entries: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The first octets.
    Magic,
    Plain,
    /// The fixed header of gzip.
    GzipHeader,
    /// Its optional fields; flags that are left.
    GzipExtraLength(u8),
    GzipExtra(u8, u64),
    GzipText(u8),
    GzipHeaderCrc,
    /// A zip's local file header.
    Entry,
    /// Name and extra field of an entry.
    EntryName(Entry, u64),
    EntryExtra(Entry, u64),
    /// Compressed octets.
    Deflated(Close),
    /// Octets of an entry as they are.
    Stored(Entry, u64),
    /// Octets of an entry that is passed over.
    Skipped(u64),
    /// What stands behind the compressed octets.
    GzipEnd,
    Descriptor(Entry),
    /// Nothing more is looked at.
    Done,
}

/// What compares when the compressed octets end.
#[derive(Clone, Copy, Debug)]
enum Close {
    Gzip,
    Zip(Entry),
}

/// What an entry's header says.
#[derive(Clone, Copy, Debug)]
struct Entry {
    method: u16,
    /// CRC and sizes come behind the octets.
    streamed: bool,
    crc: u32,
    packed_bytes: u32,
    bytes: u32,
    extra_bytes: u16,
    wanted: bool,
}

impl Default for Unpacker {
    fn default() -> Unpacker {
        Unpacker {
            state: State::Magic,
            held: Vec::new(),
            inflate: None,
            crc: Crc::new(),
            taken: 0,
            inflated: 0,
            given: 0,
            entries: 0,
        }
    }
}

impl Unpacker {
    /// Takes the next octets of the attachment; what comes out goes to `out`.
    pub fn feed(
        &mut self,
        mut octets: &[u8],
        out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.taken += octets.len() as u64;
        if self.taken > REPORT_PACKED_BYTES_MAX {
            return Err(Fault::TooLarge("it has more than 10 MiB packed"));
        }
        while !octets.is_empty() {
            let used = self.step(octets, out)?;
            octets = octets.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// The end of the attachment.
    pub fn finish(mut self, out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        match self.state {
            State::Magic => {
                let held = std::mem::take(&mut self.held);
                self.give(&held, out)
            }
            State::Plain | State::Done => Ok(()),
            State::Entry if self.entries > 0 => Err(Fault::Other("the zip holds no XML or JSON")),
            _ => Err(damaged("it ends in the middle of its packed octets")),
        }
    }

    /// Takes some octets (`octets` is not empty); says how many.
    fn step(
        &mut self,
        octets: &[u8],
        out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        match self.state {
            State::Magic => {
                let used = self.hold(octets, MAGIC_BYTES);
                if self.held.len() == MAGIC_BYTES {
                    self.tell_apart(out)?;
                }
                Ok(used)
            }
            State::Plain => {
                self.give(octets, out)?;
                Ok(octets.len())
            }
            State::Done => Ok(octets.len()),
            State::Deflated(close) => self.inflate(octets, close, out),
            State::Stored(entry, left) => {
                let (now, _) = split(octets, left);
                self.give(now, out)?;
                let left = left - now.len() as u64;
                self.state = State::Stored(entry, left);
                if left == 0 {
                    self.entry_ends(entry)?;
                }
                Ok(now.len())
            }
            State::Skipped(left) => {
                let (now, _) = split(octets, left);
                let left = left - now.len() as u64;
                self.state = match left {
                    0 => State::Entry,
                    _ => State::Skipped(left),
                };
                Ok(now.len())
            }
            State::GzipHeader
            | State::GzipExtraLength(_)
            | State::GzipExtra(..)
            | State::GzipText(_)
            | State::GzipHeaderCrc
            | State::GzipEnd => self.gzip(octets),
            State::Entry | State::EntryName(..) | State::EntryExtra(..) | State::Descriptor(_) => {
                self.zip(octets)
            }
        }
    }

    fn tell_apart(&mut self, out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        self.state = match self.held.as_slice() {
            [0x1f, 0x8b, ..] => State::GzipHeader,
            ZIP_ENTRY => State::Entry,
            [b'P', b'K', 5 | 6, ..] => return Err(Fault::Other("the zip is empty")),
            _ => {
                self.state = State::Plain;
                let held = std::mem::take(&mut self.held);
                return self.give(&held, out);
            }
        };
        Ok(())
    }

    /// The pieces of a gzip member around its compressed octets.
    fn gzip(&mut self, octets: &[u8]) -> Result<usize, Fault> {
        match self.state {
            State::GzipHeader => {
                let used = self.hold(octets, 10);
                if let [_, _, method, flags, ..] = *self.held
                    && self.held.len() == 10
                {
                    if method != 8 || flags & 0xe0 != 0 {
                        return Err(damaged("its gzip header is of no known kind"));
                    }
                    self.held.clear();
                    self.state = gzip_field(flags);
                    self.start();
                }
                Ok(used)
            }
            State::GzipExtraLength(flags) => {
                let used = self.hold(octets, 2);
                if let [low, high] = *self.held {
                    self.held.clear();
                    let left = u64::from(u16::from_le_bytes([low, high]));
                    self.state = State::GzipExtra(flags, left);
                    if left == 0 {
                        self.state = gzip_field(flags);
                    }
                }
                Ok(used)
            }
            State::GzipExtra(flags, left) => {
                let (now, _) = split(octets, left);
                let left = left - now.len() as u64;
                self.state = match left {
                    0 => gzip_field(flags),
                    _ => State::GzipExtra(flags, left),
                };
                Ok(now.len())
            }
            State::GzipText(flags) => match memchr::memchr(0, octets) {
                Some(end) => {
                    self.state = gzip_field(flags);
                    Ok(end + 1)
                }
                None => Ok(octets.len()),
            },
            State::GzipHeaderCrc => {
                let used = self.hold(octets, 2);
                if self.held.len() == 2 {
                    self.held.clear();
                    self.state = State::Deflated(Close::Gzip);
                }
                Ok(used)
            }
            _ => {
                let used = self.hold(octets, GZIP_END_BYTES);
                if self.held.len() == GZIP_END_BYTES {
                    let (crc, bytes) = (number(&self.held, 0), number(&self.held, 4));
                    self.compare(crc, bytes)?;
                    self.state = State::Done;
                }
                Ok(used)
            }
        }
    }

    /// The pieces of a zip around an entry's octets.
    fn zip(&mut self, octets: &[u8]) -> Result<usize, Fault> {
        match self.state {
            State::EntryName(mut entry, left) => {
                let (now, _) = split(octets, left);
                self.held.extend_from_slice(now);
                let too_many = self.held.len().saturating_sub(ENTRY_NAME_BYTES);
                self.held.drain(..too_many);
                let left = left - now.len() as u64;
                self.state = State::EntryName(entry, left);
                if left == 0 {
                    entry.wanted = is_report_name(&self.held);
                    self.held.clear();
                    self.entry_extra(entry, u64::from(entry.extra_bytes))?;
                }
                Ok(now.len())
            }
            State::EntryExtra(entry, left) => {
                let (now, _) = split(octets, left);
                self.entry_extra(entry, left - now.len() as u64)?;
                Ok(now.len())
            }
            State::Descriptor(entry) => {
                // Its signature is optional, so that it has 12 octets or 16.
                let at = |held: &[u8]| {
                    if held.starts_with(ZIP_DESCRIPTOR) {
                        4
                    } else {
                        0
                    }
                };
                let used = self.hold(octets, 12 + at(&self.held));
                let at = at(&self.held);
                if self.held.len() == 12 + at {
                    let entry = Entry {
                        streamed: false,
                        crc: number(&self.held, at),
                        bytes: number(&self.held, at + 8),
                        ..entry
                    };
                    self.entry_ends(entry)?;
                }
                Ok(used)
            }
            _ => {
                let used = self.hold(octets, ENTRY_BYTES);
                if self.held.len() >= MAGIC_BYTES && !self.held.starts_with(ZIP_ENTRY) {
                    return Err(Fault::Other("the zip holds no XML or JSON"));
                }
                if self.held.len() == ENTRY_BYTES {
                    self.entry()?;
                }
                Ok(used)
            }
        }
    }

    /// A local file header has come.
    fn entry(&mut self) -> Result<(), Fault> {
        self.entries += 1;
        if self.entries > REPORT_ZIP_ENTRIES_MAX {
            return Err(Fault::Other(
                "the zip holds many files and none is XML or JSON",
            ));
        }
        let flags = number(&self.held, 6) & 0xffff;
        if flags & 1 != 0 {
            return Err(Fault::Other("the zip is encrypted"));
        }
        let lengths = number(&self.held, 26);
        let entry = Entry {
            method: (number(&self.held, 8) & 0xffff) as u16,
            streamed: flags & 8 != 0,
            crc: number(&self.held, 14),
            packed_bytes: number(&self.held, 18),
            bytes: number(&self.held, 22),
            extra_bytes: (lengths >> 16) as u16,
            wanted: false,
        };
        let name_bytes = u64::from(lengths & 0xffff);
        self.held.clear();
        match name_bytes {
            0 => Err(damaged("a file in the zip has no name")),
            _ => {
                self.state = State::EntryName(entry, name_bytes);
                Ok(())
            }
        }
    }

    /// `left` octets of the extra field are still to come; behind them the entry's octets.
    fn entry_extra(&mut self, entry: Entry, left: u64) -> Result<(), Fault> {
        if left > 0 {
            self.state = State::EntryExtra(entry, left);
            return Ok(());
        }
        let packed = u64::from(entry.packed_bytes);
        self.state = match (entry.wanted, entry.method, entry.streamed) {
            (false, _, true) => return Err(Fault::Other("the zip holds no XML or JSON in front")),
            (false, ..) if packed == 0 => State::Entry,
            (false, ..) => State::Skipped(packed),
            (true, 0, true) => return Err(damaged("a file in the zip has no known end")),
            (true, 0, false) if packed == 0 => return Err(damaged("the file in the zip is empty")),
            (true, 0, false) => State::Stored(entry, packed),
            (true, 8, _) => {
                self.start();
                State::Deflated(Close::Zip(entry))
            }
            (true, ..) => return Err(Fault::Other("the zip is packed in an unusual way")),
        };
        Ok(())
    }

    /// The octets of the wanted entry are over.
    fn entry_ends(&mut self, entry: Entry) -> Result<(), Fault> {
        if entry.streamed {
            self.held.clear();
            self.state = State::Descriptor(entry);
            return Ok(());
        }
        self.compare(entry.crc, entry.bytes)?;
        self.state = State::Done;
        Ok(())
    }

    fn start(&mut self) {
        self.inflate = Some(Box::new(Decompress::new(false)));
    }

    /// Compressed octets.
    fn inflate(
        &mut self,
        octets: &[u8],
        close: Close,
        out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        let Some(mut inflate) = self.inflate.take() else {
            return Err(damaged("it has compressed octets where none belong"));
        };
        let mut block = [0; BLOCK_BYTES];
        let mut used = 0;
        loop {
            let (read_before, gave_before) = (inflate.total_in(), inflate.total_out());
            let rest = octets.get(used..).unwrap_or_default();
            let status = inflate
                .decompress(rest, &mut block, FlushDecompress::None)
                .map_err(|_| damaged("its compressed octets make no sense"))?;
            used += (inflate.total_in() - read_before) as usize;
            self.inflated = inflate.total_in();
            let gave = (inflate.total_out() - gave_before) as usize;
            self.give(block.get(..gave).unwrap_or_default(), out)?;
            match status {
                Status::StreamEnd => {
                    self.held.clear();
                    match close {
                        Close::Gzip => self.state = State::GzipEnd,
                        Close::Zip(entry) => self.entry_ends(entry)?,
                    }
                    return Ok(used);
                }
                _ if gave == 0 && used >= octets.len() => {
                    self.inflate = Some(inflate);
                    return Ok(used);
                }
                _ if gave == 0 && inflate.total_in() == read_before => {
                    return Err(damaged("its compressed octets make no sense"));
                }
                _ => {}
            }
        }
    }

    /// Octets that came out: within the bounds they go on.
    fn give(
        &mut self,
        octets: &[u8],
        out: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if octets.is_empty() {
            return Ok(());
        }
        self.given += octets.len() as u64;
        let packed = !matches!(self.state, State::Plain | State::Magic | State::Stored(..));
        if packed && self.given > REPORT_RATIO_FREE_BYTES.max(self.inflated * REPORT_RATIO_MAX) {
            return Err(Fault::Bomb);
        }
        if self.given > REPORT_BYTES_MAX {
            return Err(Fault::TooLarge("it has more than 32 MiB unpacked"));
        }
        if !matches!(self.state, State::Plain | State::Magic) {
            self.crc.update(octets);
        }
        out(octets)
    }

    /// What came out against what was announced.
    fn compare(&self, crc: u32, bytes: u32) -> Result<(), Fault> {
        match crc == self.crc.sum() && bytes == self.crc.amount() {
            true => Ok(()),
            false => Err(damaged("its checksum or size is not what its packing says")),
        }
    }

    /// Moves octets into `held` up to `bytes`; says how many.
    fn hold(&mut self, octets: &[u8], bytes: usize) -> usize {
        let (now, _) = split(octets, bytes.saturating_sub(self.held.len()) as u64);
        self.held.extend_from_slice(now);
        now.len()
    }
}

/// The next optional field of a gzip header. A field's flag is cleared by the state that it leads to.
fn gzip_field(flags: u8) -> State {
    match () {
        _ if flags & 4 != 0 => State::GzipExtraLength(flags & !4),
        _ if flags & 8 != 0 => State::GzipText(flags & !8),
        _ if flags & 16 != 0 => State::GzipText(flags & !16),
        _ if flags & 2 != 0 => State::GzipHeaderCrc,
        _ => State::Deflated(Close::Gzip),
    }
}

/// Whether a file in a zip may be a report, by the end of its name.
fn is_report_name(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let hidden = lower.starts_with(b"__macosx/")
        || lower.contains(&b'/') && lower.windows(3).any(|w| w == b"/._");
    !hidden
        && [b".xml".as_slice(), b".json"]
            .iter()
            .any(|end| lower.ends_with(end))
}

fn split(octets: &[u8], at: u64) -> (&[u8], &[u8]) {
    octets.split_at(usize::try_from(at).unwrap_or(usize::MAX).min(octets.len()))
}

/// Four octets, little endian; 0 where there are none.
fn number(octets: &[u8], at: usize) -> u32 {
    let four = octets.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(what.into())
}
