//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN.

use super::{Action, Session, Verified};
use crate::wire::sasl::{Exchange, Mechanism, SaslError, Step};
use crate::wire::smtp::Reply;

impl<R> Session<R> {
    pub(super) fn auth_command(
        &mut self,
        mechanism: &str,
        initial: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Action {
        if !self.role.is_submission() {
            let reply = Reply::new(503, "5.5.1", "No login on port 25; use port 465 or 587");
            return self.bad(&reply, out);
        }
        if self.login.is_some() {
            return self.bad(&Reply::new(503, "5.5.1", "You are logged in already"), out);
        }
        if self.mail.is_some() {
            return self.bad(&Reply::new(503, "5.5.1", "Not inside a transaction"), out);
        }
        if !self.may_log_in() {
            return self.bad(
                &Reply::new(538, "5.7.11", "Only under TLS: STARTTLS first"),
                out,
            );
        }
        if self.hello.is_none() {
            return self.bad(&Reply::new(503, "5.5.1", "EHLO first"), out);
        }
        let Some(mechanism) = Mechanism::parse(mechanism.as_bytes()) else {
            return self.bad(&Reply::new(504, "5.5.4", "PLAIN or LOGIN"), out);
        };
        let (exchange, step) = Exchange::begin(mechanism, initial.map(str::as_bytes));
        self.exchange_step(exchange, step, out)
    }

    /// A response of the client.
    pub(super) fn exchange_line(
        &mut self,
        mut exchange: Exchange,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> Action {
        let step = exchange.respond(line);
        self.exchange_step(exchange, step, out)
    }

    fn exchange_step(&mut self, exchange: Exchange, step: Step, out: &mut Vec<u8>) -> Action {
        let reply = match step {
            Step::Challenge(text) => {
                self.exchange = Some(exchange);
                return self.answer(&Reply::new(334, "", text), out);
            }
            Step::Done(login) => {
                return Action::Verify {
                    user: login.user,
                    password: login.password,
                };
            }
            Step::Failed(SaslError::Cancelled) => Reply::new(501, "5.7.0", "Login given up"),
            Step::Failed(SaslError::Encoding | SaslError::Form) => {
                Reply::new(501, "5.5.2", "That response cannot be decoded")
            }
            Step::Failed(SaslError::Authorization) => {
                Reply::new(535, "5.7.8", "Nobody logs in for somebody else")
            }
        };
        self.bad(&reply, out)
    }

    /// A faulty line; inside a login it ends that.
    pub(super) fn exchange_fault(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Action {
        self.exchange = None;
        self.bad(reply, out)
    }

    pub(super) fn verified(&mut self, verified: Verified, out: &mut Vec<u8>) -> Action {
        match verified {
            Verified::Granted(name) => {
                self.login = Some(name);
                self.answer(&Reply::new(235, "2.7.0", "Welcome"), out)
            }
            Verified::Denied => self.bad(&Reply::new(535, "5.7.8", "Wrong name or password"), out),
            Verified::Disabled => {
                self.bad(&Reply::new(535, "5.7.13", "This account is disabled"), out)
            }
            Verified::TryLater => self.bad(
                &Reply::new(
                    454,
                    "4.7.0",
                    "Too many logins just now; try again in a minute",
                ),
                out,
            ),
        }
    }
}
