//! The worst case as a sum with one named term per holder, computed at start from the configured counts.
//!
//! What is counted: memory that is ours (anonymous and shared). What is not: the page cache and the kernel's socket
//! buffers, which shrink under pressure, and files. The sum is an upper bound, not a forecast: an idle box of the
//! same configuration holds a sixth of it.

use super::*;

/// Configured counts that memory grows with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connections {
    /// `smtp_connections_max`
    pub smtp: usize,
    /// `submission_connections_max`
    pub submission: usize,
    /// `imap_connections_max`
    pub imap: usize,
    /// `cache_bytes` of the resolver
    pub dns_cache_bytes: usize,
}

/// One holder of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Term {
    /// For people: "TLS sessions of IMAP clients".
    pub name: &'static str,
    /// How many.
    pub count: usize,
    /// How large one of them can get, octets.
    pub each_bytes: usize,
    /// The key in the configuration that makes it smaller; None for what is fixed.
    pub setting: Option<&'static str>,
}

impl Term {
    /// All of them, octets.
    pub fn bytes(&self) -> u64 {
        self.count as u64 * self.each_bytes as u64
    }
}

/// The worst case, term by term.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemorySum {
    /// One per holder.
    pub terms: Vec<Term>,
}

/// Program, runtime, allocator and everything that exists once and is small; measured idle on the musl build.
const BASE_BYTES: usize = 2 * 1024 * 1024;
/// rustls' state of one session without its buffers (measured: 5 KiB with the connection around it).
const TLS_STATE_BYTES: usize = 5 * 1024;
/// One TLS session. Input: cut by TLS_QUIET_BYTES_MAX plus one read of 4,096, or a record's plaintext with the rest
/// of its 18,437 octets behind it; never both. Output: TLS_SEND_BYTES_MAX and its record headers.
const TLS_SESSION_BYTES: usize =
    TLS_STATE_BYTES + max(TLS_QUIET_BYTES_MAX + 4_096, 16_384 + 18_437) + TLS_SEND_BYTES_MAX + 512;
/// One connection: TLS, both buffers, its task with the session's state.
const CONNECTION_BYTES: usize = TLS_SESSION_BYTES + 2 * CONN_BUFFER_SMALL_BYTES + SESSION_BYTES_MAX;
/// What a mail dialogue holds besides: its recipients, what is known of the sender.
const MAIL_CONNECTION_BYTES: usize =
    CONNECTION_BYTES + RECIPIENTS_SHARE_BYTES + SENDER_FACTS_BYTES_MAX;
/// What an IMAP dialogue holds besides: a command.
const IMAP_CONNECTION_BYTES: usize = CONNECTION_BYTES + IMAP_SMALL_COMMAND_BYTES;
/// What becomes of a message's header and structure, and the part's header that is being read.
const SUMMARY_BYTES: usize =
    ENVELOPE_LISTS_BYTES_MAX + 4 * ENVELOPE_TEXT_BYTES_MAX + MIME_STRUCTURE_BYTES_MAX;
const SCANNER_BYTES: usize = SUMMARY_BYTES + MIME_PART_HEADER_BYTES_MAX;
/// A FETCH while it makes slices: two of them, each as long as the longest literal that is read at once.
pub const FETCH_BYTES: usize = 2 * FETCH_WHOLE_BYTES_MAX;
/// The same while it is nearly alone.
pub const FETCH_WIDE_BYTES: usize =
    2 * (FETCH_WIDE_SLICE_BYTES + FETCH_WHOLE_BYTES_MAX - FETCH_SLICE_BYTES);
/// And the summary of the message that it is in, if an item needs it.
pub const FETCH_SUMMARY_BYTES: usize = SUMMARY_BYTES;
/// A SEARCH: 12 blocks and a header.
pub const SEARCH_BYTES: usize = 13 * SEARCH_BLOCK_BYTES;
const _: () = assert!(FETCH_BYTES + FETCH_SUMMARY_BYTES <= SEARCH_BYTES);
// Somebody else's SEARCH and FETCH go on beside an account that holds all that it may.
const _: () =
    assert!(IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX + 2 * SEARCH_BYTES <= IMAP_ANSWERS_BYTES_MAX);
/// Schema, prepared statements and lookaside of a SQLite connection (measured 100 to 180 KiB).
const DATABASE_BYTES: usize = 160 * 1024;
/// Twelve octets a range, and room to grow.
const SEQ_MAP_RANGE_BYTES: usize = 12;
/// Rows of `run/login`: three tables of failures at 64 octets a row, remembered logins at 96.
const LOGIN_TABLES_BYTES: usize = 3 * LOGIN_FAILURE_ROWS_MAX * 64 + LOGIN_REMEMBERED_MAX * 96;
/// What the resolver remembers besides answers.
const DNS_TABLES_BYTES: usize = DNS_ZONES_BYTES_MAX + DNS_KEYS_BYTES_MAX + DNS_SERVERS_BYTES_MAX;
/// A message as it comes and decoded, before it is cut down: one at a time, on the socket thread.
const DNS_DECODING_BYTES: usize = DNS_MESSAGE_BYTES_MAX + DNS_MESSAGE_RECORDS_MAX * 320;
/// Reports: observations that wait (being filled, and being written), mails that wait to be read, and
/// `learned.sqlite` while it is open (32 KiB of cache). What composes and reads takes places of message bodies.
const REPORTS_BYTES: usize =
    2 * REPORT_PENDING_BYTES_MAX + REPORT_WAITING_MAX * 512 + 32 * 1024 + DATABASE_BYTES / 2;
/// Pages that a lane's thread really touches of its stack.
const LANE_STACK_TOUCHED_BYTES: usize = 128 * 1024;

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

impl MemorySum {
    /// The sum for these counts.
    pub fn worst_case(connections: &Connections) -> MemorySum {
        let connection = |name, count, each_bytes, setting| Term {
            name,
            count,
            each_bytes,
            setting: Some(setting),
        };
        let fixed = |name, count, each_bytes| Term {
            name,
            count,
            each_bytes,
            setting: None,
        };
        let Connections {
            smtp,
            submission,
            imap,
            dns_cache_bytes,
        } = *connections;
        let (mail, read) = (MAIL_CONNECTION_BYTES, IMAP_CONNECTION_BYTES);
        // More than there are connections for cannot be in use.
        let bodies = BODY_BUFFERS_MAX.min(smtp + submission + imap + REPORT_BODIES as usize);
        let large = (CONN_BUFFERS_MAX + CONN_BUFFERS_SPARE_MAX).min(2 * (smtp + submission + imap));
        // Twice: it grows by doubling.
        let command = 2 * (IMAP_COMMAND_BYTES_MAX + IMAP_LITERALS_BYTES_MAX);
        // The writer and each reader have a connection to the index and one to the accounts.
        let databases = READER_LANES + 1;
        MemorySum {
            terms: vec![
                connection("SMTP connections", smtp, mail, "smtp_connections_max"),
                connection(
                    "submission connections",
                    submission,
                    mail,
                    "submission_connections_max",
                ),
                connection("IMAP connections", imap, read, "imap_connections_max"),
                fixed("large connection buffers", large, CONN_BUFFER_BYTES),
                fixed("message bodies", bodies, LARGE_MESSAGE_BYTES),
                fixed("descriptions of messages coming in", bodies, SCANNER_BYTES),
                fixed(
                    "checks under way",
                    AUTHENTIC_CHECKS_MAX,
                    AUTHENTIC_CHECK_BYTES_MAX,
                ),
                fixed("a signature verified", 1, AUTHENTIC_VERIFY_BYTES_MAX),
                fixed(
                    "checked messages",
                    bodies.min(BODY_BUFFERS_STRANGERS_MAX),
                    AUTHENTIC_STATE_BYTES_MAX,
                ),
                fixed("deferred domains", DEFERRAL_ROWS_MAX, DOMAIN_BYTES_MAX + 64),
                fixed("FETCH and SEARCH", 1, IMAP_ANSWERS_BYTES_MAX),
                fixed("large IMAP commands", IMAP_LARGE_COMMANDS_MAX, command),
                fixed("sequence maps", SEQ_MAP_RANGES_MAX, SEQ_MAP_RANGE_BYTES),
                fixed("index", databases, INDEX_CACHE_KIB * 1024 + DATABASE_BYTES),
                fixed(
                    "accounts",
                    databases,
                    STATE_CACHE_KIB * 1024 + DATABASE_BYTES,
                ),
                // Writer and readers: the chunk of a message that each read last, with its record's head.
                fixed("chunks read last", READER_LANES + 1, CHUNK_BYTES + 512),
                fixed("password hashing", 1, PASSWORD_MEMORY_KIB as usize * 1024),
                fixed("many recipients", 1, RECIPIENTS_POOL_BYTES_MAX),
                fixed("failed and remembered logins", 1, LOGIN_TABLES_BYTES),
                connection("answers of the DNS", 1, dns_cache_bytes, "cache_bytes"),
                fixed("zones, keys and servers of the DNS", 1, DNS_TABLES_BYTES),
                fixed(
                    "questions to the DNS",
                    DNS_QUESTIONS_MAX,
                    DNS_QUESTION_BYTES,
                ),
                fixed(
                    "messages of the DNS",
                    1,
                    DNS_WORK_BYTES_MAX + DNS_DECODING_BYTES,
                ),
                // A line that is read and the answer that is written.
                fixed(
                    "control connections",
                    CONTROL_CONNECTIONS_MAX,
                    2 * CONTROL_LINE_BYTES_MAX,
                ),
                fixed("reports", 1, REPORTS_BYTES),
                // Writer, readers, hashing and the socket thread.
                fixed("threads", READER_LANES + 3, LANE_STACK_TOUCHED_BYTES),
                fixed("the program itself", 1, BASE_BYTES),
            ],
        }
    }

    /// All terms together, octets.
    pub fn total_bytes(&self) -> u64 {
        self.terms.iter().map(Term::bytes).sum()
    }

    /// The largest term.
    pub fn largest(&self) -> Term {
        let none = Term {
            name: "nothing",
            count: 0,
            each_bytes: 0,
            setting: None,
        };
        self.terms
            .iter()
            .copied()
            .max_by_key(Term::bytes)
            .unwrap_or(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_grows_with_each_count_and_names_the_largest() {
        let one = Connections {
            smtp: 1,
            submission: 1,
            imap: 1,
            dns_cache_bytes: DNS_CACHE_BYTES_DEFAULT as usize,
        };
        let base = MemorySum::worst_case(&one).total_bytes();
        for more in [
            Connections { smtp: 2, ..one },
            Connections {
                submission: 2,
                ..one
            },
            Connections { imap: 2, ..one },
        ] {
            let grown = MemorySum::worst_case(&more).total_bytes();
            assert!(grown - base >= CONNECTION_BYTES as u64);
        }
        let many = MemorySum::worst_case(&Connections {
            imap: 10_000,
            ..one
        });
        assert_eq!(many.largest().setting, Some("imap_connections_max"));
    }
}
