//! Upkeep in small pieces while nothing else happens: checkpoints, the end of retention, reclaiming.

use super::super::StoreError;
use super::super::ids::Lsn;
use super::super::index::Meta;
use super::super::shared::Health;
use super::Writer;
use super::reclaim::Reclaim;
use crate::limits::{CHECKPOINT_IDLE_BYTES, EXPIRE_ROWS_MAX, RETENTION_SECS};

/// A gap between two looks at the clock counts at most this much as uptime: the wall clock may have jumped.
const TICK_SECS_MAX: u64 = 60;

/// A quiet box writes its uptime this often.
const UPTIME_STORE_SECS: u64 = 3600;

/// What upkeep remembers between calls.
#[derive(Default)]
pub struct Upkeep {
    last_millis: Option<i64>,
    /// The uptime that the index knows of.
    stored_uptime_secs: u64,
    /// The index is synced up to this LSN.
    pub synced_lsn: Lsn,
    /// The round of reclaiming under way.
    pub reclaim: Reclaim,
    /// When the last emergency was, so that a full disk is not searched at each command.
    pub squeezed_millis: i64,
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
        if matches!(self.shared.health(), Health::Behind(_)) {
            return self.catch_up(now_millis).map(|_| false);
        }
        if self.unpublished() {
            self.publish()?;
            return Ok(true);
        }
        if self.expire(RETENTION_SECS)? {
            return Ok(true);
        }
        let unstored = self
            .index
            .meta
            .uptime_secs
            .saturating_sub(self.upkeep.stored_uptime_secs);
        if unstored >= UPTIME_STORE_SECS {
            self.store_meta()?;
        }
        if self.unsynced_bytes >= CHECKPOINT_IDLE_BYTES
            || self.index.wal_bytes() >= CHECKPOINT_IDLE_BYTES
            || !self.index.dead_files.is_empty()
        {
            return self.checkpoint();
        }
        self.reclaim_piece(super::reclaim::Need::Idle)
    }

    /// Writes counters that no change carried along: the uptime of a quiet box.
    pub(super) fn store_meta(&mut self) -> Result<(), StoreError> {
        self.index.begin_batch().map_err(StoreError::index)?;
        self.index.keep_batch(0).map_err(StoreError::index)?;
        self.publish()?;
        self.upkeep.stored_uptime_secs = self.index.meta.uptime_secs;
        Ok(())
    }

    /// Ends the retention of some messages that were expunged more than `secs` of uptime ago.
    pub(super) fn expire(&mut self, secs: u64) -> Result<bool, StoreError> {
        let Some(before) = self.index.meta.uptime_secs.checked_sub(secs) else {
            return Ok(false);
        };
        if !self.index.has_expired(before).map_err(StoreError::index)? {
            return Ok(false);
        }
        self.index.begin_batch().map_err(StoreError::index)?;
        let expired = match self.index.expire(before, EXPIRE_ROWS_MAX) {
            Ok(expired) => expired,
            Err(e) => {
                self.index.undo_batch().map_err(StoreError::index)?;
                return Err(StoreError::index(e));
            }
        };
        self.index.keep_batch(expired).map_err(StoreError::index)?;
        self.publish()?;
        Ok(expired > 0)
    }

    /// Ends the retention of everything that is expunged: `mail` cannot bring it back afterwards.
    #[cfg(test)]
    pub(in crate::store) fn end_retention(&mut self) -> Result<(), StoreError> {
        self.index.meta.uptime_secs += 1;
        while self.expire(0)? {}
        Ok(())
    }

    /// Space is short: retention yields first, then the emptiest segments. At most once in two seconds.
    pub(super) fn squeeze(&mut self, now_millis: i64) -> Result<(), StoreError> {
        if (now_millis - self.upkeep.squeezed_millis).abs() < 2_000 {
            return Ok(());
        }
        self.upkeep.squeezed_millis = now_millis;
        self.index.meta.uptime_secs += 1; // what was expunged this second counts as past, too
        for _ in 0..8 {
            if !self.expire(0)? {
                break;
            }
        }
        self.checkpoint()?;
        for _ in 0..256 {
            if !self.reclaim_piece(super::reclaim::Need::Urgent)? {
                break;
            }
        }
        Ok(())
    }
}
