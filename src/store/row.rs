//! What readers get: rows of the index as plain values.

use super::ids::*;
use crate::wire::address::Address;
use crate::wire::imap::flag::Flags;

/// RFC 6154.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SpecialUse {
    /// \Drafts
    Drafts,
    /// \Sent
    Sent,
    /// \Junk
    Junk,
    /// \Trash
    Trash,
    /// \Archive
    Archive,
}

/// A mailbox, without its counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailboxRow {
    /// Its id.
    pub id: MailboxId,
    /// Whose.
    pub account: AccountId,
    /// UTF-8, hierarchy by `/`.
    pub name: Box<str>,
    /// Never 0.
    pub uid_validity: u32,
    /// The next UID.
    pub uid_next: u32,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// Messages.
    pub messages: u32,
    /// Without \Seen.
    pub unseen: u32,
    /// Sum of served sizes, octets.
    pub bytes: u64,
    /// Messages from this UID on are recent for the next session.
    pub recent_from_uid: u32,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
    /// LSUB.
    pub subscribed: bool,
    /// A name that only holds inferiors.
    pub no_select: bool,
}

/// A message in a mailbox: narrow, one per row of a FETCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRow {
    /// In its mailbox.
    pub uid: u32,
    /// Flags with keyword bits.
    pub flags: Flags,
    /// Last change.
    pub modseq: ModSeq,
    /// INTERNALDATE, seconds since 1970.
    pub internal_secs: i64,
    /// SAVEDATE, seconds since 1970.
    pub save_secs: i64,
    /// RFC822.SIZE: octets as served.
    pub served_bytes: u64,
    /// Which content, for `Reader::content`.
    pub content: ContentId,
    /// Which of the content's prefixes is in front.
    pub prefix: u16,
}

/// A content's row in the index of this run; not stable over a rebuild.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ContentId(pub i64);

/// One remote recipient of a queue entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRecipient {
    /// Where it goes.
    pub address: Address,
    /// RFC 3461 NOTIFY: never, success, failure, delay as bits 1, 2, 4, 8; 0 not given.
    pub notify: u8,
    /// RFC 3461 ORCPT as given (xtext).
    pub orcpt: Option<Box<str>>,
}

/// A queue entry as `queue list` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRow {
    /// Its id.
    pub id: QueueId,
    /// Reverse-path; None is `<>`.
    pub sender: Option<Address>,
    /// Who submitted it.
    pub account: Option<AccountId>,
    /// Arrival, milliseconds since 1970.
    pub received_millis: i64,
    /// Served size, octets.
    pub bytes: u64,
    /// Recipients still waiting.
    pub recipients: Vec<QueueRecipient>,
}

/// An expunged message that can still come back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpungedRow {
    /// Its content.
    pub email: EmailId,
    /// Where it was.
    pub mailbox: Box<str>,
    /// When it was expunged, seconds since 1970.
    pub expunged_secs: i64,
    /// Served size, octets.
    pub bytes: u64,
    /// The ENVELOPE bytes.
    pub envelope: Vec<u8>,
}
