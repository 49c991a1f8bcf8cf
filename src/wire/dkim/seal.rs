//! The fields of an ARC set besides its signature (RFC 8617 section 4.1): the seal and the results, and the instance
//! that holds a set together.

use super::signature::{Signer, number, signature};
use super::tags::Tags;
use super::{Algorithm, Malformed};
use crate::limits::ARC_SETS_MAX;
use std::ops::Range;

/// What a sealer found of the chain before (`cv=`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChainStatus {
    /// There was none.
    None,
    /// It was good.
    Pass,
    /// It was not.
    Fail,
}

/// What an ARC-Seal says (RFC 8617 section 4.1.3); well-formed, not verified.
#[derive(Clone, Debug)]
pub struct Seal {
    /// `a=`.
    pub algorithm: Algorithm,
    /// `b=`.
    pub signature: Vec<u8>,
    /// Where the value of `b=` stands in the field's value.
    pub signature_place: Range<usize>,
    /// `d=` and `s=`.
    pub signer: Signer,
    /// `cv=`.
    pub status: ChainStatus,
}

impl Seal {
    /// Reads the value of an ARC-Seal field.
    pub fn parse(value: &[u8]) -> Result<Seal, Malformed> {
        let tags = Tags::parse(value)?;
        if tags.value("h").is_some() {
            return Err(Malformed("it names header fields"));
        }
        number(tags.value("t"))?;
        let (signature, signature_place) = signature(&tags)?;
        Ok(Seal {
            algorithm: Algorithm::parse(tags.needed("a", "it has no algorithm")?)?,
            signature,
            signature_place,
            signer: Signer::read(&tags)?,
            status: match tags.needed("cv", "it does not say what the chain was worth")? {
                "none" => ChainStatus::None,
                "pass" => ChainStatus::Pass,
                "fail" => ChainStatus::Fail,
                _ => return Err(Malformed("its cv= is not known")),
            },
        })
    }
}

/// The instance of an ARC-Seal or ARC-Message-Signature: `i=`, 1 to `ARC_SETS_MAX`.
pub fn instance(value: &[u8]) -> Result<usize, Malformed> {
    let tags = Tags::parse(value)?;
    numbered(tags.needed("i", "it has no instance")?)
}

/// The instance of an ARC-Authentication-Results field: `i=` before the first semicolon (RFC 8617 section 4.1.1).
pub fn results_instance(value: &[u8]) -> Result<usize, Malformed> {
    let wrong = Malformed("it has no instance");
    let end = memchr::memchr(b';', value).ok_or(wrong)?;
    let first = value.get(..end).unwrap_or_default();
    let tags = Tags::parse(first).map_err(|_| wrong)?;
    numbered(tags.needed("i", "it has no instance")?)
}

fn numbered(text: &str) -> Result<usize, Malformed> {
    match number(Some(text)) {
        Ok(Some(number)) if (1..=ARC_SETS_MAX as u64).contains(&number) => Ok(number as usize),
        _ => Err(Malformed("its instance is not one of 1 to 50")),
    }
}
