//! Properties of what tells who stands behind a relay: PROXY headers, Received fields.

use pillarbox::limits::{DOMAIN_BYTES_MAX, PROXY_BYTES_MAX};
use pillarbox::wire::header::received;
use pillarbox::wire::proxy::{FIXED_BYTES, parse, rest_bytes, write};

/// A header has the length that its fixed part announces, and what it says is written and read again as the same.
pub fn proxy(data: &[u8]) {
    let parsed = parse(data);
    let announced = data.first_chunk::<FIXED_BYTES>().map(rest_bytes);
    if let Ok(ends) = parsed {
        let rest = announced.expect("a fixed part").expect("a length");
        assert!(rest <= PROXY_BYTES_MAX && data.len() == FIXED_BYTES + rest);
        if let Some(ends) = ends {
            assert_eq!(parse(&write(&ends)), Ok(Some(ends)));
        }
    }
}

/// The client has an address that stands in the field, and a name with a bound.
pub fn received_from(data: &[u8]) {
    if let Some(from) = received::from(data) {
        assert_eq!(from.address, from.address.to_canonical());
        assert!(from.helo.chars().count() <= DOMAIN_BYTES_MAX);
        assert!(
            data.windows(from.helo.len().max(1))
                .any(|w| w == from.helo.as_bytes())
                || from.helo.is_empty()
        );
    }
}
