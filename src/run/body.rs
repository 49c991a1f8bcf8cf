//! Contents on their way in: a pool of buffers, and what does not fit into one goes on to a file.
//!
//! A message holds one buffer from its first octet to its commit. One that outgrows it is written to `incoming/` a
//! buffer full at a time, so that nothing is ever sized by what a peer announces.

use super::authentic::Checks;
use super::lanes::Lanes;
use crate::limits::{
    BODY_BUFFERS_MAX, BODY_BUFFERS_SPARE_MAX, BODY_BUFFERS_STRANGERS_MAX, HEADER_BLOCK_BYTES_MAX,
    LARGE_MESSAGE_BYTES, RECIPIENTS_POOL_BYTES_MAX,
};
use crate::store::StoreError;
use crate::store::change::{Content, Message, SmallBody};
use crate::store::spill::Spill;
use crate::wire::header::end_of_header;
use crate::wire::mime::Scanner;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room behind `LARGE_MESSAGE_BYTES`: what ends a content of just that size still fits beside it.
const SLACK_BYTES: usize = 64;

/// Who wants a buffer. Strangers never get all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// Port 25.
    Strangers,
    /// Somebody who is logged in.
    Accounts,
}

/// The buffers of the process; cheap to clone.
#[derive(Clone)]
pub struct BodyPool {
    inner: Arc<Pool>,
}

struct Pool {
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    spare: Mutex<Vec<Vec<u8>>>,
    recipients: Arc<Semaphore>,
}

/// A buffer; its octets are wiped from view, not from memory, when it goes back.
struct Buffer {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
    _places: Room,
}

/// A content that is coming in.
pub struct Body {
    buffer: Buffer,
    spill: Option<Spill>,
    passing: Passing,
    /// Octets of the buffer that these have seen already (the header block).
    passed: usize,
    spilled_bytes: u64,
    cuts: Vec<Range<u32>>,
}

/// What looks at a body as it passes.
#[derive(Default)]
struct Passing {
    scanner: Option<Scanner>,
    checks: Option<Checks>,
}

impl Passing {
    fn body(&mut self, octets: &[u8]) {
        if let Some(scanner) = &mut self.scanner {
            scanner.body(octets);
        }
        if let Some(checks) = &mut self.checks {
            checks.body(octets);
        }
    }
}

impl Default for BodyPool {
    fn default() -> BodyPool {
        BodyPool {
            inner: Arc::new(Pool {
                places: Arc::new(Semaphore::new(BODY_BUFFERS_MAX)),
                strangers: Arc::new(Semaphore::new(BODY_BUFFERS_STRANGERS_MAX)),
                spare: Mutex::new(Vec::new()),
                recipients: Arc::new(Semaphore::new(RECIPIENTS_POOL_BYTES_MAX)),
            }),
        }
    }
}

impl BodyPool {
    /// An empty body; None when no buffer came free in time.
    pub async fn body(&self, share: Share, within: Duration) -> Option<Body> {
        let pool = self.inner.clone();
        let places = self.room(share, 1, within).await?;
        let spare = pool.spare().pop();
        Some(Body {
            buffer: Buffer {
                bytes: spare.unwrap_or_else(new_buffer),
                pool,
                _places: places,
            },
            spill: None,
            passing: Passing::default(),
            passed: 0,
            spilled_bytes: 0,
            cuts: Vec::new(),
        })
    }
}

/// Places of the pool that are taken.
pub type Room = [Option<OwnedSemaphorePermit>; 2];

impl BodyPool {
    /// The memory of so many bodies, each with what its scanner holds, for other work; None when it did not come free
    /// in time.
    pub async fn room(&self, share: Share, bodies: u32, within: Duration) -> Option<Room> {
        let pool = &self.inner;
        let take = |places: &Arc<Semaphore>| places.clone().acquire_many_owned(bodies);
        let places = tokio::time::timeout(within, async {
            let stranger = match share {
                Share::Strangers => Some(take(&pool.strangers).await.ok()?),
                Share::Accounts => None,
            };
            Some([stranger, Some(take(&pool.places).await.ok()?)])
        });
        places.await.ok()?
    }

    /// Memory for so many octets of recipients and the accounts behind them, until the answer is dropped; None when
    /// others hold it all.
    pub fn recipients(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        self.inner
            .recipients
            .clone()
            .try_acquire_many_owned(bytes)
            .ok()
    }
}

impl Pool {
    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_buffer() -> Vec<u8> {
    Vec::with_capacity(LARGE_MESSAGE_BYTES + SLACK_BYTES)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() < LARGE_MESSAGE_BYTES {
            return;
        }
        bytes.clear();
        let mut spare = self.pool.spare();
        if spare.len() < BODY_BUFFERS_SPARE_MAX {
            spare.push(bytes);
        }
    }
}

impl SmallBody for Buffer {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether the header block of a body is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header<'a> {
    /// The block with its empty line; of a message without an empty line, all of it.
    Block(&'a [u8]),
    /// It is longer than `HEADER_BLOCK_BYTES_MAX`.
    TooLarge,
}

impl Body {
    /// Octets that [`Body::push`] takes before [`Body::spill`] is due.
    pub fn room(&self) -> usize {
        (LARGE_MESSAGE_BYTES + SLACK_BYTES).saturating_sub(self.buffer.bytes.len())
    }

    /// Appends; never more than [`Body::room`].
    pub fn push(&mut self, octets: &[u8]) {
        debug_assert!(octets.len() <= self.room());
        self.buffer.bytes.extend_from_slice(octets);
    }

    /// Whether the buffer holds more than a small message: time to spill.
    pub fn is_full(&self) -> bool {
        self.buffer.bytes.len() > LARGE_MESSAGE_BYTES
    }

    /// Octets so far.
    pub fn bytes(&self) -> u64 {
        self.spilled_bytes + self.buffer.bytes.len() as u64
    }

    /// Whether [`Body::start_scan`] was called.
    pub fn is_scanned(&self) -> bool {
        self.passing.scanner.is_some()
    }

    /// The header block: to be asked when the body is full for the first time, or at its end.
    pub fn header(&self) -> Header<'_> {
        let all = &self.buffer.bytes;
        let block = match end_of_header(all) {
            Some(end) => all.get(..end).unwrap_or_default(),
            None => all,
        };
        match block.len() > HEADER_BLOCK_BYTES_MAX {
            true => Header::TooLarge,
            false => Header::Block(block),
        }
    }

    /// Starts the scanner over the header block, before the first spill. `prefix`: fields of ours in front; `cuts`:
    /// ranges of the header that are not served. `checks` get the octets behind the header block too.
    pub fn start_scan(&mut self, prefix: &[u8], cuts: Vec<Range<u32>>, checks: Option<Checks>) {
        let Header::Block(block) = self.header() else {
            return;
        };
        let (scanner, passed) = (Scanner::new(prefix, block, &cuts), block.len());
        self.passing = Passing {
            scanner: Some(scanner),
            checks,
        };
        self.passed = passed;
        self.cuts = cuts;
    }

    /// Moves the buffer's octets to the file. The scan must have been started.
    pub async fn spill(&mut self, lanes: &Lanes) -> Result<(), StoreError> {
        let mut buffer = std::mem::take(&mut self.buffer.bytes);
        let (mut passing, mut spill) = (std::mem::take(&mut self.passing), self.spill.take());
        let from = std::mem::take(&mut self.passed);
        self.spilled_bytes += buffer.len() as u64;
        // Scanning and hashing go along to the lane: they cost as much as the write.
        let (result, passing, buffer) = lanes
            .disk(move |shared| {
                passing.body(buffer.get(from..).unwrap_or_default());
                let mut write = || {
                    if spill.is_none() {
                        spill = Some(Spill::create(shared)?);
                    }
                    spill.as_mut().map_or(Ok(()), |file| file.write(&buffer))
                };
                let result = write().map(|()| spill);
                buffer.clear();
                (result, passing, buffer)
            })
            .await;
        self.buffer.bytes = buffer;
        self.passing = passing;
        self.spill = result?;
        Ok(())
    }

    /// The end of the octets: the last of them are looked at. Gives the checks back. The scan must have been started.
    pub async fn seal(&mut self, lanes: &Lanes) -> Result<Option<Checks>, StoreError> {
        if self.spill.is_some() {
            self.spill(lanes).await?;
        } else {
            let rest = self.buffer.bytes.get(self.passed..).unwrap_or_default();
            self.passing.body(rest);
            self.passed = self.buffer.bytes.len();
        }
        Ok(self.passing.checks.take())
    }

    /// The message as the store takes it. It must have been sealed.
    pub async fn finish(
        mut self,
        lanes: &Lanes,
        received_millis: i64,
    ) -> Result<Message, StoreError> {
        let scanner = self
            .passing
            .scanner
            .take()
            .ok_or_else(|| StoreError("a message was not scanned; this is a bug".into()))?;
        let content = match self.spill.take() {
            Some(file) => Content::Large(lanes.disk(move |_| file.finish()).await?),
            None => Content::Small(Box::new(self.buffer)),
        };
        Ok(Message {
            content,
            summary: scanner.finish(),
            cuts: self.cuts,
            received_millis,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_have_a_bound() {
        let pool = BodyPool::default();
        let most = pool.recipients(RECIPIENTS_POOL_BYTES_MAX - 1).unwrap();
        assert!(pool.recipients(2).is_none());
        let last = pool.recipients(1).unwrap();
        assert!(pool.recipients(1).is_none());
        drop((most, last));
        assert!(pool.recipients(RECIPIENTS_POOL_BYTES_MAX + 1).is_none());
        assert!(pool.recipients(RECIPIENTS_POOL_BYTES_MAX).is_some());
    }

    #[tokio::test]
    async fn buffers_are_kept_up_to_a_number() {
        let pool = BodyPool::default();
        let mut bodies = Vec::new();
        for _ in 0..BODY_BUFFERS_SPARE_MAX + 1 {
            bodies.push(pool.body(Share::Accounts, Duration::ZERO).await.unwrap());
        }
        drop(bodies);
        assert_eq!(pool.inner.spare().len(), BODY_BUFFERS_SPARE_MAX);
        let mut body = pool.body(Share::Strangers, Duration::ZERO).await.unwrap();
        assert_eq!(body.bytes(), 0, "nothing of the message before");
        body.push(&vec![0; LARGE_MESSAGE_BYTES]);
        assert!(!body.is_full());
        body.push(&[0]);
        assert!(body.is_full());
    }
}
