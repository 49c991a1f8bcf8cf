//! Failure reports: `message/feedback-report` (RFC 5965, 6591, 9991), fields of a message that was not authentic.

use super::{Fault, short};
use crate::limits::{REPORT_FEEDBACK_BYTES_MAX, REPORT_TEXT_BYTES_MAX};
use crate::wire::address::Domain;
use crate::wire::mime::field::{fields, unfold};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One message that failed somewhere; empty texts where the report does not say.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Failure {
    /// Whose name was used, lower case.
    pub domain: String,
    /// Who sent it.
    pub source: Option<IpAddr>,
    /// How many such messages; 1 where it does not say.
    pub incidents: u64,
    /// What failed: `dmarc`, `dkim`, `spf`, `bodyhash`, `signature`, `revoked`, `adsp`.
    pub failed: String,
    /// What was aligned (RFC 9991): `none`, `dkim`, `spf`, `dkim, spf`.
    pub aligned: String,
    /// What was done with it: `delivered`, `spam`, `policy`, `reject`, `other`.
    pub delivery: String,
    /// Envelope sender.
    pub envelope_from: String,
    /// When it arrived there, as it was written.
    pub arrived: String,
    /// What made the report.
    pub agent: String,
    /// Authentication-Results of that host.
    pub results: String,
}

/// Gathers the octets of a part and reads them at its end.
#[derive(Default)]
pub struct Reader {
    octets: Vec<u8>,
}

impl Reader {
    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), Fault> {
        if self.octets.len() + octets.len() > REPORT_FEEDBACK_BYTES_MAX {
            return Err(Fault::TooLarge("its fields have more than 16 KiB"));
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// The end.
    pub fn finish(self) -> Result<Failure, Fault> {
        let mut failure = Failure {
            incidents: 1,
            ..Failure::default()
        };
        let mut kind = String::new();
        for field in fields(&self.octets) {
            let text = short(&unfold(field.value), REPORT_TEXT_BYTES_MAX);
            let slot = match field.name.to_ascii_lowercase().as_slice() {
                b"feedback-type" => &mut kind,
                b"reported-domain" => &mut failure.domain,
                b"auth-failure" => &mut failure.failed,
                b"identity-alignment" => &mut failure.aligned,
                b"delivery-result" => &mut failure.delivery,
                b"original-mail-from" => &mut failure.envelope_from,
                b"arrival-date" | b"received-date" => &mut failure.arrived,
                b"user-agent" => &mut failure.agent,
                b"authentication-results" => &mut failure.results,
                b"source-ip" => {
                    failure.source = address(&text);
                    continue;
                }
                b"incidents" => {
                    failure.incidents = text.parse().unwrap_or(1);
                    continue;
                }
                _ => continue,
            };
            if slot.is_empty() {
                *slot = text;
            }
        }
        if !kind.eq_ignore_ascii_case("auth-failure") {
            return Err(Fault::Other(
                "it is feedback about something else than authentication",
            ));
        }
        let domain = Domain::parse(&failure.domain)
            .map_err(|_| Fault::Damaged("its Reported-Domain is no domain".into()))?;
        failure.domain = domain.as_str().into();
        failure.failed.make_ascii_lowercase();
        failure.aligned.make_ascii_lowercase();
        failure.delivery.make_ascii_lowercase();
        Ok(failure)
    }
}

/// An address, as some write it with a name or brackets around it.
fn address(text: &str) -> Option<IpAddr> {
    text.split(|c: char| c.is_whitespace() || "[]()".contains(c))
        .find_map(|word| word.parse().ok())
}
