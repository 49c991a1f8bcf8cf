//! From the banner to the first message: EHLO, STARTTLS, EHLO again, a login.

use super::{Action, Relay, State, Tls, TroubleKind};
use crate::wire::smtp::{Answer, Capabilities};

impl Relay {
    pub(super) fn greeted(&mut self, answer: Answer, out: &mut Vec<u8>) -> Action {
        match answer.is_positive() {
            true => self.hello(out),
            false => self.broken(TroubleKind::Said(answer)),
        }
    }

    fn hello(&mut self, out: &mut Vec<u8>) -> Action {
        self.can = Capabilities::default();
        self.command(out, "EHLO");
        self.state = State::Ehlo;
        Action::Read
    }

    fn command(&self, out: &mut Vec<u8>, verb: &str) {
        out.extend_from_slice(verb.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.terms.hostname.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn ehlo(&mut self, answer: Answer, out: &mut Vec<u8>) -> Action {
        if answer.is_positive() {
            return self.secure_or_go_on(out);
        }
        // RFC 5321 section 3.2: a server that knows no EHLO is asked by HELO.
        self.can = Capabilities::default();
        if !answer.is_permanent() || self.secure {
            return self.broken(TroubleKind::Said(answer));
        }
        if self.terms.tls == Tls::Required {
            return self.broken(TroubleKind::NoTls);
        }
        self.command(out, "HELO");
        self.state = State::Helo;
        Action::Read
    }

    pub(super) fn helo(&mut self, answer: Answer, out: &mut Vec<u8>) -> Action {
        match answer.is_positive() {
            true => self.log_in_or_go_on(out),
            false => self.broken(TroubleKind::Said(answer)),
        }
    }

    fn secure_or_go_on(&mut self, out: &mut Vec<u8>) -> Action {
        let wanted = !self.secure && self.terms.tls != Tls::Never;
        match (wanted, self.can.starttls) {
            (true, true) => {
                out.extend_from_slice(b"STARTTLS\r\n");
                self.state = State::StartTls;
                Action::Read
            }
            (true, false) if self.terms.tls == Tls::Required => self.broken(TroubleKind::NoTls),
            _ => self.log_in_or_go_on(out),
        }
    }

    pub(super) fn starttls(&mut self, answer: Answer, out: &mut Vec<u8>) -> Action {
        if answer.code == 220 {
            self.state = State::Handshake;
            return Action::StartTls;
        }
        match self.terms.tls {
            // Offered, and then refused: RFC 3207 section 4 leaves it to us; nothing asked for TLS.
            Tls::Opportunistic => self.log_in_or_go_on(out),
            _ => self.broken(TroubleKind::Said(answer)),
        }
    }

    /// RFC 3207 section 4.2: what was known before counts no more.
    pub(super) fn tls_ready(&mut self, out: &mut Vec<u8>) -> Action {
        self.secure = true;
        self.reader = Default::default();
        self.hello(out)
    }

    fn log_in_or_go_on(&mut self, out: &mut Vec<u8>) -> Action {
        match self.terms.login.is_some() {
            true => self.begin_login(out),
            false => self.ready(),
        }
    }

    pub(super) fn ready(&mut self) -> Action {
        self.state = State::Idle;
        Action::NextMessage
    }
}
