//! ARC (RFC 8617): what did those see who passed the message on?
//!
//! Verified as section 5.2 wants it: the structure of the chain, the newest signature, then every seal. Whether an
//! older signature still holds is left open: only a sealer that is believed could make something of it.

use super::dkim::{compare, judge_ages, verify};
use super::keys::{self, Signed, Wrong};
use super::{Dns, Outcome};
use crate::limits::{ARC_KEYS_MAX, ARC_SETS_MAX, MIME_FIELDS_MAX};
use crate::wire::dkim::body::{Body, Hashes, Wanted};
use crate::wire::dkim::header::{Block, Own, push_field, push_own};
use crate::wire::dkim::key::Key;
use crate::wire::dkim::seal::{ChainStatus, Seal, instance, results_instance};
use crate::wire::dkim::signature::{Kind, Signature, Signer};
use crate::wire::dkim::{Canon, Malformed};
use crate::wire::header::{Field, Fields};

/// What came of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// None without a set; Pass, Fail, TempError.
    pub outcome: Outcome,
    /// Sets, whatever their worth.
    pub sets: usize,
    /// Who sealed last (`d=` of the newest seal), lower case A-label.
    pub sealer: Option<String>,
    /// What is wrong, for people.
    pub reason: String,
}

/// A chain whose header fields were verified and whose body hash is still open.
#[derive(Debug)]
pub struct AtHeader {
    checked: Checked,
    body: Option<(Wanted, [u8; 32])>,
}

/// Finds the sets, asks for their keys and verifies what they say of the header block; the hash that the newest needs is
/// asked of `body`. Asks one question for each signer, `ARC_KEYS_MAX` at most, and none behind the first thing wrong.
pub async fn at_header<D: Dns>(
    dns: &D,
    header: &[u8],
    now_seconds: Option<i64>,
    body: &mut Body,
) -> AtHeader {
    let mut checked = Checked {
        outcome: Outcome::None,
        sets: 0,
        sealer: None,
        reason: String::new(),
    };
    let right = match Chain::find(header, &mut checked) {
        Ok(None) => {
            return AtHeader {
                checked,
                body: None,
            };
        }
        Ok(Some(chain)) => chain.verify(dns, header, now_seconds).await,
        Err(wrong) => Err(wrong.into()),
    };
    let mut found = AtHeader {
        checked,
        body: None,
    };
    match right {
        Ok((wanted, hash)) => {
            body.want(wanted);
            found.body = Some((wanted, hash));
        }
        Err(wrong) => found.close(wrong),
    }
    found
}

impl AtHeader {
    /// Compares the body hash.
    pub fn finish(mut self, hashes: &Hashes) -> Checked {
        if let Some((wanted, hash)) = self.body {
            match compare(hashes, wanted, hash) {
                Ok(()) => self.checked.outcome = Outcome::Pass,
                Err(wrong) => self.close(wrong),
            }
        }
        self.checked
    }

    /// A chain is good, bad, or not known now (RFC 8617 section 5.2.2): what else is wrong makes it bad.
    fn close(&mut self, wrong: Wrong) {
        self.checked.outcome = match wrong.outcome {
            Outcome::TempError => Outcome::TempError,
            _ => Outcome::Fail,
        };
        self.checked.reason = wrong.reason.into_owned();
    }
}

/// The fields of one instance.
#[derive(Clone, Default)]
struct Set<'a> {
    results: Option<Field<'a>>,
    signature: Option<Field<'a>>,
    seal: Option<Field<'a>>,
}

#[derive(Clone, Copy)]
enum Part {
    Results,
    Signature,
    Seal,
}

impl Part {
    fn of(field: &Field<'_>) -> Option<Part> {
        match () {
            _ if field.is("ARC-Seal") => Some(Part::Seal),
            _ if field.is("ARC-Message-Signature") => Some(Part::Signature),
            _ if field.is("ARC-Authentication-Results") => Some(Part::Results),
            _ => None,
        }
    }
}

impl<'a> Set<'a> {
    fn slot(&mut self, part: Part) -> &mut Option<Field<'a>> {
        match part {
            Part::Results => &mut self.results,
            Part::Signature => &mut self.signature,
            Part::Seal => &mut self.seal,
        }
    }
}

/// Sets from 1 up, each whole.
struct Chain<'a>(Vec<Whole<'a>>);

struct Whole<'a> {
    results: Field<'a>,
    signature: Field<'a>,
    seal: Field<'a>,
}

impl<'a> Chain<'a> {
    /// Collects the sets and judges their structure (RFC 8617 section 5.2 steps 1 to 3).
    fn find(header: &'a [u8], checked: &mut Checked) -> Result<Option<Chain<'a>>, Malformed> {
        let mut sets: Vec<Set<'a>> = Vec::new();
        let mut wrong = None;
        let mut fields = 0;
        for field in Fields::new(header) {
            fields += 1;
            let Some(part) = Part::of(&field) else {
                continue;
            };
            let at = match part {
                Part::Results => results_instance(field.value),
                Part::Signature | Part::Seal => instance(field.value),
            };
            match at {
                Ok(at) => {
                    if sets.len() < at {
                        sets.resize(at, Set::default());
                    }
                    let slot = sets.get_mut(at - 1).map(|set| set.slot(part));
                    if slot.is_some_and(|slot| slot.replace(field).is_some()) {
                        wrong = Some(Malformed("an ARC set has a field twice"));
                    }
                }
                Err(malformed) => wrong = Some(malformed),
            }
        }
        checked.sets = sets.len().max(usize::from(wrong.is_some()));
        let newest = sets.last().and_then(|set| set.seal.as_ref());
        let seal = newest.and_then(|field| Seal::parse(field.value).ok());
        checked.sealer = seal.map(|seal| seal.signer.domain.to_string());
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if sets.is_empty() {
            return Ok(None);
        }
        if fields > MIME_FIELDS_MAX {
            return Err(Malformed("the message has too many header fields"));
        }
        Chain::of(sets).map(Some)
    }

    fn of(sets: Vec<Set<'a>>) -> Result<Chain<'a>, Malformed> {
        let whole = sets.into_iter().map(|set| {
            Some(Whole {
                results: set.results?,
                signature: set.signature?,
                seal: set.seal?,
            })
        });
        let whole: Option<Vec<Whole<'a>>> = whole.collect();
        let chain = Chain(whole.ok_or(Malformed("an ARC set lacks a field"))?);
        for (at, set) in chain.0.iter().enumerate() {
            match (at, Seal::parse(set.seal.value)?.status) {
                (_, ChainStatus::Fail) => {
                    return Err(Malformed("the chain was broken when it was sealed"));
                }
                (0, ChainStatus::None) => {}
                (1.., ChainStatus::Pass) => {}
                _ => return Err(Malformed("a seal says what cannot be of the chain (cv=)")),
            }
        }
        Ok(chain)
    }

    /// The newest signature, then the seals from the newest down (RFC 8617 section 5.2 steps 4 and 6).
    async fn verify<D: Dns>(
        &self,
        dns: &D,
        header: &[u8],
        now_seconds: Option<i64>,
    ) -> Result<(Wanted, [u8; 32]), Wrong> {
        let mut known = Known(Vec::new());
        let newest = self.0.last().ok_or(Malformed("there is no set"))?;
        let signer = {
            let signature = Signature::parse(newest.signature.value, Kind::Arc)?;
            judge_ages(signature.ages, now_seconds)?;
            signature.signer
        };
        let keys = known.ask(dns, &signer).await?;
        let body = verify(&Block::new(header), &newest.signature, Kind::Arc, keys)?;
        for sealed in (1..=self.0.len()).rev() {
            let sets = self.0.get(..sealed).unwrap_or_default();
            let Some(last) = sets.last() else { break };
            let signer = Seal::parse(last.seal.value)?.signer;
            let keys = known.ask(dns, &signer).await?;
            verify_seal(header, sets, keys)?;
        }
        Ok(body)
    }
}

/// The last of `sets` holds the seal; it covers the sets before it and its own (RFC 8617 section 5.1.1).
fn verify_seal(header: &[u8], sets: &[Whole<'_>], keys: &[Key]) -> Result<(), Wrong> {
    let Some((last, before)) = sets.split_last() else {
        return Ok(());
    };
    let seal = Seal::parse(last.seal.value)?;
    let bytes = |set: &Whole<'_>| {
        [&set.results, &set.signature, &set.seal].map(|field| field.range.len() + 2)
    };
    let mut octets = Vec::with_capacity(sets.iter().flat_map(bytes).sum());
    for set in before {
        for field in [&set.results, &set.signature, &set.seal] {
            push_field(&mut octets, header, field, Canon::Relaxed);
        }
    }
    push_field(&mut octets, header, &last.results, Canon::Relaxed);
    push_field(&mut octets, header, &last.signature, Canon::Relaxed);
    let own = Own {
        field: &last.seal,
        signature: &seal.signature_place,
    };
    push_own(&mut octets, header, own, Canon::Relaxed);
    let signed = Signed {
        algorithm: seal.algorithm,
        signature: &seal.signature,
        octets: &octets,
        domain: &seal.signer.domain,
        identity: &seal.signer.domain,
    };
    keys::verify(keys, &signed)?;
    Ok(())
}

/// Keys that were asked for.
struct Known(Vec<(Signer, Vec<Key>)>);

impl Known {
    async fn ask<D: Dns>(&mut self, dns: &D, signer: &Signer) -> Result<&[Key], Wrong> {
        let at = match self.0.iter().position(|(known, _)| known == signer) {
            Some(at) => at,
            None if self.0.len() == ARC_KEYS_MAX => {
                return Err(Malformed("the chain has more signers than are asked for").into());
            }
            None => {
                let keys = keys::ask(dns, signer).await?;
                self.0.push((signer.clone(), keys));
                self.0.len() - 1
            }
        };
        Ok(self.0.get(at).map_or(&[], |(_, keys)| keys))
    }
}

const _: () = assert!(ARC_KEYS_MAX <= ARC_SETS_MAX);

#[cfg(test)]
mod tests;
