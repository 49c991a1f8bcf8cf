//! Disks that fail or are full, damage in the middle of the log, and reclaiming.

use super::model::{ACCOUNTS, Player, picture};
use super::*;
use crate::store::disk::failing::{FailingDisk, Lasting};
use crate::store::disk::full::FullDisk;
use crate::store::disk::recording::RecordingDisk;
use crate::store::open::open_sized;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;

const SEGMENT: u64 = 1024 * 1024;

fn all() -> UidSet {
    let mut all = UidSet::new();
    all.insert_range(1, u32::MAX);
    all
}

/// The Nth operation of the disk fails: what was answered is there afterwards, what was refused is not.
fn fail_each(lasting: Lasting, step: u64) {
    let mut at = 1;
    loop {
        let disk = RecordingDisk::new();
        let failing = Arc::new(FailingDisk::new(Arc::new(disk.clone()), at, lasting));
        let dir = Dir::new();
        let mut answered = Vec::new();
        if let Ok((mut writer, _shared)) = open_sized(dir.options_over(failing.clone()), SEGMENT) {
            for n in 0..4 {
                let bytes = text(&format!("mail {n}"), 300_000 * (n % 2) + 100);
                if bytes.len() <= crate::limits::LARGE_MESSAGE_BYTES {
                    let done = try_one(&mut writer, deliver(ANNA, "", &bytes));
                    answered.push((bytes, done.is_ok()));
                }
                let changes = (0..3)
                    .map(|k| deliver(ANNA, "", &text(&format!("{n}.{k}"), 90_000)))
                    .collect();
                for (k, done) in writer.commit(changes, NOW).into_iter().enumerate() {
                    answered.push((text(&format!("{n}.{k}"), 90_000), done.is_ok()));
                }
            }
        }
        let operations = failing.operations();
        let (_writer, shared) =
            open_sized(dir.options_over(Arc::new(disk)), SEGMENT).expect("opens");
        let mut reader = shared.reader().expect("a reader");
        let mut found = Vec::new();
        if let Some(inbox) = reader.mailbox(ANNA, "INBOX").expect("read") {
            found = rows(&mut reader, inbox.id)
                .iter()
                .map(|row| served(&mut reader, row))
                .collect();
        }
        for (bytes, ok) in &answered {
            let times = found.iter().filter(|seen| *seen == bytes).count();
            // A disk that never works again cannot be told that a batch does not count: it may be found whole later.
            let undoable = *ok || lasting == Lasting::Once;
            assert!(
                times == usize::from(*ok) || (!undoable && times == 1),
                "operation {at}, {lasting:?}: answered {ok}"
            );
        }
        let report = check::check_open(&shared, &mut |_, _| {}).expect("checked");
        assert!(report.is_clean(), "operation {at}: {report:?}");
        if at > operations {
            return;
        }
        at += step;
    }
}

#[test]
fn any_operation_of_the_disk_may_fail_once() {
    fail_each(Lasting::Once, 2);
}

#[test]
fn any_operation_of_the_disk_may_be_the_last_that_works() {
    fail_each(Lasting::Forever, 5);
}

#[test]
fn a_full_disk_refuses_mail_but_takes_expunges_and_recovers() {
    let disk = Arc::new(FullDisk::new(Arc::new(RecordingDisk::new()), 8 * SEGMENT));
    let dir = Dir::new();
    let options = Options {
        reserve_bytes: 2 * SEGMENT,
        ..dir.options_over(disk.clone())
    };
    let (mut writer, shared) = open_sized(options, SEGMENT).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let mut taken = 0;
    let refused = loop {
        match try_one(
            &mut writer,
            deliver(ANNA, "", &text(&format!("{taken}"), 100_000)),
        ) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 1000);
    };
    assert_eq!(refused, Refused::DiskFull);
    writer.publish().expect("published");
    let mut reader = shared.reader().expect("a reader");
    let inbox = reader.mailbox(ANNA, "INBOX").expect("read").expect("there");
    assert_eq!(inbox.messages, taken);
    let flags = names(Flags::DELETED, &[]);
    one(
        &mut writer,
        Change::Flags {
            mailbox: inbox.id,
            uids: all(),
            how: FlagsHow::Add,
            flags,
        },
    );
    one(
        &mut writer,
        Change::Expunge {
            mailbox: inbox.id,
            uids: None,
        },
    );
    // Retention yields, its segments are given back, and mail is taken again without a restart.
    let later = NOW + 10_000;
    let answer = writer
        .commit(vec![deliver(ANNA, "", &text("again", 1000))], later)
        .pop();
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
    writer.publish().expect("published");
    let seen = picture(&shared);
    let report = check::check_open(&shared, &mut |_, _| {}).expect("checked");
    assert!(report.is_clean(), "{report:?}");
    drop((writer, shared, reader));
    let (_writer, shared) = open_sized(dir.options_over(disk), SEGMENT).expect("opens");
    assert_eq!(picture(&shared), seen);
}

/// Random changes with much garbage, reclaimed in between; replay and rebuild say the same afterwards.
#[test]
fn reclaiming_changes_nothing_that_anybody_sees() {
    for seed in [21, 22] {
        let disk = RecordingDisk::new();
        let dir = Dir::new();
        let open = |dir: &Dir| {
            open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens")
        };
        let (mut writer, mut shared) = open(&dir);
        for account in ACCOUNTS {
            one(&mut writer, Change::AccountMailboxes { account });
        }
        let mut player = Player::new(seed);
        let mut freed = 0;
        for round in 0..14 {
            writer.publish().expect("published");
            player.model = picture(&shared);
            let mut changes: Vec<Change> = (0..20).map(|_| player.draw()).collect();
            changes.extend(
                (0..6).map(|n| deliver(ACCOUNTS[1], "", &text(&format!("{round}.{n}"), 100_000))),
            );
            if let Some(inbox) = player.model.folders.get(&(2, "INBOX".into())) {
                let mailbox = MailboxId(inbox.id);
                let flags = names(Flags::DELETED, &[]);
                changes.push(Change::Flags {
                    mailbox,
                    uids: all(),
                    how: FlagsHow::Add,
                    flags,
                });
                changes.push(Change::Expunge {
                    mailbox,
                    uids: None,
                });
            }
            writer.commit(changes, NOW);
            writer.publish().expect("published");
            let before = picture(&shared);
            writer.end_retention().expect("retention ends");
            for _ in 0..100 {
                if !writer.upkeep(NOW).expect("upkeep") {
                    break;
                }
            }
            freed = freed.max(shared.segments.free());
            writer.publish().expect("published");
            assert_eq!(picture(&shared), before, "seed {seed} round {round}");
            let report = check::check_open(&shared, &mut |_, _| {}).expect("checked");
            assert!(report.is_clean(), "{report:?}");
            if round % 3 == 2 {
                drop((writer, shared));
                if round % 2 == 0 {
                    for name in ["index.sqlite", "index.sqlite-wal"] {
                        let _ = std::fs::remove_file(dir.0.join(name));
                    }
                }
                (writer, shared) = open(&dir);
                assert_eq!(
                    picture(&shared),
                    before,
                    "seed {seed} round {round}: {:?}",
                    shared.open_report()
                );
            }
        }
        assert!(freed > 0, "nothing was reclaimed");
    }
}

/// Six messages, and where the record of the third lies in the first segment.
fn six(disk: &RecordingDisk) -> (Dir, super::model::Picture, u64) {
    let dir = Dir::new();
    let (mut writer, shared) =
        open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    for n in 0..6 {
        one(
            &mut writer,
            deliver(ANNA, "", &text(&format!("{n}"), 20_000)),
        );
    }
    writer.publish().expect("published");
    let before = picture(&shared);
    writer.close().expect("closed");
    drop(shared);
    let db = rusqlite::Connection::open(shared::index_path(&dir.0)).expect("opens");
    let at = "SELECT at FROM content ORDER BY id LIMIT 1 OFFSET 2";
    let at = db.query_row(at, [], |row| row.get(0)).expect("six rows");
    (dir, before, at)
}

const FIRST: &str = "log/00000001.seg";

/// How many of INBOX's messages can be read, and its row.
fn readable(shared: &Arc<Shared>) -> (usize, row::MailboxRow, Vec<u32>) {
    let mut reader = shared.reader().expect("a reader");
    let inbox = reader.mailbox(ANNA, "INBOX").expect("read").expect("there");
    let rows = rows(&mut reader, inbox.id);
    let whole = |row: &&row::MessageRow| {
        let content = reader.content(row.content, row.prefix);
        let mut bytes = vec![0; row.served_bytes as usize];
        content.is_ok_and(|content| content.read_at(0, &mut bytes).is_ok())
    };
    (
        rows.iter().filter(whole).count(),
        inbox,
        rows.iter().map(|row| row.uid).collect(),
    )
}

#[test]
fn damaged_octets_of_a_message_cost_itself_alone() {
    let disk = RecordingDisk::new();
    let (dir, before, at) = six(&disk);
    disk.damage(std::path::Path::new(FIRST), at + 9000, 64);
    let old = &before.folders[&(ANNA.0, "INBOX".into())];
    // With its index, and with one made anew: the message is listed, its octets are refused, nothing else changed.
    for dir in [dir, Dir::new()] {
        let (writer, shared) =
            open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens");
        let report = check::check_open(&shared, &mut |_, _| {}).expect("checked");
        assert!(!report.is_clean());
        let (readable, inbox, uids) = readable(&shared);
        assert_eq!((readable, uids), (5, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(
            (inbox.uid_validity, inbox.uid_next),
            (old.uid_validity, old.uid_next)
        );
        assert_eq!((inbox.highest_modseq, inbox.unseen), (old.modseq, 6));
        drop((writer, shared));
    }
}

#[test]
fn a_damaged_record_is_lost_only_without_the_index_and_says_so() {
    let disk = RecordingDisk::new();
    let (dir, before, at) = six(&disk);
    disk.damage(std::path::Path::new(FIRST), at, 16);
    let old = &before.folders[&(ANNA.0, "INBOX".into())];
    let open =
        |dir: &Dir| open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens");
    let (writer, shared) = open(&dir);
    let (whole, inbox, _) = readable(&shared);
    assert_eq!((whole, inbox.messages), (5, 6));
    assert_eq!(inbox.uid_validity, old.uid_validity);
    drop((writer, shared));
    // Made anew: five messages under their UIDs, the sixth number is not given again, and the UIDVALIDITY is new.
    let anew = Dir::new();
    let (writer, shared) = open(&anew);
    let (whole, inbox, uids) = readable(&shared);
    assert_eq!((whole, uids), (5, vec![1, 2, 4, 5, 6]));
    assert_eq!(inbox.uid_next, old.uid_next);
    assert!(inbox.uid_validity > old.uid_validity);
    let said = shared.open_report().lines.join("\n");
    assert!(
        said.contains("damaged") && said.contains("UIDVALIDITY"),
        "{said}"
    );
    drop((writer, shared));
    // It is given once: neither the next open nor another rebuild gives one more.
    for dir in [anew, Dir::new()] {
        let (writer, shared) = open(&dir);
        let (whole, again, _) = readable(&shared);
        assert_eq!((whole, again.uid_validity), (5, inbox.uid_validity));
        drop((writer, shared));
    }
}

#[test]
fn a_lost_segment_renews_what_it_may_have_held() {
    for whole in [true, false] {
        let disk = RecordingDisk::new();
        let dir = Dir::new();
        let open = |dir: &Dir| {
            open_sized(dir.options_over(Arc::new(disk.clone())), SEGMENT).expect("opens")
        };
        let (mut writer, shared) = open(&dir);
        one(&mut writer, Change::AccountMailboxes { account: ANNA });
        for n in 0..30 {
            one(
                &mut writer,
                deliver(ANNA, "", &text(&format!("{n}"), 90_000)),
            );
        }
        writer.publish().expect("published");
        let before = picture(&shared);
        let old = &before.folders[&(ANNA.0, "INBOX".into())];
        let last = shared.segments.live().len() as u32;
        drop((writer, shared));
        assert!(last >= 3);
        // The last one: nobody can know what it held, so no UID may stand for two messages.
        let path = format!("log/{last:08}.seg");
        let bytes = if whole { SEGMENT } else { 100_000 };
        disk.damage(std::path::Path::new(&path), 0, bytes);
        let anew = Dir::new();
        let (writer, shared) = open(&anew);
        let (readable, inbox, uids) = readable(&shared);
        assert!(readable == uids.len() && readable < 30, "{readable}");
        let seen = picture(&shared);
        for (name, folder) in &seen.folders {
            let old = &before.folders[name];
            assert!(folder.uid_validity > old.uid_validity, "{name:?}");
        }
        assert!(inbox.uid_validity > old.uid_validity);
        drop((writer, shared));
        let (_writer, shared) = open(&anew);
        assert!(picture(&shared) == seen, "the next open changed something");
    }
}

/// The index has no room: what was answered stays, new mail is refused, and room alone brings everything back.
#[test]
fn an_index_without_room_catches_up_by_itself() {
    let dir = Dir::new();
    let (mut writer, shared) = dir.open();
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    one(&mut writer, deliver(ANNA, "", &text("first", 500)));
    writer.publish().expect("there is room");
    writer.index_pages_max(1);
    let mut accepted = 1;
    let mut now = NOW;
    let refused = loop {
        now += 5_000;
        let change = deliver(ANNA, "", &text(&format!("number {accepted}"), 500));
        match writer.commit(vec![change], now).remove(0) {
            Ok(_) => accepted += 1,
            Err(refused) => break refused,
        }
        let _ = writer.publish();
        assert!(accepted < 1_000, "the index never filled");
    };
    assert!(
        matches!(refused, Refused::DiskFull | Refused::Disk(_)),
        "{refused}"
    );
    writer.index_pages_max(u32::MAX);
    now += 5_000;
    let last = writer
        .commit(vec![deliver(ANNA, "", &text("last", 500))], now)
        .remove(0);
    last.expect("there is room again");
    writer.publish().expect("there is room again");
    assert_eq!(shared.health(), Health::Well);
    let mut reader = shared.reader().expect("a reader opens");
    let inbox = reader
        .mailbox(ANNA, "INBOX")
        .expect("the index reads")
        .expect("INBOX is there");
    assert_eq!(inbox.messages, accepted + 1);
    assert_eq!(
        reader.uids(inbox.id, 1).expect("the index reads").count(),
        u64::from(accepted) + 1
    );
}
