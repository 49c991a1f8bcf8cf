//! Power cuts: a disk that remembers everything says what is left behind any operation, `index.sqlite` is taken from
//! an earlier moment or missing, and what was answered is there, whole and once.

use super::files::large;
use super::model::{ACCOUNTS, Picture, Player, picture};
use super::*;
use crate::store::disk::Flush;
use crate::store::disk::recording::{Crash, RecordingDisk};
use crate::store::open::open_sized;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;
use std::path::Path;

/// Small, so that a short workload crosses their ends.
const SEGMENT: u64 = 1024 * 1024;

/// A moment of the workload: everything before it was answered.
struct Moment {
    operations: usize,
    picture: Picture,
    /// A copy of SQLite's files.
    index: Dir,
}

pub fn copy_index(from: &Dir) -> Dir {
    let to = Dir::new();
    for name in [
        "index.sqlite",
        "index.sqlite-wal",
        "state.sqlite",
        "state.sqlite-wal",
        "format",
    ] {
        let source = from.0.join(name);
        if source.exists() {
            std::fs::copy(&source, to.0.join(name)).expect("a copy");
        }
    }
    to
}

/// Plays on `disk`; a moment after each commit.
fn workload(disk: &RecordingDisk, seed: u64, commits: usize) -> Vec<Moment> {
    let dir = Dir::new();
    let (mut writer, shared) =
        open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens");
    for account in ACCOUNTS {
        one(&mut writer, Change::AccountMailboxes { account });
    }
    let mut player = Player::new(seed);
    let mut moments = Vec::new();
    for n in 0..commits {
        writer.publish().expect("published");
        moments.push(moment(disk, &shared, &dir));
        player.model = picture(&shared);
        let mut changes: Vec<Change> = (0..1 + player.dice.next(6))
            .map(|_| player.draw())
            .collect();
        if n % 5 == 1 {
            changes.push(large(&shared, &format!("large {n}")));
        }
        writer.commit(changes, NOW);
        if n % 7 == 6 {
            while writer.upkeep(NOW).expect("upkeep") {}
        }
    }
    writer.publish().expect("published");
    moments.push(moment(disk, &shared, &dir));
    moments
}

fn moment(disk: &RecordingDisk, shared: &Arc<Shared>, dir: &Dir) -> Moment {
    Moment {
        operations: disk.operations(),
        picture: picture(shared),
        index: copy_index(dir),
    }
}

/// Opens what a power cut left; says what is wrong, if anything.
fn cut(
    disk: &RecordingDisk,
    moments: &[Moment],
    count: usize,
    crash: Crash,
    old: Option<usize>,
) -> Result<(), String> {
    let left: Arc<dyn Disk> = Arc::new(disk.after(count, crash));
    let at = moments
        .iter()
        .rposition(|moment| moment.operations <= count)
        .unwrap_or(0);
    let dir = match old {
        Some(back) => copy_index(&moments[at.saturating_sub(back)].index),
        None => Dir::new(),
    };
    let (mut writer, shared) = open_sized(dir.options_over(left), SEGMENT).map_err(|e| e.0)?;
    let lines = &shared.open_report().lines;
    if let Some(damage) = lines.iter().find(|line| line.contains("is damaged")) {
        return Err(format!("a power cut was taken for damage: {damage}"));
    }
    let seen = picture(&shared);
    let next = moments.get(at + 1).map(|moment| &moment.picture);
    if seen != moments[at].picture && Some(&seen) != next {
        let report = shared.open_report();
        return Err(format!(
            "not what was answered: {report:?}; {}",
            difference(&seen, &moments[at].picture)
        ));
    }
    let done = one(
        &mut writer,
        deliver(ACCOUNTS[0], "", b"Subject: after\r\n\r\n"),
    );
    writer.publish().map_err(|e| e.0)?;
    let Outcome::Delivered { placed, .. } = done.outcome else {
        return Err("no delivery".into());
    };
    let before = seen.folders[&(ACCOUNTS[0].0, "INBOX".into())].uid_next;
    if placed[0].1 < before {
        return Err("a UID came again".into());
    }
    let report = check::check_open(&shared, &mut |_, _| {}).map_err(|e| e.0)?;
    match report.is_clean() {
        true => Ok(()),
        false => Err(report.findings.join("; ")),
    }
}

/// The first folders that differ, without octets.
fn difference(seen: &Picture, wanted: &Picture) -> String {
    let brief = |picture: &Picture, key: &(u64, String)| {
        picture.folders.get(key).map(|folder| {
            let mails: Vec<_> = folder
                .mails
                .iter()
                .map(|(uid, mail)| (*uid, mail.flags, mail.modseq))
                .collect();
            (
                folder.id,
                folder.uid_validity,
                folder.uid_next,
                folder.modseq,
                mails,
            )
        })
    };
    let keys = seen.folders.keys().chain(wanted.folders.keys());
    let mut lines: Vec<String> = keys
        .filter(|key| seen.folders.get(*key) != wanted.folders.get(*key))
        .map(|key| {
            format!(
                "{key:?}: {:?} instead of {:?}",
                brief(seen, key),
                brief(wanted, key)
            )
        })
        .collect();
    lines.dedup();
    lines.push(format!("{:?} instead of {:?}", seen.queue, wanted.queue));
    lines.push(format!(
        "{:?} instead of {:?}",
        seen.subscriptions, wanted.subscriptions
    ));
    lines.push(format!(
        "{:?} instead of {:?}",
        seen.keywords, wanted.keywords
    ));
    lines.join("\n")
}

#[test]
fn what_was_answered_survives_any_power_cut() {
    let disk = RecordingDisk::new();
    let moments = workload(&disk, 5, 16);
    let first = moments[0].operations;
    let operations = disk.operations();
    let step = ((operations - first) / 48).max(1);
    for (n, count) in (first..=operations).step_by(step).enumerate() {
        let crash = match n % 4 {
            0 => Crash::Dropped,
            1 => Crash::Kept,
            2 => Crash::Reordered(n as u64),
            _ => Crash::Torn(n as u64),
        };
        let old = [Some(0), None, Some(3)][n % 3];
        if let Err(why) = cut(&disk, &moments, count, crash, old) {
            panic!("after {count} of {operations} operations, {crash:?}, index {old:?}: {why}");
        }
    }
}

#[test]
fn a_missing_flush_is_noticed() {
    for which in [
        Flush::Batch,
        Flush::SegmentName,
        Flush::MessageFile,
        Flush::MessageName,
    ] {
        let disk = RecordingDisk::new();
        disk.omit(which);
        let moments = workload(&disk, 5, 6);
        let noticed = moments.iter().any(|moment| {
            let count = moment.operations;
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                cut(&disk, &moments, count, Crash::Dropped, None).is_err()
            }))
            .unwrap_or(true)
        });
        assert!(noticed, "{which:?} can be left out and nobody sees it");
    }
}

#[test]
fn one_flush_a_batch() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, _shared) = open(dir.options_over(Arc::new(disk.clone()))).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let before = disk.flushes(Flush::Batch);
    let changes = (0..64)
        .map(|n| deliver(ANNA, "X: y\r\n", &text(&format!("{n}"), 5000)))
        .collect();
    assert!(writer.commit(changes, NOW).iter().all(Result::is_ok));
    assert_eq!(disk.flushes(Flush::Batch) - before, 1);
}

/// What a workload that is mostly garbage left, reclaimed as it went.
struct Reclaimed {
    moments: Vec<Moment>,
    /// Operations of the commits that took a segment which had been free.
    takes: Vec<std::ops::Range<usize>>,
}

fn reclaiming(disk: &RecordingDisk) -> Reclaimed {
    let dir = Dir::new();
    let (mut writer, shared) =
        open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens");
    for account in ACCOUNTS {
        one(&mut writer, Change::AccountMailboxes { account });
    }
    let mut player = Player::new(77);
    let (mut moments, mut takes) = (Vec::new(), Vec::new());
    let mut step = |writer: &mut Writer, changes: Vec<Change>| {
        let (free, from) = (shared.segments.free(), disk.operations());
        writer.commit(changes, NOW);
        if shared.segments.free() < free {
            takes.push(from..disk.operations());
        }
        writer.publish().expect("published");
        moments.push(moment(disk, &shared, &dir));
    };
    step(&mut writer, Vec::new());
    for round in 0..8 {
        player.model = picture(&shared);
        // One by one: a commit may be several batches, and the power go between them.
        for _ in 0..4 {
            step(&mut writer, vec![player.draw()]);
        }
        let mails =
            (0..9).map(|n| deliver(ACCOUNTS[1], "", &text(&format!("{round}.{n}"), 100_000)));
        step(&mut writer, mails.collect());
        let inbox = picture(&shared).folders[&(2, "INBOX".into())].clone();
        let mut most = UidSet::new();
        most.insert_range(1, inbox.uid_next.saturating_sub(2).max(1));
        let mailbox = MailboxId(inbox.id);
        let flags = Change::Flags {
            mailbox,
            uids: most,
            how: FlagsHow::Add,
            flags: names(Flags::DELETED, &[]),
        };
        step(&mut writer, vec![flags]);
        step(
            &mut writer,
            vec![Change::Expunge {
                mailbox,
                uids: None,
            }],
        );
        writer.end_retention().expect("retention ends");
        for _ in 0..100 {
            if !writer.upkeep(NOW).expect("upkeep") {
                break;
            }
        }
    }
    Reclaimed { moments, takes }
}

/// Cuts the power in the middle of reclaiming, of writing and of taking a segment that was given back;
/// `index.sqlite` may be older than that, or missing.
#[test]
fn reclaiming_survives_any_power_cut() {
    let disk = RecordingDisk::new();
    let Reclaimed { moments, takes } = reclaiming(&disk);
    assert!(!takes.is_empty(), "nothing was reclaimed");
    let first = moments[0].operations;
    let operations = disk.operations();
    let step = ((operations - first) / 60).max(1);
    let counts = (first..=operations).step_by(step);
    for (n, count) in counts.chain(takes.into_iter().flatten()).enumerate() {
        let crash = match n % 4 {
            0 => Crash::Dropped,
            1 => Crash::Kept,
            2 => Crash::Reordered(n as u64),
            _ => Crash::Torn(n as u64),
        };
        let old = [Some(0), None, Some(4)][n % 3];
        if let Err(why) = cut(&disk, &moments, count, crash, old) {
            panic!("after {count} of {operations} operations, {crash:?}, index {old:?}: {why}");
        }
    }
}

/// A segment that is written again before its head says on the disk that it is free.
#[test]
fn a_missing_flush_of_a_segments_head_is_noticed() {
    let disk = RecordingDisk::new();
    disk.omit(Flush::SegmentHeader);
    let Reclaimed { moments, takes } = reclaiming(&disk);
    let noticed = takes.into_iter().flatten().any(|count| {
        (0..24).any(|seed| {
            let crash = Crash::Torn(seed + 31 * count as u64);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                cut(&disk, &moments, count, crash, None).is_err()
            }))
            .unwrap_or(true)
        })
    });
    assert!(noticed, "SegmentHeader can be left out and nobody sees it");
}

/// Whatever a rebuild came to before it was cut off, the next open makes the index whole.
#[test]
fn a_rebuild_that_was_cut_off_begins_anew() {
    let disk = RecordingDisk::new();
    let moments = workload(&disk, 9, 8);
    let last = &moments[moments.len() - 1];
    // Its row of `meta` is written last; before that any part of the tables may be there.
    let tables = |sql: &'static str| {
        move |path: &Path| {
            let db = rusqlite::Connection::open(path).expect("opens");
            db.execute_batch(sql).expect("changed");
        }
    };
    let cut_at = |divisor: u64| {
        move |path: &Path| {
            tables("PRAGMA journal_mode = DELETE")(path);
            let file = std::fs::File::options()
                .write(true)
                .open(path)
                .expect("opens");
            let bytes = file.metadata().expect("there").len();
            file.set_len(bytes / divisor).expect("cut");
        }
    };
    let states: [&dyn Fn(&Path); 7] = [
        &tables("DELETE FROM meta"),
        &tables("DELETE FROM meta; DELETE FROM message WHERE uid > 2; DELETE FROM extra"),
        &tables("DELETE FROM meta; DELETE FROM mailbox; DELETE FROM queue"),
        &tables("DROP TABLE content"),
        &cut_at(u64::MAX),
        &cut_at(2),
        &cut_at(90),
    ];
    for (n, state) in states.into_iter().enumerate() {
        let dir = copy_index(&last.index);
        state(&shared::index_path(&dir.0));
        let copy = Arc::new(disk.after(disk.operations(), Crash::Kept));
        let (_writer, shared) = open_sized(dir.options_over(copy), SEGMENT).expect("opens");
        assert!(picture(&shared) == last.picture, "state {n}");
    }
}
