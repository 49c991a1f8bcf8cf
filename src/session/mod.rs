//! Pure dialogue rules: step(event) -> action. Sees `wire` and `limits`; time, randomness and answers are arguments.

pub mod imap;
pub mod relay;
pub mod smtp;
