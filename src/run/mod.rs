//! Wiring: one file per long-lived job, straight-line async code. Clocks, randomness and tasks live here.

pub mod block_memory;
pub mod lanes;
pub mod login;
pub mod notify;
pub mod password;
pub mod server;
