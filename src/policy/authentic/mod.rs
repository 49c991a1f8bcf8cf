//! Whom to believe: iprev, SPF, DKIM, ARC and DMARC on mail from strangers, and what follows from them.
//!
//! Two steps, because a message is streamed: [`at_header`] asks the DNS and checks all that the header block can say
//! (signatures over header fields included) and tells which hashes of the body are wanted; the body passes through
//! them; [`AtHeader::finish`] compares and asks DMARC. What it found is [`Verdicts`]; [`verdict::judge`] decides and
//! [`fields`] writes it down. DNS comes through [`Dns`], so that every verdict can be had with canned answers.

pub mod arc;
pub mod canned;
pub mod dkim;
pub mod dmarc;
pub mod fields;
pub mod iprev;
mod keys;
#[cfg(test)]
#[path = "tests/signing.rs"]
mod signing;
pub mod spf;
mod together;
pub mod verdict;

use crate::wire::address::{Address, Domain};
use crate::wire::dkim::body::Body;
use crate::wire::dns::{Answer, Question};
use std::net::IpAddr;
use together::both;

/// Where answers of the DNS come from.
pub trait Dns {
    /// Asks. Never fails: what is not known is an answer too.
    fn ask(&self, question: Question) -> impl Future<Output = Answer>;
}

/// A message on its way in, as far as the dialogue tells.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client: behind a trusted relay, the relay's client.
    pub client: IpAddr,
    /// What it called itself in EHLO or HELO.
    pub helo: &'a str,
    /// Reverse-path; None is the null path.
    pub sender: Option<&'a Address>,
    /// Our name, for macros and fields.
    pub hostname: &'a str,
    /// Seconds since 1970; None while the clock is not sane, and then ages of signatures are not judged.
    pub now_seconds: Option<i64>,
}

/// What a check came to; the words of RFC 8601 section 2.7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// There is nothing to check.
    None,
    /// It is so.
    Pass,
    /// It is not so.
    Fail,
    /// SPF: probably not so.
    SoftFail,
    /// Its owner says nothing; a signature that cannot be used.
    Neutral,
    /// A rule of ours keeps it from counting (a short key, `l=`).
    Policy,
    /// The DNS could not say.
    TempError,
    /// What was published or signed is broken.
    PermError,
}

impl Outcome {
    /// As it stands in Authentication-Results.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::None => "none",
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::SoftFail => "softfail",
            Outcome::Neutral => "neutral",
            Outcome::Policy => "policy",
            Outcome::TempError => "temperror",
            Outcome::PermError => "permerror",
        }
    }
}

/// Everything that was found out about a message.
#[derive(Clone, Debug)]
pub struct Verdicts {
    /// The client's name.
    pub iprev: iprev::Checked,
    /// SPF of the greeting (RFC 7208 section 2.3).
    pub spf_helo: spf::Checked,
    /// SPF of the reverse-path; of the null path, of `postmaster@` the greeting.
    pub spf_mail_from: spf::Checked,
    /// Signatures that were tried, in the order of the header.
    pub dkim: Vec<dkim::Checked>,
    /// DKIM-Signature fields altogether, tried or not.
    pub dkim_fields: usize,
    /// The chain of ARC.
    pub arc: arc::Checked,
    /// DMARC.
    pub dmarc: dmarc::Checked,
    /// The domain of From, where there is exactly one.
    pub author: Option<Domain>,
    /// What else the header shows that decides how a verdict is used.
    pub traits: Traits,
}

/// What the header shows besides.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traits {
    /// A List-* field.
    pub list: bool,
    /// A Received line that tells of another host than the client.
    pub relayed: bool,
    /// From fields.
    pub from_fields: usize,
    /// Domains that From names, counted up to one more than are asked for.
    pub from_domains: usize,
    /// A From field names nobody, or somebody about whom readers would not agree.
    pub from_malformed: bool,
}

/// A message whose header block was checked and whose body is passing by.
#[derive(Debug)]
pub struct AtHeader {
    iprev: iprev::Checked,
    spf_helo: spf::Checked,
    spf_mail_from: spf::Checked,
    dkim: dkim::AtHeader,
    arc: arc::AtHeader,
    body: Body,
    authors: dmarc::Authors,
    traits: Traits,
}

/// Asks and checks all that `header` (the block with its empty line) can say. The client's name, SPF and signatures
/// wait for the DNS side by side: a client without a name server for its addresses costs no signature its time.
pub async fn at_header<D: Dns>(dns: &D, asked: &Asked<'_>, header: &[u8]) -> AtHeader {
    let (authors, traits) = dmarc::authors(header, asked);
    let client = both(iprev::check(dns, asked.client), spf::check_both(dns, asked));
    // On the heap: the three of them together are too much for the task of a connection.
    let all = Box::pin(both(client, signatures(dns, asked.now_seconds, header)));
    let ((iprev, (spf_helo, spf_mail_from)), (dkim, arc, body)) = all.await;
    AtHeader {
        iprev,
        spf_helo,
        spf_mail_from,
        dkim,
        arc,
        body,
        authors,
        traits,
    }
}

/// DKIM, then ARC.
async fn signatures<D: Dns>(
    dns: &D,
    now_seconds: Option<i64>,
    header: &[u8],
) -> (dkim::AtHeader, arc::AtHeader, Body) {
    let mut body = Body::default();
    let dkim = dkim::at_header(dns, header, now_seconds, &mut body).await;
    let arc = arc::at_header(dns, header, now_seconds, &mut body).await;
    (dkim, arc, body)
}

impl AtHeader {
    /// Takes the next octets of the body.
    pub fn body(&mut self, octets: &[u8]) {
        self.body.update(octets);
    }

    /// The end of the body: compares, and asks DMARC.
    pub async fn finish<D: Dns>(self, dns: &D) -> Verdicts {
        let dkim_fields = self.dkim.fields();
        let hashes = self.body.finish();
        let dkim = self.dkim.finish(&hashes);
        let dmarc = dmarc::check(dns, &self.authors, &self.spf_mail_from, &dkim).await;
        Verdicts {
            iprev: self.iprev,
            spf_helo: self.spf_helo,
            spf_mail_from: self.spf_mail_from,
            dkim_fields,
            dkim,
            arc: self.arc.finish(&hashes),
            dmarc,
            author: self.authors.only,
            traits: self.traits,
        }
    }
}
