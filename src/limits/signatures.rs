//! Bounds of DKIM and ARC.

/// DKIM-Signature fields of one message that are tried, each with one question and one verification; the others are
/// counted. Those of the author's domain come first, then the top-most.
pub const DKIM_SIGNATURES_MAX: usize = 8;
/// Tags of one signature or key record (RFC 6376 knows 14); a longer list is malformed.
pub const DKIM_TAGS_MAX: usize = 32;
/// Names in `h=`, which oversigning may repeat; a longer list is malformed.
pub const DKIM_SIGNED_NAMES_MAX: usize = 256;
/// `i=`, octets; a longer one is shown as its domain alone.
pub const DKIM_IDENTITY_BYTES_MAX: usize = 128;
/// What the DNS said of a key that is not known, octets; the rest is cut.
pub const DKIM_TROUBLE_BYTES_MAX: usize = 96;
/// What DKIM and ARC hold of a message until its body's end, octets: some 700 for each signature tried (names, identity,
/// the body's hash), the chain, two hashes under way.
pub const SIGNATURES_STATE_BYTES_MAX: usize = 7 * 1024 + 512;
/// Key records at one name that are tried. RFC 6376 section 3.6.2.2 leaves open what several of them mean; above it
/// the name has no key.
pub const DKIM_KEYS_MAX: usize = 2;
/// RSA keys, bits: below it a signature does not count (RFC 8301 section 3.2).
pub const DKIM_KEY_BITS_MIN: usize = 1024;
/// RSA keys, bits: above it a signature does not count. Verifiers must know 4,096 (RFC 8301 section 3.2); the work
/// grows with the square.
pub const DKIM_KEY_BITS_MAX: usize = 4096;
/// How far the signer's clock may be from ours when ages are judged, seconds: wrong time zones are common, and
/// whoever replays a message within the hour could have done it before.
pub const DKIM_CLOCK_SECS: i64 = 3600;
/// Sets of an ARC chain (RFC 8617 section 4.2.1); a longer chain fails.
pub const ARC_SETS_MAX: usize = 50;
/// Names that one chain may ask keys at; beyond it the chain fails. A chain through more hands was never seen.
pub const ARC_KEYS_MAX: usize = 10;
