//! Plays transcripts against `session/smtp` with the framers of `wire`: no socket, no store, no clock.
//!
//! The world: anna@box.test and bert@box.test (password `secret`), info@box.test for both, cleo@box.test disabled,
//! reject@box.test takes no mail. Other domains are elsewhere.

use crate::transcript::{Step, Transcript, matches};
use pillarbox::policy::{accept, submit};
use pillarbox::session::smtp::{
    Action, Event, Place, Resolved, Role, Route, SenderCheck, Session, Terms, Verified,
};
use pillarbox::wire::address::Address;
use pillarbox::wire::dot::{ContentReader, LoneLf};
use pillarbox::wire::header::end_of_header;
use pillarbox::wire::line::{Framed, LineFramer};
use pillarbox::wire::smtp::{Path, Reply};
use std::collections::BTreeMap;

type Accounts = Vec<&'static str>;

struct World {
    role: Role,
    bytes_max: u64,
    session: Session<Accounts>,
    framer: LineFramer,
    window: Vec<u8>,
    out: Vec<u8>,
    /// None once closed.
    action: Option<Action>,
    content: Option<(ContentReader, Vec<u8>)>,
    /// Octets of the chunk that have not come.
    chunk_left: u64,
    stored: BTreeMap<&'static str, usize>,
    queued: usize,
}

pub fn play(transcript: &Transcript) -> Result<(), String> {
    let mut world = World::new(transcript);
    if let Some(Step::Send(octets)) = transcript.steps.first() {
        world.window.extend_from_slice(octets);
        world.step(Event::EarlyTalker);
    } else {
        world.step(Event::Connected);
    }
    world.run();
    for step in &transcript.steps {
        world
            .play(step)
            .map_err(|why| format!("{}:{why}", transcript.name))?;
    }
    match world.out.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}: unexpected at the end: {}",
            transcript.name,
            world.said()
        )),
    }
}

impl World {
    fn new(transcript: &Transcript) -> World {
        let role = match transcript.role.as_str() {
            "mx" => Role::Mx,
            "submission" => Role::Submission,
            "submissions" => Role::Submissions,
            other => panic!("{}: role {other}", transcript.name),
        };
        let number = |name| transcript.setting(name).map(|text| text.parse().unwrap());
        let bytes_max = number("message_bytes_max").unwrap_or(100_000);
        let terms = Terms {
            hostname: "box.test".into(),
            message_bytes_max: bytes_max,
            plain_text_login: transcript.setting("plain_text_login").is_some(),
        };
        World {
            role,
            bytes_max,
            session: Session::new(role, terms),
            framer: LineFramer::default(),
            window: Vec::new(),
            out: Vec::new(),
            action: None,
            content: None,
            chunk_left: 0,
            stored: BTreeMap::new(),
            queued: 0,
        }
    }

    fn play(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(octets) => {
                self.window.extend_from_slice(octets);
                self.run();
            }
            Step::Expect(at, pattern) => {
                let end = self.out.windows(2).position(|pair| pair == b"\r\n");
                let Some(end) = end else {
                    return Err(format!("{at}: expected {pattern:?}, nothing came"));
                };
                let line = String::from_utf8(self.out[..end].to_vec()).unwrap();
                self.out.drain(..end + 2);
                if !matches(pattern, &line) {
                    return Err(format!("{at}: expected {pattern:?}, got {line:?}"));
                }
            }
            Step::Tls => {
                assert_eq!(self.action.take(), Some(Action::StartTls));
                self.window.clear();
                self.step(Event::TlsReady);
            }
            Step::Closed(at) => {
                if self.action.is_some() || !self.out.is_empty() {
                    return Err(format!("{at}: should be closed; {}", self.said()));
                }
            }
            Step::Quiet(at) => {
                if self.action.is_none() || !self.out.is_empty() {
                    return Err(format!("{at}: should be waiting; {}", self.said()));
                }
            }
            Step::Stored(at, who, count) => {
                let stored = self.stored.get(who.as_str()).copied().unwrap_or(0);
                if stored != *count {
                    return Err(format!("{at}: {stored} messages of {who}"));
                }
            }
            Step::Holds(..) | Step::Field(..) => unreachable!("asks a store"),
            Step::Queued(at, count) => {
                if self.queued != *count {
                    return Err(format!("{at}: {} entries in the queue", self.queued));
                }
            }
        }
        Ok(())
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    fn step(&mut self, event: Event<'_, Accounts>) {
        self.action = match self.session.step(event, &mut self.out) {
            Action::Close => None,
            action => Some(action),
        };
    }

    /// Goes on until more input is needed.
    fn run(&mut self) {
        while let Some(action) = self.action.take() {
            if !self.carry_out(&action) {
                self.action = Some(action);
                return;
            }
        }
    }

    /// False when the action waits for input.
    fn carry_out(&mut self, action: &Action) -> bool {
        match action {
            Action::Close => unreachable!("taken out before"),
            Action::StartTls => return false,
            Action::Read => return self.read(),
            Action::Verify { user, password } => {
                let verified = match (&**user, &password[..]) {
                    ("cleo@box.test", b"secret") => Verified::Disabled,
                    ("later@box.test", _) => Verified::TryLater,
                    ("anna@box.test" | "bert@box.test", b"secret") => {
                        Verified::Granted(Address::parse(user).unwrap())
                    }
                    _ => Verified::Denied,
                };
                self.step(Event::Verified(verified));
            }
            Action::CheckSender(sender) => {
                let check = match self.owns(sender) {
                    true => SenderCheck::Owned,
                    false => SenderCheck::NotOwned,
                };
                self.step(Event::SenderChecked(check));
            }
            Action::JudgeSender(_) => self.step(Event::SenderJudged(None)),
            Action::Resolve(path) => self.step(Event::Resolved(resolve(path))),
            Action::OpenContent => {
                let lone_lf = match self.role {
                    Role::Mx => LoneLf::Refuse,
                    Role::Submission | Role::Submissions => LoneLf::Repair,
                };
                self.content = Some((ContentReader::new(lone_lf), Vec::new()));
                self.step(Event::ContentOpened(Place::Ready));
            }
            Action::TakeData => return self.take_data(),
            Action::TakeChunk { bytes, last } => return self.take_chunk(*bytes, *last),
            Action::SkipChunk(bytes) => {
                if self.window.len() < *bytes as usize {
                    return false;
                }
                self.window.drain(..*bytes as usize);
                self.step(Event::Skipped);
            }
        }
        true
    }

    fn read(&mut self) -> bool {
        let window = std::mem::take(&mut self.window);
        let (consume, seen) = match self
            .framer
            .next(&window, self.session.line_bytes_max(&window))
        {
            Framed::Line { line, consume } => {
                self.step(Event::Line(line));
                (consume, true)
            }
            Framed::Fault { fault, consume } => {
                self.step(Event::Fault(fault));
                (consume, true)
            }
            Framed::More { consume } => (consume, false),
        };
        self.window = window[consume..].to_vec();
        seen
    }

    fn take_data(&mut self) -> bool {
        let (reader, content) = self.content.as_mut().unwrap();
        let taken = reader.dotted(&self.window, &mut |piece| content.extend_from_slice(piece));
        self.window.drain(..taken.consume);
        if taken.ended {
            let reply = self.finish();
            self.step(Event::Finished(reply));
        }
        taken.ended
    }

    fn take_chunk(&mut self, bytes: u64, last: bool) -> bool {
        if self.chunk_left == 0 {
            self.chunk_left = bytes;
        }
        let (reader, content) = self.content.as_mut().unwrap();
        let here = self.window.len().min(self.chunk_left as usize);
        reader.counted(&self.window[..here], &mut |piece| {
            content.extend_from_slice(piece)
        });
        self.window.drain(..here);
        self.chunk_left -= here as u64;
        if self.chunk_left > 0 {
            return false;
        }
        if last {
            let reply = self.finish();
            self.step(Event::Finished(reply));
        } else {
            let taken = match self.refusal() {
                Some(reply) => Err(reply),
                None => Ok(bytes),
            };
            self.step(Event::ChunkTaken(taken));
        }
        true
    }

    fn refusal(&self) -> Option<Reply> {
        let (reader, content) = self.content.as_ref().unwrap();
        match (reader.faults().any(), content.len() as u64 > self.bytes_max) {
            (true, _) => Some(Reply::new(554, "5.6.0", "Faulty octets")),
            (_, true) => Some(Reply::new(552, "5.3.4", "Too large")),
            _ => None,
        }
    }

    fn finish(&mut self) -> Reply {
        self.content.as_mut().unwrap().0.finish_counted();
        if let Some(reply) = self.refusal() {
            return reply;
        }
        let (_, content) = self.content.take().unwrap();
        let header = &content[..end_of_header(&content).unwrap_or(content.len())];
        let mail = self.session.transaction().unwrap();
        let mut accounts = Vec::new();
        let mut remote = false;
        for recipient in &mail.recipients {
            match &recipient.route {
                Route::Local(known) => accounts.extend(known.iter().copied()),
                Route::Remote => remote = true,
            }
        }
        accounts.sort_unstable();
        accounts.dedup();
        if let Err(reply) = self.judge(header, &accounts) {
            return reply;
        }
        for account in accounts {
            *self.stored.entry(account).or_default() += 1;
        }
        self.queued += usize::from(remote);
        Reply::new(250, "2.0.0", "Kept as test")
    }

    fn judge(&self, header: &[u8], accounts: &[&str]) -> Result<(), Reply> {
        let Some(login) = self.session.login() else {
            let names: Vec<_> = accounts
                .iter()
                .map(|name| Address::parse(&format!("{name}@box.test")).unwrap())
                .collect();
            return accept::incoming(header, &names.iter().collect::<Vec<_>>()).map(|_| ());
        };
        let done = submit::submitted(&submit::Facts {
            header,
            login,
            sender: None,
            message_id: "test@box.test",
            seconds: 0,
        })?;
        match done.authors.iter().all(|author| self.owns(author)) {
            true => Ok(()),
            false => Err(Reply::new(550, "5.7.1", "Not yours")),
        }
    }

    fn owns(&self, address: &Address) -> bool {
        let login = self.session.login().map(Address::local);
        match resolve(&Path::Address(address.clone())) {
            Resolved::Known(accounts) => accounts.iter().any(|name| Some(*name) == login),
            _ => false,
        }
    }
}

fn resolve(path: &Path) -> Resolved<Accounts> {
    let local = match path {
        Path::Address(address) if address.domain().as_str() != "box.test" => {
            return Resolved::NotOurs;
        }
        Path::Address(address) => address.local().to_ascii_lowercase(),
        Path::Local(local) => local.to_ascii_lowercase(),
        Path::Null => unreachable!("no recipient"),
    };
    match local.split('+').next().unwrap() {
        "anna" | "postmaster" => Resolved::Known(vec!["anna"]),
        "bert" => Resolved::Known(vec!["bert"]),
        "cleo" => Resolved::Known(vec!["cleo"]),
        "info" => Resolved::Known(vec!["anna", "bert"]),
        "reject" => Resolved::RejectListed,
        _ => Resolved::Unknown,
    }
}
