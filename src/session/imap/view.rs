//! A selected mailbox as its session has been told of it: which sequence number is which message. The store moves on
//! at once; the view follows when the client may be told.

use crate::wire::imap::command::{Access, Numbers};
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::sequence_set::SequenceSet;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::{Recent, put_flags, put_number};
use std::sync::Arc;

/// The view of one session.
pub struct View {
    /// How it was opened.
    pub access: Access,
    /// What the client knows.
    pub map: Arc<SeqMap>,
    /// Arrivals and flags are known up to here.
    pub modseq: u64,
    /// Expunges have been told up to here; behind `modseq` while some are held back.
    pub expunges_modseq: u64,
    /// UIDs that are \Recent here.
    pub recent: Arc<UidSet>,
}

/// What happened in the store since the view's modseqs.
#[derive(Default, Debug)]
pub struct Delta {
    /// HIGHESTMODSEQ, read before everything else here: later changes may be in, and come again next time.
    pub modseq: u64,
    /// Messages that are gone; others than those of the view do no harm.
    pub expunged: UidSet,
    /// New UIDs, all above the view's last.
    pub arrived: UidSet,
    /// Those of `arrived` that are \Recent here.
    pub recent: UidSet,
}

/// Whether EXPUNGE responses may be sent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expunges {
    /// They may.
    Told,
    /// They wait for a later command.
    Held,
}

/// How a FETCH FLAGS response names its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// By sequence number alone.
    Sequence,
    /// With UID (RFC 3501 section 6.4.8: in answers to UID commands).
    WithUid,
}

impl View {
    /// The UIDs that a set of a command means (RFC 3501 section 6.4.8: UIDs that do not exist are passed over).
    /// Sequence numbers beyond the end are an error: the client counts wrong.
    pub fn resolve(&self, set: &SequenceSet, numbers: Numbers) -> Result<UidSet, &'static str> {
        match numbers {
            Numbers::Uid => Ok(self
                .map
                .uids()
                .intersection(&set.resolve(self.map.last_uid().max(1)))),
            Numbers::Sequence
                if set.largest_written() > self.map.len()
                    || (set.has_star() && self.map.is_empty()) =>
            {
                Err("sequence number beyond the end of the mailbox")
            }
            Numbers::Sequence => Ok(self.map.uids_of(&set.resolve(self.map.len()))),
        }
    }

    /// Whether a message is \Recent in this session.
    pub fn recent(&self, uid: u32) -> Recent {
        if self.recent.contains(uid) {
            Recent::Yes
        } else {
            Recent::No
        }
    }

    /// The sequence numbers that EXPUNGE responses name; they are told from the last to the first, so that no number
    /// moves before it is said, and [`View::follow`] comes behind.
    pub fn gone(&self, delta: &Delta) -> UidSet {
        self.map
            .seqs_of(&self.map.uids().intersection(&delta.expunged))
    }

    /// Follows the store (without what is gone, if that may not be told) and writes what else the client is told: EXISTS
    /// and RECENT.
    pub fn follow(&mut self, delta: &Delta, expunges: Expunges, out: &mut Vec<u8>) {
        let before = self.map.clone();
        let mut uids = before.uids();
        let gone = uids.intersection(&delta.expunged);
        if expunges == Expunges::Told {
            uids = uids.difference(&gone);
            self.expunges_modseq = delta.modseq.max(self.expunges_modseq);
        }
        let arrived = delta
            .arrived
            .difference(&UidSet::range(0, before.last_uid()));
        if !arrived.is_empty() {
            uids = uids.union(&arrived);
        }
        if !arrived.is_empty() || (expunges == Expunges::Told && !gone.is_empty()) {
            self.map = Arc::new(SeqMap::new(&uids));
            let recent = self.recent.union(&delta.recent).intersection(&uids);
            self.recent = Arc::new(recent);
        }
        if !arrived.is_empty() {
            put_numbered(out, self.map.len(), b" EXISTS\r\n");
            put_numbered(out, self.recent_count(), b" RECENT\r\n");
        }
        self.modseq = delta.modseq.max(self.modseq);
    }

    /// `* n FETCH (FLAGS (...))`; nothing when the message is not in the view.
    pub fn put_flags(
        &self,
        uid: u32,
        flags: Flags,
        keywords: &Keywords,
        naming: Naming,
        out: &mut Vec<u8>,
    ) {
        let Some(seq) = self.map.seq(uid) else { return };
        put_numbered(out, seq, b" FETCH (");
        if naming == Naming::WithUid {
            out.extend_from_slice(b"UID ");
            put_number(out, u64::from(uid));
            out.push(b' ');
        }
        put_flags(out, flags, keywords, self.recent(uid));
        out.extend_from_slice(b")\r\n");
    }

    /// How many messages are \Recent here.
    pub fn recent_count(&self) -> u32 {
        u32::try_from(self.recent.count()).unwrap_or(u32::MAX)
    }
}

/// `* n EXPUNGE`
pub fn put_expunge(out: &mut Vec<u8>, seq: u32) {
    put_numbered(out, seq, b" EXPUNGE\r\n");
}

fn put_numbered(out: &mut Vec<u8>, number: u32, text: &[u8]) {
    out.extend_from_slice(b"* ");
    put_number(out, u64::from(number));
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::scan::Scan;

    fn view(uids: impl IntoIterator<Item = u32>) -> View {
        let uids: UidSet = uids.into_iter().collect();
        View {
            access: Access::ReadWrite,
            map: Arc::new(SeqMap::new(&uids)),
            modseq: 5,
            expunges_modseq: 5,
            recent: Arc::default(),
        }
    }
    fn followed(view: &mut View, delta: &Delta, expunges: Expunges) -> String {
        let mut out = Vec::new();
        if expunges == Expunges::Told {
            for &(first, last) in view.gone(delta).ranges().iter().rev() {
                (first..=last)
                    .rev()
                    .for_each(|seq| put_expunge(&mut out, seq));
            }
        }
        view.follow(delta, expunges, &mut out);
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }
    fn set(text: &str) -> SequenceSet {
        Scan::new(text.as_bytes()).sequence_set().unwrap()
    }

    #[test]
    fn expunges_wait_until_they_may_be_told() {
        let mut v = view([1, 2, 5, 6, 9]);
        let mut delta = Delta {
            modseq: 8,
            expunged: [2, 6, 7].into_iter().collect(),
            ..Delta::default()
        };
        delta.arrived.insert(12);
        delta.recent.insert(12);
        assert_eq!(
            followed(&mut v, &delta, Expunges::Held),
            "* 6 EXISTS|* 1 RECENT|"
        );
        assert_eq!((v.modseq, v.expunges_modseq, v.map.len()), (8, 5, 6));
        assert_eq!(
            followed(&mut v, &delta, Expunges::Told),
            "* 4 EXPUNGE|* 2 EXPUNGE|"
        );
        assert_eq!(
            (v.expunges_modseq, v.map.len(), v.map.seq(12)),
            (8, 4, Some(4))
        );
        assert_eq!(followed(&mut v, &delta, Expunges::Told), "");
    }

    #[test]
    fn an_expunged_recent_message_is_recent_no_more() {
        let mut v = view([1]);
        let delta = Delta {
            modseq: 6,
            arrived: UidSet::range(2, 3),
            recent: UidSet::range(2, 3),
            ..Delta::default()
        };
        assert_eq!(
            followed(&mut v, &delta, Expunges::Told),
            "* 3 EXISTS|* 2 RECENT|"
        );
        let gone = Delta {
            modseq: 7,
            expunged: UidSet::range(3, 3),
            ..Delta::default()
        };
        assert_eq!(followed(&mut v, &gone, Expunges::Told), "* 3 EXPUNGE|");
        assert_eq!(
            (v.recent_count(), v.recent(2), v.recent(3)),
            (1, Recent::Yes, Recent::No)
        );
    }

    #[test]
    fn sets_mean_what_the_client_sees() {
        let v = view([1, 2, 5, 6, 9]);
        let resolved = |text: &str, numbers| v.resolve(&set(text), numbers).map(|s| s.to_string());
        assert_eq!(resolved("2:4", Numbers::Sequence), Ok("2,5:6".into()));
        assert_eq!(resolved("*", Numbers::Sequence), Ok("9".into()));
        assert!(resolved("6", Numbers::Sequence).is_err());
        assert_eq!(resolved("2:7", Numbers::Uid), Ok("2,5:6".into()));
        assert_eq!(resolved("100:*", Numbers::Uid), Ok("9".into()));
        assert_eq!(resolved("3", Numbers::Uid), Ok(String::new()));
        let empty = view([]);
        assert_eq!(
            empty.resolve(&set("1:*"), Numbers::Uid).map(|s| s.count()),
            Ok(0)
        );
        assert!(empty.resolve(&set("1:*"), Numbers::Sequence).is_err());
    }

    #[test]
    fn flags_name_their_message() {
        let v = view([4, 8]);
        let mut out = Vec::new();
        v.put_flags(
            8,
            Flags::SEEN,
            &Keywords::default(),
            Naming::WithUid,
            &mut out,
        );
        v.put_flags(
            4,
            Flags::SEEN,
            &Keywords::default(),
            Naming::Sequence,
            &mut out,
        );
        v.put_flags(
            5,
            Flags::SEEN,
            &Keywords::default(),
            Naming::Sequence,
            &mut out,
        );
        assert_eq!(
            out,
            b"* 2 FETCH (UID 8 FLAGS (\\Seen))\r\n* 1 FETCH (FLAGS (\\Seen))\r\n"
        );
    }
}
