//! The tree walk (RFC 9989 section 4.10): whose record applies, and which domains are of one organization.

use super::Policy;
use crate::limits::DMARC_WALK_QUERIES_MAX;
use crate::policy::authentic::Dns;
use crate::wire::dmarc::{Alignment, PublicSuffix, Record};
use crate::wire::dns::{self, Kind, Name, Outcome, Question, Trouble};
use std::sync::Arc;

/// A record and where it stands.
#[derive(Debug)]
pub struct Published {
    /// Without `_dmarc.`
    pub domain: String,
    /// As it stands.
    pub text: String,
    /// What it says.
    pub record: Record,
}

impl Published {
    /// What it asks for mail of `author`, whose domain exists.
    pub fn existing(&self, author: &str) -> Policy {
        self.tested(match author == self.domain {
            true => self.record.own(),
            false => self.record.subdomain(),
        })
    }

    /// The same for a domain that does not exist.
    pub fn missing(&self, author: &str) -> Policy {
        self.tested(match author == self.domain {
            true => self.record.own(),
            false => self.record.missing_subdomain(),
        })
    }

    /// `t=y`: one level milder.
    fn tested(&self, policy: Policy) -> Policy {
        match self.record.testing {
            true => policy.milder(),
            false => policy,
        }
    }
}

/// What is known of one name.
type Known = Result<Option<Arc<Published>>, Trouble>;

/// A part of the tree, as far as one message needs it: no name is asked twice. It holds at most
/// `DMARC_WALK_QUERIES_MAX` names for each walk.
pub struct Tree<'d, D> {
    dns: &'d D,
    names: Vec<(String, Known)>,
    organizations: Vec<(String, Result<String, Trouble>)>,
}

impl<'d, D: Dns> Tree<'d, D> {
    /// Nothing is known yet.
    pub fn new(dns: &'d D) -> Tree<'d, D> {
        Tree {
            dns,
            names: Vec::new(),
            organizations: Vec::new(),
        }
    }

    /// The record that applies to an author (section 4.10.1): the domain's own, or its organizational domain's, or its
    /// public suffix's.
    pub async fn policy_record(&mut self, author: &str) -> Known {
        if let Some(own) = self.at(author).await? {
            return Ok(Some(own));
        }
        let walk = self.walk(author).await?;
        let organizational = organizational(&walk, author);
        let at = |domain: &str| walk.iter().find(|found| found.domain == domain).cloned();
        Ok(at(&organizational).or_else(|| walk.last().cloned()))
    }

    /// Whether two domains stand for each other (section 4.10.2). Nothing is asked where the names alone tell.
    pub async fn aligned(
        &mut self,
        author: &str,
        identifier: &str,
        mode: Alignment,
    ) -> Result<bool, Trouble> {
        if author == identifier {
            return Ok(true);
        }
        let top = |name: &str| name.rsplit('.').next().map(str::to_owned);
        if mode == Alignment::Strict || top(author) != top(identifier) {
            return Ok(false);
        }
        let organization = self.organizational(author).await?;
        Ok(is_under(identifier, &organization)
            && self.organizational(identifier).await? == organization)
    }

    /// The organizational domain, if it was needed before.
    pub fn known_organizational(&self, domain: &str) -> Option<Result<String, Trouble>> {
        let known = |(name, _): &&(String, _)| name == domain;
        self.organizations
            .iter()
            .find(known)
            .map(|(_, known)| known.clone())
    }

    /// Whether a name exists (sections 3.2.13 and A.4: anything but NXDOMAIN).
    pub async fn exists(&self, domain: &str) -> Result<bool, Trouble> {
        let Some(name) = Name::parse(domain) else {
            return Ok(false);
        };
        // The answer about an alias is that of its target; the alias itself is there all the same.
        for kind in [Kind::A, Kind::Cname] {
            match self
                .dns
                .ask(Question::new(name.clone(), kind))
                .await
                .outcome
            {
                Outcome::NoSuchName => {}
                Outcome::Trouble(trouble) => return Err(trouble),
                Outcome::Records(_) | Outcome::NoData => return Ok(true),
            }
        }
        Ok(false)
    }

    async fn organizational(&mut self, domain: &str) -> Result<String, Trouble> {
        if let Some(known) = self.known_organizational(domain) {
            return known;
        }
        let found = self
            .walk(domain)
            .await
            .map(|walk| organizational(&walk, domain));
        self.organizations.push((domain.into(), found.clone()));
        found
    }

    /// Every record from `start` upwards, longest name first.
    async fn walk(&mut self, start: &str) -> Result<Vec<Arc<Published>>, Trouble> {
        let mut found = Vec::new();
        for name in names_of_walk(start) {
            if let Some(published) = self.at(name).await? {
                let stop = published.record.psd != PublicSuffix::Unknown;
                found.push(published);
                if stop {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The one record of a domain. Several are none.
    async fn at(&mut self, domain: &str) -> Known {
        if let Some((_, known)) = self.names.iter().find(|(name, _)| name == domain) {
            return known.clone();
        }
        let known = match Name::parse(&format!("_dmarc.{domain}")) {
            // A name that is too long to be asked has no record.
            None => Ok(None),
            Some(name) => {
                let answer = self.dns.ask(Question::new(name, Kind::Txt)).await;
                only_record(domain, &answer)
            }
        };
        self.names.push((domain.into(), known.clone()));
        known
    }
}

fn only_record(domain: &str, answer: &dns::Answer) -> Known {
    if let Outcome::Trouble(trouble) = &answer.outcome {
        return Err(trouble.clone());
    }
    let mut records = answer.records().iter().filter_map(|record| match record {
        dns::Record::Txt(text) => Record::parse(text).map(|record| (text, record)),
        _ => None,
    });
    match (records.next(), records.next()) {
        (Some((text, record)), None) => Ok(Some(Arc::new(Published {
            domain: domain.into(),
            text: String::from_utf8_lossy(text).into_owned(),
            record,
        }))),
        _ => Ok(None),
    }
}

/// The names of a walk: at most `DMARC_WALK_QUERIES_MAX`, the domain itself and what is left of it without labels
/// from the left, the first time so many that there are fewer than eight.
fn names_of_walk(start: &str) -> impl Iterator<Item = &str> {
    let labels = start.split('.').count();
    let longest_parent = labels.saturating_sub(1).min(DMARC_WALK_QUERIES_MAX - 1);
    let parents = (1..=longest_parent).rev();
    std::iter::once(start).chain(parents.map(move |left| last_labels(start, left)))
}

/// The last `count` labels.
fn last_labels(name: &str, count: usize) -> &str {
    match name.rmatch_indices('.').nth(count.saturating_sub(1)) {
        Some((dot, _)) => name.get(dot + 1..).unwrap_or(name),
        None => name,
    }
}

/// Section 4.10.2, of the records of one walk.
fn organizational(walk: &[Arc<Published>], start: &str) -> String {
    for found in walk {
        match found.record.psd {
            PublicSuffix::No => return found.domain.clone(),
            PublicSuffix::Yes if found.domain != start => {
                let labels = found.domain.split('.').count();
                return last_labels(start, labels + 1).into();
            }
            PublicSuffix::Yes | PublicSuffix::Unknown => {}
        }
    }
    walk.last().map_or(start, |found| &found.domain).into()
}

/// Whether `name` is `ancestor` or stands below it.
pub fn is_under(name: &str, ancestor: &str) -> bool {
    name.strip_suffix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_names_at_most() {
        let walk = |start| names_of_walk(start).collect::<Vec<_>>();
        assert_eq!(walk("com"), ["com"]);
        assert_eq!(walk("a.b.com"), ["a.b.com", "b.com", "com"]);
        assert_eq!(
            walk("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
            [
                "a.b.c.d.e.f.g.h.i.j.mail.example.com",
                "g.h.i.j.mail.example.com",
                "h.i.j.mail.example.com",
                "i.j.mail.example.com",
                "j.mail.example.com",
                "mail.example.com",
                "example.com",
                "com"
            ]
        );
        for labels in 1..30 {
            let name = vec!["a"; labels].join(".");
            let names = names_of_walk(&name).count();
            assert_eq!(names, labels.min(DMARC_WALK_QUERIES_MAX), "{labels}");
        }
        assert_eq!(walk("1.2.3.4.5.6.7.8")[1], "2.3.4.5.6.7.8");
        assert_eq!(walk("1.2.3.4.5.6.7.8.9")[1], "3.4.5.6.7.8.9");
    }

    #[test]
    fn what_stands_below_what() {
        assert!(is_under("a.b", "b") && is_under("b", "b"));
        assert!(!is_under("ab", "b") && !is_under("b", "a.b"));
    }
}
