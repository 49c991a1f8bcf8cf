//! What this session changed itself: when nobody else changed the mailbox meanwhile, its view follows by the writer's
//! answer alone. The index needs no commit then, and no reader a look.

use super::{End, Session};
use crate::session::imap::view::{Delta, Expunges, Naming};
use crate::store::change::FlagsAfter;
use crate::store::{Lsn, ModSeq};
use crate::wire::imap::store::StoreEcho;
use crate::wire::imap::uid_set::UidSet;

/// A STORE as the writer answered it.
pub(super) struct OwnFlags {
    pub lsn: Lsn,
    pub modseq: ModSeq,
    pub changed: UidSet,
    /// None when they were too many.
    pub after: Option<Vec<FlagsAfter>>,
}

impl OwnFlags {
    /// What of the change a client that asked for silence knows without being told: not what somebody else changed, too.
    pub fn unsurprising(&self, known: ModSeq) -> UidSet {
        match &self.after {
            Some(after) => {
                let known = after.iter().filter(|m| m.modseq_before <= known);
                let known: UidSet = known.map(|m| m.uid).collect();
                self.changed.intersection(&known)
            }
            // The only change since then.
            None if self.modseq == known + 1 => self.changed.clone(),
            None => UidSet::new(),
        }
    }
}

impl Session {
    /// Follows a STORE and tells of it; false when the store must be looked at: somebody else changed the mailbox, it
    /// was too much, or a keyword is new to the client.
    pub(super) async fn follow_own_flags(
        &mut self,
        own: &OwnFlags,
        naming: Naming,
        echo: StoreEcho,
    ) -> Result<bool, End> {
        let (Some(selected), Some(user), Some(after)) =
            (&mut self.selected, &self.user, &own.after)
        else {
            return Ok(false);
        };
        let steps = u64::from(!own.changed.is_empty());
        let keywords = &user.keywords;
        let strange = after.iter().any(|m| m.flags.beyond(keywords.0.len()));
        let view = &mut selected.view;
        if view.modseq + steps != own.modseq || strange {
            return Ok(false);
        }
        if view.expunges_modseq == view.modseq {
            view.expunges_modseq = own.modseq;
        }
        view.modseq = own.modseq;
        if steps > 0 {
            selected.watch.knows(own.lsn);
        }
        if echo == StoreEcho::Told {
            let told: Vec<_> = after.iter().map(|m| (m.uid, m.flags, own.modseq)).collect();
            self.put_changed(&told, naming, None).await?;
        }
        Ok(true)
    }

    /// Follows an EXPUNGE or MOVE when nothing else happened; else the look behind the command does it.
    pub(super) async fn follow_own_expunge(
        &mut self,
        lsn: Lsn,
        modseq: ModSeq,
        uids: UidSet,
    ) -> Result<(), End> {
        let Some(selected) = &mut self.selected else {
            return Ok(());
        };
        let view = &selected.view;
        let alone = view.modseq + 1 == modseq && view.expunges_modseq == view.modseq;
        if uids.is_empty() || !alone || selected.held {
            return Ok(());
        }
        selected.watch.knows(lsn);
        let delta = Delta {
            modseq,
            expunged: uids,
            ..Delta::default()
        };
        self.follow(&delta, Expunges::Told).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::flag::Flags;

    #[test]
    fn silence_hides_nobody_elses_change() {
        let after = |uid, modseq_before| FlagsAfter {
            uid,
            flags: Flags::SEEN,
            modseq_before,
        };
        let mut own = OwnFlags {
            lsn: 1,
            modseq: 9,
            changed: UidSet::range(1, 3),
            after: Some(vec![after(1, 4), after(2, 8), after(3, 7), after(4, 8)]),
        };
        assert_eq!(own.unsurprising(7).to_string(), "1,3");
        own.after = None;
        assert_eq!(own.unsurprising(8).to_string(), "1:3");
        assert_eq!(own.unsurprising(7).to_string(), "");
    }
}
