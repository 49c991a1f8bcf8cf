//! What may be said when, in IMAP: which command is allowed in which state, what a selected mailbox looks like to its
//! session, and when the client may be told of changes. Pure: the store's answers and the clock are arguments.

pub mod gate;
pub mod list;
pub mod search;
pub mod view;
