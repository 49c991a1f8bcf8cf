//! Reclaiming: live contents of the emptiest segments are copied, then the segments are given back.
//!
//! A round: pick victims; copy their live contents as relocations, a bounded piece at a time; write snapshots of the
//! mailboxes that their event records touch, and of accounts and the box; checkpoint the index; mark them free. A
//! crash anywhere leaves copies that nobody needs, and nothing else: a segment is free only after everything that
//! replaces it is flushed and the synced index names the copies.

use super::super::StoreError;
use super::super::change::SmallBody;
use super::super::ids::{Lsn, MailboxId};
use super::super::index::reclaim::Live;
use super::super::log::{Replayed, SegmentInfo};
use super::super::record::*;
use super::Writer;
use super::plan::{Body, Item};
use crate::limits::{
    BATCH_RECORDS_MAX, RECLAIM_GARBAGE_PERCENT_MIN, RECLAIM_PIECE_BYTES, RECLAIM_SEGMENTS_MAX,
    RECLAIM_URGENT_PERCENT_MIN, SNAPSHOT_ROWS_MAX,
};
use std::collections::{BTreeSet, HashMap};

/// A row in a snapshot, octets.
const ROW_BYTES: u64 = 40;

/// How badly room is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing else to do.
    Idle,
    /// New mail is being refused.
    Urgent,
}

/// The round under way.
#[derive(Default)]
pub struct Reclaim {
    victims: Vec<SegmentInfo>,
    step: Step,
    /// Log octets when nothing was found last: looked at again when the log has grown.
    idle_at_lsn: Option<Lsn>,
    /// Segments that hold the parts so far of the snapshot that is being written, with their octets.
    parts: Vec<(u32, u64)>,
    /// The last complete snapshots written in this run.
    snapshots: HashMap<MailboxId, Snapshot>,
}

/// A complete snapshot of a mailbox: while it is the last one it is no garbage.
struct Snapshot {
    first: Lsn,
    /// Segments that hold its parts, with their octets.
    parts: Vec<(u32, u64)>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Step {
    #[default]
    Pick,
    Copy,
    Snapshot,
    Free,
}

impl Writer {
    /// One piece of a round; false when there is nothing to reclaim.
    pub(super) fn reclaim_piece(&mut self, need: Need) -> Result<bool, StoreError> {
        let done = match self.upkeep.reclaim.step {
            Step::Pick => self.pick(need),
            Step::Copy => self.copy_piece(),
            Step::Snapshot => self.snapshot_victims(),
            Step::Free => self.free_victims(),
        };
        if done.is_err() {
            self.upkeep.reclaim.step = Step::Pick;
            self.upkeep.reclaim.idle_at_lsn = Some(self.log.next_lsn());
        }
        done
    }

    fn pick(&mut self, need: Need) -> Result<bool, StoreError> {
        if need == Need::Idle && self.upkeep.reclaim.idle_at_lsn == Some(self.log.next_lsn()) {
            return Ok(false);
        }
        let mut live = self.index.live_bytes().map_err(StoreError::index)?;
        for snapshot in self.upkeep.reclaim.snapshots.values() {
            for (segment, bytes) in &snapshot.parts {
                *live.entry(*segment).or_default() += bytes;
            }
        }
        let percent_min = match need {
            Need::Idle => RECLAIM_GARBAGE_PERCENT_MIN,
            Need::Urgent => RECLAIM_URGENT_PERCENT_MIN,
        };
        let mut victims: Vec<(u64, SegmentInfo)> = self
            .shared
            .segments
            .live()
            .into_iter()
            .filter(|info| !info.written && info.leases == 0)
            .map(|info| {
                let live = live.get(&info.segment).copied().unwrap_or(0);
                (live * 100 / info.used_bytes.max(1), info)
            })
            .filter(|(live_percent, _)| *live_percent + percent_min <= 100)
            .collect();
        victims.sort_by_key(|(live_percent, _)| *live_percent);
        victims.truncate(RECLAIM_SEGMENTS_MAX);
        let garbage: u64 = victims
            .iter()
            .map(|(live, info)| info.used_bytes * (100 - live) / 100)
            .sum();
        // Snapshots cost about this much: a round must win more than it writes.
        let snapshots = self.index.messages().map_err(StoreError::index)? * ROW_BYTES;
        if victims.is_empty() || (need == Need::Idle && garbage < 2 * snapshots) {
            self.upkeep.reclaim.idle_at_lsn = Some(self.log.next_lsn());
            return Ok(false);
        }
        self.upkeep.reclaim.victims = victims.into_iter().map(|(_, info)| info).collect();
        self.upkeep.reclaim.step = Step::Copy;
        Ok(true)
    }

    /// Copies at most `RECLAIM_PIECE_BYTES` of live contents to the log's end.
    fn copy_piece(&mut self) -> Result<bool, StoreError> {
        for victim in self.upkeep.reclaim.victims.clone() {
            let contents = self
                .index
                .contents_of(victim.segment, 64)
                .map_err(StoreError::index)?;
            if contents.is_empty() {
                continue;
            }
            let mut items = Vec::new();
            let mut bytes = 0;
            for live in &contents {
                if !items.is_empty() && bytes + live.log_bytes > RECLAIM_PIECE_BYTES {
                    break;
                }
                bytes += live.log_bytes;
                match self.relocation(live) {
                    Ok(item) => items.push(item),
                    Err(e) => {
                        // What cannot be read cannot be moved: the segment stays, damage and all.
                        self.upkeep
                            .reclaim
                            .victims
                            .retain(|other| other.segment != victim.segment);
                        return match items.is_empty() {
                            true => Err(e),
                            false => self.append_own(items).map(|_| true),
                        };
                    }
                }
            }
            self.append_own(items)?;
            return Ok(true);
        }
        self.upkeep.reclaim.step = Step::Snapshot;
        Ok(true)
    }

    /// The relocation record of a content, with its octets.
    fn relocation(&mut self, live: &Live) -> Result<Item, StoreError> {
        let segments = self.shared.segments.clone();
        let (_, record) = segments.record(live.at)?;
        let content = segments.content(live.at, live.email)?;
        let (meta, remote) = match record {
            Record::Message(message) => (message.content, message.remote),
            Record::Relocation(moved) => (moved.content, moved.remote),
            _ => {
                return Err(StoreError(
                    "the log holds another record where a message should be".into(),
                ));
            }
        };
        let body = match meta.place {
            ContentPlace::File => Body::File(live.email, content.chunk_crcs().to_vec()),
            ContentPlace::Inline => {
                let mut bytes = vec![0; meta.bytes as usize];
                content.read_at(0, &mut bytes)?;
                Body::Small(Box::new(bytes) as Box<dyn SmallBody>)
            }
        };
        let waiting = self
            .index
            .queue_of(live.content)
            .map_err(StoreError::index)?;
        let remote = remote.filter(|_| waiting.is_some());
        let record = Record::Relocation(Box::new(RelocationRecord {
            content: meta,
            remote,
        }));
        Ok(Item { record, body })
    }

    /// Appends records of our own making as one batch.
    fn append_own(&mut self, items: Vec<Item>) -> Result<Lsn, StoreError> {
        let first = self.log.next_lsn();
        self.index.begin_batch().map_err(StoreError::index)?;
        match self.write(&items, items.len()) {
            Ok(()) => {
                self.index.meta.lsn = first + items.len() as u64 - 1;
                Ok(first)
            }
            Err(refused) => {
                // The octets of message files are not ours to take away: only the savepoint goes.
                self.index.undo_batch().map_err(StoreError::index)?;
                Err(StoreError(refused.to_string()))
            }
        }
    }

    /// Snapshots of what the victims' event records touch.
    fn snapshot_victims(&mut self) -> Result<bool, StoreError> {
        let mut touched = BTreeSet::new();
        let mut newest = 0;
        for victim in &self.upkeep.reclaim.victims {
            newest = newest.max(victim.last);
            self.shared.segments.walk(victim.segment, &mut |met| {
                if let Replayed::Record { record, .. } = met {
                    touch(&record, &mut touched);
                }
                Ok(())
            })?;
        }
        let snapshots = &self.upkeep.reclaim.snapshots;
        let wanted: Vec<MailboxId> = touched
            .into_iter()
            .filter(|mailbox| {
                snapshots
                    .get(mailbox)
                    .is_none_or(|last| last.first <= newest)
            })
            .collect();
        self.snapshot_mailboxes(&wanted)?;
        self.snapshot_box()?;
        self.upkeep.reclaim.step = Step::Free;
        Ok(true)
    }

    /// Writes complete snapshots of mailboxes; deleted ones are passed over.
    pub(in crate::store) fn snapshot_mailboxes(
        &mut self,
        mailboxes: &[MailboxId],
    ) -> Result<(), StoreError> {
        let mut waiting = Vec::new();
        let mut rows = 0;
        for &mailbox in mailboxes {
            let (mut part, mut from_uid) = (0, 1);
            loop {
                let snapshot = self
                    .index
                    .snapshot_part(mailbox, part, from_uid)
                    .map_err(StoreError::index)?;
                let Some(snapshot) = snapshot else { break };
                let last = snapshot.last;
                from_uid = snapshot.rows.last().map_or(from_uid, |row| row.uid + 1);
                rows += snapshot.rows.len();
                waiting.push(snapshot);
                part += 1;
                if rows >= SNAPSHOT_ROWS_MAX || waiting.len() >= BATCH_RECORDS_MAX / 2 {
                    self.append_parts(std::mem::take(&mut waiting))?;
                    rows = 0;
                }
                if last {
                    break;
                }
            }
        }
        self.append_parts(waiting)
    }

    /// Parts of snapshots as one batch; those of one mailbox come in order, with LSNs in a row.
    fn append_parts(&mut self, parts: Vec<SnapshotMailbox>) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let facts: Vec<(MailboxId, u32, bool, u64)> = parts
            .iter()
            .map(|part| {
                let bytes = (part.rows.len() as u64 + 2) * ROW_BYTES;
                (part.mailbox.mailbox, part.part, part.last, bytes)
            })
            .collect();
        let items = parts.into_iter().map(|part| Item {
            record: Record::SnapshotMailbox(Box::new(part)),
            body: Body::None,
        });
        let first = self.append_own(items.collect())?;
        let mut live = self.shared.segments.live().into_iter();
        let written = live.find(|info| info.written).map(|info| info.segment);
        let reclaim = &mut self.upkeep.reclaim;
        for (lsn, (mailbox, part, last, bytes)) in (first..).zip(facts) {
            if part == 0 {
                reclaim.parts.clear();
            }
            reclaim
                .parts
                .extend(written.map(|segment| (segment, bytes)));
            if last {
                let parts = std::mem::take(&mut reclaim.parts);
                let first = lsn - u64::from(part);
                reclaim.snapshots.insert(mailbox, Snapshot { first, parts });
            }
        }
        Ok(())
    }

    /// Accounts, then the box: one batch, so that they say the same moment.
    fn snapshot_box(&mut self) -> Result<(), StoreError> {
        let accounts = self.index.account_snapshots().map_err(StoreError::index)?;
        let last = self.index.box_snapshot().map_err(StoreError::index)?;
        let records = accounts.into_iter().map(Record::SnapshotAccount);
        let items: Vec<Item> = records
            .chain(std::iter::once(Record::SnapshotBox(last)))
            .map(|record| Item {
                record,
                body: Body::None,
            })
            .collect();
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let batch: Vec<Item> = items.by_ref().take(BATCH_RECORDS_MAX / 2).collect();
            self.append_own(batch)?;
        }
        Ok(())
    }

    /// Gives the victims back once the synced index names every copy.
    fn free_victims(&mut self) -> Result<bool, StoreError> {
        if !self.checkpoint()? {
            return Ok(false); // a reader is in the way: next time
        }
        for victim in std::mem::take(&mut self.upkeep.reclaim.victims) {
            let contents = self
                .index
                .contents_of(victim.segment, 1)
                .map_err(StoreError::index)?;
            if contents.is_empty() && victim.last <= self.upkeep.synced_lsn {
                // A lease keeps it for another round.
                self.log.mark_free(victim.segment)?;
            }
        }
        self.upkeep.reclaim.step = Step::Pick;
        Ok(true)
    }
}

/// The mailboxes that an event record says something of.
fn touch(record: &Record, touched: &mut BTreeSet<MailboxId>) {
    match record {
        Record::Message(message) => {
            touched.extend(message.locals.iter().map(|local| local.mailbox))
        }
        Record::Copy(copy) => touched.extend([copy.from, copy.to]),
        Record::Flags(flags) => touched.extend([flags.mailbox]),
        Record::Expunge(expunge) => touched.extend([expunge.mailbox]),
        Record::MailboxCreate(created) => touched.extend(created.iter().map(|one| one.mailbox)),
        Record::MailboxRename(rename) => {
            touched.extend(rename.renamed.iter().map(|(mailbox, _)| *mailbox));
            touched.extend(rename.created.iter().map(|one| one.mailbox));
            touched.extend(rename.moved.iter().flat_map(|copy| [copy.from, copy.to]));
        }
        Record::Undelete(undelete) => {
            touched.extend(undelete.rows.iter().map(|(mailbox, _)| *mailbox))
        }
        Record::SnapshotMailbox(part) => touched.extend([part.mailbox.mailbox]),
        Record::MailboxDelete(delete) => touched.extend([delete.mailbox]),
        // Accounts and the box are written anew in each round; contents are asked of the index.
        Record::Subscribe(_)
        | Record::Keyword(_)
        | Record::AccountRemove(_)
        | Record::QueueOutcome(_)
        | Record::QueueDrop(_)
        | Record::Relocation(_)
        | Record::SnapshotBox(_)
        | Record::SnapshotAccount(_)
        | Record::Abort(_)
        | Record::Closed
        | Record::Skipped { .. } => {}
    }
}
