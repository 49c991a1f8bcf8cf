//! Bounds of the resolver (`net/resolve`). What all of it can hold is four terms of the memory sum.

/// Octets of answers that are remembered, with their keys; the default of `cache_bytes`. What strangers make us ask
/// pushes out what nobody asked for again.
pub const DNS_CACHE_BYTES_DEFAULT: u64 = 512 * 1024;
/// The least and the most that `cache_bytes` can say.
pub const DNS_CACHE_BYTES_MIN: u64 = 16 * 1024;
/// See DNS_CACHE_BYTES_MIN.
pub const DNS_CACHE_BYTES_CEILING: u64 = 64 * 1024 * 1024;
/// Which servers answer for which zone, and the addresses of these servers, octets.
pub const DNS_ZONES_BYTES_MAX: usize = 112 * 1024;
/// Messages with keys and delegations' signatures (DNSKEY, DS), as they came, octets.
pub const DNS_KEYS_BYTES_MAX: usize = 80 * 1024;
/// How fast servers answered, octets.
pub const DNS_SERVERS_BYTES_MAX: usize = 64 * 1024;
/// Different questions being looked up; the next one is told to come again (`TroubleKind::Busy`).
pub const DNS_QUESTIONS_MAX: usize = 38;
/// A question's task with the searches for servers that it waits for, its socket and its buffer for datagrams, octets.
pub const DNS_QUESTION_BYTES: usize = 15 * 1024;
/// Octets of messages that all questions under way hold decoded while signatures are checked; a question waits for
/// room, for DNS_ROOM_MILLIS_MAX (then `TroubleKind::Busy`).
pub const DNS_WORK_BYTES_MAX: usize = 384 * 1024;
/// See DNS_WORK_BYTES_MAX.
pub const DNS_ROOM_MILLIS_MAX: u64 = 3_000;
/// Of these, one question: `TroubleKind::TooMuchWork`.
pub const DNS_WORK_PER_QUESTION_BYTES_MAX: usize = 128 * 1024;
/// A message over TCP or TLS, octets; a longer one is a server failure. The largest sets of TXT records of real
/// domains have half of it.
pub const DNS_MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// What we announce to take as a datagram, octets (RFC 9715: never fragmented).
pub const DNS_DATAGRAM_BYTES_MAX: usize = 1232;
/// Records that a message announces; more is a server failure. Decoding makes about 300 octets of each.
pub const DNS_MESSAGE_RECORDS_MAX: usize = 400;
/// Records of it that are kept, those of the name and kind that were asked; a server failure beyond it.
pub const DNS_ANSWER_RECORDS_MAX: usize = 128;
/// Signatures (RRSIG) that are kept of one message: each can cost several checks (KeyTrap). Others are dropped.
pub const DNS_SIGNATURES_MAX: usize = 16;
/// Keys (DNSKEY) of one zone, and as many DS: `TroubleKind::TooMuchWork` beyond it.
pub const DNS_KEYS_MAX: usize = 16;
/// Denials (NSEC, NSEC3) that are kept of one message; four prove anything.
pub const DNS_DENIALS_MAX: usize = 8;
/// Name servers of a zone that are tried, and addresses of each.
pub const DNS_ZONE_SERVERS_MAX: usize = 13;
/// See DNS_ZONE_SERVERS_MAX.
pub const DNS_SERVER_ADDRESSES_MAX: usize = 4;
/// Queries that one question may cost, with everything it takes to find servers and to check signatures;
/// `TroubleKind::TooMuchWork`.
pub const DNS_QUERIES_MAX: u32 = 96;
/// Checks of signed messages that one question may cost; `TroubleKind::TooMuchWork`. A chain of ten zones takes 30.
pub const DNS_CHECKS_MAX: u32 = 96;
/// Aliases (CNAME, DNAME) that are followed; `TroubleKind::TooMuchWork`. RFC 1034 names none, unbound follows 11.
pub const DNS_ALIASES_MAX: usize = 11;
/// Name servers whose address must be looked up to look up another's address.
pub const DNS_GLUELESS_DEPTH_MAX: usize = 4;
/// Names of a zone's servers whose addresses are looked up when none is known.
pub const DNS_GLUELESS_NAMES_MAX: usize = 3;
/// Servers that are tried for one query, the same one twice at most.
pub const DNS_TRIES_MAX: usize = 8;
/// Queries with shortened names (RFC 9156 section 2.3 asks for 10) before the whole name is asked.
pub const DNS_MINIMISED_MAX: usize = 10;
/// Iterations of NSEC3 above which a zone counts as unsigned (RFC 9276 section 3.2), and as broken.
pub const DNS_NSEC3_ITERATIONS_MAX: u16 = 50;
/// See DNS_NSEC3_ITERATIONS_MAX.
pub const DNS_NSEC3_ITERATIONS_BROKEN: u16 = 150;
/// A question has an answer by then, if only `TroubleKind::Timeout`.
pub const DNS_QUESTION_MILLIS_MAX: u64 = 12_000;
/// First and longest wait for one datagram.
pub const DNS_WAIT_MILLIS_MIN: u64 = 300;
/// See DNS_WAIT_MILLIS_MIN.
pub const DNS_WAIT_MILLIS_MAX: u64 = 2_000;
/// Wait for one answer over TCP or TLS, with connecting.
pub const DNS_STREAM_MILLIS_MAX: u64 = 4_000;
/// Shortest time that an answer is kept: one mail asks several times for what must not be kept at all.
pub const DNS_TTL_SECS_MIN: u32 = 1;
/// Longest (RFC 8767 section 4 allows a week; a day is what unbound keeps).
pub const DNS_TTL_SECS_MAX: u32 = 86_400;
/// Longest that "there is none" is kept (RFC 2308 section 5).
pub const DNS_NEGATIVE_TTL_SECS_MAX: u32 = 3_600;
/// How long a delegation is kept at most.
pub const DNS_DELEGATION_TTL_SECS_MAX: u32 = 21_600;
/// How long a failure is kept (RFC 9520 section 3.2: 1 s to 5 min).
pub const DNS_FAILURE_TTL_SECS: u32 = 5;
/// How long wrong signatures are kept.
pub const DNS_BOGUS_TTL_SECS: u32 = 60;
/// Servers to forward to.
pub const DNS_FORWARDERS_MAX: usize = 8;
/// Names of time servers and the like that are looked up without looking at signatures.
pub const DNS_UNVALIDATED_MAX: usize = 32;
/// Files of root hints, trust anchors and certificate authorities, octets.
pub const DNS_FILE_BYTES_MAX: u64 = 512 * 1024;
/// A clock before this moment has not been set (1 November 2026): signatures are not judged by it.
pub const CLOCK_SANE_SECS: u64 = 1_793_491_200;
/// So long nothing is asked after the DNS was out of reach, seconds: mail flows without checks and without waiting.
pub const DNS_UNREACHABLE_SECS: u64 = 10;
