//! What may be said when, in IMAP.
