//! Every kind comes back as it was; nothing that was not written is taken for a record.

use super::bytes::Malformed;
use super::frame::{FRAME_BYTES, Frame, FrameError};
use super::*;
use crate::wire::address::Domain;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const SALT: u64 = 0x5a17;

fn name() -> impl Strategy<Value = Box<str>> {
    "[a-zé/ ]{0,12}".prop_map(Into::into)
}

fn email() -> impl Strategy<Value = EmailId> {
    any::<[u8; 16]>().prop_map(EmailId)
}

fn uids() -> impl Strategy<Value = UidSet> {
    vec(1u32.., 0..8).prop_map(|numbers| numbers.into_iter().collect())
}

fn address() -> impl Strategy<Value = Address> {
    "[a-z]{1,8}".prop_map(|local| Address::new(&local, Domain::parse("box.test").unwrap()).unwrap())
}

fn meta() -> impl Strategy<Value = ContentMeta> {
    let cuts = vec(any::<(u32, u32)>(), 0..3);
    let fields = (email(), any::<(u64, i64, u32, bool)>(), 0u64..1_000_000);
    (fields, cuts, vec(vec(any::<u8>(), 0..9), 0..3)).prop_map(
        |((email, (thread, received_millis, header_bytes, file), bytes), cuts, prefixes)| {
            ContentMeta {
                email,
                thread: ThreadId(thread),
                received_millis,
                bytes,
                header_bytes,
                cuts: cuts.into_iter().map(|(from, to)| from..to).collect(),
                prefixes,
                place: if file {
                    ContentPlace::File
                } else {
                    ContentPlace::Inline
                },
            }
        },
    )
}

fn local() -> impl Strategy<Value = LocalCopy> {
    any::<(u64, u64, u32, u64, i64, i64, u64, u16)>().prop_map(
        |(account, mailbox, uid, modseq, internal_secs, save_secs, flags, prefix)| LocalCopy {
            account: AccountId(account),
            mailbox: MailboxId(mailbox),
            uid,
            modseq,
            internal_secs,
            save_secs,
            flags: Flags(flags),
            prefix,
        },
    )
}

fn recipient() -> impl Strategy<Value = QueueRecipient> {
    (address(), any::<u8>(), option::of(name())).prop_map(|(address, notify, orcpt)| {
        QueueRecipient {
            address,
            notify,
            orcpt,
        }
    })
}

fn remote() -> impl Strategy<Value = RemoteEntry> {
    let bits = any::<(u64, u16, bool, bool, bool, Option<u64>)>();
    (
        bits,
        option::of(address()),
        vec(recipient(), 0..4),
        option::of(name()),
    )
        .prop_map(
            |(
                (queue, prefix, return_full, eight_bit, smtputf8, account),
                sender,
                recipients,
                envid,
            )| {
                RemoteEntry {
                    queue: QueueId(queue),
                    sender,
                    account: account.map(AccountId),
                    prefix,
                    recipients,
                    envid,
                    return_full,
                    eight_bit,
                    smtputf8,
                }
            },
        )
}

fn row() -> impl Strategy<Value = PlacedRow> {
    (any::<(u32, u64, u16, u64, i64, i64)>(), email()).prop_map(
        |((uid, modseq, prefix, flags, internal_secs, save_secs), email)| PlacedRow {
            uid,
            modseq,
            email,
            prefix,
            flags: Flags(flags),
            internal_secs,
            save_secs,
        },
    )
}

fn copy() -> impl Strategy<Value = CopyRecord> {
    let rows = vec((any::<u32>(), row()), 0..4);
    (any::<(u64, u64, Option<u64>, i64)>(), rows).prop_map(
        |((from, to, removed, at_secs), rows)| CopyRecord {
            from: MailboxId(from),
            to: MailboxId(to),
            rows,
            removed,
            at_secs,
        },
    )
}

fn created() -> impl Strategy<Value = CreatedMailbox> {
    let uses = prop_oneof![
        Just(None),
        Just(Some(SpecialUse::Drafts)),
        Just(Some(SpecialUse::Sent)),
        Just(Some(SpecialUse::Junk)),
        Just(Some(SpecialUse::Trash)),
        Just(Some(SpecialUse::Archive)),
    ];
    (any::<(u64, u64, u32, bool, bool)>(), name(), uses).prop_map(
        |((mailbox, account, uid_validity, no_select, subscribed), name, special_use)| {
            CreatedMailbox {
                mailbox: MailboxId(mailbox),
                account: AccountId(account),
                name,
                uid_validity,
                special_use,
                no_select,
                subscribed,
            }
        },
    )
}

fn edit() -> impl Strategy<Value = FlagEdit> {
    any::<(u64, u64)>().prop_map(|(clear, set)| FlagEdit {
        clear: Flags(clear),
        set: Flags(set),
    })
}

fn mail() -> impl Strategy<Value = Record> {
    prop_oneof![
        (meta(), vec(local(), 0..4), option::of(remote())).prop_map(|(content, locals, remote)| {
            Record::Message(Box::new(MessageRecord {
                content,
                locals,
                remote,
            }))
        }),
        (meta(), option::of(remote())).prop_map(|(content, remote)| {
            Record::Relocation(Box::new(RelocationRecord { content, remote }))
        }),
        copy().prop_map(Record::Copy),
        (any::<(u64, u64)>(), vec((uids(), edit()), 0..4)).prop_map(
            |((mailbox, modseq), edits)| {
                Record::Flags(FlagsRecord {
                    mailbox: MailboxId(mailbox),
                    modseq,
                    edits,
                })
            }
        ),
        (any::<(u64, u64, i64)>(), uids()).prop_map(|((mailbox, modseq, at_secs), uids)| {
            Record::Expunge(ExpungeRecord {
                mailbox: MailboxId(mailbox),
                modseq,
                uids,
                at_secs,
            })
        }),
        (
            any::<u64>(),
            vec((any::<u64>().prop_map(MailboxId), row()), 0..4)
        )
            .prop_map(|(account, rows)| Record::Undelete(UndeleteRecord {
                account: AccountId(account),
                rows
            })),
        (
            any::<u64>(),
            vec(any::<u16>(), 0..4),
            0..3usize,
            any::<i64>(),
            name()
        )
            .prop_map(|(queue, recipients, result, at_millis, text)| {
                let results = [
                    QueueResult::Delivered,
                    QueueResult::Failed,
                    QueueResult::Expired,
                ];
                Record::QueueOutcome(QueueOutcomeRecord {
                    queue: QueueId(queue),
                    recipients,
                    result: results[result],
                    at_millis,
                    text,
                })
            }),
        any::<u64>().prop_map(|queue| Record::QueueDrop(QueueId(queue))),
    ]
}

fn mailboxes() -> impl Strategy<Value = Record> {
    let renamed = vec((any::<u64>().prop_map(MailboxId), name()), 0..4);
    prop_oneof![
        (any::<(u64, u8)>(), name()).prop_map(|((account, index), name)| {
            Record::Keyword(KeywordRecord {
                account: AccountId(account),
                index,
                name,
            })
        }),
        vec(created(), 0..4).prop_map(Record::MailboxCreate),
        (
            any::<u64>(),
            renamed,
            vec(created(), 0..3),
            option::of(copy())
        )
            .prop_map(|(account, renamed, created, moved)| {
                let account = AccountId(account);
                Record::MailboxRename(RenameRecord {
                    account,
                    renamed,
                    created,
                    moved,
                })
            }),
        any::<(u64, u64, bool, u64, i64)>().prop_map(
            |(account, mailbox, keep_name, modseq, at_secs)| {
                Record::MailboxDelete(MailboxDeleteRecord {
                    account: AccountId(account),
                    mailbox: MailboxId(mailbox),
                    keep_name,
                    modseq,
                    at_secs,
                })
            }
        ),
        (any::<(u64, bool)>(), name()).prop_map(|((account, on), name)| {
            Record::Subscribe(SubscribeRecord {
                account: AccountId(account),
                name,
                on,
            })
        }),
        any::<u64>().prop_map(|account| Record::AccountRemove(AccountId(account))),
    ]
}

fn snapshots() -> impl Strategy<Value = Record> {
    let waiting = vec(
        (any::<u64>().prop_map(QueueId), vec(any::<u16>(), 0..4)),
        0..4,
    );
    prop_oneof![
        (
            any::<(u64, u64, u64, u32)>(),
            vec(any::<u64>().prop_map(AccountId), 0..4),
            waiting
        )
            .prop_map(|(next, removed, waiting)| {
                Record::SnapshotBox(SnapshotBox {
                    next_mailbox: next.0,
                    next_queue: next.1,
                    next_thread: next.2,
                    last_uid_validity: next.3,
                    removed,
                    waiting,
                })
            }),
        (
            any::<u64>(),
            vec(name(), 0..4),
            vec(name(), 0..4),
            vec(any::<u64>(), 0..4)
        )
            .prop_map(|(account, keywords, subscriptions, mailboxes)| {
                Record::SnapshotAccount(SnapshotAccount {
                    account: AccountId(account),
                    keywords,
                    subscriptions,
                    mailboxes: mailboxes.into_iter().map(MailboxId).collect(),
                })
            }),
        (
            created(),
            any::<(u32, u64, u64, u32, u32, bool)>(),
            vec(row(), 0..4)
        )
            .prop_map(|(mailbox, numbers, rows)| {
                Record::SnapshotMailbox(Box::new(SnapshotMailbox {
                    mailbox,
                    uid_next: numbers.0,
                    highest_modseq: numbers.1,
                    expunge_floor: numbers.2,
                    recent_from_uid: numbers.3,
                    part: numbers.4,
                    last: numbers.5,
                    rows,
                }))
            }),
        any::<(u64, u64, u32, u32)>().prop_map(|(first, last, segment, generation)| {
            Record::Abort(AbortRecord {
                first,
                last,
                segment,
                generation,
            })
        }),
        Just(Record::Closed),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![mail(), mailboxes(), snapshots()]
}

fn frame_of(record: &Record, meta: &[u8]) -> Frame {
    let content = record.content();
    Frame {
        kind: record.kind(),
        skippable: false,
        place: content.map_or(ContentPlace::Inline, |content| content.place),
        generation: 3,
        lsn: 77,
        meta_bytes: meta.len() as u32,
        content_bytes: content.map_or(0, |content| content.bytes),
        email: content.map_or(EmailId([0; 16]), |content| content.email),
        list_crc: 5,
        meta_crc: crc32c::crc32c(meta),
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(record in record()) {
        let mut octets = Vec::new();
        encode(&record, &mut octets);
        let frame = frame_of(&record, &octets);
        prop_assert_eq!(&Frame::parse(&frame.to_bytes(SALT), SALT, 3), &Ok(frame.clone()));
        prop_assert_eq!(decode(&frame, &octets), Ok(record));
    }

    /// The checksum sees every flipped bit; without it a decoder must still end in a value or an error, and there is
    /// one encoding of each value.
    #[test]
    fn truncated_and_flipped_records_are_seen(record in record(), place: prop::sample::Index, bit in 0..8u8) {
        let mut octets = Vec::new();
        encode(&record, &mut octets);
        let frame = frame_of(&record, &octets);
        for end in 0..octets.len() {
            prop_assert!(decode(&frame, &octets[..end]).is_err());
        }
        if octets.is_empty() {
            return Ok(());
        }
        let at = place.index(octets.len());
        octets[at] ^= 1 << bit;
        prop_assert_ne!(crc32c::crc32c(&octets), frame.meta_crc);
        if let Ok(other) = decode(&frame, &octets) {
            prop_assert_ne!(other, record);
        }
    }

    #[test]
    fn any_octets_of_any_kind_are_a_record_or_an_error(kind: u8, octets: Vec<u8>) {
        let mut frame = frame_of(&Record::Closed, &octets);
        frame.kind = kind;
        let _ = decode(&frame, &octets);
    }
}

#[test]
fn every_flipped_bit_of_a_frame_is_seen() {
    let octets = frame_of(&Record::Closed, &[]).to_bytes(SALT);
    for bit in 0..FRAME_BYTES * 8 {
        let mut flipped = octets;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            Frame::parse(&flipped, SALT, 3),
            Err(FrameError::Bad),
            "bit {bit}"
        );
    }
    for end in 0..FRAME_BYTES {
        assert_eq!(Frame::parse(&octets[..end], SALT, 3), Err(FrameError::Bad));
    }
    assert_eq!(
        Frame::parse(&octets, SALT, 4),
        Err(FrameError::Bad),
        "another generation"
    );
    assert_eq!(
        Frame::parse(&octets, SALT + 1, 3),
        Err(FrameError::Bad),
        "another salt"
    );
}

#[test]
fn unknown_kinds_are_passed_over_or_name_what_they_need() {
    let mut frame = frame_of(&Record::Closed, &[]);
    frame.kind = 200;
    let parsed = Frame::parse(&frame.to_bytes(SALT), SALT, 3);
    let Err(FrameError::Newer(why)) = parsed else {
        panic!("{parsed:?}")
    };
    assert!(why.contains("record kind 200"), "{why}");
    frame.skippable = true;
    assert_eq!(
        Frame::parse(&frame.to_bytes(SALT), SALT, 3),
        Ok(frame.clone())
    );
    assert_eq!(
        decode(&frame, b"whatever"),
        Ok(Record::Skipped { kind: 200 })
    );
    frame.skippable = false;
    assert_eq!(decode(&frame, b""), Err(Malformed("kind")));
}

#[test]
fn a_later_version_is_named() {
    let mut octets = frame_of(&Record::Closed, &[]).to_bytes(SALT);
    octets[4] = 2;
    let crc = frame::salted_crc(SALT, &octets[..60]);
    octets[60..].copy_from_slice(&crc.to_le_bytes());
    let parsed = Frame::parse(&octets, SALT, 3);
    assert!(matches!(parsed, Err(FrameError::Newer(_))), "{parsed:?}");
}

#[test]
fn the_bound_of_the_variable_part_holds_to_the_octet() {
    let max = crate::limits::RECORD_META_BYTES_MAX as u32;
    for (bytes, fits) in [(max - 1, true), (max, true), (max + 1, false)] {
        let frame = Frame {
            meta_bytes: bytes,
            ..frame_of(&Record::Closed, &[])
        };
        assert_eq!(
            Frame::parse(&frame.to_bytes(SALT), SALT, 3).is_ok(),
            fits,
            "{bytes}"
        );
    }
}
