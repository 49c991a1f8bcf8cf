//! Ids: u64, never reused, their top 16 bits a box number (0 today).

/// Orders every change to mail; never reused.
pub type Lsn = u64;
/// RFC 7162: grows with every change of a mailbox.
pub type ModSeq = u64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u64);
    };
}
id!(/// A person's login.
    AccountId);
id!(/// An IMAP folder.
    MailboxId);
id!(/// One message in the queue.
    QueueId);

/// Names one content for ever (RFC 8474 EMAILID): 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EmailId(pub [u8; 16]);
/// RFC 8474 THREADID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ThreadId(pub u64);
