//! The resolver: recursive and validating (RFC 4035), or forwarding to given servers, behind a cache of our own.
//!
//! One door: [`Resolver::lookup`]. A question passes the cache (bounded in octets, `cache`), waits with others that
//! ask the same (one task looks it up, whoever leaves), and goes to `ask`: aliases one by one, each fetched by
//! `iterate` from the root down or by `forward`, cut down by `tidy`, its signatures checked by `validate` (hickory's
//! validator). Answers whose signatures are wrong are [`TroubleKind::Bogus`], never records. `state` knows whether the
//! DNS can be reached at all.
//!
//! It is the one place of this room that has tasks of its own: one for each question under way, with a deadline.
//! Invariant: what strangers make us ask cannot make us hold or do more than the `DNS_` constants of `limits.rs` say.

mod ask;
mod cache;
mod exchange;
mod forward;
mod iterate;
mod records;
mod referral;
mod roots;
mod servers;
mod source;
mod state;
mod tidy;
mod validate;
mod wildcard;
mod work;

pub use roots::hints;
pub use source::{Forwarder, Setup, Source};
pub use state::State;
pub use work::Counts;

use crate::limits::{
    DNS_BOGUS_TTL_SECS, DNS_FAILURE_TTL_SECS, DNS_QUESTION_MILLIS_MAX, DNS_QUESTIONS_MAX,
};
use crate::wire::dns::{Answer, Name, Outcome, Question, Record, Security, Trouble, TroubleKind};
use ask::{Asker, Checking};
use cache::Cache;
use hickory_resolver::proto::op::Query;
use records::Found;
use state::Wisdom;
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Says whether the clock has been set: until then signatures are not judged by it.
pub type ClockIsSane = Arc<dyn Fn() -> bool + Send + Sync>;

/// The resolver; cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    from: From,
    cache: Mutex<Cache<Question, Answer>>,
    /// Who is being looked up; the answer comes through the channel.
    under_way: Mutex<HashMap<Question, watch::Receiver<Option<Answer>>>>,
    counts: Arc<Counts>,
    clock_is_sane: ClockIsSane,
    unvalidated: Vec<Name>,
}

enum From {
    /// Known from the start, and nothing else exists.
    Given(HashMap<Question, Answer>),
    Ask(Arc<Asker>),
}

impl Resolver {
    /// One with everything but the source as by default.
    pub fn new(source: Source) -> Result<Resolver, String> {
        Resolver::with(Setup::new(source))
    }

    /// Makes it; asks nobody yet. An error says what is wrong with `setup`.
    pub fn with(setup: Setup) -> Result<Resolver, String> {
        let counts = Arc::new(Counts::default());
        let shared = Shared {
            cache: Mutex::new(Cache::new(setup.cache_bytes)),
            under_way: Mutex::default(),
            clock_is_sane: setup.clock_is_sane.clone(),
            unvalidated: setup.unvalidated.clone(),
            from: setup.source.open(&counts, &setup.clock_is_sane)?,
            counts,
        };
        Ok(Resolver {
            shared: Arc::new(shared),
        })
    }

    /// Asks. Within its deadline there is always an answer, if only of what went wrong.
    pub async fn lookup(&self, question: Question) -> Answer {
        self.shared.counts.questions.fetch_add(1, Relaxed);
        if let Some(answer) = self.shared.remembered(&question) {
            return answer;
        }
        self.look_up(question).await
    }

    /// The same without a look at the answers that are remembered; the new one is.
    pub async fn lookup_past_cache(&self, question: Question) -> Answer {
        self.shared.counts.questions.fetch_add(1, Relaxed);
        self.look_up(question).await
    }

    async fn look_up(&self, question: Question) -> Answer {
        let asker = match &self.shared.from {
            From::Given(answers) => return given(answers, &question),
            From::Ask(asker) => asker,
        };
        asker.look_at_root(Wisdom::Routine);
        if let Some(stop) = asker.watch.trouble() {
            return stop.into();
        }
        let Some(mut answer) = self.shared.join(&question, asker) else {
            self.shared.counts.busy.fetch_add(1, Relaxed);
            return Answer::trouble(
                TroubleKind::Busy,
                "too many questions are being looked up; ask again",
            );
        };
        // The sender is gone without a word when its task panicked.
        let said = answer.wait_for(Option::is_some).await;
        said.ok()
            .and_then(|answer| answer.clone())
            .unwrap_or_else(|| {
                Answer::trouble(TroubleKind::ServerFailure, "a bug of ours ended the lookup")
            })
    }

    /// Whether the DNS can be reached and is genuine, as far as is known.
    pub fn state(&self) -> State {
        match &self.shared.from {
            From::Given(_) => State::Good,
            From::Ask(asker) => asker.watch.state(),
        }
    }

    /// What happened since the start.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Answers that are remembered, and the octets they are counted with.
    pub fn cache_size(&self) -> (usize, usize) {
        lock(&self.shared.cache).size()
    }

    /// Zones on the way to a name that is known by now, from the top, each with whether it is signed; None where
    /// that cannot be said. Empty when we do not recurse.
    pub async fn zones(&self, question: &Question) -> Vec<(String, Option<Security>)> {
        match &self.shared.from {
            From::Given(_) => Vec::new(),
            From::Ask(asker) => asker.zones(question).await,
        }
    }
}

impl Shared {
    /// An answer that is remembered, with the time that it has left.
    fn remembered(&self, question: &Question) -> Option<Answer> {
        let (mut answer, left) = lock(&self.cache).find(question)?;
        // It was taken unchecked while the clock was not set.
        let stale = answer.security == Security::Indeterminate && !answer.is_trouble();
        if stale && self.checking(question) == Checking::On {
            return None;
        }
        answer.ttl_secs = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1);
        self.counts.hits.fetch_add(1, Relaxed);
        Some(answer)
    }

    fn checking(&self, question: &Question) -> Checking {
        let exempt = self
            .unvalidated
            .iter()
            .any(|name| question.name.is_under(name));
        match !exempt && (self.clock_is_sane)() {
            true => Checking::On,
            false => Checking::Off,
        }
    }

    /// The channel through which the answer comes; None when too many are under way.
    fn join(
        self: &Arc<Self>,
        question: &Question,
        asker: &Arc<Asker>,
    ) -> Option<watch::Receiver<Option<Answer>>> {
        let mut under_way = lock(&self.under_way);
        if let Some(answer) = under_way.get(question) {
            return Some(answer.clone());
        }
        if under_way.len() >= DNS_QUESTIONS_MAX {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(question.clone(), receiver.clone());
        self.counts.lookups.fetch_add(1, Relaxed);
        let place = Place {
            shared: self.clone(),
            question: question.clone(),
        };
        let asker = asker.clone();
        tokio::spawn(async move {
            let checking = place.shared.checking(&place.question);
            let time = Duration::from_millis(DNS_QUESTION_MILLIS_MAX);
            let answer = timeout(time, asker.ask(&place.question, checking)).await;
            let answer = answer.unwrap_or_else(|_| {
                asker.look_at_root(Wisdom::Doubt);
                Answer::trouble(TroubleKind::Timeout, "no answer came in time")
            });
            place.shared.remember(&place.question, &answer);
            drop(place);
            sender.send_replace(Some(answer));
        });
        Some(receiver)
    }

    fn remember(&self, question: &Question, answer: &Answer) {
        let secs = match &answer.outcome {
            Outcome::Trouble(trouble) => match trouble.kind {
                TroubleKind::Bogus => DNS_BOGUS_TTL_SECS,
                TroubleKind::Unreachable | TroubleKind::Busy => 0,
                _ => DNS_FAILURE_TTL_SECS,
            },
            _ => answer.ttl_secs,
        };
        let bytes = answer_bytes(question, answer);
        let time = Duration::from_secs(u64::from(secs));
        lock(&self.cache).keep(question.clone(), answer.clone(), bytes, time);
    }
}

/// What one message says to a question, before signatures are looked at: for tools, and for fuzzers. Times and counts are
/// within our bounds.
pub fn said(octets: &[u8], question: &Question) -> Result<Answer, Trouble> {
    let nonsense = |kind, why: &str| Trouble {
        kind,
        why: why.into(),
    };
    let failure = |why: &str| nonsense(TroubleKind::ServerFailure, why);
    let name = records::from_text(&question.name);
    let name = name.ok_or_else(|| failure("the name cannot be asked"))?;
    let query = Query::query(name, records::kind(question.kind));
    let message = exchange::decode(octets).map_err(|fault| failure(&iterate::words(&fault)))?;
    let message = tidy::answer(message, &query, &query.name.base_name());
    let message = message.map_err(|stop| nonsense(stop.kind, &stop.why))?;
    let (outcome, ttl_secs) = match records::read(&message, &query) {
        Found::Records(records, secs) => (Outcome::Records(records.into()), secs),
        Found::Alias(_, secs) | Found::NoData(secs) => (Outcome::NoData, secs),
        Found::NoSuchName(secs) => (Outcome::NoSuchName, secs),
    };
    Ok(Answer {
        outcome,
        security: Security::Indeterminate,
        ttl_secs,
    })
}

/// A question's place among those under way; given back whatever happens to its task.
struct Place {
    shared: Arc<Shared>,
    question: Question,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.shared.under_way).remove(&self.question);
    }
}

fn given(answers: &HashMap<Question, Answer>, question: &Question) -> Answer {
    if let Some(answer) = answers.get(question) {
        return answer.clone();
    }
    match answers.keys().any(|known| known.name == question.name) {
        true => Answer::insecure(Vec::new()),
        false => Answer::no_such_name(),
    }
}

/// What an answer takes with its question and everything that it points to.
fn answer_bytes(question: &Question, answer: &Answer) -> usize {
    let behind = |record: &Record| match record {
        Record::A(_) | Record::Aaaa(_) => 0,
        Record::Mx { exchange, .. } => exchange.as_ref().map_or(0, |name| name.as_str().len() + 16),
        Record::Txt(octets) => octets.len() + 16,
        Record::Ptr(name) | Record::Name(name) => name.as_str().len() + 16,
        Record::Tlsa { data, .. } => data.len() + 16,
        Record::Text(text) => text.len() + 16,
    };
    let outcome = match &answer.outcome {
        Outcome::Records(records) => {
            records.len() * size_of::<Record>() + records.iter().map(behind).sum::<usize>() + 32
        }
        Outcome::Trouble(trouble) => trouble.why.len() + 32,
        Outcome::NoData | Outcome::NoSuchName => 0,
    };
    2 * size_of::<Answer>() + size_of::<Question>() + question.name.as_str().len() + 16 + outcome
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
