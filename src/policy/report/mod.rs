//! What our reports hold, who gets them, and whose reports are kept.
//!
//! [`observe`](observe::observe) makes a row of a message's verdicts; rows of a day are packed into [`pieces`], which
//! [`gather`] reads again; [`destination`] asks whether somebody wants the report; [`compose`] puts it together.

pub mod compose;
pub mod destination;
pub mod gather;
pub mod observe;
pub mod pieces;
pub mod received;
#[cfg(test)]
mod tests;
pub mod words;
