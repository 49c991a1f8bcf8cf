//! The fixed head of a record on disk.
