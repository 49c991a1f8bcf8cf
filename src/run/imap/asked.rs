//! One message of a SEARCH that is asked for its content. A slice may end in the middle of it: what was answered is
//! remembered, and the scan goes on where it stood.

use super::octets::read_exactly;
use super::search::{envelope_index, sent_day};
use crate::limits::{FETCH_SLICE_BYTES, HEADER_BLOCK_BYTES_MAX, SEARCH_SLICE_BYTES};
use crate::session::imap::search::Ask;
use crate::store::reader::ContentReader;
use crate::store::row::MessageRow;
use crate::store::{Reader, StoreError};
use crate::wire::mime::search::{Needle, Progress, Scope, Searcher, envelope_holds, field_holds};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is looked for, by its text.
pub(super) type Needles = HashMap<Box<str>, Arc<Needle>>;

/// What is left of a slice.
pub(super) struct Budget {
    /// When it ends.
    pub until: Instant,
    octets: usize,
}

impl Budget {
    pub fn new(time: Duration) -> Budget {
        Budget {
            until: Instant::now() + time,
            octets: SEARCH_SLICE_BYTES,
        }
    }

    pub fn is_spent(&self) -> bool {
        self.octets == 0 || Instant::now() >= self.until
    }
}

/// Why a question has no answer.
pub(super) enum Stop {
    /// The slice is over; ask again in the next one.
    Paused,
    /// The message cannot be read.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Failed(error)
    }
}

/// A message between two slices.
pub(super) struct Asked {
    pub row: MessageRow,
    content: Option<ContentReader>,
    /// Answers that cost something. The same questions come again in the same order, because all answers before are the
    /// same.
    answers: Vec<bool>,
    /// For the question behind them.
    searcher: Option<Searcher<Arc<Needle>>>,
}

impl Asked {
    pub fn new(row: MessageRow) -> Asked {
        Asked {
            row,
            content: None,
            answers: Vec::new(),
            searcher: None,
        }
    }

    /// Asks from the first question on.
    pub fn again<'a>(
        &'a mut self,
        reader: &'a mut Reader,
        needles: &'a Needles,
        budget: &'a mut Budget,
    ) -> Message<'a> {
        Message {
            asked: self,
            reader,
            needles,
            budget,
            header: None,
            envelope: None,
            questions: 0,
            answered: false,
        }
    }
}

/// A message while it is asked.
pub(super) struct Message<'a> {
    asked: &'a mut Asked,
    reader: &'a mut Reader,
    needles: &'a Needles,
    budget: &'a mut Budget,
    header: Option<Vec<u8>>,
    envelope: Option<Vec<u8>>,
    /// Questions so far that cost something.
    questions: usize,
    /// One of them was answered in this slice.
    answered: bool,
}

impl Message<'_> {
    pub fn answer(&mut self, ask: &Ask) -> Result<bool, Stop> {
        Ok(match ask {
            Ask::Flag(flag, set) => self.asked.row.flags.contains(*flag) == *set,
            Ask::Larger(bytes) => self.asked.row.served_bytes > *bytes,
            Ask::Smaller(bytes) => self.asked.row.served_bytes < *bytes,
            Ask::Internal(test) => test.holds(self.asked.row.internal_secs),
            ask => return self.looked_up(ask),
        })
    }

    /// A question that costs something: answered before, or now. Behind an answer of this slice it may have to wait.
    fn looked_up(&mut self, ask: &Ask) -> Result<bool, Stop> {
        let number = self.questions;
        self.questions += 1;
        if let Some(answer) = self.asked.answers.get(number) {
            return Ok(*answer);
        }
        if self.answered && self.budget.is_spent() {
            return Err(Stop::Paused);
        }
        let answer = self.look_up(ask)?;
        self.asked.answers.push(answer);
        self.answered = true;
        Ok(answer)
    }

    fn look_up(&mut self, ask: &Ask) -> Result<bool, Stop> {
        Ok(match ask {
            Ask::Flag(..) | Ask::Larger(_) | Ask::Smaller(_) | Ask::Internal(_) => false,
            Ask::Sent(test) => sent_day(self.envelope()?).is_some_and(|secs| test.holds(secs)),
            Ask::Envelope(field, text) => {
                let needle = self.needle(text)?;
                envelope_holds(self.envelope()?, envelope_index(*field), &needle)
            }
            Ask::Header(name, text) => {
                let needle = self.needle(text)?;
                let holds = field_holds(self.header()?, name, &needle);
                self.spend_header();
                holds
            }
            Ask::Body(text) => self.text_holds(text, Scope::Body)?,
            Ask::Text(text) => self.text_holds(text, Scope::Text)?,
        })
    }

    /// A look through the header block.
    fn spend_header(&mut self) {
        let bytes = self.header.as_ref().map_or(0, Vec::len);
        self.budget.octets = self.budget.octets.saturating_sub(bytes);
    }

    fn envelope(&mut self) -> Result<&[u8], StoreError> {
        if self.envelope.is_none() {
            self.envelope = Some(self.reader.summary(self.asked.row.content)?.envelope);
        }
        Ok(self.envelope.as_deref().unwrap_or_default())
    }

    fn needle(&self, text: &str) -> Result<Arc<Needle>, StoreError> {
        let missing = || StoreError("a search text was not prepared; this is a bug".into());
        self.needles.get(text).cloned().ok_or_else(missing)
    }

    fn content(&mut self) -> Result<&ContentReader, StoreError> {
        if self.asked.content.is_none() {
            let row = &self.asked.row;
            self.asked.content = Some(self.reader.content(row.content, row.prefix)?);
        }
        self.asked.content.as_ref().ok_or_else(|| {
            StoreError("a content was opened and is not there; this is a bug".into())
        })
    }

    fn header(&mut self) -> Result<&[u8], StoreError> {
        if self.header.is_none() {
            let content = self.content()?;
            let bytes = usize::try_from(content.served_header_bytes()).unwrap_or(usize::MAX);
            let mut block = vec![0; bytes.min(2 * HEADER_BLOCK_BYTES_MAX)];
            read_exactly(content, 0, &mut block)?;
            self.header = Some(block);
        }
        Ok(self.header.as_deref().unwrap_or_default())
    }

    /// Goes on where the slice before stopped.
    fn text_holds(&mut self, text: &str, scope: Scope) -> Result<bool, Stop> {
        let mut searcher = match self.asked.searcher.take() {
            Some(searcher) => searcher,
            None => self.searcher(text, scope)?,
        };
        let result = self.scan(&mut searcher);
        if let Err(Stop::Paused) = &result {
            self.asked.searcher = Some(searcher);
        }
        result
    }

    /// One that has seen the header.
    fn searcher(&mut self, text: &str, scope: Scope) -> Result<Searcher<Arc<Needle>>, StoreError> {
        let structure = self.reader.summary(self.asked.row.content)?.structure;
        let mut searcher = Searcher::new(self.needle(text)?, scope, &structure);
        if scope == Scope::Text {
            searcher.header(self.header()?);
            self.spend_header();
        }
        Ok(searcher)
    }

    /// Streams what of the message can hold the needle.
    fn scan(&mut self, searcher: &mut Searcher<Arc<Needle>>) -> Result<bool, Stop> {
        let mut buffer = Vec::new();
        while let Some(range) = searcher.wanted() {
            let bytes = (range.end - range.start).min(FETCH_SLICE_BYTES as u64);
            buffer.resize(usize::try_from(bytes).unwrap_or(0), 0);
            let content = self.content()?;
            let Some(at) = range.start.checked_add_signed(content.body_shift()) else {
                return Ok(false);
            };
            read_exactly(content, at, &mut buffer)?;
            self.budget.octets = self.budget.octets.saturating_sub(buffer.len());
            searcher.feed(range.start, &buffer);
            // Behind a piece, so that each slice gets on.
            if self.budget.is_spent() && searcher.wanted().is_some() {
                return Err(Stop::Paused);
            }
        }
        Ok(searcher.progress() == Progress::Found)
    }
}
