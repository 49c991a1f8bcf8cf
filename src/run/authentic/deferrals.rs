//! For which domains a message was deferred because the DNS did not answer, and since when: 451 ends after
//! `DEFERRAL_SECS`, and the mail is taken.
//!
//! A row that counts is never evicted: with the table full, further domains are not deferred at all. The table is
//! in memory; a restart begins anew.

use crate::limits::{DEFERRAL_KEPT_SECS, DEFERRAL_ROWS_MAX, DEFERRAL_SECS};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Domains whose mail was deferred.
#[derive(Default)]
pub(super) struct Deferrals {
    rows: HashMap<Box<str>, Row>,
}

struct Row {
    first: Instant,
    last: Instant,
}

impl Deferrals {
    /// Whether a message of this domain may be deferred now.
    pub(super) fn may_defer(&mut self, domain: &str, now: Instant) -> bool {
        let kept = Duration::from_secs(DEFERRAL_KEPT_SECS);
        self.rows
            .retain(|_, row| now.saturating_duration_since(row.last) < kept);
        match self.rows.get_mut(domain) {
            None => self.rows.len() < DEFERRAL_ROWS_MAX,
            Some(row) => {
                row.last = now;
                now.saturating_duration_since(row.first) < Duration::from_secs(DEFERRAL_SECS)
            }
        }
    }

    /// A message of this domain was deferred.
    pub(super) fn deferred(&mut self, domain: &str, now: Instant) {
        if self.rows.len() < DEFERRAL_ROWS_MAX || self.rows.contains_key(domain) {
            let row = Row {
                first: now,
                last: now,
            };
            self.rows.entry(domain.into()).or_insert(row);
        }
    }

    /// The DNS answers for this domain.
    pub(super) fn forget(&mut self, domain: &str) {
        self.rows.remove(domain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, secs: u64) -> Instant {
        start + Duration::from_secs(secs)
    }

    #[test]
    fn a_domain_is_deferred_for_four_hours() {
        let (mut deferrals, start) = (Deferrals::default(), Instant::now());
        assert!(deferrals.may_defer("a.test", start));
        deferrals.deferred("a.test", start);
        for (secs, may) in [
            (DEFERRAL_SECS - 1, true),
            (DEFERRAL_SECS, false),
            (DEFERRAL_SECS + 1, false),
        ] {
            let now = after(start, secs);
            assert_eq!(deferrals.may_defer("a.test", now), may, "{secs}");
            // A retry begins no second time of four hours.
            deferrals.deferred("a.test", now);
        }
        deferrals.forget("a.test");
        assert!(deferrals.may_defer("a.test", after(start, DEFERRAL_SECS + 2)));
    }

    #[test]
    fn a_domain_is_forgotten_when_nothing_more_comes() {
        let (mut deferrals, start) = (Deferrals::default(), Instant::now());
        deferrals.deferred("a.test", start);
        let late = after(start, DEFERRAL_KEPT_SECS - 1);
        assert!(!deferrals.may_defer("a.test", late), "still known");
        let later = after(late, DEFERRAL_KEPT_SECS);
        assert!(deferrals.may_defer("a.test", later));
    }

    #[test]
    fn domains_are_bounded_and_none_is_evicted() {
        let (mut deferrals, start) = (Deferrals::default(), Instant::now());
        for n in 0..DEFERRAL_ROWS_MAX {
            let domain = format!("{n}.test");
            assert!(deferrals.may_defer(&domain, start), "{n}");
            deferrals.deferred(&domain, start);
        }
        assert!(!deferrals.may_defer("more.test", start));
        deferrals.deferred("more.test", start);
        assert_eq!(deferrals.rows.len(), DEFERRAL_ROWS_MAX);
        assert!(deferrals.may_defer("0.test", start));
        deferrals.forget("0.test");
        assert!(deferrals.may_defer("more.test", start));
    }
}
