//! Observations on their way to the disk: equal ones are counted, many are packed into one piece. Written once in a
//! while and in a row, they cost some 40 octets a message and no flush; a table of rows would cost a page each.

use super::observe::Observation;
use crate::limits::REPORT_PENDING_BYTES_MAX;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};

/// Octets that a row costs beside its text.
const ROW_BYTES: usize = 64;

/// Observations of one day that are not written yet.
#[derive(Default, Debug)]
pub struct Pending {
    rows: HashMap<Box<str>, u64>,
    bytes: usize,
    messages: u64,
}

impl Pending {
    /// Counts a message; gives it back where there is no room.
    pub fn add(&mut self, observation: &Observation) -> Result<(), Full> {
        let Ok(text) = serde_json::to_string(observation) else {
            return Ok(());
        };
        match self.rows.get_mut(text.as_str()) {
            Some(count) => *count += 1,
            None => {
                let bytes = text.len() + ROW_BYTES;
                if self.bytes + bytes > REPORT_PENDING_BYTES_MAX {
                    return Err(Full);
                }
                self.bytes += bytes;
                self.rows.insert(text.into(), 1);
            }
        }
        self.messages += 1;
        Ok(())
    }

    /// Messages that it holds.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// As it is written: `count text` in lines, packed by gzip.
    pub fn pack(&self) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let mut rows: Vec<_> = self.rows.iter().collect();
        // What is alike stands together, and packs better.
        rows.sort_unstable();
        for (text, count) in rows {
            // Writing to memory does not fail.
            let _ = writeln!(packed, "{count} {text}");
        }
        packed.finish().unwrap_or_default()
    }
}

/// There is no room for one more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The observations of a piece, each with its count in its row. What cannot be read is passed over: it may be lost.
pub fn unpack(packed: &[u8], each: &mut dyn FnMut(Observation)) {
    let lines_bytes = 2 * REPORT_PENDING_BYTES_MAX as u64;
    let mut lines = BufReader::with_capacity(4096, GzDecoder::new(packed).take(lines_bytes));
    let mut line = String::new();
    while matches!(lines.read_line(&mut line), Ok(1..)) {
        let parsed = line.trim_end().split_once(' ').and_then(|(count, text)| {
            let mut observation: Observation = serde_json::from_str(text).ok()?;
            observation.row.count = count.parse().ok()?;
            Some(observation)
        });
        if let Some(observation) = parsed {
            each(observation);
        }
        line.clear();
    }
}
