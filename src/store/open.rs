//! Opening a store: the lock, the format, the log's end, the index brought up to it, orphans removed.

use super::ids::MailboxId;
use super::index::{Index, Opened, content_id};
use super::lock::DirLock;
use super::log::{Opening, Replayed};
use super::rebuild::from_log;
use super::restore::{Facts, Restore};
use super::shared::{OpenReport, Parts, Shared, index_path};
use super::spill::Spills;
use super::state::StateWriter;
use super::{Options, StoreError, Writer};
use crate::limits::{INDEX_CHANGES_MAX, SEGMENT_BYTES};
use std::collections::HashSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

/// The version of what lies in a data directory. Every later version opens every earlier one.
const FORMAT: u32 = 1;

/// Opens (or makes) the store, replays what the index has not seen, and takes the lock of the data directory.
/// A lock held by another process, an unknown version or record kind is an error that names it.
pub fn open(options: Options) -> Result<(Writer, Arc<Shared>), StoreError> {
    open_sized(options, SEGMENT_BYTES)
}

/// [`open`], and makes the index anew from the log, whatever its state: `store rebuild`.
pub fn rebuild(options: Options) -> Result<(Writer, Arc<Shared>), StoreError> {
    open_with(options, SEGMENT_BYTES, IndexFile::Anew)
}

/// [`open`] with segments of another size, for tests.
pub(super) fn open_sized(
    options: Options,
    segment_bytes: u64,
) -> Result<(Writer, Arc<Shared>), StoreError> {
    open_with(options, segment_bytes, IndexFile::AsItIs)
}

/// What becomes of the index that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IndexFile {
    /// It is used if it can be.
    AsItIs,
    /// It is thrown away.
    Anew,
}

fn open_with(
    options: Options,
    segment_bytes: u64,
    index_file: IndexFile,
) -> Result<(Writer, Arc<Shared>), StoreError> {
    make_private(&options.dir).map_err(|e| {
        StoreError(format!(
            "cannot make the data directory {}: {e}",
            options.dir.display()
        ))
    })?;
    let lock = DirLock::take(&options.dir)?;
    check_format(&options.dir)?;
    let state = StateWriter::open(&options.dir)?;
    let mut report = OpenReport::default();
    let mut opening = Opening::sized(options.disk.clone(), options.random, segment_bytes)?;
    let (mut index, renewed) = bring_up(&options, index_file, &mut opening, &mut report)?;
    forget_reclaimed(&mut index, &opening).map_err(StoreError::index)?;
    let spills = Spills::new(options.disk.clone(), options.random, options.reserve_bytes)?;
    sweep(&spills, &mut index, &mut report)?;
    make_names_durable(&options.dir).map_err(|e| {
        StoreError(format!(
            "cannot flush the data directory {}: {e}; mail in it could be lost in a power cut, so nothing is taken",
            options.dir.display()
        ))
    })?;
    index.publish().map_err(StoreError::index)?;
    index.checkpoint().map_err(StoreError::index)?;
    let visible = index.meta.lsn;
    let segments = opening.segments().clone();
    let log = opening.start(visible)?;
    let parts = Parts {
        segments,
        spills,
        visible,
        report,
        lock: Some(lock),
    };
    let shared = Arc::new(Shared::new(&options, parts));
    let mut writer = Writer::new(index, log, state, shared.clone());
    // Nobody has seen the new UIDVALIDITYs yet: the log must know them first.
    writer.snapshot_mailboxes(&renewed)?;
    writer.publish()?;
    Ok((writer, shared))
}

/// Why an index does not belong to this log, if it does not.
fn misfit(index: &Index, opening: &Opening) -> Option<&'static str> {
    let newest = index.newest_location().ok()?;
    if newest.is_some_and(|at| opening.segments().lease(at).is_none()) {
        return Some("index.sqlite is of another log, or of another time of it");
    }
    // Records that it has not seen must all be there: a segment is freed only when the synced index is past it.
    let reached = index.meta.lsn;
    let live = opening.segments().live();
    if live
        .iter()
        .any(|segment| segment.follows_freed && segment.previous_lsn > reached)
    {
        return Some("index.sqlite is older than what was reclaimed since");
    }
    None
}

/// Mail is nobody else's business: the directory is made 0700; one that exists stays as its owner has it.
fn make_private(dir: &Path) -> std::io::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists || !dir.is_dir() => Err(e),
        _ => Ok(()),
    }
}

/// What opening may have made (directories, databases, the directory itself) keeps its name through a power cut.
fn make_names_durable(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()?;
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match std::fs::File::open(parent) {
        Ok(parent) => parent.sync_all(),
        // Somebody else's directory, made before us: its owner flushed it.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        Err(e) => Err(e),
    }
}

/// Expunged messages whose room was given away after this index was written.
fn forget_reclaimed(index: &mut Index, opening: &Opening) -> rusqlite::Result<()> {
    let live = opening.segments().live();
    let is_live = |named: (u32, u32)| {
        live.iter()
            .any(|info| (info.segment, info.generation) == named)
    };
    index.begin_batch()?;
    for named in index.segments_named()? {
        if !is_live(named) {
            index.forget_expunged_in(named.0, named.1)?;
        }
    }
    index.keep_batch(0)
}

/// Files that nobody names go: spills that a crash cut off, message files whose record was never written. The log is
/// replayed by now, so what has no row has no reference. The other way round, an expunged message whose file is gone
/// cannot come back: its retention ended when an index that is lost now knew that.
fn sweep(
    spills: &Arc<Spills>,
    index: &mut Index,
    report: &mut OpenReport,
) -> Result<(), StoreError> {
    let mut missing: HashSet<_> = index
        .message_files()
        .map_err(StoreError::index)?
        .into_iter()
        .collect();
    report.orphans = spills.sweep(&mut |email| missing.remove(&email))?;
    if missing.is_empty() {
        return Ok(());
    }
    index.begin_batch().map_err(StoreError::index)?;
    missing
        .into_iter()
        .try_for_each(|email| index.forget_expunged(content_id(email)))
        .and_then(|()| index.keep_batch(0))
        .map_err(StoreError::index)
}

/// The index as of the end of the log: by replay, or made anew when it cannot be used. Also the mailboxes that got a
/// new UIDVALIDITY.
fn bring_up(
    options: &Options,
    index_file: IndexFile,
    opening: &mut Opening,
    report: &mut OpenReport,
) -> Result<(Index, Vec<MailboxId>), StoreError> {
    let now_secs = options.now_millis.div_euclid(1000);
    let path = index_path(&options.dir);
    let why = match index_file {
        IndexFile::Anew => None,
        IndexFile::AsItIs => match Index::open(&path) {
            Opened::Ready(mut index) => match misfit(&index, opening) {
                None => {
                    let renewed = replay(&mut index, opening, report, now_secs)?;
                    return Ok((*index, renewed));
                }
                Some(why) => Some(why.into()),
            },
            Opened::Unusable(why) => Some(why),
        },
    };
    let (index, rebuilt) = from_log(&path, opening, now_secs)?;
    // A new store has nothing to say.
    if rebuilt.records > 0 {
        if let Some(why) = why {
            report
                .lines
                .push(format!("{why}: it was made anew from the log"));
        }
        report.lines.extend(rebuilt.lines);
        report.replayed = rebuilt.records;
    }
    Ok((index, rebuilt.renewed))
}

/// Applies what the index has not seen. Returns mailboxes that got a new UIDVALIDITY by damage.
pub(super) fn replay(
    index: &mut Index,
    opening: &mut Opening,
    report: &mut OpenReport,
    now_secs: i64,
) -> Result<Vec<MailboxId>, StoreError> {
    let segments = opening.segments().clone();
    let after = index.meta.lsn;
    let mut pending = 0;
    index.begin_batch().map_err(StoreError::index)?;
    let mut restore = Restore::new(index, Facts::default(), segments, now_secs);
    opening.replay(after, &mut |met| {
        match met {
            Replayed::Damage(damage) => {
                report.lines.push(damage.to_string());
                restore.damage(&damage);
            }
            Replayed::Record { lsn, at, record } => {
                restore.record(lsn, at, record)?;
                report.replayed += 1;
                pending += 1;
                if pending >= INDEX_CHANGES_MAX {
                    let index = restore.index();
                    index.keep_batch(pending).map_err(StoreError::index)?;
                    index.publish().map_err(StoreError::index)?;
                    index.begin_batch().map_err(StoreError::index)?;
                    pending = 0;
                }
            }
        }
        Ok(())
    })?;
    let renewed = restore.finish()?;
    index.keep_batch(pending).map_err(StoreError::index)?;
    index.publish().map_err(StoreError::index)?;
    Ok(renewed)
}

/// `format` says which version wrote the directory.
fn check_format(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join("format");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let new = dir.join("format.new");
            return std::fs::write(&new, format!("pillarbox {FORMAT}\n"))
                .and_then(|()| std::fs::rename(&new, &path))
                .map_err(|e| StoreError(format!("cannot write {}: {e}", path.display())));
        }
        Err(e) => return Err(StoreError(format!("cannot read {}: {e}", path.display()))),
    };
    let version = text
        .strip_prefix("pillarbox ")
        .and_then(|rest| rest.trim().parse::<u32>().ok());
    match version {
        Some(version) if (1..=FORMAT).contains(&version) => Ok(()),
        Some(version) => Err(StoreError(format!(
            "{} was written by a later version (format {version}, this one knows {FORMAT}): use that version",
            dir.display()
        ))),
        None => Err(StoreError(format!(
            "{} is no data directory of Pillarbox (its file `format` is not ours): choose another one",
            dir.display()
        ))),
    }
}
