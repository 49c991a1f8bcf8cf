//! Reports about mail: ours are gathered, composed once a day and put into the queue; those of others are read when
//! their mail has been delivered.
//!
//! Nothing of it holds up mail. Observations wait in memory and are written now and then; a received report is looked
//! at afterwards, from the stored message, in slices of a reader's lane, one at a time. What is lost by a crash is a
//! quarter of an hour of counting.

mod receive;
mod send;
#[cfg(test)]
mod tests;

pub use receive::Arrival;

use super::body::{BodyPool, Room, Share};
use super::lanes::{Lanes, now_millis};
use super::server::Server;
use crate::limits::{
    CLOCK_SECONDS_MIN, REPORT_BODIES, REPORT_LOOK_SECS, REPORT_PENDING_SECS, REPORT_ROOM_SECS,
    REPORT_WAITING_MAX,
};
use crate::policy::report::compose::DAY_SECS;
use crate::policy::report::observe::Observation;
use crate::policy::report::pieces::{Pending, unpack};
use crate::store::StoreError;
use crate::store::learned::Learned;
use crate::store::learned::outgoing::Piece;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{MutexGuard as Turn, Notify, mpsc};

/// What sessions hand over; one per process.
pub struct Reports {
    books: Mutex<Books>,
    /// A piece is full.
    full: Notify,
    arrivals: mpsc::Sender<Arrival>,
    waiting: Mutex<Option<mpsc::Receiver<Arrival>>>,
    /// Whoever composes or reads a report holds it: memory for one at a time.
    desk: tokio::sync::Mutex<()>,
}

/// Observations that are not on the disk yet.
#[derive(Default)]
struct Books {
    day: u64,
    pending: Pending,
    /// Of another day, or full: the next to be written.
    ready: Option<(u64, Pending)>,
    /// Messages for which there was no room.
    lost: u64,
}

impl Default for Reports {
    fn default() -> Reports {
        let (arrivals, waiting) = mpsc::channel(REPORT_WAITING_MAX);
        Reports {
            books: Mutex::default(),
            full: Notify::new(),
            arrivals,
            waiting: Mutex::new(Some(waiting)),
            desk: tokio::sync::Mutex::default(),
        }
    }
}

impl Reports {
    /// Counts a message for the report to its author's domain. While the clock is not sane nobody knows of which day.
    pub fn add(&self, observation: &Observation) {
        let Some(now) = clock() else { return };
        if self.books().add(observation, now / DAY_SECS) == Pile::Full {
            self.full.notify_one();
        }
    }

    /// A mail was delivered that may be a report. Beyond `REPORT_WAITING_MAX` it is a mail like any other.
    pub fn arrived(&self, arrival: Arrival) {
        if self.arrivals.try_send(arrival).is_err() {
            log::warn!("many mails that may be reports wait to be read; one more is not summed up");
        }
    }

    /// Waits until nobody else composes or reads a report, and for the memory that it takes; None when that did not
    /// come free in time.
    async fn desk<'s>(&'s self, bodies: &BodyPool) -> Option<(Turn<'s, ()>, Room)> {
        let turn = self.desk.lock().await;
        let within = Duration::from_secs(REPORT_ROOM_SECS);
        let room = bodies.room(Share::Strangers, REPORT_BODIES, within).await?;
        Some((turn, room))
    }

    /// Writes what was counted to the disk.
    pub async fn flush(&self, lanes: &Lanes) {
        let pieces = self.books().take();
        for piece in pieces {
            let messages = piece.messages;
            let written = lanes.learn(move |learned| learned.add_piece(&piece)).await;
            if let Err(error) = written {
                log::warn!("{messages} messages will be in no DMARC report: {error}");
            }
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a piece is full.
#[derive(PartialEq, Eq)]
enum Pile {
    Small,
    Full,
}

impl Books {
    fn add(&mut self, observation: &Observation, day: u64) -> Pile {
        if self.day != day && !self.pending.is_empty() {
            self.set_aside();
        }
        self.day = day;
        if self.pending.add(observation).is_ok() {
            return Pile::Small;
        }
        self.set_aside();
        if self.pending.add(observation).is_err() {
            self.lost += 1;
        }
        Pile::Full
    }

    /// The disk is slow if there is one already: what comes meanwhile is not told.
    fn set_aside(&mut self) {
        let full = (self.day, std::mem::take(&mut self.pending));
        match &self.ready {
            None => self.ready = Some(full),
            Some(_) => self.lost += full.1.messages(),
        }
    }

    fn take(&mut self) -> Vec<Piece> {
        let now = (self.day, std::mem::take(&mut self.pending));
        let mut lost = std::mem::take(&mut self.lost);
        let all = self.ready.take().into_iter().chain([now]);
        all.filter(|(_, pending)| !pending.is_empty())
            .map(|(day, pending)| Piece {
                day,
                messages: pending.messages(),
                lost: std::mem::take(&mut lost),
                octets: pending.pack(),
            })
            .collect()
    }
}

/// Looks what is due at `now` (seconds since 1970), and does it: composes what can be, drops what waited too long.
pub async fn look(server: &Arc<Server>, now: u64) {
    send::look(server, now).await;
}

/// Starts the jobs. They end when the server drains; what is not written then is written by [`Reports::flush`].
pub fn start(server: &Arc<Server>) {
    tokio::spawn(write_pieces(server.clone()));
    tokio::spawn(send_daily(server.clone()));
    let waiting = server
        .reports
        .waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(waiting) = waiting {
        tokio::spawn(read_arrivals(server.clone(), waiting));
    }
}

async fn write_pieces(server: Arc<Server>) {
    loop {
        tokio::select! {
            () = server.drained() => return,
            () = server.reports.full.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(REPORT_PENDING_SECS)) => {}
        }
        server.reports.flush(&server.lanes).await;
    }
}

async fn send_daily(server: Arc<Server>) {
    loop {
        tokio::select! {
            () = server.drained() => return,
            () = tokio::time::sleep(Duration::from_secs(REPORT_LOOK_SECS)) => {}
        }
        if let Some(now) = clock() {
            look(&server, now).await;
        }
    }
}

async fn read_arrivals(server: Arc<Server>, mut waiting: mpsc::Receiver<Arrival>) {
    loop {
        let arrival = tokio::select! {
            () = server.drained() => return,
            arrival = waiting.recv() => arrival,
        };
        match arrival {
            Some(arrival) => receive::read(&server, arrival).await,
            None => return,
        }
    }
}

/// Looks at what was learned, in a reader's lane; None when nothing was.
pub(in crate::run) async fn look_at<R: Send + 'static>(
    lanes: &Lanes,
    work: impl FnOnce(&Learned) -> Result<R, StoreError> + Send + 'static,
) -> Result<Option<R>, StoreError> {
    lanes
        .disk(move |shared| Learned::look(shared.dir())?.as_ref().map(work).transpose())
        .await
}

/// Every observation of a day, piece by piece in a reader's lane.
pub(in crate::run) async fn each_piece<T: Send + 'static>(
    lanes: &Lanes,
    day: u64,
    mut whole: T,
    mut add: impl FnMut(&mut T, Observation) + Send + 'static,
) -> Result<T, StoreError> {
    let mut after = 0;
    loop {
        let next;
        (whole, add, next) = lanes
            .disk(move |shared| {
                let piece = Learned::look(shared.dir()).and_then(|learned| {
                    learned.map_or(Ok(None), |learned| learned.piece(day, after))
                });
                if let Ok(Some((_, octets))) = &piece {
                    unpack(octets, &mut |observation| add(&mut whole, observation));
                }
                (whole, add, piece)
            })
            .await;
        match next? {
            Some((id, _)) => after = id,
            None => return Ok(whole),
        }
    }
}

/// Seconds since 1970; None while the clock is not sane.
fn clock() -> Option<u64> {
    let seconds = now_millis().div_euclid(1000);
    u64::try_from(seconds)
        .ok()
        .filter(|_| seconds >= CLOCK_SECONDS_MIN)
}
