//! The index made anew from the log alone, in two passes. The first finds every content, its last place and its
//! served sizes, and which snapshots are complete; the second applies what they leave over, in order.

use super::StoreError;
use super::ids::*;
use super::index::apply::Applied;
use super::index::{Index, content_id, served_bytes};
use super::log::{Location, Opening, Replayed, Segments};
use super::record::*;
use super::restore::{Facts, Restore};
use super::summarize::summarize;
use crate::limits::INDEX_CHANGES_MAX;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// What a rebuild did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rebuilt {
    /// For people.
    pub lines: Vec<String>,
    /// Records read.
    pub records: u64,
    /// Mailboxes with a new UIDVALIDITY: they need a snapshot before anybody sees them.
    pub renewed: Vec<MailboxId>,
}

/// Makes `index.sqlite` from the log. The file is usable only when this returns; a crash before leaves none, since
/// its one row of `meta` is written last.
pub fn from_log(
    path: &Path,
    opening: &mut Opening,
    now_secs: i64,
) -> Result<(Index, Rebuilt), StoreError> {
    let mut index = Index::create(path).map_err(StoreError::index)?;
    let mut rebuilt = Rebuilt::default();
    let segments = opening.segments().clone();
    let facts = first_pass(&mut index, opening, &segments, &mut rebuilt)?;
    index.sizes_known = true;
    rebuilt.renewed = second_pass(&mut index, facts, opening, segments, now_secs, &mut rebuilt)?;
    index.finish_rebuild().map_err(StoreError::index)?;
    Ok((index, rebuilt))
}

/// Splits the work on the index into transactions.
struct Steps {
    pending: usize,
}

impl Steps {
    fn before(&mut self, index: &mut Index) -> Result<(), StoreError> {
        if self.pending == 0 {
            index.begin_batch().map_err(StoreError::index)?;
        }
        self.pending += 1;
        Ok(())
    }
    fn after(&mut self, index: &mut Index) -> Result<(), StoreError> {
        if self.pending >= INDEX_CHANGES_MAX {
            self.end(index)?;
        }
        Ok(())
    }
    fn end(&mut self, index: &mut Index) -> Result<(), StoreError> {
        if self.pending > 0 {
            index.keep_batch(self.pending).map_err(StoreError::index)?;
            index.publish_unfinished().map_err(StoreError::index)?;
            self.pending = 0;
        }
        Ok(())
    }
}

fn first_pass(
    index: &mut Index,
    opening: &mut Opening,
    segments: &Arc<Segments>,
    rebuilt: &mut Rebuilt,
) -> Result<Facts, StoreError> {
    let mut facts = Facts {
        contents_known: true,
        ..Facts::default()
    };
    let mut parts: HashMap<MailboxId, Lsn> = HashMap::new();
    // By account: of a snapshot that a crash cut off nothing stays when the next one says it again.
    let mut listed: HashMap<AccountId, Vec<MailboxId>> = HashMap::new();
    let mut steps = Steps { pending: 0 };
    opening.replay(0, &mut |met| {
        let Replayed::Record { lsn, at, record } = met else {
            if let Replayed::Damage(damage) = met {
                rebuilt.lines.push(damage.to_string());
            }
            return Ok(());
        };
        rebuilt.records += 1;
        steps.before(index)?;
        if let Some(meta) = record.content() {
            note_content(index, segments, lsn, at, &record, meta).map_err(StoreError::index)?;
        }
        match record {
            Record::AccountRemove(account) => {
                facts.removed.insert(account);
            }
            Record::SnapshotMailbox(part) => note_part(&mut facts, &mut parts, lsn, &part),
            Record::SnapshotAccount(account) => {
                listed.insert(account.account, account.mailboxes);
            }
            Record::SnapshotBox(snapshot) => {
                facts.removed.extend(&snapshot.removed);
                facts.listed = listed.drain().flat_map(|(_, ids)| ids).collect();
                facts.last_box = Some((lsn, snapshot));
            }
            _ => {}
        }
        steps.after(index)
    })?;
    steps.end(index)?;
    Ok(facts)
}

/// A content or its new place.
fn note_content(
    index: &mut Index,
    segments: &Arc<Segments>,
    lsn: Lsn,
    at: Location,
    record: &Record,
    meta: &ContentMeta,
) -> rusqlite::Result<()> {
    let content = content_id(meta.email);
    if index.has_content(content)? {
        return index.locate(content, at);
    }
    let summary = summarize(segments, at, meta);
    let applied = Applied {
        lsn,
        record,
        summary: Some(&summary),
        at: Some(at),
    };
    index.insert_content(content, meta, None, applied)?;
    for prefix in 0..meta.prefixes.len().max(1) {
        let prefix = u16::try_from(prefix).unwrap_or(u16::MAX);
        index.note_size(content, prefix, served_bytes(meta, prefix))?;
    }
    index.meta.next_thread = index.meta.next_thread.max(meta.thread.0 + 1);
    Ok(())
}

/// Parts of a snapshot have LSNs in a row; it counts when its last one is there.
fn note_part(
    facts: &mut Facts,
    parts: &mut HashMap<MailboxId, Lsn>,
    lsn: Lsn,
    part: &SnapshotMailbox,
) {
    let mailbox = part.mailbox.mailbox;
    if part.part == 0 {
        parts.insert(mailbox, lsn);
    }
    let Some(&first) = parts.get(&mailbox) else {
        return;
    };
    if lsn != first + u64::from(part.part) {
        parts.remove(&mailbox);
    } else if part.last {
        facts.snapshots.insert(mailbox, first);
        parts.remove(&mailbox);
    }
}

fn second_pass(
    index: &mut Index,
    facts: Facts,
    opening: &mut Opening,
    segments: Arc<Segments>,
    now_secs: i64,
    rebuilt: &mut Rebuilt,
) -> Result<Vec<MailboxId>, StoreError> {
    let mut steps = Steps { pending: 0 };
    let mut restore = Restore::new(index, facts, segments, now_secs);
    opening.replay(0, &mut |met| match met {
        Replayed::Damage(damage) => {
            restore.damage(&damage);
            Ok(())
        }
        Replayed::Record { lsn, at, record } => {
            steps.before(restore.index())?;
            restore.record(lsn, at, record)?;
            steps.after(restore.index())
        }
    })?;
    steps.before(restore.index())?;
    if restore.recovered_messages > 0 {
        rebuilt.lines.push(format!(
            "{} messages whose mailbox is unknown are in `Recovered`",
            restore.recovered_messages
        ));
    }
    if restore.lost_messages > 0 {
        rebuilt
            .lines
            .push(format!("{} messages are lost", restore.lost_messages));
    }
    let renewed = restore.finish()?;
    if !renewed.is_empty() {
        rebuilt.lines.push(format!(
            "{} mailboxes may have lost something and got a new UIDVALIDITY: clients load them again",
            renewed.len()
        ));
    }
    steps.end(index)?;
    Ok(renewed)
}
