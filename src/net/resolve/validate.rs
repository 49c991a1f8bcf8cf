//! Whether an answer can be believed (RFC 4035 section 5): hickory's validator over messages that we fetch for it.
//!
//! It is made anew for each question, with the question's account, so that nothing it keeps outlives the question
//! and everything it asks for is counted. What it leaves to its caller is decided here: that a denial comes from a
//! zone that holds the name, that a wildcard's answer has its denial, that opting out (RFC 5155 section 6) proves
//! nothing, and that a failure to fetch a key is no wrong signature.

use super::ask::Asker;
use super::work::{Stop, Work};
use super::{tidy, wildcard};
use crate::limits::{DNS_NSEC3_ITERATIONS_BROKEN, DNS_NSEC3_ITERATIONS_MAX};
use crate::wire::dns::{Security, TroubleKind};
use futures_util::stream::{self, BoxStream, StreamExt};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, NSEC3, RRSIG};
use hickory_resolver::proto::op::{
    DnsRequest, DnsRequestOptions, DnsResponse, Message, Query, ResponseCode,
};
use hickory_resolver::proto::rr::rdata::{NS, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::sync::{Arc, Mutex, PoisonError};

/// Fetches what the validator asks for, on one question's account.
#[derive(Clone)]
pub struct Fetch {
    pub(super) asker: Arc<Asker>,
    pub(super) work: Arc<Work>,
    /// The message that is being checked: not fetched again.
    checked: Arc<(Query, Message)>,
    seen: Arc<Mutex<Seen>>,
}

/// What the validator does not look at.
#[derive(Default)]
struct Seen {
    /// Whose keys, DS, or answer are signed by nothing better than SHA-1 (RFC 9905: as if they were not signed).
    weak: Vec<Name>,
    /// Names that a denial of an unsigned delegation leaps over, none of them may be a signed
    /// zone. The validator asks only whether the hash of the whole name is covered, and in a zone that opts out
    /// (RFC 5155 section 8.6) those of names inside of signed zones below it are covered as well.
    leapt: Vec<Name>,
}

impl DnsHandle for Fetch {
    type Response = BoxStream<'static, Result<DnsResponse, NetError>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let this = self.clone();
        let fetched = async move {
            let query = request.queries.first().cloned();
            let query = query.ok_or(NetError::Message("no question"))?;
            let message = this.fetch(&query).await;
            let message = message.map_err(|stop| NetError::Msg(stop.why))?;
            DnsResponse::from_message(message).map_err(NetError::from)
        };
        stream::once(fetched).boxed()
    }
}

impl Fetch {
    async fn fetch(&self, query: &Query) -> Result<Message, Stop> {
        self.work.check()?;
        let (checked, message) = &*self.checked;
        let message = match query == checked {
            true => message.clone(),
            false => self.asker.fetch(query, &self.work).await?,
        };
        self.work.hold(&message).await?;
        let mut signatures = message
            .answers
            .iter()
            .filter_map(tidy::signature)
            .peekable();
        // RSASHA1 and RSASHA1-NSEC3-SHA1, by number: the library warns of their names.
        let sha1 = |signature: &RRSIG| matches!(u8::from(signature.input().algorithm), 5 | 7);
        let chain = matches!(query.query_type, RecordType::DNSKEY | RecordType::DS);
        let mut seen = lock(&self.seen);
        if (chain || query == checked) && signatures.peek().is_some() && signatures.all(sha1) {
            seen.weak.push(query.name.clone());
        }
        if query.query_type == RecordType::DS {
            let opting_out = denials(&message).filter(|r| nsec3(r).is_some_and(NSEC3::opt_out));
            let leapt = opting_out.flat_map(|r| between(&r.name.base_name(), &query.name));
            seen.leap(leapt);
        }
        drop(seen);
        Ok(message)
    }
}

/// Checks a message that answers `query`. It comes back with a proof on each record.
pub async fn check(
    asker: &Arc<Asker>,
    work: &Arc<Work>,
    query: &Query,
    message: Message,
) -> Result<(Message, Security), Stop> {
    let before = work.held();
    let checked = check_held(asker, work, query, message).await;
    work.release_to(before);
    let (message, security, leapt) = checked?;
    if security == Security::Insecure && !leapt.is_empty() {
        // Rare, and not carried by every question.
        Box::pin(not_signed(asker, work, leapt)).await?;
    }
    Ok((message, security))
}

async fn check_held(
    asker: &Arc<Asker>,
    work: &Arc<Work>,
    query: &Query,
    message: Message,
) -> Result<(Message, Security, Vec<Name>), Stop> {
    let checked = Arc::new((query.clone(), message));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (asker, work) = (asker.clone(), work.clone());
    let fetch = Fetch {
        asker: asker.clone(),
        work: work.clone(),
        checked: checked.clone(),
        seen: seen.clone(),
    };
    work.take_stop();
    let validator = DnssecDnsHandle::with_trust_anchor(fetch, asker.anchors.clone())
        .nsec3_iteration_limits(
            Some(DNS_NSEC3_ITERATIONS_MAX),
            Some(DNS_NSEC3_ITERATIONS_BROKEN),
        )
        .validation_cache_size(64);
    let mut options = DnsRequestOptions::default();
    options.edns_set_dnssec_ok = true;
    let response = validator
        .lookup(query.clone(), options)
        .first_answer()
        .await;
    let judged = match response {
        Ok(response) => {
            let message = response.into_message();
            judge(&message, query).map(|security| (message, security))
        }
        Err(NetError::Dns(DnsError::Nsec {
            response, proof, ..
        })) => match proof {
            // So many iterations of NSEC3 that nobody hashes them.
            Proof::Insecure => {
                lock(&seen).leap(leapt_by(&response, query));
                Some((response.into_message(), Security::Insecure))
            }
            _ if wildcard::may_answer(&response, &query.name) => {
                Some((response.into_message(), Security::Secure))
            }
            _ => None,
        },
        Err(error) => {
            let stop = Stop::new(
                TroubleKind::ServerFailure,
                format!("it cannot be checked: {error}"),
            );
            return Err(work.take_stop().unwrap_or(stop));
        }
    };
    // What could not be fetched makes the validator doubt; that is no wrong signature.
    let bogus = || {
        Stop::new(
            TroubleKind::Bogus,
            why_bogus(&checked.1, query, asker.now_secs()),
        )
    };
    let (message, security) = judged.ok_or_else(|| work.take_stop().unwrap_or_else(bogus))?;
    let Seen { weak, leapt } = std::mem::take(&mut *lock(&seen));
    let security = match security {
        Security::Secure if is_weak(&message, &weak) => Security::Insecure,
        other => other,
    };
    Ok((message, security, leapt))
}

/// Whether what holds a message up rests on SHA-1: keys of other names that somebody made the validator look at (by one
/// more signature) do not count.
fn is_weak(message: &Message, weak: &[Name]) -> bool {
    let records = message.answers.iter().chain(&message.authorities);
    let mut signers = records
        .filter(|record| record.proof == Proof::Secure)
        .filter_map(|record| Some(&tidy::signature(record)?.input().signer_name));
    let own = message.queries.first().map(|query| &query.name);
    weak.iter().any(|name| Some(name) == own) || signers.any(|s| weak.iter().any(|w| w.zone_of(s)))
}

/// Refuses where one of the names is a signed zone: what was denied over its head is its own to deny. The first that
/// is proven to be outside of all signed zones answers for those below it.
pub(super) async fn not_signed(
    asker: &Arc<Asker>,
    work: &Arc<Work>,
    mut names: Vec<Name>,
) -> Result<(), Stop> {
    // From the longest, to be taken from the end. What a denial leaps over is shorter than what it denies: it ends.
    names.sort_by_key(|name| std::cmp::Reverse(name.num_labels()));
    while let Some(name) = names.pop() {
        let query = Query::query(name, RecordType::DS);
        let message = asker.fetch(&query, work).await?;
        let before = work.held();
        let checked = check_held(asker, work, &query, message).await;
        work.release_to(before);
        let (message, security, leapt) = checked?;
        if !message.answers.is_empty() {
            let why = format!(
                "{} is signed: that something below it is not is denied by a zone above it",
                query.name
            );
            return Err(Stop::new(TroubleKind::Bogus, why));
        }
        if security == Security::Insecure {
            names = leapt;
            names.sort_by_key(|name| std::cmp::Reverse(name.num_labels()));
        }
    }
    Ok(())
}

/// Names below `zone` and above `name`.
fn between(zone: &Name, name: &Name) -> Vec<Name> {
    let mut found = Vec::new();
    let mut above = name.base_name();
    while above != *zone && zone.zone_of(&above) && !above.is_root() {
        found.push(above.clone());
        above = above.base_name();
    }
    found
}

/// What a denial leaps over that nobody hashes: every name down to the one that was asked may be a zone.
fn leapt_by(message: &Message, query: &Query) -> Vec<Name> {
    let secure = denials(message).filter(|record| record.proof == Proof::Secure);
    let leap = |record: &Record| {
        let zone = record.name.base_name();
        let mut names = between(&zone, &query.name);
        if query.query_type != RecordType::DS && query.name != zone {
            names.push(query.name.clone());
        }
        names
    };
    secure.flat_map(leap).collect()
}

impl Seen {
    fn leap(&mut self, names: impl IntoIterator<Item = Name>) {
        for name in names {
            if !self.leapt.contains(&name) {
                self.leapt.push(name);
            }
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// None is bogus.
fn judge(message: &Message, query: &Query) -> Option<Security> {
    let proofs = |records: &[Record]| {
        records
            .iter()
            .filter(|r| tidy::signature(r).is_none())
            .map(|r| r.proof)
            .collect::<Vec<_>>()
    };
    let weakest = |proofs: &[Proof]| {
        let all = |wanted: &[Proof]| proofs.iter().all(|proof| wanted.contains(proof));
        match () {
            () if all(&[Proof::Secure]) => Some(Security::Secure),
            () if all(&[Proof::Secure, Proof::Insecure]) => Some(Security::Insecure),
            () => None,
        }
    };
    let answers = proofs(&message.answers);
    if !answers.is_empty() {
        let security = weakest(&answers)?;
        let denied = || denials(message).any(|record| record.proof == Proof::Secure);
        let unproven = security == Security::Secure
            && tidy::from_wildcard(message)
            && (!denied() || !one_branch(message));
        return (!unproven).then_some(security);
    }
    let authorities = proofs(&message.authorities);
    if authorities.is_empty() {
        // The validator lets an empty answer pass only where the zone is proven to be unsigned.
        return Some(Security::Insecure);
    }
    if denials(message).any(|record| record.proof == Proof::Secure) {
        // RFC 5155 section 9.2: where a zone opts out, unsigned delegations may stand between what is denied. That
        // a name exists without such records is proven all the same by the one that matches it.
        let opts_out = |record: &Record| nsec3(record).is_some_and(NSEC3::opt_out);
        let exists = message.metadata.response_code == ResponseCode::NoError
            && denials(message)
                // What nobody signed, nobody hashes: it may want 65,535 rounds.
                .any(|record| record.proof == Proof::Secure && matches(record, &query.name));
        let opted_out = !exists && denials(message).any(opts_out);
        return weakest(&authorities).map(|security| match opted_out {
            true => Security::Insecure,
            false => security,
        });
    }
    // Only an unsigned zone that holds the name can deny it without proof.
    let unsigned = message.authorities.iter().any(|record| {
        record.record_type() == RecordType::SOA
            && record.proof == Proof::Insecure
            && record.name.zone_of(&query.name)
    });
    (unsigned && weakest(&authorities).is_some()).then_some(Security::Insecure)
}

/// Whether all signatures of an answer speak of the same wildcard: one that nobody checks would choose the name whose
/// denial is looked for.
fn one_branch(message: &Message) -> bool {
    let signatures = message.answers.iter().filter_map(tidy::signature);
    let mut labels = signatures.map(|signature| signature.input().num_labels);
    let first = labels.next();
    labels.all(|other| Some(other) == first)
}

fn denials(message: &Message) -> impl Iterator<Item = &Record> {
    let is =
        |record: &&Record| matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3);
    message.authorities.iter().filter(is)
}

fn nsec3(record: &Record) -> Option<&NSEC3> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some(nsec3),
        _ => None,
    }
}

/// Whether an NSEC3 record stands at the hash of a name (RFC 5155 section 5).
fn matches(record: &Record, name: &Name) -> bool {
    let Some(nsec3) = nsec3(record) else {
        return false;
    };
    let hash = nsec3
        .hash_algorithm()
        .hash(nsec3.salt(), name, nsec3.iterations());
    let label = record.name.iter().next().unwrap_or_default();
    hash.is_ok_and(|hash| label.eq_ignore_ascii_case(&base32hex(hash.as_ref())))
}

/// RFC 4648 section 7, without padding.
fn base32hex(octets: &[u8]) -> Vec<u8> {
    let digit = |bits: u32| match bits & 31 {
        n @ 0..10 => b'0' + n as u8,
        n => b'a' + (n - 10) as u8,
    };
    let (mut text, mut bits, mut left) = (Vec::new(), 0_u32, 0);
    for octet in octets {
        bits = bits << 8 | u32::from(*octet);
        left += 8;
        while left >= 5 {
            left -= 5;
            text.push(digit(bits >> left));
        }
        bits &= (1 << left) - 1;
    }
    if left > 0 {
        text.push(digit(bits << (5 - left)));
    }
    text
}

/// An unsigned record of a zone: what the validator says of it is whether the zone must be signed.
pub fn probe(zone: &Name) -> (Query, Message) {
    let query = Query::query(zone.clone(), RecordType::SOA);
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 1, 1, 1, 1);
    let mut message = Message::query().into_response();
    message.queries.push(query.clone());
    message
        .answers
        .push(Record::from_rdata(zone.clone(), 1, RData::SOA(soa)));
    (query, message)
}

/// The answer to "is there a delegation here" from what recursion has learnt.
pub fn delegated(zone: &Name) -> Message {
    let mut message = Message::query().into_response();
    message
        .queries
        .push(Query::query(zone.clone(), RecordType::NS));
    let ns = RData::NS(NS(zone.clone()));
    message
        .authorities
        .push(Record::from_rdata(zone.clone(), 1, ns));
    message
}

/// For people: the most telling thing about signatures that did not hold.
fn why_bogus(message: &Message, query: &Query, now_secs: u64) -> String {
    let asked = format!("{} {}", query.name, query.query_type);
    let records = message.answers.iter().chain(&message.authorities);
    let mut signatures = records.filter_map(tidy::signature).peekable();
    if signatures.peek().is_none() {
        return format!("{asked}: the zone should be signed, but the answer is not");
    }
    // Serial numbers (RFC 4034 section 3.1.5): differences are signed.
    let until = |moment: u32| i64::from(moment.wrapping_sub(now_secs as u32) as i32);
    for signature in signatures {
        let input = signature.input();
        let zone = &input.signer_name;
        let (ended, begins) = (
            -until(input.sig_expiration.get()),
            until(input.sig_inception.get()),
        );
        if ended > 0 {
            return format!(
                "{asked}: a signature of {zone} expired {} ago",
                duration(ended)
            );
        }
        if begins > 0 {
            return format!(
                "{asked}: a signature of {zone} is valid only in {}; is this machine's clock right?",
                duration(begins)
            );
        }
    }
    format!("{asked}: a signature is wrong, or its key is not vouched for by the zone above")
}

fn duration(secs: i64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests;
