//! DNS as values: names, questions, answers (RFC 1035, 3596, 6698, 8767's words for what went wrong).
//!
//! The octets of messages are hickory's; what the rest of the program sees of the DNS is this.

use crate::limits::{DOMAIN_BYTES_MAX, DOMAIN_LABEL_BYTES_MAX};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A name that is asked: lower case, no dot at the end, 1 to 253 octets, labels of 1 to 63. Any printable ASCII stands
/// in a label (`_dmarc`, what an SPF macro makes), so it is wider than a mail [`Domain`](super::address::Domain).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Name(Box<str>);

impl Name {
    /// Takes a name as text, with or without the dot at its end; None where it is no name that can be asked.
    pub fn parse(text: &str) -> Option<Name> {
        let text = text.strip_suffix('.').unwrap_or(text);
        Name::of_labels(text, |octet| octet.is_ascii_graphic())
    }

    /// The same with spaces in labels too: an SPF macro can make such a name (RFC 7208 section 7.2), nothing else.
    pub fn parse_spaced(text: &str) -> Option<Name> {
        let text = text.strip_suffix('.').unwrap_or(text);
        Name::of_labels(text, |octet| octet.is_ascii_graphic() || octet == b' ')
    }

    fn of_labels(text: &str, stands: impl Fn(u8) -> bool) -> Option<Name> {
        let fits = |label: &str| {
            (1..=DOMAIN_LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(&stands)
        };
        let good = text.len() + 2 <= DOMAIN_BYTES_MAX && text.split('.').all(fits);
        good.then(|| Name(text.to_ascii_lowercase().into()))
    }

    /// The name under which the name of an address stands (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub fn reverse(address: IpAddr) -> Name {
        let text = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let nibbles = v6.octets().into_iter().rev();
                let text: String = nibbles
                    .flat_map(|octet| [octet & 15, octet >> 4])
                    .map(|nibble| format!("{nibble:x}."))
                    .collect();
                text + "ip6.arpa"
            }
        };
        Name(text.into())
    }

    /// Lower case, no dot at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the left.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether it is `ancestor` or stands below it.
    pub fn is_under(&self, ancestor: &Name) -> bool {
        self.0
            .strip_suffix(&*ancestor.0)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A type of record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// RFC 1035.
    A,
    /// RFC 3596.
    Aaaa,
    /// RFC 1035.
    Mx,
    /// RFC 1035.
    Txt,
    /// RFC 1035.
    Ptr,
    /// RFC 6698.
    Tlsa,
    /// RFC 1035.
    Cname,
    /// RFC 1035.
    Ns,
    /// RFC 1035.
    Soa,
}

/// What is asked, class IN.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// Of whom.
    pub name: Name,
    /// Which records.
    pub kind: Kind,
}

impl Question {
    /// Short for the two fields.
    pub fn new(name: Name, kind: Kind) -> Question {
        Question { name, kind }
    }
}

/// One record of the kind that was asked; aliases (CNAME) were followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail exchanger; None is the root, which says "no mail" (RFC 7505).
    Mx {
        /// Lower first.
        preference: u16,
        /// Whom to connect to.
        exchange: Option<Name>,
    },
    /// The strings of one record joined, as SPF and DKIM want them.
    Txt(Box<[u8]>),
    /// A name of an address.
    Ptr(Name),
    /// RFC 6698 section 2.1.
    Tlsa {
        /// Certificate usage.
        usage: u8,
        /// Selector.
        selector: u8,
        /// Matching type.
        matching: u8,
        /// Certificate association data.
        data: Box<[u8]>,
    },
    /// An alias, a name server: what is only shown.
    Name(Name),
    /// A start of authority and the like, as text: what is only shown.
    Text(Box<str>),
}

/// Whether an answer can be believed (RFC 4035 section 4.3). Bogus ones never get this far: they are [`Trouble`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// A chain of signatures reaches a trust anchor.
    Secure,
    /// It is proven that there is no such chain.
    Insecure,
    /// Not looked at: the clock is not sane, or validation is off for this name.
    Indeterminate,
}

/// Why there is no answer. All of them are temporary as far as a mail is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TroubleKind {
    /// Its signatures are wrong.
    Bogus,
    /// Nobody answered in time.
    Timeout,
    /// The servers of the name say that they cannot, or answer what makes no sense.
    ServerFailure,
    /// It would take more work than one question may cost.
    TooMuchWork,
    /// The root, or every configured server, cannot be reached: our trouble, not the name's.
    Unreachable,
    /// Too many questions wait already.
    Busy,
}

/// Why there is no answer, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// Which kind.
    pub kind: TroubleKind,
    /// For people, one line.
    pub why: Arc<str>,
}

/// What came of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// At least one record of the kind.
    Records(Arc<[Record]>),
    /// The name exists, without such records (NODATA).
    NoData,
    /// The name does not exist (NXDOMAIN, RFC 8020).
    NoSuchName,
    /// It is not known.
    Trouble(Trouble),
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it can be believed.
    pub security: Security,
    /// How long it may be kept, seconds.
    pub ttl_secs: u32,
}

impl Answer {
    /// An insecure answer with these records; without any, NODATA.
    pub fn insecure(records: Vec<Record>) -> Answer {
        let outcome = match records.is_empty() {
            true => Outcome::NoData,
            false => Outcome::Records(records.into()),
        };
        Answer {
            outcome,
            security: Security::Insecure,
            ttl_secs: 300,
        }
    }

    /// NXDOMAIN, insecure.
    pub fn no_such_name() -> Answer {
        Answer {
            outcome: Outcome::NoSuchName,
            security: Security::Insecure,
            ttl_secs: 300,
        }
    }

    /// No answer.
    pub fn trouble(kind: TroubleKind, why: &str) -> Answer {
        Answer {
            outcome: Outcome::Trouble(Trouble {
                kind,
                why: why.into(),
            }),
            security: Security::Indeterminate,
            ttl_secs: 0,
        }
    }

    /// The records; none where there are none or it is not known.
    pub fn records(&self) -> &[Record] {
        match &self.outcome {
            Outcome::Records(records) => records,
            _ => &[],
        }
    }

    /// Whether nothing is known.
    pub fn is_trouble(&self) -> bool {
        matches!(self.outcome, Outcome::Trouble(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_form() {
        let name = |text: &str| Name::parse(text).map(|name| name.to_string());
        assert_eq!(
            name("_DMARC.Example.org."),
            Some("_dmarc.example.org".into())
        );
        for bad in ["", ".", "a..b", "a b", "ü.de", ".a"] {
            assert_eq!(name(bad), None, "{bad}");
        }
        let spaced = Name::parse_spaced("A  b.de.").map(|name| name.to_string());
        assert_eq!(spaced, Some("a  b.de".into()));
        let label = |n: usize| "a".repeat(n);
        assert!(name(&label(63)).is_some());
        assert!(name(&label(64)).is_none());
        let long = |n: usize| [label(63), label(63), label(63), label(n)].join(".");
        assert!(name(&long(61)).is_some());
        assert!(name(&long(62)).is_none());
    }

    #[test]
    fn addresses_have_names() {
        let reverse = |text: &str| Name::reverse(text.parse().unwrap()).to_string();
        assert_eq!(reverse("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(reverse("::ffff:192.0.2.1"), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse("2001:db8::567:89ab"),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }

    #[test]
    fn what_stands_below_what() {
        let name = |text| Name::parse(text).unwrap();
        assert!(name("a.b.de").is_under(&name("b.de")));
        assert!(name("b.de").is_under(&name("b.de")));
        assert!(!name("ab.de").is_under(&name("b.de")));
    }
}
