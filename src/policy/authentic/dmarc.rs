//! DMARC (RFC 9989; records of RFC 7489 are understood): does the domain of From stand behind the message?
//!
//! What the domain asks for is in the record that [`tree`] finds for it. The message passes where SPF or a signature
//! passed for a domain that is aligned with the author's. A question that the DNS does not answer matters only where
//! another answer could change the outcome: then it is TempError. Where From names several domains (section 11.5) each
//! is asked for, at most `DMARC_AUTHOR_DOMAINS_MAX`, and the sternest failure counts.

mod authors;
mod tree;

pub use crate::wire::dmarc::Policy;
pub use authors::{Authors, authors};

use super::{Dns, Outcome, dkim, spf};
use crate::limits::{DMARC_AUTHOR_DOMAINS_MAX, DMARC_IDENTIFIERS_MAX};
use crate::wire::address::Domain;
use crate::wire::dmarc::Alignment;
use crate::wire::dns::{Trouble, TroubleKind};
use std::sync::Arc;
use tree::{Published, Tree};

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// None: no policy applies. Pass, Fail, TempError, PermError.
    pub outcome: Outcome,
    /// What the domain asks for if it failed (`t=y` taken into account); None of a TempError without a record.
    pub policy: Option<Policy>,
    /// The domain whose record was used.
    pub record_domain: Option<String>,
    /// The organizational domain of the author, where it was needed.
    pub organizational: Option<String>,
    /// SPF passed and is aligned. Of a TempError without a record: and is very likely aligned.
    pub spf_aligned: bool,
    /// A signature passed and is aligned; as above.
    pub dkim_aligned: bool,
    /// The domain that SPF was asked for is aligned, whatever SPF said. Only looked at where SPF said Fail.
    pub envelope_aligned: bool,
    /// The DNS cannot be reached at all: our trouble, nobody is deferred for it.
    pub unreachable: bool,
    /// The record as published, for reports; empty without one.
    pub record: String,
    /// What decided, for people.
    pub reason: String,
}

impl Checked {
    /// Nothing was asked or applies.
    pub fn none() -> Checked {
        Checked {
            outcome: Outcome::None,
            policy: None,
            record_domain: None,
            organizational: None,
            spf_aligned: false,
            dkim_aligned: false,
            envelope_aligned: false,
            unreachable: false,
            record: String::new(),
            reason: String::new(),
        }
    }

    fn because(outcome: Outcome, reason: String) -> Checked {
        Checked {
            outcome,
            reason,
            ..Checked::none()
        }
    }

    /// Which of several authors' results counts: the sternest failure; a pass only where all pass.
    fn rank(&self) -> u8 {
        match (self.outcome, self.policy) {
            (Outcome::Fail, Some(Policy::Reject)) => 6,
            (Outcome::Fail, Some(Policy::Quarantine)) => 5,
            (Outcome::TempError, _) => 4,
            (Outcome::Fail, _) => 3,
            (Outcome::Pass, _) => 0,
            (Outcome::PermError, _) => 2,
            _ => 1,
        }
    }
}

/// Asks.
pub async fn check<D: Dns>(
    dns: &D,
    authors: &Authors,
    spf: &spf::Checked,
    dkim: &[dkim::Checked],
) -> Checked {
    if authors.more {
        let reason = format!("From names more than {DMARC_AUTHOR_DOMAINS_MAX} domains");
        return Checked::because(Outcome::PermError, reason);
    }
    let mut tree = Tree::new(dns);
    let identifiers = identifiers(spf, dkim);
    let mut result: Option<Checked> = None;
    for author in &authors.domains {
        let one = match author.literal() {
            Some(_) => Checked::because(Outcome::None, "the author has no domain".into()),
            None => check_author(&mut tree, author.as_str(), spf, &identifiers).await,
        };
        result = match result {
            Some(known) if known.rank() >= one.rank() => Some(known),
            _ => Some(one),
        };
    }
    result.unwrap_or_else(|| Checked::because(Outcome::None, "From names no domain".into()))
}

/// A domain that SPF or a signature speaks for.
struct Identifier {
    domain: Domain,
    mechanism: Mechanism,
    /// Passed; otherwise the DNS could not say.
    passed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Spf,
    Dkim,
}

/// What passed, or might have if the DNS had said.
fn identifiers(spf: &spf::Checked, dkim: &[dkim::Checked]) -> Vec<Identifier> {
    let spf = (Mechanism::Spf, spf.outcome, &*spf.domain);
    let dkim = dkim
        .iter()
        .map(|one| (Mechanism::Dkim, one.outcome, &*one.domain));
    let mut all: Vec<Identifier> = std::iter::once(spf)
        .chain(dkim)
        .filter(|(_, outcome, _)| matches!(outcome, Outcome::Pass | Outcome::TempError))
        .filter_map(|(mechanism, outcome, domain)| {
            Some(Identifier {
                domain: Domain::parse(domain.strip_suffix('.').unwrap_or(domain)).ok()?,
                mechanism,
                passed: outcome == Outcome::Pass,
            })
        })
        .collect();
    // What passed first: the others matter only where nothing did.
    all.sort_by_key(|identifier| !identifier.passed);
    all
}

/// For one domain of From.
async fn check_author<D: Dns>(
    tree: &mut Tree<'_, D>,
    author: &str,
    spf: &spf::Checked,
    identifiers: &[Identifier],
) -> Checked {
    let published = match tree.policy_record(author).await {
        Ok(Some(published)) => published,
        Ok(None) => return Checked::because(Outcome::None, format!("{author} has no record")),
        Err(trouble) => return without_record(author, identifiers, &trouble),
    };
    if !published.record.applies() {
        let reason = format!("the record of {} has no usable policy", published.domain);
        return Checked::because(Outcome::None, reason);
    }
    let mut checked = Checked {
        record_domain: Some(published.domain.clone()),
        record: published.text.clone(),
        ..Checked::none()
    };
    let unknown = align(tree, author, &published, identifiers, &mut checked).await;
    let passed = checked.spf_aligned || checked.dkim_aligned;
    let policy = match passed {
        // Whether the name exists is not worth a question now.
        true => Ok(published.existing(author)),
        false => asked_for(tree, author, &published).await,
    };
    checked.policy = policy.as_ref().ok().copied();
    let trouble = match (passed, unknown, policy) {
        (true, ..) => None,
        (false, Some(trouble), _) => Some(trouble),
        (false, None, policy) => policy.err(),
    };
    (checked.outcome, checked.reason) = match trouble {
        Some(trouble) => {
            checked.unreachable = trouble.kind == TroubleKind::Unreachable;
            (Outcome::TempError, trouble.why.to_string())
        }
        None if passed => (Outcome::Pass, String::new()),
        None => (Outcome::Fail, why_not(identifiers, author)),
    };
    if checked.outcome == Outcome::Fail && spf.outcome == Outcome::Fail {
        let mode = published.record.aspf;
        checked.envelope_aligned = match Domain::parse(&spf.domain) {
            Ok(domain) => tree.aligned(author, domain.as_str(), mode).await == Ok(true),
            Err(_) => false,
        };
    }
    if let Some(Ok(organizational)) = tree.known_organizational(author) {
        checked.organizational = Some(organizational);
    }
    checked
}

/// Finds out which identifiers are aligned; what could not be found out comes back.
async fn align<D: Dns>(
    tree: &mut Tree<'_, D>,
    author: &str,
    published: &Published,
    identifiers: &[Identifier],
    checked: &mut Checked,
) -> Option<Trouble> {
    let mut unknown = None;
    for (n, identifier) in identifiers.iter().enumerate() {
        if !identifier.passed && (checked.spf_aligned || checked.dkim_aligned) {
            break;
        }
        let mode = match identifier.mechanism {
            _ if n >= DMARC_IDENTIFIERS_MAX => Alignment::Strict,
            Mechanism::Spf => published.record.aspf,
            Mechanism::Dkim => published.record.adkim,
        };
        let aligned = tree.aligned(author, identifier.domain.as_str(), mode).await;
        match (aligned, identifier.mechanism) {
            (Ok(false), _) => {}
            (Ok(true), Mechanism::Spf) if identifier.passed => checked.spf_aligned = true,
            (Ok(true), Mechanism::Dkim) if identifier.passed => checked.dkim_aligned = true,
            (Ok(true), mechanism) => {
                unknown.get_or_insert(unanswered(mechanism, identifier.domain.as_str()));
            }
            (Err(trouble), _) => {
                unknown.get_or_insert(trouble);
            }
        }
    }
    unknown
}

fn unanswered(mechanism: Mechanism, domain: &str) -> Trouble {
    let what = match mechanism {
        Mechanism::Spf => "SPF",
        Mechanism::Dkim => "the DKIM key",
    };
    Trouble {
        kind: TroubleKind::ServerFailure,
        why: Arc::from(format!("no answer about {what} of {domain}")),
    }
}

/// What the record asks for, for mail of `author` that failed. Whether the name exists is asked only where it matters.
async fn asked_for<D: Dns>(
    tree: &Tree<'_, D>,
    author: &str,
    published: &Published,
) -> Result<Policy, Trouble> {
    let (existing, missing) = (published.existing(author), published.missing(author));
    match existing == missing || tree.exists(author).await? {
        true => Ok(existing),
        false => Ok(missing),
    }
}

/// The DNS does not say what the author's domain asks for. Whatever it is: the same domain is aligned, and a parent
/// or child of at least two labels very likely.
fn without_record(author: &str, identifiers: &[Identifier], trouble: &Trouble) -> Checked {
    let likely = |mechanism| {
        identifiers.iter().any(|identifier| {
            identifier.passed
                && identifier.mechanism == mechanism
                && likely_aligned(author, identifier.domain.as_str())
        })
    };
    Checked {
        spf_aligned: likely(Mechanism::Spf),
        dkim_aligned: likely(Mechanism::Dkim),
        unreachable: trouble.kind == TroubleKind::Unreachable,
        ..Checked::because(Outcome::TempError, trouble.why.to_string())
    }
}

fn likely_aligned(a: &str, b: &str) -> bool {
    let (longer, shorter) = if a.len() > b.len() { (a, b) } else { (b, a) };
    longer == shorter || (shorter.contains('.') && tree::is_under(longer, shorter))
}

fn why_not(identifiers: &[Identifier], author: &str) -> String {
    match identifiers.iter().find(|identifier| identifier.passed) {
        Some(other) => format!("{} does not speak for {author}", other.domain),
        None => format!("neither SPF nor a signature passed for {author}"),
    }
}

#[cfg(test)]
mod tests;
