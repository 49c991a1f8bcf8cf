//! From a parsed command to its verb, and what every command has in common: the gate before, the news and the tagged
//! answer behind.

use super::reply::Reply;
use super::{End, Session};
use crate::session::imap::gate::{Privacy, admit, capabilities, may_tell_expunges};
use crate::session::imap::view::{Expunges, Naming};
use crate::wire::imap::command::{Command, Numbers, Tag, tag_of};
use crate::wire::imap::frame::Refusal;
use crate::wire::imap::scan::Parsed;
use crate::wire::imap::write::{Code, Status, put_status, put_untagged};

impl Session {
    pub(super) async fn carry_out(
        &mut self,
        tag: Option<Tag>,
        parsed: Parsed<Command>,
    ) -> Result<(), End> {
        let Some(tag) = tag else {
            return self.answer("*", Reply::bad("a command begins with a tag"));
        };
        let command = match parsed {
            Ok(command) => command,
            Err(reject) => return self.answer(&tag, reject.into()),
        };
        if let Err(denied) = admit(self.state(), self.privacy(), &command) {
            return self.answer(&tag, denied.into());
        }
        match command {
            Command::Logout => {
                put_untagged(&mut self.out, "BYE see you");
                self.answer(&tag, Reply::ok("LOGOUT completed"))?;
                Err(End::LoggedOut)
            }
            Command::StartTls => Box::pin(self.start_tls(&tag)).await,
            command => {
                let (expunges, naming) = (expunges_after(&command), naming_of(&command));
                let reply = Box::pin(self.verb(&tag, command)).await?;
                if self.news_waiting(expunges) {
                    Box::pin(self.tell_news(expunges, naming, None)).await?;
                }
                self.answer(&tag, reply)
            }
        }
    }

    /// One arm per verb; each verb's own future is boxed, so that a small one does not pay for FETCH.
    async fn verb(&mut self, tag: &Tag, command: Command) -> Result<Reply, End> {
        match command {
            Command::Capability => Ok(self.capability()),
            Command::Noop => Ok(Reply::ok("NOOP completed")),
            Command::Check => Ok(Reply::ok("CHECK completed")),
            Command::Id => Ok(self.id()),
            Command::Namespace => Ok(self.namespace()),
            Command::Enable(_) => Ok(self.enable()),
            Command::Login(user, password) => Box::pin(self.login(&user, password)).await,
            Command::Authenticate(mechanism, initial) => {
                Box::pin(self.authenticate(&mechanism, initial)).await
            }
            Command::Select(name, access) => Box::pin(self.select(name, access)).await,
            Command::Create(name) => Box::pin(self.create(name)).await,
            Command::Delete(name) => Box::pin(self.delete(name)).await,
            Command::Rename(from, to) => Box::pin(self.rename(from, to)).await,
            Command::Subscribe(name) => Box::pin(self.subscribe(name, true)).await,
            Command::Unsubscribe(name) => Box::pin(self.subscribe(name, false)).await,
            Command::List(list) => Box::pin(self.list(*list)).await,
            Command::Lsub(list) => Box::pin(self.lsub(*list)).await,
            Command::Status(name, items) => Box::pin(self.status(name, items)).await,
            Command::Idle => Box::pin(self.idle()).await,
            Command::Close => Box::pin(self.close()).await,
            Command::Unselect => {
                self.selected = None;
                Ok(Reply::ok("UNSELECT completed"))
            }
            Command::Expunge => Box::pin(self.expunge(None)).await,
            Command::UidExpunge(set) => Box::pin(self.expunge(Some(set))).await,
            Command::Search(numbers, search) => Box::pin(self.search(tag, numbers, *search)).await,
            Command::Fetch(numbers, fetch) => Box::pin(self.fetch(numbers, *fetch)).await,
            Command::Store(numbers, store) => Box::pin(self.store(numbers, *store)).await,
            Command::Copy(numbers, set, name) => Box::pin(self.copy(numbers, set, name)).await,
            Command::Move(numbers, set, name) => Box::pin(self.move_to(numbers, set, name)).await,
            // The framer takes these another way; here they have no message and no state.
            Command::Append(_) => Ok(Reply::bad("APPEND needs a message")),
            Command::Logout | Command::StartTls => Ok(Reply::bad("out of place")),
        }
    }

    /// Writes a tagged answer; the last mistake that is tolerated ends the session.
    pub(super) fn answer(&mut self, tag: &str, reply: Reply) -> Result<(), End> {
        put_status(
            &mut self.out,
            tag,
            reply.status,
            reply.code.as_ref(),
            &reply.text,
        );
        if reply.status == Status::Bad && self.mistakes.add() {
            return Err(End::Bye("too many commands that make no sense"));
        }
        Ok(())
    }

    /// Answers a command that the framer refused.
    pub(super) fn refuse_frame(&mut self, why: Refusal) -> Result<(), End> {
        let tag = tag_of(self.framer.text());
        let (_, parsed) = crate::wire::imap::command::parse(self.framer.text());
        let too_big = |text: &'static str| Reply {
            status: Status::Bad,
            code: Some(Code::TooBig),
            text: text.into(),
        };
        let reply = match (why, parsed) {
            (Refusal::BareLf, _) => Reply::bad("lines end with CRLF"),
            (Refusal::LineTooLong, _) => too_big("command is too long"),
            // An APPEND whose head is wrong: its own mistake says more.
            (Refusal::LiteralTooLarge, Err(reject)) if is_append(self.framer.text()) => {
                reject.into()
            }
            (Refusal::LiteralTooLarge, _) => too_big("literal is too large"),
        };
        self.framer.clear();
        self.answer(tag.as_deref().unwrap_or("*"), reply)
    }

    fn capability(&mut self) -> Reply {
        let names = capabilities(self.state(), self.privacy());
        put_untagged(&mut self.out, &format!("CAPABILITY {names}"));
        Reply::ok("CAPABILITY completed")
    }

    fn id(&mut self) -> Reply {
        put_untagged(&mut self.out, "ID (\"name\" \"Pillarbox\")");
        Reply::ok("ID completed")
    }

    fn namespace(&mut self) -> Reply {
        put_untagged(&mut self.out, "NAMESPACE ((\"\" \"/\")) NIL NIL");
        Reply::ok("NAMESPACE completed")
    }

    /// RFC 5161: unknown extensions are no error; none that needs enabling exists yet.
    fn enable(&mut self) -> Reply {
        put_untagged(&mut self.out, "ENABLED");
        Reply::ok("ENABLE completed")
    }

    async fn start_tls(&mut self, tag: &Tag) -> Result<(), End> {
        self.answer(tag, Reply::ok("begin TLS now"))?;
        self.flush().await?;
        // Drops what came in plain text behind the command (RFC 3501 section 6.2.1).
        self.framer.clear();
        let tls = self.imap.server.tls.clone();
        self.conn
            .start_tls(&tls, crate::session::imap::gate::COMMAND_PAUSE)
            .await?;
        debug_assert_eq!(self.privacy(), Privacy::Tls);
        Ok(())
    }
}

fn is_append(text: &[u8]) -> bool {
    text.splitn(3, |c| *c == b' ')
        .nth(1)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"APPEND"))
}

fn expunges_after(command: &Command) -> Expunges {
    if may_tell_expunges(command) {
        Expunges::Told
    } else {
        Expunges::Held
    }
}

fn naming_of(command: &Command) -> Naming {
    use Numbers::Uid;
    match command {
        Command::Fetch(Uid, _)
        | Command::Store(Uid, _)
        | Command::Search(Uid, _)
        | Command::Copy(Uid, ..)
        | Command::Move(Uid, ..)
        | Command::UidExpunge(_) => Naming::WithUid,
        _ => Naming::Sequence,
    }
}
