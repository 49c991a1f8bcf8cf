//! Large messages are files: each goes with its record, whatever fails between the two.

use super::model::picture;
use super::*;
use crate::store::disk::Flush;
use crate::store::disk::failing::{FailingDisk, Lasting};
use crate::store::disk::recording::{Crash, RecordingDisk};
use crate::wire::imap::uid_set::UidSet;
use std::path::Path;

/// A delivery to the first account whose body lies in `incoming/` already.
pub fn large(shared: &Arc<Shared>, subject: &str) -> Change {
    try_large(shared, subject).expect("spilled")
}

fn try_large(shared: &Arc<Shared>, subject: &str) -> Result<Change, StoreError> {
    let bytes = text(subject, 200_000);
    let mut spill = spill::Spill::create(shared)?;
    spill.write(&bytes)?;
    let mut change = deliver(ANNA, "X-Large: 1\r\n", &bytes);
    if let Change::Deliver(delivery) = &mut change {
        delivery.message.content = Content::Large(spill.finish()?);
    }
    Ok(change)
}

fn files(disk: &dyn Disk) -> usize {
    disk.list(Path::new("messages")).expect("listed").len()
}

fn is_clean(shared: &Arc<Shared>, when: &str) {
    let report = check::check_open(shared, &mut |_, _| {}).expect("checked");
    assert!(report.is_clean(), "{when}: {report:?}");
}

#[test]
fn a_power_cut_between_the_name_and_the_record_leaves_both_or_none() {
    let disk = RecordingDisk::new();
    let dir = Dir::new();
    let (mut writer, shared) = open(dir.options_over(Arc::new(disk.clone()))).expect("opens");
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let first = disk.operations();
    let change = large(&shared, "one");
    let named = disk.flushes(Flush::MessageName);
    one(&mut writer, change);
    assert_eq!(disk.flushes(Flush::MessageName), named + 1);
    let answered = disk.operations();
    for count in first..=answered {
        for crash in [
            Crash::Dropped,
            Crash::Kept,
            Crash::Reordered(count as u64),
            Crash::Torn(7),
        ] {
            let left: Arc<dyn Disk> = Arc::new(disk.after(count, crash));
            let dir = Dir::new();
            let (_writer, shared) = open(dir.options_over(left.clone())).expect("opens");
            let when = format!("{crash:?} after {count} of {first}..={answered}");
            is_clean(&shared, &when);
            let inbox = &picture(&shared).folders[&(ANNA.0, "INBOX".into())];
            assert_eq!(files(&*left), inbox.mails.len(), "{when}");
            assert!(count < answered || inbox.mails.len() == 1, "{when}");
            assert_eq!(
                left.list(Path::new("incoming")).expect("listed").len(),
                0,
                "{when}"
            );
        }
    }
}

/// Some operations in a row fail, then the disk is well again: a refused message leaves no file behind, an accepted
/// one has its own, and what turns up at the next open is whole.
#[test]
fn a_refused_message_leaves_no_file_and_no_record_without_one() {
    for count in [1, 2, 3, 5, 8] {
        let mut at = 1;
        loop {
            let disk = Arc::new(RecordingDisk::new());
            let failing = Arc::new(FailingDisk::new(disk.clone(), at, Lasting::For(count)));
            let dir = Dir::new();
            let Ok((mut writer, shared)) = open(dir.options_over(failing.clone())) else {
                at += 1;
                continue;
            };
            let mut accepted = 0;
            for n in 0..3 {
                let change = try_large(&shared, &format!("{n}"));
                accepted +=
                    change.is_ok_and(|change| try_one(&mut writer, change).is_ok()) as usize;
            }
            let when = format!("{count} operations from {at} on");
            drop((writer, shared));
            let (_writer, shared) = open(dir.options_over(disk.clone())).expect("opens");
            is_clean(&shared, &when);
            let found = picture(&shared)
                .folders
                .get(&(ANNA.0, "INBOX".into()))
                .map_or(0, |inbox| inbox.mails.len());
            assert!(found >= accepted, "{when}");
            assert_eq!(files(&*disk), found, "{when}");
            if at > failing.operations() {
                break;
            }
            at += 1;
        }
    }
}

/// The file of an expunged message goes with its retention. An index that does not know it, because it is older or
/// was made anew, must not promise the message.
#[test]
fn an_expunged_message_without_its_file_cannot_come_back() {
    let disk: Arc<dyn Disk> = Arc::new(RecordingDisk::new());
    let dir = Dir::new();
    let (mut writer, shared) = open(dir.options_over(disk.clone())).expect("opens");
    let done = one(&mut writer, large(&shared, "gone"));
    let mailbox = *done.touched.first().expect("INBOX");
    writer.publish().expect("published");
    let older = super::crash::copy_index(&dir);
    expunge_for_good(&mut writer, mailbox, UidSet::from_iter([1]));
    assert_eq!(files(&*disk), 0);
    drop((writer, shared));
    for dir in [older, Dir::new()] {
        let (mut writer, shared) = open(dir.options_over(disk.clone())).expect("opens");
        is_clean(&shared, "opened");
        let (account, emails) = (ANNA, Vec::new());
        let done = one(&mut writer, Change::Undelete { account, emails });
        assert!(matches!(done.outcome, Outcome::Counted(0)), "{done:?}");
        writer.close().expect("closed");
    }
}

/// What a killed server leaves in `incoming/` is removed and told of, but nothing is wrong with the store.
#[test]
fn a_file_without_a_record_is_no_finding() {
    let leave_one = |dir: &Dir| {
        let (_writer, shared) = dir.open();
        std::mem::forget(large(&shared, "never answered"));
        shared.open_report().orphans
    };
    let dir = Dir::new();
    assert_eq!(leave_one(&dir), 0);
    let report = check::check(dir.options(), &mut |_, _| {}).expect("checked");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(leave_one(&dir), 0, "the check removed it");
    assert_eq!(leave_one(&dir), 1);
}
