//! The section `[reports]`: reports about mail, ours and those of others.

use super::read::{Reader, Section, Value};
use crate::limits::{REPORT_ADDRESSES_MAX, REPORTS_PER_DAY_MAX};
use crate::wire::address::Address;

/// `[reports]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reports {
    /// Reports are sent at all.
    pub send: bool,
    /// Of these at most so many a day.
    pub per_day_max: usize,
    /// What we are called in them; None: the hostname.
    pub organization: Option<String>,
    /// Whom to ask about them; None: postmaster of the sender's domain.
    pub contact: Option<Address>,
    /// Who sends them; None: noreply-dmarc of a domain of the box.
    pub from: Option<Address>,
    /// Reports of others are read when they come to one of these; empty: to anybody of the box.
    pub addresses: Vec<Address>,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports {
            send: true,
            per_day_max: REPORTS_PER_DAY_MAX,
            organization: None,
            contact: None,
            from: None,
            addresses: Vec::new(),
        }
    }
}

impl<'t> Reader<'t> {
    pub(super) fn reports(&mut self, top: &mut Section<'t>) -> Reports {
        let mut section = self.section(top, "reports");
        let mut reports = Reports::default();
        if let Some(value) = section.take("send") {
            match value.get_ref().as_bool() {
                Some(send) => reports.send = send,
                None => self.mistake(Some(value.span()), "`send` is true or false".into()),
            }
        }
        if let Some(value) = section.take("per_day_max")
            && let Some(most) = self.number(value, "per_day_max", 1..=1_000)
        {
            reports.per_day_max = most as usize;
        }
        reports.organization = section
            .take("organization")
            .and_then(|value| self.string(value, "organization"))
            .filter(|text| !text.trim().is_empty());
        let address = |reader: &mut Self, section: &mut Section<'t>, key| {
            let value = section.take(key)?;
            let text = reader.string(value, key).filter(|text| !text.is_empty())?;
            reader.one_address(value, &text, key)
        };
        reports.contact = address(self, &mut section, "contact");
        reports.from = address(self, &mut section, "from");
        if let Some(value) = section.take("addresses") {
            reports.addresses = self.some_addresses(value);
        }
        self.leftovers(&section);
        reports
    }

    fn some_addresses(&mut self, value: Value<'t>) -> Vec<Address> {
        let list = value.get_ref().as_array();
        match list.filter(|list| list.len() <= REPORT_ADDRESSES_MAX) {
            Some(list) => {
                let items = list.iter().filter_map(|item| {
                    let text = self.string(item, "addresses")?;
                    self.one_address(item, &text, "addresses")
                });
                items.collect()
            }
            None => {
                self.mistake(
                    Some(value.span()),
                    format!("`addresses` in [reports] is a list of at most {REPORT_ADDRESSES_MAX} addresses like [\"dmarc@example.org\"]"),
                );
                Vec::new()
            }
        }
    }

    fn one_address(&mut self, value: Value<'t>, text: &str, key: &str) -> Option<Address> {
        Address::parse(text)
            .map_err(|error| {
                self.mistake(
                    Some(value.span()),
                    format!(
                        "`{key}` in [reports]: {}; write an address, like dmarc@example.org",
                        error.0
                    ),
                );
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Mistake};
    use super::*;
    use std::path::Path;

    fn parse(reports: &str) -> Result<Reports, Vec<Mistake>> {
        let text = format!("hostname = \"mail.example.org\"\n[reports]\n{reports}");
        Config::parse(&text, Path::new("")).map(|config| config.reports)
    }

    #[test]
    fn every_key() {
        let reports = parse("send = false\nper_day_max = 7\norganization = \"Us\"\ncontact = \"a@b.test\"\nfrom = \"c@d.test\"\naddresses = [\"e@f.test\"]").unwrap();
        assert_eq!((reports.send, reports.per_day_max), (false, 7));
        assert_eq!(reports.from, Address::parse("c@d.test").ok());
        assert_eq!(reports.addresses.len(), 1);
        assert_eq!(parse("").unwrap(), Reports::default());
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, says) in [
            ("send = 1", "true or false"),
            ("per_day_max = 0", "from 1 to 1000"),
            ("contact = \"nobody\"", "write an address"),
            ("addresses = \"a@b.test\"", "is a list of at most"),
            ("adresses = []", "did you mean `addresses`?"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found[0].text.contains(says), "{}", found[0].text);
        }
    }
}
