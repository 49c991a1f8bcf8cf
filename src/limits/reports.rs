//! Bounds of reports about mail: DMARC aggregate and failure, TLS-RPT; those of others and ours.

/// A report as it is attached, octets decoded but still packed (RFC 7489's usual `!10m`); what is longer is not read.
pub const REPORT_PACKED_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// A report unpacked, octets; what is longer is not read. Nothing of it is held: it is parsed as it passes.
pub const REPORT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Octets that one packed octet may become, once `REPORT_RATIO_FREE_BYTES` have come out. Reports measured: up to 40.
pub const REPORT_RATIO_MAX: u64 = 200;
/// See REPORT_RATIO_MAX.
pub const REPORT_RATIO_FREE_BYTES: u64 = 256 * 1024;
/// Files of a zip that are passed over until the report comes; then it holds none.
pub const REPORT_ZIP_ENTRIES_MAX: usize = 8;
/// Nesting of a report's XML (RFC 9990 has 6 levels, extensions some more); deeper is no report.
pub const REPORT_DEPTH_MAX: usize = 16;
/// Name of an XML element, octets; a longer one is an element that nobody knows.
pub const REPORT_NAME_BYTES_MAX: usize = 32;
/// Text of one XML element or JSON member, octets; the rest is cut.
pub const REPORT_TEXT_BYTES_MAX: usize = 256;
/// Rows kept of one aggregate report: those that failed, then those with most messages. The others are in its totals.
pub const REPORT_ROWS_MAX: usize = 100;
/// Texts of one such row, octets: signatures that do not fit are dropped.
pub const REPORT_ROW_BYTES_MAX: usize = 1024;
/// Text of a comment in one, octets; the rest is cut.
pub const REPORT_COMMENT_BYTES_MAX: usize = 64;
/// DKIM results and reasons kept of one row, each.
pub const REPORT_ROW_RESULTS_MAX: usize = 4;
/// JSON of a TLS report, octets, held while it is parsed; a longer one is not read.
pub const REPORT_JSON_BYTES_MAX: usize = 64 * 1024;
/// Policies kept of a TLS report, and failures of each.
pub const REPORT_TLS_POLICIES_MAX: usize = 8;
/// See REPORT_TLS_POLICIES_MAX.
pub const REPORT_TLS_FAILURES_MAX: usize = 16;
/// The machine-readable part of a failure report, octets; a longer one is not read.
pub const REPORT_FEEDBACK_BYTES_MAX: usize = 16 * 1024;
/// Octets of a report in a mail that one look of a reader's lane takes.
pub const REPORT_SLICE_BYTES: usize = 8 * 1024;
/// Octets of observations for our own reports that wait to be written to the disk in one go, and for how long: they
/// cost no flush of a message, and may be lost. What comes while they are full and being written is not reported.
pub const REPORT_PENDING_BYTES_MAX: usize = 16 * 1024;
/// See REPORT_PENDING_BYTES_MAX.
pub const REPORT_PENDING_SECS: u64 = 900;
/// Such pieces of one day, packed on disk (some 2 KiB each); what comes on top is not reported.
pub const REPORT_PIECES_PER_DAY_MAX: u64 = 512;
/// Domains of one day that are counted; those seen first after so many others get no report.
pub const REPORT_DOMAINS_PER_DAY_MAX: usize = 500;
/// Rows of one report of ours, and their octets as they wait; the report says how many messages are in no row.
pub const REPORT_SENT_ROWS_MAX: usize = 1_000;
/// See REPORT_SENT_ROWS_MAX.
pub const REPORT_SENT_BYTES_MAX: usize = 96 * 1024;
/// Reports that are sent a day by default: those about the domains with most messages. Nobody sees the others.
pub const REPORTS_PER_DAY_MAX: usize = 50;
/// Destinations of one report that are asked for and written to.
pub const REPORT_DESTINATIONS_MAX: usize = 4;
/// Days that reports sent are remembered.
pub const REPORT_SENT_DAYS: u64 = 30;
/// How long a report that waits in the queue is tried, seconds; then it is dropped without a word to anybody.
pub const REPORT_TRIED_SECS: u64 = 24 * 3600;
/// Pause between two looks at what is to be reported, seconds.
pub const REPORT_LOOK_SECS: u64 = 600;
/// Bodies of the pool whose memory a report takes that is composed or read, one at a time: rows as text and as values,
/// the packed report and its mail; inflater, JSON and what is kept.
pub const REPORT_BODIES: u32 = 2;
/// Wait for it, seconds; then a received report is not summed up, and our own are composed later.
pub const REPORT_ROOM_SECS: u64 = 60;
/// Mails that may be reports and wait to be read, some 350 octets each; those on top are delivered like all mail, and not
/// summed up.
pub const REPORT_WAITING_MAX: usize = 16;
/// Received reports that are kept, and of one reporter for one of its days. Strangers, whose mail proved no domain,
/// are one reporter. The oldest go.
pub const REPORT_KEPT_MAX: u64 = 2_000;
/// See REPORT_KEPT_MAX.
pub const REPORT_KEPT_PER_REPORTER_MAX: u64 = 12;
/// The same of all strangers together.
pub const REPORT_KEPT_OF_STRANGERS_MAX: u64 = 24;
/// And of all reporters together.
pub const REPORT_KEPT_PER_DAY_MAX: u64 = 300;
/// The extract of a received report on disk, octets; of a larger one fewer rows are kept.
pub const REPORT_KEPT_BYTES_MAX: usize = 16 * 1024;
/// Addresses of `[reports]`; the configuration is refused.
pub const REPORT_ADDRESSES_MAX: usize = 64;
/// Sources that a list of received reports names of each.
pub const REPORT_SOURCES_SHOWN_MAX: usize = 10;
