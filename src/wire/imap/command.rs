//! A whole command: tag, verb, arguments (RFC 3501 section 6 and the extensions that CAPABILITY names).

use super::append::AppendHead;
use super::fetch::Fetch;
use super::list::List;
use super::mailbox::MailboxName;
use super::scan::{Parsed, Reject, Scan, is_astring_char};
use super::search::Search;
use super::sequence_set::SequenceSet;
use super::status::StatusItem;
use super::store::Store;
use crate::limits::{ID_PAIRS_MAX, IMAP_TAG_BYTES_MAX};

/// A client's name for its command.
pub type Tag = heapless::String<IMAP_TAG_BYTES_MAX>;

/// Whether numbers of a command are sequence numbers or UIDs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// `FETCH`
    Sequence,
    /// `UID FETCH`
    Uid,
}

/// SELECT or EXAMINE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// SELECT
    ReadWrite,
    /// EXAMINE
    ReadOnly,
}

/// One command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE with SASL-IR's initial response (RFC 4959), still in base64; `=` is an empty one.
    Authenticate(Box<str>, Option<Box<str>>),
    /// LOGIN with user and password.
    Login(Box<str>, Box<str>),
    /// ENABLE (RFC 5161), names in upper case.
    Enable(Vec<Box<str>>),
    /// ID (RFC 2971); what the client is called is of no use to us.
    Id,
    /// NAMESPACE (RFC 2342)
    Namespace,
    /// SELECT and EXAMINE
    Select(MailboxName, Access),
    /// CREATE
    Create(MailboxName),
    /// DELETE
    Delete(MailboxName),
    /// RENAME from, to
    Rename(MailboxName, MailboxName),
    /// SUBSCRIBE
    Subscribe(MailboxName),
    /// UNSUBSCRIBE
    Unsubscribe(MailboxName),
    /// LIST
    List(Box<List>),
    /// LSUB
    Lsub(Box<List>),
    /// STATUS
    Status(MailboxName, Vec<StatusItem>),
    /// APPEND, whose message follows as a literal.
    Append(Box<AppendHead>),
    /// IDLE (RFC 2177)
    Idle,
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// UNSELECT (RFC 3691)
    Unselect,
    /// EXPUNGE
    Expunge,
    /// UID EXPUNGE (RFC 4315)
    UidExpunge(SequenceSet),
    /// SEARCH and UID SEARCH
    Search(Numbers, Box<Search>),
    /// FETCH and UID FETCH
    Fetch(Numbers, Box<Fetch>),
    /// STORE and UID STORE
    Store(Numbers, Box<Store>),
    /// COPY and UID COPY
    Copy(Numbers, SequenceSet, MailboxName),
    /// MOVE and UID MOVE (RFC 6851)
    Move(Numbers, SequenceSet, MailboxName),
}

/// A tag (None: there is none that could be answered) and the command behind it. `text` is a command as the framer
/// gives it: without the CRLF at its end, literals in place, APPEND up to its message's `{`.
pub fn parse(text: &[u8]) -> (Option<Tag>, Parsed<Command>) {
    let mut scan = Scan::new(text);
    let tag = match scan.tag() {
        Ok(tag) => tag,
        Err(reject) => return (None, Err(reject)),
    };
    (Some(tag), scan.command())
}

/// The tag of a command that is not parsed, for its refusal.
pub fn tag_of(text: &[u8]) -> Option<Tag> {
    Scan::new(text).tag().ok()
}

/// Whether a literal announced behind `text` is an APPEND's message: any literal there but the one that is its mailbox
/// name. Whether the rest of the head is right is for [`parse`] to say.
pub(super) fn is_append_head(text: &[u8]) -> bool {
    let mut scan = Scan::new(text);
    scan.tag().is_ok() && scan.word("APPEND") && scan.space().is_ok() && !scan.at_end()
}

impl Scan<'_> {
    /// `tag SP`: ASTRING-CHARs without `+`, at most `IMAP_TAG_BYTES_MAX`.
    fn tag(&mut self) -> Parsed<Tag> {
        let octets = self.take_while(|c| is_astring_char(c) && c != b'+');
        let text = std::str::from_utf8(octets).map_err(|_| Reject::Bad("tag expected"))?;
        let mut tag = Tag::new();
        tag.push_str(text)
            .map_err(|_| Reject::Bad("tag is too long"))?;
        if tag.is_empty() || self.space().is_err() {
            return Err(Reject::Bad("tag expected"));
        }
        Ok(tag)
    }

    fn command(&mut self) -> Parsed<Command> {
        let verb = self
            .keyword()
            .map_err(|_| Reject::Bad("command expected"))?;
        let command = match verb.as_str() {
            "CAPABILITY" => Command::Capability,
            "NOOP" => Command::Noop,
            "LOGOUT" => Command::Logout,
            "STARTTLS" => Command::StartTls,
            "NAMESPACE" => Command::Namespace,
            "IDLE" => Command::Idle,
            "CHECK" => Command::Check,
            "CLOSE" => Command::Close,
            "UNSELECT" => Command::Unselect,
            "EXPUNGE" => Command::Expunge,
            "UID" => {
                self.space()?;
                let verb = self
                    .keyword()
                    .map_err(|_| Reject::Bad("command expected behind UID"))?;
                self.message_command(&verb, Numbers::Uid)?
            }
            "FETCH" | "STORE" | "SEARCH" | "COPY" | "MOVE" => {
                self.message_command(&verb, Numbers::Sequence)?
            }
            verb => self.command_with_arguments(verb)?,
        };
        self.end()?;
        Ok(command)
    }

    fn message_command(&mut self, verb: &str, numbers: Numbers) -> Parsed<Command> {
        self.space()?;
        Ok(match verb {
            "FETCH" => Command::Fetch(numbers, Box::new(self.fetch()?)),
            "STORE" => Command::Store(numbers, Box::new(self.store()?)),
            "SEARCH" => Command::Search(numbers, Box::new(self.search()?)),
            "COPY" => {
                let (set, mailbox) = self.set_and_mailbox()?;
                Command::Copy(numbers, set, mailbox)
            }
            "MOVE" => {
                let (set, mailbox) = self.set_and_mailbox()?;
                Command::Move(numbers, set, mailbox)
            }
            "EXPUNGE" if numbers == Numbers::Uid => Command::UidExpunge(self.sequence_set()?),
            _ => return Err(Reject::Bad("unknown command")),
        })
    }

    fn set_and_mailbox(&mut self) -> Parsed<(SequenceSet, MailboxName)> {
        let set = self.sequence_set()?;
        self.space()?;
        Ok((set, self.mailbox()?))
    }

    fn command_with_arguments(&mut self, verb: &str) -> Parsed<Command> {
        const VERBS: [&str; 14] = [
            "AUTHENTICATE",
            "LOGIN",
            "ENABLE",
            "ID",
            "SELECT",
            "EXAMINE",
            "CREATE",
            "DELETE",
            "RENAME",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "LIST",
            "LSUB",
            "STATUS",
        ];
        if verb != "APPEND" && !VERBS.contains(&verb) {
            return Err(Reject::Bad("unknown command"));
        }
        self.space()?;
        Ok(match verb {
            "AUTHENTICATE" => self.authenticate()?,
            "LOGIN" => {
                let user = self.astring_text()?;
                self.space()?;
                Command::Login(user, self.astring_text()?)
            }
            "ENABLE" => self.enable()?,
            "ID" => self.id()?,
            "SELECT" => Command::Select(self.mailbox()?, Access::ReadWrite),
            "EXAMINE" => Command::Select(self.mailbox()?, Access::ReadOnly),
            "CREATE" => Command::Create(self.mailbox_to_create()?),
            "DELETE" => Command::Delete(self.mailbox()?),
            "RENAME" => {
                let from = self.mailbox()?;
                self.space()?;
                Command::Rename(from, self.mailbox_to_create()?)
            }
            "SUBSCRIBE" => Command::Subscribe(self.mailbox()?),
            "UNSUBSCRIBE" => Command::Unsubscribe(self.mailbox()?),
            "LIST" => Command::List(Box::new(self.list()?)),
            "LSUB" => {
                let reference = self.list_mailbox()?;
                self.space()?;
                let patterns = vec![self.list_mailbox()?];
                Command::Lsub(Box::new(List {
                    reference,
                    patterns,
                    ..List::default()
                }))
            }
            "STATUS" => {
                let mailbox = self.mailbox()?;
                self.space()?;
                Command::Status(mailbox, self.status_items()?)
            }
            _ => Command::Append(Box::new(self.append_head()?)),
        })
    }

    fn authenticate(&mut self) -> Parsed<Command> {
        let mechanism = self.keyword()?;
        let mut initial = None;
        if self.take(b' ') && !self.at_end() {
            let base64 =
                self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'='));
            initial = Some(String::from_utf8_lossy(base64).into());
        }
        Ok(Command::Authenticate(mechanism.as_str().into(), initial))
    }

    fn enable(&mut self) -> Parsed<Command> {
        let mut names = Vec::new();
        loop {
            names.push(self.keyword()?.as_str().into());
            if !self.take(b' ') || self.at_end() {
                return Ok(Command::Enable(names));
            }
        }
    }

    fn id(&mut self) -> Parsed<Command> {
        if self.word("NIL") {
            return Ok(Command::Id);
        }
        self.expect(b'(', "NIL or a list expected")?;
        for _ in 0..=ID_PAIRS_MAX {
            if self.take(b')') {
                return Ok(Command::Id);
            }
            self.take(b' ');
            self.string()?;
            self.space()?;
            self.nstring()?;
        }
        Err(Reject::Bad("too many pairs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Parsed<Command> {
        parse(text.as_bytes()).1
    }
    fn name(text: &str) -> MailboxName {
        MailboxName::new(text).unwrap()
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(command("a noop"), Ok(Command::Noop));
        assert_eq!(command("a NOOP  "), Ok(Command::Noop));
        assert_eq!(
            command("a LOGIN \"x y\" {3}\r\np\"w"),
            Ok(Command::Login("x y".into(), "p\"w".into()))
        );
        assert_eq!(
            command("a AUTHENTICATE plain AGEAYg=="),
            Ok(Command::Authenticate(
                "PLAIN".into(),
                Some("AGEAYg==".into())
            ))
        );
        assert_eq!(
            command("a AUTHENTICATE PLAIN ="),
            Ok(Command::Authenticate("PLAIN".into(), Some("=".into())))
        );
        assert_eq!(
            command("a authenticate PLAIN"),
            Ok(Command::Authenticate("PLAIN".into(), None))
        );
        assert_eq!(
            command("a EXAMINE inbox"),
            Ok(Command::Select(name("INBOX"), Access::ReadOnly))
        );
        assert_eq!(command("a CREATE \"x/\""), Ok(Command::Create(name("x"))));
        assert_eq!(
            command("a ENABLE CONDSTORE x"),
            Ok(Command::Enable(vec!["CONDSTORE".into(), "X".into()]))
        );
        assert_eq!(
            command("a ID (\"name\" \"x\" \"version\" NIL)"),
            Ok(Command::Id)
        );
        assert_eq!(command("a ID NIL"), Ok(Command::Id));
        assert_eq!(
            command("a LSUB \"\" *").map(|c| matches!(c, Command::Lsub(_))),
            Ok(true)
        );
        let set = Scan::new(b"1:*").sequence_set().unwrap();
        assert_eq!(
            command("a UID MOVE 1:* Trash"),
            Ok(Command::Move(Numbers::Uid, set.clone(), name("Trash")))
        );
        assert_eq!(command("a UID EXPUNGE 1:*"), Ok(Command::UidExpunge(set)));
        assert!(matches!(
            command("a APPEND INBOX (\\Seen) \"17-Jul-1996 02:44:25 -0700\" "),
            Ok(Command::Append(_))
        ));
        assert!(matches!(
            command("a STORE 1 +flags.silent \\Seen"),
            Ok(Command::Store(Numbers::Sequence, _))
        ));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for bad in [
            "a",
            "a ",
            "a FOO",
            "a NOOP x",
            "a LOGIN x",
            "a SELECT",
            "a EXPUNGE 1",
            "a UID",
            "a UID NOOP",
            "a UID EXPUNGE",
            "a COPY 1",
            "a STATUS INBOX ()",
            "a STATUS INBOX",
            "a ID",
            "a ID (\"a\")",
            "a ENABLE",
            "a LIST \"\"",
            "a STORE 1 FLAGS",
            "a STORE 1 FOO (\\Seen)",
            "a SELECT a b",
            "a APPEND INBOX",
        ] {
            assert!(matches!(command(bad), Err(Reject::Bad(_))), "{bad}");
        }
        assert!(matches!(
            command("a SELECT \"a//b\""),
            Err(Reject::Cannot(_))
        ));
    }

    #[test]
    fn tags_are_bounded() {
        let long = "t".repeat(IMAP_TAG_BYTES_MAX);
        assert_eq!(
            parse(format!("{long} NOOP").as_bytes()).0.unwrap().as_str(),
            long
        );
        assert_eq!(parse(format!("{long}t NOOP").as_bytes()).0, None);
        for bad in [
            "+ NOOP",
            " NOOP",
            "a+ NOOP",
            "",
            "(a) NOOP",
            "\x01 NOOP",
            "\u{e9} NOOP",
        ] {
            assert_eq!(parse(bad.as_bytes()).0, None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_safe(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = parse(&text);
            for verb in ["FETCH 1 ", "SEARCH ", "STORE 1 ", "LIST ", "APPEND ", "ID ", "STATUS "] {
                let _ = parse(&[b"a ", verb.as_bytes(), &text].concat());
            }
        }
    }
}
