//! Looks at the index and reads ranges of the log. One lane owns each reader; no read transaction outlives a call.

use super::StoreError;
use super::ids::*;
use super::row::*;
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::uid_set::UidSet;
use crate::wire::mime::Summary;

/// One reader: a SQLite connection on the index, one on the state, and the open segments.
pub struct Reader {}

impl Reader {
    /// All mailboxes of an account by name, `INBOX` first.
    pub fn mailboxes(&mut self, _account: AccountId) -> Result<Vec<MailboxRow>, StoreError> {
        todo!()
    }
    /// One mailbox by name (INBOX without case).
    pub fn mailbox(
        &mut self,
        _account: AccountId,
        _name: &str,
    ) -> Result<Option<MailboxRow>, StoreError> {
        todo!()
    }
    /// One mailbox by id.
    pub fn mailbox_by_id(&mut self, _mailbox: MailboxId) -> Result<Option<MailboxRow>, StoreError> {
        todo!()
    }
    /// Subscribed names, of missing mailboxes too.
    pub fn subscriptions(&mut self, _account: AccountId) -> Result<Vec<Box<str>>, StoreError> {
        todo!()
    }
    /// The account's keywords.
    pub fn keywords(&mut self, _account: AccountId) -> Result<Keywords, StoreError> {
        todo!()
    }
    /// All UIDs from `from_uid` on.
    pub fn uids(&mut self, _mailbox: MailboxId, _from_uid: u32) -> Result<UidSet, StoreError> {
        todo!()
    }
    /// Rows with `from_uid <= uid <= to_uid`, ascending, at most `rows_max`; `each` says whether to go on.
    pub fn rows(
        &mut self,
        _mailbox: MailboxId,
        _from_uid: u32,
        _to_uid: u32,
        _rows_max: usize,
        _each: &mut dyn FnMut(&MessageRow) -> bool,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// UIDs with all bits of `flags` set (or, with `set` false, not all): for SEARCH and UNSEEN.
    pub fn uids_with_flags(
        &mut self,
        _mailbox: MailboxId,
        _flags: Flags,
        _set: bool,
    ) -> Result<UidSet, StoreError> {
        todo!()
    }
    /// Messages up to `to_uid` whose flags changed after `since`: (uid, flags, modseq), by modseq then UID, at most `rows_max`.
    pub fn changed_since(
        &mut self,
        _mailbox: MailboxId,
        _since: ModSeq,
        _to_uid: u32,
        _rows_max: usize,
    ) -> Result<Vec<(u32, Flags, ModSeq)>, StoreError> {
        todo!()
    }
    /// UIDs expunged after `since`; None when the history does not reach back that far.
    pub fn expunged_since(
        &mut self,
        _mailbox: MailboxId,
        _since: ModSeq,
    ) -> Result<Option<UidSet>, StoreError> {
        todo!()
    }
    /// What the scanner said of a content.
    pub fn summary(&mut self, _content: ContentId) -> Result<Summary, StoreError> {
        todo!()
    }
    /// The content's id, thread and arrival.
    pub fn email(&mut self, _content: ContentId) -> Result<(EmailId, ThreadId), StoreError> {
        todo!()
    }
    /// Opens a content for reading: its location is found once and its segment leased until the value is dropped.
    pub fn content(
        &mut self,
        _content: ContentId,
        _prefix: u16,
    ) -> Result<ContentReader, StoreError> {
        todo!()
    }
    /// The queue, oldest first, from `after` on, at most `rows_max`.
    pub fn queue(
        &mut self,
        _after: QueueId,
        _rows_max: usize,
    ) -> Result<Vec<QueueRow>, StoreError> {
        todo!()
    }
    /// What `mail undelete` can bring back.
    pub fn expunged(
        &mut self,
        _account: AccountId,
        _rows_max: usize,
    ) -> Result<Vec<ExpungedRow>, StoreError> {
        todo!()
    }
    /// The accounts, aliases and domains.
    pub fn state(&mut self) -> &mut super::state::StateReader {
        todo!()
    }
}

/// A leased content. It is `Send`: a session keeps it between slices, every read happens in a reader's lane.
pub struct ContentReader {}

impl ContentReader {
    /// Octets as served: prefix, then the content without its cuts.
    pub fn served_bytes(&self) -> u64 {
        todo!()
    }
    /// Octets of the served header block (prefix, header without cuts, empty line).
    pub fn served_header_bytes(&self) -> u64 {
        todo!()
    }
    /// Difference between an offset in the served message and the same octet's offset in the content as received,
    /// for octets of the body: `served = received + body_shift`.
    pub fn body_shift(&self) -> i64 {
        todo!()
    }
    /// Fills `into` from `at` (an offset in the served message) as far as there are octets; checks each chunk.
    pub fn read_at(&self, _at: u64, _into: &mut [u8]) -> Result<usize, StoreError> {
        todo!()
    }
}
