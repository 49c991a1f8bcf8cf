//! What one question may cost, and what all of them hold: counted here, refused here.

use crate::limits::{
    DNS_CHECKS_MAX, DNS_QUERIES_MAX, DNS_WORK_BYTES_MAX, DNS_WORK_PER_QUESTION_BYTES_MAX,
};
use crate::wire::dns::{Answer, TroubleKind};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::Record;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a question ends without an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Which kind of trouble.
    pub kind: TroubleKind,
    /// For people, one line.
    pub why: String,
}

impl Stop {
    /// Short for the two fields.
    pub fn new(kind: TroubleKind, why: impl Into<String>) -> Stop {
        let why = why.into();
        Stop { kind, why }
    }
}

impl From<Stop> for Answer {
    fn from(stop: Stop) -> Answer {
        Answer::trouble(stop.kind, &stop.why)
    }
}

/// What happened since the start.
#[derive(Default, Debug)]
pub struct Counts {
    /// Questions asked of the resolver.
    pub questions: AtomicU64,
    /// Answered from the cache.
    pub hits: AtomicU64,
    /// Looked up. The rest waited for one that was being looked up, or was refused.
    pub lookups: AtomicU64,
    /// Queries sent to servers.
    pub queries: AtomicU64,
    /// Queries without an answer that makes sense.
    pub faults: AtomicU64,
    /// Lookups that ended in wrong signatures.
    pub bogus: AtomicU64,
    /// Lookups that ended without an answer for another reason.
    pub troubles: AtomicU64,
    /// Questions refused because too many were under way.
    pub busy: AtomicU64,
    /// Octets of decoded messages that lookups hold now.
    pub held: AtomicUsize,
}

/// The account of one question; what it holds is given back with it.
pub struct Work {
    counts: Arc<Counts>,
    held: AtomicUsize,
    queries: AtomicU32,
    checks: AtomicU32,
    first_stop: Mutex<Option<Stop>>,
}

impl Work {
    /// A fresh account.
    pub fn new(counts: Arc<Counts>) -> Work {
        Work {
            counts,
            held: AtomicUsize::new(0),
            queries: AtomicU32::new(0),
            checks: AtomicU32::new(0),
            first_stop: Mutex::new(None),
        }
    }

    /// Before a query is sent.
    pub fn query(&self) -> Result<(), Stop> {
        self.counts.queries.fetch_add(1, Relaxed);
        match self.queries.fetch_add(1, Relaxed) < DNS_QUERIES_MAX {
            true => Ok(()),
            false => Err(self.stop(too_much(format!(
                "it takes more than {DNS_QUERIES_MAX} queries"
            )))),
        }
    }

    /// A query came to nothing.
    pub fn fault(&self) {
        self.counts.faults.fetch_add(1, Relaxed);
    }

    /// Before a message's signatures are checked.
    pub fn check(&self) -> Result<(), Stop> {
        match self.checks.fetch_add(1, Relaxed) < DNS_CHECKS_MAX {
            true => Ok(()),
            false => Err(self.stop(too_much(format!(
                "more than {DNS_CHECKS_MAX} messages would have to be checked"
            )))),
        }
    }

    /// Before a decoded message is kept until the question ends.
    pub fn hold(&self, message: &Message) -> Result<(), Stop> {
        let bytes = decoded_bytes(message);
        if self.held.load(Relaxed) + bytes > DNS_WORK_PER_QUESTION_BYTES_MAX {
            let why =
                format!("its messages take more than {DNS_WORK_PER_QUESTION_BYTES_MAX} octets");
            return Err(self.stop(too_much(why)));
        }
        if self.counts.held.fetch_add(bytes, Relaxed) + bytes > DNS_WORK_BYTES_MAX {
            self.counts.held.fetch_sub(bytes, Relaxed);
            let why = "other lookups hold all the memory that there is for them; ask again";
            return Err(self.stop(Stop::new(TroubleKind::Busy, why)));
        }
        self.held.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Remembers why a part of the work ended: the validator hides it.
    pub fn stop(&self, stop: Stop) -> Stop {
        let mut first = self
            .first_stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| stop.clone());
        stop
    }

    /// The first reason for which a part of the work ended since this was asked last.
    pub fn take_stop(&self) -> Option<Stop> {
        self.first_stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.counts.held.fetch_sub(self.held.load(Relaxed), Relaxed);
    }
}

fn too_much(why: String) -> Stop {
    Stop::new(TroubleKind::TooMuchWork, why)
}

/// What a decoded message takes at most: the validator copies names while it looks at a record.
fn decoded_bytes(message: &Message) -> usize {
    let records = message.answers.len() + message.authorities.len() + message.additionals.len();
    let octets = message.to_vec().map_or(0, |octets| octets.len());
    (records + 1) * (size_of::<Record>() + 96) + octets
}
