//! The view follows the store: EXPUNGE, EXISTS, RECENT and FETCH FLAGS for what other sessions and deliveries did.

use super::job::{Filter, Job};
use super::{End, Session};
use crate::session::imap::view::{Delta, Expunges, Naming, put_expunge};
use crate::store::{AccountId, MailboxId, ModSeq, Reader, StoreError};
use crate::wire::imap::command::Access;
use crate::wire::imap::fetch::Item;
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::uid_set::UidSet;
use std::sync::Arc;

/// Changed flags that are read at once; more are told by a FETCH of our own, in slices.
const CHANGES_AT_ONCE: usize = 512;

/// A change that this session made itself and that the client does not want to hear of.
pub(super) struct Own {
    pub modseq: ModSeq,
    pub uids: Arc<UidSet>,
}

/// What a look at the store found.
struct Look {
    delta: Delta,
    changed: Changed,
    /// Messages from this UID on are recent for whoever takes them.
    recent_from_uid: u32,
}

/// Messages of the view with new flags.
enum Changed {
    Few(Vec<(u32, Flags, ModSeq)>, Option<Keywords>),
    /// More than `CHANGES_AT_ONCE`.
    Many,
}

/// What the look needs of the view.
struct Seen {
    account: AccountId,
    mailbox: MailboxId,
    map: Arc<SeqMap>,
    modseq: ModSeq,
    expunges_modseq: ModSeq,
    keywords_known: usize,
}

impl Session {
    /// Whether [`Session::tell_news`] has something to do; cheap.
    pub(super) fn news_waiting(&mut self, expunges: Expunges) -> bool {
        let Some(selected) = &mut self.selected else {
            return false;
        };
        // `take` first: it marks the change as seen.
        selected.watch.take() || (expunges == Expunges::Told && selected.held)
    }

    /// Looks at the store and tells the client. `own` is not told.
    pub(super) async fn tell_news(
        &mut self,
        expunges: Expunges,
        naming: Naming,
        own: Option<Own>,
    ) -> Result<(), End> {
        let (Some(selected), Some(user)) = (&self.selected, &self.user) else {
            return Ok(());
        };
        let seen = Seen {
            account: user.account,
            mailbox: selected.mailbox,
            map: selected.view.map.clone(),
            modseq: selected.view.modseq,
            expunges_modseq: selected.view.expunges_modseq,
            keywords_known: user.keywords.0.len(),
        };
        let (since, last_uid) = (seen.modseq, seen.map.last_uid());
        let look = match self.read(move |reader| look(reader, &seen)).await {
            Ok(Some(look)) => look,
            Ok(None) => return Err(End::Bye("the selected mailbox was deleted")),
            Err(error) => {
                log::error!("imap: {error}");
                return Err(End::Bye("the mailbox cannot be read; see the server's log"));
            }
        };
        let Look {
            mut delta,
            changed,
            recent_from_uid,
        } = look;
        self.find_recent(&mut delta, recent_from_uid).await;
        self.follow(&delta, expunges).await?;
        match changed {
            Changed::Few(changed, keywords) => {
                self.learn_keywords(keywords);
                self.put_changed(&changed, naming, own.as_ref()).await
            }
            Changed::Many => self.tell_many(since, last_uid, naming, own).await,
        }
    }

    async fn find_recent(&mut self, delta: &mut Delta, recent_from_uid: u32) {
        let (Some(selected), Some(last)) = (&self.selected, delta.arrived.last()) else {
            return;
        };
        let from_uid = match selected.view.access {
            Access::ReadOnly => recent_from_uid,
            Access::ReadWrite if recent_from_uid <= last => {
                self.claim_recent(selected.mailbox).await
            }
            Access::ReadWrite => 0,
        };
        if from_uid != 0 && from_uid <= last {
            delta.recent = delta.arrived.intersection(&UidSet::range(from_uid, last));
        }
    }

    pub(super) async fn follow(&mut self, delta: &Delta, expunges: Expunges) -> Result<(), End> {
        if expunges == Expunges::Told {
            let gone = self.selected.as_ref().map(|s| s.view.gone(delta));
            for &(first, last) in gone.unwrap_or_default().ranges().iter().rev() {
                for seq in (first..=last).rev() {
                    put_expunge(&mut self.out, seq);
                    self.relieve().await?;
                }
            }
        }
        let Some(selected) = &mut self.selected else {
            return Ok(());
        };
        let before = selected.view.map.clone();
        selected.view.follow(delta, expunges, &mut self.out);
        selected.held = match expunges {
            Expunges::Told => false,
            Expunges::Held => {
                selected.held || !delta.expunged.intersection(&before.uids()).is_empty()
            }
        };
        if !Arc::ptr_eq(&before, &selected.view.map) {
            let ranges = before.range_count();
            drop(before);
            let grown = selected.view.map.clone();
            let maps = &self.imap.maps;
            // The client was told all that is so; what it cannot do is stay.
            selected.view.map = maps.grow(selected.mailbox, ranges, grown).ok_or(End::Bye(
                "[LIMIT] too many mailboxes with many gaps are open; try again later",
            ))?;
        }
        Ok(())
    }

    fn learn_keywords(&mut self, keywords: Option<Keywords>) {
        let (Some(keywords), Some(selected)) = (keywords, &self.selected) else {
            return;
        };
        let access = selected.view.access;
        super::select::put_flag_names(&mut self.out, &keywords, access);
        self.told_keywords(Arc::new(keywords));
    }

    pub(super) async fn put_changed(
        &mut self,
        changed: &[(u32, Flags, ModSeq)],
        naming: Naming,
        own: Option<&Own>,
    ) -> Result<(), End> {
        for (uid, flags, modseq) in changed {
            let (Some(selected), Some(user)) = (&self.selected, &self.user) else {
                break;
            };
            let is_own = own.is_some_and(|own| own.modseq == *modseq && own.uids.contains(*uid));
            if !is_own {
                selected
                    .view
                    .put_flags(*uid, *flags, &user.keywords, naming, &mut self.out);
                self.relieve().await?;
            }
        }
        Ok(())
    }

    async fn tell_many(
        &mut self,
        since: ModSeq,
        last_uid: u32,
        naming: Naming,
        own: Option<Own>,
    ) -> Result<(), End> {
        let Some(selected) = &self.selected else {
            return Ok(());
        };
        let uids = selected
            .view
            .map
            .uids()
            .intersection(&UidSet::range(1, last_uid));
        let items = match naming {
            Naming::Sequence => vec![Item::Flags],
            Naming::WithUid => vec![Item::Uid, Item::Flags],
        };
        let Some(mut job) = self.job(items, uids) else {
            return Ok(());
        };
        job.filter = Some(Filter {
            changed_after: since,
            own: own.map(|own| (own.modseq, own.uids)),
        });
        self.run_job(job).await.map(|_: Box<Job>| ())
    }
}

/// One slice in a reader's lane. The row is read first: a change that comes later is in what is read then, and told
/// once more by the next look.
fn look(reader: &mut Reader, seen: &Seen) -> Result<Option<Look>, StoreError> {
    let Some(row) = reader.mailbox_by_id(seen.mailbox)? else {
        return Ok(None);
    };
    let last_uid = seen.map.last_uid();
    let mut look = Look {
        delta: Delta {
            modseq: row.highest_modseq,
            ..Delta::default()
        },
        changed: Changed::Few(Vec::new(), None),
        recent_from_uid: row.recent_from_uid,
    };
    if row.highest_modseq <= seen.modseq && row.highest_modseq <= seen.expunges_modseq {
        return Ok(Some(look));
    }
    look.delta.expunged = match reader.expunged_since(seen.mailbox, seen.expunges_modseq)? {
        Some(expunged) => expunged,
        // The history does not reach back that far: whoever is not there any more is gone.
        None => seen.map.uids().difference(&reader.uids(seen.mailbox, 1)?),
    };
    look.delta.arrived = reader.uids(seen.mailbox, last_uid.saturating_add(1))?;
    if last_uid > 0 {
        let changed = reader.changed_since(seen.mailbox, seen.modseq, last_uid, CHANGES_AT_ONCE)?;
        look.changed = if changed.len() == CHANGES_AT_ONCE {
            Changed::Many
        } else {
            let strange = changed
                .iter()
                .any(|(_, flags, _)| flags.beyond(seen.keywords_known));
            let keywords = if strange {
                Some(reader.keywords(seen.account)?)
            } else {
                None
            };
            Changed::Few(changed, keywords)
        };
    }
    Ok(Some(look))
}
