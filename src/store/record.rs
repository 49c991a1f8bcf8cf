//! What the log holds: every change to mail as one value. Replay applies a record and decides nothing: ids, UIDs,
//! modseqs, flags and times were all chosen by the writer.
//!
//! [`frame`] is the fixed head of a record on disk, [`encode`]/[`decode`] its variable part, [`bytes`] the numbers
//! and strings that it consists of. A message's octets are no part of a [`Record`]: they stand behind it in the log
//! or in a message file, and are read through [`super::log::Segments::content`].

pub mod bytes;
mod decode;
mod encode;
pub mod frame;
#[cfg(test)]
mod tests;

pub use decode::{decode, decode_content};
pub use encode::encode;

use super::ids::*;
use super::row::{QueueRecipient, SpecialUse};
use crate::wire::address::Address;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;
use std::ops::Range;

/// One change. The order of the variants is no part of the format; [`Record::kind`] is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// Mail arrived by delivery, submission or APPEND: its content, every local copy and every remote recipient.
    Message(Box<MessageRecord>),
    /// COPY and MOVE.
    Copy(CopyRecord),
    /// STORE.
    Flags(FlagsRecord),
    /// EXPUNGE and its like.
    Expunge(ExpungeRecord),
    /// A keyword got its bit.
    Keyword(KeywordRecord),
    /// Mailboxes (with the superior levels made on the way) came to be.
    MailboxCreate(Vec<CreatedMailbox>),
    /// RENAME, whole.
    MailboxRename(RenameRecord),
    /// DELETE.
    MailboxDelete(MailboxDeleteRecord),
    /// SUBSCRIBE and UNSUBSCRIBE.
    Subscribe(SubscribeRecord),
    /// An account and all its mail are gone for ever.
    AccountRemove(AccountId),
    /// Recipients of a queue entry were dealt with.
    QueueOutcome(QueueOutcomeRecord),
    /// A queue entry was dropped by hand.
    QueueDrop(QueueId),
    /// Expunged messages came back.
    Undelete(UndeleteRecord),
    /// A live content was copied to here (or, for a message file, its record); never replayed as a delivery.
    Relocation(Box<RelocationRecord>),
    /// Counters, removed accounts and the queue, as of this LSN.
    SnapshotBox(SnapshotBox),
    /// An account's keywords and subscriptions, as of this LSN.
    SnapshotAccount(SnapshotAccount),
    /// A part of a mailbox, as of the LSN of its first part (all parts of one snapshot lie in one batch sequence of
    /// the writer with no other change of that mailbox between them).
    SnapshotMailbox(Box<SnapshotMailbox>),
    /// The records of these LSNs were never acknowledged and must not be applied (the scan leaves them out itself).
    Abort(AbortRecord),
    /// The log was closed in order; the last record of a clean run.
    Closed,
    /// A kind of a later version that may be passed over. Never written.
    Skipped {
        /// Its number.
        kind: u8,
    },
}

/// What is known of a content beside its octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentMeta {
    /// Its name for ever.
    pub email: EmailId,
    /// Its thread.
    pub thread: ThreadId,
    /// Wall clock of arrival, milliseconds since 1970.
    pub received_millis: i64,
    /// Octets of the content.
    pub bytes: u64,
    /// Octets of its header block with the empty line.
    pub header_bytes: u32,
    /// Ascending, disjoint ranges of the header block that are not served.
    pub cuts: Vec<Range<u32>>,
    /// Header fields of ours; a recipient names one by its number.
    pub prefixes: Vec<Vec<u8>>,
    /// Where the octets are.
    pub place: ContentPlace,
}

/// Where the octets of a content are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentPlace {
    /// In the log, behind the record.
    Inline,
    /// In the message file named after the email id.
    File,
}

/// Mail arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRecord {
    /// The content.
    pub content: ContentMeta,
    /// Every copy in a mailbox.
    pub locals: Vec<LocalCopy>,
    /// The queue entry, when there are remote recipients.
    pub remote: Option<RemoteEntry>,
}

/// One account's copy of an arriving message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalCopy {
    /// Whose.
    pub account: AccountId,
    /// Into which mailbox.
    pub mailbox: MailboxId,
    /// Its UID there.
    pub uid: u32,
    /// Its modseq.
    pub modseq: ModSeq,
    /// INTERNALDATE, seconds since 1970.
    pub internal_secs: i64,
    /// SAVEDATE, seconds since 1970.
    pub save_secs: i64,
    /// Flags from the start.
    pub flags: Flags,
    /// Number of the prefix in `ContentMeta::prefixes`.
    pub prefix: u16,
}

/// The queue entry of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteEntry {
    /// Its id.
    pub queue: QueueId,
    /// Reverse-path; None is `<>`.
    pub sender: Option<Address>,
    /// The account that submitted it.
    pub account: Option<AccountId>,
    /// Number of the prefix in `ContentMeta::prefixes`.
    pub prefix: u16,
    /// Who gets it; an outcome names one by its number in this list.
    pub recipients: Vec<QueueRecipient>,
    /// RFC 3461 ENVID, as given.
    pub envid: Option<Box<str>>,
    /// RFC 3461 RET=FULL (true) or HDRS.
    pub return_full: bool,
    /// The message has 8-bit content.
    pub eight_bit: bool,
    /// The transaction used SMTPUTF8.
    pub smtputf8: bool,
}

/// A message's place in a mailbox, complete: replay needs no other row to make it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedRow {
    /// Its UID.
    pub uid: u32,
    /// Its modseq.
    pub modseq: ModSeq,
    /// Which content.
    pub email: EmailId,
    /// Which of the content's prefixes.
    pub prefix: u16,
    /// Its flags.
    pub flags: Flags,
    /// INTERNALDATE, seconds since 1970.
    pub internal_secs: i64,
    /// SAVEDATE, seconds since 1970.
    pub save_secs: i64,
}

/// COPY and MOVE. At most `COPY_MESSAGES_MAX` rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyRecord {
    /// From where.
    pub from: MailboxId,
    /// Where to.
    pub to: MailboxId,
    /// UID in the source and the new row in the target (whole, since the source's own records may be reclaimed).
    pub rows: Vec<(u32, PlacedRow)>,
    /// MOVE: the source's UIDs are expunged with this modseq.
    pub removed: Option<ModSeq>,
    /// Wall clock, seconds since 1970.
    pub at_secs: i64,
}

/// STORE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagsRecord {
    /// Where.
    pub mailbox: MailboxId,
    /// The modseq of every changed message.
    pub modseq: ModSeq,
    /// What happened to whom; the sets are disjoint.
    pub edits: Vec<(UidSet, FlagEdit)>,
}

/// new = (old without `clear`) with `set`. A replacement clears everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlagEdit {
    /// Taken away first.
    pub clear: Flags,
    /// Then added.
    pub set: Flags,
}

/// EXPUNGE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpungeRecord {
    /// Where.
    pub mailbox: MailboxId,
    /// The modseq of the expunge.
    pub modseq: ModSeq,
    /// Gone.
    pub uids: UidSet,
    /// Wall clock, seconds since 1970.
    pub at_secs: i64,
}

/// A keyword got its bit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeywordRecord {
    /// Whose.
    pub account: AccountId,
    /// Position in the account's list (0..`KEYWORDS_MAX`).
    pub index: u8,
    /// As first used.
    pub name: Box<str>,
}

/// One new mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedMailbox {
    /// Its id.
    pub mailbox: MailboxId,
    /// Whose.
    pub account: AccountId,
    /// UTF-8, hierarchy by `/`.
    pub name: Box<str>,
    /// Never 0.
    pub uid_validity: u32,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
    /// A name that only holds inferiors.
    pub no_select: bool,
    /// Subscribed from the start.
    pub subscribed: bool,
}

/// RENAME with everything that it entails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenameRecord {
    /// Whose.
    pub account: AccountId,
    /// The mailbox and its inferiors, with their new names.
    pub renamed: Vec<(MailboxId, Box<str>)>,
    /// Superior levels of the new name, and for INBOX the mailbox that gets its messages.
    pub created: Vec<CreatedMailbox>,
    /// INBOX's messages moving to the new mailbox.
    pub moved: Option<CopyRecord>,
}

/// DELETE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailboxDeleteRecord {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub mailbox: MailboxId,
    /// It has inferiors: the name stays as \Noselect.
    pub keep_name: bool,
    /// The modseq of its messages' expunge.
    pub modseq: ModSeq,
    /// Wall clock, seconds since 1970.
    pub at_secs: i64,
}

/// SUBSCRIBE and UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscribeRecord {
    /// Whose.
    pub account: AccountId,
    /// Which name, of a missing mailbox too.
    pub name: Box<str>,
    /// UNSUBSCRIBE is false.
    pub on: bool,
}

/// How a queue entry's recipients ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueOutcomeRecord {
    /// Which entry.
    pub queue: QueueId,
    /// Numbers in `RemoteEntry::recipients`.
    pub recipients: Vec<u16>,
    /// The end.
    pub result: QueueResult,
    /// Wall clock, milliseconds since 1970.
    pub at_millis: i64,
    /// The last reply, for `queue list` and reports.
    pub text: Box<str>,
}

/// The end of a recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueResult {
    /// The next hop took it.
    Delivered,
    /// Refused for good.
    Failed,
    /// Given up.
    Expired,
}

/// `mail undelete`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UndeleteRecord {
    /// Whose.
    pub account: AccountId,
    /// Into which mailbox, which row.
    pub rows: Vec<(MailboxId, PlacedRow)>,
}

/// A content that moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelocationRecord {
    /// The same email id, all that is known of it.
    pub content: ContentMeta,
    /// Its queue entry while it waits.
    pub remote: Option<RemoteEntry>,
}

/// Counters, removed accounts and the queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotBox {
    /// Next mailbox id.
    pub next_mailbox: u64,
    /// Next queue id.
    pub next_queue: u64,
    /// Next thread id.
    pub next_thread: u64,
    /// The UIDVALIDITY given last.
    pub last_uid_validity: u32,
    /// Accounts that stay removed.
    pub removed: Vec<AccountId>,
    /// Queue entries that wait, with the numbers of the recipients that still do; every other entry is done.
    pub waiting: Vec<(QueueId, Vec<u16>)>,
}

/// An account's keywords and subscriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotAccount {
    /// Whose.
    pub account: AccountId,
    /// In the order of their bits.
    pub keywords: Vec<Box<str>>,
    /// Of missing mailboxes too.
    pub subscriptions: Vec<Box<str>>,
    /// Ids of its mailboxes: others are deleted.
    pub mailboxes: Vec<MailboxId>,
}

/// A part of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotMailbox {
    /// Its row, the same in every part.
    pub mailbox: CreatedMailbox,
    /// UIDNEXT.
    pub uid_next: u32,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// The history of expunges reaches back to this modseq.
    pub expunge_floor: ModSeq,
    /// Messages from this UID on are recent for the next session.
    pub recent_from_uid: u32,
    /// 0, 1, 2 ...
    pub part: u32,
    /// Nothing follows.
    pub last: bool,
    /// Ascending UIDs, at most `SNAPSHOT_ROWS_MAX`.
    pub rows: Vec<PlacedRow>,
}

/// A batch that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortRecord {
    /// First LSN of the failed batch.
    pub first: Lsn,
    /// Last LSN of the failed batch.
    pub last: Lsn,
    /// The poisoned segment.
    pub segment: u32,
    /// Its generation.
    pub generation: u32,
}

impl Record {
    /// The number of the kind on disk. Never changed, never reused.
    pub fn kind(&self) -> u8 {
        match self {
            Record::Message(_) => 1,
            Record::Copy(_) => 2,
            Record::Flags(_) => 3,
            Record::Expunge(_) => 4,
            Record::Keyword(_) => 5,
            Record::MailboxCreate(_) => 6,
            Record::MailboxRename(_) => 7,
            Record::MailboxDelete(_) => 8,
            Record::Subscribe(_) => 9,
            Record::AccountRemove(_) => 10,
            Record::QueueOutcome(_) => 11,
            Record::QueueDrop(_) => 12,
            Record::Undelete(_) => 13,
            Record::Relocation(_) => 14,
            Record::SnapshotBox(_) => 15,
            Record::SnapshotAccount(_) => 16,
            Record::SnapshotMailbox(_) => 17,
            Record::Abort(_) => 18,
            Record::Closed => 19,
            Record::Skipped { kind } => *kind,
        }
    }
    /// The content that stands behind the record or in a message file.
    pub fn content(&self) -> Option<&ContentMeta> {
        match self {
            Record::Message(message) => Some(&message.content),
            Record::Relocation(relocation) => Some(&relocation.content),
            _ => None,
        }
    }
}
