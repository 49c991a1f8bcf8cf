//! Random changes against a model that fits in memory: after each open, replay, rebuild and reclaim the store says
//! the same, octet for octet.

use super::*;
use crate::wire::imap::flag::Flags;
use crate::wire::imap::uid_set::UidSet;
use std::collections::BTreeMap;

/// A small generator, so that a failing seed can be run again.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    pub flags: u64,
    pub modseq: u64,
    pub internal_secs: i64,
    pub bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    pub id: u64,
    pub uid_validity: u32,
    pub uid_next: u32,
    pub modseq: u64,
    pub no_select: bool,
    pub mails: BTreeMap<u32, Mail>,
}

/// Everything that readers can see of some accounts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Picture {
    pub folders: BTreeMap<(u64, String), Folder>,
    pub subscriptions: BTreeMap<u64, Vec<String>>,
    pub keywords: BTreeMap<u64, Vec<String>>,
    pub queue: Vec<(u64, Vec<String>)>,
}

pub const ACCOUNTS: [AccountId; 2] = [AccountId(1), AccountId(2)];

pub fn picture(shared: &Arc<Shared>) -> Picture {
    let mut reader = shared.reader().expect("a reader");
    let mut picture = Picture::default();
    for account in ACCOUNTS {
        for row in reader.mailboxes(account).expect("mailboxes") {
            let mails: BTreeMap<u32, Mail> = rows(&mut reader, row.id)
                .iter()
                .map(|mail| {
                    let seen = Mail {
                        flags: mail.flags.0,
                        modseq: mail.modseq,
                        internal_secs: mail.internal_secs,
                        bytes: served(&mut reader, mail),
                    };
                    (mail.uid, seen)
                })
                .collect();
            assert_eq!(row.messages as usize, mails.len(), "count of {}", row.name);
            let unseen = mails.values().filter(|mail| mail.flags & 1 == 0).count();
            assert_eq!(row.unseen as usize, unseen, "unseen of {}", row.name);
            let bytes: usize = mails.values().map(|mail| mail.bytes.len()).sum();
            assert_eq!(row.bytes as usize, bytes, "octets of {}", row.name);
            // What short cuts say is what is there.
            let from = 1 + row.uid_next / 3;
            let there = |from: u32| {
                mails
                    .keys()
                    .copied()
                    .filter(move |uid| *uid >= from)
                    .collect()
            };
            let uids = |reader: &mut Reader, from| reader.uids(row.id, from).expect("uids");
            assert_eq!(uids(&mut reader, 1), there(1));
            assert_eq!(uids(&mut reader, from), there(from));
            for set in [false, true] {
                let seen = reader.uids_with_flags(row.id, Flags::SEEN, set);
                let wanted = mails
                    .iter()
                    .filter(|(_, mail)| (mail.flags & 1 == 1) == set);
                let wanted: UidSet = wanted.map(|(uid, _)| *uid).collect();
                assert_eq!(seen.expect("uids"), wanted);
            }
            let folder = Folder {
                id: row.id.0,
                uid_validity: row.uid_validity,
                uid_next: row.uid_next,
                modseq: row.highest_modseq,
                no_select: row.no_select,
                mails,
            };
            picture.folders.insert((account.0, row.name.into()), folder);
        }
        let strings = |list: Vec<Box<str>>| list.into_iter().map(String::from).collect::<Vec<_>>();
        let subscriptions = strings(reader.subscriptions(account).expect("subscriptions"));
        picture.subscriptions.insert(account.0, subscriptions);
        let keywords = strings(reader.keywords(account).expect("keywords").0);
        picture.keywords.insert(account.0, keywords);
    }
    for entry in reader.queue(QueueId(0), 1000).expect("queue") {
        let to = entry
            .recipients
            .iter()
            .map(|to| to.address.to_string())
            .collect();
        picture.queue.push((entry.id.0, to));
    }
    picture
}

/// Draws changes and keeps the model of what they did.
pub struct Player {
    pub dice: Dice,
    pub model: Picture,
    serial: u64,
}

impl Player {
    pub fn new(seed: u64) -> Player {
        Player {
            dice: Dice(seed),
            model: Picture::default(),
            serial: 0,
        }
    }

    fn folder(&mut self) -> Option<((u64, String), MailboxId)> {
        let open: Vec<_> = self
            .model
            .folders
            .iter()
            .filter(|(_, f)| !f.no_select)
            .collect();
        let at = self.dice.next(open.len() as u64) as usize;
        open.get(at)
            .map(|(key, folder)| ((*key).clone(), MailboxId(folder.id)))
    }

    fn uids(&mut self, key: &(u64, String)) -> UidSet {
        let next = u64::from(self.model.folders[key].uid_next);
        let mut uids = UidSet::new();
        for _ in 0..=self.dice.next(3) {
            let first = 1 + self.dice.next(next);
            let last = first + self.dice.next(4);
            uids.insert_range(first as u32, last as u32);
        }
        uids
    }

    fn body(&mut self) -> Vec<u8> {
        self.serial += 1;
        let size = match self.dice.next(20) {
            0 => 70_000,
            1 => 32 * 1024,
            _ => 50 + self.dice.next(3000) as usize,
        };
        text(&format!("number {}", self.serial), size)
    }

    /// One change that can be sent now.
    pub fn draw(&mut self) -> Change {
        let Some((key, mailbox)) = self.folder() else {
            return Change::AccountMailboxes {
                account: ACCOUNTS[0],
            };
        };
        let account = AccountId(key.0);
        match self.dice.next(32) {
            0..10 => {
                let bytes = self.body();
                let mut locals = Vec::new();
                for account in ACCOUNTS {
                    if self
                        .model
                        .folders
                        .contains_key(&(account.0, "INBOX".into()))
                        && self.dice.next(3) > 0
                    {
                        let prefix = format!("Delivered-To: {}\r\n", account.0).into_bytes();
                        let into = match self.dice.next(4) {
                            0 => Into::Named("no such".into()),
                            1 => Into::Special(row::SpecialUse::Junk),
                            _ => Into::Inbox,
                        };
                        locals.push(LocalDelivery {
                            account,
                            into,
                            prefix,
                            flags: Flags::default(),
                        });
                    }
                }
                let remote =
                    (locals.is_empty() || self.dice.next(8) == 0).then(|| RemoteDelivery {
                        sender: None,
                        account: Some(account),
                        prefix: b"X-Out: 1\r\n".to_vec(),
                        recipients: vec![row::QueueRecipient {
                            address: crate::wire::address::Address::parse("far@away.test")
                                .expect("an address"),
                            notify: 0,
                            orcpt: None,
                        }],
                        envid: None,
                        return_full: false,
                        eight_bit: false,
                        smtputf8: false,
                    });
                Change::Deliver(Box::new(Delivery {
                    message: message(&bytes),
                    locals,
                    remote,
                }))
            }
            10..13 => Change::Append {
                mailbox,
                message: Box::new(message(&self.body())),
                flags: names(Flags(self.dice.next(32)), &[]),
                internal_secs: self.dice.next(1 << 31) as i64,
            },
            13..20 => {
                let how = [FlagsHow::Add, FlagsHow::Remove, FlagsHow::Replace]
                    [self.dice.next(3) as usize];
                let keywords: &[&str] =
                    [&[][..], &["$Junk"], &["a", "b"]][self.dice.next(3) as usize];
                let flags = names(Flags(self.dice.next(32)), keywords);
                Change::Flags {
                    mailbox,
                    uids: self.uids(&key),
                    how,
                    flags,
                }
            }
            20..23 => {
                let uids = self.uids(&key);
                let target = self
                    .folder()
                    .filter(|(other, _)| other.0 == key.0)
                    .map_or(mailbox, |other| other.1);
                Change::Copy {
                    from: mailbox,
                    uids,
                    to: target,
                    and_remove: self.dice.next(2) == 0,
                }
            }
            23..26 => {
                let uids = (self.dice.next(2) == 0).then(|| self.uids(&key));
                Change::Expunge { mailbox, uids }
            }
            26 => Change::MailboxCreate {
                account,
                name: format!("f{}/g{}", self.dice.next(3), self.dice.next(3)).into(),
                special_use: None,
            },
            27 => Change::MailboxDelete {
                account,
                name: key.1.into(),
            },
            28 => Change::MailboxRename {
                account,
                from: key.1.into(),
                to: format!("r{}/{}", self.dice.next(3), self.dice.next(9)).into(),
            },
            29 => Change::Subscribe {
                account,
                name: format!("s{}", self.dice.next(4)).into(),
                on: self.dice.next(2) == 0,
            },
            30 => Change::QueueDrop {
                queue: QueueId(1 + self.dice.next(20)),
            },
            _ => Change::Undelete {
                account,
                emails: Vec::new(),
            },
        }
    }
}

fn play(seed: u64, rounds: usize, changes_max: u64) {
    let dir = Dir::new();
    let mut player = Player::new(seed);
    let (mut writer, mut shared) = dir.open();
    for account in ACCOUNTS {
        one(&mut writer, Change::AccountMailboxes { account });
    }
    for round in 0..rounds {
        writer.publish().expect("published");
        player.model = picture(&shared);
        let changes: Vec<Change> = (0..1 + player.dice.next(changes_max))
            .map(|_| player.draw())
            .collect();
        let before = player.model.clone();
        let answers = writer.commit(changes, NOW + round as i64 * 1000);
        writer.publish().expect("published");
        let after = picture(&shared);
        check_answers(&before, &after, &answers);
        match player.dice.next(6) {
            0 => {
                // Killed: nothing was closed.
                drop((writer, shared));
                (writer, shared) = dir.open();
            }
            1 => {
                writer.close().expect("closed");
                drop(shared);
                (writer, shared) = dir.open();
            }
            2 => {
                drop((writer, shared));
                (writer, shared) = rebuild(dir.options()).expect("rebuilt");
            }
            _ => continue,
        }
        assert_eq!(shared.health(), Health::Well);
        assert_eq!(
            picture(&shared),
            after,
            "seed {seed} round {round}: {:?}",
            shared.open_report()
        );
    }
}

/// What holds for any change: UIDs and modseqs only grow, UIDVALIDITYs stay, and an answer tells what is there.
fn check_answers(before: &Picture, after: &Picture, answers: &[Result<Done, Refused>]) {
    let by_id: BTreeMap<u64, &Folder> = after
        .folders
        .values()
        .map(|folder| (folder.id, folder))
        .collect();
    for old in before.folders.values() {
        let Some(new) = by_id.get(&old.id) else {
            continue;
        };
        assert_eq!(old.uid_validity, new.uid_validity);
        assert!(old.uid_next <= new.uid_next && old.modseq <= new.modseq);
        for (uid, mail) in &new.mails {
            match old.mails.get(uid) {
                Some(was) => {
                    assert_eq!(was.bytes, mail.bytes);
                    assert_eq!(was.flags == mail.flags, was.modseq == mail.modseq);
                }
                None => assert!(*uid >= old.uid_next),
            }
        }
    }
    for answer in answers.iter().flatten() {
        if let Outcome::Delivered { placed, .. } = &answer.outcome {
            for (mailbox, uid) in placed {
                if let Some(folder) = by_id.get(&mailbox.0) {
                    assert!(*uid < folder.uid_next);
                }
            }
        }
    }
}

#[test]
fn one_change_at_a_time() {
    for seed in 1..4 {
        play(seed, 60, 1);
    }
}

#[test]
fn many_changes_in_a_batch() {
    for seed in 11..14 {
        play(seed, 25, 30);
    }
}
