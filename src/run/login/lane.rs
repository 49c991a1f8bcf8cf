//! The hashing lane: one thread, one password at a time in one block of memory, which is unmapped when nobody has
//! logged in for `PASSWORD_MEMORY_IDLE_SECS`. The thread starts with the first login.

use crate::limits::{LANE_STACK_BYTES, LOGIN_WAITING_MAX, PASSWORD_MEMORY_IDLE_SECS};
use crate::run::password::Hasher;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// A password on its way; wiped when it is dropped.
pub(super) type Password = Zeroizing<Vec<u8>>;

enum Job {
    Verify {
        phc: Option<Box<str>>,
        password: Password,
        answer: oneshot::Sender<Result<bool, String>>,
    },
    Create {
        password: Password,
        answer: oneshot::Sender<Result<Box<str>, String>>,
    },
}

/// The door to the lane.
#[derive(Default)]
pub(super) struct HashLane {
    jobs: Mutex<Option<SyncSender<Job>>>,
}

impl HashLane {
    /// Whether the password belongs to the PHC string; None costs the same and is false.
    pub async fn verify(&self, phc: Option<Box<str>>, password: Password) -> Result<bool, String> {
        let (answer, done) = oneshot::channel();
        self.send(Job::Verify {
            phc,
            password,
            answer,
        })?;
        done.await.map_err(|_| stopped())?
    }

    /// A PHC string for a new password.
    pub async fn create(&self, password: Password) -> Result<Box<str>, String> {
        let (answer, done) = oneshot::channel();
        self.send(Job::Create { password, answer })?;
        done.await.map_err(|_| stopped())?
    }

    fn send(&self, job: Job) -> Result<(), String> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            // Every login holds a place of the wait list, every other job a control connection.
            let (sender, receiver) = sync_channel(2 * LOGIN_WAITING_MAX);
            std::thread::Builder::new()
                .name("hashing".into())
                .stack_size(LANE_STACK_BYTES)
                .spawn(move || run(&receiver))
                .map_err(|e| format!("cannot start the hashing thread: {e}"))?;
            *jobs = Some(sender);
        }
        let sender = jobs.as_ref().ok_or_else(stopped)?;
        sender
            .try_send(job)
            .map_err(|_| "too many passwords wait to be checked; try again in a moment".into())
    }
}

fn run(jobs: &Receiver<Job>) {
    let idle = Duration::from_secs(PASSWORD_MEMORY_IDLE_SECS);
    while let Ok(job) = jobs.recv() {
        let mut hasher = Hasher::new();
        work(&mut hasher, job);
        loop {
            match jobs.recv_timeout(idle) {
                Ok(job) => work(&mut hasher, job),
                // Leaving this loop drops the memory.
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn work(hasher: &mut Result<Hasher, String>, job: Job) {
    if hasher.is_err() {
        *hasher = Hasher::new();
    }
    match job {
        Job::Verify {
            phc,
            password,
            answer,
        } => {
            // Nobody waits any more; the attempt stays counted as a failure.
            if answer.is_closed() {
                return;
            }
            let _ = answer.send(match hasher {
                Ok(hasher) => hasher.verify(phc.as_deref(), &password),
                Err(why) => Err(why.clone()),
            });
        }
        Job::Create { password, answer } => {
            let _ = answer.send(match hasher {
                Ok(hasher) => hasher.create(&password),
                Err(why) => Err(why.clone()),
            });
        }
    }
}

fn stopped() -> String {
    "the hashing thread has stopped".into()
}
