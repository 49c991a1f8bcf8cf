//! What one question may cost, and what all of them hold: counted here, refused here.

use crate::limits::{
    DNS_CHECKS_MAX, DNS_QUERIES_MAX, DNS_ROOM_MILLIS_MAX, DNS_WORK_BYTES_MAX,
    DNS_WORK_PER_QUESTION_BYTES_MAX,
};
use crate::wire::dns::{Answer, TroubleKind};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::Record;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

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

impl Counts {
    fn take(&self, bytes: usize) -> bool {
        let fits = self.held.fetch_add(bytes, Relaxed) + bytes <= DNS_WORK_BYTES_MAX;
        if !fits {
            self.held.fetch_sub(bytes, Relaxed);
        }
        fits
    }
}

/// How often room is looked for.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(20);

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

    /// Before a decoded message is kept; waits for room where other questions hold all of it.
    pub async fn hold(&self, message: &Message) -> Result<(), Stop> {
        let bytes = decoded_bytes(message);
        if self.held.load(Relaxed) + bytes > DNS_WORK_PER_QUESTION_BYTES_MAX {
            let why = format!(
                "messages to be checked take more than {DNS_WORK_PER_QUESTION_BYTES_MAX} octets"
            );
            return Err(self.stop(too_much(why)));
        }
        let until = Instant::now() + Duration::from_millis(DNS_ROOM_MILLIS_MAX);
        while !self.counts.take(bytes) {
            if Instant::now() >= until {
                let why = "other lookups hold all the memory that there is for them; ask again";
                return Err(self.stop(Stop::new(TroubleKind::Busy, why)));
            }
            sleep(LOOK_FOR_ROOM).await;
        }
        self.held.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// What is held now: to be given back to when a check ends.
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Gives back what was taken since.
    pub fn release_to(&self, before: usize) {
        let held = self.held.swap(before, Relaxed);
        self.counts.held.fetch_sub(held - before, Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of so many octets by our count.
    fn message() -> (Message, usize) {
        let message = Message::query().into_response();
        let bytes = decoded_bytes(&message);
        (message, bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_holds_so_much_and_all_of_them_so_much() {
        let counts = Arc::new(Counts::default());
        let (message, bytes) = message();
        let work = Work::new(counts.clone());
        for _ in 0..DNS_WORK_PER_QUESTION_BYTES_MAX / bytes {
            work.hold(&message).await.unwrap();
        }
        let stop = work.hold(&message).await.unwrap_err();
        assert_eq!(stop.kind, TroubleKind::TooMuchWork);
        work.release_to(bytes);
        assert_eq!((work.held(), counts.held.load(Relaxed)), (bytes, bytes));
        // Others fill what is left.
        assert!(counts.take(DNS_WORK_BYTES_MAX - 2 * bytes));
        work.hold(&message).await.unwrap();
        let stop = work.hold(&message).await.unwrap_err();
        assert_eq!(stop.kind, TroubleKind::Busy);
        assert_eq!(
            work.take_stop().unwrap().kind,
            TroubleKind::TooMuchWork,
            "the first"
        );
        drop(work);
        assert_eq!(counts.held.load(Relaxed), DNS_WORK_BYTES_MAX - 2 * bytes);
    }

    #[tokio::test]
    async fn queries_and_checks_are_counted() {
        let work = Work::new(Arc::default());
        assert!((0..DNS_QUERIES_MAX).all(|_| work.query().is_ok()));
        assert_eq!(work.query().unwrap_err().kind, TroubleKind::TooMuchWork);
        assert!((0..DNS_CHECKS_MAX).all(|_| work.check().is_ok()));
        assert_eq!(work.check().unwrap_err().kind, TroubleKind::TooMuchWork);
    }
}
