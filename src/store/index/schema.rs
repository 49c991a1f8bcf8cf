//! The tables of `index.sqlite`. All of it is derived from the log: a file of another schema is thrown away and made
//! anew, so there are no migrations here.

/// Which tables a file has: the checksum of the text below, so that any change of it makes the index anew.
/// (When only the meaning of a column changes, say so in an SQL comment there.)
pub fn version() -> i64 {
    crc32c::crc32c(TABLES.as_bytes()).into()
}

/// What every connection says first, beside its cache; checkpoints are ours to time.
pub const PRAGMAS: &str = "
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA foreign_keys = OFF;
    PRAGMA trusted_schema = OFF;
";

/// The tables.
///
/// * `meta`: one row. `lsn`: every record up to it is applied. Written last when the index is made anew.
/// * `mailbox`: `gone` ones are deleted but hold messages that can still be undeleted. The counts are kept by the one
///   function that applies records and verified by `store check`.
/// * `content`: `id` is the LSN of the record that brought it, so it grows with time and needs no second index.
///   `home_*` is the message row that is its first reference; most contents have no other, and those that do stand in
///   `extra`. So a delivery pays nothing for reference counting.
/// * `content_segment` is in the order of arrival within a segment, so that a batch of deliveries writes its last page
///   and no other; `file` and `bytes` stand there for the sums that reclaiming needs.
/// * `message`: `changed` is 1 when flags changed after arrival, so that deliveries do not pay for `message_changed`.
/// * `expunged`: the history for QRESYNC and what `mail undelete` brings back; `at_uptime` is the box's own uptime.
pub const TABLES: &str = "
    CREATE TABLE meta(
        one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, lsn INTEGER NOT NULL,
        next_mailbox INTEGER NOT NULL, next_queue INTEGER NOT NULL, next_thread INTEGER NOT NULL,
        uid_validity INTEGER NOT NULL, uptime_secs INTEGER NOT NULL);
    CREATE TABLE mailbox(
        id INTEGER PRIMARY KEY, account INTEGER NOT NULL, name TEXT NOT NULL, gone INTEGER NOT NULL DEFAULT 0,
        uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL, modseq INTEGER NOT NULL,
        messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
        recent_from INTEGER NOT NULL DEFAULT 1, special_use INTEGER NOT NULL DEFAULT 0,
        no_select INTEGER NOT NULL DEFAULT 0, floor_modseq INTEGER NOT NULL DEFAULT 0);
    CREATE UNIQUE INDEX mailbox_name ON mailbox(account, name) WHERE gone = 0;
    CREATE TABLE subscription(account INTEGER, name TEXT, PRIMARY KEY(account, name)) WITHOUT ROWID;
    CREATE TABLE keyword(account INTEGER, bit INTEGER, name TEXT NOT NULL, PRIMARY KEY(account, bit)) WITHOUT ROWID;
    CREATE TABLE removed_account(account INTEGER PRIMARY KEY, lsn INTEGER NOT NULL);
    CREATE TABLE content(
        id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, generation INTEGER NOT NULL, at INTEGER NOT NULL,
        file INTEGER NOT NULL, bytes INTEGER NOT NULL, header_bytes INTEGER NOT NULL,
        home_mailbox INTEGER, home_uid INTEGER, thread INTEGER NOT NULL, received_millis INTEGER NOT NULL,
        sent_at INTEGER, email BLOB NOT NULL, envelope BLOB NOT NULL, structure BLOB NOT NULL);
    CREATE INDEX content_segment ON content(segment, generation, id, file, bytes) WHERE segment >= 0;
    CREATE TABLE message(
        mailbox INTEGER, uid INTEGER, flags INTEGER NOT NULL, modseq INTEGER NOT NULL, changed INTEGER NOT NULL,
        internal_secs INTEGER NOT NULL, save_secs INTEGER NOT NULL, served_bytes INTEGER NOT NULL,
        content INTEGER NOT NULL, prefix INTEGER NOT NULL, PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
    CREATE INDEX message_changed ON message(mailbox, modseq) WHERE changed = 1;
    CREATE TABLE extra(
        content INTEGER, mailbox INTEGER, uid INTEGER, PRIMARY KEY(content, mailbox, uid)) WITHOUT ROWID;
    CREATE TABLE expunged(
        mailbox INTEGER, uid INTEGER, modseq INTEGER NOT NULL, at_uptime INTEGER NOT NULL, at_secs INTEGER NOT NULL,
        kept INTEGER NOT NULL, flags INTEGER NOT NULL, internal_secs INTEGER NOT NULL,
        served_bytes INTEGER NOT NULL, content INTEGER NOT NULL, prefix INTEGER NOT NULL,
        PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
    CREATE INDEX expunged_modseq ON expunged(mailbox, modseq);
    CREATE INDEX expunged_age ON expunged(at_uptime);
    CREATE TABLE queue(
        id INTEGER PRIMARY KEY, content INTEGER NOT NULL, prefix INTEGER NOT NULL, account INTEGER, sender TEXT,
        received_millis INTEGER NOT NULL, served_bytes INTEGER NOT NULL, envid TEXT, options INTEGER NOT NULL);
    CREATE INDEX queue_content ON queue(content);
    CREATE TABLE queue_recipient(
        queue INTEGER, number INTEGER, address TEXT NOT NULL, notify INTEGER NOT NULL, orcpt TEXT,
        PRIMARY KEY(queue, number)) WITHOUT ROWID;
";

/// Only while the index is made anew.
pub const REBUILD_TABLES: &str = "
    CREATE TABLE rebuild_size(
        content INTEGER, prefix INTEGER, bytes INTEGER NOT NULL, PRIMARY KEY(content, prefix)) WITHOUT ROWID;
";
