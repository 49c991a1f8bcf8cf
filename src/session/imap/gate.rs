//! Which command is allowed in which state (RFC 3501 section 3), how long each state waits, and when enough is enough.

use crate::limits::BAD_COMMANDS_MAX;
use crate::wire::imap::command::{Access, Command};
use crate::wire::imap::write::{Code, Status};
use std::time::Duration;

/// RFC 3501 section 3; LOGOUT ends the session at once, so that it is no state here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Before login.
    NotAuthenticated,
    /// After login, no mailbox selected.
    Authenticated,
    /// A mailbox is selected.
    Selected(Access),
}

/// Whether passwords may cross the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privacy {
    /// TLS runs.
    Tls,
    /// Plain text, and no login until STARTTLS.
    PlainLoginDisabled,
    /// Plain text where login is allowed all the same (loopback tests).
    PlainLoginAllowed,
}

/// A command that is not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// NO or BAD.
    pub status: Status,
    /// The response code.
    pub code: Option<Code>,
    /// For a person.
    pub text: &'static str,
}

impl Denied {
    /// BAD with a text.
    pub fn bad(text: &'static str) -> Denied {
        Denied {
            status: Status::Bad,
            code: None,
            text,
        }
    }
    /// NO with a code.
    pub fn no(code: Code, text: &'static str) -> Denied {
        Denied {
            status: Status::No,
            code: Some(code),
            text,
        }
    }
}

/// Whether `command` may run.
pub fn admit(state: State, privacy: Privacy, command: &Command) -> Result<(), Denied> {
    use Command as C;
    match command {
        C::Capability | C::Noop | C::Logout | C::Id => Ok(()),
        C::StartTls => match (state, privacy) {
            (_, Privacy::Tls) => Err(Denied::bad("TLS is active already")),
            (State::NotAuthenticated, _) => Ok(()),
            _ => Err(Denied::bad("STARTTLS comes before login")),
        },
        C::Authenticate(..) | C::Login(..) => match (state, privacy) {
            (State::NotAuthenticated, Privacy::PlainLoginDisabled) => Err(Denied::no(
                Code::PrivacyRequired,
                "login needs TLS: use STARTTLS or port 993",
            )),
            (State::NotAuthenticated, _) => Ok(()),
            _ => Err(Denied::bad("logged in already")),
        },
        C::Enable(_)
        | C::Namespace
        | C::Select(..)
        | C::Create(_)
        | C::Delete(_)
        | C::Rename(..)
        | C::Subscribe(_)
        | C::Unsubscribe(_)
        | C::List(_)
        | C::Lsub(_)
        | C::Status(..)
        | C::Append(_)
        | C::Idle => match state {
            State::NotAuthenticated => Err(Denied::bad("log in first")),
            _ => Ok(()),
        },
        C::Check | C::Close | C::Unselect | C::Search(..) | C::Fetch(..) | C::Copy(..) => {
            selected(state).map(|_| ())
        }
        C::Expunge | C::UidExpunge(_) | C::Store(..) | C::Move(..) => match selected(state)? {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Denied::no(Code::Cannot, "the mailbox was opened read-only")),
        },
    }
}

fn selected(state: State) -> Result<Access, Denied> {
    match state {
        State::Selected(access) => Ok(access),
        State::Authenticated => Err(Denied::bad("select a mailbox first")),
        State::NotAuthenticated => Err(Denied::bad("log in first")),
    }
}

/// Whether the client may be told of expunged messages when `command` ends (RFC 3501 section 7.4.1: not while FETCH,
/// STORE or SEARCH by sequence number is in progress, because the numbers would change under a pipelining client).
pub fn may_tell_expunges(command: &Command) -> bool {
    use crate::wire::imap::command::Numbers::Sequence;
    !matches!(
        command,
        Command::Fetch(Sequence, _) | Command::Store(Sequence, _) | Command::Search(Sequence, _)
    )
}

/// How long a connection may stay silent outside of IDLE. RFC 3501 section 5.4 demands 30 minutes at least, after
/// login.
pub fn patience(state: State) -> Duration {
    match state {
        State::NotAuthenticated => Duration::from_secs(60),
        State::Authenticated | State::Selected(_) => Duration::from_secs(31 * 60),
    }
}

/// How long the rest of a command, its literals included, may pause.
pub const COMMAND_PAUSE: Duration = Duration::from_secs(120);
/// How long a command that has begun may take to come in, an APPEND's message apart: at most 130 KiB. A client that
/// sends an octet now and then must not keep what a command holds.
pub const COMMAND_WITHIN: Duration = Duration::from_secs(300);
/// How long a connection may last without a login, whatever it says meanwhile: places are few.
pub const LOGIN_WITHIN: Duration = Duration::from_secs(180);
/// How long a client may leave a buffer of ours unread.
pub const WRITE_PAUSE: Duration = Duration::from_secs(120);
/// `* OK Still here` in IDLE: below the two or three minutes after which home routers forget a connection.
pub const IDLE_KEEP_ALIVE: Duration = Duration::from_secs(120);

/// How long the next octets of a command may take that began so long ago.
pub fn command_within(elapsed: Duration) -> Duration {
    COMMAND_WITHIN.saturating_sub(elapsed).min(COMMAND_PAUSE)
}

/// Counts commands that made no sense.
#[derive(Default)]
pub struct Mistakes(u32);

impl Mistakes {
    /// One more BAD; whether the connection should end with BYE.
    pub fn add(&mut self) -> bool {
        self.0 = self.0.saturating_add(1);
        self.0 >= BAD_COMMANDS_MAX
    }
}

/// The capability list in this state, without the word CAPABILITY.
pub fn capabilities(state: State, privacy: Privacy) -> &'static str {
    match (state, privacy) {
        (State::NotAuthenticated, Privacy::PlainLoginDisabled) => {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE STARTTLS LOGINDISABLED"
        }
        (State::NotAuthenticated, Privacy::PlainLoginAllowed) => {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE STARTTLS AUTH=PLAIN AUTH=LOGIN"
        }
        (State::NotAuthenticated, Privacy::Tls) => {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE AUTH=PLAIN AUTH=LOGIN"
        }
        (State::Authenticated | State::Selected(_), _) => {
            "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE \
             LIST-EXTENDED LIST-STATUS ESEARCH"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::imap::command::parse;

    fn verdict(state: State, privacy: Privacy, text: &str) -> Option<Denied> {
        let command = parse(format!("a {text}").as_bytes()).1.unwrap();
        admit(state, privacy, &command).err()
    }

    #[test]
    fn each_state_has_its_commands() {
        let selected = State::Selected(Access::ReadWrite);
        for (text, none, authenticated, in_mailbox) in [
            ("NOOP", true, true, true),
            ("LOGOUT", true, true, true),
            ("LOGIN a b", true, false, false),
            ("AUTHENTICATE PLAIN", true, false, false),
            ("SELECT x", false, true, true),
            ("LIST \"\" *", false, true, true),
            ("IDLE", false, true, true),
            ("FETCH 1 UID", false, false, true),
            ("UID STORE 1 FLAGS ()", false, false, true),
            ("CLOSE", false, false, true),
            ("STARTTLS", false, false, false),
        ] {
            let allowed = |state| verdict(state, Privacy::Tls, text).is_none();
            assert_eq!(allowed(State::NotAuthenticated), none, "{text}");
            assert_eq!(allowed(State::Authenticated), authenticated, "{text}");
            assert_eq!(allowed(selected), in_mailbox, "{text}");
        }
    }

    #[test]
    fn passwords_need_privacy() {
        let denied = verdict(
            State::NotAuthenticated,
            Privacy::PlainLoginDisabled,
            "LOGIN a b",
        )
        .unwrap();
        assert_eq!(
            (denied.status, denied.code),
            (Status::No, Some(Code::PrivacyRequired))
        );
        assert_eq!(
            verdict(
                State::NotAuthenticated,
                Privacy::PlainLoginAllowed,
                "LOGIN a b"
            ),
            None
        );
        assert_eq!(
            verdict(
                State::NotAuthenticated,
                Privacy::PlainLoginDisabled,
                "STARTTLS"
            ),
            None
        );
        assert!(
            capabilities(State::NotAuthenticated, Privacy::PlainLoginDisabled)
                .contains("LOGINDISABLED")
        );
        assert!(
            !capabilities(State::NotAuthenticated, Privacy::PlainLoginDisabled).contains("AUTH=")
        );
        assert!(!capabilities(State::NotAuthenticated, Privacy::Tls).contains("STARTTLS"));
    }

    #[test]
    fn a_read_only_mailbox_stays_as_it_is() {
        let state = State::Selected(Access::ReadOnly);
        for text in ["STORE 1 FLAGS ()", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 x"] {
            assert_eq!(
                verdict(state, Privacy::Tls, text).unwrap().code,
                Some(Code::Cannot),
                "{text}"
            );
        }
        assert_eq!(verdict(state, Privacy::Tls, "COPY 1 x"), None);
        assert_eq!(verdict(state, Privacy::Tls, "CLOSE"), None);
    }

    #[test]
    fn octets_one_by_one_do_not_make_a_command_last() {
        assert_eq!(command_within(Duration::ZERO), COMMAND_PAUSE);
        let late = COMMAND_WITHIN - Duration::from_secs(1);
        assert_eq!(command_within(late), Duration::from_secs(1));
        assert_eq!(command_within(COMMAND_WITHIN), Duration::ZERO);
        assert_eq!(command_within(COMMAND_WITHIN + late), Duration::ZERO);
    }

    #[test]
    fn the_tenth_mistake_is_the_last() {
        let mut mistakes = Mistakes::default();
        for _ in 1..BAD_COMMANDS_MAX {
            assert!(!mistakes.add());
        }
        assert!(mistakes.add());
    }
}
