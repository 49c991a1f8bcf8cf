//! rustls with ring: certificates by SNI, reloaded in place; resumption by stateless tickets.

/// Accepts TLS; cheap to clone; a reload reaches every clone.
#[derive(Clone)]
pub struct Acceptor {}
