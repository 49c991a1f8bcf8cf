//! STATUS (RFC 3501 section 6.3.10) and the items that LIST-STATUS shares.

use super::scan::{Parsed, Reject, Scan};

/// One item. Each is asked for at most once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN: how many
    Unseen,
}

impl StatusItem {
    /// All with their names.
    pub const ALL: [(StatusItem, &'static str); 5] = [
        (StatusItem::Messages, "MESSAGES"),
        (StatusItem::Recent, "RECENT"),
        (StatusItem::UidNext, "UIDNEXT"),
        (StatusItem::UidValidity, "UIDVALIDITY"),
        (StatusItem::Unseen, "UNSEEN"),
    ];
    /// As on the wire.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(item, _)| *item == self)
            .map_or("", |(_, name)| name)
    }
}

impl Scan<'_> {
    /// `(MESSAGES UIDNEXT)`.
    pub fn status_items(&mut self) -> Parsed<Vec<StatusItem>> {
        let mut items = Vec::new();
        self.expect(b'(', "list of status items expected")?;
        loop {
            let word = self.keyword()?;
            let item = StatusItem::ALL
                .iter()
                .find(|(_, name)| *name == word.as_str());
            let item = item.ok_or(Reject::Bad("unknown status item"))?.0;
            if !items.contains(&item) {
                items.push(item);
            }
            if self.take(b')') {
                return Ok(items);
            }
            self.space()?;
        }
    }
}
