//! IMAP4rev1 grammar (RFC 3501, RFC 9051 and extensions): one verb a file, names as in the RFCs.

pub mod flag;
pub mod uid_set;
