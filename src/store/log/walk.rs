//! The records of one live segment, for reclaiming and checking while the store is open.

use super::Replayed;
use super::scan::{End, scan_segment};
use super::table::Segments;
use crate::store::StoreError;

impl Segments {
    /// Gives every acknowledged record of a live segment, and its damage. Nothing when the segment is not live.
    pub fn walk(
        &self,
        segment: u32,
        each: &mut dyn FnMut(Replayed) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(info) = self.live().into_iter().find(|info| info.segment == segment) else {
            return Ok(());
        };
        let head = match self.table().slots.get(&segment) {
            Some(slot) => slot.head,
            None => return Ok(()),
        };
        let file = self.file(segment)?;
        scan_segment(&*file, &head, End::Acknowledged(info.last), 0, each)?;
        Ok(())
    }
}
