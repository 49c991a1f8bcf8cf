//! Reports that others sent, as far as they are kept. What one reporter can fill is bounded, and the oldest go.

use super::{Learned, failed};
use crate::limits::{
    REPORT_KEPT_MAX, REPORT_KEPT_OF_STRANGERS_MAX, REPORT_KEPT_PER_DAY_MAX,
    REPORT_KEPT_PER_REPORTER_MAX,
};
use crate::store::StoreError;
use rusqlite::{Connection, Row, params};

/// The table, if it is not there yet.
pub(super) fn make_tables(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS report_received(
             id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reporter TEXT NOT NULL, proven INTEGER NOT NULL,
             organization TEXT NOT NULL, domain TEXT NOT NULL, report TEXT NOT NULL, begin_secs INTEGER NOT NULL,
             end_secs INTEGER NOT NULL, arrived_day INTEGER NOT NULL, passed INTEGER NOT NULL,
             failed INTEGER NOT NULL, octets BLOB NOT NULL, UNIQUE(kind, reporter, proven, domain, report));
         CREATE INDEX IF NOT EXISTS report_received_day ON report_received(arrived_day, reporter);",
    )
}

/// A received report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// Its row; 0 before it has one.
    pub id: i64,
    /// `aggregate`, `failure`, `tls`.
    pub kind: Box<str>,
    /// Domain of its mail's author.
    pub reporter: Box<str>,
    /// The mail proved that domain.
    pub proven: bool,
    /// What it calls itself.
    pub organization: Box<str>,
    /// The domain of ours that it is about.
    pub domain: Box<str>,
    /// Its id; of a failure report the message's.
    pub report_id: Box<str>,
    /// Seconds since 1970, as it says.
    pub begin_secs: i64,
    /// The same.
    pub end_secs: i64,
    /// Days since 1970, as our clock says.
    pub arrived_day: i64,
    /// Messages (sessions) that passed.
    pub passed: u64,
    /// Messages (sessions) that failed.
    pub failed: u64,
    /// The extract, packed JSON.
    pub octets: Vec<u8>,
}

/// What became of a report that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It is new.
    New,
    /// It is there already: sent twice (RFC 9990 section 3.5.4).
    Known,
    /// This reporter sent too many today.
    TooMany,
}

impl Learned {
    /// Keeps a report.
    pub fn keep_received(&mut self, received: &Received) -> Result<Kept, StoreError> {
        self.try_keep(received).map_err(|e| failed(&e))
    }

    fn try_keep(&mut self, received: &Received) -> rusqlite::Result<Kept> {
        let (all, strangers, same): (u64, u64, u64) = self.db.query_row(
            "SELECT count(*), coalesce(sum(NOT proven), 0), coalesce(sum(proven AND reporter = ?2), 0)
             FROM report_received WHERE arrived_day = ?1",
            params![received.arrived_day, received.reporter],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let full = match received.proven {
            true => same >= REPORT_KEPT_PER_REPORTER_MAX,
            false => strangers >= REPORT_KEPT_OF_STRANGERS_MAX,
        };
        if full || all >= REPORT_KEPT_PER_DAY_MAX {
            return Ok(Kept::TooMany);
        }
        let added = self.db.execute(
            "INSERT OR IGNORE INTO report_received(kind, reporter, proven, organization, domain, report, begin_secs,
                 end_secs, arrived_day, passed, failed, octets)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                received.kind,
                received.reporter,
                received.proven,
                received.organization,
                received.domain,
                received.report_id,
                received.begin_secs,
                received.end_secs,
                received.arrived_day,
                received.passed.min(i64::MAX as u64),
                received.failed.min(i64::MAX as u64),
                received.octets
            ],
        )?;
        self.db.execute(
            "DELETE FROM report_received WHERE id <= (SELECT max(id) FROM report_received) - ?1",
            [REPORT_KEPT_MAX],
        )?;
        Ok(if added == 0 { Kept::Known } else { Kept::New })
    }

    /// Reports behind row `after`, at most `rows_max`.
    pub fn received(&self, after: i64, rows_max: usize) -> Result<Vec<Received>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Received>> {
            let mut statement = self.db.prepare(
                "SELECT id, kind, reporter, proven, organization, domain, report, begin_secs, end_secs, arrived_day,
                        passed, failed, octets
                 FROM report_received WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after, rows_max as u64], received)?;
            rows.collect()
        };
        read().map_err(|e| failed(&e))
    }
}

fn received(row: &Row<'_>) -> rusqlite::Result<Received> {
    Ok(Received {
        id: row.get(0)?,
        kind: row.get(1)?,
        reporter: row.get(2)?,
        proven: row.get(3)?,
        organization: row.get(4)?,
        domain: row.get(5)?,
        report_id: row.get(6)?,
        begin_secs: row.get(7)?,
        end_secs: row.get(8)?,
        arrived_day: row.get(9)?,
        passed: row.get(10)?,
        failed: row.get(11)?,
        octets: row.get(12)?,
    })
}
