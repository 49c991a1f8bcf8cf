//! MAIL and RCPT: who sends, who gets it, and who may.

use super::{
    Action, Recipient, Resolved, Role, Route, SenderCheck, Session, Transaction, Waiting, close,
};
use crate::limits::{RECIPIENTS_BYTES_MAX, RECIPIENTS_MAX, REFUSED_RECIPIENTS_MAX};
use crate::wire::address::Address;
use crate::wire::smtp::{BodyType, MailFrom, Path, RcptTo, Reply, Ret};

const NEEDS_UTF8: Reply = Reply::new(553, "5.6.7", "This address needs SMTPUTF8 in MAIL");

impl<R> Session<R> {
    pub(super) fn mail_command(&mut self, mail: MailFrom, out: &mut Vec<u8>) -> Action {
        if self.hello.is_none() {
            return self.bad(&Reply::new(503, "5.5.1", "EHLO first"), out);
        }
        if self.mail.is_some() {
            return self.bad(
                &Reply::new(503, "5.5.1", "One MAIL at a time; RSET first"),
                out,
            );
        }
        if let Some(reply) = self.login_wanted() {
            return self.bad(&reply, out);
        }
        if mail.auth && !self.role.is_submission() {
            return self.bad(&Reply::new(555, "5.5.4", "AUTH= is not offered here"), out);
        }
        // RFC 1870 section 6.1: refused before it is sent.
        if mail
            .size
            .is_some_and(|size| size > self.terms.message_bytes_max)
        {
            return self.answer(&Reply::new(552, "5.3.4", "The message is too large"), out);
        }
        if mail.path_utf8 && !mail.smtputf8 {
            return self.answer(&NEEDS_UTF8, out);
        }
        let sender = match self.complete(mail.path) {
            Some(sender) => sender,
            None => {
                return self.bad(
                    &Reply::new(501, "5.1.7", "The sender lacks its domain"),
                    out,
                );
            }
        };
        let transaction = Transaction {
            sender,
            eight_bit: mail.body == Some(BodyType::EightBitMime),
            smtputf8: mail.smtputf8,
            return_full: mail.ret == Some(Ret::Full),
            envid: mail.envid,
            recipients: Vec::new(),
        };
        let sender = transaction.sender.clone();
        let action = match (self.role, sender) {
            (Role::Mx, sender) => Action::JudgeSender(sender),
            (Role::Submission | Role::Submissions, Some(sender)) => Action::CheckSender(sender),
            // The null path belongs to everybody: receipts and other notices are sent with it.
            (Role::Submission | Role::Submissions, None) => return self.begin(transaction, out),
        };
        self.ask(Waiting::Sender(Box::new(transaction)), action)
    }

    pub(super) fn sender_checked(
        &mut self,
        check: SenderCheck,
        mail: Transaction<()>,
        out: &mut Vec<u8>,
    ) -> Action {
        match check {
            SenderCheck::Owned => self.begin(mail, out),
            SenderCheck::NotOwned => self.answer(
                &Reply::new(553, "5.7.1", "You may not send as this address"),
                out,
            ),
            SenderCheck::TryLater => self.answer(
                &Reply::new(451, "4.3.0", "Cannot check the sender now"),
                out,
            ),
        }
    }

    pub(super) fn begin(&mut self, mail: Transaction<()>, out: &mut Vec<u8>) -> Action {
        self.mail = Some(Box::new(Transaction {
            sender: mail.sender,
            eight_bit: mail.eight_bit,
            smtputf8: mail.smtputf8,
            return_full: mail.return_full,
            envid: mail.envid,
            recipients: Vec::new(),
        }));
        self.answer(&Reply::new(250, "2.1.0", "Sender OK"), out)
    }

    pub(super) fn rcpt_command(&mut self, rcpt: RcptTo, out: &mut Vec<u8>) -> Action {
        let Some(mail) = &self.mail else {
            return self.bad(&Reply::new(503, "5.5.1", "MAIL first"), out);
        };
        if self.chunks != super::Chunks::None {
            return self.bad(&Reply::new(503, "5.5.1", "No RCPT behind BDAT"), out);
        }
        let (held, _) = self.recipients_bytes();
        if mail.recipients.len() >= RECIPIENTS_MAX || held >= RECIPIENTS_BYTES_MAX {
            if self.chats() {
                return close(&super::CHATTING, out);
            }
            let reply = Reply::new(
                452,
                "4.5.3",
                "Too many recipients; send the rest in another",
            );
            return self.answer(&reply, out);
        }
        if rcpt.path_utf8 && !mail.smtputf8 {
            return self.refuse_recipient(&NEEDS_UTF8, out);
        }
        let postmaster =
            matches!(&rcpt.path, Path::Local(local) if local.eq_ignore_ascii_case("postmaster"));
        let path = match (postmaster, rcpt.path) {
            // RFC 5321 section 4.5.1: known without a domain.
            (true, path) => path,
            (false, path) => match self.complete(path) {
                Some(Some(address)) => Path::Address(address),
                Some(None) | None => {
                    let reply = Reply::new(501, "5.1.3", "The recipient lacks its domain");
                    return self.bad(&reply, out);
                }
            },
        };
        let address = match &path {
            Path::Address(address) => Some(address.clone()),
            Path::Local(_) | Path::Null => None,
        };
        // Not at MAIL: it could be for those in charge.
        if let Some(reply) = &self.sender_refused
            && !super::is_in_charge(address.as_ref())
        {
            let reply = reply.clone();
            return self.refuse_recipient(&reply, out);
        }
        self.ask(
            Waiting::Recipient {
                address,
                notify: rcpt.notify.0,
                orcpt: rcpt.orcpt,
            },
            Action::Resolve(path),
        )
    }

    /// The one place that decides about relaying.
    pub(super) fn resolved(
        &mut self,
        resolved: Resolved<R>,
        address: Option<Address>,
        (notify, orcpt): (u8, Option<Box<str>>),
        out: &mut Vec<u8>,
    ) -> Action {
        let may_relay = self.role.is_submission() && self.login.is_some() && address.is_some();
        let route = match resolved {
            Resolved::Known(known) => Route::Local(known),
            Resolved::NotOurs if may_relay => Route::Remote,
            Resolved::NotOurs => {
                return self.refuse_recipient(&Reply::new(550, "5.7.1", "No relaying"), out);
            }
            Resolved::Unknown => {
                return self
                    .refuse_recipient(&Reply::new(550, "5.1.1", "Nobody of this name"), out);
            }
            Resolved::RejectListed => {
                let reply = Reply::new(550, "5.7.1", "This address takes no mail");
                return self.refuse_recipient(&reply, out);
            }
            Resolved::OverQuota => {
                return self.answer(&Reply::new(452, "4.2.2", "The mailbox is full"), out);
            }
            Resolved::NoRoom => {
                let reply = Reply::new(452, "4.3.1", "Too many recipients at once; try again");
                return self.answer(&reply, out);
            }
            Resolved::TryLater => {
                let reply = Reply::new(451, "4.3.0", "Cannot look the recipient up now");
                return self.answer(&reply, out);
            }
        };
        let Some(mail) = &mut self.mail else {
            return close(&super::CONFUSED, out);
        };
        mail.recipients.push(Recipient {
            address,
            route,
            notify,
            orcpt,
        });
        self.answer(&Reply::new(250, "2.1.5", "Recipient OK"), out)
    }

    /// A refused recipient is no bad command (lists have old ones), but guessing names has an end.
    fn refuse_recipient(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Action {
        reply.write(out);
        self.refused_recipients += 1;
        match self.refused_recipients >= REFUSED_RECIPIENTS_MAX {
            true => close(&super::TOO_MANY_BAD, out),
            false => Action::Read,
        }
    }

    /// What the accepted recipients hold in memory, octets, and what the one that [`Action::Resolve`] asks for will.
    pub fn recipients_bytes(&self) -> (usize, usize) {
        let accepted = self.mail.iter().flat_map(|mail| &mail.recipients);
        let held = accepted.map(|r| recipient_bytes::<R>(r.address.as_ref(), r.orcpt.as_deref()));
        let new = match &self.waiting {
            Waiting::Recipient { address, orcpt, .. } => {
                recipient_bytes::<R>(address.as_ref(), orcpt.as_deref())
            }
            _ => 0,
        };
        (held.sum(), new)
    }

    /// Submission wants a login (RFC 6409 section 4.3).
    fn login_wanted(&self) -> Option<Reply> {
        if !self.role.is_submission() || self.login.is_some() {
            return None;
        }
        Some(match self.may_log_in() {
            true => Reply::new(530, "5.7.0", "Log in first"),
            false => Reply::new(530, "5.7.0", "STARTTLS and log in first"),
        })
    }

    /// The address of a path: `Some(None)` is the null path. A missing domain is the login's; without a login it
    /// stays missing, which is None.
    fn complete(&self, path: Path) -> Option<Option<Address>> {
        match path {
            Path::Null => Some(None),
            Path::Address(address) => Some(Some(address)),
            Path::Local(local) => {
                let domain = self.login.as_ref()?.domain().clone();
                Address::new(&local, domain).ok().map(Some)
            }
        }
    }
}

/// What a recipient holds in memory, octets.
fn recipient_bytes<R>(address: Option<&Address>, orcpt: Option<&str>) -> usize {
    let text = address.map_or(0, |a| a.local().len() + a.domain().as_str().len());
    size_of::<Recipient<R>>() + text + orcpt.map_or(0, str::len)
}
