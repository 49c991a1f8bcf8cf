//! Whether a wildcard may answer for a name (RFC 4035 section 5.3.4), proven by NSEC.
//!
//! The validator wants a denial of the wildcard's own name there, and so refuses nearly every such answer: the NSEC
//! that proves the name absent mostly begins at the wildcard itself, or at another name that shares its branch. Here
//! the proof is what the RFC asks for: the name is not there, and nothing that is there is closer to it than the
//! wildcard's own branch.

use super::tidy;
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::{Name, RData, Record};

/// Whether all answers are signed by a wildcard above `name` and a signed NSEC lets it speak. Proofs of the single
/// records are the validator's.
pub fn may_answer(message: &Message, name: &Name) -> bool {
    let (signatures, records): (Vec<_>, Vec<_>) = message
        .answers
        .iter()
        .partition(|record| tidy::signature(record).is_some());
    if records.is_empty()
        || records
            .iter()
            .any(|r| r.proof != Proof::Secure || r.name != *name)
    {
        return false;
    }
    // The validator marks the signature that it used.
    let mut branches = signatures
        .iter()
        .filter(|record| record.proof == Proof::Secure && record.name == *name)
        .filter_map(|record| tidy::signature(record).map(|signature| signature.input().num_labels))
        .filter(|labels| *labels < name.num_labels());
    let Some(branch) = branches.next() else {
        return false;
    };
    branches.all(|other| other == branch)
        && message
            .authorities
            .iter()
            .filter_map(secure_nsec)
            .any(|(owner, nsec)| {
                covers(owner, nsec, name)
                    && shared_labels(owner, name).max(shared_labels(nsec.next_domain_name(), name))
                        == branch
            })
}

fn secure_nsec(record: &Record) -> Option<(&Name, &NSEC)> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) if record.proof == Proof::Secure => {
            Some((&record.name, nsec))
        }
        _ => None,
    }
}

/// Whether a name would stand between the two of an NSEC, the last of which leads back to the apex. One of a
/// delegation or a DNAME says nothing of what is below it (RFC 6840 section 4.1).
fn covers(owner: &Name, nsec: &NSEC, name: &Name) -> bool {
    let next = nsec.next_domain_name();
    let above = nsec.is_ancestor_delegation() && owner.zone_of(name);
    !above && owner < name && (name < next || (next <= owner && next.zone_of(name)))
}

/// Labels that two names have in common, from the right.
fn shared_labels(one: &Name, other: &Name) -> u8 {
    let pairs = one.iter().rev().zip(other.iter().rev());
    let shared = pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    u8::try_from(shared).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::RecordType;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// Whether NSEC owner -> next lets the wildcard with so many labels answer for `asked`.
    fn speaks(owner: &str, next: &str, asked: &str, branch: u8) -> bool {
        let nsec = NSEC::new(name(next), [RecordType::A]);
        let (owner, asked) = (name(owner), name(asked));
        covers(&owner, &nsec, &asked)
            && shared_labels(&owner, &asked).max(shared_labels(&name(next), &asked)) == branch
    }

    #[test]
    fn an_nsec_that_begins_at_the_wildcard() {
        assert!(speaks("*.z.test.", "www.z.test.", "any.z.test.", 2));
        assert!(
            speaks("*.z.test.", "z.test.", "any.z.test.", 2),
            "the last one"
        );
        assert!(
            !speaks("*.z.test.", "www.z.test.", "www.z.test.", 2),
            "it is there"
        );
        assert!(
            !speaks("*.z.test.", "www.z.test.", "zzz.z.test.", 2),
            "not covered"
        );
    }

    #[test]
    fn something_closer_forbids_it() {
        assert!(
            !speaks("a.b.z.test.", "c.z.test.", "any.b.z.test.", 2),
            "b.z.test is there"
        );
        assert!(speaks("a.b.z.test.", "c.z.test.", "any.b.z.test.", 3));
        assert!(
            !speaks("a.z.test.", "x.any.z.test.", "b.any.z.test.", 2),
            "any.z.test is there"
        );
    }

    #[test]
    fn a_delegation_says_nothing_of_names_below() {
        let nsec = NSEC::new(name("www.z.test."), [RecordType::NS]);
        assert!(!covers(&name("d.z.test."), &nsec, &name("any.d.z.test.")));
        assert!(covers(&name("d.z.test."), &nsec, &name("e.z.test.")));
    }
}
