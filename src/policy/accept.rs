//! The header of a message from a stranger (port 25): loops are refused, forged traces of ours are cut.

use crate::limits::RECEIVED_HEADERS_MAX;
use crate::wire::address::Address;
use crate::wire::header::{FieldAddress, Fields, each_address};
use crate::wire::smtp::Reply;
use std::ops::Range;

const MANY_HOPS: Reply = Reply::new(554, "5.4.6", "Too many hops: this message goes in circles");
const LOOP: Reply = Reply::new(
    554,
    "5.4.6",
    "This message was delivered here before: a loop",
);

/// The ranges of `header` that are not served, or why the message is refused. `delivered_to`: what Delivered-To will
/// say for each recipient of this box.
///
/// A Return-Path is written by the server of final delivery, which is us (RFC 5321 section 4.4): one that comes in is
/// not served. Delivered-To of other servers stays; one that names a recipient of this message tells a loop.
pub fn incoming(header: &[u8], delivered_to: &[&Address]) -> Result<Vec<Range<u32>>, Reply> {
    let mut hops = 0;
    let mut cuts = Vec::new();
    for field in Fields::new(header) {
        if field.is("Received") {
            hops += 1;
            if hops > RECEIVED_HEADERS_MAX {
                return Err(MANY_HOPS);
            }
        } else if field.is("Return-Path") {
            cuts.push(super::cut(&field));
        } else if field.is("Delivered-To") {
            let mut seen = false;
            each_address(field.value, &mut |address| {
                seen |= matches!(&address, FieldAddress::Full(a) if delivered_to.iter().any(|d| same(d, a)));
            });
            if seen {
                return Err(LOOP);
            }
        }
    }
    Ok(cuts)
}

/// Whether two addresses are one mailbox of this box, whose local parts have no case.
fn same(a: &Address, b: &Address) -> bool {
    a.domain() == b.domain() && a.local().eq_ignore_ascii_case(b.local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted() {
        let header = |hops: usize| "received: x\r\n".repeat(hops) + "\r\n";
        for (hops, fits) in [(49, true), (50, true), (51, false)] {
            assert_eq!(
                incoming(header(hops).as_bytes(), &[]).is_ok(),
                fits,
                "{hops}"
            );
        }
    }

    #[test]
    fn a_loop_is_seen() {
        let anna = Address::parse("anna@box.test").unwrap();
        let header = b"Delivered-To: <Anna@Box.test>\r\n\r\n";
        assert_eq!(incoming(header, &[&anna]), Err(LOOP));
        let bert = Address::parse("bert@box.test").unwrap();
        assert_eq!(incoming(header, &[&bert]), Ok(vec![]));
    }

    #[test]
    fn return_paths_are_cut() {
        let header = b"Return-Path: <a@b.de>\r\nA: 1\r\nRETURN-PATH:\r\n <>\r\n\r\n";
        assert_eq!(incoming(header, &[]), Ok(vec![0..23, 29..48]));
    }
}
