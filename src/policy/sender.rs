//! Who may send to this box, before anything of the message is seen: what decides on MAIL at port 25.
//!
//! [`check`] looks at the client's address, its greeting and the reverse-path, and asks the DNS what it needs. It is
//! asked once a transaction, after MAIL was parsed and before it is answered; not for logins, and not for trusted
//! relays (the client behind them is not known yet; behind PROXY it is). [`Decision::Refuse`] is the answer to MAIL.
//! Of [`Decision::Take`] the session keeps what it holds until the content's verdict: the lines belong to the score,
//! and who is [`Taken::allowed`] goes neither to Junk nor is refused for what the content's checks say. After the
//! content [`after_content`] looks at the lists once more, with what was authenticated.
//!
//! Lists are asked in this order: allow, deny, marks. Anybody can write any address into MAIL and From: a sender on
//! the allow list counts only where SPF or an aligned signature stands behind it, a host only where its address has
//! the name and the name leads back. The deny list believes everything.

mod generic;

use super::authentic::verdict::ScoreLine;
use super::authentic::{Asked, Dns, Outcome, Verdicts, iprev, spf};
use crate::wire::access::{DomainPattern, Lists, Mark, Rules};
use crate::wire::address::{Address, Domain};
use crate::wire::dns::{self, Kind, Name, Question, Record};
use crate::wire::smtp::Reply;
use std::net::IpAddr;

/// What is known at MAIL.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Client, greeting, reverse-path, our name.
    pub asked: Asked<'a>,
    /// The address of ours that the client connected to, where it is known.
    pub own_address: Option<IpAddr>,
}

/// What becomes of a sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Go on.
    Take(Taken),
    /// Answer MAIL with it.
    Refuse(Refusal),
}

/// Of a sender that is taken.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Taken {
    /// Which entry of the allow list it is on, for people.
    pub allowed: Option<String>,
    /// Its marks, for the score: at most one for each of [`Mark::ALL`].
    pub lines: Vec<ScoreLine>,
}

/// Of a sender that is not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// To the client.
    pub reply: Reply,
    /// For the log, one line, with what the client claimed.
    pub reason: String,
}

/// What the lists say once it is known who stands behind a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AfterContent {
    /// On the allow list, by this entry, and authenticated.
    Allowed(String),
    /// The domain of From is on the deny list.
    Refuse(Refusal),
    /// Neither.
    Plain,
}

/// Decides on MAIL. Asks the DNS at most: the client's names (1 + `PTR_NAMES_MAX`), the greeting's addresses (2), the
/// sender's domain (3), and SPF where the sender is on the allow list.
pub async fn check<D: Dns>(dns: &D, rules: &Rules, facts: &Facts<'_>) -> Decision {
    let asked = &facts.asked;
    if let Some(network) = network(&rules.allow, asked.client) {
        return allowed(network);
    }
    // Most of what is denied by address costs no question.
    let may_be_allowed = !rules.allow.hosts.is_empty() || listed_sender(&rules.allow, asked);
    if let (false, Some(network)) = (may_be_allowed, network(&rules.deny, asked.client)) {
        return Decision::Refuse(denied(network));
    }
    let iprev = iprev::check(dns, asked.client).await;
    if let Some(entry) = allow_entry(dns, rules, asked, &iprev).await {
        return allowed(entry);
    }
    if let Some(entry) = deny_entry(&rules.deny, asked, &iprev) {
        return Decision::Refuse(denied(entry));
    }
    let mut taken = Taken::default();
    let marks = [
        helo_mark(dns, facts).await,
        ptr_mark(asked.client, &iprev),
        sender_mark(dns, asked.sender).await,
    ];
    for (mark, why) in marks.into_iter().flatten() {
        if rules.reject.has(mark) {
            return Decision::Refuse(refusal(mark, &why));
        }
        let (name, millis) = score(mark);
        taken.lines.push(ScoreLine { name, millis, why });
    }
    Decision::Take(taken)
}

/// Looks at the lists again when the content was checked: `sender` is the reverse-path. What [`check`] allowed
/// already stays so and is not asked about.
pub fn after_content(rules: &Rules, sender: Option<&Address>, verdicts: &Verdicts) -> AfterContent {
    let aligned = verdicts.dmarc.spf_aligned || verdicts.dmarc.dkim_aligned;
    if let (true, Some(author)) = (aligned, &verdicts.author)
        && let Some(entry) = domain(&rules.allow, author)
    {
        return AfterContent::Allowed(entry);
    }
    if let Some(sender) = sender.filter(|sender| authenticated(sender, verdicts))
        && let Some(entry) = sender_entry(&rules.allow, sender)
    {
        return AfterContent::Allowed(entry);
    }
    match verdicts
        .author
        .as_ref()
        .and_then(|author| domain(&rules.deny, author))
    {
        Some(entry) => AfterContent::Refuse(denied(entry)),
        None => AfterContent::Plain,
    }
}

/// SPF passed for the reverse-path, or a signature of its domain or of one above it.
fn authenticated(sender: &Address, verdicts: &Verdicts) -> bool {
    let Some(domain) = Name::parse(sender.domain().as_str()) else {
        return false;
    };
    let signs = |signer: &str| Name::parse(signer).is_some_and(|signer| domain.is_under(&signer));
    let mut signatures = verdicts.dkim.iter();
    verdicts.spf_mail_from.outcome == Outcome::Pass
        || signatures.any(|dkim| dkim.outcome == Outcome::Pass && signs(&dkim.domain))
}

// ---- lists

fn allowed(entry: String) -> Decision {
    Decision::Take(Taken {
        allowed: Some(entry),
        lines: Vec::new(),
    })
}

fn denied(entry: String) -> Refusal {
    Refusal {
        reply: Reply::new(550, "5.7.1", "This box takes no mail from you"),
        reason: format!("deny list: {entry}"),
    }
}

fn network(lists: &Lists, client: IpAddr) -> Option<String> {
    let found = lists.networks.iter().find(|network| network.holds(client));
    found.map(|network| format!("{network} holds {}", client.to_canonical()))
}

fn host(lists: &Lists, name: &str) -> Option<String> {
    matching(&lists.hosts, name).then(|| format!("host {name}"))
}

fn matching(patterns: &[DomainPattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

fn sender_entry(lists: &Lists, sender: &Address) -> Option<String> {
    let mut patterns = lists.senders.iter();
    let found = patterns.any(|pattern| pattern.matches(sender));
    found.then(|| format!("sender {sender}"))
}

/// A From domain against the entries that mean whole domains.
fn domain(lists: &Lists, author: &Domain) -> Option<String> {
    use crate::wire::access::SenderPattern::{Address, Domain};
    let mut patterns = lists.senders.iter();
    let found = patterns.any(|pattern| match pattern {
        Domain(pattern) => pattern.matches(author.as_str()),
        Address(_) => false,
    });
    found.then(|| format!("author domain {author}"))
}

fn listed_sender(lists: &Lists, asked: &Asked<'_>) -> bool {
    let mut patterns = lists.senders.iter();
    asked
        .sender
        .is_some_and(|sender| patterns.any(|pattern| pattern.matches(sender)))
}

async fn allow_entry<D: Dns>(
    dns: &D,
    rules: &Rules,
    asked: &Asked<'_>,
    iprev: &iprev::Checked,
) -> Option<String> {
    if let (Outcome::Pass, Some(name)) = (iprev.outcome, &iprev.name)
        && let Some(entry) = host(&rules.allow, name.as_str())
    {
        return Some(entry);
    }
    let entry = sender_entry(&rules.allow, asked.sender?)?;
    let spf = spf::check_mail_from(dns, asked).await;
    (spf.outcome == Outcome::Pass).then_some(entry)
}

fn deny_entry(lists: &Lists, asked: &Asked<'_>, iprev: &iprev::Checked) -> Option<String> {
    network(lists, asked.client)
        .or_else(|| host(lists, iprev.name.as_ref()?.as_str()))
        .or_else(|| host(lists, asked.helo))
        .or_else(|| sender_entry(lists, asked.sender?))
}

// ---- marks

type Found = Option<(Mark, String)>;

/// What the greeting gives away (RFC 5321 section 4.1.4 forbids to refuse for it alone unless somebody wants that).
async fn helo_mark<D: Dns>(dns: &D, facts: &Facts<'_>) -> Found {
    let (helo, client) = (facts.asked.helo, facts.asked.client.to_canonical());
    let found = |mark, why: &str| Some((mark, format!("{client} greets as {helo}: {why}")));
    let own_address = facts.own_address.map(|own| own.to_canonical());
    let from_here = client.is_loopback() || own_address == Some(client);
    let domain = Domain::parse(helo).ok();
    if let Some(literal) = domain.as_ref().and_then(Domain::literal) {
        let literal = literal.to_canonical();
        return match () {
            () if literal == client => None,
            () if own_address == Some(literal) => found(Mark::HeloOurs, "that is our address"),
            () => found(Mark::HeloWrongLiteral, "that is not its address"),
        };
    }
    if helo.parse::<IpAddr>().is_ok() {
        return found(Mark::HeloBareAddress, "an address without brackets");
    }
    let name = domain.as_ref().map_or(helo, Domain::as_str);
    if name.eq_ignore_ascii_case(facts.asked.hostname) && !from_here {
        return found(Mark::HeloOurs, "that is our name");
    }
    let name = match domain
        .as_ref()
        .and_then(|domain| Name::parse(domain.as_str()))
    {
        Some(name) if name.labels().nth(1).is_some() => name,
        _ => return found(Mark::HeloNoDot, "that is no full name"),
    };
    match reach(dns, &name).await {
        Reach::Address | Reach::Unknown => None,
        Reach::Nothing | Reach::NoName => found(Mark::HeloUnknown, "the name has no address"),
    }
}

fn ptr_mark(client: IpAddr, iprev: &iprev::Checked) -> Found {
    let client = client.to_canonical();
    match (iprev.outcome, &iprev.name) {
        (Outcome::PermError, _) => Some((Mark::PtrMissing, format!("{client} has no name"))),
        (Outcome::Fail, Some(name)) => Some((
            Mark::PtrUnconfirmed,
            format!("{client} claims the name {name}, which does not lead back"),
        )),
        (Outcome::Pass, Some(name)) if generic::is_generic(name, client) => Some((
            Mark::PtrGeneric,
            format!("{client} has the name {name}, one of many"),
        )),
        _ => None,
    }
}

/// Whether the sender's domain could be answered (RFC 5321 section 5.1, RFC 7505).
async fn sender_mark<D: Dns>(dns: &D, sender: Option<&Address>) -> Found {
    let domain = sender?.domain();
    let found = |mark, why: &str| Some((mark, format!("the sender's domain {domain} {why}")));
    let Some(name) = Name::parse(domain.as_str()).filter(|_| domain.literal().is_none()) else {
        return found(Mark::SenderLiteral, "is an address");
    };
    let answer = dns.ask(Question::new(name.clone(), Kind::Mx)).await;
    if answer.is_trouble() {
        return None;
    }
    match answer.records() {
        [] => {}
        [Record::Mx { exchange: None, .. }] => {
            return found(Mark::SenderNullMx, "takes no mail (null MX)");
        }
        _ => return None,
    }
    // Some servers deny a whole name when only the type is missing: both have to say so.
    let denied = answer.outcome == dns::Outcome::NoSuchName;
    match reach(dns, &name).await {
        Reach::Address => found(Mark::SenderWithoutMx, "has no mail exchanger"),
        Reach::NoName if denied => found(Mark::SenderDomainMissing, "does not exist"),
        Reach::Nothing | Reach::NoName => found(
            Mark::SenderWithoutAddress,
            "has neither mail exchanger nor address",
        ),
        Reach::Unknown => None,
    }
}

/// Whether a name has an address of either family.
enum Reach {
    /// At least one.
    Address,
    /// The name exists without.
    Nothing,
    /// It does not exist.
    NoName,
    /// The DNS could not say.
    Unknown,
}

async fn reach<D: Dns>(dns: &D, name: &Name) -> Reach {
    let mut troubled = false;
    for kind in [Kind::A, Kind::Aaaa] {
        let answer = dns.ask(Question::new(name.clone(), kind)).await;
        match answer.outcome {
            dns::Outcome::Records(_) => return Reach::Address,
            dns::Outcome::NoSuchName => return Reach::NoName,
            dns::Outcome::NoData => {}
            dns::Outcome::Trouble(_) => troubled = true,
        }
    }
    match troubled {
        true => Reach::Unknown,
        false => Reach::Nothing,
    }
}

/// The reply where a mark keeps out (RFC 7505 section 4.2, RFC 7372 section 3.3).
fn refusal(mark: Mark, why: &str) -> Refusal {
    let (status, text) = match mark {
        Mark::SenderDomainMissing => ("5.1.8", "The sender's domain does not exist"),
        Mark::SenderNullMx => (
            "5.7.27",
            "The sender's domain takes no mail itself (null MX)",
        ),
        Mark::SenderWithoutAddress => ("5.1.8", "The sender's domain has no mail server"),
        Mark::SenderWithoutMx => ("5.1.8", "The sender's domain has no MX"),
        Mark::SenderLiteral => ("5.1.8", "The sender's domain is an address"),
        Mark::HeloOurs => ("5.7.1", "You greet with our name"),
        Mark::HeloWrongLiteral => ("5.7.1", "You greet with an address that is not yours"),
        Mark::HeloBareAddress => ("5.7.1", "You greet with an address without brackets"),
        Mark::HeloNoDot => ("5.7.1", "You greet with something that is no full name"),
        Mark::HeloUnknown => ("5.7.1", "You greet with a name that has no address"),
        Mark::PtrMissing => ("5.7.25", "Your address has no name in the DNS"),
        Mark::PtrUnconfirmed => (
            "5.7.25",
            "The name of your address does not lead back to it",
        ),
        Mark::PtrGeneric => (
            "5.7.25",
            "Your address has a name like a household's; use your provider's server",
        ),
    };
    Refusal {
        reply: Reply::new(550, status, text),
        reason: format!("{}: {why}", mark.key()),
    }
}

/// Name of its score line and thousandths of a point. To be weighed against real mail with the spam engine.
fn score(mark: Mark) -> (&'static str, i32) {
    match mark {
        Mark::SenderDomainMissing => ("SENDER_DOMAIN_MISSING", 5_000),
        Mark::SenderNullMx => ("SENDER_NULL_MX", 4_000),
        Mark::SenderWithoutAddress => ("SENDER_WITHOUT_ADDRESS", 2_500),
        Mark::SenderWithoutMx => ("SENDER_WITHOUT_MX", 300),
        Mark::SenderLiteral => ("SENDER_LITERAL", 1_500),
        Mark::HeloOurs => ("HELO_OURS", 4_000),
        Mark::HeloWrongLiteral => ("HELO_WRONG_LITERAL", 2_000),
        Mark::HeloBareAddress => ("HELO_BARE_ADDRESS", 2_000),
        Mark::HeloNoDot => ("HELO_NO_DOT", 1_500),
        Mark::HeloUnknown => ("HELO_UNKNOWN", 1_000),
        Mark::PtrMissing => ("PTR_MISSING", 2_000),
        Mark::PtrUnconfirmed => ("PTR_UNCONFIRMED", 1_000),
        Mark::PtrGeneric => ("PTR_GENERIC", 1_500),
    }
}

#[cfg(test)]
mod tests;
