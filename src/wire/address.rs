//! Mail addresses and domains (RFC 5321 section 4.1.2, RFC 6531, IDNA by UTS 46).
//!
//! Parsed once; a value cannot be wrong. Domains are kept as lower-case A-labels, so that both forms of an IDN are
//! equal; local parts are kept as written.

use std::fmt;

/// A domain name as lower-case A-labels, or an address literal in brackets. At most `DOMAIN_BYTES_MAX` octets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Domain(Box<str>);

/// `local@domain`; the local part without quotes, case kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

/// Why a text is no address; the text says what and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressError(pub String);

impl Domain {
    /// Parses either form of a domain name.
    pub fn parse(_text: &str) -> Result<Domain, AddressError> {
        todo!()
    }
    /// The A-label form, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Parses `local@domain` (a quoted local part too), without angle brackets.
    pub fn parse(_text: &str) -> Result<Address, AddressError> {
        todo!()
    }
    /// An address from its checked halves.
    pub fn new(_local: &str, _domain: Domain) -> Result<Address, AddressError> {
        todo!()
    }
    /// The local part without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }
    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it stands in a path: the local part is quoted where it must be.
impl fmt::Display for Address {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
