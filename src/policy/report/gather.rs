//! A day's observations, put together: first which domains there are, then one domain's rows.

use super::observe::Observation;
use crate::limits::{REPORT_DOMAINS_PER_DAY_MAX, REPORT_SENT_BYTES_MAX, REPORT_SENT_ROWS_MAX};
use crate::wire::report::aggregate::Row;
use std::collections::HashMap;

/// The domains of a day.
#[derive(Default, Debug)]
pub struct Census {
    messages: HashMap<Box<str>, u64>,
    /// Messages of domains that came when there was no room.
    pub left_out: u64,
}

impl Census {
    /// Counts.
    pub fn add(&mut self, observation: &Observation) {
        let count = observation.row.count;
        let is_full = self.messages.len() >= REPORT_DOMAINS_PER_DAY_MAX;
        match self.messages.get_mut(observation.domain.as_str()) {
            Some(messages) => *messages += count,
            None if is_full => self.left_out += count,
            None => {
                let domain = observation.domain.as_str().into();
                self.messages.insert(domain, count);
            }
        }
    }

    /// Domains with their messages, most first; equals by name.
    pub fn ranked(self) -> Vec<(Box<str>, u64)> {
        let mut all: Vec<_> = self.messages.into_iter().collect();
        all.sort_unstable_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
        all
    }
}

/// One domain's day.
#[derive(Default, Debug)]
pub struct Gathered {
    /// The organizational domain.
    pub organizational: String,
    /// The record that was seen last (RFC 9990 section 3.1: the final configuration).
    pub record: String,
    rows: HashMap<Box<str>, u64>,
    bytes: usize,
    /// Messages in no row.
    pub left_out: u64,
}

impl Gathered {
    /// Adds a row, or to one.
    pub fn add(&mut self, observation: Observation) {
        self.organizational = observation.organizational;
        self.record = observation.record;
        let count = observation.row.count;
        let key = Row {
            count: 0,
            ..observation.row
        };
        let Ok(key) = serde_json::to_string(&key) else {
            return;
        };
        if let Some(messages) = self.rows.get_mut(key.as_str()) {
            *messages += count;
            return;
        }
        let bytes = self.bytes + key.len() + 64;
        if self.rows.len() >= REPORT_SENT_ROWS_MAX || bytes > REPORT_SENT_BYTES_MAX {
            self.left_out += count;
            return;
        }
        self.bytes = bytes;
        self.rows.insert(key.into(), count);
    }

    /// Rows with most messages first.
    pub fn rows(self) -> impl Iterator<Item = Row> {
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.sort_unstable_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
        rows.into_iter().filter_map(|(key, count)| {
            let row: Row = serde_json::from_str(&key).ok()?;
            Some(Row { count, ..row })
        })
    }
}
