//! The only room that touches sockets: listening, connections, TLS.
//!
//! Owns: sockets, their buffers and deadlines, TLS sessions. Never: a protocol word, a file, a task of its own.
//! Invariants: nobody is accepted without a permit; every wait has a deadline; what one connection can make us hold
//! is bounded by constants of `limits.rs`, whatever its peer sends or does not read.

mod buffer;
pub mod conn;
pub mod dial;
pub mod inherit;
pub mod listen;
mod meter;
pub mod resolve;
pub mod tls;
