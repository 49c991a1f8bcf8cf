//! APPEND (RFC 3501 section 6.3.11) up to its literal: the message itself is streamed and never part of a command.

use super::flag::FlagNames;
use super::mailbox::MailboxName;
use super::scan::{Parsed, Scan};

/// What stands in front of the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendHead {
    /// Where to.
    pub mailbox: MailboxName,
    /// Flags from the start.
    pub flags: FlagNames,
    /// INTERNALDATE, seconds since 1970; None is now.
    pub internal_secs: Option<i64>,
}

impl Scan<'_> {
    /// What follows `APPEND ` and ends in front of the message's `{`.
    pub fn append_head(&mut self) -> Parsed<AppendHead> {
        let mailbox = self.mailbox()?;
        self.space()?;
        let mut head = AppendHead {
            mailbox,
            flags: FlagNames::default(),
            internal_secs: None,
        };
        if self.peek() == Some(b'(') {
            head.flags = self.flag_list()?;
            self.space()?;
        }
        if self.peek() == Some(b'"') {
            head.internal_secs = Some(self.date_time()?);
            self.space()?;
        }
        Ok(head)
    }
}
