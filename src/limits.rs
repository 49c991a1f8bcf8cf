//! Every bound of the program. A name is `NOUN_UNIT_MAX`; its comment says where the number comes from, what the
//! peer sees when it is passed, and who holds the memory. The worst case is
//! a sum with one named term per holder, in `limits/memory.rs`.

mod checks;
mod dns;
mod memory;
mod reports;
mod signatures;
pub use checks::*;
pub use dns::*;
pub use memory::{
    Connections, FETCH_BYTES, FETCH_SUMMARY_BYTES, FETCH_WIDE_BYTES, MemorySum, SEARCH_BYTES, Term,
};
pub use reports::*;
pub use signatures::*;

/// SMTP command line with CRLF, octets. RFC 5321 section 4.5.3.1.4 asks for 512 plus what extensions add (SMTPUTF8,
/// DSN); 500 5.5.6 and the rest of the line is skipped. Held in the connection's in-buffer.
pub const SMTP_LINE_BYTES_MAX: usize = 2048;
/// SMTP line while AUTH runs. RFC 4954 section 4 asks for 12,288 octets.
pub const SMTP_AUTH_LINE_BYTES_MAX: usize = 12_288;
/// Recipients in one transaction. RFC 5321 section 4.5.3.1.8 minimum; above it 452 4.5.3.
pub const RECIPIENTS_MAX: usize = 100;
/// Octets of all recipients of one transaction with their ORCPT; above it 452 4.5.3. Held by the dialogue, beyond
/// RECIPIENTS_SHARE_BYTES from the pool of RECIPIENTS_POOL_BYTES_MAX.
pub const RECIPIENTS_BYTES_MAX: usize = 32 * 1024;
/// What each dialogue may hold of them without asking: some 16 ordinary recipients.
pub const RECIPIENTS_SHARE_BYTES: usize = 2 * 1024;
/// Octets of all recipients beyond these shares and of the accounts behind all recipients (some 100 each), over all
/// connections; then 452 4.3.1. Twenty messages to 100 recipients each.
pub const RECIPIENTS_POOL_BYTES_MAX: usize = 448 * 1024;
/// Received headers before a message is taken for a loop (RFC 5321 section 6.3); 554 5.4.6.
pub const RECEIVED_HEADERS_MAX: usize = 50;
/// Commands answered 5xx (or IMAP BAD) before the connection is closed with 421 (BYE).
pub const BAD_COMMANDS_MAX: u32 = 10;
/// Size of one message as received, octets; the default of the configured limit. 552 5.3.4, NO [LIMIT].
pub const MESSAGE_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Header block of one message, octets: the only part ever held as one slice. 554 5.6.0.
pub const HEADER_BLOCK_BYTES_MAX: usize = 128 * 1024;
/// Pieces of one header that are not served (forged fields of ours, Return-Path); neighbours are one. Above it 554 5.6.0:
/// each of them is held with the message while it comes in, kept with it, and walked over whenever it is read.
pub const HEADER_CUTS_MAX: usize = 128;
/// A message up to this size stays in one buffer of the body pool and goes into the log; a larger one is a file.
pub const LARGE_MESSAGE_BYTES: usize = 128 * 1024;
/// Buffers of LARGE_MESSAGE_BYTES in the body pool. A transaction waits for one at DATA; then 452 4.3.1.
pub const BODY_BUFFERS_MAX: usize = 55;
/// Of these, what port 25 may hold: strangers never keep people from sending.
pub const BODY_BUFFERS_STRANGERS_MAX: usize = 50;
/// Buffers kept for reuse when no message holds them; the others go back to the system, which costs two system calls
/// and a page fault for each page that a message touches.
pub const BODY_BUFFERS_SPARE_MAX: usize = 12;

/// Local part without its quotes, octets. RFC 5321 section 4.5.3.1.1 promises only 64, but generated bounce addresses
/// of large senders are longer and must be able to write to us; 501 5.1.7 or 501 5.1.3.
pub const LOCAL_PART_BYTES_MAX: usize = 128;
/// Domain, octets in A-label form (RFC 5321 section 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// One label of a domain, octets (RFC 1035 section 2.3.4).
pub const DOMAIN_LABEL_BYTES_MAX: usize = 63;

/// Targets of one alias, and of what it expands to through others: each is one local copy or queue recipient of a
/// message. `alias add` refuses more.
pub const ALIAS_TARGETS_MAX: usize = 32;
/// Aliases that lead to aliases; `alias add` refuses a longer chain (and every loop).
pub const ALIAS_DEPTH_MAX: usize = 8;
/// Aliases that may lead to one alias, however indirectly: each is looked at again when it changes.
pub const ALIAS_REFERRERS_MAX: usize = 1_000;
/// Domains of the box; `domain add` refuses more. On disk.
pub const DOMAINS_MAX: u64 = 1_000;
/// Accounts of the box; `account add` refuses more. On disk.
pub const ACCOUNTS_MAX: u64 = 10_000;
/// Aliases, catch-alls and reject-listed addresses together; `alias add` refuses more. On disk.
pub const ALIASES_MAX: u64 = 100_000;

/// ENVID of MAIL, octets of xtext (RFC 3461 section 4.4); 501 5.5.4.
pub const ENVID_BYTES_MAX: usize = 100;
/// ORCPT of RCPT, octets (RFC 3461 section 4.2); 501 5.5.4.
pub const ORCPT_BYTES_MAX: usize = 500;

/// argon2id memory, KiB: 7 MiB with five passes is OWASP's equal of 19 MiB with two. One block at a time, of the
/// hashing lane, unmapped after `PASSWORD_MEMORY_IDLE_SECS`.
pub const PASSWORD_MEMORY_KIB: u32 = 7 * 1024;
/// argon2id passes.
pub const PASSWORD_PASSES: u32 = 5;
/// The block of memory is given back when nobody logged in for so long.
pub const PASSWORD_MEMORY_IDLE_SECS: u64 = 10;
/// A password, octets; a longer one is wrong. Held by the dialogue and one copy by the hashing lane, both wiped.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Failed logins a minute, of one address (/32, /64) and for one account; then 454 4.7.0 and NO [UNAVAILABLE] without
/// a look at the password.
pub const LOGIN_FAILURES_MAX: usize = 5;
/// The minute of `LOGIN_FAILURES_MAX`.
pub const LOGIN_FAILURES_SECS: u64 = 60;
/// Addresses (accounts, unknown names: a table each) whose failures are counted one by one. What comes on top shares
/// `LOGIN_FAILURE_OVERFLOW_ROWS` rows: nothing that counts is ever evicted. 2,048 places of 49 octets a table, which a
/// hash table fills to seven eighths: 300 KiB for all three.
pub const LOGIN_FAILURE_ROWS_MAX: usize = 1792;
/// Rows shared by what does not fit into `LOGIN_FAILURE_ROWS_MAX`.
pub const LOGIN_FAILURE_OVERFLOW_ROWS: usize = 64;
/// Addresses with a password being checked or waiting for it, one each; then 454 4.7.0 and NO [UNAVAILABLE]. At 30 to
/// 150 ms a hash the last one waits two seconds.
pub const LOGIN_WAITING_MAX: usize = 16;
/// Logins of one address behind the one that is being checked. The connections hold them; a household that comes
/// back after a restart is not refused.
pub const LOGIN_WAITING_PER_ADDRESS_MAX: usize = 256;
/// Verified logins that are remembered, 128 octets each; the oldest goes, which costs its owner one hash.
pub const LOGIN_REMEMBERED_MAX: usize = 224;
/// For how long.
pub const LOGIN_REMEMBERED_SECS: u64 = 600;

/// Commands that bring a mail no further (NOOP, RSET, VRFY, HELP, greetings, recipients past the last) between two
/// messages; then 421 4.7.0. Postfix allows as many: nobody keeps one of few places by chatting.
pub const IDLE_COMMANDS_MAX: u32 = 100;
/// Recipients refused in one connection before it is closed with 421: whoever guesses addresses starts again.
pub const REFUSED_RECIPIENTS_MAX: u32 = 100;
/// Wait for a command (RFC 5321 section 4.5.3.2.7), seconds; then 421 4.4.2.
pub const SMTP_COMMAND_SECS: u64 = 300;
/// The same of a client without a login while its service has no place free: a few strangers do not keep all others
/// out for five minutes by saying nothing. 421 4.4.2.
pub const SMTP_CROWDED_COMMAND_SECS: u64 = 30;
/// Wait for the next octets of DATA or BDAT (RFC 5321 section 4.5.3.2.5), seconds; then 421 4.4.2.
pub const SMTP_CONTENT_SECS: u64 = 180;
/// Wait for a peer to take a reply, seconds; then the connection is dropped.
pub const SMTP_REPLY_SECS: u64 = 120;
/// A TLS handshake, seconds; then the connection is dropped.
pub const TLS_HANDSHAKE_SECS: u64 = 60;
/// A whole content may take this many seconds, and one more for every CONTENT_BYTES_PER_SEC_MIN octets of it: nobody
/// keeps a body buffer by sending an octet now and then; 421 4.4.2.
pub const CONTENT_BASE_SECS: u64 = 300;
/// See CONTENT_BASE_SECS.
pub const CONTENT_BYTES_PER_SEC_MIN: u64 = 512;
/// Wait for a buffer of the body pool, seconds; then 452 4.3.1.
pub const BODY_BUFFER_WAIT_SECS: u64 = 20;
/// Fields that we add to a submitted message or write anew, octets; 554 5.6.0. Each local copy holds them.
pub const SUBMITTED_FIELDS_BYTES_MAX: usize = 32 * 1024;
/// Recipients with one target whose lookup one connection keeps for its next messages, and for how many seconds.
pub const LOOKUPS_KEPT_MAX: usize = 4;
/// See LOOKUPS_KEPT_MAX: a new alias is known after so long.
pub const LOOKUP_KEPT_SECS: u64 = 5;
/// Refused content is still read up to this many times the largest message, so that the peer sees why; then closed.
pub const REFUSED_CONTENT_TIMES_MAX: u64 = 4;
/// Addresses in From of a submitted message that are checked for their owner; 554 5.6.0 above it.
pub const AUTHORS_MAX: usize = 16;

/// One line on the control socket, octets, with its LF; a longer one ends the connection. Held by the connection.
pub const CONTROL_LINE_BYTES_MAX: usize = 64 * 1024;
/// Connections on the control socket; the next one waits to be accepted.
pub const CONTROL_CONNECTIONS_MAX: usize = 2;
/// Silence on a control connection before it is closed.
pub const CONTROL_IDLE_SECS: u64 = 30;
/// Rows of a list in one answer; the asker comes again for more. A row is at most `CONTROL_LINE_BYTES_MAX`.
pub const CONTROL_ROWS_MAX: usize = 20;

/// IMAP command without its literals, octets. RFC 7162 section 4 asks for 8,192 at least; NO/BAD [TOOBIG].
pub const IMAP_COMMAND_BYTES_MAX: usize = 64 * 1024;
/// IMAP tag, octets.
pub const IMAP_TAG_BYTES_MAX: usize = 64;
/// Mailbox name in UTF-8, octets.
pub const MAILBOX_NAME_BYTES_MAX: usize = 512;
/// Levels of hierarchy in a mailbox name.
pub const MAILBOX_DEPTH_MAX: usize = 16;
/// Mailboxes of one account; NO [LIMIT].
pub const MAILBOXES_MAX: usize = 2_000;
/// Keywords of one account (they are bits 8..64 of `Flags`); NO [LIMIT].
pub const KEYWORDS_MAX: usize = 56;
/// One keyword, octets.
pub const KEYWORD_BYTES_MAX: usize = 64;
/// Messages in one mailbox; NO [LIMIT], and 452 4.2.2 in a delivery.
pub const MAILBOX_MESSAGES_MAX: u32 = 4_000_000;

/// Octets of all small literals of one IMAP command (names, passwords, search strings); BAD [TOOBIG]. Held with the
/// command in the session's command buffer while it runs.
pub const IMAP_LITERALS_BYTES_MAX: usize = 64 * 1024;
/// Octets of refused literals that are read and thrown away to keep the framing; beyond it BYE. Nothing is held.
pub const IMAP_SKIPPED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Nesting of SEARCH keys; BAD. Stack of the parser and of the search.
pub const SEARCH_DEPTH_MAX: usize = 32;
/// Keys in one SEARCH; NO [LIMIT]. Held while the command runs.
pub const SEARCH_KEYS_MAX: usize = 1_000;
/// Ranges of all UID sets that one SEARCH keeps, 8 octets each; NO [LIMIT]. A key that the largest mailbox can have
/// twice.
pub const SEARCH_RANGES_MAX: usize = 2 * SEQ_MAP_RANGES_MAX;
/// Flags and keywords of one SEARCH that are looked up in the index, each in one go over its mailbox; the others are
/// asked of each message's row.
pub const SEARCH_FLAGS_MAX: usize = 4;
/// Patterns in one LIST; NO [LIMIT].
pub const LIST_PATTERNS_MAX: usize = 32;
/// Octets of all patterns of one LIST with their reference; NO [LIMIT]. Each of them is held against each name in one
/// go of a reader's lane.
pub const LIST_PATTERNS_BYTES_MAX: usize = 2 * MAILBOX_NAME_BYTES_MAX;
/// Items in one FETCH; NO [LIMIT].
pub const FETCH_ITEMS_MAX: usize = 64;
/// Names in one HEADER.FIELDS; NO [LIMIT].
pub const FETCH_FIELDS_MAX: usize = 200;
/// Pairs in ID (RFC 2971 section 3.3); BAD.
pub const ID_PAIRS_MAX: usize = 30;
/// Octets of contents that one slice of a SEARCH looks through: less than 10 ms of work. Nothing is held.
pub const SEARCH_SLICE_BYTES: usize = 1024 * 1024;
/// Octets of slices of FETCHes and of SEARCHes under way, over all sessions; the next one waits for its turn.
pub const IMAP_ANSWERS_BYTES_MAX: usize = 1400 * 1024;
/// Of these, what the sessions of one account may hold: whose clients do not read is in nobody else's way. Six that
/// stopped in the middle of a FETCH, one of them alone at first, leave room for another command.
pub const IMAP_ANSWERS_PER_ACCOUNT_BYTES_MAX: usize =
    FETCH_WIDE_BYTES + 5 * FETCH_BYTES + SEARCH_BYTES;
/// A client that takes nothing of such octets for so long while somebody waits for them is cut off, seconds: deaf
/// clients of a few accounts keep nobody waiting longer.
pub const IMAP_ANSWER_UNREAD_SECS: u64 = 10;
/// The end of an answer up to this size waits in the session for the tagged answer; what is longer is written out
/// while its octets are still counted.
pub const IMAP_ANSWER_TAIL_BYTES_MAX: usize = 2 * 1024;
/// Commands that are longer than IMAP_SMALL_COMMAND_BYTES and being received, over all sessions; the next one waits.
pub const IMAP_LARGE_COMMANDS_MAX: usize = 3;
/// A command up to this size needs no permit. Before login none is longer; BYE.
pub const IMAP_SMALL_COMMAND_BYTES: usize = 2 * 1024;
/// Octets that one slice of a FETCH response aims at; held by the session while it fetches (two of them: one is
/// written out while a reader fills the other).
pub const FETCH_SLICE_BYTES: usize = 32 * 1024;
/// The same while half of the octets for answers, and of the account's share, stay free: fewer hops between threads.
pub const FETCH_WIDE_SLICE_BYTES: usize = 128 * 1024;
/// A literal that ends within so many octets of its slice is read at once: damage shows before it is half sent.
pub const FETCH_WHOLE_BYTES_MAX: usize = 48 * 1024;
/// Ranges of UIDs in all sequence maps together (12 octets each, shared between sessions); NO [LIMIT] on SELECT.
pub const SEQ_MAP_RANGES_MAX: usize = 100_000;

/// MIME parts that are described; what follows belongs to the last one.
pub const MIME_PARTS_MAX: usize = 1_000;
/// Nesting of multiparts and messages; deeper ones are leaves.
pub const MIME_DEPTH_MAX: usize = 32;
/// Header fields of one part that are looked at.
pub const MIME_FIELDS_MAX: usize = 1_000;
/// What the scanner holds of the header of one part below the top level, octets. When it is full, fields that it does
/// not look at are dropped; if it is still more than half full, what follows is not looked at. Held by the message.
pub const MIME_PART_HEADER_BYTES_MAX: usize = 8 * 1024;
/// Parameters of one Content field, and tags of a Content-Language; later ones are dropped.
pub const MIME_PARAMETERS_MAX: usize = 64;
/// Boundary, octets that are compared. RFC 2046 section 5.1.1 allows 70; some software writes longer ones.
pub const MIME_BOUNDARY_BYTES_MAX: usize = 128;
/// What all parts below the top level say of themselves, octets; beyond it parts are described by place only. Held by the
/// message's scanner, then part of its record and its row in the index.
pub const MIME_STRUCTURE_BYTES_MAX: usize = 32 * 1024;
/// Octets that SEARCH decodes at once. A search holds at most 12 times as much (decoded, as text, folded), and as much
/// of a header.
pub const SEARCH_BLOCK_BYTES: usize = 16 * 1024;
/// All address lists of an ENVELOPE together, octets as IMAP writes them; later addresses are dropped. Held by the
/// message's scanner, then part of its record and its row in the index.
pub const ENVELOPE_LISTS_BYTES_MAX: usize = 24 * 1024;
/// Subject, Date, Message-ID and In-Reply-To in an ENVELOPE, octets each; what is longer is cut.
pub const ENVELOPE_TEXT_BYTES_MAX: usize = 2 * 1024;

/// One log segment, octets.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Alignment of batches: a block that holds an acknowledged record is never rewritten.
pub const BLOCK_BYTES: u64 = 4096;
/// Content is checksummed in chunks of this size, each read verifies the chunks that it touches.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// Changes that share one flush.
pub const BATCH_CHANGES_MAX: usize = 64;
/// Octets of records in one batch.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records in one batch; the writer makes at most a few per change, snapshots and relocations go in batches of theirs.
pub const BATCH_RECORDS_MAX: usize = 512;
/// The variable part of one record, octets: UID sets of the largest mailbox fit. `AppendError::TooLarge` above it.
pub const RECORD_META_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Chunks of one content (256 MiB): the largest message size that can be configured.
pub const CONTENT_CHUNKS_MAX: usize = 8192;
/// Messages whose flags a STORE answers with, 24 octets each; of more the session reads them again. Held by the answer.
pub const FLAGS_AFTER_MAX: usize = 512;
/// Messages in one COPY or MOVE: its record holds a row of about 40 octets for each. NO [LIMIT].
pub const COPY_MESSAGES_MAX: usize = 100_000;
/// Rows in one part of a snapshot.
pub const SNAPSHOT_ROWS_MAX: usize = 16_384;
/// Recipients, prefixes and the like of one record; RECIPIENTS_MAX after aliases were followed stays below it.
pub const RECORD_LIST_MAX: usize = 65_535;
/// Segment files held open for random reads; the least recently used is closed.
pub const SEGMENT_FILES_MAX: usize = 16;
/// Below this much free space new mail is refused (452, NO [OVERQUOTA]); only what frees space may use it.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;

// ---- run: lanes

/// Threads that read the index and the log.
pub const READER_LANES: usize = 2;
/// Changes waiting for the writer; a session waits for a place (its own deadline bounds that). Each holds at most
/// one body buffer of the pool.
pub const WRITE_JOBS_WAITING_MAX: usize = 256;
/// Jobs waiting for a reader lane; a session waits for a place.
pub const READ_JOBS_WAITING_MAX: usize = 512;
/// Stack of a lane's thread, octets (touched pages only count).
pub const LANE_STACK_BYTES: usize = 512 * 1024;

// ---- net ----

/// In-buffer and out-buffer of a connection, octets each; borrowed while bytes are in them. Must hold the longest
/// line a session waits for as a whole (SMTP_AUTH_LINE_BYTES_MAX) and one TLS record.
pub const CONN_BUFFER_BYTES: usize = 16 * 1024;
/// Such buffers in use at once, over all connections.
pub const CONN_BUFFERS_MAX: usize = 64;
/// What a connection borrows when those are used up; a line that does not fit is then refused as too long.
pub const CONN_BUFFER_SMALL_BYTES: usize = 2_560;
/// Such buffers kept for reuse when no connection holds them.
pub const CONN_BUFFERS_SPARE_MAX: usize = 8;
/// Longest wait for the peer's end after our last reply.
pub const CONN_LINGER_MILLIS_MAX: u64 = 2_000;
/// Octets read and dropped in that time.
pub const CONN_LINGER_BYTES_MAX: usize = 64 * 1024;
/// Octets of TLS that bring no data before the connection is ended: a whole record (16,384 + 2,048 + 5) and rustls'
/// read size of 4,096. Held by the TLS session; without this rustls would join handshake messages up to 64 KiB.
pub const TLS_QUIET_BYTES_MAX: usize = 24 * 1024;
/// Session state of one connection (its task), octets; a test of each session keeps it below.
pub const SESSION_BYTES_MAX: usize = 6 * 1024;
/// Encrypted octets that wait for the peer to read, per TLS session.
pub const TLS_SEND_BYTES_MAX: usize = 8 * 1024;
/// Tickets sent after a TLS 1.3 handshake: one for each of two next connections (RFC 8446 section C.4).
pub const TLS_TICKETS: usize = 2;
/// Certificates (chain and key) that are configured at once.
pub const CERTIFICATES_MAX: usize = 256;

const _: () = assert!(CONN_BUFFER_BYTES >= SMTP_AUTH_LINE_BYTES_MAX);
const _: () = assert!(CONN_BUFFER_SMALL_BYTES >= SMTP_LINE_BYTES_MAX);
const _: () = assert!(TLS_QUIET_BYTES_MAX >= 16_384 + 2_048 + 5 + 4_096);
/// Clients that the kernel keeps waiting per listening socket.
pub const LISTEN_BACKLOG: i32 = 128;
/// Pause after an accept that failed for want of descriptors or memory.
pub const ACCEPT_PAUSE_MILLIS: u64 = 250;
/// One address (IPv6: /64) holds at most this fraction of a service's connections, so that no single peer can take
/// all; 421 4.7.0, BYE. Loopback is exempt.
pub const ADDRESS_SHARE_DIVISOR: usize = 4;

// ---- config

/// Connections to a service at once by default: other servers, people's programs sending, people's programs reading.
pub const SMTP_CONNECTIONS_DEFAULT: usize = 50;
/// See SMTP_CONNECTIONS_DEFAULT.
pub const SUBMISSION_CONNECTIONS_DEFAULT: usize = 10;
/// See SMTP_CONNECTIONS_DEFAULT.
pub const IMAP_CONNECTIONS_DEFAULT: usize = 200;
/// The most connections that a service can be configured for: each takes a descriptor.
pub const CONNECTIONS_MAX: usize = 50_000;
/// What the sum of `limits/memory.rs` may reach by default, octets; the server does not start above it.
pub const MEMORY_BYTES_DEFAULT: u64 = 48 * 1024 * 1024;
/// Entries of all allow and deny lists together, some 60 octets each, held by the configuration; a mistake in it.
pub const ACCESS_ENTRIES_MAX: usize = 1_000;
/// The largest message size that can be configured, octets: CONTENT_CHUNKS_MAX chunks.
pub const MESSAGE_BYTES_CEILING: u64 = (CONTENT_CHUNKS_MAX * CHUNK_BYTES) as u64;
/// Addresses that one service listens on.
pub const LISTEN_SOCKETS_MAX: usize = 16;
/// A certificate or key file, octets; a longer file is something else.
pub const CERTIFICATE_FILE_BYTES_MAX: u64 = 128 * 1024;

// ---- run: log lines

/// Lines a minute from one place in the source; the rest is counted and summed up in one line. A stranger can cause
/// most of them, one way or another.
pub const LOG_LINES_PER_MINUTE_MAX: u32 = 60;
/// Characters of a login name in a log line; the rest is cut.
pub const LOG_NAME_CHARS_MAX: usize = 80;
/// Places in the source whose lines are counted.
pub const LOG_KEYS_MAX: usize = 256;

// ---- store: index

/// Mailbox rows that the writer holds in memory between commits of the index; beyond it they are written and dropped.
pub const HOT_MAILBOXES_MAX: usize = 1_024;
/// Page cache of each connection to the index, KiB.
pub const INDEX_CACHE_KIB: usize = 540;
/// Page cache of each connection to the accounts: they are few and small.
pub const STATE_CACHE_KIB: usize = 256;
/// Changes that the index may hold in its open transaction before it is committed by itself. Each leaves about
/// 600 octets of pages, so that they fit the connection's cache.
pub const INDEX_CHANGES_MAX: usize = 512;
/// Octets of log between two checkpoints of the index: what a crash has to replay at most.
pub const CHECKPOINT_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// How long sessions get to reach a safe point when the server stops (SIGTERM), then they are cut.
pub const DRAIN_MILLIS: u64 = 10_000;
/// How often certificate files are looked at for a renewal.
pub const CERTIFICATE_LOOK_SECS: u64 = 60;
/// Further ports that `try` looks at when one is taken.
pub const PORT_TRIES: u16 = 50;
/// Octets of log after which an idle writer checkpoints by itself.
pub const CHECKPOINT_IDLE_BYTES: u64 = 8 * 1024 * 1024;
/// Octets of `index.sqlite-wal` that force a checkpoint: changes of flags write little log and much index, and what
/// readers share to find their way in it grows with it (32 KiB of shared memory for each 16 MiB). Nobody sees it.
pub const INDEX_WAL_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long expunged mail can come back, seconds of the box's own uptime. Only want of space shortens it.
pub const RETENTION_SECS: u64 = 7 * 24 * 3600;
/// Expunged messages whose retention ends in one piece of upkeep.
pub const EXPIRE_ROWS_MAX: usize = 1_000;
/// Octets of live contents that one piece of reclaiming copies.
pub const RECLAIM_PIECE_BYTES: u64 = 1024 * 1024;
/// Segments of one round of reclaiming.
pub const RECLAIM_SEGMENTS_MAX: usize = 16;
/// A segment is reclaimed by an idle writer when at least this share of it is garbage, percent.
pub const RECLAIM_GARBAGE_PERCENT_MIN: u64 = 50;
/// The same when room is wanted.
pub const RECLAIM_URGENT_PERCENT_MIN: u64 = 10;
/// Findings that a check lists; the rest is counted.
pub const CHECK_FINDINGS_MAX: usize = 200;

// ---- session/relay

/// Lines of one answer of a server that we send to; the connection is closed and the mail tried again.
pub const ANSWER_LINES_MAX: usize = 100;
/// Octets that are kept of one answer: what a person reads in `queue show` and in a bounce.
pub const ANSWER_TEXT_BYTES_MAX: usize = 512;
/// Iterations of PBKDF2 that a smart host may ask for in SCRAM; RFC 7677 asks for 4,096 at least. The login fails.
pub const SCRAM_ITERATIONS_MAX: u32 = 200_000;
/// Wait for an answer to a command (RFC 5321 section 4.5.3.2), seconds; the mail is tried again.
pub const RELAY_ANSWER_SECS: u64 = 300;
/// Wait for the answer to DATA, seconds.
pub const RELAY_DATA_SECS: u64 = 120;
/// Wait for the answer to a content, seconds: who leaves earlier sends twice.
pub const RELAY_END_SECS: u64 = 600;
/// Wait for the answer to QUIT, seconds.
pub const RELAY_QUIT_SECS: u64 = 5;

// ---- policy: SPF and iprev

/// One SPF record, and all those together that include each other, octets. RFC 7208 section 3.4 wants records to fit
/// 512; the longest that are published have some thousand. More is permerror. Held while they are evaluated, and as much
/// again for what their macros expand to.
pub const SPF_RECORD_BYTES_MAX: usize = 8 * 1024;
/// Terms of one check that ask the DNS (RFC 7208 section 4.6.4); permerror. It also bounds how deep records include
/// each other.
pub const SPF_LOOKUPS_MAX: u32 = 10;
/// Questions of one check that have no answer (RFC 7208 section 4.6.4); permerror.
pub const SPF_VOID_LOOKUPS_MAX: u32 = 2;
/// Mail exchangers of one `mx` (RFC 7208 section 4.6.4); permerror.
pub const SPF_MX_NAMES_MAX: usize = 10;
/// Names of one address that are looked at, by SPF (RFC 7208 section 4.6.4) and by iprev (RFC 8601 section 3); the
/// others are passed over.
pub const PTR_NAMES_MAX: usize = 10;
/// A name that a macro made, octets; it is cut from the left (RFC 7208 section 7.3).
pub const SPF_NAME_BYTES_MAX: usize = 253;
/// What a domain says about a refusal, octets: it has to fit a line of a reply. The rest is cut. Held by the verdict.
pub const SPF_EXPLANATION_BYTES_MAX: usize = 400;

// ---- DMARC and what is written about checks

/// A DMARC record, octets; a longer one is none. The longest that mail providers publish has 600. Held by the verdicts
/// of a message, once.
pub const DMARC_RECORD_BYTES_MAX: usize = 2_048;
/// Addresses that one `rua` or `ruf` names; the rest is passed over (RFC 9990: a receiver may have a limit; two are
/// usual).
pub const DMARC_URIS_MAX: usize = 8;
/// Questions of one tree walk: RFC 9989 section 4.10.
pub const DMARC_WALK_QUERIES_MAX: usize = 8;
/// Domains of From for which DMARC is asked; with more of them it is a permanent error (RFC 9989 section 11.5 asks for
/// a limit; honest mail has one). Each costs one walk and what its identifiers need.
pub const DMARC_AUTHOR_DOMAINS_MAX: usize = 4;
/// Identifiers (SPF and signatures) whose organizational domain is looked up for one message; one behind them counts
/// only where it is the author's very domain. Each costs one walk.
pub const DMARC_IDENTIFIERS_MAX: usize = 10;
/// A value in an Authentication-Results field, octets before it is quoted; a longer one is left out. The longest
/// address fits: local part, `@`, domain.
pub const AUTHENTICATION_VALUE_BYTES_MAX: usize = LOCAL_PART_BYTES_MAX + 1 + DOMAIN_BYTES_MAX;
/// Results in one Authentication-Results field, written or read; the rest is left out. One message has five and one
/// for each signature that is tried.
pub const AUTHENTICATION_RESULTS_MAX: usize = 32;
/// Properties of one result that are read; the rest is passed over.
pub const AUTHENTICATION_PROPERTIES_MAX: usize = 16;

// ---- policy/retry

/// How long a message for elsewhere is tried, seconds (RFC 5321 section 4.5.4.1 asks for 4 to 5 days); then its
/// sender gets a bounce.
pub const RETRY_SECS_MAX: u64 = 5 * 24 * 3600;
/// Attempts before it may be given up, however much time has passed.
pub const RETRY_ATTEMPTS_MIN: u32 = 10;
/// After so long without success its sender is told that it takes long, seconds.
pub const RETRY_DELAY_NOTICE_SECS: u64 = 4 * 3600;

// ---- wire/srs

/// A local part that we make, octets: the 64 that every server takes (RFC 5321 section 4.5.3.1.1); a longer one
/// becomes a token.
pub const SRS_LOCAL_BYTES_MAX: usize = 64;
/// Days for which the way back stays open; then 550 5.7.1.
pub const SRS_DAYS_MAX: u32 = 7;

// ---- wire/mta_sts

/// A policy of MTA-STS, octets (RFC 8461 section 3.3); a larger one is invalid.
pub const STS_POLICY_BYTES_MAX: usize = 64 * 1024;
/// Servers that one policy names; with more of them it is invalid. Kept with it.
pub const STS_MX_MAX: usize = 64;
/// How long a policy is kept at most, seconds (RFC 8461 section 3.2: about a year).
pub const STS_SECS_MAX: u64 = 31_557_600;
