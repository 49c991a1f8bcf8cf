//! The threads that may touch the disk: one writer, two readers. The socket thread sends them work and awaits the
//! answer; a semaphore in front of each lane bounds what can wait.
//!
//! Nobody waits for company on purpose: an idle writer commits at once, and whoever arrives while a flush runs
//! shares the next one.

use super::notify::Notify;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_CHANGES_MAX, READ_JOBS_WAITING_MAX, READER_LANES, WRITE_JOBS_WAITING_MAX,
};
use crate::store::change::{Content, Outcome};
use crate::store::learned::{self, Learned};
use crate::store::{Change, Done, Reader, Refused, Shared, StoreError, Writer};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How long committed changes may stay invisible to readers that do not ask for them.
const PUBLISH_AFTER: Duration = Duration::from_millis(500);
/// Pause between looks for upkeep while nothing happens.
const UPKEEP_EVERY: Duration = Duration::from_secs(2);

/// EX_SOFTWARE of sysexits.h: an internal error.
const EXIT_SOFTWARE: i32 = 70;

/// Doors to the lanes; cheap to clone.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    notify: Notify,
    committed: Arc<AtomicU64>,
    hidden: Arc<AtomicBool>,
    write: mpsc::Sender<WriteJob>,
    write_places: Arc<Semaphore>,
    read: Arc<ReadQueue>,
    read_places: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

enum WriteJob {
    Commit {
        change: Box<Change>,
        answer: oneshot::Sender<Result<Done, Refused>>,
        _place: OwnedSemaphorePermit,
    },
    Publish(oneshot::Sender<()>),
    Learn(LearnWork),
    Stop,
}

/// What is written into `learned.sqlite`, which is open only while there is something.
type LearnWork = Box<dyn FnOnce(Result<&mut Learned, StoreError>) + Send>;

/// A reader's job; says whether the reader is still fit for the next one.
type ReadWork = Box<dyn FnOnce(&mut Reader) -> Fit + Send>;
type Caught<R> = Result<R, Box<dyn Any + Send>>;

/// Whether a reader came out of its job whole.
enum Fit {
    Whole,
    Panicked,
}

/// Jobs for the readers; `None` in `jobs` means closed.
struct ReadQueue {
    jobs: Mutex<Option<VecDeque<ReadWork>>>,
    ready: Condvar,
}

impl Lanes {
    /// Starts the threads. They end with [`Lanes::stop`].
    pub fn start(writer: Writer, shared: Arc<Shared>, notify: Notify) -> Result<Lanes, StoreError> {
        let (write, jobs) = mpsc::channel();
        let committed = Arc::new(AtomicU64::new(shared.visible_lsn()));
        let hidden = Arc::new(AtomicBool::new(false));
        let read = Arc::new(ReadQueue {
            jobs: Mutex::new(Some(VecDeque::new())),
            ready: Condvar::new(),
        });
        let mut threads = Vec::new();
        for n in 0..READER_LANES {
            let (queue, shared) = (read.clone(), shared.clone());
            let reader = shared.reader()?;
            threads.push(spawn(&format!("reader-{n}"), move || {
                read_lane(reader, &shared, &queue)
            })?);
        }
        let lane = WriteLane {
            writer,
            shared: shared.clone(),
            jobs,
            notify: notify.clone(),
            committed: committed.clone(),
            hidden: hidden.clone(),
        };
        threads.push(spawn("writer", move || {
            if catch_unwind(AssertUnwindSafe(|| lane.run())).is_err() {
                // What the writer holds in memory can be trusted no more; what it acknowledged is in the log. The
                // supervisor starts us anew, and the next open replays.
                log::error!(
                    "bug: the writer panicked; the server ends here and starts again from its log"
                );
                std::process::exit(EXIT_SOFTWARE);
            }
        })?);
        Ok(Lanes {
            inner: Arc::new(Inner {
                shared,
                notify,
                committed,
                hidden,
                write,
                write_places: Arc::new(Semaphore::new(WRITE_JOBS_WAITING_MAX)),
                read,
                read_places: Arc::new(Semaphore::new(READ_JOBS_WAITING_MAX)),
                threads: Mutex::new(threads),
            }),
        })
    }

    /// The store's shared part.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Who is told when mailboxes change.
    pub fn notify(&self) -> &Notify {
        &self.inner.notify
    }

    /// Sends one change to the writer, which commits it together with whatever else is ready; returns when it is
    /// durable. Sessions of the touched mailboxes are woken.
    pub async fn commit(&self, change: Change) -> Result<Done, Refused> {
        let stopped = || Refused::Disk("the store has stopped".into());
        let place = self
            .inner
            .write_places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| stopped())?;
        let (answer, done) = oneshot::channel();
        let job = WriteJob::Commit {
            change: Box::new(change),
            answer,
            _place: place,
        };
        self.inner.write.send(job).map_err(|_| stopped())?;
        done.await.map_err(|_| stopped())?
    }

    /// Runs `work` in a reader's lane. Everything committed before this call is visible to it. `work` must stay
    /// within 10 ms or so: long jobs are slices with a cursor. A panic of `work` goes on in the caller.
    pub async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader) -> R + Send + 'static,
    ) -> R {
        let behind = self.inner.shared.visible_lsn() < self.inner.committed.load(Ordering::Acquire);
        if behind || self.inner.hidden.load(Ordering::Acquire) {
            let (answer, done) = oneshot::channel();
            if self.inner.write.send(WriteJob::Publish(answer)).is_ok() {
                let _ = done.await;
            }
        }
        self.peek(work).await
    }

    /// Like [`Lanes::read`], but content with what readers see now: mail of the last half second may be missing.
    /// Accounts, aliases and domains are always up to date. This is what a recipient check uses: it must not make
    /// the index publish for every message.
    pub async fn peek<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader) -> R + Send + 'static,
    ) -> R {
        let place = self.inner.read_places.clone().acquire_owned().await;
        let (answer, done) = oneshot::channel::<Caught<R>>();
        self.inner.read.push(Box::new(move |reader| {
            let _place = place;
            let result = catch_unwind(AssertUnwindSafe(|| reader.look(work)));
            let fit = if result.is_ok() {
                Fit::Whole
            } else {
                Fit::Panicked
            };
            let _ = answer.send(result);
            fit
        }));
        match done.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            // Only after `stop`, when no session is left to care.
            Err(_) => std::future::pending().await,
        }
    }

    /// Runs disk work that needs no reader (spills) in a reader's lane.
    pub async fn disk<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Shared>) -> R + Send + 'static,
    ) -> R {
        let shared = self.inner.shared.clone();
        self.peek(move |_| work(&shared)).await
    }

    /// Writes into `learned.sqlite` in the writer's lane, behind the changes that wait. It costs the mail around it no
    /// flush, but the writer's time: it must be short and rare.
    pub async fn learn<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Learned) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (answer, done) = oneshot::channel();
        let job: LearnWork = Box::new(move |learned| {
            let work = AssertUnwindSafe(|| learned.and_then(work));
            // A panic was reported by its hook; it is no reason to end the writer.
            let bug = || Err(StoreError("a bug of ours, reported in the log".into()));
            let _ = answer.send(catch_unwind(work).unwrap_or_else(|_| bug()));
        });
        let stopped = || StoreError("the store has stopped".into());
        self.inner
            .write
            .send(WriteJob::Learn(job))
            .map_err(|_| stopped())?;
        done.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Finishes what is queued, closes the store cleanly and ends the threads. Blocks; call it last.
    pub fn stop(&self) {
        let _ = self.inner.write.send(WriteJob::Stop);
        self.inner.read.close();
        let threads = std::mem::take(
            &mut *self
                .inner
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let builder = std::thread::Builder::new()
        .name(name.into())
        .stack_size(crate::limits::LANE_STACK_BYTES);
    builder
        .spawn(body)
        .map_err(|e| StoreError(format!("cannot start the {name} thread: {e}")))
}

impl ReadQueue {
    fn push(&self, work: ReadWork) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = jobs.as_mut() {
            jobs.push_back(work);
            self.ready.notify_one();
        }
    }
    fn next(&self) -> Option<ReadWork> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match jobs.as_mut()?.pop_front() {
                Some(work) => return Some(work),
                None => {
                    jobs = self
                        .ready
                        .wait(jobs)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }
    fn close(&self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.ready.notify_all();
    }
}

fn read_lane(mut reader: Reader, shared: &Arc<Shared>, queue: &ReadQueue) {
    while let Some(work) = queue.next() {
        match work(&mut reader) {
            Fit::Whole => {}
            // The panic may have left a statement half stepped: the reader is made anew.
            Fit::Panicked => match shared.reader() {
                Ok(new) => reader = new,
                Err(error) => log::error!("a reader lane cannot reopen the index: {error}"),
            },
        }
    }
}

struct WriteLane {
    writer: Writer,
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<WriteJob>,
    notify: Notify,
    committed: Arc<AtomicU64>,
    /// A change without a record (`ClaimRecent`) waits to be published: no LSN says so.
    hidden: Arc<AtomicBool>,
}

/// One group on its way through the writer.
#[derive(Default)]
struct Group {
    changes: Vec<Change>,
    answers: Vec<oneshot::Sender<Result<Done, Refused>>>,
    places: Vec<OwnedSemaphorePermit>,
    publish: Vec<oneshot::Sender<()>>,
    learn: Vec<LearnWork>,
    bytes: usize,
    stop: bool,
}

impl Group {
    fn add(&mut self, job: WriteJob) {
        match job {
            WriteJob::Commit {
                change,
                answer,
                _place,
            } => {
                self.bytes += content_bytes(&change);
                self.changes.push(*change);
                self.answers.push(answer);
                self.places.push(_place);
            }
            WriteJob::Publish(answer) => self.publish.push(answer),
            WriteJob::Learn(work) => self.learn.push(work),
            WriteJob::Stop => self.stop = true,
        }
    }
    /// One more full buffer would still fit.
    fn has_room(&self) -> bool {
        !self.stop
            && self.changes.len() < BATCH_CHANGES_MAX
            && self.bytes + 2 * crate::limits::LARGE_MESSAGE_BYTES <= BATCH_BYTES_MAX
    }
}

impl WriteLane {
    fn run(mut self) {
        loop {
            let group = self.gather();
            if !group.changes.is_empty() || !group.publish.is_empty() {
                self.carry_out(group.changes, group.answers, group.publish);
            }
            drop(group.places);
            self.learn(group.learn);
            if group.stop {
                break;
            }
        }
        if let Err(error) = self.writer.close() {
            log::error!("the store did not close cleanly: {error}");
        }
    }

    /// Opens `learned.sqlite` for as long as it is written.
    fn learn(&self, works: Vec<LearnWork>) {
        if works.is_empty() {
            return;
        }
        match Learned::open(self.shared.dir()) {
            Ok((mut learned, opened)) => {
                if opened == learned::Opened::Anew {
                    log::warn!(
                        "what the box learned was damaged and begins anew; mail is not concerned"
                    );
                }
                works.into_iter().for_each(|work| work(Ok(&mut learned)));
            }
            Err(StoreError(why)) => {
                let error = || StoreError(why.clone());
                works.into_iter().for_each(|work| work(Err(error())));
            }
        }
    }

    /// Waits for the first job and takes what else is ready; does upkeep while there is none.
    fn gather(&mut self) -> Group {
        let mut group = Group::default();
        let mut more_upkeep = false;
        loop {
            let patience = match (more_upkeep, self.writer.unpublished()) {
                (true, _) => Duration::ZERO,
                (false, true) => PUBLISH_AFTER,
                (false, false) => UPKEEP_EVERY,
            };
            match self.jobs.recv_timeout(patience) {
                Ok(job) => {
                    group.add(job);
                    break;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    group.stop = true;
                    return group;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => more_upkeep = self.idle(),
            }
        }
        while group.has_room() {
            match self.jobs.try_recv() {
                Ok(job) => group.add(job),
                Err(_) => break,
            }
        }
        group
    }

    /// One piece of idle work; whether there is more.
    fn idle(&mut self) -> bool {
        if self.writer.unpublished() {
            self.publish();
            return true;
        }
        self.writer.upkeep(now_millis()).unwrap_or_else(|error| {
            log::warn!("upkeep of the store: {error}");
            false
        })
    }

    fn publish(&mut self) {
        if let Err(error) = self.writer.publish() {
            log::error!("the index cannot be written: {error}");
        }
        // Only this thread sets it, so that nothing has come between.
        self.hidden.store(false, Ordering::Release);
    }

    fn carry_out(
        &mut self,
        changes: Vec<Change>,
        answers: Vec<oneshot::Sender<Result<Done, Refused>>>,
        publish: Vec<oneshot::Sender<()>>,
    ) {
        if !changes.is_empty() {
            let results = self.writer.commit(changes, now_millis());
            debug_assert_eq!(results.len(), answers.len());
            for (result, answer) in results.into_iter().zip(answers) {
                if let Ok(done) = &result {
                    self.committed.fetch_max(done.lsn, Ordering::AcqRel);
                    if matches!(done.outcome, Outcome::Recent { from_uid } if from_uid != 0) {
                        self.hidden.store(true, Ordering::Release);
                    }
                    done.touched
                        .iter()
                        .for_each(|mailbox| self.notify.wake(*mailbox, done.lsn));
                }
                // A session that went away meanwhile does not hear of it; the mail is there all the same.
                let _ = answer.send(result);
            }
        }
        if !publish.is_empty() {
            self.publish();
            for answer in publish {
                let _ = answer.send(());
            }
        }
    }
}

fn content_bytes(change: &Change) -> usize {
    let message = match change {
        Change::Deliver(delivery) => &delivery.message,
        Change::Append { message, .. } => message,
        _ => return 0,
    };
    match &message.content {
        Content::Small(body) => body.bytes().len(),
        Content::Large(_) => 0,
    }
}

/// The wall clock, milliseconds since 1970.
pub fn now_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}
