//! SPF (RFC 7208): may this client send for that domain?
//!
//! [`check_helo`] and [`check_mail_from`] ask about the two identities of a dialogue, [`check_both`] about both
//! without asking twice what is the same. [`check`] is `check_host()` of section 4; what happens in it is in
//! [`evaluation`].

mod evaluation;

use super::{Asked, Dns, Outcome};
use crate::wire::address::Domain;
use crate::wire::dns::Name;
use std::borrow::Cow;
use std::net::IpAddr;

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// RFC 7208 section 2.6.
    pub outcome: Outcome,
    /// The domain that was asked; empty where there was none.
    pub domain: String,
    /// What decided, as it was published ("include:_spf.example.org", "default" when no mechanism matched), or what is
    /// wrong: printable ASCII.
    pub reason: String,
    /// What the domain says about a fail (`exp=`): printable ASCII of at most `SPF_EXPLANATION_BYTES_MAX` octets. It
    /// is a stranger's text and has to be shown as such.
    pub explanation: Option<String>,
}

impl Checked {
    /// Nothing was asked.
    pub fn none(domain: &str) -> Checked {
        Checked {
            outcome: Outcome::None,
            domain: domain.into(),
            reason: String::new(),
            explanation: None,
        }
    }
}

/// One identity, as `check_host()` takes it.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Who sends; an IPv4-mapped address is IPv4.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: &'a str,
    /// The sender's local part without quotes; empty is `postmaster` (section 4.3).
    pub local: &'a str,
    /// The sender's domain, A-labels.
    pub domain: &'a str,
    /// Our name, for `%{r}`.
    pub hostname: &'a str,
    /// Seconds since 1970, for `%{t}`.
    pub now_seconds: Option<i64>,
}

/// The greeting's domain (section 2.3).
pub async fn check_helo<D: Dns>(dns: &D, asked: &Asked<'_>) -> Checked {
    let helo = a_labels(asked.helo);
    check(dns, &identity(asked, &helo, "", &helo)).await
}

/// The reverse-path's domain; of the null path, `postmaster` at the greeting (section 2.4).
pub async fn check_mail_from<D: Dns>(dns: &D, asked: &Asked<'_>) -> Checked {
    let helo = a_labels(asked.helo);
    let identity = match asked.sender {
        Some(sender) => identity(asked, &helo, sender.local(), sender.domain().as_str()),
        None => identity(asked, &helo, "", &helo),
    };
    check(dns, &identity).await
}

/// The greeting and the reverse-path. The null path's identity is the greeting's: it is asked once.
///
/// The reverse-path comes first: DMARC hangs on it, and a greeting with a slow name server, which a forger chooses
/// freely, must not use up the message's time before the author's domain was asked.
pub async fn check_both<D: Dns>(dns: &D, asked: &Asked<'_>) -> (Checked, Checked) {
    let mail_from = check_mail_from(dns, asked).await;
    match asked.sender {
        Some(_) => (check_helo(dns, asked).await, mail_from),
        None => (mail_from.clone(), mail_from),
    }
}

fn identity<'a>(asked: &Asked<'a>, helo: &'a str, local: &'a str, domain: &'a str) -> Identity<'a> {
    Identity {
        client: asked.client,
        helo,
        local,
        domain,
        hostname: asked.hostname,
        now_seconds: asked.now_seconds,
    }
}

/// A greeting with U-labels is understood (RFC 8616 section 4); anything else stays as it is.
fn a_labels(helo: &str) -> Cow<'_, str> {
    match helo.is_ascii() {
        true => Cow::Borrowed(helo),
        false => Domain::parse(helo).map_or(Cow::Borrowed(helo), |domain| {
            Cow::Owned(domain.as_str().to_string())
        }),
    }
}

/// `check_host()`. A domain that cannot be asked (an address literal, one label alone, no name at all) has no policy
/// (section 4.3).
pub async fn check<D: Dns>(dns: &D, identity: &Identity<'_>) -> Checked {
    let name = Name::parse(identity.domain)
        .filter(|name| name.labels().nth(1).is_some() && !name.as_str().starts_with('['));
    match name {
        Some(name) => evaluation::run(dns, identity, name).await,
        None => Checked::none(identity.domain),
    }
}

#[cfg(test)]
mod tests;
