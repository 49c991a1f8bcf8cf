//! Rows of lists as JSON objects. A row must fit into `CONTROL_LINE_BYTES_MAX`, so what strangers can make long is cut.

use crate::store::row::{ExpungedRow, QueueRow};
use crate::store::state::{AccountRow, AliasRow, DomainRow};
use crate::wire::address::Domain;
use serde_json::{Value, json};

/// Recipients that `queue list` names; `queue show` names them all.
const RECIPIENTS_LISTED_MAX: usize = 3;
/// Octets of a subject that are shown.
const SUBJECT_BYTES_MAX: usize = 200;

/// `domain list`.
pub(super) fn domain(row: &DomainRow) -> Value {
    let mut value = json!({
        "domain": row.name, "mirror-of": row.mirror_of, "accounts": row.accounts, "aliases": row.aliases,
    });
    if let Ok(name) = Domain::parse(&row.name)
        && name.to_unicode() != *row.name
    {
        value["unicode"] = name.to_unicode().into();
    }
    value
}

/// `account list`.
pub(super) fn account(row: &AccountRow) -> Value {
    json!({
        "account": row.name.to_string(), "id": row.account.0, "disabled": row.disabled, "owner": row.owner,
        "quota-bytes": row.quota_bytes, "created-secs": row.created_secs,
    })
}

/// `alias list`.
pub(super) fn alias(row: &AliasRow) -> Value {
    json!({ "alias": row.address, "targets": row.targets, "rejected": row.rejected })
}

/// `queue list`.
pub(super) fn queue(row: &QueueRow) -> Value {
    let named = row.recipients.iter().take(RECIPIENTS_LISTED_MAX);
    json!({
        "id": row.id.0, "sender": sender(row), "bytes": row.bytes, "received-millis": row.received_millis,
        "recipients": named.map(|r| r.address.to_string()).collect::<Vec<_>>(),
        "recipients-count": row.recipients.len(),
    })
}

/// `queue show`.
pub(super) fn queue_whole(row: &QueueRow) -> Value {
    let recipients: Vec<Value> = row
        .recipients
        .iter()
        .map(|r| json!({ "address": r.address.to_string(), "notify": notify(r.notify), "orcpt": r.orcpt }))
        .collect();
    json!({
        "id": row.id.0, "sender": sender(row), "account": row.account.map(|a| a.0), "bytes": row.bytes,
        "received-millis": row.received_millis, "recipients": recipients,
        "recipients-count": row.recipients.len(),
    })
}

/// `mail expunged`.
pub(super) fn expunged(row: &ExpungedRow) -> Value {
    let id: String = row.email.0.iter().map(|b| format!("{b:02x}")).collect();
    json!({
        "email": id, "mailbox": row.mailbox, "expunged-secs": row.expunged_secs, "bytes": row.bytes,
        "subject": subject(&row.envelope),
    })
}

fn sender(row: &QueueRow) -> String {
    (row.sender.as_ref()).map_or_else(|| "<>".to_owned(), ToString::to_string)
}

/// RFC 3461 section 4.1.
fn notify(bits: u8) -> Vec<&'static str> {
    [(1, "never"), (2, "success"), (4, "failure"), (8, "delay")]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| name)
        .collect()
}

/// The second nstring of an ENVELOPE (RFC 3501 section 7.4.2), as it stands there: encoded words stay encoded.
fn subject(envelope: &[u8]) -> Option<String> {
    let (_, rest) = nstring(envelope.strip_prefix(b"(")?)?;
    let (subject, _) = nstring(rest.strip_prefix(b" ")?)?;
    let mut text = String::from_utf8_lossy(&subject?).into_owned();
    text.retain(|c| !c.is_control());
    let cut = (0..=SUBJECT_BYTES_MAX.min(text.len()))
        .rev()
        .find(|&n| text.is_char_boundary(n))?;
    text.truncate(cut);
    Some(text)
}

/// A quoted string, a literal or NIL, and what follows it.
fn nstring(bytes: &[u8]) -> Option<(Option<Vec<u8>>, &[u8])> {
    if let Some(rest) = bytes.strip_prefix(b"NIL") {
        return Some((None, rest));
    }
    if let Some(rest) = bytes.strip_prefix(b"{") {
        let end = rest.iter().position(|&b| b == b'}')?;
        let length: usize = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
        let (text, rest) = rest
            .get(end..)?
            .strip_prefix(b"}\r\n")?
            .split_at_checked(length)?;
        return Some((Some(text.to_vec()), rest));
    }
    let mut octets = bytes.strip_prefix(b"\"")?.iter();
    let mut text = Vec::new();
    loop {
        match octets.next()? {
            b'"' => return Some((Some(text), octets.as_slice())),
            b'\\' => text.push(*octets.next()?),
            &octet => text.push(octet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_an_envelope() {
        let of = |text: &str| subject(text.as_bytes());
        assert_eq!(of(r#"("date" "a \"b\"" NIL)"#).unwrap(), r#"a "b""#);
        assert_eq!(of("(NIL {5}\r\nh\x1bllo NIL").unwrap(), "hllo");
        assert_eq!(of("(NIL NIL NIL"), None);
        for wrong in ["", "(", "(\"x", "(\"x\" {9}\r\nab", "(NIL"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let long = format!("(NIL \"{}\"", "ü".repeat(SUBJECT_BYTES_MAX));
        assert_eq!(of(&long).unwrap().len(), SUBJECT_BYTES_MAX);
    }

    #[test]
    fn notify_by_name() {
        assert_eq!(notify(0), Vec::<&str>::new());
        assert_eq!(notify(6), ["success", "failure"]);
    }
}
