//! The variable part of a record as octets.
use super::Record;

/// Appends the variable part of `record`.
pub fn encode(_record: &Record, _out: &mut Vec<u8>) {
    todo!()
}
