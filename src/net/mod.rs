//! The only room that touches sockets: listening, connections, TLS.

pub mod conn;
pub mod listen;
pub mod tls;
