//! Counts failed logins by key: at most `LOGIN_FAILURES_MAX` within `LOGIN_FAILURES_SECS`. Pure; time is an argument.
//!
//! An attempt is charged before it is tried and refunded when it was right, so that attempts side by side cannot pass
//! the limit together. Eviction: only rows whose last failure is over a minute old go. When there is no such row, new
//! keys share a few rows: an attacker with many addresses slows strangers down, and unblocks nobody.

use crate::limits::{
    LOGIN_FAILURE_OVERFLOW_ROWS, LOGIN_FAILURE_ROWS_MAX, LOGIN_FAILURES_MAX, LOGIN_FAILURES_SECS,
};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

const WINDOW_TENTHS: u32 = LOGIN_FAILURES_SECS as u32 * 10;

/// Times of the last failures in tenths of a second, counted from 1; 0 is free. 32 bits are 13 years of running.
type Row = [u32; LOGIN_FAILURES_MAX];

const FREE: u32 = 0;

/// One table of failures.
#[derive(Default)]
pub(super) struct Failures {
    rows: HashMap<u128, Row>,
    overflow: Vec<Row>,
    random: RandomState,
    /// When expired rows were last looked for: a full table must not cost a walk for each attempt.
    swept: u64,
}

/// An attempt that is counted; give it back when it was right.
#[derive(Debug)]
#[must_use = "an attempt that succeeds is refunded"]
pub(super) struct Charge {
    place: Place,
    at: u32,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Own(u128),
    Shared(usize),
}

impl Failures {
    /// Whether this key has failed too often.
    pub fn blocked(&self, key: u128, now: u64) -> bool {
        let row = match self.rows.get(&key) {
            Some(row) => Some(row),
            // A key without a row may have been counted in a shared one.
            None => self.overflow.get(self.shared_row(key)),
        };
        row.is_some_and(|row| row.iter().all(|at| counts(*at, now)))
    }

    /// Counts an attempt; None when the key has failed too often (which is not counted again: a minute later it
    /// may try).
    pub fn charge(&mut self, key: u128, now: u64) -> Option<Charge> {
        let place = self.place(key, now);
        let free = self.row(place)?.iter_mut().find(|at| !counts(**at, now))?;
        *free = tenths(now);
        let at = *free;
        Some(Charge { place, at })
    }

    /// The attempt was right.
    pub fn refund(&mut self, charge: Charge) {
        if let Some(row) = self.row(charge.place)
            && let Some(at) = row.iter_mut().find(|at| **at == charge.at)
        {
            *at = FREE;
        }
    }

    fn place(&mut self, key: u128, now: u64) -> Place {
        if self.rows.contains_key(&key) {
            return Place::Own(key);
        }
        if self.rows.len() >= LOGIN_FAILURE_ROWS_MAX {
            self.sweep(now);
        }
        if self.rows.len() < LOGIN_FAILURE_ROWS_MAX {
            // What was counted in the shared row is kept for the key: a sweep in between must not unblock it.
            let shared = self.overflow.get(self.shared_row(key)).copied();
            self.rows.insert(key, shared.unwrap_or_default());
            return Place::Own(key);
        }
        if self.overflow.is_empty() {
            self.overflow = vec![Row::default(); LOGIN_FAILURE_OVERFLOW_ROWS];
        }
        Place::Shared(self.shared_row(key))
    }

    fn shared_row(&self, key: u128) -> usize {
        (self.random.hash_one(key) % LOGIN_FAILURE_OVERFLOW_ROWS as u64) as usize
    }

    fn row(&mut self, place: Place) -> Option<&mut Row> {
        match place {
            Place::Own(key) => self.rows.get_mut(&key),
            Place::Shared(n) => self.overflow.get_mut(n),
        }
    }

    /// Forgets what does not count any more, at most once a second; gives the memory back.
    fn sweep(&mut self, now: u64) {
        if now < self.swept + 1000 {
            return;
        }
        self.swept = now;
        self.rows
            .retain(|_, row| row.iter().any(|at| counts(*at, now)));
        self.rows.shrink_to(LOGIN_FAILURE_ROWS_MAX / 8);
        if !self.overflow.iter().flatten().any(|at| counts(*at, now)) {
            self.overflow = Vec::new();
        }
    }
}

fn tenths(millis: u64) -> u32 {
    u32::try_from(millis / 100)
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

fn counts(at: u32, now: u64) -> bool {
    at != FREE && tenths(now).saturating_sub(at) < WINDOW_TENTHS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds.
    const WINDOW: u64 = LOGIN_FAILURES_SECS * 1000;

    #[test]
    fn at_most_so_many_a_minute() {
        let mut table = Failures::default();
        for n in 0..LOGIN_FAILURES_MAX {
            assert!(!table.blocked(1, 1000 * n as u64), "after {n}");
            let _ = table.charge(1, 1000 * n as u64).unwrap();
        }
        assert!(table.blocked(1, 4500) && table.charge(1, 4500).is_none());
        assert!(!table.blocked(2, 4500) && table.charge(2, 4500).is_some());
        // The first one leaves the minute, so one more is free.
        assert!(table.charge(1, WINDOW - 1).is_none());
        assert!(table.charge(1, WINDOW).is_some());
        assert!(table.charge(1, WINDOW).is_none());
    }

    #[test]
    fn right_attempts_do_not_count() {
        let mut table = Failures::default();
        for n in 0..100 {
            let charge = table.charge(1, n).unwrap();
            table.refund(charge);
        }
        assert!(!table.blocked(1, 100));
    }

    #[test]
    fn a_full_table_unblocks_nobody() {
        let mut table = Failures::default();
        for _ in 0..LOGIN_FAILURES_MAX {
            let _ = table.charge(7, 0).unwrap();
        }
        for key in 0..4 * LOGIN_FAILURE_ROWS_MAX as u128 {
            let _ = table.charge(1000 + key, 2000);
        }
        assert_eq!(table.rows.len(), LOGIN_FAILURE_ROWS_MAX);
        assert!(table.blocked(7, 3000));
        // Shared rows count too: a new key cannot try without an end.
        let tries = (0..100)
            .filter(|n| table.charge(u128::MAX, 3000 + n).is_some())
            .count();
        assert!(tries <= LOGIN_FAILURES_MAX, "{tries}");
        // A minute later the table has room again.
        assert!(table.charge(u128::MAX, 70_000).is_some());
        assert!(table.rows.len() < 10 && table.overflow.is_empty());
    }

    #[test]
    fn a_key_that_moves_to_a_row_of_its_own_stays_blocked() {
        let mut table = Failures::default();
        for key in 0..LOGIN_FAILURE_ROWS_MAX as u128 {
            let _ = table.charge(key, 0);
        }
        while table.charge(u128::MAX, 59_000).is_some() {}
        assert!(table.blocked(u128::MAX, 59_500));
        // At 61 s everything else has expired.
        assert!(table.charge(u128::MAX, 61_000).is_none());
        assert!(table.blocked(u128::MAX, 61_000));
    }
}
