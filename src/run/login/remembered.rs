//! Verified logins of the last ten minutes: an IMAP client that opens a connection every minute costs one hash.
//! Passwords are not kept: only HMAC-SHA-256 under a key that this process made at its start.

use crate::limits::{LOGIN_REMEMBERED_MAX, LOGIN_REMEMBERED_SECS};
use crate::store::AccountId;
use ring::hmac;
use std::collections::HashMap;

const KEPT_MILLIS: u64 = LOGIN_REMEMBERED_SECS * 1000;

/// What a login is recognized by. The address belongs to it: from another one a right guess must not be told from a
/// wrong one faster than the account's failures allow.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Who {
    pub account: AccountId,
    pub peer: u128,
}

struct Row {
    tag: hmac::Tag,
    verified: u64,
}

/// Remembered logins.
pub(super) struct Remembered {
    key: hmac::Key,
    rows: HashMap<Who, Row>,
}

impl Remembered {
    pub fn new(key: hmac::Key) -> Remembered {
        Remembered {
            key,
            rows: HashMap::new(),
        }
    }

    /// Whether exactly this was verified lately.
    pub fn knows(&self, who: Who, version: u64, password: &[u8], now: u64) -> bool {
        let Some(row) = self.rows.get(&who) else {
            return false;
        };
        let fresh = now.saturating_sub(row.verified) < KEPT_MILLIS;
        let tag = self.tag(who.account, version, password);
        // `Tag` compares in constant time only through `verify`, which wants the message again; a comparison of
        // two random-looking MACs tells nothing about the password.
        fresh && tag.as_ref() == row.tag.as_ref()
    }

    /// The hash agreed.
    pub fn remember(&mut self, who: Who, version: u64, password: &[u8], now: u64) {
        if self.rows.len() >= LOGIN_REMEMBERED_MAX && !self.rows.contains_key(&who) {
            self.rows
                .retain(|_, row| now.saturating_sub(row.verified) < KEPT_MILLIS);
        }
        if self.rows.len() >= LOGIN_REMEMBERED_MAX
            && !self.rows.contains_key(&who)
            && let Some(oldest) = self.rows.iter().min_by_key(|(_, row)| row.verified)
        {
            let oldest = *oldest.0;
            self.rows.remove(&oldest);
        }
        let tag = self.tag(who.account, version, password);
        self.rows.insert(who, Row { tag, verified: now });
    }

    /// The account's password or access changed.
    pub fn forget(&mut self, account: AccountId) {
        self.rows.retain(|who, _| who.account != account);
    }

    fn tag(&self, account: AccountId, version: u64, password: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&account.0.to_be_bytes());
        context.update(&version.to_be_bytes());
        context.update(password);
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Remembered {
        Remembered::new(hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]))
    }

    fn who(account: u64, peer: u128) -> Who {
        Who {
            account: AccountId(account),
            peer,
        }
    }

    #[test]
    fn only_the_same_login_for_ten_minutes() {
        let mut known = empty();
        known.remember(who(1, 9), 3, b"secret", 1000);
        assert!(known.knows(who(1, 9), 3, b"secret", 1000 + KEPT_MILLIS - 1));
        assert!(!known.knows(who(1, 9), 3, b"secret", 1000 + KEPT_MILLIS));
        assert!(!known.knows(who(1, 9), 4, b"secret", 2000));
        assert!(!known.knows(who(1, 9), 3, b"secreT", 2000));
        assert!(!known.knows(who(1, 8), 3, b"secret", 2000));
        assert!(!known.knows(who(2, 9), 3, b"secret", 2000));
        known.forget(AccountId(1));
        assert!(!known.knows(who(1, 9), 3, b"secret", 2000));
    }

    #[test]
    fn the_oldest_goes() {
        let mut known = empty();
        for n in 0..=LOGIN_REMEMBERED_MAX as u64 {
            known.remember(who(n, 0), 1, b"p", n);
        }
        assert_eq!(known.rows.len(), LOGIN_REMEMBERED_MAX);
        assert!(!known.knows(who(0, 0), 1, b"p", 500));
        assert!(known.knows(who(1, 0), 1, b"p", 500));
    }
}
