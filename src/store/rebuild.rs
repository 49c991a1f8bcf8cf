//! The index made anew from the log alone.

use super::StoreError;
use super::index::Index;
use super::index::apply::Applied;
use super::log::{Opening, Replayed};
use super::record::Record;
use super::summarize::summarize;
use std::path::Path;

/// What a rebuild did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rebuilt {
    /// For people.
    pub lines: Vec<String>,
    /// Records read.
    pub records: u64,
}

/// Makes `index.sqlite` from the log.
pub fn from_log(path: &Path, opening: &mut Opening) -> Result<(Index, Rebuilt), StoreError> {
    let mut index = Index::create(path).map_err(StoreError::index)?;
    let mut rebuilt = Rebuilt::default();
    let segments = opening.segments().clone();
    index.begin_batch().map_err(StoreError::index)?;
    opening.replay(0, &mut |met| {
        if let Replayed::Record { lsn, at, record } = met {
            let summary = match &record {
                Record::Message(message) => Some(summarize(&segments, at, &message.content)),
                _ => None,
            };
            let summary = summary.as_ref();
            let applied = Applied {
                lsn,
                record: &record,
                summary,
                at: Some(at),
            };
            index.apply(applied).map_err(StoreError::index)?;
            rebuilt.records += 1;
        }
        Ok(())
    })?;
    index.keep_batch(1).map_err(StoreError::index)?;
    Ok((index, rebuilt))
}
