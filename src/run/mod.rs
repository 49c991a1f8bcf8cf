//! Wiring: one file per long-lived job, straight-line async code. Clocks, randomness and tasks live here.

pub mod authentic;
pub mod block_memory;
pub mod body;
pub mod certificates;
pub mod control;
pub mod imap;
pub mod journal;
pub mod lanes;
pub mod lifecycle;
pub mod login;
pub mod notify;
pub mod password;
pub mod privileges;
pub mod proxy;
pub mod quota;
pub mod random;
pub mod receive;
pub mod reports;
pub mod resolver;
pub mod serve;
pub mod server;
pub mod smtp;
