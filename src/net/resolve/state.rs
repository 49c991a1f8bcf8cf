//! Whether the DNS can be reached and is genuine: noticed, said once, and looked at again.
//!
//! The root's keys are the test: who can fetch them and finds them signed by the trust anchors is connected to the
//! DNS. No answer means that port 53 is blocked; an answer that does not hold means that somebody else answers on it,
//! or that this machine's clock is wrong.

use super::ask::{Asker, Checking, Way};
use super::work::{Stop, Work};
use crate::limits::DNS_UNREACHABLE_SECS;
use crate::wire::dns::{Security, TroubleKind};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How it stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// Nothing has been asked yet.
    #[default]
    Untried,
    /// The root answers, and its keys are the right ones.
    Good,
    /// Nobody answers. In words, one line.
    Unreachable(Arc<str>),
    /// Answers come that are not the root's, or the clock is wrong. In words, one line.
    NotGenuine(Arc<str>),
}

/// Why the root is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wisdom {
    /// A question begins.
    Routine,
    /// A question failed.
    Doubt,
}

/// What was seen last.
#[derive(Default)]
pub struct Watch {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    state: State,
    looked: Option<Instant>,
    looking: bool,
}

impl Watch {
    /// How it stands.
    pub fn state(&self) -> State {
        self.seen().state.clone()
    }

    /// The trouble that every question has now: nobody waits for servers that were silent a moment ago.
    pub fn trouble(&self) -> Option<Stop> {
        let seen = self.seen();
        match &seen.state {
            State::Unreachable(why) if recently(seen.looked) => {
                Some(Stop::new(TroubleKind::Unreachable, &**why))
            }
            _ => None,
        }
    }

    /// Wrong signatures of everybody are our trouble, not a name's.
    pub fn ours(&self, stop: Stop) -> Stop {
        match (&self.seen().state, stop.kind) {
            (State::NotGenuine(why), TroubleKind::Bogus) => {
                Stop::new(TroubleKind::Unreachable, format!("{why} ({})", stop.why))
            }
            _ => stop,
        }
    }

    /// Whether to look now; who is told so looks, and says what it saw.
    fn begin(&self, why: Wisdom) -> bool {
        let mut seen = self.seen();
        let wanted = match (&seen.state, why) {
            (State::Untried, _) => true,
            (State::Good, Wisdom::Routine) => false,
            _ => !recently(seen.looked),
        };
        let begin = wanted && !seen.looking;
        seen.looking |= begin;
        begin
    }

    fn end(&self, state: State) {
        let mut seen = self.seen();
        seen.looking = false;
        seen.looked = Some(Instant::now());
        let same = std::mem::discriminant(&seen.state) == std::mem::discriminant(&state);
        if !same {
            say(&seen.state, &state);
        }
        seen.state = state;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asker {
    /// Looks at the root in a task of its own, where there is reason to and it was not done a moment ago.
    pub fn look_at_root(self: &Arc<Self>, why: Wisdom) {
        if !self.watch.begin(why) {
            return;
        }
        let asker = self.clone();
        tokio::spawn(async move {
            let look = timeout(Duration::from_secs(DNS_UNREACHABLE_SECS), asker.look());
            let state = look
                .await
                .unwrap_or_else(|_| unreachable("no answer came in time"));
            asker.watch.end(state);
        });
    }

    async fn look(self: &Arc<Self>) -> State {
        let work = Arc::new(Work::new(self.counts.clone()));
        self.forget_keys(&Name::root());
        let query = Query::query(Name::root(), RecordType::DNSKEY);
        let whose = match &self.way {
            Way::Iterate(_) => "somebody on the way answers on port 53 in the root's stead",
            Way::Forward(_) => "the servers under `forward` do not pass signatures on",
        };
        let not_genuine = |why: &str| {
            let why = format!(
                "the root's keys are not what they must be: {why}; {whose}, or the clock of this machine is wrong"
            );
            State::NotGenuine(why.into())
        };
        let checking = match (self.clock_is_sane)() {
            true => Checking::On,
            false => Checking::Off,
        };
        match self.link(&query, checking, &work).await {
            // Without a clock it is enough that somebody answers.
            Ok((_, Security::Secure | Security::Indeterminate)) => State::Good,
            Ok((_, Security::Insecure)) => not_genuine("they are not signed"),
            Err(stop) if stop.kind == TroubleKind::Bogus => not_genuine(&stop.why),
            // Strangers' questions can fill our memory; that says nothing of the root.
            Err(stop) if stop.kind == TroubleKind::Busy => self.watch.state(),
            Err(stop) => unreachable(&stop.why),
        }
    }
}

fn unreachable(why: &str) -> State {
    State::Unreachable(format!("the DNS cannot be reached: {why}").into())
}

fn recently(looked: Option<Instant>) -> bool {
    looked.is_some_and(|looked| looked.elapsed() < Duration::from_secs(DNS_UNREACHABLE_SECS))
}

fn say(before: &State, now: &State) {
    match (before, now) {
        (State::Untried, State::Good) | (_, State::Untried) => {}
        (_, State::Good) => log::info!("the DNS can be reached again and is genuine"),
        (_, State::Unreachable(why)) => log::error!(
            "{why}; mail is taken without the checks that need it; if port 53 is blocked here, name servers under `forward` in [dns]"
        ),
        (_, State::NotGenuine(why)) => log::error!(
            "{why}; mail is taken without the checks that need it; compare the clock, or name servers that are reached by tls:// under `forward` in [dns]"
        ),
    }
}
