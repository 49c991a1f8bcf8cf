//! What a commit costs the disk: flushes and whole pages, counted under the store.

use super::*;
use crate::store::disk::Flush;
use crate::store::disk::recording::RecordingDisk;
use crate::wire::imap::flag::Flags;
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
    let flags = names(Flags::DELETED, &[]);
    one(
        &mut writer,
        Change::Flags {
            mailbox,
            uids,
            how: FlagsHow::Add,
            flags,
        },
    );
    one(
        &mut writer,
        Change::Expunge {
            mailbox,
            uids: None,
        },
    );
    writer.end_retention().expect("retention ends");
    while writer.upkeep(NOW).expect("upkeep") {}
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
