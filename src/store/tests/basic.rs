//! One of each change, and what readers see of it, before and after a new open.

use super::*;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;

fn all() -> UidSet {
    let mut all = UidSet::new();
    all.insert_range(1, u32::MAX);
    all
}

#[test]
fn mail_is_there_after_its_answer_and_after_a_new_open() {
    let dir = Dir::new();
    let bytes = text("hello", 5000);
    let (mut writer, shared) = dir.open();
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let done = one(&mut writer, deliver(ANNA, "X: 1\r\n", &bytes));
    let Outcome::Delivered { placed, .. } = done.outcome else {
        panic!("{done:?}")
    };
    writer.publish().expect("published");
    let look = |shared: &Arc<Shared>| {
        let mut reader = shared.reader().expect("a reader");
        let inbox = reader.mailbox(ANNA, "inbox").expect("read").expect("there");
        assert_eq!((inbox.messages, inbox.unseen, inbox.uid_next), (1, 1, 2));
        assert_eq!(placed, [(inbox.id, 1)]);
        let rows = rows(&mut reader, inbox.id);
        assert_eq!(
            served(&mut reader, &rows[0]),
            [b"X: 1\r\n", &*bytes].concat()
        );
        reader.mailboxes(ANNA).expect("read")
    };
    let before = look(&shared);
    assert_eq!(before.len(), 6);
    assert!(shared.visible_lsn() >= done.lsn);
    writer.close().expect("closed");
    drop(shared);
    let (_writer, shared) = dir.open();
    assert_eq!(look(&shared), before);
}

#[test]
fn flags_copy_move_expunge() {
    let dir = Dir::new();
    let (mut writer, shared) = dir.open();
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    for n in 0..4 {
        one(&mut writer, deliver(ANNA, "", &text(&format!("m{n}"), 100)));
    }
    writer.publish().expect("published");
    let mut reader = shared.reader().expect("a reader");
    let inbox = reader
        .mailbox(ANNA, "INBOX")
        .expect("read")
        .expect("there")
        .id;
    let trash = reader
        .mailbox(ANNA, "Trash")
        .expect("read")
        .expect("there")
        .id;
    let store = |uids, how, flags| Change::Flags {
        mailbox: inbox,
        uids,
        how,
        flags,
    };
    let done = one(
        &mut writer,
        store(
            UidSet::from_iter([1, 3, 9]),
            FlagsHow::Add,
            names(Flags::SEEN, &["$Junk"]),
        ),
    );
    let Outcome::Flagged {
        changed, modseq, ..
    } = done.outcome
    else {
        panic!()
    };
    assert_eq!(changed, UidSet::from_iter([1, 3]));
    one(
        &mut writer,
        Change::Copy {
            from: inbox,
            uids: UidSet::from_iter([1, 2]),
            to: trash,
            and_remove: false,
        },
    );
    one(
        &mut writer,
        Change::Copy {
            from: inbox,
            uids: UidSet::from_iter([3]),
            to: trash,
            and_remove: true,
        },
    );
    one(
        &mut writer,
        store(
            UidSet::from_iter([2]),
            FlagsHow::Replace,
            names(Flags::DELETED, &[]),
        ),
    );
    one(
        &mut writer,
        Change::Expunge {
            mailbox: inbox,
            uids: None,
        },
    );
    writer.publish().expect("published");
    assert_eq!(
        reader.uids(inbox, 1).expect("read"),
        UidSet::from_iter([1, 4])
    );
    assert_eq!(
        reader.uids(trash, 1).expect("read"),
        UidSet::from_iter([1, 2, 3])
    );
    let row = reader.mailbox_by_id(inbox).expect("read").expect("there");
    assert_eq!((row.messages, row.unseen), (2, 1));
    let gone = reader.expunged_since(inbox, modseq).expect("read");
    assert_eq!(gone, Some(UidSet::from_iter([2, 3])));
    let list = reader.expunged(ANNA, 10).expect("read");
    assert_eq!(list.len(), 1);
    let done = one(
        &mut writer,
        Change::Undelete {
            account: ANNA,
            emails: vec![list[0].email],
        },
    );
    assert!(matches!(done.outcome, Outcome::Counted(1)));
    writer.publish().expect("published");
    let inbox_rows = rows(&mut reader, inbox);
    assert_eq!(inbox_rows.last().map(|row| row.uid), Some(5));
    assert_eq!(served(&mut reader, &inbox_rows[2]), text("m1", 100));
    let changed = reader.changed_since(inbox, 0, 99, 10).expect("read");
    assert_eq!(changed.iter().map(|c| c.0).collect::<Vec<_>>(), [1]);
    assert_eq!(
        reader
            .uids_with_flags(inbox, Flags::keyword(0), true)
            .expect("read"),
        UidSet::from_iter([1])
    );
    one(
        &mut writer,
        Change::Expunge {
            mailbox: trash,
            uids: Some(all()),
        },
    );
}

#[test]
fn mailboxes_are_made_renamed_and_deleted() {
    let dir = Dir::new();
    let (mut writer, shared) = dir.open();
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let create = |name: &str| Change::MailboxCreate {
        account: ANNA,
        name: name.into(),
        special_use: None,
    };
    one(&mut writer, create("a/b/c"));
    assert_eq!(
        try_one(&mut writer, create("a/b")).err(),
        Some(Refused::Exists)
    );
    one(
        &mut writer,
        Change::MailboxRename {
            account: ANNA,
            from: "a/b".into(),
            to: "x/y".into(),
        },
    );
    one(&mut writer, deliver(ANNA, "", &text("m", 100)));
    one(
        &mut writer,
        Change::MailboxRename {
            account: ANNA,
            from: "INBOX".into(),
            to: "Old".into(),
        },
    );
    one(
        &mut writer,
        Change::MailboxDelete {
            account: ANNA,
            name: "x".into(),
        },
    );
    one(
        &mut writer,
        Change::Subscribe {
            account: ANNA,
            name: "nowhere".into(),
            on: true,
        },
    );
    writer.publish().expect("published");
    let mut reader = shared.reader().expect("a reader");
    let list = reader.mailboxes(ANNA).expect("read");
    let names: Vec<_> = list
        .iter()
        .map(|row| (&*row.name, row.no_select, row.messages))
        .collect();
    assert_eq!(
        names,
        [
            ("INBOX", false, 0),
            ("Archive", false, 0),
            ("Drafts", false, 0),
            ("Junk", false, 0),
            ("Old", false, 1),
            ("Sent", false, 0),
            ("Trash", false, 0),
            ("a", false, 0),
            ("x", true, 0),
            ("x/y", false, 0),
            ("x/y/c", false, 0)
        ]
    );
    assert!(
        reader
            .subscriptions(ANNA)
            .expect("read")
            .iter()
            .any(|name| &**name == "nowhere")
    );
    let done = one(&mut writer, Change::AccountRemove { account: ANNA });
    assert!(matches!(done.outcome, Outcome::Counted(1)));
    writer.publish().expect("published");
    assert!(reader.mailboxes(ANNA).expect("read").is_empty());
}

#[test]
fn a_second_open_is_refused_while_the_first_lives() {
    let dir = Dir::new();
    let (_writer, _shared) = dir.open();
    let error = open(dir.options()).err().expect("refused").0;
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn ranges_around_chunks_cuts_and_prefix_are_the_served_octets() {
    let dir = Dir::new();
    let (mut writer, shared) = dir.open();
    one(&mut writer, Change::AccountMailboxes { account: ANNA });
    let bytes = text("borders", 70_000);
    let mut change = deliver(ANNA, "Return-Path: <>\r\n", &bytes);
    if let Change::Deliver(delivery) = &mut change {
        delivery.message.cuts = vec![0..5, 16..20];
    }
    one(&mut writer, change);
    writer.publish().expect("published");
    let whole = [b"Return-Path: <>\r\n", &bytes[5..16], &bytes[20..]].concat();
    let mut reader = shared.reader().expect("a reader");
    let inbox = reader.mailbox(ANNA, "INBOX").expect("read").expect("there");
    let row = rows(&mut reader, inbox.id).remove(0);
    let content = reader.content(row.content, row.prefix).expect("there");
    assert_eq!(content.served_bytes(), whole.len() as u64);
    let border = (crate::limits::CHUNK_BYTES as i64 + content.body_shift()) as usize;
    for at in [
        0,
        1,
        16,
        17,
        27,
        28,
        29,
        border - 1,
        border,
        border + 1,
        whole.len() - 1,
        whole.len(),
    ] {
        for length in [0, 1, 2, 30, crate::limits::CHUNK_BYTES + 1, whole.len()] {
            let mut into = vec![0; length];
            let read = content.read_at(at as u64, &mut into).expect("reads");
            let wanted = &whole[at..whole.len().min(at + length)];
            assert_eq!(
                (&into[..read], read),
                (wanted, wanted.len()),
                "{length} octets from {at}"
            );
        }
    }
    assert_eq!(
        content
            .read_at(whole.len() as u64 + 9, &mut [0; 4])
            .expect("reads"),
        0
    );
}

/// Another schema, older or newer, is no error: the index is made anew.
#[test]
fn an_index_of_another_schema_is_made_anew() {
    let dir = Dir::new();
    let (mut writer, shared) = dir.open();
    one(&mut writer, deliver(ANNA, "", &text("kept", 500)));
    writer.publish().expect("published");
    let before = super::model::picture(&shared);
    drop((writer, shared));
    for sql in [
        "UPDATE meta SET version = version + 1",
        "ALTER TABLE meta ADD COLUMN more INTEGER; UPDATE meta SET version = 0",
        "ALTER TABLE meta DROP COLUMN uptime_secs",
    ] {
        writer_of(&dir, sql);
        let (writer, shared) = dir.open();
        assert_eq!(super::model::picture(&shared), before, "{sql}");
        assert_eq!(shared.open_report().lines.len(), 1, "{sql}");
        drop((writer, shared));
    }
    fn writer_of(dir: &Dir, sql: &str) {
        let db = rusqlite::Connection::open(shared::index_path(&dir.0)).expect("opens");
        db.execute_batch(sql).expect("changed");
    }
}
