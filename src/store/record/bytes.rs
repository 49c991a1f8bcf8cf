//! Numbers and strings of a record: little endian, LEB128 varints, lengths in front. Reading is total and bounded.
