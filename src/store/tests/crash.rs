//! Power cuts: a disk that remembers everything says what is left behind any operation, `index.sqlite` is taken from
//! an earlier moment or missing, and what was answered is there, whole and once.

use super::model::{ACCOUNTS, Picture, Player, picture};
use super::*;
use crate::store::disk::Flush;
use crate::store::disk::recording::{Crash, RecordingDisk};
use crate::store::open::open_sized;

/// Small, so that a short workload crosses their ends.
const SEGMENT: u64 = 1024 * 1024;

/// A moment of the workload: everything before it was answered.
struct Moment {
    operations: usize,
    picture: Picture,
    /// A copy of SQLite's files.
    index: Dir,
}

fn copy_index(from: &Dir) -> Dir {
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

fn large(shared: &Arc<Shared>, serial: usize) -> Change {
    let bytes = text(&format!("large {serial}"), 200_000);
    let mut spill = spill::Spill::create(shared).expect("a spill");
    spill.write(&bytes).expect("written");
    let mut change = deliver(ACCOUNTS[0], "X-Large: 1\r\n", &bytes);
    if let Change::Deliver(delivery) = &mut change {
        delivery.message.content = Content::Large(spill.finish().expect("finished"));
    }
    change
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
            changes.push(large(&shared, n));
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

/// A workload that is mostly garbage, reclaimed as it goes; `index.sqlite` may be older than that, or missing.
#[test]
fn reclaiming_survives_any_power_cut() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, shared) =
        open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens");
    for account in ACCOUNTS {
        one(&mut writer, Change::AccountMailboxes { account });
    }
    let mut player = Player::new(77);
    let mut moments = Vec::new();
    let mut freed = 0;
    for round in 0..8 {
        writer.publish().expect("published");
        moments.push(moment(&disk, &shared, &dir));
        player.model = picture(&shared);
        let mut changes: Vec<Change> = (0..4).map(|_| player.draw()).collect();
        changes.extend(
            (0..9).map(|n| deliver(ACCOUNTS[1], "", &text(&format!("{round}.{n}"), 100_000))),
        );
        writer.commit(changes, NOW);
        writer.publish().expect("published");
        moments.push(moment(&disk, &shared, &dir));
        let inbox = moments[moments.len() - 1].picture.folders[&(2, "INBOX".into())].clone();
        let mut most = crate::wire::imap::uid_set::UidSet::new();
        most.insert_range(1, inbox.uid_next.saturating_sub(2).max(1));
        let flags = names(crate::wire::imap::flag::Flags::DELETED, &[]);
        let mailbox = MailboxId(inbox.id);
        writer.commit(
            vec![Change::Flags {
                mailbox,
                uids: most,
                how: FlagsHow::Add,
                flags,
            }],
            NOW,
        );
        writer.publish().expect("published");
        moments.push(moment(&disk, &shared, &dir));
        writer.commit(
            vec![Change::Expunge {
                mailbox,
                uids: None,
            }],
            NOW,
        );
        writer.publish().expect("published");
        moments.push(moment(&disk, &shared, &dir));
        writer.end_retention().expect("retention ends");
        for _ in 0..100 {
            if !writer.upkeep(NOW).expect("upkeep") {
                break;
            }
        }
        freed = freed.max(shared.segments.free());
    }
    assert!(freed > 0, "nothing was reclaimed");
    let first = moments[0].operations;
    let operations = disk.operations();
    let step = ((operations - first) / 60).max(1);
    for (n, count) in (first..=operations).step_by(step).enumerate() {
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
