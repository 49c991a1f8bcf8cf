//! From the root down: which servers answer for a name, and what they answer (RFC 1034 section 5.3.3).
//!
//! A zone's servers are learnt from its parent alone, so a delegation that was taken back ends when it expires. Names
//! are shown to servers label by label (QNAME minimisation, RFC 9156). Glue is taken only from servers of a zone that
//! holds its name. A server that is silent, refuses or knows nothing of the zone is passed over for the next.

use super::cache::Cache;
use super::exchange::{self, Fault, Manner};
use super::referral::{Said, begins_with_underscore, is_public, labels_at_once, said};
use super::servers::Servers;
use super::tidy;
use super::work::{Stop, Work};
use crate::limits::{
    DNS_DELEGATION_TTL_SECS_MAX, DNS_GLUELESS_DEPTH_MAX, DNS_GLUELESS_NAMES_MAX, DNS_MINIMISED_MAX,
    DNS_SERVER_ADDRESSES_MAX, DNS_TRIES_MAX, DNS_ZONE_SERVERS_MAX, DNS_ZONES_BYTES_MAX,
};
use crate::wire::dns::TroubleKind;
use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Where it begins.
pub struct Roots {
    /// Servers of the root; all servers are asked on the port of the first.
    pub servers: Vec<SocketAddr>,
    /// Over IPv6 too.
    pub ipv6: bool,
    /// Servers with private and loopback addresses too.
    pub private_servers: bool,
}

/// What it has learnt.
pub struct Iteration {
    roots: Roots,
    zones: Mutex<Cache<Name, Arc<Zone>>>,
    hosts: Mutex<Cache<Name, Arc<[IpAddr]>>>,
    servers: Servers,
    /// How often this machine's network has said that there is no IPv4, no IPv6, since that way last worked.
    no_way: [AtomicU32; 2],
}

/// A zone and who answers for it.
pub struct Zone {
    /// Its name, lower case.
    pub name: Name,
    hosts: Vec<Host>,
    /// It is proven that its parent does not vouch for its signatures.
    pub insecure: AtomicBool,
}

struct Host {
    name: Name,
    addresses: Vec<IpAddr>,
}

/// What the servers of a zone said.
pub struct Reply {
    /// Cut down by `tidy`.
    pub message: Message,
    /// Who said it.
    pub zone: Arc<Zone>,
}

/// What comes beside an answer: a delegation's DS, to be kept.
pub type KeepDs<'a> = &'a (dyn Fn(&Name, &Message) + Send + Sync);

/// One step's question, and what all steps share.
struct Step<'a> {
    work: &'a Work,
    keep_ds: KeepDs<'a>,
    depth: usize,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Iteration {
    /// Asks nobody yet.
    pub fn new(roots: Roots) -> Iteration {
        Iteration {
            roots,
            zones: Mutex::new(Cache::new(DNS_ZONES_BYTES_MAX * 2 / 3)),
            hosts: Mutex::new(Cache::new(DNS_ZONES_BYTES_MAX / 3)),
            servers: Servers::new(),
            no_way: Default::default(),
        }
    }

    /// The answer of whoever is in charge of a name; not validated, aliases not followed.
    pub async fn ask(
        &self,
        query: &Query,
        work: &Work,
        keep_ds: KeepDs<'_>,
    ) -> Result<Reply, Stop> {
        let depth = 0;
        let step = Step {
            work,
            keep_ds,
            depth,
        };
        self.descend(query, &step).await
    }

    /// A zone that is known by exactly this name.
    pub fn known(&self, name: &Name) -> Option<Arc<Zone>> {
        lock(&self.zones)
            .find(&name.to_lowercase())
            .map(|(zone, _)| zone)
    }

    /// The zones on the way to a name that are known, from the top.
    pub fn path(&self, name: &Name) -> Vec<Arc<Zone>> {
        let labels = usize::from(name.num_labels());
        (0..=labels)
            .filter_map(|n| self.known(&name.trim_to(n)))
            .collect()
    }

    fn descend<'a>(
        &'a self,
        query: &'a Query,
        step: &'a Step<'a>,
    ) -> Boxed<'a, Result<Reply, Stop>> {
        Box::pin(async move {
            // A DS belongs to the zone above (RFC 4035 section 3.1.4.1).
            let target = match query.query_type {
                RecordType::DS => query.name.base_name(),
                _ => query.name.clone(),
            };
            let mut zone = self.closest(&target, step).await?;
            let mut shown = usize::from(zone.name.num_labels());
            let mut minimised = 0;
            loop {
                let whole = usize::from(target.num_labels());
                let next = match minimised < DNS_MINIMISED_MAX {
                    true => (shown + labels_at_once(whole - shown, minimised)).min(whole),
                    false => whole,
                };
                let partial = target.trim_to(next);
                let hidden = next < whole && !begins_with_underscore(&partial);
                let asked = match hidden {
                    true => Query::query(partial, RecordType::A),
                    false => query.clone(),
                };
                let (message, said) = match self.ask_zone(&zone, &asked, &target, step).await {
                    Ok(found) => found,
                    // Some servers fail for names without records of their own.
                    Err(stop) if hidden && stop.kind == TroubleKind::ServerFailure => {
                        minimised = DNS_MINIMISED_MAX;
                        continue;
                    }
                    Err(stop) => return Err(stop),
                };
                match said {
                    Said::Referral(child) => {
                        zone = self.learn(&zone, &child, &message, step);
                        shown = usize::from(child.num_labels());
                    }
                    // A name that does not exist has none below (RFC 8020), but its own proof is wanted, and some
                    // servers say so of names between labels.
                    _ if hidden && message.metadata.response_code == ResponseCode::NXDomain => {
                        minimised = DNS_MINIMISED_MAX;
                    }
                    _ if hidden => shown = next,
                    _ => {
                        let message = tidy::answer(message, query, &zone.name)?;
                        return Ok(Reply { message, zone });
                    }
                }
                minimised += usize::from(hidden);
            }
        })
    }

    /// The deepest zone at or above a name whose servers are known; the root's are asked for when they are not.
    async fn closest(&self, target: &Name, step: &Step<'_>) -> Result<Arc<Zone>, Stop> {
        let labels = usize::from(target.num_labels());
        let known = (0..=labels)
            .rev()
            .find_map(|n| self.known(&target.trim_to(n)));
        if let Some(zone) = known {
            return Ok(zone);
        }
        let hints = self.roots.servers.iter().map(SocketAddr::ip).collect();
        let hints = Arc::new(Zone {
            name: Name::root(),
            hosts: vec![Host {
                name: Name::root(),
                addresses: hints,
            }],
            insecure: AtomicBool::new(false),
        });
        // RFC 8109: priming. What does not name addresses leaves us with the hints.
        let query = Query::query(Name::root(), RecordType::NS);
        let (message, _) = self.ask_zone(&hints, &query, &query.name, step).await?;
        let root = self.learn(&hints, &Name::root(), &message, step);
        match root.hosts.iter().any(|host| !host.addresses.is_empty()) {
            true => Ok(root),
            false => {
                let hour = Duration::from_secs(3600);
                lock(&self.zones).keep(Name::root(), hints.clone(), zone_bytes(&hints), hour);
                Ok(hints)
            }
        }
    }

    /// Keeps a delegation. Glue counts where the servers that gave it hold its name.
    fn learn(&self, parent: &Zone, child: &Name, message: &Message, step: &Step<'_>) -> Arc<Zone> {
        let name = child.to_lowercase();
        let mut secs = DNS_DELEGATION_TTL_SECS_MAX;
        let mut hosts = Vec::new();
        for record in message.answers.iter().chain(&message.authorities) {
            let RData::NS(host) = &record.data else {
                continue;
            };
            if record.name != name || hosts.len() == DNS_ZONE_SERVERS_MAX {
                continue;
            }
            secs = secs.min(record.ttl);
            let inside = parent.name.zone_of(&host.0);
            let glue = message
                .additionals
                .iter()
                .filter(|r| inside && r.name == host.0);
            let addresses = glue.filter_map(|r| r.data.ip_addr());
            hosts.push(Host {
                name: host.0.to_lowercase(),
                addresses: addresses.take(DNS_SERVER_ADDRESSES_MAX).collect(),
            });
        }
        let zone = Arc::new(Zone {
            name: name.clone(),
            hosts,
            insecure: AtomicBool::new(parent.insecure.load(Relaxed)),
        });
        if !name.is_root() {
            (step.keep_ds)(&name, message);
        }
        let time = Duration::from_secs(u64::from(secs.max(60)));
        lock(&self.zones).keep(name, zone.clone(), zone_bytes(&zone), time);
        zone
    }

    /// Asks one server after the other until one knows.
    async fn ask_zone(
        &self,
        zone: &Zone,
        query: &Query,
        target: &Name,
        step: &Step<'_>,
    ) -> Result<(Message, Said), Stop> {
        let mut servers = self.addresses(zone);
        let mut glueless = servers.is_empty();
        if glueless {
            servers = self.look_up_hosts(zone, step).await;
        }
        let mut last = None;
        let mut tried: Vec<(IpAddr, u32)> = Vec::new();
        loop {
            self.servers.sort(&mut servers);
            servers.sort_by_key(|ip| self.is_shut(ip));
            let again = |ip: &IpAddr| tried.iter().filter(|(other, _)| other == ip).count();
            // Each once, then the silent ones a second time.
            let fresh = servers.iter().find(|ip| again(ip) == 0);
            let silent = || {
                servers
                    .iter()
                    .find(|ip| tried.contains(&(**ip, 1)) && again(ip) == 1)
            };
            let next = fresh.or_else(silent).copied();
            let Some(server) = next.filter(|_| tried.len() < DNS_TRIES_MAX) else {
                if !glueless {
                    glueless = true;
                    servers = self.look_up_hosts(zone, step).await;
                    servers.retain(|ip| !tried.iter().any(|(other, _)| other == ip));
                    if !servers.is_empty() {
                        tried.clear();
                        continue;
                    }
                }
                return Err(nobody(zone, query, last, step));
            };
            step.work.query()?;
            let times = again(&server) as u32;
            let mut answer = self
                .ask_server(server, query, Manner::Authoritative, times)
                .await;
            if answer.as_ref().is_ok_and(exchange::knows_no_edns) {
                step.work.query()?;
                answer = self.ask_server(server, query, Manner::Plain, times).await;
            }
            match answer {
                Ok(message) => match said(&message, query, &zone.name, target) {
                    Said::Lame => {
                        step.work.fault();
                        tried.push((server, 0));
                        let code = message.metadata.response_code;
                        last = Some(format!("{server} answered {code}"));
                    }
                    said => return Ok((message, said)),
                },
                Err(fault) => {
                    step.work.fault();
                    tried.push((server, u32::from(fault == Fault::Silent)));
                    last = Some(format!("{server} {}", words(&fault)));
                }
            }
        }
    }

    async fn ask_server(
        &self,
        ip: IpAddr,
        query: &Query,
        manner: Manner,
        again: u32,
    ) -> Result<Message, Fault> {
        let port = self.roots.servers.first().map_or(53, SocketAddr::port);
        let start = Instant::now();
        let wait = self.servers.wait(ip, again);
        let server = SocketAddr::new(ip, port);
        let answer = exchange::ask(server, query, manner, wait).await;
        let no_way = &self.no_way[usize::from(ip.is_ipv6())];
        match &answer {
            Ok(_) => {
                no_way.store(0, Relaxed);
                self.servers.answered(ip, start.elapsed());
            }
            // What a router far away says of one server comes as something else.
            Err(Fault::Refused(
                ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable
                | ErrorKind::Unsupported,
            )) => {
                no_way.fetch_add(1, Relaxed);
                self.servers.silent(ip);
            }
            Err(_) => self.servers.silent(ip),
        }
        answer
    }

    /// Addresses of a zone's servers that are known and may be asked.
    fn addresses(&self, zone: &Zone) -> Vec<IpAddr> {
        let mut found = Vec::new();
        let mut known = lock(&self.hosts);
        for host in &zone.hosts {
            found.extend(host.addresses.iter().copied());
            if host.addresses.is_empty()
                && let Some((addresses, _)) = known.find(&host.name)
            {
                found.extend(addresses.iter().copied());
            }
        }
        drop(known);
        found.retain(|ip| self.may_ask(ip));
        found
    }

    fn may_ask(&self, ip: &IpAddr) -> bool {
        (ip.is_ipv4() || self.roots.ipv6) && (self.roots.private_servers || is_public(ip))
    }

    /// Whether its kind of address seems not to be routed here at all: such servers are asked last. One that a
    /// stranger made up does not decide that.
    fn is_shut(&self, ip: &IpAddr) -> bool {
        self.no_way[usize::from(ip.is_ipv6())].load(Relaxed) > 2
    }

    /// Looks up addresses of servers for which there was no glue.
    async fn look_up_hosts(&self, zone: &Zone, step: &Step<'_>) -> Vec<IpAddr> {
        if step.depth >= DNS_GLUELESS_DEPTH_MAX {
            return Vec::new();
        }
        let below = Step {
            depth: step.depth + 1,
            ..*step
        };
        // A server's name inside its own zone has glue or cannot be found.
        let lacking = zone.hosts.iter().filter(|host| {
            !zone.name.zone_of(&host.name) && lock(&self.hosts).find(&host.name).is_none()
        });
        let mut found = Vec::new();
        for host in lacking.take(DNS_GLUELESS_NAMES_MAX) {
            let mut addresses = self.look_up_host(&host.name, RecordType::A, &below).await;
            if addresses.is_empty() && self.roots.ipv6 {
                addresses = self
                    .look_up_host(&host.name, RecordType::AAAA, &below)
                    .await;
            }
            found.extend(addresses);
            if found.len() > 1 {
                break;
            }
        }
        found.retain(|ip| self.may_ask(ip));
        found
    }

    async fn look_up_host(&self, name: &Name, kind: RecordType, step: &Step<'_>) -> Vec<IpAddr> {
        let query = Query::query(name.clone(), kind);
        let Ok(reply) = self.descend(&query, step).await else {
            return Vec::new();
        };
        let records = reply
            .message
            .answers
            .iter()
            .filter(|r| r.record_type() == kind);
        let secs = records.clone().map(|r| r.ttl).min().unwrap_or(0);
        let addresses: Vec<IpAddr> = records
            .filter_map(|r| r.data.ip_addr())
            .take(DNS_SERVER_ADDRESSES_MAX)
            .collect();
        if !addresses.is_empty() {
            let secs = secs.clamp(60, DNS_DELEGATION_TTL_SECS_MAX);
            let bytes = name_bytes(name) + addresses.len() * size_of::<IpAddr>();
            let time = Duration::from_secs(u64::from(secs));
            lock(&self.hosts).keep(name.clone(), addresses.as_slice().into(), bytes, time);
        }
        addresses
    }
}

fn nobody(zone: &Zone, query: &Query, last: Option<String>, step: &Step<'_>) -> Stop {
    let name = &zone.name;
    let asked = format!("{} {}", query.name, query.query_type);
    let stop = match last {
        None => Stop::new(
            TroubleKind::ServerFailure,
            format!("no address of a server of {name} can be found (for {asked})"),
        ),
        Some(last) if zone.name.is_root() => Stop::new(
            TroubleKind::Unreachable,
            format!("no server of the root answers; the last, {last}"),
        ),
        Some(last) if last.contains(LARGE) => Stop::new(
            TroubleKind::TooMuchWork,
            format!("{asked} has too large an answer: {last}"),
        ),
        Some(last) if last.ends_with(SILENT) => Stop::new(
            TroubleKind::Timeout,
            format!("no server of {name} answers {asked}; the last, {last}"),
        ),
        Some(last) => Stop::new(
            TroubleKind::ServerFailure,
            format!("no server of {name} answers {asked} with sense; the last, {last}"),
        ),
    };
    step.work.stop(stop)
}

const SILENT: &str = "was silent";
const LARGE: &str = "answered more than is taken";

/// Why a server gave no answer, behind its address.
pub fn words(fault: &Fault) -> String {
    match fault {
        Fault::Silent => SILENT.to_string(),
        Fault::Refused(kind) => format!("could not be reached ({kind})"),
        Fault::Untrusted(why) => format!("is not trusted over TLS: {why}"),
        Fault::Nonsense(why) => format!("made no sense: {why}"),
        Fault::TooLarge(what) => format!("{LARGE} ({what})"),
    }
}

fn zone_bytes(zone: &Zone) -> usize {
    let host = |host: &Host| {
        size_of::<Host>() + name_bytes(&host.name) + host.addresses.capacity() * size_of::<IpAddr>()
    };
    size_of::<Zone>()
        + 2 * name_bytes(&zone.name)
        + zone.hosts.iter().map(host).sum::<usize>() * 3 / 2
}

/// What a name takes in itself and behind it: its octets and its labels' ends.
pub fn name_bytes(name: &Name) -> usize {
    size_of::<Name>()
        + if name.len() > 32 {
            2 * name.len() + 64
        } else {
            0
        }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{DNS_DATAGRAM_BYTES_MAX, DNS_QUESTION_BYTES};
    use crate::net::resolve::work::Counts;

    #[test]
    fn a_descent_and_those_it_needs_fit_a_questions_share() {
        let roots = Roots {
            servers: Vec::new(),
            ipv6: false,
            private_servers: false,
        };
        let iteration = Iteration::new(roots);
        let work = Work::new(Arc::new(Counts::default()));
        let step = Step {
            work: &work,
            keep_ds: &|_, _| (),
            depth: 0,
        };
        let query = Query::query(Name::root(), RecordType::NS);
        let each = size_of_val(&*iteration.descend(&query, &step));
        let all = (DNS_GLUELESS_DEPTH_MAX + 1) * each + DNS_DATAGRAM_BYTES_MAX;
        // And the task around it: `a_question_fits_its_share_of_memory`.
        assert!(all + 3_600 <= DNS_QUESTION_BYTES, "{each}");
    }
}
