//! "Look again": how a change of a mailbox reaches the sessions that have it selected.
//!
//! Lossy on purpose: a watcher learns that something changed, never what; it asks the store. So nothing grows while
//! a client does not read, and ten changes in a row cost one look. Memory: one small entry per *watched* mailbox,
//! at most one per IMAP connection.

use crate::store::{Lsn, MailboxId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// All watched mailboxes; cheap to clone.
#[derive(Clone, Default)]
pub struct Notify {
    /// With the LSN of the last change.
    watched: Arc<Mutex<HashMap<MailboxId, watch::Sender<Lsn>>>>,
}

/// One session's eye on one mailbox.
pub struct Watch {
    mailbox: MailboxId,
    receiver: watch::Receiver<Lsn>,
    notify: Notify,
}

impl Notify {
    /// Starts watching: changes committed after this call are seen by [`Watch::changed`].
    pub fn watch(&self, mailbox: MailboxId) -> Watch {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = watched
            .entry(mailbox)
            .or_insert_with(|| watch::channel(0).0)
            .subscribe();
        Watch {
            mailbox,
            receiver,
            notify: self.clone(),
        }
    }

    /// Wakes whoever watches `mailbox`, changed by the record `lsn`. Called from the writer's lane after the flush, in
    /// the order of the records.
    pub fn wake(&self, mailbox: MailboxId, lsn: Lsn) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watched.get(&mailbox) {
            sender.send_replace(lsn);
        }
    }

    #[cfg(test)]
    fn watched(&self) -> usize {
        self.watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Watch {
    /// Returns at once when the mailbox changed since the last call, else when it changes. Cancel-safe.
    pub async fn changed(&mut self) {
        // The sender lives in the map for as long as we do: an error cannot come.
        let _ = self.receiver.changed().await;
    }

    /// Whether there is something new, without waiting; marks it as seen.
    pub fn take(&mut self) -> bool {
        let new = self.receiver.has_changed().unwrap_or(false);
        self.receiver.mark_unchanged();
        new
    }

    /// The watcher knows the change `lsn`, which it made itself: unless another one followed, there is nothing new.
    pub fn knows(&mut self, lsn: Lsn) {
        if *self.receiver.borrow_and_update() != lsn {
            self.receiver.mark_changed();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self
            .notify
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Our own receiver still counts here.
        if watched
            .get(&self.mailbox)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            watched.remove(&self.mailbox);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_each_watcher_once_and_forgets_unwatched_mailboxes() {
        let notify = Notify::default();
        let (mut a, mut b) = (notify.watch(MailboxId(1)), notify.watch(MailboxId(1)));
        assert!(!a.take());
        notify.wake(MailboxId(1), 1);
        notify.wake(MailboxId(1), 2);
        notify.wake(MailboxId(2), 3);
        a.changed().await;
        assert!(!a.take(), "two changes are one look");
        assert!(b.take());
        drop(a);
        assert_eq!(notify.watched(), 1);
        drop(b);
        assert_eq!(notify.watched(), 0);
    }

    #[test]
    fn a_change_of_ones_own_is_no_news_but_the_next_one_is() {
        let notify = Notify::default();
        let mut watch = notify.watch(MailboxId(1));
        notify.wake(MailboxId(1), 5);
        watch.knows(5);
        assert!(!watch.take());
        notify.wake(MailboxId(1), 6);
        notify.wake(MailboxId(1), 7);
        watch.knows(6);
        assert!(watch.take());
    }
}
