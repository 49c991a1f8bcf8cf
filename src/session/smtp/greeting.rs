//! Banner, HELO, EHLO with what is offered, STARTTLS, HELP; and an end to talk without mail.

use super::{Action, Hello, Role, Session};
use crate::limits::{IDLE_COMMANDS_MAX, RECIPIENTS_MAX};
use crate::wire::smtp::Reply;

impl<R> Session<R> {
    pub(super) fn greet(&mut self, out: &mut Vec<u8>) -> Action {
        let text = format!("{} ESMTP", self.terms.hostname);
        self.answer(&Reply::with_text(220, "", text), out)
    }

    pub(super) fn hello_command(
        &mut self,
        name: &str,
        extended: bool,
        out: &mut Vec<u8>,
    ) -> Action {
        // RFC 5321 section 4.1.4: a second greeting forgets like RSET.
        self.reset();
        self.hello = Some(Hello {
            name: name.into(),
            extended,
        });
        if !extended {
            let text = self.terms.hostname.to_string();
            return self.answer(&Reply::with_text(250, "", text), out);
        }
        let size = format!("SIZE {}", self.terms.message_bytes_max);
        let limits = format!("LIMITS RCPTMAX={RECIPIENTS_MAX}");
        let mut lines = vec![
            &*self.terms.hostname,
            "PIPELINING",
            &size,
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "SMTPUTF8",
            "DSN",
        ];
        if self.may_start_tls() {
            lines.push("STARTTLS");
        }
        if self.may_log_in() {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines.push(&limits);
        Reply::write_lines(250, &lines, out);
        Action::Read
    }

    pub(super) fn starttls_command(&mut self, out: &mut Vec<u8>) -> Action {
        if self.secure {
            return self.bad(&Reply::new(503, "5.5.1", "TLS is on already"), out);
        }
        Reply::new(220, "2.0.0", "Start TLS now").write(out);
        Action::StartTls
    }

    /// RFC 3207 section 4.2: whatever was said in plain text is forgotten.
    pub(super) fn tls_ready(&mut self) -> Action {
        self.secure = true;
        self.hello = None;
        self.login = None;
        self.reset();
        Action::Read
    }

    pub(super) fn help(&mut self, out: &mut Vec<u8>) -> Action {
        let reply = match self.role {
            Role::Mx => Reply::new(214, "2.0.0", "Mail for this box; see RFC 5321"),
            Role::Submission | Role::Submissions => {
                Reply::new(214, "2.0.0", "Log in and send mail; see RFC 6409")
            }
        };
        self.answer(&reply, out)
    }

    /// One more command that brings no mail; whether it was one too many.
    pub(super) fn chats(&mut self) -> bool {
        self.idle_commands += 1;
        self.idle_commands > IDLE_COMMANDS_MAX
    }

    pub(super) fn may_start_tls(&self) -> bool {
        !self.secure
    }

    /// Offered and allowed: never on port 25, never in plain text unless configured.
    pub(super) fn may_log_in(&self) -> bool {
        self.role.is_submission()
            && self.login.is_none()
            && (self.secure || self.terms.plain_text_login)
    }
}
