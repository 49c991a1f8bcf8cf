//! Wiring: one file per long-lived job, straight-line async code. Clocks, randomness and tasks live here.

pub mod lanes;
pub mod notify;
pub mod server;
