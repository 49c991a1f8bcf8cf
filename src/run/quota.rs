//! Quotas: what an account's mailboxes may hold together. Looked at where mail comes in (RCPT, APPEND). COPY and MOVE
//! are free: a content is stored once, and a full account must be able to move mail to Trash.

use crate::store::state::Target;
use crate::store::{AccountId, Reader, StoreError};

/// Whether `adding` more octets are too many for the account. `default` is the configured quota of accounts without
/// one of their own. A message that is accepted may pass the quota by its own size: RCPT does not know it yet.
pub fn is_full(
    reader: &mut Reader,
    account: AccountId,
    default: Option<u64>,
    adding: u64,
) -> Result<bool, StoreError> {
    let own = reader.state().quota(account)?;
    let Some(quota) = own.or(default) else {
        return Ok(false);
    };
    let held: u64 = reader.mailboxes(account)?.iter().map(|m| m.bytes).sum();
    Ok(match adding {
        0 => held >= quota,
        adding => held.saturating_add(adding) > quota,
    })
}

/// Whether nobody behind a recipient has room: an alias is refused only when all its targets are full accounts,
/// because one answer serves them all.
pub fn all_full(
    reader: &mut Reader,
    targets: &[Target],
    default: Option<u64>,
) -> Result<bool, StoreError> {
    for target in targets {
        let full = match target {
            Target::Account { account, .. } => is_full(reader, *account, default, 0)?,
            Target::Remote(_) => false,
        };
        if !full {
            return Ok(false);
        }
    }
    Ok(!targets.is_empty())
}
