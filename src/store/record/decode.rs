//! The variable part of a record from octets: the mirror of `encode`. Total: anything that `encode` did not write
//! is an error, never a panic.

use super::bytes::{Malformed, Take};
use super::frame::Frame;
use super::*;
use crate::wire::address::Domain;

type Taken<T> = Result<T, Malformed>;

/// Reads the variable part of the record that `frame` announces.
pub fn decode(frame: &Frame, octets: &[u8]) -> Result<Record, Malformed> {
    let take = &mut Take(octets);
    let record = match frame.kind {
        1 => Record::Message(Box::new(message(take, frame)?)),
        2 => Record::Copy(copy(take)?),
        3 => Record::Flags(flags(take)?),
        4 => Record::Expunge(expunge(take)?),
        5 => Record::Keyword(KeywordRecord {
            account: account(take)?,
            index: take.octet("keyword bit")?,
            name: take.text("keyword")?.into(),
        }),
        6 => Record::MailboxCreate(take.list("mailboxes", created_mailbox)?),
        7 => Record::MailboxRename(rename(take)?),
        8 => Record::MailboxDelete(mailbox_delete(take)?),
        9 => Record::Subscribe(SubscribeRecord {
            account: account(take)?,
            name: take.text("subscription")?.into(),
            on: take.truth("subscription")?,
        }),
        10 => Record::AccountRemove(account(take)?),
        11 => Record::QueueOutcome(queue_outcome(take)?),
        12 => Record::QueueDrop(QueueId(take.number("queue id")?)),
        13 => Record::Undelete(UndeleteRecord {
            account: account(take)?,
            rows: take.list("rows", |take| Ok((mailbox(take)?, row(take)?)))?,
        }),
        14 => Record::Relocation(Box::new(RelocationRecord {
            content: content(take, frame)?,
            remote: take.option("queue entry", remote)?,
        })),
        15 => Record::SnapshotBox(snapshot_box(take)?),
        16 => Record::SnapshotAccount(SnapshotAccount {
            account: account(take)?,
            keywords: take.list("keywords", |take| Ok(take.text("keyword")?.into()))?,
            subscriptions: take.list("subscriptions", |take| {
                Ok(take.text("subscription")?.into())
            })?,
            mailboxes: take.list("mailbox ids", mailbox)?,
        }),
        17 => Record::SnapshotMailbox(Box::new(snapshot_mailbox(take)?)),
        18 => Record::Abort(AbortRecord {
            first: take.number("first LSN")?,
            last: take.number("last LSN")?,
            segment: take.small("segment")?,
            generation: take.small("generation")?,
        }),
        19 => Record::Closed,
        kind if frame.skippable => return Ok(Record::Skipped { kind }),
        _ => return Err(Malformed("kind")),
    };
    take.end()?;
    Ok(record)
}

/// Of the variable part of a message or relocation record only what serving its content needs; what stands behind it
/// is not looked at.
pub fn decode_content(frame: &Frame, octets: &[u8]) -> Result<ContentMeta, Malformed> {
    match frame.kind {
        1 | 14 => content(&mut Take(octets), frame),
        _ => Err(Malformed("kind: it brings no content")),
    }
}

fn account(take: &mut Take<'_>) -> Taken<AccountId> {
    Ok(AccountId(take.number("account id")?))
}

fn mailbox(take: &mut Take<'_>) -> Taken<MailboxId> {
    Ok(MailboxId(take.number("mailbox id")?))
}

fn message(take: &mut Take<'_>, frame: &Frame) -> Taken<MessageRecord> {
    Ok(MessageRecord {
        content: content(take, frame)?,
        locals: take.list("local copies", |take| {
            Ok(LocalCopy {
                account: account(take)?,
                mailbox: mailbox(take)?,
                uid: take.small("UID")?,
                modseq: take.number("modseq")?,
                internal_secs: take.signed("internal date")?,
                save_secs: take.signed("save date")?,
                flags: Flags(take.number("flags")?),
                prefix: take.small("prefix number")?,
            })
        })?,
        remote: take.option("queue entry", remote)?,
    })
}

fn content(take: &mut Take<'_>, frame: &Frame) -> Taken<ContentMeta> {
    Ok(ContentMeta {
        email: frame.email,
        bytes: frame.content_bytes,
        place: frame.place,
        thread: ThreadId(take.number("thread id")?),
        received_millis: take.signed("arrival")?,
        header_bytes: take.small("header length")?,
        cuts: take.list("cuts", |take| Ok(take.small("cut")?..take.small("cut")?))?,
        prefixes: take.list("prefixes", |take| Ok(take.octets("prefix")?.to_vec()))?,
    })
}

fn remote(take: &mut Take<'_>) -> Taken<RemoteEntry> {
    let queue = QueueId(take.number("queue id")?);
    let sender = take.option("sender", address)?;
    let account = take.option("account id", account)?;
    let prefix = take.small("prefix number")?;
    let recipients = take.list("recipients", |take| {
        Ok(QueueRecipient {
            address: address(take)?,
            notify: take.octet("NOTIFY")?,
            orcpt: take.option("ORCPT", |take| Ok(take.text("ORCPT")?.into()))?,
        })
    })?;
    let envid = take.option("ENVID", |take| Ok(take.text("ENVID")?.into()))?;
    let bits = take.octet("mail parameters")?;
    if bits > 7 {
        return Err(Malformed("mail parameters"));
    }
    Ok(RemoteEntry {
        queue,
        sender,
        account,
        prefix,
        recipients,
        envid,
        return_full: bits & 1 != 0,
        eight_bit: bits & 2 != 0,
        smtputf8: bits & 4 != 0,
    })
}

fn address(take: &mut Take<'_>) -> Taken<Address> {
    let local = take.text("local part")?;
    let domain = take.text("domain")?;
    let text = domain;
    let domain = Domain::parse(text).map_err(|_| Malformed("domain"))?;
    // One encoding of each value: the log holds the form that we write.
    if domain.as_str() != text {
        return Err(Malformed("domain"));
    }
    Address::new(local, domain).map_err(|_| Malformed("address"))
}

fn row(take: &mut Take<'_>) -> Taken<PlacedRow> {
    Ok(PlacedRow {
        uid: take.small("UID")?,
        modseq: take.number("modseq")?,
        email: EmailId(take.array("email id")?),
        prefix: take.small("prefix number")?,
        flags: Flags(take.number("flags")?),
        internal_secs: take.signed("internal date")?,
        save_secs: take.signed("save date")?,
    })
}

fn copy(take: &mut Take<'_>) -> Taken<CopyRecord> {
    Ok(CopyRecord {
        from: mailbox(take)?,
        to: mailbox(take)?,
        removed: take.option("removal", |take| take.number("modseq"))?,
        at_secs: take.signed("time")?,
        rows: take.list("rows", |take| Ok((take.small("UID")?, row(take)?)))?,
    })
}

fn flags(take: &mut Take<'_>) -> Taken<FlagsRecord> {
    Ok(FlagsRecord {
        mailbox: mailbox(take)?,
        modseq: take.number("modseq")?,
        edits: take.list("flag edits", |take| {
            let edit = FlagEdit {
                clear: Flags(take.word("flags")?),
                set: Flags(take.number("flags")?),
            };
            Ok((take.uids("UIDs")?, edit))
        })?,
    })
}

fn expunge(take: &mut Take<'_>) -> Taken<ExpungeRecord> {
    Ok(ExpungeRecord {
        mailbox: mailbox(take)?,
        modseq: take.number("modseq")?,
        at_secs: take.signed("time")?,
        uids: take.uids("UIDs")?,
    })
}

fn created_mailbox(take: &mut Take<'_>) -> Taken<CreatedMailbox> {
    let mailbox = mailbox(take)?;
    let account = account(take)?;
    let name = take.text("mailbox name")?.into();
    let uid_validity = take.small("UIDVALIDITY")?;
    let special_use = match take.octet("special use")? {
        0 => None,
        1 => Some(SpecialUse::Drafts),
        2 => Some(SpecialUse::Sent),
        3 => Some(SpecialUse::Junk),
        4 => Some(SpecialUse::Trash),
        5 => Some(SpecialUse::Archive),
        _ => return Err(Malformed("special use")),
    };
    let bits = take.octet("mailbox state")?;
    if bits > 3 {
        return Err(Malformed("mailbox state"));
    }
    Ok(CreatedMailbox {
        mailbox,
        account,
        name,
        uid_validity,
        special_use,
        no_select: bits & 1 != 0,
        subscribed: bits & 2 != 0,
    })
}

fn rename(take: &mut Take<'_>) -> Taken<RenameRecord> {
    Ok(RenameRecord {
        account: account(take)?,
        renamed: take.list("new names", |take| {
            Ok((mailbox(take)?, take.text("mailbox name")?.into()))
        })?,
        created: take.list("mailboxes", created_mailbox)?,
        moved: take.option("moved messages", copy)?,
    })
}

fn mailbox_delete(take: &mut Take<'_>) -> Taken<MailboxDeleteRecord> {
    Ok(MailboxDeleteRecord {
        account: account(take)?,
        mailbox: mailbox(take)?,
        keep_name: take.truth("name kept")?,
        modseq: take.number("modseq")?,
        at_secs: take.signed("time")?,
    })
}

fn queue_outcome(take: &mut Take<'_>) -> Taken<QueueOutcomeRecord> {
    Ok(QueueOutcomeRecord {
        queue: QueueId(take.number("queue id")?),
        recipients: take.list("recipients", |take| take.small("recipient number"))?,
        result: match take.octet("outcome")? {
            0 => QueueResult::Delivered,
            1 => QueueResult::Failed,
            2 => QueueResult::Expired,
            _ => return Err(Malformed("outcome")),
        },
        at_millis: take.signed("time")?,
        text: take.text("reply")?.into(),
    })
}

fn snapshot_box(take: &mut Take<'_>) -> Taken<SnapshotBox> {
    Ok(SnapshotBox {
        next_mailbox: take.number("next mailbox id")?,
        next_queue: take.number("next queue id")?,
        next_thread: take.number("next thread id")?,
        last_uid_validity: take.small("UIDVALIDITY")?,
        removed: take.list("removed accounts", account)?,
        waiting: take.list("queue entries", |take| {
            let queue = QueueId(take.number("queue id")?);
            let numbers = take.list("recipients", |take| take.small("recipient number"))?;
            Ok((queue, numbers))
        })?,
    })
}

fn snapshot_mailbox(take: &mut Take<'_>) -> Taken<SnapshotMailbox> {
    Ok(SnapshotMailbox {
        mailbox: created_mailbox(take)?,
        uid_next: take.small("UIDNEXT")?,
        highest_modseq: take.number("modseq")?,
        expunge_floor: take.number("expunge floor")?,
        recent_from_uid: take.small("recent floor")?,
        part: take.small("part number")?,
        last: take.truth("last part")?,
        rows: take.list("rows", row)?,
    })
}
