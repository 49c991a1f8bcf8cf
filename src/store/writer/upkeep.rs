//! Upkeep in small pieces while nothing else happens: checkpoints, the end of retention, relocation.

use super::super::StoreError;
use super::super::ids::Lsn;
use super::super::index::Meta;
use super::Writer;

/// A gap between two looks at the clock counts at most this much as uptime: the wall clock may have jumped.
const TICK_SECS_MAX: u64 = 60;

/// What upkeep remembers between calls.
#[derive(Default)]
pub struct Upkeep {
    last_millis: Option<i64>,
    /// The index is synced up to this LSN.
    pub synced_lsn: Lsn,
}

impl Upkeep {
    /// Lets the box's own uptime go on.
    pub fn tick(&mut self, meta: &mut Meta, now_millis: i64) {
        let last = *self.last_millis.get_or_insert(now_millis);
        if now_millis < last {
            self.last_millis = Some(now_millis);
            return;
        }
        let secs = (now_millis - last).unsigned_abs() / 1000;
        if secs > 0 {
            meta.uptime_secs += secs.min(TICK_SECS_MAX);
            self.last_millis = Some(now_millis);
        }
    }
}

impl Writer {
    /// One bounded piece of upkeep (checkpoint, relocation, expiry of retention); false when there is nothing to do.
    pub fn upkeep(&mut self, now_millis: i64) -> Result<bool, StoreError> {
        self.upkeep.tick(&mut self.index.meta, now_millis);
        if self.unpublished() {
            self.publish()?;
            return Ok(true);
        }
        Ok(false)
    }
}
