//! What may be asked of the writer, and what it answers. A change is applied whole or not at all.

use super::ids::*;
use super::row::{QueueRecipient, SpecialUse};
use super::spill::Spilled;
use crate::wire::address::Address;
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::imap::uid_set::UidSet;
use crate::wire::mime::Summary;
use std::ops::Range;

/// The bytes of a message exactly as received.
pub enum Content {
    /// At most `LARGE_MESSAGE_BYTES`: goes into the log. Dropped after the commit, so the pool gets it back.
    Small(Box<dyn SmallBody>),
    /// A finished file of `incoming/`, flushed; it becomes a message file before its record is written.
    Large(Spilled),
}

/// A body held in a buffer of somebody's pool.
pub trait SmallBody: Send {
    /// The octets.
    fn bytes(&self) -> &[u8];
}
impl SmallBody for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// One content with all that belongs to it.
pub struct Message {
    /// The octets as received.
    pub content: Content,
    /// Made by the MIME scanner.
    pub summary: Summary,
    /// Ascending ranges of the content that are not served (inside the header block).
    pub cuts: Vec<Range<u32>>,
    /// Wall clock of arrival, milliseconds since 1970.
    pub received_millis: i64,
}

/// A message accepted by SMTP or submission: all recipients or none.
pub struct Delivery {
    /// The content.
    pub message: Message,
    /// Accounts of this box.
    pub locals: Vec<LocalDelivery>,
    /// Recipients elsewhere: one queue entry for all of them. None when there are none.
    pub remote: Option<RemoteDelivery>,
}

/// One account's copy.
pub struct LocalDelivery {
    /// Whose.
    pub account: AccountId,
    /// Into which of its mailboxes; one that is missing means INBOX, and the record says so.
    pub into: Into,
    /// Header fields of ours in front of the content (with CRLF each).
    pub prefix: Vec<u8>,
    /// Flags from the start.
    pub flags: Flags,
}

/// A mailbox by role or name.
pub enum Into {
    /// INBOX.
    Inbox,
    /// The mailbox with this special use.
    Special(SpecialUse),
    /// By name, UTF-8.
    Named(Box<str>),
}

/// What relaying needs to know, as the submission dialogue gave it.
pub struct RemoteDelivery {
    /// Reverse-path; None is `<>`.
    pub sender: Option<Address>,
    /// The account that submitted it.
    pub account: Option<AccountId>,
    /// Header fields of ours in front of the content on its way out.
    pub prefix: Vec<u8>,
    /// Who gets it, with their DSN parameters.
    pub recipients: Vec<QueueRecipient>,
    /// RFC 3461 ENVID, as given.
    pub envid: Option<Box<str>>,
    /// RFC 3461 RET=FULL (true) or HDRS.
    pub return_full: bool,
    /// The message has 8-bit content (BODY=8BITMIME).
    pub eight_bit: bool,
    /// The transaction used SMTPUTF8.
    pub smtputf8: bool,
}

/// How STORE changes flags (RFC 3501 section 6.4.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagsHow {
    /// FLAGS
    Replace,
    /// +FLAGS
    Add,
    /// -FLAGS
    Remove,
}

/// Every way to change the store.
pub enum Change {
    /// Mail arrives.
    Deliver(Box<Delivery>),
    /// APPEND (RFC 3501 section 6.3.11).
    Append {
        /// Target.
        mailbox: MailboxId,
        /// The content.
        message: Box<Message>,
        /// Flags from the start.
        flags: FlagNames,
        /// INTERNALDATE, seconds since 1970.
        internal_secs: i64,
    },
    /// COPY and MOVE; missing UIDs are passed over.
    Copy {
        /// From where.
        from: MailboxId,
        /// Which.
        uids: UidSet,
        /// Where to.
        to: MailboxId,
        /// MOVE: gone from the source in the same record.
        and_remove: bool,
    },
    /// STORE; missing UIDs are passed over, unchanged messages keep their modseq.
    Flags {
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: UidSet,
        /// How.
        how: FlagsHow,
        /// What.
        flags: FlagNames,
    },
    /// EXPUNGE, UID EXPUNGE and CLOSE: messages with \Deleted, only of `uids` where given.
    Expunge {
        /// Where.
        mailbox: MailboxId,
        /// UID EXPUNGE's set.
        uids: Option<UidSet>,
    },
    /// CREATE; superior levels are made too.
    MailboxCreate {
        /// Whose.
        account: AccountId,
        /// UTF-8, hierarchy by `/`.
        name: Box<str>,
        /// CREATE-SPECIAL-USE and the first mailboxes.
        special_use: Option<SpecialUse>,
    },
    /// RENAME with its inferiors; INBOX's messages move to a new mailbox.
    MailboxRename {
        /// Whose.
        account: AccountId,
        /// Old name.
        from: Box<str>,
        /// New name.
        to: Box<str>,
    },
    /// DELETE; one with inferiors becomes \Noselect.
    MailboxDelete {
        /// Whose.
        account: AccountId,
        /// Which.
        name: Box<str>,
    },
    /// SUBSCRIBE and UNSUBSCRIBE, of missing names too.
    Subscribe {
        /// Whose.
        account: AccountId,
        /// Which.
        name: Box<str>,
        /// UNSUBSCRIBE is false.
        on: bool,
    },
    /// A session saw these as \Recent: later ones do not. Not logged (index only).
    ClaimRecent {
        /// Where.
        mailbox: MailboxId,
    },
    /// The first mailboxes (INBOX, Drafts, Sent, Junk, Trash, Archive) of an account that has none.
    AccountMailboxes {
        /// Whose.
        account: AccountId,
    },
    /// The account and all its mail go.
    AccountRemove {
        /// Which.
        account: AccountId,
    },
    /// A queue entry (or one of its recipients) ends without delivery: `queue drop`.
    QueueDrop {
        /// Which.
        queue: QueueId,
    },
    /// Expunged messages come back as new UIDs: into the mailbox that they were in, or INBOX.
    Undelete {
        /// Whose.
        account: AccountId,
        /// Which; all of the account's recoverable ones when empty.
        emails: Vec<EmailId>,
    },
    /// Accounts, aliases and domains: `state.sqlite`, flushed by itself.
    State(Box<super::state::StateChange>),
}

/// What was done, durable by the time that it is returned.
#[derive(Debug)]
pub struct Done {
    /// Its record.
    pub lsn: Lsn,
    /// Mailboxes whose sessions should look again.
    pub touched: Vec<MailboxId>,
    /// What in particular.
    pub outcome: Outcome,
}

/// The particular part of [`Done`].
#[derive(Debug)]
pub enum Outcome {
    /// Per local recipient in order, and the queue entry of the remote ones.
    Delivered {
        /// Where each local copy went.
        placed: Vec<(MailboxId, u32)>,
        /// The queue entry.
        queue: Option<QueueId>,
        /// The content's id.
        email: EmailId,
    },
    /// RFC 4315 APPENDUID.
    Appended {
        /// Of the target.
        uid_validity: u32,
        /// Given.
        uid: u32,
    },
    /// RFC 4315 COPYUID: the n-th of `from` became the n-th of `to`.
    Copied {
        /// Of the target.
        uid_validity: u32,
        /// In the source.
        from: UidSet,
        /// In the target.
        to: UidSet,
        /// MOVE: the modseq of the expunge in the source.
        removed: Option<ModSeq>,
    },
    /// STORE: the modseq that the changed ones got, and which those are.
    Flagged {
        /// Of all changed messages; the mailbox's highest when none changed.
        modseq: ModSeq,
        /// Changed.
        changed: UidSet,
        /// All messages of the set, changed or not; None when they are more than `FLAGS_AFTER_MAX`.
        after: Option<Vec<FlagsAfter>>,
    },
    /// EXPUNGE.
    Expunged {
        /// Gone.
        uids: UidSet,
        /// Of the expunge; the mailbox's next when none went.
        modseq: ModSeq,
    },
    /// CREATE.
    Created {
        /// New.
        mailbox: MailboxId,
    },
    /// First UID that was recent for this session (0: none was).
    Recent {
        /// Every UID from here on.
        from_uid: u32,
    },
    /// AccountRemove, QueueDrop, Undelete: how many messages or recipients.
    Counted(u64),
    /// What a state change answers.
    State(super::state::StateDone),
    /// Nothing more to say.
    Plain,
}

/// One message behind a STORE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlagsAfter {
    /// Which.
    pub uid: u32,
    /// As they are now.
    pub flags: Flags,
    /// Its modseq before: above what a session knows, somebody else changed it, too.
    pub modseq_before: ModSeq,
}

/// Why a change was not made; nothing of it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The mailbox is gone (NO [NONEXISTENT], [TRYCREATE]).
    NoSuchMailbox,
    /// CREATE or RENAME of a name that exists (NO [ALREADYEXISTS]).
    Exists,
    /// Not allowed by its nature: deleting INBOX and the like; the text says why (NO [CANNOT]).
    Cannot(&'static str),
    /// A bound of `limits.rs` is reached; which (NO [LIMIT], 452).
    Limit(&'static str),
    /// The account is over its quota (NO [OVERQUOTA], 452 4.2.2 or 552 5.2.2).
    Quota,
    /// Disk space has come down to the reserve (452 4.3.1, NO [OVERQUOTA]).
    DiskFull,
    /// The disk failed; what was done is unknown to nobody: it is undone (451 4.3.0, NO [SERVERBUG]).
    Disk(String),
    /// A state change that makes no sense; the text is for the person who asked.
    State(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::NoSuchMailbox => f.write_str("mailbox does not exist"),
            Refused::Exists => f.write_str("mailbox exists already"),
            Refused::Cannot(why) => f.write_str(why),
            Refused::Limit(which) => write!(f, "limit reached: {which}"),
            Refused::Quota => f.write_str("mailbox is over its quota"),
            Refused::DiskFull => f.write_str("disk is full; expunging frees space"),
            Refused::Disk(why) => write!(f, "disk failed: {why}"),
            Refused::State(why) => f.write_str(why),
        }
    }
}
