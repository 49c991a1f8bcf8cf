//! LOGIN and AUTHENTICATE (RFC 3501 sections 6.2.2 and 6.2.3, RFC 4959).

use super::reply::Reply;
use super::{End, Session, User};
use crate::run::login::LoginRefused;
use crate::session::imap::gate::capabilities;
use crate::wire::imap::frame;
use crate::wire::imap::write::Code;
use crate::wire::sasl::{Exchange, Mechanism, SaslError, Step};
use std::sync::Arc;
use std::time::Instant;
use zeroize::Zeroizing;

impl Session {
    pub(super) async fn login(&mut self, user: &str, password: Box<str>) -> Result<Reply, End> {
        let password = Zeroizing::new(String::from(password).into_bytes());
        self.verify(user, &password).await
    }

    pub(super) async fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<Box<str>>,
    ) -> Result<Reply, End> {
        let Some(mechanism) = Mechanism::parse(mechanism.as_bytes()) else {
            return Ok(Reply::no(Code::Cannot, "mechanism is not known; use PLAIN"));
        };
        let initial = initial.map(|text| Zeroizing::new(String::from(text)));
        let (mut exchange, mut step) =
            Exchange::begin(mechanism, initial.as_ref().map(|text| text.as_bytes()));
        loop {
            match step {
                Step::Challenge(base64) => {
                    self.out
                        .extend_from_slice(format!("+ {base64}\r\n").as_bytes());
                    let line = self.next_line().await?;
                    step = exchange.respond(if line == frame::Step::Command {
                        self.framer.text()
                    } else {
                        b"*"
                    });
                    self.framer.clear();
                }
                Step::Done(login) => return self.verify(&login.user, &login.password).await,
                Step::Failed(SaslError::Authorization) => {
                    return Ok(Reply::no(
                        Code::AuthenticationFailed,
                        "nobody logs in for others here",
                    ));
                }
                Step::Failed(SaslError::Cancelled) => {
                    return Ok(Reply::bad("AUTHENTICATE cancelled"));
                }
                Step::Failed(SaslError::Encoding | SaslError::Form) => {
                    return Ok(Reply::bad("not what the mechanism asks for"));
                }
            }
        }
    }

    async fn verify(&mut self, user: &str, password: &[u8]) -> Result<Reply, End> {
        let peer = self.conn.peer().ip();
        let logged_in = match self
            .imap
            .server
            .login
            .verify(peer, user, password, Instant::now())
            .await
        {
            Ok(logged_in) => logged_in,
            Err(refused) => return Ok(of_refused(refused)),
        };
        let account = logged_in.account;
        let keywords = self
            .imap
            .server
            .lanes
            .read(move |reader| reader.keywords(account))
            .await;
        let keywords = match keywords {
            Ok(keywords) => Arc::new(keywords),
            Err(error) => return Ok(error.into()),
        };
        self.user = Some(Box::new(User {
            account,
            watch: logged_in.watch,
            keywords,
        }));
        let code = Code::Capability(capabilities(self.state(), self.privacy()));
        Ok(Reply::ok_with(code, "logged in"))
    }
}

fn of_refused(refused: LoginRefused) -> Reply {
    match refused {
        LoginRefused::Wrong => Reply::no(Code::AuthenticationFailed, "user or password is wrong"),
        LoginRefused::Disabled => Reply::no(Code::ContactAdmin, "account is disabled"),
        LoginRefused::TryLater => Reply::no(
            Code::Unavailable,
            "too many logins now; try again in a minute",
        ),
        LoginRefused::Trouble(why) => {
            log::error!("imap: a login could not be checked: {why}");
            Reply::no(
                Code::Unavailable,
                "login cannot be checked now; try again later",
            )
        }
    }
}
