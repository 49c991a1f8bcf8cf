//! The variable part of a record as octets. The frame holds kind, LSN, email id and content length already.

use super::bytes::Put;
use super::*;

/// Appends the variable part of `record`.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    let put = &mut Put(out);
    match record {
        Record::Message(record) => message(put, record),
        Record::Copy(record) => copy(put, record),
        Record::Flags(record) => flags(put, record),
        Record::Expunge(record) => {
            put.number(record.mailbox.0);
            put.number(record.modseq);
            put.signed(record.at_secs);
            put.uids(&record.uids);
        }
        Record::Keyword(record) => {
            put.number(record.account.0);
            put.octet(record.index);
            put.text(&record.name);
        }
        Record::MailboxCreate(created) => put.list(created, created_mailbox),
        Record::MailboxRename(record) => rename(put, record),
        Record::MailboxDelete(record) => {
            put.number(record.account.0);
            put.number(record.mailbox.0);
            put.octet(record.keep_name.into());
            put.number(record.modseq);
            put.signed(record.at_secs);
        }
        Record::Subscribe(record) => {
            put.number(record.account.0);
            put.text(&record.name);
            put.octet(record.on.into());
        }
        Record::AccountRemove(account) => put.number(account.0),
        Record::QueueOutcome(record) => queue_outcome(put, record),
        Record::QueueDrop(queue) => put.number(queue.0),
        Record::Undelete(record) => {
            put.number(record.account.0);
            put.list(&record.rows, |put, (mailbox, placed)| {
                put.number(mailbox.0);
                row(put, placed);
            });
        }
        Record::Relocation(record) => {
            content(put, &record.content);
            put.option(record.remote.as_ref(), remote);
        }
        Record::SnapshotBox(record) => snapshot_box(put, record),
        Record::SnapshotAccount(record) => {
            put.number(record.account.0);
            put.list(&record.keywords, |put, name| put.text(name));
            put.list(&record.subscriptions, |put, name| put.text(name));
            put.list(&record.mailboxes, |put, mailbox| put.number(mailbox.0));
        }
        Record::SnapshotMailbox(record) => snapshot_mailbox(put, record),
        Record::Abort(record) => {
            put.number(record.first);
            put.number(record.last);
            put.number(record.segment.into());
            put.number(record.generation.into());
        }
        Record::Closed | Record::Skipped { .. } => {}
    }
}

fn message(put: &mut Put<'_>, record: &MessageRecord) {
    content(put, &record.content);
    put.list(&record.locals, |put, local| {
        put.number(local.account.0);
        put.number(local.mailbox.0);
        put.number(local.uid.into());
        put.number(local.modseq);
        put.signed(local.internal_secs);
        put.signed(local.save_secs);
        put.number(local.flags.0);
        put.number(local.prefix.into());
    });
    put.option(record.remote.as_ref(), remote);
}

/// Email id, length and place are in the frame.
fn content(put: &mut Put<'_>, content: &ContentMeta) {
    put.number(content.thread.0);
    put.signed(content.received_millis);
    put.number(content.header_bytes.into());
    put.list(&content.cuts, |put, cut| {
        put.number(cut.start.into());
        put.number(cut.end.into());
    });
    put.list(&content.prefixes, |put, prefix| put.octets(prefix));
}

fn remote(put: &mut Put<'_>, entry: &RemoteEntry) {
    put.number(entry.queue.0);
    put.option(entry.sender.as_ref(), address);
    put.option(entry.account, |put, account| put.number(account.0));
    put.number(entry.prefix.into());
    put.list(&entry.recipients, |put, recipient| {
        address(put, &recipient.address);
        put.octet(recipient.notify);
        put.option(recipient.orcpt.as_deref(), Put::text);
    });
    put.option(entry.envid.as_deref(), Put::text);
    put.octet(
        u8::from(entry.return_full)
            | u8::from(entry.eight_bit) << 1
            | u8::from(entry.smtputf8) << 2,
    );
}

fn address(put: &mut Put<'_>, address: &Address) {
    put.text(address.local());
    put.text(address.domain().as_str());
}

fn row(put: &mut Put<'_>, row: &PlacedRow) {
    put.number(row.uid.into());
    put.number(row.modseq);
    put.raw(&row.email.0);
    put.number(row.prefix.into());
    put.number(row.flags.0);
    put.signed(row.internal_secs);
    put.signed(row.save_secs);
}

fn copy(put: &mut Put<'_>, record: &CopyRecord) {
    put.number(record.from.0);
    put.number(record.to.0);
    put.option(record.removed, Put::number);
    put.signed(record.at_secs);
    put.list(&record.rows, |put, (from, placed)| {
        put.number((*from).into());
        row(put, placed);
    });
}

fn flags(put: &mut Put<'_>, record: &FlagsRecord) {
    put.number(record.mailbox.0);
    put.number(record.modseq);
    put.list(&record.edits, |put, (uids, edit)| {
        put.word(edit.clear.0);
        put.number(edit.set.0);
        put.uids(uids);
    });
}

fn created_mailbox(put: &mut Put<'_>, created: &CreatedMailbox) {
    put.number(created.mailbox.0);
    put.number(created.account.0);
    put.text(&created.name);
    put.number(created.uid_validity.into());
    put.octet(match created.special_use {
        None => 0,
        Some(SpecialUse::Drafts) => 1,
        Some(SpecialUse::Sent) => 2,
        Some(SpecialUse::Junk) => 3,
        Some(SpecialUse::Trash) => 4,
        Some(SpecialUse::Archive) => 5,
    });
    put.octet(u8::from(created.no_select) | u8::from(created.subscribed) << 1);
}

fn rename(put: &mut Put<'_>, record: &RenameRecord) {
    put.number(record.account.0);
    put.list(&record.renamed, |put, (mailbox, name)| {
        put.number(mailbox.0);
        put.text(name);
    });
    put.list(&record.created, created_mailbox);
    put.option(record.moved.as_ref(), copy);
}

fn queue_outcome(put: &mut Put<'_>, record: &QueueOutcomeRecord) {
    put.number(record.queue.0);
    put.list(&record.recipients, |put, number| {
        put.number((*number).into());
    });
    put.octet(match record.result {
        QueueResult::Delivered => 0,
        QueueResult::Failed => 1,
        QueueResult::Expired => 2,
    });
    put.signed(record.at_millis);
    put.text(&record.text);
}

fn snapshot_box(put: &mut Put<'_>, record: &SnapshotBox) {
    put.number(record.next_mailbox);
    put.number(record.next_queue);
    put.number(record.next_thread);
    put.number(record.last_uid_validity.into());
    put.list(&record.removed, |put, account| put.number(account.0));
    put.list(&record.waiting, |put, (queue, recipients)| {
        put.number(queue.0);
        put.list(recipients, |put, number| put.number((*number).into()));
    });
}

fn snapshot_mailbox(put: &mut Put<'_>, record: &SnapshotMailbox) {
    created_mailbox(put, &record.mailbox);
    put.number(record.uid_next.into());
    put.number(record.highest_modseq);
    put.number(record.expunge_floor);
    put.number(record.recent_from_uid.into());
    put.number(record.part.into());
    put.octet(record.last.into());
    put.list(&record.rows, row);
}
