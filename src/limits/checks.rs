//! Bounds of the checks of mail from elsewhere, of trusted relays and of PROXY.

use super::{
    CLOCK_SANE_SECS, DNS_QUESTIONS_MAX, HEADER_BLOCK_BYTES_MAX, SIGNATURES_STATE_BYTES_MAX,
};

/// Messages whose checks ask the DNS at once, three questions each; the next one waits. Each holds at most
/// AUTHENTIC_CHECK_BYTES_MAX.
pub const AUTHENTIC_CHECKS_MAX: usize = 12;
const _: () = assert!(3 * AUTHENTIC_CHECKS_MAX <= DNS_QUESTIONS_MAX);
/// What one message's checks hold while they ask and verify: fields found, answers, keys (an estimate from above:
/// records are shared with the cache of the resolver, and octets of the header are the body buffer's).
pub const AUTHENTIC_CHECK_BYTES_MAX: usize = 32 * 1024;
/// The octets of one signature while they are verified (one at a time, all on the socket thread): as many as the
/// header block has, and its fields.
pub const AUTHENTIC_VERIFY_BYTES_MAX: usize = HEADER_BLOCK_BYTES_MAX + 96 * 1024;
/// What they leave with the message until its body has passed: results, the two hashes of each signature.
pub const AUTHENTIC_STATE_BYTES_MAX: usize = SIGNATURES_STATE_BYTES_MAX + 3 * 1024;
/// Wait for one of AUTHENTIC_CHECKS_MAX places, seconds; beyond it the checks find "temperror", and 451 is
/// said where the policy needs the answer.
pub const AUTHENTIC_WAIT_SECS: u64 = 10;
/// Answers about a sender at MAIL, seconds; what has not come by then speaks against nobody.
pub const AUTHENTIC_SENDER_SECS: u64 = 10;
/// What a dialogue holds of its sender from MAIL to the verdict, octets: an entry of a list, three score lines.
pub const SENDER_FACTS_BYTES_MAX: usize = 2 * 1024;
/// Answers for the header of one message, seconds; what has not come by then is "temperror".
pub const AUTHENTIC_HEADER_SECS: u64 = 20;
/// Answers about DMARC, at the end of the body, seconds.
pub const AUTHENTIC_DMARC_SECS: u64 = 10;
/// 451 for want of an answer of the DNS, for one domain, seconds; then its mail is taken.
pub const DEFERRAL_SECS: u64 = 4 * 3600;
/// A domain is remembered for so long after its last message, seconds, so that its next one is not deferred again.
pub const DEFERRAL_KEPT_SECS: u64 = 24 * 3600;
/// Domains that are remembered so, of at most DOMAIN_BYTES_MAX octets and 64 more each; mail of others is taken.
pub const DEFERRAL_ROWS_MAX: usize = 128;
/// A clock that shows less was never set: ages of signatures are not judged by it, seconds since 1970.
pub const CLOCK_SECONDS_MIN: i64 = CLOCK_SANE_SECS as i64;

/// Octets of a PROXY header behind its fixed part: addresses and fields; a longer one ends the connection. Held while
/// it is read, before anything else of the connection exists.
pub const PROXY_BYTES_MAX: usize = 1024;
/// Wait for a PROXY header, seconds: a proxy sends it at once; then the connection is dropped.
pub const PROXY_SECS: u64 = 10;
/// `[[trusted_relay]]` tables.
pub const TRUSTED_RELAYS_MAX: usize = 16;
/// Networks of one of them.
pub const TRUSTED_NETWORKS_MAX: usize = 64;
/// `strict_domains` of `[checks]`.
pub const STRICT_DOMAINS_MAX: usize = 1_000;
