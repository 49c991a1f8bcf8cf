//! The variable part of a record from octets.
use super::Record;
use crate::store::StoreError;

/// Reads the variable part of a record of `kind`.
pub fn decode(_kind: u8, _bytes: &[u8]) -> Result<Record, StoreError> {
    todo!()
}
