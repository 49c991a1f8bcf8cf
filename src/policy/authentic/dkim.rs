//! DKIM (RFC 6376, 8301, 8463): whose signatures does a message carry?
//!
//! mail-auth can do this, but it wants the whole message and its own resolver, tries any number of signatures and is
//! lenient where RFC 6376 section 6.1.1 is not; what was left to do over ring is less than what would have to be
//! corrected. A signature holds the body's hash in itself, so it is verified at the end of the header block, and only
//! the hash (32 octets) and what is shown of it are kept until the body has passed.

use super::keys::{self, Signed, Wrong};
use super::{Dns, Outcome};
use crate::limits::{AUTHORS_MAX, DKIM_CLOCK_SECS, DKIM_SIGNATURES_MAX, MIME_FIELDS_MAX};
use crate::wire::address::Domain;
use crate::wire::dkim::body::{Body, Hashes, Wanted};
use crate::wire::dkim::header::{Block, Own};
use crate::wire::dkim::key::Key;
use crate::wire::dkim::signature::{Ages, Claims, Kind, Signature};
use crate::wire::header::{Field, FieldAddress, Fields, each_address};
use std::borrow::Cow;

/// What came of one signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Pass, or why not.
    pub outcome: Outcome,
    /// `d=`, lower case A-label.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// `i=` as it stands, or `@` with the domain.
    pub identity: String,
    /// `rsa-sha256`, `ed25519-sha256`, or what else it said.
    pub algorithm: String,
    /// The first octets of `b=`, to tell signatures apart (RFC 6008).
    pub b_start: String,
    /// What is wrong, for people; empty on a pass.
    pub reason: String,
    /// The key's owner is testing (`t=y`).
    pub testing: bool,
}

/// Signatures whose header fields were verified and whose body hashes are still open.
#[derive(Default, Debug)]
pub struct AtHeader {
    fields: usize,
    tried: Vec<Open>,
}

/// One of them, some 700 octets at most.
#[derive(Debug)]
struct Open {
    claims: Claims,
    testing: bool,
    /// The hash that the body must have, where all the rest was right.
    right: Result<(Wanted, [u8; 32]), Wrong>,
}

/// Finds the signatures, asks for their keys and verifies what they say of the header block; the hashes that they need
/// are asked of `body`. Tries `DKIM_SIGNATURES_MAX` of them: those of a domain that From names (or above or below it)
/// come first, malformed ones last, otherwise the top-most; at most so many questions. In this order they are asked for
/// too: signers that a forger adds, with slow name servers, must not use up the time of those that DMARC hangs on.
pub async fn at_header<D: Dns>(
    dns: &D,
    header: &[u8],
    now_seconds: Option<i64>,
    body: &mut Body,
) -> AtHeader {
    let found = choose(header);
    let mut keys = vec![Err(TOO_MANY_FIELDS); found.chosen.len()];
    for at in found.order {
        if let (Some(keys), Some(field)) = (keys.get_mut(at), found.chosen.get(at)) {
            *keys = ask(dns, field, now_seconds).await;
        }
    }
    // Nothing waits any more: the fields are put in order, once for all signatures.
    let block = keys.iter().any(Result::is_ok).then(|| Block::new(header));
    let claims = claims(&found.chosen).into_iter().zip(keys);
    let tried = claims
        .zip(&found.chosen)
        .map(|((claims, keys), field)| Open {
            claims,
            testing: keys.iter().flatten().any(|key| key.testing),
            right: match (keys, &block) {
                (Ok(keys), Some(block)) => verify(block, field, Kind::Dkim, &keys),
                (Ok(_), None) => Err(TOO_MANY_FIELDS),
                (Err(wrong), _) => Err(wrong),
            },
        });
    let tried: Vec<Open> = tried.collect();
    let right = tried.iter().flat_map(|open| &open.right);
    right.for_each(|(wanted, _)| body.want(*wanted));
    AtHeader {
        fields: found.fields,
        tried,
    }
}

impl AtHeader {
    /// DKIM-Signature fields, tried or not.
    pub fn fields(&self) -> usize {
        self.fields
    }

    /// Compares the body hashes; in the order of the header.
    pub fn finish(self, hashes: &Hashes) -> Vec<Checked> {
        self.tried
            .into_iter()
            .map(|open| open.close(hashes))
            .collect()
    }
}

impl Open {
    fn close(self, hashes: &Hashes) -> Checked {
        let body = |(wanted, hash)| compare(hashes, wanted, hash);
        let (outcome, reason) = match self.right.and_then(body) {
            Ok(()) => (Outcome::Pass, String::new()),
            Err(wrong) => (wrong.outcome, wrong.reason.into_owned()),
        };
        let identity = match (&*self.claims.identity, &*self.claims.domain) {
            ("", "") => String::new(),
            ("", domain) => format!("@{domain}"),
            (identity, _) => identity.into(),
        };
        Checked {
            outcome,
            domain: self.claims.domain,
            selector: self.claims.selector,
            identity,
            algorithm: self.claims.algorithm,
            b_start: self.claims.signature,
            reason,
            testing: self.testing,
        }
    }
}

/// The block is not searched for what many signatures cover: no mail has so many fields.
const TOO_MANY_FIELDS: Wrong = Wrong {
    outcome: Outcome::PermError,
    reason: Cow::Borrowed("the message has too many header fields to look for those signed"),
};

/// Of one signature that may count: the keys of its signer.
async fn ask<D: Dns>(
    dns: &D,
    field: &Field<'_>,
    now_seconds: Option<i64>,
) -> Result<Vec<Key>, Wrong> {
    // Only the signer is held while the DNS is asked.
    let signer = {
        let signature = Signature::parse(field.value, Kind::Dkim)?;
        judge_ages(signature.ages, now_seconds)?;
        signature.signer
    };
    keys::ask(dns, &signer).await
}

/// Whether the header fields are what the owner of a key has signed; then what the body must be.
pub(super) fn verify(
    block: &Block<'_>,
    field: &Field<'_>,
    kind: Kind,
    keys: &[Key],
) -> Result<(Wanted, [u8; 32]), Wrong> {
    let signature = Signature::parse(field.value, kind)?;
    let own = Own {
        field,
        signature: &signature.signature_place,
    };
    let octets = block.signed(&signature.names, signature.header_canon, own);
    let signed = Signed {
        algorithm: signature.algorithm,
        signature: &signature.signature,
        octets: &octets,
        domain: &signature.signer.domain,
        identity: &signature.identity_domain,
    };
    keys::verify(keys, &signed)?;
    let wanted = Wanted {
        canon: signature.body_canon,
        length: signature.length,
    };
    Ok((wanted, signature.body_hash))
}

/// Whether the body is what was signed, all of it (RFC 6376 section 8.2 tells what `l=` lets strangers do).
pub(super) fn compare(hashes: &Hashes, wanted: Wanted, hash: [u8; 32]) -> Result<(), Wrong> {
    let reason = match hashes.of(wanted) {
        None => "the body is shorter than what was signed",
        Some(found) if found != hash => "the body is not what was signed",
        Some(_) if wanted.length.is_none() => return Ok(()),
        Some(_) => {
            let octets = hashes.uncovered(wanted);
            return Err(Wrong {
                outcome: Outcome::Policy,
                reason: format!("l= leaves the body open; it does not cover {octets} octets")
                    .into(),
            });
        }
    };
    Err(Wrong::new(Outcome::Fail, reason))
}

/// `t=` and `x=` (RFC 6376 section 3.5), where our clock is sane.
pub(super) fn judge_ages(ages: Ages, now_seconds: Option<i64>) -> Result<(), Wrong> {
    let Some(now) = now_seconds else {
        return Ok(());
    };
    let seconds = |age: u64| i64::try_from(age).unwrap_or(i64::MAX);
    if ages
        .expires
        .is_some_and(|age| seconds(age) < now.saturating_sub(DKIM_CLOCK_SECS))
    {
        return Err(Wrong::new(Outcome::Fail, "it has expired (x=)"));
    }
    if ages
        .signed
        .is_some_and(|age| seconds(age) > now.saturating_add(DKIM_CLOCK_SECS))
    {
        return Err(Wrong::new(Outcome::Fail, "it was made in the future (t=)"));
    }
    Ok(())
}

/// The signatures of a header block.
struct Found<'a> {
    fields: usize,
    /// In the order of the header.
    chosen: Vec<Field<'a>>,
    /// Places in `chosen`, in the order of asking. Empty where the block has more than MIME_FIELDS_MAX fields.
    order: Vec<usize>,
}

fn choose(header: &[u8]) -> Found<'_> {
    let (mut fields, mut chosen) = (0, Vec::new());
    let mut authors: Vec<Domain> = Vec::new();
    for field in Fields::new(header) {
        if field.is("From") {
            each_address(field.value, &mut |address| {
                if let FieldAddress::Full(address) = address
                    && authors.len() < AUTHORS_MAX
                {
                    authors.push(address.domain().clone());
                }
            });
        }
        if field.is("DKIM-Signature") {
            fields += 1;
            if chosen.len() < MIME_FIELDS_MAX {
                chosen.push(field);
            }
        }
    }
    if chosen.len() > DKIM_SIGNATURES_MAX {
        chosen.sort_by_cached_key(|field| rank(field, &authors));
        chosen.truncate(DKIM_SIGNATURES_MAX);
        chosen.shrink_to_fit();
        chosen.sort_unstable_by_key(|field| field.range.start);
    }
    let mut order: Vec<usize> = match Fields::new(header).nth(MIME_FIELDS_MAX) {
        Some(_) => Vec::new(),
        None => (0..chosen.len()).collect(),
    };
    order.sort_by_cached_key(|&at| chosen.get(at).map(|field| rank(field, &authors)));
    Found {
        fields,
        chosen,
        order,
    }
}

/// Which signatures come first: those of a domain that From names, or of one above or below it; malformed ones last.
fn rank(field: &Field<'_>, authors: &[Domain]) -> u8 {
    let domain = Claims::read(field.value).domain;
    let mut authors = authors.iter();
    match () {
        _ if domain.is_empty() => 2,
        _ if authors.any(|author| related(author.as_str(), &domain)) => 0,
        _ => 1,
    }
}

/// Equal, or one below the other.
fn related(a: &str, b: &str) -> bool {
    let below = |inner: &str, outer: &str| {
        let rest = inner.strip_suffix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    below(a, b) || below(b, a)
}

/// What can be shown of each; of `b=` as much as tells them apart, eight letters at least (RFC 6008 section 4).
fn claims(fields: &[Field<'_>]) -> Vec<Claims> {
    let mut claims: Vec<Claims> = fields.iter().map(|f| Claims::read(f.value)).collect();
    let told_apart = |bytes: usize| {
        let start = |one: &Claims| one.signature.get(..bytes).map(str::to_owned);
        let alike = |(a, b): (&Claims, &Claims)| a.signature != b.signature && start(a) == start(b);
        let mut pairs = claims
            .iter()
            .enumerate()
            .flat_map(|(at, a)| claims.iter().skip(at + 1).map(move |b| (a, b)));
        !pairs.any(alike)
    };
    let bytes = (8..B_START_BYTES_MAX).find(|bytes| told_apart(*bytes));
    for one in &mut claims {
        one.signature.truncate(bytes.unwrap_or(B_START_BYTES_MAX));
        one.signature.shrink_to_fit();
    }
    claims
}

/// Signatures with so many first letters in common are the same, or made to confuse.
const B_START_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests;
