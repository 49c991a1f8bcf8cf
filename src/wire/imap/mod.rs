//! IMAP4rev1 grammar (RFC 3501 and extensions): one verb a file, names as in the RFCs.
//!
//! [`frame::Framer`] finds whole commands in a stream of octets, [`command::parse`] makes values of them, [`write`]
//! makes octets of what the server says. [`seq_map::SeqMap`] is the arithmetic between UIDs and sequence numbers.

pub mod append;
pub mod command;
pub mod date;
pub mod fetch;
pub mod flag;
pub mod frame;
pub mod list;
pub mod mailbox;
pub mod mutf7;
pub mod scan;
pub mod search;
pub mod seq_map;
pub mod sequence_set;
pub mod status;
pub mod store;
pub mod uid_set;
pub mod write;
