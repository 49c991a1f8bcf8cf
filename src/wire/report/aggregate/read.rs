//! From XML. Elements are known by their parent and name, so that the order in which they stand does not matter and
//! extensions are passed over.

use super::{Aggregate, Disposition, Reason, Row, Sender, Signature};
use crate::limits::{REPORT_COMMENT_BYTES_MAX, REPORT_ROW_BYTES_MAX, REPORT_ROW_RESULTS_MAX};
use crate::wire::address::Domain;
use crate::wire::report::xml::{Cutter, Elements, Path};
use crate::wire::report::{Fault, short};
use std::net::{IpAddr, Ipv4Addr};

/// Reads one report from XML in chunks.
#[derive(Default)]
pub struct Reader {
    cutter: Cutter,
    gathered: Gathered,
}

impl Reader {
    /// Takes the next octets.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), Fault> {
        self.cutter.feed(octets, &mut self.gathered)
    }

    /// The end: the report, if it was one.
    pub fn finish(self) -> Result<Aggregate, Fault> {
        self.cutter.finish()?;
        let report = self.gathered.report;
        if Domain::parse(&report.published.domain).is_err() {
            return Err(Fault::Damaged(format!(
                "the domain that it is about, {:?}, is none",
                report.published.domain
            )));
        }
        if report.end < report.begin {
            return Err(Fault::Damaged("it ends before it begins".into()));
        }
        Ok(report)
    }
}

/// What the elements so far say.
struct Gathered {
    report: Aggregate,
    /// The record that is open.
    row: Row,
    reason: Reason,
    signature: Signature,
    sender: Sender,
}

impl Default for Gathered {
    fn default() -> Gathered {
        Gathered {
            report: Aggregate::default(),
            row: empty_row(),
            reason: Reason::default(),
            signature: Signature::default(),
            sender: Sender::default(),
        }
    }
}

fn empty_row() -> Row {
    Row {
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        count: 0,
        disposition: Disposition::None,
        dkim: false,
        spf: false,
        reasons: Vec::new(),
        header_from: String::new(),
        envelope_from: None,
        signatures: Vec::new(),
        sender: None,
    }
}

impl Elements for Gathered {
    fn open(&mut self, path: &Path) -> Result<(), Fault> {
        match (path.depth(), path.up(0)) {
            (1, name) if !name.eq_ignore_ascii_case("feedback") => {
                Err(Fault::Other("its XML is not a DMARC report"))
            }
            (2, "record") => {
                self.row = empty_row();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, path: &Path, text: &str) -> Result<(), Fault> {
        match (path.depth(), path.up(0)) {
            (2, "record") => self.record(),
            _ => self.about(path, text),
        }
    }
}

impl Gathered {
    /// Members of the report as a whole; the others are a record's.
    fn about(&mut self, path: &Path, text: &str) -> Result<(), Fault> {
        let report = &mut self.report;
        let published = &mut report.published;
        let slot = match (path.up(1), path.up(0)) {
            ("report_metadata", "org_name") => &mut report.organization,
            ("report_metadata", "email") => &mut report.contact,
            ("report_metadata", "extra_contact_info") => &mut report.more_contact,
            ("report_metadata", "report_id") => &mut report.report_id,
            ("report_metadata", "error") => &mut report.error,
            ("date_range", "begin") => {
                report.begin = seconds(text)?;
                return Ok(());
            }
            ("date_range", "end") => {
                report.end = seconds(text)?;
                return Ok(());
            }
            ("policy_published", name) => match name {
                "domain" => {
                    published.domain = text.to_ascii_lowercase();
                    return Ok(());
                }
                "p" => &mut published.p,
                "sp" => &mut published.sp,
                "np" => &mut published.np,
                "adkim" => &mut published.adkim,
                "aspf" => &mut published.aspf,
                "fo" => &mut published.fo,
                "testing" => &mut published.testing,
                "discovery_method" => &mut published.discovery,
                _ => return Ok(()),
            },
            _ => return self.of_record(path, text),
        };
        *slot = text.into();
        Ok(())
    }

    fn of_record(&mut self, path: &Path, text: &str) -> Result<(), Fault> {
        let row = &mut self.row;
        match (path.up(1), path.up(0)) {
            ("row", "source_ip") => row.source = source(text)?,
            ("row", "count") => row.count = count(text)?,
            ("policy_evaluated", "disposition") => row.disposition = disposition(text),
            ("policy_evaluated", "dkim") => row.dkim = text.eq_ignore_ascii_case("pass"),
            ("policy_evaluated", "spf") => row.spf = text.eq_ignore_ascii_case("pass"),
            ("policy_evaluated", "reason") => {
                push(&mut row.reasons, std::mem::take(&mut self.reason))
            }
            ("reason", "type") => self.reason.kind = word(text),
            ("reason", "comment") => self.reason.comment = word(text),
            ("identifiers", "header_from") => row.header_from = text.to_ascii_lowercase(),
            ("identifiers", "envelope_from") => row.envelope_from = Some(text.to_ascii_lowercase()),
            ("auth_results", "dkim") => {
                push(&mut row.signatures, std::mem::take(&mut self.signature))
            }
            // Several stand in old reports: what counts in DMARC goes before what does not.
            ("auth_results", "spf") => {
                let sender = std::mem::take(&mut self.sender);
                if row.sender.is_none() || sender.scope == "mfrom" {
                    row.sender = Some(sender);
                }
            }
            ("dkim", "domain") => self.signature.domain = text.to_ascii_lowercase(),
            ("dkim", "selector") => self.signature.selector = word(text),
            ("dkim", "result") => self.signature.result = word(text).to_ascii_lowercase(),
            ("dkim", "human_result") => self.signature.comment = word(text),
            ("spf", "domain") => self.sender.domain = text.to_ascii_lowercase(),
            ("spf", "scope") => self.sender.scope = word(text).to_ascii_lowercase(),
            ("spf", "result") => self.sender.result = word(text).to_ascii_lowercase(),
            ("spf", "human_result") => self.sender.comment = word(text),
            _ => {}
        }
        Ok(())
    }

    fn record(&mut self) -> Result<(), Fault> {
        let mut row = std::mem::replace(&mut self.row, empty_row());
        if row.source.is_unspecified() {
            return Err(Fault::Damaged("a record says no source_ip".into()));
        }
        // Some write an empty element where there is nothing to say.
        row.reasons.retain(|reason| *reason != Reason::default());
        row.signatures
            .retain(|signature| *signature != Signature::default());
        // The domains alone have less than this bound.
        while row.bytes() > REPORT_ROW_BYTES_MAX
            && (row.signatures.pop().is_some() || row.reasons.pop().is_some())
        {}
        self.report.add(row);
        Ok(())
    }
}

/// A comment, a selector, a result: shorter than a domain may be.
fn word(text: &str) -> String {
    short(text.as_bytes(), REPORT_COMMENT_BYTES_MAX)
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < REPORT_ROW_RESULTS_MAX {
        list.push(item);
    }
}

/// IPv4 in IPv6 is IPv4.
fn source(text: &str) -> Result<IpAddr, Fault> {
    let address: Result<IpAddr, _> = text.parse();
    address
        .map(|address| address.to_canonical())
        .map_err(|_| Fault::Damaged(format!("source_ip {text:?} is no address")))
}

fn count(text: &str) -> Result<u64, Fault> {
    text.parse()
        .map_err(|_| Fault::Damaged(format!("count {text:?} is no number")))
}

/// Some write seconds with decimals.
fn seconds(text: &str) -> Result<u64, Fault> {
    let whole = text.split('.').next().unwrap_or_default();
    whole
        .parse()
        .ok()
        .filter(|&seconds| seconds < 1 << 40)
        .ok_or_else(|| Fault::Damaged(format!("{text:?} is no time in seconds since 1970")))
}

fn disposition(text: &str) -> Disposition {
    match () {
        _ if text.eq_ignore_ascii_case("reject") => Disposition::Reject,
        _ if text.eq_ignore_ascii_case("quarantine") => Disposition::Quarantine,
        _ if text.eq_ignore_ascii_case("pass") => Disposition::Pass,
        _ => Disposition::None,
    }
}
