//! Does what a request asks. The same code runs behind the control socket and, when no server runs, in the command
//! itself.

use super::request::{Answer, End, OnAliases, Request, Secret};
use super::{reports, rows};
use crate::limits::CONTROL_ROWS_MAX;
use crate::run::lanes::{Lanes, now_millis};
use crate::run::login::Login;
use crate::store::change::Outcome;
use crate::store::row::QueueRow;
use crate::store::state::{Access, Dependents, Resolution, StateChange, StateDone};
use crate::store::{AccountId, Change, EmailId, QueueId, Reader, StoreError};
use crate::wire::address::{Address, Domain};
use serde_json::Value;
use zeroize::Zeroizing;

/// What requests work on.
#[derive(Clone)]
pub struct Hands {
    /// Doors to the store.
    pub lanes: Lanes,
    /// Makes passwords; knows who must be logged out.
    pub login: Login,
}

type Done = Result<Answer, String>;

/// Executes one request. The error is for the person who asked.
pub async fn execute(hands: &Hands, request: Request) -> Done {
    match request {
        Request::DomainAdd { name, mirror } => {
            let name = domain(&name)?;
            let mirror = mirror.as_deref().map(domain).transpose()?;
            hands.change(StateChange::DomainAdd { name, mirror }).await
        }
        Request::DomainRemove { name } => {
            let name = domain(&name)?;
            hands.change(StateChange::DomainRemove { name }).await
        }
        Request::DomainList { after } => {
            let rows = move |r: &mut Reader| r.state().domains(after, CONTROL_ROWS_MAX);
            hands.list(rows, |row| (row.id, rows::domain(row))).await
        }
        Request::AccountAdd {
            name,
            password,
            quota_bytes,
        } => account_add(hands, address(&name)?, &password, quota_bytes).await,
        Request::AccountRemove { name, aliases } => {
            account_remove(hands, address(&name)?, aliases).await
        }
        Request::AccountList { after } => {
            let rows = move |r: &mut Reader| r.state().accounts(AccountId(after), CONTROL_ROWS_MAX);
            hands
                .list(rows, |row| (row.account.0, rows::account(row)))
                .await
        }
        Request::AccountFind { name } => hands.account(&name).await.map(|_| noted(Vec::new())),
        Request::AccountPassword { name, password } => {
            let name = address(&name)?;
            let phc = hands.new_password(&password).await?;
            hands
                .change(StateChange::AccountPassword { name, phc })
                .await
        }
        Request::AccountEnable { name } => hands.access(&name, Access::Enabled).await,
        Request::AccountDisable { name } => hands.access(&name, Access::Disabled).await,
        Request::AccountQuota { name, quota_bytes } => {
            let name = address(&name)?;
            hands
                .change(StateChange::AccountQuota { name, quota_bytes })
                .await
        }
        Request::AccountOwner { name } => {
            let name = address(&name)?;
            hands.change(StateChange::AccountOwner { name }).await
        }
        Request::AliasAdd { alias, targets } => {
            let (alias, targets) = (address(&alias)?, addresses(&targets)?);
            local_targets(hands, &targets).await?;
            hands.change(StateChange::AliasAdd { alias, targets }).await
        }
        Request::AliasRemove { alias, targets } => {
            let (alias, targets) = (address(&alias)?, addresses(&targets)?);
            hands
                .change(StateChange::AliasRemove { alias, targets })
                .await
        }
        Request::AliasReject { address: text } => {
            let address = address(&text)?;
            hands.change(StateChange::AliasReject { address }).await
        }
        Request::AliasList { after } => {
            let rows = move |r: &mut Reader| r.state().aliases(after, CONTROL_ROWS_MAX);
            hands.list(rows, |row| (row.id, rows::alias(row))).await
        }
        Request::QueueList { after } => {
            let rows = move |r: &mut Reader| r.queue(QueueId(after), CONTROL_ROWS_MAX);
            hands.list(rows, |row| (row.id.0, rows::queue(row))).await
        }
        Request::QueueShow { id } => queue_show(hands, id).await,
        Request::QueueDrop { id } => {
            queue_entry(hands, id).await?;
            let queue = QueueId(id);
            hands.counted(Change::QueueDrop { queue }).await
        }
        Request::ReportsList { after } => reports::list(hands, after).await,
        Request::ReportsShow { id, after } => reports::show(hands, id, after).await,
        Request::ReportsSent { after } => reports::sent(hands, after).await,
        Request::ReportsPending { after } => reports::pending(hands, after).await,
        Request::MailExpunged { account } => mail_expunged(hands, &account).await,
        Request::MailUndelete { account, emails } => {
            let account = hands.account(&account).await?;
            let emails = emails
                .iter()
                .map(|id| email(id))
                .collect::<Result<_, _>>()?;
            hands.counted(Change::Undelete { account, emails }).await
        }
    }
}

/// The domain and its first account, made or given this password: what `try` starts from. May be repeated.
pub async fn make_first_account(
    hands: &Hands,
    domain: Domain,
    name: Address,
    password: &str,
) -> Result<(), String> {
    let (asked, login) = (domain.clone(), name.clone());
    let (ours, known) = hands
        .read(move |r| Ok((r.state().is_ours(&asked)?, r.state().account(&login)?)))
        .await?;
    if !ours {
        let mirror = None;
        let name = domain;
        hands
            .change(StateChange::DomainAdd { name, mirror })
            .await?;
    }
    let password = Secret(password.to_owned());
    match known {
        None => account_add(hands, name, &password, None).await?,
        Some(_) => {
            let phc = hands.new_password(&password).await?;
            hands
                .change(StateChange::AccountPassword { name, phc })
                .await?
        }
    };
    Ok(())
}

/// Finishes what a crash interrupted between two commits: mail of removed accounts goes, accounts without mailboxes
/// get them.
pub async fn settle(hands: &Hands) -> Result<(), String> {
    for account in hands.read(|r| r.state().removals()).await? {
        hands.remove_mail(account).await?;
    }
    let mut after = AccountId(0);
    loop {
        let rows = hands
            .read(move |r| r.state().accounts(after, CONTROL_ROWS_MAX))
            .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.account;
        for row in rows {
            let account = row.account;
            if hands.read(move |r| r.mailboxes(account)).await?.is_empty() {
                hands.commit(Change::AccountMailboxes { account }).await?;
            }
        }
    }
}

impl Hands {
    async fn commit(&self, change: Change) -> Result<Outcome, String> {
        match self.lanes.commit(change).await {
            Ok(done) => Ok(done.outcome),
            Err(refused) => Err(refused.to_string()),
        }
    }

    async fn state(&self, change: StateChange) -> Result<StateDone, String> {
        let done = match self.commit(Change::State(Box::new(change))).await? {
            Outcome::State(done) => done,
            other => {
                return Err(format!(
                    "the store answered {other:?}; this is a bug of ours"
                ));
            }
        };
        if let StateDone::Account {
            account, version, ..
        } = &done
        {
            self.login.credential_changed(*account, *version);
        }
        Ok(done)
    }

    async fn change(&self, change: StateChange) -> Done {
        let done = self.state(change).await?;
        Ok(noted(done.notes().to_vec()))
    }

    async fn access(&self, name: &str, access: Access) -> Done {
        let name = address(name)?;
        self.change(StateChange::AccountAccess { name, access })
            .await
    }

    async fn counted(&self, change: Change) -> Done {
        let count = match self.commit(change).await? {
            Outcome::Counted(count) => Some(count),
            _ => None,
        };
        let end = End {
            count,
            ..End::default()
        };
        Ok(Answer {
            rows: Vec::new(),
            end,
        })
    }

    async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reader) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, String> {
        self.lanes.read(work).await.map_err(|e| e.0)
    }

    /// One page of a list: each row with its id.
    async fn list<R: Send + 'static>(
        &self,
        page: impl FnOnce(&mut Reader) -> Result<Vec<R>, StoreError> + Send + 'static,
        shown: fn(&R) -> (u64, Value),
    ) -> Done {
        let found = self.read(page).await?;
        let full = found.len() == CONTROL_ROWS_MAX;
        let (ids, rows): (Vec<u64>, Vec<Value>) = found.iter().map(shown).unzip();
        let next = ids.last().copied().filter(|_| full);
        let end = End {
            next,
            ..End::default()
        };
        Ok(Answer { rows, end })
    }

    async fn account(&self, name: &str) -> Result<AccountId, String> {
        let asked = address(name)?;
        let row = self.read(move |r| r.state().account(&asked)).await?;
        row.map(|row| row.account).ok_or_else(|| {
            format!("there is no account {name}; `pillarbox account list` shows them")
        })
    }

    async fn new_password(&self, password: &Secret) -> Result<Box<str>, String> {
        let octets = Zeroizing::new(password.0.as_bytes().to_vec());
        self.login.new_password(octets).await
    }

    async fn remove_mail(&self, account: AccountId) -> Result<u64, String> {
        let count = match self.commit(Change::AccountRemove { account }).await? {
            Outcome::Counted(count) => count,
            _ => 0,
        };
        self.state(StateChange::AccountRemoved { account }).await?;
        Ok(count)
    }
}

async fn account_add(
    hands: &Hands,
    name: Address,
    password: &Secret,
    quota_bytes: Option<u64>,
) -> Done {
    let phc = hands.new_password(password).await?;
    let change = StateChange::AccountAdd {
        name,
        phc,
        quota_bytes,
        created_secs: now_millis() / 1000,
    };
    let done = hands.state(change).await?;
    if let StateDone::Account { account, .. } = done {
        hands
            .commit(Change::AccountMailboxes { account })
            .await
            .map_err(|e| {
                format!(
                    "the account was made, its mailboxes were not ({e}); the next start makes them"
                )
            })?;
    }
    Ok(noted(done.notes().to_vec()))
}

async fn account_remove(hands: &Hands, name: Address, aliases: OnAliases) -> Done {
    let aliases = match aliases {
        OnAliases::Refuse => Dependents::Refuse,
        OnAliases::Drop => Dependents::Drop,
    };
    let done = hands
        .state(StateChange::AccountRemove { name, aliases })
        .await?;
    let mut answer = noted(done.notes().to_vec());
    if let StateDone::Account { account, .. } = done {
        let removed = hands.remove_mail(account).await.map_err(|e| {
            format!("the account is removed, its mail is not yet ({e}); the next start removes it")
        })?;
        answer.end.count = Some(removed);
    }
    Ok(answer)
}

/// Relaying is not part of this version: mail for an address elsewhere would wait in the queue and expire.
async fn local_targets(hands: &Hands, targets: &[Address]) -> Result<(), String> {
    for target in targets {
        let asked = target.clone();
        let meaning = hands.read(move |r| r.state().resolve(&asked)).await?;
        if meaning == Resolution::NotOurs {
            return Err(format!(
                "{target} is not of this box, and this version does not relay: an alias may lead to accounts and \
                 aliases of this box (`pillarbox domain list` shows its domains)"
            ));
        }
    }
    Ok(())
}

async fn queue_show(hands: &Hands, id: u64) -> Done {
    let row = queue_entry(hands, id).await?;
    Ok(Answer {
        rows: vec![rows::queue_whole(&row)],
        end: End::default(),
    })
}

async fn queue_entry(hands: &Hands, id: u64) -> Result<QueueRow, String> {
    let before = QueueId(id.saturating_sub(1));
    let found = hands.read(move |r| r.queue(before, 1)).await?;
    found.into_iter().find(|row| row.id.0 == id).ok_or_else(|| {
        format!(
            "there is no queue entry {id}: it was delivered, dropped or never there; `pillarbox queue list` shows \
             what is"
        )
    })
}

async fn mail_expunged(hands: &Hands, account: &str) -> Done {
    let account = hands.account(account).await?;
    let found = hands
        .read(move |r| r.expunged(account, CONTROL_ROWS_MAX))
        .await?;
    let mut answer = Answer {
        rows: found.iter().map(rows::expunged).collect(),
        end: End::default(),
    };
    if found.len() == CONTROL_ROWS_MAX {
        answer.end.notes.push(format!(
            "there may be more than these {CONTROL_ROWS_MAX}; `pillarbox mail undelete ACCOUNT --all` brings all back"
        ));
    }
    Ok(answer)
}

fn noted(notes: Vec<String>) -> Answer {
    let end = End {
        notes,
        ..End::default()
    };
    Answer {
        rows: Vec::new(),
        end,
    }
}

fn domain(text: &str) -> Result<Domain, String> {
    let domain =
        Domain::parse(text).map_err(|e| format!("{}: write a domain, like example.org", e.0))?;
    match domain.as_str().parse::<std::net::IpAddr>() {
        Ok(_) => Err(format!(
            "{text} is an address of a machine: write a domain, like example.org"
        )),
        Err(_) => Ok(domain),
    }
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|e| format!("{}: write an address, like ana@example.org", e.0))
}

fn addresses(texts: &[String]) -> Result<Vec<Address>, String> {
    texts.iter().map(|text| address(text)).collect()
}

fn email(text: &str) -> Result<EmailId, String> {
    let wrong = || {
        format!("{text:?} is no email id: `pillarbox mail expunged` shows them, 32 hex digits each")
    };
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u128::from_str_radix(text, 16)
        .map(|n| EmailId(n.to_be_bytes()))
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_ids_are_32_hex_digits() {
        let id = email("000102030405060708090a0b0c0d0e0f").unwrap();
        assert_eq!(id.0[..3], [0, 1, 2]);
        for wrong in [
            "",
            "00",
            "000102030405060708090a0b0c0d0e0g",
            "+00102030405060708090a0b0c0d0e0f",
        ] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_domain_is_no_address_of_a_machine() {
        assert!(domain("a.test").is_ok() && domain("192.0.2.1.test").is_ok());
        for wrong in ["192.0.2.1", "a b.test", ""] {
            let error = domain(wrong).unwrap_err();
            assert!(error.contains("like example.org"), "{wrong}: {error}");
        }
    }
}
