//! What the header block of a message leads to: refused, or fields in front of it and ranges that are not served.

use super::{Envelope, TROUBLE};
use crate::config::checks::Checks;
use crate::limits::{HEADER_CUTS_MAX, RECEIVED_HEADERS_MAX};
use crate::policy::authentic::{Asked, fields};
use crate::policy::{accept, submit};
use crate::run::authentic::sane_seconds;
use crate::run::lanes::Lanes;
use crate::run::login::LoggedIn;
use crate::session::smtp::Route;
use crate::store::state::Target;
use crate::store::{AccountId, StoreError};
use crate::wire::address::Address;
use crate::wire::header::{Fields, received};
use crate::wire::smtp::Reply;
use std::net::IpAddr;
use std::ops::Range;

const NOT_OWNED: Reply = Reply::new(550, "5.7.1", "From names an address that is not yours");
const MANY_CUTS: Reply = Reply::new(
    554,
    "5.6.0",
    "The header has too many fields that only this server writes",
);

/// Fields that go in front of the header for everybody, and ranges of it that are not served.
pub(super) type Examined = Result<(Vec<u8>, Vec<Range<u32>>), Reply>;

/// Whose message it is: the client, or who stands behind a trusted relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// Its address.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: Box<str>,
    /// A trusted relay stands between.
    pub relayed: bool,
}

impl Origin {
    /// As far as the dialogue tells.
    pub(super) fn of(envelope: &Envelope<'_>) -> Origin {
        Origin {
            client: envelope.peer,
            helo: envelope
                .hello
                .map_or_else(Box::default, |hello| hello.name.clone()),
            relayed: envelope.relay.is_some(),
        }
    }

    /// Who stands behind a trusted relay, by the fields that it wrote; the relay itself, where they name nobody else.
    ///
    /// The top-most Received field is the relay's. Hops between relays on the list, and inside of one (a filter on
    /// loopback), are passed over: the next field was written by a trusted host as well.
    pub(super) fn behind(self, block: &[u8], checks: &Checks) -> Origin {
        let fields = Fields::new(block).filter(|field| field.is("Received"));
        let mut origin = Origin {
            relayed: true,
            ..self
        };
        for field in fields.take(RECEIVED_HEADERS_MAX) {
            let Some(from) = received::from(field.value) else {
                return origin;
            };
            if from.address.is_loopback() {
                continue;
            }
            origin.client = from.address;
            origin.helo = from.helo.into();
            if checks.relay(from.address).is_none() {
                return origin;
            }
        }
        origin
    }

    /// The question that the checks answer. `seconds`: our clock.
    pub(super) fn asked<'a>(&'a self, envelope: &'a Envelope<'_>, seconds: i64) -> Asked<'a> {
        Asked {
            client: self.client,
            helo: &self.helo,
            sender: envelope.mail.sender.as_ref(),
            hostname: envelope.config.hostname.as_str(),
            now_seconds: sane_seconds(seconds),
        }
    }
}

/// Port 25.
pub(super) fn incoming(block: &[u8], envelope: &Envelope<'_>) -> Examined {
    let mut names: Vec<&Address> = Vec::new();
    for recipient in &envelope.mail.recipients {
        if let Route::Local(targets) = &recipient.route {
            names.extend(targets.iter().filter_map(|target| match target {
                Target::Account { name, .. } => Some(name),
                Target::Remote(_) => None,
            }));
        }
    }
    let cuts = accept::incoming(block, &names)?;
    Ok((Vec::new(), with_forged(block, cuts, envelope)?))
}

/// Cuts, and fields that claim to be results of ours (of our name, or a domain that this message concerns), in order.
fn with_forged(
    block: &[u8],
    mut cuts: Vec<Range<u32>>,
    envelope: &Envelope<'_>,
) -> Result<Vec<Range<u32>>, Reply> {
    let mut names = vec![envelope.config.hostname.as_str()];
    let recipients = envelope.mail.recipients.iter();
    let domains = recipients
        .filter(|recipient| matches!(recipient.route, Route::Local(_)))
        .filter_map(|recipient| recipient.address.as_ref());
    let login = envelope.login.map(|login| &login.name);
    names.extend(domains.chain(login).map(|name| name.domain().as_str()));
    names.sort_unstable();
    names.dedup();
    fields::forged(block, &names, &mut cuts);
    joined(cuts)
}

/// In order, neighbours as one; refused when there are too many.
fn joined(mut cuts: Vec<Range<u32>>) -> Result<Vec<Range<u32>>, Reply> {
    cuts.sort_unstable_by_key(|cut| cut.start);
    cuts.dedup_by(|next, last| {
        let joins = next.start <= last.end;
        if joins {
            last.end = last.end.max(next.end);
        }
        joins
    });
    cuts.shrink_to_fit();
    match cuts.len() <= HEADER_CUTS_MAX {
        true => Ok(cuts),
        false => Err(MANY_CUTS),
    }
}

/// Ports 587 and 465.
pub(super) async fn submitted(
    block: &[u8],
    (login, id, seconds): (&LoggedIn, &str, i64),
    envelope: &Envelope<'_>,
    lanes: &Lanes,
) -> Examined {
    let message_id = format!("{id}.{seconds}@{}", envelope.config.hostname);
    let done = submit::submitted(&submit::Facts {
        header: block,
        login: &login.name,
        sender: envelope.mail.sender.as_ref(),
        message_id: &message_id,
        seconds,
    })?;
    // The reverse-path was checked already, and is the author of most mail.
    let known =
        |author: &Address| *author == login.name || Some(author) == envelope.mail.sender.as_ref();
    let unknown: Vec<Address> = done.authors.into_iter().filter(|a| !known(a)).collect();
    if !unknown.is_empty() {
        match owns_all(lanes, login.account, unknown).await {
            Ok(true) => {}
            Ok(false) => return Err(NOT_OWNED),
            Err(error) => {
                log::warn!("cannot look up who owns an address: {error}");
                return Err(TROUBLE);
            }
        }
    }
    Ok((done.added, with_forged(block, done.cuts, envelope)?))
}

/// Whether the account may send as all of these.
pub async fn owns_all(
    lanes: &Lanes,
    account: AccountId,
    addresses: Vec<Address>,
) -> Result<bool, StoreError> {
    lanes
        .peek(move |reader| {
            for address in &addresses {
                if !reader.state().owns(account, address)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_cut() {
        assert_eq!(
            joined(vec![20..30, 0..10, 10..15, 0..10, 22..25]),
            Ok(vec![0..15, 20..30])
        );
    }

    #[test]
    fn cuts_are_bounded() {
        for (n, fits) in [
            (HEADER_CUTS_MAX - 1, true),
            (HEADER_CUTS_MAX, true),
            (HEADER_CUTS_MAX + 1, false),
        ] {
            let apart = (0..n as u32).map(|n| 3 * n..3 * n + 2).collect();
            assert_eq!(joined(apart).is_ok(), fits, "{n}");
        }
    }
}
