//! AUTH at a smart host (RFC 4954): SCRAM-SHA-256 where it is offered, then PLAIN, then LOGIN; only under TLS.

use super::{Action, Login, Relay, State, TroubleKind};
use crate::wire::scram::Scram;
use crate::wire::smtp::{Answer, Mechanisms};
use crate::wire::{base64, sasl};
use zeroize::Zeroizing;

/// Where in the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The last thing was said.
    Last,
    /// LOGIN: the user name is asked for.
    User,
    /// LOGIN: the password is asked for.
    Password,
    /// SCRAM: salt and nonce come.
    Scram,
    /// SCRAM: the server proves that it knows the password.
    ScramEnd,
}

impl Relay {
    pub(super) fn begin_login(&mut self, out: &mut Vec<u8>) -> Action {
        let Some(login) = &self.terms.login else {
            return self.ready();
        };
        // A login in plain text is read by whoever listens.
        let offered = match self.secure {
            true => self.can.auth,
            false => Mechanisms::default(),
        };
        let step = match offered {
            Mechanisms {
                scram_sha_256: true,
                ..
            } => {
                out.extend_from_slice(b"AUTH SCRAM-SHA-256 ");
                base64::encode(scram(login).first().as_bytes(), out);
                Step::Scram
            }
            Mechanisms { plain: true, .. } => {
                let mut secret = Zeroizing::new(vec![0]);
                secret.extend_from_slice(login.user.as_bytes());
                secret.push(0);
                secret.extend_from_slice(login.password.as_bytes());
                out.extend_from_slice(b"AUTH PLAIN ");
                base64::encode(&secret, out);
                Step::Last
            }
            Mechanisms { login: true, .. } => {
                out.extend_from_slice(b"AUTH LOGIN");
                Step::User
            }
            _ => {
                self.state = State::Login(Step::Last);
                return self.broken(TroubleKind::NoLogin);
            }
        };
        out.extend_from_slice(b"\r\n");
        self.state = State::Login(step);
        Action::Read
    }

    pub(super) fn login(&mut self, step: Step, answer: Answer, out: &mut Vec<u8>) -> Action {
        let Some(login) = &self.terms.login else {
            return self.ready();
        };
        let next = match (step, answer.code) {
            (Step::Last, 200..=299) => return self.ready(),
            (Step::User, 334) => {
                base64::encode(login.user.as_bytes(), out);
                Step::Password
            }
            (Step::Password, 334) => {
                base64::encode(login.password.as_bytes(), out);
                Step::Last
            }
            (Step::Scram, 334) => {
                let proof = challenge(&answer)
                    .and_then(|first| scram(login).proof(&first, &login.password).ok());
                let Some(proof) = proof else {
                    return self.broken(TroubleKind::Said(answer));
                };
                base64::encode(proof.message.as_bytes(), out);
                self.verifier = Some(proof.verifier.into());
                Step::ScramEnd
            }
            // An empty line tells that the proof was good; somebody who only pretends to know us gets no mail.
            (Step::ScramEnd, 334) if challenge(&answer).as_deref() == self.verifier.as_deref() => {
                Step::Last
            }
            _ => return self.broken(TroubleKind::Said(answer)),
        };
        out.extend_from_slice(b"\r\n");
        self.state = State::Login(next);
        Action::Read
    }
}

fn scram(login: &Login) -> Scram {
    Scram::new(&login.user, &login.nonce)
}

/// What the server says in base64.
fn challenge(answer: &Answer) -> Option<String> {
    let octets = sasl::decode(answer.text.as_bytes())?;
    String::from_utf8(octets.to_vec()).ok()
}
