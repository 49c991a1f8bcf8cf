//! iprev: does the client's address have a name that leads back to it (RFC 8601 section 3)?

use super::{Dns, Outcome};
use crate::limits::PTR_NAMES_MAX;
use crate::wire::dns::{self, Kind, Name, Question, Record, Trouble};
use std::net::IpAddr;

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Pass: a name leads back. Fail: names, but none leads back. PermError: no name. TempError: the DNS could not say.
    pub outcome: Outcome,
    /// The name that leads back, or the first that does not.
    pub name: Option<Name>,
}

/// Asks for the names of the address, then for the addresses of each name (of the client's family alone) until one
/// leads back: at most 1 + `PTR_NAMES_MAX` questions.
pub async fn check<D: Dns>(dns: &D, client: IpAddr) -> Checked {
    let outcome = |outcome, name| Checked { outcome, name };
    let names = match names(dns, client).await {
        Ok(names) => names,
        Err(_) => return outcome(Outcome::TempError, None),
    };
    let mut troubled = false;
    for name in names.names() {
        match leads_back(dns, name, client).await {
            Ok(true) => return outcome(Outcome::Pass, Some(name.clone())),
            Ok(false) => {}
            Err(_) => troubled = true,
        }
    }
    match names.names().next().cloned() {
        None => outcome(Outcome::PermError, None),
        first if troubled => outcome(Outcome::TempError, first),
        first => outcome(Outcome::Fail, first),
    }
}

/// What the reverse zone of an address says.
#[derive(Debug)]
pub(super) struct Names(dns::Answer);

impl Names {
    /// The first `PTR_NAMES_MAX` of them; whoever owns the address can publish any number.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        let names = self.0.records().iter().filter_map(|record| match record {
            Record::Ptr(name) => Some(name),
            _ => None,
        });
        names.take(PTR_NAMES_MAX)
    }
}

/// The names of an address, none of them believed yet.
pub(super) async fn names<D: Dns>(dns: &D, client: IpAddr) -> Result<Names, Trouble> {
    let question = Question::new(Name::reverse(client), Kind::Ptr);
    let answer = dns.ask(question).await;
    match answer.outcome {
        dns::Outcome::Trouble(trouble) => Err(trouble),
        _ => Ok(Names(answer)),
    }
}

/// Whether the name has this address.
pub(super) async fn leads_back<D: Dns>(
    dns: &D,
    name: &Name,
    client: IpAddr,
) -> Result<bool, Trouble> {
    let answer = dns.ask(addresses(name.clone(), client)).await;
    match &answer.outcome {
        dns::Outcome::Trouble(trouble) => Err(trouble.clone()),
        _ => Ok(answer
            .records()
            .iter()
            .any(|record| address(record) == Some(client.to_canonical()))),
    }
}

/// The question for the addresses of a name, of the client's family.
pub(super) fn addresses(name: Name, client: IpAddr) -> Question {
    let kind = match client.to_canonical() {
        IpAddr::V4(_) => Kind::A,
        IpAddr::V6(_) => Kind::Aaaa,
    };
    Question::new(name, kind)
}

/// The address in a record.
pub(super) fn address(record: &Record) -> Option<IpAddr> {
    match record {
        Record::A(address) => Some(IpAddr::V4(*address)),
        Record::Aaaa(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::{Canned, ready};
    use super::*;
    use crate::wire::dns::{Answer, TroubleKind};

    const REVERSE: &str = "1.2.0.192.in-addr.arpa";

    fn ptr(names: &[&str]) -> Answer {
        let name = |text: &&str| Record::Ptr(Name::parse(text).unwrap());
        Answer::insecure(names.iter().map(name).collect())
    }

    fn a(text: &str) -> Answer {
        Answer::insecure(vec![Record::A(text.parse().unwrap())])
    }

    fn checked(dns: &Canned) -> (&'static str, Option<String>) {
        let checked = ready(check(dns, "192.0.2.1".parse().unwrap()));
        (
            checked.outcome.as_str(),
            checked.name.map(|name| name.to_string()),
        )
    }

    #[test]
    fn a_name_has_to_lead_back() {
        let both = Canned::default().with(REVERSE, Kind::Ptr, ptr(&["liar.test", "mx.test"]));
        let dns = both.clone().with("mx.test", Kind::A, a("192.0.2.1"));
        assert_eq!(checked(&dns), ("pass", Some("mx.test".into())));
        let dns = both.clone().with("mx.test", Kind::A, a("192.0.2.2"));
        assert_eq!(checked(&dns), ("fail", Some("liar.test".into())));
        assert_eq!(checked(&Canned::default()), ("permerror", None));
        let trouble = || Answer::trouble(TroubleKind::Timeout, "late");
        let dns = both.clone().with("mx.test", Kind::A, trouble());
        assert_eq!(checked(&dns), ("temperror", Some("liar.test".into())));
        let dns = Canned::default().with(REVERSE, Kind::Ptr, trouble());
        assert_eq!(checked(&dns), ("temperror", None));
    }

    #[test]
    fn ipv6_asks_for_ipv6() {
        let client = "2001:db8::1".parse().unwrap();
        let reverse = Name::reverse(client);
        let dns = Canned::default()
            .with(reverse.as_str(), Kind::Ptr, ptr(&["mx.test"]))
            .with("mx.test", Kind::A, a("192.0.2.1"));
        assert_eq!(ready(check(&dns, client)).outcome, Outcome::Fail);
        let asked = dns.asked().into_iter().map(|question| question.kind);
        assert_eq!(asked.collect::<Vec<_>>(), [Kind::Ptr, Kind::Aaaa]);
    }

    #[test]
    fn names_are_bounded() {
        for (n, outcome) in [
            (PTR_NAMES_MAX - 1, "pass"),
            (PTR_NAMES_MAX, "pass"),
            (PTR_NAMES_MAX + 1, "fail"),
        ] {
            let mut names = vec!["liar.test"; n - 1];
            names.push("mx.test");
            let dns = Canned::default()
                .with(REVERSE, Kind::Ptr, ptr(&names))
                .with("mx.test", Kind::A, a("192.0.2.1"));
            assert_eq!(checked(&dns).0, outcome, "{n}");
            assert!(dns.asked().len() <= 1 + PTR_NAMES_MAX);
        }
    }
}
