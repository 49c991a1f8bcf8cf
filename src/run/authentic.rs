//! The checks of `policy/authentic` on a message that comes in: answers of the DNS for them, how many ask at once and
//! how long they may, and for which domains a message was deferred.
//!
//! DNS trouble of ours (the root cannot be reached) never costs a mail: questions are then answered by "not known",
//! nothing is refused or deferred for it, and the mail flows. Too many checks at once are none of it: strangers could
//! bring them about to have a forgery taken unchecked, so that such a mail is deferred where its sender's policy would
//! need the answer. Whether the DNS can be reached at all
//! is seen by the resolver, which then waits for nobody: one answer that did not come says nothing of other names (a
//! forwarder keeps silent about a stranger's lame domain), and must not switch the checks of other mail off.

mod deferrals;
mod places;

use crate::limits::{
    AUTHENTIC_DMARC_SECS, AUTHENTIC_HEADER_SECS, AUTHENTIC_SENDER_SECS, AUTHENTIC_WAIT_SECS,
    CLOCK_SECONDS_MIN,
};
use crate::net::resolve::{Resolver, State};
use crate::policy::authentic::canned::Canned;
use crate::policy::authentic::{self, Asked, AtHeader, Dns, Verdicts};
use crate::policy::sender::{self, Decision, Facts};
use crate::wire::access::Rules;
use crate::wire::address::Domain;
use crate::wire::dns::{Answer, Kind, Name, Outcome, Question, Record, TroubleKind};
use deferrals::Deferrals;
use places::{Place, Places};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Where answers come from.
pub enum Names {
    /// The DNS.
    Resolver(Resolver),
    /// These answers; what is not there does not exist (tests).
    Canned(Arc<Canned>),
    /// These answers; nothing is known of what is not there (`try`, which looks nothing up).
    Own(Arc<Canned>),
}

/// What the checks of all messages share; one per process.
pub struct Authentic {
    names: Names,
    places: Places,
    deferrals: Mutex<Deferrals>,
}

/// A message whose header block was checked and whose body is passing by.
pub struct Checks {
    at_header: Box<AtHeader>,
    client: IpAddr,
    /// An answer was missing for a reason of ours.
    ours: bool,
}

/// What the checks of one message found.
pub struct Found {
    /// All of it.
    pub verdicts: Verdicts,
    /// An answer was missing for a reason of ours: nothing may be deferred for it.
    pub ours: bool,
}

/// One message's questions, until a deadline.
pub(super) struct Asking<'a> {
    shared: &'a Authentic,
    until: Instant,
    place: Option<Place<'a>>,
    ours: AtomicBool,
}

impl Names {
    /// What a box that looks nothing up knows of itself: `domain` sends and gets its mail on loopback.
    pub fn own(domain: &Domain) -> Names {
        let Some(name) = Name::parse(domain.as_str()) else {
            return Names::Own(Arc::default());
        };
        let loopback = Ipv4Addr::LOCALHOST;
        let mx = Record::Mx {
            preference: 10,
            exchange: Some(name.clone()),
        };
        let text = |text: &str| Answer::insecure(vec![Record::Txt(text.as_bytes().into())]);
        let reverse = Name::reverse(IpAddr::V4(loopback));
        let answers = Canned::default()
            .with(name.as_str(), Kind::Mx, Answer::insecure(vec![mx]))
            .with(
                name.as_str(),
                Kind::A,
                Answer::insecure(vec![Record::A(loopback)]),
            )
            .with(
                name.as_str(),
                Kind::Txt,
                text("v=spf1 ip4:127.0.0.0/8 -all"),
            )
            .with(
                &format!("_dmarc.{name}"),
                Kind::Txt,
                text("v=DMARC1; p=none"),
            )
            .with(
                reverse.as_str(),
                Kind::Ptr,
                Answer::insecure(vec![Record::Ptr(name.clone())]),
            );
        Names::Own(Arc::new(answers))
    }
}

impl Authentic {
    /// Asks nobody yet.
    pub fn new(names: Names) -> Authentic {
        Authentic {
            names,
            places: Places::default(),
            deferrals: Mutex::default(),
        }
    }

    /// Checks what the header block (with its empty line) can say. The body goes through what comes back.
    pub async fn at_header(&self, asked: &Asked<'_>, header: &[u8]) -> Checks {
        let asking = self.asking(asked.client, AUTHENTIC_HEADER_SECS).await;
        let at_header = authentic::at_header(&asking, asked, header).await;
        Checks {
            at_header: Box::new(at_header),
            client: asked.client,
            ours: asking.is_ours(),
        }
    }

    /// The end of the body.
    pub async fn finish(&self, checks: Checks) -> Found {
        let asking = self.asking(checks.client, AUTHENTIC_DMARC_SECS).await;
        let verdicts = checks.at_header.finish(&asking).await;
        Found {
            verdicts,
            ours: checks.ours || asking.is_ours(),
        }
    }

    /// Decides on MAIL, before anything of the message is seen.
    pub async fn sender(&self, rules: &Rules, facts: &Facts<'_>) -> Decision {
        let asking = self.asking(facts.asked.client, AUTHENTIC_SENDER_SECS).await;
        sender::check(&asking, rules, facts).await
    }

    /// Whether 451 may be said for want of an answer about this domain.
    pub fn may_defer(&self, domain: &str) -> bool {
        self.deferrals().may_defer(domain, Instant::now())
    }

    /// Notes what was said: 451 for this domain, or that there was an answer at last.
    pub fn note(&self, domain: &str, deferred: Deferred) {
        let mut deferrals = self.deferrals();
        match deferred {
            Deferred::Yes => deferrals.deferred(domain, Instant::now()),
            Deferred::No => deferrals.forget(domain),
        }
    }

    /// Questions for a client's message or dialogue, answered within so many seconds.
    pub(super) async fn asking(&self, client: IpAddr, secs: u64) -> Asking<'_> {
        let patience = Duration::from_secs(AUTHENTIC_WAIT_SECS);
        let place = timeout(patience, self.places.take(client)).await;
        Asking {
            shared: self,
            until: Instant::now() + Duration::from_secs(secs),
            place: place.ok(),
            ours: AtomicBool::new(false),
        }
    }

    fn deferrals(&self) -> MutexGuard<'_, Deferrals> {
        self.deferrals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a message was deferred for want of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deferred {
    /// 451 was said.
    Yes,
    /// There was an answer, or none was needed.
    No,
}

impl Checks {
    /// Takes the next octets of the body.
    pub fn body(&mut self, octets: &[u8]) {
        self.at_header.body(octets);
    }
}

impl Asking<'_> {
    fn is_ours(&self) -> bool {
        self.ours.load(Ordering::Relaxed)
    }
}

impl Dns for Asking<'_> {
    async fn ask(&self, question: Question) -> Answer {
        if self.place.is_none() {
            return Answer::trouble(TroubleKind::Busy, "too many messages are checked at once");
        }
        let answer = match &self.shared.names {
            Names::Canned(answers) => answers.ask(question).await,
            Names::Own(answers) => own(answers, question).await,
            Names::Resolver(resolver) => {
                match timeout_at(self.until, resolver.lookup(question)).await {
                    Ok(answer) => answer,
                    Err(_) => late(&resolver.state()),
                }
            }
        };
        if let Outcome::Trouble(trouble) = &answer.outcome
            && trouble.kind == TroubleKind::Unreachable
        {
            self.ours.store(true, Ordering::Relaxed);
        }
        answer
    }
}

/// The message has no time left: whose trouble that is, the resolver knows.
fn late(state: &State) -> Answer {
    let kind = match state {
        State::Unreachable(_) => TroubleKind::Unreachable,
        _ => TroubleKind::Timeout,
    };
    Answer::trouble(kind, "the message has no time left")
}

/// What is not written down is not known.
async fn own(answers: &Canned, question: Question) -> Answer {
    match answers.ask(question).await {
        Answer {
            outcome: Outcome::NoSuchName,
            ..
        } => Answer::trouble(TroubleKind::Unreachable, "this box looks nothing up"),
        known => known,
    }
}

/// A moment (seconds since 1970) as far as it can be believed: None from a clock that was never set.
pub fn sane_seconds(seconds: i64) -> Option<i64> {
    (seconds >= CLOCK_SECONDS_MIN).then_some(seconds)
}

/// What was found, in brief, for the log.
pub fn brief(verdicts: &Verdicts) -> String {
    let mut text = format!(
        "iprev={} spf={}",
        verdicts.iprev.outcome.as_str(),
        verdicts.spf_mail_from.outcome.as_str()
    );
    match verdicts.dkim.as_slice() {
        [] => text.push_str(" dkim=none"),
        signatures => {
            for signature in signatures.iter().take(LOGGED_SIGNATURES) {
                text.push_str(" dkim=");
                text.push_str(signature.outcome.as_str());
                text.push('/');
                text.extend(signature.domain.chars().take(LOGGED_DOMAIN_CHARS));
            }
        }
    }
    text.push_str(" dmarc=");
    text.push_str(verdicts.dmarc.outcome.as_str());
    if verdicts.arc.sets > 0 {
        text.push_str(" arc=");
        text.push_str(verdicts.arc.outcome.as_str());
    }
    text
}

/// What a log line shows of them: a stranger wrote them.
const LOGGED_SIGNATURES: usize = 3;
const LOGGED_DOMAIN_CHARS: usize = 80;

#[cfg(test)]
mod tests;
