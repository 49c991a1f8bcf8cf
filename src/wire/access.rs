//! Words of the access rules, as they stand in the configuration: senders, hosts, networks, and the marks of a
//! doubtful sender. What follows from them is decided in `policy/sender.rs`.

use super::address::{Address, AddressError, Domain};
use super::network::Network;
use std::str::FromStr;

/// Who is let in, who is kept out, and which marks keep out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Comes before `deny`.
    pub allow: Lists,
    /// Refused before its content is seen.
    pub deny: Lists,
    /// A sender with one of these marks is refused; one with another gets a score line.
    pub reject: Marks,
}

/// One side of the access rules; `ACCESS_ENTRIES_MAX` entries at most in all lists.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lists {
    /// Reverse-paths.
    pub senders: Vec<SenderPattern>,
    /// Names of clients.
    pub hosts: Vec<DomainPattern>,
    /// Addresses of clients.
    pub networks: Vec<Network>,
}

/// `anna@example.org`, or every address of a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SenderPattern {
    /// One address; its local part has no case here.
    Address(Address),
    /// All of a domain.
    Domain(DomainPattern),
}

/// `example.org`, or `*.example.org`: every name below it, not itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DomainPattern {
    /// This one.
    Name(Domain),
    /// Those below it.
    Below(Domain),
}

impl DomainPattern {
    /// Whether it means this name (A-labels, any case).
    pub fn matches(&self, name: &str) -> bool {
        match self {
            DomainPattern::Name(domain) => domain.as_str().eq_ignore_ascii_case(name),
            DomainPattern::Below(domain) => {
                let domain = domain.as_str();
                name.len()
                    .checked_sub(domain.len() + 1)
                    .and_then(|at| name.as_bytes().get(at..))
                    .and_then(|end| end.split_first())
                    .is_some_and(|(dot, end)| {
                        *dot == b'.' && end.eq_ignore_ascii_case(domain.as_bytes())
                    })
            }
        }
    }
}

impl SenderPattern {
    /// Whether it means this address.
    pub fn matches(&self, sender: &Address) -> bool {
        match self {
            SenderPattern::Address(address) => {
                address.domain() == sender.domain()
                    && address.local().eq_ignore_ascii_case(sender.local())
            }
            SenderPattern::Domain(pattern) => pattern.matches(sender.domain().as_str()),
        }
    }
}

impl FromStr for DomainPattern {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<DomainPattern, AddressError> {
        match text.strip_prefix("*.") {
            Some(domain) => Domain::parse(domain).map(DomainPattern::Below),
            None => Domain::parse(text).map(DomainPattern::Name),
        }
    }
}

impl FromStr for SenderPattern {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<SenderPattern, AddressError> {
        match text.contains('@') {
            true => Address::parse(text).map(SenderPattern::Address),
            false => text.parse().map(SenderPattern::Domain),
        }
    }
}

/// What makes a sender doubtful before its content is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// The sender's domain does not exist.
    SenderDomainMissing,
    /// The sender's domain says that it takes no mail (RFC 7505).
    SenderNullMx,
    /// The sender's domain has neither a mail exchanger nor an address: nobody could answer.
    SenderWithoutAddress,
    /// The sender's domain has an address but no mail exchanger.
    SenderWithoutMx,
    /// The sender's domain is an address in brackets.
    SenderLiteral,
    /// The client greets with our name or our address.
    HeloOurs,
    /// The client greets with an address in brackets that is not its own.
    HeloWrongLiteral,
    /// The client greets with an address without brackets.
    HeloBareAddress,
    /// The client greets with a word that is no full name.
    HeloNoDot,
    /// The client greets with a name that has no address.
    HeloUnknown,
    /// The client's address has no name.
    PtrMissing,
    /// The client's address has names, but none leads back to it.
    PtrUnconfirmed,
    /// The client's name looks like one of many that were given out by number.
    PtrGeneric,
}

impl Mark {
    /// All of them, in the order of the documented configuration.
    pub const ALL: [Mark; 13] = [
        Mark::SenderDomainMissing,
        Mark::SenderNullMx,
        Mark::SenderWithoutAddress,
        Mark::SenderWithoutMx,
        Mark::SenderLiteral,
        Mark::HeloOurs,
        Mark::HeloWrongLiteral,
        Mark::HeloBareAddress,
        Mark::HeloNoDot,
        Mark::HeloUnknown,
        Mark::PtrMissing,
        Mark::PtrUnconfirmed,
        Mark::PtrGeneric,
    ];

    /// Its key in the section `[reject]` of the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Mark::SenderDomainMissing => "sender_domain_missing",
            Mark::SenderNullMx => "sender_null_mx",
            Mark::SenderWithoutAddress => "sender_without_address",
            Mark::SenderWithoutMx => "sender_without_mx",
            Mark::SenderLiteral => "sender_literal",
            Mark::HeloOurs => "helo_ours",
            Mark::HeloWrongLiteral => "helo_wrong_literal",
            Mark::HeloBareAddress => "helo_bare_address",
            Mark::HeloNoDot => "helo_no_dot",
            Mark::HeloUnknown => "helo_unknown",
            Mark::PtrMissing => "ptr_missing",
            Mark::PtrUnconfirmed => "ptr_unconfirmed",
            Mark::PtrGeneric => "ptr_generic",
        }
    }
}

/// Some of the marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks(u16);

impl Marks {
    /// None of them.
    pub const NONE: Marks = Marks(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, mark: Mark) -> Marks {
        Marks(self.0 | 1 << mark as u16)
    }

    /// These without one.
    #[must_use]
    pub const fn without(self, mark: Mark) -> Marks {
        Marks(self.0 & !(1 << mark as u16))
    }

    /// Whether it is one of them.
    pub const fn has(self, mark: Mark) -> bool {
        self.0 & 1 << mark as u16 != 0
    }
}

/// What is refused unless the configuration says otherwise: mail that nobody could answer, and nobody can have sent.
impl Default for Marks {
    fn default() -> Marks {
        Marks::NONE
            .with(Mark::SenderDomainMissing)
            .with(Mark::SenderNullMx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_say() {
        let matches = |pattern: &str, sender: &str| {
            let pattern: SenderPattern = pattern.parse().unwrap();
            pattern.matches(&Address::parse(sender).unwrap())
        };
        assert!(matches("Anna@Example.org", "anna@example.org"));
        assert!(!matches("anna@example.org", "anna@sub.example.org"));
        assert!(matches("b\u{fc}cher.test", "x@xn--bcher-kva.test"));
        assert!(!matches("example.org", "x@sub.example.org"));
        assert!(matches("*.example.org", "x@a.b.example.org"));
        for other in ["x@example.org", "x@badexample.org", "x@g"] {
            assert!(!matches("*.example.org", other), "{other}");
        }
        let below: DomainPattern = "*.Example.org".parse().unwrap();
        assert!(below.matches("MX.EXAMPLE.ORG") && !below.matches(".example.org.test"));
        for bad in ["", "*", "*.", "a b", "@a.test", "*.a@b.test@", "a*.test"] {
            assert!(bad.parse::<SenderPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn marks_are_a_set() {
        for mark in Mark::ALL {
            let others = |marks: Marks| Mark::ALL.into_iter().filter(|m| marks.has(*m)).count();
            let one = Marks::NONE.with(mark);
            assert!(one.has(mark) && others(one) == 1 && others(one.without(mark)) == 0);
            let keys = Mark::ALL.iter().filter(|other| other.key() == mark.key());
            assert_eq!(keys.count(), 1);
        }
    }
}
