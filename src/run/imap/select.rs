//! SELECT, EXAMINE and CLOSE (RFC 3501 sections 6.3.1, 6.3.2 and 6.4.2).

use super::maps::Room;
use super::reply::Reply;
use super::{End, Selected, Session};
use crate::limits::KEYWORDS_MAX;
use crate::session::imap::view::View;
use crate::store::change::Outcome;
use crate::store::row::MailboxRow;
use crate::store::{AccountId, Change, MailboxId, Reader, StoreError};
use crate::wire::imap::command::Access;
use crate::wire::imap::flag::{Flags, Keywords};
use crate::wire::imap::mailbox::MailboxName;
use crate::wire::imap::seq_map::SeqMap;
use crate::wire::imap::uid_set::UidSet;
use crate::wire::imap::write::{Code, put_untagged};
use std::sync::Arc;

/// Keywords that are offered before anybody has used them (RFC 5788's registry).
const OFFERED: [&str; 4] = ["$Forwarded", "$Junk", "$NotJunk", "$MDNSent"];

/// What SELECT reads of a mailbox.
struct Opened {
    row: MailboxRow,
    uids: UidSet,
    first_unseen: Option<u32>,
    keywords: Keywords,
}

impl Session {
    pub(super) async fn select(&mut self, name: MailboxName, access: Access) -> Result<Reply, End> {
        // RFC 3501 section 6.3.1: also a SELECT that fails deselects.
        self.selected = None;
        let Some(account) = self.account() else {
            return Ok(Reply::bad("log in first"));
        };
        let row = self
            .read(move |reader| reader.mailbox(account, name.as_str()))
            .await;
        let mailbox = match row {
            Ok(Some(row)) if !row.no_select => row.id,
            Ok(_) => return Ok(Reply::no(Code::Nonexistent, "mailbox does not exist")),
            Err(error) => return Ok(error.into()),
        };
        // Watching begins before the mailbox is read, so that no change falls between.
        let watch = self.imap.server.lanes.notify().watch(mailbox);
        let opened = match self
            .read(move |reader| open(reader, account, mailbox))
            .await
        {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Reply::no(Code::Nonexistent, "mailbox does not exist")),
            Err(error) => return Ok(error.into()),
        };
        let map = Arc::new(SeqMap::new(&opened.uids));
        let (map, room) = self.imap.maps.share(mailbox, map);
        if room == Room::None {
            return Ok(Reply::no(
                Code::Limit,
                "too many mailboxes with many gaps are open; try again later",
            ));
        }
        let recent = self.recent_at_select(&opened, access).await;
        let view = View {
            access,
            map,
            modseq: opened.row.highest_modseq,
            expunges_modseq: opened.row.highest_modseq,
            recent: Arc::new(recent),
        };
        self.told_keywords(Arc::new(opened.keywords.clone()));
        self.put_opened(&opened, &view);
        self.selected = Some(Box::new(Selected {
            mailbox,
            view,
            watch,
            held: false,
        }));
        Ok(match access {
            Access::ReadWrite => Reply::ok_with(Code::ReadWrite, "SELECT completed"),
            Access::ReadOnly => Reply::ok_with(Code::ReadOnly, "EXAMINE completed"),
        })
    }

    pub(super) async fn close(&mut self) -> Result<Reply, End> {
        let Some(selected) = self.selected.take() else {
            return Ok(Reply::bad("select a mailbox first"));
        };
        if selected.view.access == Access::ReadWrite {
            let uids = Some(selected.view.map.uids());
            let change = Change::Expunge {
                mailbox: selected.mailbox,
                uids,
            };
            if let Err(refused) = self.imap.server.lanes.commit(change).await {
                return Ok(refused.into());
            }
        }
        Ok(Reply::ok("CLOSE completed"))
    }

    /// The recent messages: SELECT takes them from all later sessions, EXAMINE only looks.
    async fn recent_at_select(&self, opened: &Opened, access: Access) -> UidSet {
        let row = &opened.row;
        let from_uid = match access {
            Access::ReadOnly => row.recent_from_uid,
            Access::ReadWrite if row.recent_from_uid < row.uid_next => {
                self.claim_recent(row.id).await
            }
            Access::ReadWrite => 0,
        };
        match opened.uids.last() {
            Some(last) if from_uid != 0 && from_uid <= last => {
                opened.uids.intersection(&UidSet::range(from_uid, last))
            }
            _ => UidSet::new(),
        }
    }

    /// Takes what is recent for this session; the first of its UIDs, 0 when another session had it.
    pub(super) async fn claim_recent(&self, mailbox: MailboxId) -> u32 {
        match self
            .imap
            .server
            .lanes
            .commit(Change::ClaimRecent { mailbox })
            .await
        {
            Ok(done) => match done.outcome {
                Outcome::Recent { from_uid } => from_uid,
                _ => 0,
            },
            // \Recent is a courtesy: without it the mailbox is as good.
            Err(_) => 0,
        }
    }

    fn put_opened(&mut self, opened: &Opened, view: &View) {
        let (keywords, access) = (&opened.keywords, view.access);
        put_flag_names(&mut self.out, keywords, access);
        put_untagged(&mut self.out, &format!("{} EXISTS", view.map.len()));
        put_untagged(&mut self.out, &format!("{} RECENT", view.recent_count()));
        if let Some(seq) = opened.first_unseen.and_then(|uid| view.map.seq(uid)) {
            put_untagged(
                &mut self.out,
                &format!("OK [UNSEEN {seq}] first without \\Seen"),
            );
        }
        put_untagged(
            &mut self.out,
            &format!("OK [UIDVALIDITY {}] UIDs valid", opened.row.uid_validity),
        );
        // The row was read first: a message that came meanwhile is in the view already.
        let uid_next = opened
            .row
            .uid_next
            .max(view.map.last_uid().saturating_add(1));
        put_untagged(&mut self.out, &format!("OK [UIDNEXT {uid_next}] next UID"));
    }

    /// The keywords that the client knows from now on.
    pub(super) fn told_keywords(&mut self, keywords: Arc<Keywords>) {
        if let Some(user) = &mut self.user {
            user.keywords = keywords;
        }
    }

    pub(super) fn account(&self) -> Option<AccountId> {
        self.user.as_ref().map(|user| user.account)
    }

    /// Reads in a reader's lane.
    pub(super) async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader) -> R + Send + 'static,
    ) -> R {
        self.imap.server.lanes.read(work).await
    }
}

fn open(
    reader: &mut Reader,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Option<Opened>, StoreError> {
    // The row first: what comes later than its HIGHESTMODSEQ is told again by the first look.
    let Some(row) = reader.mailbox_by_id(mailbox)? else {
        return Ok(None);
    };
    let uids = reader.uids(mailbox, 1)?;
    let first_unseen = match row.unseen {
        0 => None,
        _ => reader.first_unseen(mailbox)?,
    };
    Ok(Some(Opened {
        row,
        uids,
        first_unseen,
        keywords: reader.keywords(account)?,
    }))
}

/// FLAGS and PERMANENTFLAGS: when a mailbox is opened and whenever a new keyword shows up.
pub(super) fn put_flag_names(out: &mut Vec<u8>, keywords: &Keywords, access: Access) {
    let mut names: Vec<&str> = Flags::SYSTEM.iter().map(|(_, name)| *name).collect();
    names.extend(keywords.0.iter().map(|k| &**k));
    names.extend(OFFERED.iter().filter(|k| keywords.find(k).is_none()));
    let names = names.join(" ");
    put_untagged(out, &format!("FLAGS ({names})"));
    let more = if keywords.0.len() < KEYWORDS_MAX {
        " \\*"
    } else {
        ""
    };
    match access {
        Access::ReadWrite => put_untagged(
            out,
            &format!("OK [PERMANENTFLAGS ({names}{more})] flags are kept"),
        ),
        Access::ReadOnly => put_untagged(out, "OK [PERMANENTFLAGS ()] read-only"),
    }
}
