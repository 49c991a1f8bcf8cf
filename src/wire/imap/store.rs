//! STORE (RFC 3501 section 6.4.6).

use super::flag::FlagNames;
use super::scan::{Parsed, Reject, Scan};
use super::sequence_set::SequenceSet;

/// How flags change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreHow {
    /// FLAGS
    Replace,
    /// +FLAGS
    Add,
    /// -FLAGS
    Remove,
}

/// Whether the new flags are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreEcho {
    /// FLAGS
    Told,
    /// FLAGS.SILENT
    Silent,
}

/// A STORE or UID STORE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    /// Which messages.
    pub set: SequenceSet,
    /// How.
    pub how: StoreHow,
    /// Told or not.
    pub echo: StoreEcho,
    /// What.
    pub flags: FlagNames,
}

impl Scan<'_> {
    /// What follows `STORE `.
    pub fn store(&mut self) -> Parsed<Store> {
        let set = self.sequence_set()?;
        self.space()?;
        let word = self.keyword()?;
        let (word, echo) = match word.strip_suffix(".SILENT") {
            Some(word) => (word, StoreEcho::Silent),
            None => (word.as_str(), StoreEcho::Told),
        };
        let how = match word {
            "FLAGS" => StoreHow::Replace,
            "+FLAGS" => StoreHow::Add,
            "-FLAGS" => StoreHow::Remove,
            _ => return Err(Reject::Bad("FLAGS, +FLAGS or -FLAGS expected")),
        };
        self.space()?;
        Ok(Store {
            set,
            how,
            echo,
            flags: self.store_flags()?,
        })
    }
}
