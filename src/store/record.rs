//! What the log holds: the kinds of record and their encoding.
