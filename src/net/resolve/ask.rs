//! One question from its first query to its answer: alias by alias, each fetched and checked.

use super::cache::Cache;
use super::forward::Forwarding;
use super::iterate::{Iteration, Zone, name_bytes};
use super::records::{self, Found};
use super::state::Watch;
use super::validate;
use super::work::{Counts, Stop, Work};
use super::{ClockIsSane, Wisdom, tidy};
use crate::limits::{
    DNS_ALIASES_MAX, DNS_DELEGATION_TTL_SECS_MAX, DNS_KEYS_BYTES_MAX, DNS_TTL_SECS_MIN,
};
use crate::wire::dns::{Answer, Kind, Outcome, Question, Security, TroubleKind};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whom to ask.
pub enum Way {
    /// The root, and down.
    Iterate(Box<Iteration>),
    /// Given servers.
    Forward(Forwarding),
}

/// Answers questions; what it learns on the way it keeps within its bounds.
pub struct Asker {
    pub(super) way: Way,
    pub(super) anchors: Arc<TrustAnchors>,
    pub(super) counts: Arc<Counts>,
    pub(super) watch: Watch,
    pub(super) clock_is_sane: ClockIsSane,
    keys: Mutex<Keys>,
}

/// Messages with keys, as they came.
type Keys = Cache<(Name, RecordType), Arc<[u8]>>;

/// Whether signatures are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checking {
    /// As always.
    On,
    /// The clock is not set, or the name is a time server's.
    Off,
}

impl Asker {
    /// Asks nobody yet.
    pub fn new(
        way: Way,
        anchors: TrustAnchors,
        counts: Arc<Counts>,
        clock_is_sane: ClockIsSane,
    ) -> Asker {
        Asker {
            way,
            anchors: Arc::new(anchors),
            counts,
            clock_is_sane,
            watch: Watch::default(),
            keys: Mutex::new(Cache::new(DNS_KEYS_BYTES_MAX)),
        }
    }

    /// The answer, with the time for which it is good.
    pub async fn ask(self: &Arc<Self>, question: &Question, checking: Checking) -> Answer {
        let work = Arc::new(Work::new(self.counts.clone()));
        match self.follow(question, checking, &work).await {
            Ok(answer) => answer,
            Err(stop) => self.failed(question, stop).into(),
        }
    }

    /// Follows aliases to the end.
    async fn follow(
        self: &Arc<Self>,
        question: &Question,
        checking: Checking,
        work: &Arc<Work>,
    ) -> Result<Answer, Stop> {
        let kind = records::kind(question.kind);
        let unwritable = || Stop::new(TroubleKind::ServerFailure, "the name cannot be asked");
        let mut name = records::from_text(&question.name).ok_or_else(unwritable)?;
        let (mut security, mut ttl_secs) = (Security::Secure, u32::MAX);
        let mut passed = Vec::new();
        for _ in 0..=DNS_ALIASES_MAX {
            let query = Query::query(name.clone(), kind);
            let (found, link) = self.link(&query, checking, work).await?;
            security = weaker(security, link);
            let (outcome, secs) = match found {
                Found::Alias(target, secs) if question.kind != Kind::Cname => {
                    ttl_secs = ttl_secs.min(secs);
                    passed.push(std::mem::replace(&mut name, target));
                    if passed.contains(&name) {
                        let why = "its aliases (CNAME) lead in a circle";
                        return Err(Stop::new(TroubleKind::ServerFailure, why));
                    }
                    continue;
                }
                Found::Alias(_, secs) | Found::NoData(secs) => (Outcome::NoData, secs),
                Found::NoSuchName(secs) => (Outcome::NoSuchName, secs),
                Found::Records(records, secs) => (Outcome::Records(records.into()), secs),
            };
            let ttl_secs = ttl_secs.min(secs);
            return Ok(Answer {
                outcome,
                security,
                ttl_secs,
            });
        }
        let why = format!("more than {DNS_ALIASES_MAX} aliases (CNAME) lead from one to the next");
        Err(Stop::new(TroubleKind::TooMuchWork, why))
    }

    /// What there is under one name.
    pub(super) async fn link(
        self: &Arc<Self>,
        query: &Query,
        checking: Checking,
        work: &Arc<Work>,
    ) -> Result<(Found, Security), Stop> {
        let (message, zone) = self.raw(query, work).await?;
        work.hold(&message).await?;
        let dname = message
            .answers
            .iter()
            .find(|record| tidy::is_dname_above(record, query));
        if let Some(owner) = dname.map(|record| record.name.clone()) {
            return self
                .branch(
                    query,
                    Query::query(owner, RecordType::DNAME),
                    message,
                    (zone, checking),
                    work,
                )
                .await;
        }
        let (message, security) = self.check(query, message, zone, checking, work).await?;
        Ok((records::read(&message, query), security))
    }

    /// A DNAME (RFC 6672): the alias is ours to make, from the one record that is signed.
    async fn branch(
        self: &Arc<Self>,
        query: &Query,
        dname: Query,
        mut message: Message,
        (zone, checking): (Option<Arc<Zone>>, Checking),
        work: &Arc<Work>,
    ) -> Result<(Found, Security), Stop> {
        message.queries = vec![dname.clone()];
        let (message, security) = self.check(&dname, message, zone, checking, work).await?;
        let wrong = || {
            Stop::new(
                TroubleKind::ServerFailure,
                format!("the DNAME of {} leads nowhere", dname.name),
            )
        };
        let record = message
            .answers
            .iter()
            .find(|r| r.record_type() == RecordType::DNAME);
        let record = record.ok_or_else(wrong)?;
        let RData::Unknown { rdata, .. } = &record.data else {
            return Err(wrong());
        };
        let target = target_of(&rdata.anything).ok_or_else(wrong)?;
        let own = usize::from(query.name.num_labels() - dname.name.num_labels());
        let front = Name::from_labels(query.name.iter().take(own)).map_err(|_| wrong())?;
        let target = front.append_domain(&target).map_err(|_| wrong())?;
        Ok((
            Found::Alias(target.to_lowercase(), record.ttl.max(DNS_TTL_SECS_MIN)),
            security,
        ))
    }

    async fn check(
        self: &Arc<Self>,
        query: &Query,
        message: Message,
        zone: Option<Arc<Zone>>,
        checking: Checking,
        work: &Arc<Work>,
    ) -> Result<(Message, Security), Stop> {
        if checking == Checking::Off {
            return Ok((message, Security::Indeterminate));
        }
        let mut records = message.answers.iter().chain(&message.authorities);
        let signed = records.any(|record| tidy::signature(record).is_some());
        if let Some(zone) = zone.filter(|_| !signed)
            && self.is_insecure(&zone, work).await?
        {
            return Ok((message, Security::Insecure));
        }
        validate::check(self, work, query, message).await
    }

    /// Whether it is proven that a zone is not signed. Most are not: this saves them the search for a cut between
    /// the zone and the name.
    pub(super) async fn is_insecure(
        self: &Arc<Self>,
        zone: &Zone,
        work: &Arc<Work>,
    ) -> Result<bool, Stop> {
        if zone.name.is_root() || zone.insecure.load(Relaxed) {
            return Ok(!zone.name.is_root());
        }
        let (query, message) = validate::probe(&zone.name);
        match validate::check(self, work, &query, message).await {
            Ok((_, Security::Insecure)) => {
                zone.insecure.store(true, Relaxed);
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(stop) if stop.kind == TroubleKind::Bogus => Ok(false),
            Err(stop) => Err(stop),
        }
    }

    async fn raw(&self, query: &Query, work: &Work) -> Result<(Message, Option<Arc<Zone>>), Stop> {
        match &self.way {
            Way::Iterate(iteration) => {
                let keep_ds = |child: &Name, message: &Message| {
                    if let Some(message) = tidy::delegation(message, child) {
                        self.keep_keys(child, RecordType::DS, &message);
                    }
                };
                let reply = iteration.ask(query, work, &keep_ds).await?;
                Ok((reply.message, Some(reply.zone)))
            }
            Way::Forward(forwarding) => Ok((forwarding.ask(query, work).await?, None)),
        }
    }

    /// What the validator wants beside the message that it checks.
    pub(super) async fn fetch(&self, query: &Query, work: &Work) -> Result<Message, Stop> {
        if let (RecordType::NS, Way::Iterate(iteration)) = (query.query_type, &self.way)
            && iteration.known(&query.name).is_some()
        {
            return Ok(validate::delegated(&query.name));
        }
        let kept = matches!(query.query_type, RecordType::DNSKEY | RecordType::DS);
        let key = (query.name.to_lowercase(), query.query_type);
        let known = kept.then(|| self.keys().find(&key)).flatten();
        let decoded = known.and_then(|(octets, _)| super::exchange::decode(&octets).ok());
        if let Some(message) = decoded {
            return Ok(message);
        }
        let (message, zone) = self.raw(query, work).await?;
        if kept {
            self.keep_keys(&query.name, query.query_type, &message);
        }
        match zone {
            // The referral that answers a question for NS is the proof of the cut.
            Some(zone) if query.query_type == RecordType::NS && zone.name == query.name => {
                Ok(validate::delegated(&query.name))
            }
            _ => Ok(message),
        }
    }

    fn keep_keys(&self, name: &Name, kind: RecordType, message: &Message) {
        let records = message.answers.iter().chain(&message.authorities);
        let secs = records.map(|record| record.ttl).min().unwrap_or(0);
        let secs = secs.clamp(DNS_TTL_SECS_MIN, DNS_DELEGATION_TTL_SECS_MAX);
        let Ok(octets) = message.to_vec() else { return };
        let bytes = octets.len() + name_bytes(name) + 32;
        let time = Duration::from_secs(u64::from(secs));
        self.keys()
            .keep((name.to_lowercase(), kind), octets.into(), bytes, time);
    }

    /// Keys that led to wrong signatures are fetched again the next time.
    pub(super) fn forget_keys(&self, name: &Name) {
        let mut keys = self.keys();
        for labels in 0..=usize::from(name.num_labels()) {
            for kind in [RecordType::DNSKEY, RecordType::DS] {
                keys.forget(&(name.trim_to(labels).to_lowercase(), kind));
            }
        }
    }

    fn failed(self: &Arc<Self>, question: &Question, stop: Stop) -> Stop {
        match stop.kind {
            TroubleKind::Bogus => {
                self.counts.bogus.fetch_add(1, Relaxed);
                if let Some(name) = records::from_text(&question.name) {
                    self.forget_keys(&name);
                }
            }
            _ => {
                self.counts.troubles.fetch_add(1, Relaxed);
            }
        }
        if matches!(
            stop.kind,
            TroubleKind::Bogus | TroubleKind::Timeout | TroubleKind::Unreachable
        ) {
            self.look_at_root(Wisdom::Doubt);
        }
        self.watch.ours(stop)
    }

    /// Seconds since 1970, as the validator has them.
    pub(super) fn now_secs(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    /// Zones on the way to a name, from the top, each with whether it is signed; None where that cannot be said.
    pub async fn zones(self: &Arc<Self>, question: &Question) -> Vec<(String, Option<Security>)> {
        let (Way::Iterate(iteration), Some(name)) = (&self.way, records::from_text(&question.name))
        else {
            return Vec::new();
        };
        let mut zones = Vec::new();
        for zone in iteration.path(&name) {
            let work = Arc::new(Work::new(self.counts.clone()));
            let security = match self.is_insecure(&zone, &work).await {
                Ok(true) => Some(Security::Insecure),
                Ok(false) => {
                    let query = Query::query(zone.name.clone(), RecordType::DNSKEY);
                    let link = self.link(&query, Checking::On, &work).await;
                    link.ok().map(|(_, security)| security)
                }
                Err(_) => None,
            };
            zones.push((zone.name.to_string(), security));
        }
        zones
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is written alone, without pointers (RFC 6672 section 2.5).
fn target_of(octets: &[u8]) -> Option<Name> {
    let mut labels = Vec::new();
    let mut rest = octets;
    loop {
        let (length, tail) = rest.split_first()?;
        match usize::from(*length) {
            0 => break,
            length @ 1..=63 => {
                labels.push(tail.get(..length)?);
                rest = tail.get(length..)?;
            }
            _ => return None,
        }
    }
    Name::from_labels(labels).ok()
}

fn weaker(a: Security, b: Security) -> Security {
    let rank = |security| match security {
        Security::Indeterminate => 0,
        Security::Insecure => 1,
        Security::Secure => 2,
    };
    if rank(a) <= rank(b) { a } else { b }
}

/// What a record takes at most in the validator's hands; see `limits`.
const _: () = assert!(size_of::<Record>() <= 320);
