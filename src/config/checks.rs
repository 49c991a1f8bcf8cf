//! `[checks]`: what the checks of mail from elsewhere may do beyond their defaults.

use crate::wire::address::Domain;

/// `[checks]`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checks {
    /// Authors' domains, with what is below them, whose `p=reject` refuses mail that fails it, lists or not.
    pub strict_domains: Vec<Domain>,
}

impl Checks {
    /// Whether an author's domain (lower case A-labels) is one of `strict_domains`, or below one.
    pub fn is_strict(&self, author: &str) -> bool {
        self.strict_domains.iter().any(|domain| {
            author
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}
