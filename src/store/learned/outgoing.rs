//! What our own DMARC reports are made of, and what became of them. Written in pieces, now and then: nothing of it
//! costs a message a flush.

use super::{Learned, failed};
use crate::limits::REPORT_PIECES_PER_DAY_MAX;
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::ops::RangeInclusive;

/// The tables, if they are not there yet.
pub(super) fn make_tables(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS report_piece(
             id INTEGER PRIMARY KEY, day INTEGER NOT NULL, messages INTEGER NOT NULL, octets BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS report_lost(day INTEGER PRIMARY KEY, messages INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS report_sent(
             id INTEGER PRIMARY KEY, day INTEGER NOT NULL, domain TEXT NOT NULL, state INTEGER NOT NULL,
             why TEXT NOT NULL, recipients TEXT NOT NULL, messages INTEGER NOT NULL, queue INTEGER NOT NULL,
             at_secs INTEGER NOT NULL, UNIQUE(day, domain));",
    )
}

/// Observations that are written together.
pub struct Piece {
    /// Days since 1970.
    pub day: u64,
    /// How many messages it tells of.
    pub messages: u64,
    /// How many it does not tell of, for want of room.
    pub lost: u64,
    /// Packed by `policy/report/pieces`.
    pub octets: Vec<u8>,
}

/// What became of a domain's report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Its row; 0 before it has one.
    pub id: i64,
    /// Which day it is about, days since 1970.
    pub day: u64,
    /// Where the policy stands.
    pub domain: Box<str>,
    /// How far it got.
    pub state: State,
    /// Why it is not sent, for people.
    pub why: Box<str>,
    /// Who gets it, separated by commas.
    pub recipients: Box<str>,
    /// Messages that it tells of.
    pub messages: u64,
    /// Its queue entry; 0 without one.
    pub queue: u64,
    /// Since when it is so, seconds since 1970.
    pub at_secs: i64,
}

/// How far a report got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// In the queue, or gone from it.
    Queued,
    /// Nobody wants it.
    Unwanted,
    /// The DNS could not say; asked again.
    Waiting,
    /// It was not delivered in time.
    GivenUp,
}

impl State {
    const ALL: [State; 4] = [
        State::Queued,
        State::Unwanted,
        State::Waiting,
        State::GivenUp,
    ];
    /// For people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Unwanted => "unwanted",
            State::Waiting => "waiting",
            State::GivenUp => "given-up",
        }
    }
}

/// A day with observations.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Day {
    /// Days since 1970.
    pub day: u64,
    /// Messages that are told of.
    pub messages: u64,
    /// Messages that are not, for want of room.
    pub lost: u64,
}

impl Learned {
    /// Writes a piece; of a day that has `REPORT_PIECES_PER_DAY_MAX` only that its messages are lost.
    pub fn add_piece(&mut self, piece: &Piece) -> Result<(), StoreError> {
        let add = || {
            let pieces: u64 = self.db.query_row(
                "SELECT count(*) FROM report_piece WHERE day = ?1",
                [piece.day],
                |row| row.get(0),
            )?;
            let fits = pieces < REPORT_PIECES_PER_DAY_MAX;
            if fits && piece.messages > 0 {
                self.db.execute(
                    "INSERT INTO report_piece(day, messages, octets) VALUES(?1, ?2, ?3)",
                    params![piece.day, piece.messages, piece.octets],
                )?;
            }
            let lost = piece.lost + if fits { 0 } else { piece.messages };
            if lost > 0 {
                self.db.execute(
                    "INSERT INTO report_lost(day, messages) VALUES(?1, ?2)
                     ON CONFLICT(day) DO UPDATE SET messages = messages + excluded.messages",
                    params![piece.day, lost],
                )?;
            }
            Ok(())
        };
        add().map_err(|e| failed(&e))
    }

    /// The piece of a day behind `after` (0: the first), with its number.
    pub fn piece(&self, day: u64, after: i64) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        self.db
            .query_row(
                "SELECT id, octets FROM report_piece WHERE day = ?1 AND id > ?2 ORDER BY id LIMIT 1",
                params![day, after],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|e| failed(&e))
    }

    /// Days with pieces, the oldest first.
    pub fn days(&self) -> Result<Vec<Day>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Day>> {
            let mut statement = self.db.prepare(
                "SELECT day, sum(messages),
                        coalesce((SELECT messages FROM report_lost WHERE report_lost.day = report_piece.day), 0)
                 FROM report_piece GROUP BY day ORDER BY day",
            )?;
            let days = statement.query_map([], |row| {
                Ok(Day {
                    day: row.get(0)?,
                    messages: row.get(1)?,
                    lost: row.get(2)?,
                })
            })?;
            days.collect()
        };
        read().map_err(|e| failed(&e))
    }

    /// Forgets the pieces of these days, and what was sent before `sent_from`.
    pub fn forget_days(
        &mut self,
        days: RangeInclusive<u64>,
        sent_from: u64,
    ) -> Result<(), StoreError> {
        let days = [*days.start(), (*days.end()).min(i64::MAX as u64)];
        let forget = || {
            self.db
                .execute("DELETE FROM report_piece WHERE day BETWEEN ?1 AND ?2", days)?;
            self.db
                .execute("DELETE FROM report_lost WHERE day BETWEEN ?1 AND ?2", days)?;
            self.db
                .execute("DELETE FROM report_sent WHERE day < ?1", [sent_from])
        };
        forget().map(drop).map_err(|e| failed(&e))
    }

    /// Keeps what became of a report, instead of what was kept of it.
    pub fn keep_sent(&mut self, sent: &Sent) -> Result<(), StoreError> {
        let state = State::ALL.iter().position(|state| *state == sent.state);
        self.db
            .execute(
                "INSERT INTO report_sent(day, domain, state, why, recipients, messages, queue, at_secs)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT(day, domain) DO UPDATE SET state = excluded.state, why = excluded.why,
                     recipients = excluded.recipients, messages = excluded.messages, queue = excluded.queue,
                     at_secs = excluded.at_secs",
                params![
                    sent.day,
                    sent.domain,
                    state,
                    sent.why,
                    sent.recipients,
                    sent.messages,
                    sent.queue,
                    sent.at_secs
                ],
            )
            .map(drop)
            .map_err(|e| failed(&e))
    }

    /// Reports about a day.
    pub fn sent_about(&self, day: u64) -> Result<Vec<Sent>, StoreError> {
        self.sent_where("day = ?1 ORDER BY id", params![day])
    }

    /// Reports behind row `after`, at most `rows_max`.
    pub fn sent(&self, after: i64, rows_max: usize) -> Result<Vec<Sent>, StoreError> {
        self.sent_where(
            "id > ?1 ORDER BY id LIMIT ?2",
            params![after, rows_max as u64],
        )
    }

    /// Reports that were put into the queue before `at_secs`.
    pub fn queued_before(&self, at_secs: i64) -> Result<Vec<Sent>, StoreError> {
        self.sent_where("state = 0 AND queue > 0 AND at_secs < ?1", params![at_secs])
    }

    fn sent_where(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Sent>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Sent>> {
            let mut statement = self.db.prepare(&format!(
                "SELECT id, day, domain, state, why, recipients, messages, queue, at_secs
                 FROM report_sent WHERE {condition}"
            ))?;
            let rows = statement.query_map(values, sent)?;
            rows.collect()
        };
        read().map_err(|e| failed(&e))
    }
}

fn sent(row: &Row<'_>) -> rusqlite::Result<Sent> {
    let state: usize = row.get(3)?;
    Ok(Sent {
        id: row.get(0)?,
        day: row.get(1)?,
        domain: row.get(2)?,
        state: State::ALL.get(state).copied().unwrap_or(State::GivenUp),
        why: row.get(4)?,
        recipients: row.get(5)?,
        messages: row.get(6)?,
        queue: row.get(7)?,
        at_secs: row.get(8)?,
    })
}
