//! SMTP as bytes: commands with their parameters (RFC 5321, 1870, 3030, 3461, 4954, 6531) and replies.

mod answer;
mod command;
mod envelope;
mod reply;

pub use answer::{Answer, AnswerFault, AnswerReader, Capabilities, Mechanisms};
pub use command::{Command, CommandError, parse};
pub use envelope::{BodyType, MailFrom, Notify, Path, RcptTo, Ret, is_xtext};
pub use reply::Reply;
