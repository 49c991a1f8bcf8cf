//! How a command ends, and what the store's refusals are called in IMAP (RFC 5530).

use crate::session::imap::gate::Denied;
use crate::store::{Refused, StoreError};
use crate::wire::imap::scan::Reject;
use crate::wire::imap::write::{Code, Status};
use std::borrow::Cow;

/// The tagged answer.
pub(super) struct Reply {
    pub status: Status,
    pub code: Option<Code>,
    pub text: Cow<'static, str>,
}

impl Reply {
    pub fn ok(text: &'static str) -> Reply {
        Reply {
            status: Status::Ok,
            code: None,
            text: text.into(),
        }
    }
    pub fn ok_with(code: Code, text: &'static str) -> Reply {
        Reply {
            status: Status::Ok,
            code: Some(code),
            text: text.into(),
        }
    }
    pub fn no(code: Code, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply {
            status: Status::No,
            code: Some(code),
            text: text.into(),
        }
    }
    pub fn bad(text: &'static str) -> Reply {
        Reply {
            status: Status::Bad,
            code: None,
            text: text.into(),
        }
    }
}

impl From<Denied> for Reply {
    fn from(denied: Denied) -> Reply {
        Reply {
            status: denied.status,
            code: denied.code,
            text: denied.text.into(),
        }
    }
}

impl From<Reject> for Reply {
    fn from(reject: Reject) -> Reply {
        match reject {
            Reject::Bad(text) => Reply::bad(text),
            Reject::Cannot(text) => Reply::no(Code::Cannot, text),
            Reject::BadCharset => Reply::no(Code::BadCharset, "charset is not known"),
            Reject::Limit(text) => Reply::no(Code::Limit, text),
        }
    }
}

/// A refusal about the mailbox that the command names as an existing one.
impl From<Refused> for Reply {
    fn from(refused: Refused) -> Reply {
        let code = match &refused {
            Refused::NoSuchMailbox => Code::Nonexistent,
            Refused::Exists => Code::AlreadyExists,
            Refused::Cannot(_) | Refused::State(_) => Code::Cannot,
            Refused::Limit(_) => Code::Limit,
            Refused::Quota | Refused::DiskFull => Code::OverQuota,
            Refused::Disk(why) => {
                log::error!("imap: a change failed: {why}");
                return Reply::no(Code::ServerBug, "the disk failed; nothing was changed");
            }
        };
        Reply::no(code, refused.to_string())
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Reply {
        log::error!("imap: {error}");
        Reply::no(
            Code::ServerBug,
            "the store cannot be read now; see the server's log",
        )
    }
}

/// The same about the target of COPY, MOVE and APPEND, which the client may create (RFC 3501 section 7.1 TRYCREATE).
pub(super) fn of_target(refused: Refused) -> Reply {
    match refused {
        Refused::NoSuchMailbox => no_target(),
        refused => refused.into(),
    }
}

pub(super) fn no_target() -> Reply {
    Reply::no(Code::TryCreate, "mailbox does not exist; create it first")
}
