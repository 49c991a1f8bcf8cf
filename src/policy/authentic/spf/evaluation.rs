//! `check_host()`: a domain's record, its directives one by one, and what they ask the DNS, within the limits of
//! RFC 7208 section 4.6.4.

use super::super::{Dns, Outcome, iprev};
use super::{Checked, Identity};
use crate::limits::{
    SPF_LOOKUPS_MAX, SPF_MX_NAMES_MAX, SPF_RECORD_BYTES_MAX, SPF_VOID_LOOKUPS_MAX,
};
use crate::wire::dns::{self, Answer, Kind, Name, Question, Record as DnsRecord, Trouble};
use crate::wire::network::Network;
use crate::wire::spf::macros::{DomainSpec, Explanation, Room, Values};
use crate::wire::spf::{self, Directive, Mechanism, Prefixes, Qualifier, Record};
use std::net::IpAddr;

/// Evaluates the record of `domain`.
pub(super) async fn run<D: Dns>(dns: &D, identity: &Identity<'_>, domain: Name) -> Checked {
    let mut evaluation = Evaluation {
        dns,
        identity,
        client: identity.client.to_canonical(),
        lookups: 0,
        voids: 0,
        held_bytes: 0,
        names: None,
        room: Room::default(),
    };
    let (outcome, reason, explanation) = match evaluation.decide(domain, Place::Top).await {
        Ok(found) => (found.outcome, found.by, found.explanation),
        Err(Stop::Temporary(why)) => (Outcome::TempError, why, None),
        Err(Stop::Permanent(why)) => (Outcome::PermError, why, None),
    };
    Checked {
        outcome,
        domain: identity.domain.to_string(),
        reason,
        explanation,
    }
}

/// Why evaluation ends at once, in words: printable ASCII.
enum Stop {
    /// The DNS could not say.
    Temporary(String),
    /// A record is broken or asks for too much.
    Permanent(String),
}

/// Whose record it is that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The sender's, or the one that it redirects to.
    Top,
    /// One that is included: its explanation is not asked for (section 5.2).
    Included,
}

/// What a record says.
struct Found {
    /// None, Pass, Fail, SoftFail or Neutral.
    outcome: Outcome,
    /// The directive that matched.
    by: String,
    explanation: Option<String>,
}

/// What comes of one record.
enum Step {
    Decided(Found),
    Redirect(Name),
}

struct Evaluation<'a, D> {
    dns: &'a D,
    identity: &'a Identity<'a>,
    /// IPv4 or IPv6, never mapped.
    client: IpAddr,
    /// Terms so far that ask the DNS.
    lookups: u32,
    /// Of these, those that were told that there is nothing.
    voids: u32,
    /// Octets of the records that are being evaluated, each within the one before.
    held_bytes: usize,
    /// The client's names, once they were asked for, and whether each leads back, once it was looked at.
    names: Option<Vec<(Name, Option<bool>)>>,
    room: Room,
}

impl<D: Dns> Evaluation<'_, D> {
    /// A record with all those that it redirects to.
    async fn decide(&mut self, mut domain: Name, place: Place) -> Result<Found, Stop> {
        let mut redirected = false;
        loop {
            let Some(octets) = self.published(&domain).await? else {
                // Section 6.1: a redirection to nowhere is broken.
                return match redirected {
                    true => Err(Stop::Permanent(format!("{domain} has no SPF record"))),
                    false => Ok(Found::new(Outcome::None, "")),
                };
            };
            self.held_bytes += octets.len();
            if self.held_bytes > SPF_RECORD_BYTES_MAX {
                let why = format!("the SPF record of {domain} is too long with those around it");
                return Err(Stop::Permanent(why));
            }
            let step = self.evaluate(&octets, &domain, place).await?;
            self.held_bytes -= octets.len();
            match step {
                Step::Decided(found) => return Ok(found),
                Step::Redirect(to) => domain = to,
            }
            redirected = true;
        }
    }

    /// A domain's record, without the answer around it: records wait while those that they include are looked at.
    async fn published(&mut self, domain: &Name) -> Result<Option<Box<[u8]>>, Stop> {
        let answer = self.ask(Question::new(domain.clone(), Kind::Txt)).await?;
        Ok(only_record(&answer, domain)?.map(Box::from))
    }

    /// One record.
    async fn evaluate(&mut self, octets: &[u8], domain: &Name, place: Place) -> Result<Step, Stop> {
        let record = Record::parse(octets).map_err(|error| broken(domain, &error))?;
        for directive in record.directives() {
            if self.matches(&directive, domain).await? {
                let found = self.found(&directive, &record, domain, place).await;
                return Ok(Step::Decided(found));
            }
        }
        let Some(to) = record.redirect else {
            return Ok(Step::Decided(Found::new(Outcome::Neutral, "default")));
        };
        self.count_lookup()?;
        let target = self.target(&to, domain).await?;
        let target = target.ok_or_else(|| Stop::Permanent("redirect= names no domain".into()))?;
        Ok(Step::Redirect(target))
    }

    /// What a match means; of a fail, its explanation too.
    async fn found(
        &mut self,
        directive: &Directive<'_>,
        record: &Record<'_>,
        domain: &Name,
        place: Place,
    ) -> Found {
        let outcome = match directive.qualifier {
            Qualifier::Pass => Outcome::Pass,
            Qualifier::Fail => Outcome::Fail,
            Qualifier::SoftFail => Outcome::SoftFail,
            Qualifier::Neutral => Outcome::Neutral,
        };
        let mut found = Found::new(outcome, directive.text);
        if let (Outcome::Fail, Place::Top, Some(at)) = (outcome, place, &record.explanation) {
            found.explanation = self.explain(at, domain).await;
        }
        found
    }

    /// Section 5.
    async fn matches(&mut self, directive: &Directive<'_>, domain: &Name) -> Result<bool, Stop> {
        match &directive.mechanism {
            Mechanism::All => return Ok(true),
            Mechanism::Ip(network) => {
                return Ok(network.holds(self.client));
            }
            _ => self.count_lookup()?,
        }
        match &directive.mechanism {
            Mechanism::All | Mechanism::Ip(_) => Ok(false),
            Mechanism::Include(target) => self.included(target, domain).await,
            Mechanism::A(target, prefixes) => {
                let Some(name) = self.optional(target, domain).await? else {
                    return Ok(false);
                };
                let answer = self.ask(iprev::addresses(name, self.client)).await?;
                self.count_void(&answer)?;
                Ok(self.holds(&answer, *prefixes))
            }
            Mechanism::Mx(target, prefixes) => {
                let Some(name) = self.optional(target, domain).await? else {
                    return Ok(false);
                };
                self.mail_exchangers(name, *prefixes).await
            }
            Mechanism::Ptr(target) => {
                let Some(name) = self.optional(target, domain).await? else {
                    return Ok(false);
                };
                self.pointed(&name).await
            }
            Mechanism::Exists(target) => {
                let Some(name) = self.target(target, domain).await? else {
                    return Ok(false);
                };
                // Section 5.7: always IPv4.
                let answer = self.ask(Question::new(name, Kind::A)).await?;
                self.count_void(&answer)?;
                Ok(!answer.records().is_empty())
            }
        }
    }

    /// Section 5.2.
    async fn included(&mut self, target: &DomainSpec<'_>, domain: &Name) -> Result<bool, Stop> {
        let name = self.target(target, domain).await?;
        let name = name.ok_or_else(|| Stop::Permanent("include: names no domain".into()))?;
        // A record within a record, at most SPF_LOOKUPS_MAX deep.
        let found = Box::pin(self.decide(name.clone(), Place::Included)).await?;
        match found.outcome {
            Outcome::Pass => Ok(true),
            Outcome::None => Err(Stop::Permanent(format!("{name} has no SPF record"))),
            _ => Ok(false),
        }
    }

    /// Section 5.4. More mail exchangers than are looked at are an error, whichever of them would match: the answer
    /// does not hang on their order.
    async fn mail_exchangers(&mut self, name: Name, prefixes: Prefixes) -> Result<bool, Stop> {
        let answer = self.ask(Question::new(name.clone(), Kind::Mx)).await?;
        if answer.records().len() > SPF_MX_NAMES_MAX {
            let why = format!("{name} has more than {SPF_MX_NAMES_MAX} mail exchangers");
            return Err(Stop::Permanent(why));
        }
        let mut empty = true;
        for record in answer.records() {
            let DnsRecord::Mx { exchange, .. } = record else {
                continue;
            };
            let Some(exchange) = exchange else { continue };
            let addresses = iprev::addresses(exchange.clone(), self.client);
            let addresses = self.ask(addresses).await?;
            empty &= addresses.records().is_empty();
            if self.holds(&addresses, prefixes) {
                return Ok(true);
            }
        }
        match empty {
            true => self.count_one_void().map(|()| false),
            false => Ok(false),
        }
    }

    /// Section 5.5: trouble with the client's names is no match, and one that cannot be looked up is passed over.
    async fn pointed(&mut self, target: &Name) -> Result<bool, Stop> {
        let names = self.names().await;
        if names.is_empty() {
            self.count_one_void()?;
        }
        Ok(self.validated(|name| name.is_under(target)).await.is_some())
    }

    /// The client's names, asked for once.
    async fn names(&mut self) -> &mut Vec<(Name, Option<bool>)> {
        if self.names.is_none() {
            let names = match iprev::names(self.dns, self.client).await {
                Ok(names) => names.names().map(|name| (name.clone(), None)).collect(),
                Err(_) => Vec::new(),
            };
            self.names = Some(names);
        }
        self.names.get_or_insert_default()
    }

    /// The first of the client's names that is wanted and leads back.
    async fn validated(&mut self, wanted: impl Fn(&Name) -> bool) -> Option<Name> {
        let (dns, client) = (self.dns, self.client);
        for (name, leads_back) in self.names().await {
            if !wanted(name) {
                continue;
            }
            let leads_back = match leads_back {
                Some(known) => *known,
                None => {
                    let found = iprev::leads_back(dns, name, client).await;
                    *leads_back.insert(found.unwrap_or(false))
                }
            };
            if leads_back {
                return Some(name.clone());
            }
        }
        None
    }

    /// `%{p}` (section 7.3): the domain itself, else a name below it, else any.
    async fn validated_name(&mut self, domain: &Name) -> Option<Name> {
        if let Some(name) = self.validated(|name| name == domain).await {
            return Some(name);
        }
        if let Some(name) = self.validated(|name| name.is_under(domain)).await {
            return Some(name);
        }
        self.validated(|_| true).await
    }

    /// The target of a mechanism that may leave it out.
    async fn optional(
        &mut self,
        target: &Option<DomainSpec<'_>>,
        domain: &Name,
    ) -> Result<Option<Name>, Stop> {
        match target {
            Some(target) => self.target(target, domain).await,
            None => Ok(Some(domain.clone())),
        }
    }

    /// The domain that a term means; None where its macros make no name that can be asked, which is like one that does
    /// not exist (section 4.8).
    async fn target(
        &mut self,
        target: &DomainSpec<'_>,
        domain: &Name,
    ) -> Result<Option<Name>, Stop> {
        let mut validated = None;
        if target.needs_validated() {
            // Section 4.6.4: asking for the client's names is one of the counted lookups, for macros too.
            if self.names.is_none() {
                self.count_lookup()?;
            }
            validated = self.validated_name(domain).await;
        }
        let values = values(self.identity, self.client, domain, validated.as_ref());
        Ok(target.expand(&values, &mut self.room))
    }

    /// Section 6.2: whatever goes wrong, there is no explanation. Nothing of it is counted.
    async fn explain(&mut self, at: &DomainSpec<'_>, domain: &Name) -> Option<String> {
        let mut validated = None;
        if at.needs_validated() {
            validated = self.validated_name(domain).await;
        }
        let here = values(self.identity, self.client, domain, validated.as_ref());
        let name = at.expand(&here, &mut self.room)?;
        let answer = self.dns.ask(Question::new(name, Kind::Txt)).await;
        let [DnsRecord::Txt(octets)] = answer.records() else {
            return None;
        };
        let explanation = Explanation::parse(octets)?;
        if explanation.needs_validated() && validated.is_none() {
            validated = self.validated_name(domain).await;
        }
        let here = values(self.identity, self.client, domain, validated.as_ref());
        Some(explanation.expand(&here, &mut self.room))
    }

    async fn ask(&self, question: Question) -> Result<Answer, Stop> {
        let (name, kind) = (question.name.clone(), question.kind);
        let answer = self.dns.ask(question).await;
        match &answer.outcome {
            dns::Outcome::Trouble(Trouble { why, .. }) => Err(Stop::Temporary(printable(
                &format!("no answer to {name} {kind:?}: {why}"),
            ))),
            _ => Ok(answer),
        }
    }

    fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        match self.lookups > SPF_LOOKUPS_MAX {
            true => Err(Stop::Permanent(format!(
                "more than {SPF_LOOKUPS_MAX} terms ask the DNS"
            ))),
            false => Ok(()),
        }
    }

    /// Section 4.6.4 counts terms that were told that there is nothing: one of a term, however much it asks.
    fn count_void(&mut self, answer: &Answer) -> Result<(), Stop> {
        match answer.records().is_empty() {
            true => self.count_one_void(),
            false => Ok(()),
        }
    }

    fn count_one_void(&mut self) -> Result<(), Stop> {
        self.voids += 1;
        match self.voids > SPF_VOID_LOOKUPS_MAX {
            true => Err(Stop::Permanent(format!(
                "more than {SPF_VOID_LOOKUPS_MAX} terms ask for what does not exist"
            ))),
            false => Ok(()),
        }
    }

    /// Whether one of the addresses has the client's leading bits.
    fn holds(&self, answer: &Answer, prefixes: Prefixes) -> bool {
        let prefix = match self.client {
            IpAddr::V4(_) => prefixes.v4,
            IpAddr::V6(_) => prefixes.v6,
        };
        let mut addresses = answer.records().iter().filter_map(iprev::address);
        addresses.any(|address| Network { address, prefix }.holds(self.client))
    }
}

impl Found {
    fn new(outcome: Outcome, by: &str) -> Found {
        Found {
            outcome,
            by: by.to_string(),
            explanation: None,
        }
    }
}

/// The one SPF record among the TXT records (section 4.5); two are an error.
fn only_record<'a>(answer: &'a Answer, domain: &Name) -> Result<Option<&'a [u8]>, Stop> {
    let texts = answer.records().iter().filter_map(|record| match record {
        DnsRecord::Txt(octets) => Some(&**octets),
        _ => None,
    });
    let mut records = texts.filter(|octets| spf::is_record(octets));
    match (records.next(), records.next()) {
        (Some(_), Some(_)) => Err(Stop::Permanent(format!(
            "{domain} has more than one SPF record"
        ))),
        (first, _) => Ok(first),
    }
}

fn broken(domain: &Name, error: &spf::SyntaxError) -> Stop {
    let spf::SyntaxError { why, term } = error;
    Stop::Permanent(match term.is_empty() {
        true => format!("the SPF record of {domain} is broken: {why}"),
        false => format!("the SPF record of {domain} is broken at {term}: {why}"),
    })
}

fn values<'v>(
    identity: &Identity<'v>,
    client: IpAddr,
    domain: &'v Name,
    validated: Option<&'v Name>,
) -> Values<'v> {
    Values {
        local: match identity.local {
            "" => "postmaster",
            local => local,
        },
        origin: identity.domain,
        domain: domain.as_str(),
        client,
        validated: validated.map_or("unknown", Name::as_str),
        helo: identity.helo,
        receiver: identity.hostname,
        now_seconds: identity.now_seconds.unwrap_or(0),
    }
}

/// Words of the DNS are a stranger's.
fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| match c {
        ' '..='~' => c,
        _ => '?',
    });
    shown.collect()
}
