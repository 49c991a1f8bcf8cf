//! The daily reports of ours: which domains, who gets them, into the queue.

use super::super::server::Server;
use super::{each_piece, look_at};
use crate::limits::{LARGE_MESSAGE_BYTES, REPORT_SENT_DAYS, REPORT_TRIED_SECS};
use crate::policy::report::compose::{self, About, DAY_SECS, Reporter};
use crate::policy::report::destination::{Destination, Wanted, destinations, wanted};
use crate::policy::report::gather::{Census, Gathered};
use crate::policy::report::observe::Observation;
use crate::store::change::{
    Content, Delivery, Into, LocalDelivery, Message, Outcome, RemoteDelivery,
};
use crate::store::learned::Learned;
use crate::store::learned::outgoing::{Sent, State};
use crate::store::row::QueueRecipient;
use crate::store::state::{Resolution, Target};
use crate::store::{Change, QueueId, Reader, StoreError};
use crate::wire::address::{Address, Domain};
use crate::wire::header::{delivered_to, end_of_header, return_path};
use crate::wire::imap::flag::Flags;
use crate::wire::mime::Scanner;
use crate::wire::smtp::Notify;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Answers about one report's destinations, seconds.
const ANSWERS_SECS: u64 = 30;
/// Domains that are looked through for the one that stands for the box.
const DOMAINS_LOOKED_AT: usize = 100;

/// Looks what is due, and does it.
pub(super) async fn look(server: &Arc<Server>, now: u64) {
    if let Err(error) = turn(server, now).await {
        log::warn!("DMARC reports were not sent, which is tried again: {error}");
    }
}

async fn turn(server: &Arc<Server>, now: u64) -> Result<(), StoreError> {
    server.reports.flush(&server.lanes).await;
    give_up(server, now).await?;
    let today = now / DAY_SECS;
    let days = look_at(&server.lanes, Learned::days).await?;
    for day in days.unwrap_or_default() {
        let past = day.day < today;
        // Of a day far ahead: the clock was wrong then, or is now; one more day tells.
        let wrong = day.day > today + 1;
        if !past && !wrong {
            continue;
        }
        let Some(_desk) = server.reports.desk(&server.bodies).await else {
            return Err(StoreError("no memory came free for them".into()));
        };
        let last = day.day + 1 < today;
        let sends = past && server.config().reports.send;
        let done = !sends || send_day(server, day.day, now, Patience::of(last)).await?;
        if done || last {
            if day.lost > 0 {
                log::warn!(
                    "{} messages of a day are in no DMARC report: there were too many",
                    day.lost
                );
            }
            let from = today.saturating_sub(REPORT_SENT_DAYS);
            server
                .lanes
                .learn(move |learned| learned.forget_days(day.day..=day.day, from))
                .await?;
        }
    }
    Ok(())
}

/// Whether a report can be asked about again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// It can.
    More,
    /// Its day of retries is over.
    None,
}

impl Patience {
    fn of(last: bool) -> Patience {
        if last { Patience::None } else { Patience::More }
    }
}

/// What waited a day is dropped: no DSN, nobody is told (a report is not worth one).
async fn give_up(server: &Server, now: u64) -> Result<(), StoreError> {
    let before = now.saturating_sub(REPORT_TRIED_SECS).cast_signed();
    let old = look_at(&server.lanes, move |learned| learned.queued_before(before)).await?;
    for sent in old.unwrap_or_default() {
        let queue = QueueId(sent.queue);
        let dropped = match server.lanes.commit(Change::QueueDrop { queue }).await {
            Ok(done) => matches!(done.outcome, Outcome::Counted(1..)),
            Err(refused) => return Err(StoreError(refused.to_string())),
        };
        let sent = match dropped {
            true => Sent {
                state: State::GivenUp,
                why: "it was not delivered within a day".into(),
                queue: 0,
                ..sent
            },
            false => Sent { queue: 0, ..sent },
        };
        server
            .lanes
            .learn(move |learned| learned.keep_sent(&sent))
            .await?;
    }
    Ok(())
}

/// Reports about a day; whether all that can be done is done.
async fn send_day(
    server: &Arc<Server>,
    day: u64,
    now: u64,
    patience: Patience,
) -> Result<bool, StoreError> {
    let Some(reporter) = reporter(server).await? else {
        return Ok(true);
    };
    let most = server.config().reports.per_day_max;
    let census = census(server, day).await?;
    let known = look_at(&server.lanes, move |learned| learned.sent_about(day)).await?;
    let known = known.unwrap_or_default();
    let mut done = true;
    for (domain, messages) in census.ranked().into_iter().take(most) {
        let settled = |sent: &Sent| sent.domain == domain && sent.state != State::Waiting;
        if known.iter().any(settled) {
            continue;
        }
        let about = About {
            domain: &domain,
            day,
        };
        let gathered = gather(server, about).await?;
        let fate = send(server, &reporter, about, gathered, patience, now).await;
        done &= fate.state != State::Waiting;
        let sent = Sent {
            id: 0,
            day,
            domain,
            state: fate.state,
            why: fate.why.into(),
            recipients: fate.recipients.into(),
            messages,
            queue: fate.queue,
            at_secs: now.cast_signed(),
        };
        server
            .lanes
            .learn(move |learned| learned.keep_sent(&sent))
            .await?;
    }
    Ok(done)
}

/// What became of one report.
struct Fate {
    state: State,
    why: String,
    recipients: String,
    queue: u64,
}

impl Fate {
    fn of(state: State, why: impl ToString) -> Fate {
        Fate {
            state,
            why: why.to_string(),
            recipients: String::new(),
            queue: 0,
        }
    }
}

async fn send(
    server: &Server,
    reporter: &Reporter,
    about: About<'_>,
    gathered: Gathered,
    patience: Patience,
    now: u64,
) -> Fate {
    let (to, why) = match receivers(server, about.domain, &gathered).await {
        Receivers::Known(to, why) => (to, why),
        Receivers::Unknown(_, why) if patience == Patience::More => {
            return Fate::of(State::Waiting, why);
        }
        Receivers::Unknown(to, why) => (to, why),
    };
    if to.is_empty() {
        return Fate::of(State::Unwanted, why);
    }
    let addresses: Vec<Address> = to.iter().map(|one| one.address.clone()).collect();
    let letter = letter(reporter, about, gathered, &addresses, now.cast_signed());
    let fits = |one: &Destination| one.bytes_max.is_none_or(|most| letter.len() as u64 <= most);
    let to: Vec<Address> = to.into_iter().filter(fits).map(|one| one.address).collect();
    if to.is_empty() {
        let bytes = letter.len();
        return Fate::of(
            State::Unwanted,
            format!("it has {bytes} octets, which is more than they take"),
        );
    }
    let recipients: Vec<String> = to.iter().map(Address::to_string).collect();
    match deliver(server, reporter, letter, to, now.cast_signed()).await {
        Ok(queue) => Fate {
            state: State::Queued,
            why,
            recipients: recipients.join(","),
            queue: queue.map_or(0, |id| id.0),
        },
        Err(error) => Fate::of(State::Waiting, error),
    }
}

/// Who wants a report, and why not all do whom the record names.
enum Receivers {
    Known(Vec<Destination>, String),
    /// Somebody could not be asked.
    Unknown(Vec<Destination>, String),
}

async fn receivers(server: &Server, domain: &str, gathered: &Gathered) -> Receivers {
    let dns = server
        .authentic
        .asking(IpAddr::V4(Ipv4Addr::LOCALHOST), ANSWERS_SECS)
        .await;
    let (mut by, mut whys, mut unknown) = (Vec::new(), Vec::new(), false);
    for one in destinations(&gathered.record) {
        match wanted(&dns, domain, &gathered.organizational, &one).await {
            Wanted::By(to) => by.extend(to),
            Wanted::No(why) => whys.push(why),
            Wanted::Unknown(why) => {
                unknown = true;
                whys.push(why);
            }
        }
    }
    let why = whys.join("; ");
    match unknown {
        true => Receivers::Unknown(by, why),
        false => Receivers::Known(by, why),
    }
}

/// The mail. It stays a small one: rows with few messages are left out where it would not.
fn letter(
    reporter: &Reporter,
    about: About<'_>,
    gathered: Gathered,
    to: &[Address],
    now_secs: i64,
) -> Vec<u8> {
    let mut report = compose::report(reporter, about, gathered);
    loop {
        let packed = report.write();
        let letter = compose::letter(reporter, about, &report, &packed, to, now_secs);
        if letter.len() <= LARGE_MESSAGE_BYTES || report.rows.len() < 2 {
            return letter;
        }
        compose::halve(&mut report);
    }
}

/// Into the queue, and to those who are of this box. The box's own mail: one of the four ways to a remote recipient.
async fn deliver(
    server: &Server,
    reporter: &Reporter,
    letter: Vec<u8>,
    to: Vec<Address>,
    now_secs: i64,
) -> Result<Option<QueueId>, String> {
    let from = reporter.from.clone();
    let resolved = server.lanes.peek(move |reader| {
        let resolve = |address: &Address| reader.state().resolve(address);
        to.iter()
            .map(resolve)
            .collect::<Result<Vec<_>, _>>()
            .map(|all| (to, all))
    });
    let (to, resolved) = resolved.await.map_err(|error| error.to_string())?;
    let (mut locals, mut recipients) = (Vec::<LocalDelivery>::new(), Vec::new());
    let mut remote = |address: Address| {
        recipients.push(QueueRecipient {
            address,
            notify: Notify::NEVER,
            orcpt: None,
        });
    };
    for (address, resolution) in to.into_iter().zip(resolved) {
        match resolution {
            Resolution::NotOurs => remote(address),
            Resolution::Known(targets) => {
                for target in targets {
                    match target {
                        Target::Remote(elsewhere) => remote(elsewhere),
                        Target::Account { account, name, .. } => {
                            let mut prefix = Vec::new();
                            return_path(&mut prefix, Some(&from));
                            delivered_to(&mut prefix, &name, &address);
                            locals.push(LocalDelivery {
                                account,
                                into: Into::Inbox,
                                prefix,
                                flags: Flags::default(),
                            });
                        }
                    }
                }
            }
            Resolution::Unknown | Resolution::RejectListed => {}
        }
    }
    if locals.is_empty() && recipients.is_empty() {
        return Err("its address is of this box, and nobody has it".into());
    }
    let remote = (!recipients.is_empty()).then_some(RemoteDelivery {
        sender: Some(from),
        account: None,
        prefix: Vec::new(),
        recipients,
        envid: None,
        return_full: false,
        eight_bit: false,
        smtputf8: false,
    });
    let delivery = Delivery {
        message: message(letter, now_secs),
        locals,
        remote,
    };
    let done = server
        .lanes
        .commit(Change::Deliver(Box::new(delivery)))
        .await
        .map_err(|refused| refused.to_string())?;
    match done.outcome {
        Outcome::Delivered { queue, .. } => Ok(queue),
        _ => Ok(None),
    }
}

fn message(letter: Vec<u8>, now_secs: i64) -> Message {
    let (header, body) = letter.split_at(end_of_header(&letter).unwrap_or(letter.len()));
    let mut scanner = Scanner::new(b"", header, &[]);
    scanner.body(body);
    Message {
        summary: scanner.finish(),
        content: Content::Small(Box::new(letter)),
        cuts: Vec::new(),
        received_millis: now_secs * 1000,
    }
}

/// Who reports: a domain of the box, under which its name lies if there is one. None while it has no domain.
async fn reporter(server: &Server) -> Result<Option<Reporter>, StoreError> {
    let config = server.config();
    let hostname = config.hostname.clone();
    let domain = match &config.reports.from {
        Some(from) => Some(from.domain().clone()),
        None => {
            server
                .lanes
                .peek(move |reader| own_domain(reader, &hostname))
                .await?
        }
    };
    let Some(domain) = domain else {
        return Ok(None);
    };
    let own = |local: &str| Address::new(local, domain.clone()).ok();
    let reports = &config.reports;
    let from = reports.from.clone().or_else(|| own("noreply-dmarc"));
    let contact = reports.contact.clone().or_else(|| own("postmaster"));
    let name = reports.organization.as_deref();
    Ok(from.zip(contact).map(|(from, contact)| Reporter {
        organization: compose::organization(name.unwrap_or(config.hostname.as_str())),
        contact: contact.to_string(),
        from,
        domain,
    }))
}

/// The domain of the box under which its name lies, else its first.
fn own_domain(reader: &mut Reader, hostname: &Domain) -> Result<Option<Domain>, StoreError> {
    let rows = reader.state().domains(0, DOMAINS_LOOKED_AT)?;
    let mut names = rows.iter().filter_map(|row| Domain::parse(&row.name).ok());
    let above = names.find(|name| {
        let rest = hostname.as_str().strip_suffix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    match above {
        Some(above) => Ok(Some(above)),
        None => reader.state().first_domain(),
    }
}

/// Which domains a day has, piece by piece in a reader's lane.
async fn census(server: &Server, day: u64) -> Result<Census, StoreError> {
    let add = |census: &mut Census, observation: Observation| census.add(&observation);
    each_piece(&server.lanes, day, Census::default(), add).await
}

/// One domain's rows of a day.
async fn gather(server: &Server, about: About<'_>) -> Result<Gathered, StoreError> {
    let domain: Box<str> = about.domain.into();
    each_piece(
        &server.lanes,
        about.day,
        Gathered::default(),
        move |gathered, observation| {
            if *observation.domain == *domain {
                gathered.add(observation);
            }
        },
    )
    .await
}
