//! Pillarbox: a whole mail server in one process.
//!
//! How to find any behaviour: which bytes? [`wire`]. Allowed when? [`session`]. Who decides? [`policy`].
//! Kept where? [`store`]. Which socket? [`net`]. Which task, in what order? [`run`]. How much? [`limits`].
//! The same word has the same file name in each room: `wire/smtp.rs`, `session/smtp.rs`, `run/smtp.rs`.
//!
//! Walls (kept by `tests/tidy.rs`): `wire` sees only `limits`; `session` and `policy` see `wire` and `limits`;
//! `store` and `net` see `wire` and `limits` and never each other; only `run` and `command` see everything.
//! Clocks, randomness and tasks live in `run`; files in `store`, `config` and `command`.
#![warn(missing_docs)]

pub mod command;
pub mod config;
pub mod limits;
pub mod net;
pub mod policy;
pub mod run;
pub mod session;
pub mod store;
pub mod wire;
