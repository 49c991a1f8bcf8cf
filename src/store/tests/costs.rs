//! What a commit costs the disk: flushes and whole pages, counted under the store.

use super::*;
use crate::store::disk::Flush;
use crate::store::disk::failing::{FailingDisk, Lasting};
use crate::store::disk::recording::RecordingDisk;
use crate::wire::imap::uid_set::UidSet;

const MAIL_BYTES: usize = 50_000;

fn mails(count: usize) -> Vec<Change> {
    (0..count)
        .map(|n| {
            deliver(
                ANNA,
                "Delivered-To: anna@box.test\r\n",
                &text(&format!("{n}"), MAIL_BYTES),
            )
        })
        .collect()
}

/// Commits `commits` groups of `mails` each. Returns flushes of batches per commit and device octets per octet of
/// mail, both times a hundred, rounded up; and how many segments got a new name.
fn cost(
    writer: &mut Writer,
    disk: &RecordingDisk,
    commits: usize,
    in_each: usize,
) -> (usize, u64, usize) {
    let (flushes, names) = (disk.flushes(Flush::Batch), disk.flushes(Flush::SegmentName));
    let heads = disk.flushes(Flush::SegmentHeader);
    let before = disk.page_bytes();
    for _ in 0..commits {
        assert!(writer.commit(mails(in_each), NOW).iter().all(Result::is_ok));
    }
    let flushes = disk.flushes(Flush::Batch) - flushes + disk.flushes(Flush::SegmentHeader) - heads;
    let octets = (commits * in_each * MAIL_BYTES) as u64;
    let per_octet = ((disk.page_bytes() - before) * 100).div_ceil(octets);
    (
        (flushes * 100).div_ceil(commits),
        per_octet,
        disk.flushes(Flush::SegmentName) - names,
    )
}

#[test]
fn a_commit_costs_one_flush_and_hardly_more_than_its_mail() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, shared) = open(dir.options_over(Arc::new(disk.clone()))).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    // Growing: two flushes where a segment begins, one everywhere else.
    let (flushes, octets, segments) = cost(&mut writer, &disk, 12, 64);
    assert!(flushes == 100 && octets <= 110, "{flushes} {octets}");
    assert!((1..=4).contains(&segments), "{segments}");
    let (flushes, octets, segments) = cost(&mut writer, &disk, 40, 1);
    assert!(
        flushes == 100 && octets <= 145 && segments <= 1,
        "{flushes} {octets}"
    );
    // All of it garbage: its segments are written again.
    writer.publish().expect("published");
    let mailbox = shared
        .reader()
        .and_then(|mut reader| reader.mailbox(ANNA, "INBOX"))
        .expect("read")
        .expect("INBOX")
        .id;
    let mut uids = UidSet::new();
    uids.insert_range(1, u32::MAX);
    expunge_for_good(&mut writer, mailbox, uids);
    let free = shared.segments.free();
    assert!(free >= 2, "{free}");
    let (flushes, octets, segments) = cost(&mut writer, &disk, 8, 64);
    assert!(shared.segments.free() < free);
    assert!(
        flushes == 100 && octets <= 110 && segments == 0,
        "{flushes} {octets} {segments}"
    );
    let (flushes, octets, segments) = cost(&mut writer, &disk, 40, 1);
    assert!(
        flushes == 100 && octets <= 130 && segments == 0,
        "{flushes} {octets} {segments}"
    );
}

/// Every operation of this disk is counted, reads too.
fn counting() -> (Arc<FailingDisk>, Arc<RecordingDisk>) {
    let disk = Arc::new(RecordingDisk::new());
    let counting = FailingDisk::new(disk.clone(), u64::MAX, Lasting::Once);
    (Arc::new(counting), disk)
}

#[test]
fn an_octet_of_a_message_is_read_once() {
    let (counting, disk) = counting();
    let dir = Dir::new();
    let (mut writer, shared) = open(dir.options_over(counting.clone())).expect("opens");
    for bytes in [300, 5_000, 32_768, 32_769, 100_000] {
        one(
            &mut writer,
            deliver(ANNA, "X: y\r\n", &text(&format!("{bytes}"), bytes)),
        );
    }
    writer.publish().expect("published");
    let mut reader = shared.reader().expect("a reader");
    let inbox = reader.mailbox(ANNA, "INBOX").expect("read").expect("INBOX");
    let rows = rows(&mut reader, inbox.id);
    // Opens the segment's file.
    served(&mut reader, &rows[0]);
    for row in &rows {
        let before = counting.operations();
        let content = reader.content(row.content, row.prefix).expect("opens");
        let mut header = vec![0; content.served_header_bytes() as usize];
        content.read_at(0, &mut header).expect("reads");
        content.read_at(6, &mut header[6..]).expect("reads");
        assert!(counting.operations() - before <= 1, "{row:?}");
        // In pieces that end nowhere near the end of a chunk.
        let mut piece = vec![0; 10_000];
        let (mut all, mut at) = (Vec::new(), 0);
        while at < row.served_bytes {
            let read = content.read_at(at, &mut piece).expect("reads");
            all.extend_from_slice(&piece[..read]);
            at += read as u64;
        }
        let chunks = row.served_bytes.div_ceil(crate::limits::CHUNK_BYTES as u64);
        assert!(counting.operations() - before <= chunks, "{row:?}");
        drop(content);
        assert!(all == served(&mut reader, row));
    }
    // Of two that are read in turns, neither is taken for the other.
    let open = |reader: &mut Reader, n: usize| reader.content(rows[n].content, 0).expect("opens");
    let (one, two) = (open(&mut reader, 1), open(&mut reader, 4));
    let (mut a, mut b) = ([0; 100], [0; 100]);
    for at in [0, 4_000, 50] {
        one.read_at(at, &mut a).expect("reads");
        two.read_at(at, &mut b).expect("reads");
        assert_ne!(a, b);
    }
    // What is damaged after it was opened, and was read along then, is checked all the same.
    let path = std::path::Path::new("log/00000001.seg");
    disk.damage(path, 0, 64 * 1024);
    assert!(reader.content(rows[1].content, 0).is_err());
}

#[test]
fn messages_one_after_another_share_reads() {
    let (counting, disk) = counting();
    let dir = Dir::new();
    let (mut writer, shared) = open(dir.options_over(counting.clone())).expect("opens");
    let mail = |n: usize| deliver(ANNA, "X: y\r\n", &text(&format!("{n}"), 1_000));
    let accepted = |done: Vec<Result<Done, Refused>>| assert!(done.iter().all(Result::is_ok));
    accepted(writer.commit((0..60).map(mail).collect(), NOW));
    writer.publish().expect("published");
    let mut reader = shared.reader().expect("a reader");
    let inbox = reader.mailbox(ANNA, "INBOX").expect("read").expect("INBOX");
    let before = counting.operations();
    for row in rows(&mut reader, inbox.id) {
        served(&mut reader, &row);
    }
    let reads = counting.operations() - before;
    assert!(reads <= 6, "{reads}");
    // What lies behind the last message was read along, and is written only now.
    accepted(writer.commit((60..64).map(mail).collect(), NOW));
    writer.publish().expect("published");
    for row in rows(&mut reader, inbox.id).iter().skip(58) {
        assert_eq!(
            served(&mut reader, row),
            [
                b"X: y\r\n".to_vec(),
                text(&format!("{}", row.uid - 1), 1_000)
            ]
            .concat()
        );
    }
    // Damage is found all the same, once the octets come from the disk.
    disk.damage(std::path::Path::new("log/00000001.seg"), 0, 256 * 1024);
    let rows = rows(&mut reader, inbox.id);
    assert!(reader.content(rows[0].content, rows[0].prefix).is_err());
}

/// Delivers `count` messages of 5 KB in groups of 20, published after each; octets written to the index for each.
fn index_bytes(writer: &mut Writer, dir: &Dir, count: usize) -> u64 {
    let wal = dir.0.join("index.sqlite-wal");
    let size = || std::fs::metadata(&wal).map_or(0, |file| file.len());
    let before = size();
    for _ in 0..count / 20 {
        let changes = (0..20).map(|n| deliver(ANNA, "", &text(&format!("{n}"), 5_000)));
        assert!(
            writer
                .commit(changes.collect(), NOW)
                .iter()
                .all(Result::is_ok)
        );
        writer.publish().expect("published");
    }
    (size() - before) / count as u64
}

#[test]
fn the_index_writes_little_for_a_message() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, _shared) = open(dir.options_over(Arc::new(disk))).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let first = index_bytes(&mut writer, &dir, 200);
    let later = index_bytes(&mut writer, &dir, 2_000);

    assert!(later <= 2_400, "{first} {later}");
}

/// STORE one by one: one record of one block each, and of the index only the pages that it changes.
#[test]
fn a_change_of_flags_writes_one_block() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, _shared) = open(dir.options_over(Arc::new(disk.clone()))).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    index_bytes(&mut writer, &dir, 400);
    let mailbox = one(&mut writer, deliver(ANNA, "", b"Subject: last\r\n\r\n")).touched[0];
    writer.publish().expect("published");
    let wal = dir.0.join("index.sqlite-wal");
    let size = || std::fs::metadata(&wal).map_or(0, |file| file.len());
    let (flushes, octets, index) = (disk.flushes(Flush::Batch), disk.page_bytes(), size());
    for uid in 1..=100 {
        let flags = Change::Flags {
            mailbox,
            uids: UidSet::from_iter([uid]),
            how: FlagsHow::Add,
            flags: names(Flags::SEEN, &[]),
        };
        one(&mut writer, flags);
        writer.publish().expect("published");
    }
    assert_eq!(disk.flushes(Flush::Batch) - flushes, 100);
    assert_eq!(disk.page_bytes() - octets, 100 * crate::limits::BLOCK_BYTES);
    let pages = (size() - index) / 4096 / 100;

    assert!(pages <= 4, "{pages}");
}

/// Changes of flags write little log and much index: its write-ahead log stays bounded all the same.
#[test]
fn the_write_ahead_log_of_the_index_is_bounded() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, _shared) = open(dir.options_over(Arc::new(disk))).expect("opens");
    let mailbox = one(&mut writer, deliver(ANNA, "", b"Subject: x\r\n\r\n")).touched[0];
    let wal = dir.0.join("index.sqlite-wal");
    let (mut most, mut shrank) = (0, false);
    for n in 0..3_000 {
        let flags = Change::Flags {
            mailbox,
            uids: UidSet::from_iter([1]),
            how: [FlagsHow::Add, FlagsHow::Remove][n % 2],
            flags: names(Flags::SEEN, &[]),
        };
        one(&mut writer, flags);
        writer.publish().expect("published");
        let bytes = std::fs::metadata(&wal).map_or(0, |file| file.len());
        shrank |= bytes < most;
        most = most.max(bytes);
    }
    let page = 64 * 1024;
    assert!(
        shrank && most <= crate::limits::INDEX_WAL_BYTES_MAX + page,
        "{most}"
    );
}
