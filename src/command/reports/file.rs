//! A report in a file: by itself, packed or not, or in a mail.

use crate::limits::HEADER_BLOCK_BYTES_MAX;
use crate::wire::mime::Scanner;
use crate::wire::mime::field::block_bytes;
use crate::wire::report::{Reading, Report, attached};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Octets that are read at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// Reads it; the error is for whoever asked.
pub fn read(name: &Path) -> Result<Report, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut file = File::open(name).map_err(failed)?;
    let mut start = Vec::new();
    let mut first = (&mut file).take(HEADER_BLOCK_BYTES_MAX as u64);
    first.read_to_end(&mut start).map_err(failed)?;
    if is_mail(&start) {
        return in_mail(&mut file, &start);
    }
    let mut reading = Reading::of_file();
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    feed(&mut file, u64::MAX, &mut |octets| {
        reading.feed(octets).map_err(|fault| fault.to_string())
    })?;
    reading.finish().map_err(|fault| fault.to_string())
}

/// A header field in front; a report begins with a bracket, a brace or what packers write.
fn is_mail(start: &[u8]) -> bool {
    let line = start
        .split(|&octet| octet == b'\n')
        .next()
        .unwrap_or_default();
    let name = line
        .split(|&octet| octet == b':')
        .next()
        .unwrap_or_default();
    let field = name.len() < line.len() && name.iter().all(u8::is_ascii_graphic);
    let packed = start.starts_with(&[0x1f, 0x8b]) || start.starts_with(b"PK");
    !packed
        && (line.starts_with(b"From ") || field)
        && !matches!(start.first(), Some(b'<' | b'{' | 0xef))
}

fn in_mail(file: &mut File, start: &[u8]) -> Result<Report, String> {
    // The line in front of each mail of an mbox is none of its fields.
    let skip = match start.starts_with(b"From ") {
        true => start
            .iter()
            .position(|&octet| octet == b'\n')
            .map_or(0, |at| at + 1),
        false => 0,
    };
    let message = start.get(skip..).unwrap_or_default();
    let header =
        block_bytes(message).ok_or("it is neither a report nor a mail: its header has no end")?;
    let mut scanner = Scanner::new(b"", message.get(..header).unwrap_or_default(), &[]);
    let begin = (skip + header) as u64;
    let seek = |file: &mut File, at| {
        let sought = file.seek(SeekFrom::Start(at)).map(drop);
        sought.map_err(|error| format!("it cannot be read: {error}"))
    };
    seek(file, begin)?;
    feed(file, u64::MAX, &mut |octets| {
        scanner.body(octets);
        Ok(())
    })?;
    let found =
        attached(&scanner.finish().structure).ok_or("the mail has no part that may be a report")?;
    let mut reading = Reading::of(&found);
    seek(file, skip as u64 + found.octets.start)?;
    let bytes = found.octets.end - found.octets.start;
    feed(file, bytes, &mut |octets| {
        reading.feed(octets).map_err(|fault| fault.to_string())
    })?;
    reading.finish().map_err(|fault| fault.to_string())
}

fn feed(
    file: &mut File,
    bytes: u64,
    to: &mut dyn FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut limited = file.take(bytes);
    loop {
        let read = limited.read(&mut block);
        match read.map_err(|error| format!("it cannot be read: {error}"))? {
            0 => return Ok(()),
            read => to(block.get(..read).unwrap_or_default())?,
        }
    }
}
