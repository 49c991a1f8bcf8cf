//! To XML (RFC 9990 appendix A), element by element into a gzip stream, so that only packed octets are held.

use super::{Aggregate, Published, Reason, Row, Sender, Signature};
use crate::wire::report::xml::escape;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// The namespace of RFC 9990 section 7.1.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:dmarc-2.0";
/// Who made the report, for whoever finds a mistake in it.
const GENERATOR: &str = concat!("Pillarbox ", env!("CARGO_PKG_VERSION"));

impl Aggregate {
    /// The report as XML, packed by gzip (RFC 1952; no name and no time in its header, so that equal reports are
    /// equal octets).
    pub fn write(&self) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let _ = self.write_xml(&mut packed);
        packed.finish().unwrap_or_default()
    }

    /// The report as XML.
    pub fn write_xml(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(out, "<feedback xmlns=\"{NAMESPACE}\">")?;
        writeln!(out, "  <version>1.0</version>")?;
        writeln!(out, "  <report_metadata>")?;
        member(out, 4, "org_name", &self.organization)?;
        member(out, 4, "email", &self.contact)?;
        optional(out, 4, "extra_contact_info", &self.more_contact)?;
        member(out, 4, "report_id", &self.report_id)?;
        writeln!(
            out,
            "    <date_range>\n      <begin>{}</begin>\n      <end>{}</end>\n    </date_range>",
            self.begin, self.end
        )?;
        optional(out, 4, "error", &self.error)?;
        member(out, 4, "generator", GENERATOR)?;
        writeln!(out, "  </report_metadata>")?;
        published(out, &self.published)?;
        for row in &self.rows {
            record(out, row)?;
        }
        writeln!(out, "</feedback>")
    }
}

fn published(out: &mut impl Write, published: &Published) -> io::Result<()> {
    writeln!(out, "  <policy_published>")?;
    member(out, 4, "domain", &published.domain)?;
    optional(out, 4, "discovery_method", &published.discovery)?;
    member(out, 4, "p", &published.p)?;
    for (name, text) in [
        ("sp", &published.sp),
        ("np", &published.np),
        ("adkim", &published.adkim),
        ("aspf", &published.aspf),
        ("fo", &published.fo),
        ("testing", &published.testing),
    ] {
        optional(out, 4, name, text)?;
    }
    writeln!(out, "  </policy_published>")
}

fn record(out: &mut impl Write, row: &Row) -> io::Result<()> {
    writeln!(out, "  <record>\n    <row>")?;
    member(out, 6, "source_ip", &row.source.to_string())?;
    member(out, 6, "count", &row.count.to_string())?;
    writeln!(out, "      <policy_evaluated>")?;
    member(out, 8, "disposition", row.disposition.as_str())?;
    member(out, 8, "dkim", aligned(row.dkim))?;
    member(out, 8, "spf", aligned(row.spf))?;
    for Reason { kind, comment } in &row.reasons {
        writeln!(out, "        <reason>")?;
        member(out, 10, "type", kind)?;
        optional(out, 10, "comment", comment)?;
        writeln!(out, "        </reason>")?;
    }
    writeln!(
        out,
        "      </policy_evaluated>\n    </row>\n    <identifiers>"
    )?;
    member(out, 6, "header_from", &row.header_from)?;
    if let Some(from) = &row.envelope_from {
        member(out, 6, "envelope_from", from)?;
    }
    writeln!(out, "    </identifiers>\n    <auth_results>")?;
    row.signatures
        .iter()
        .try_for_each(|signature| dkim(out, signature))?;
    if let Some(sender) = &row.sender {
        spf(out, sender)?;
    }
    writeln!(out, "    </auth_results>\n  </record>")
}

fn dkim(out: &mut impl Write, signature: &Signature) -> io::Result<()> {
    writeln!(out, "      <dkim>")?;
    member(out, 8, "domain", &signature.domain)?;
    member(out, 8, "selector", &signature.selector)?;
    member(out, 8, "result", &signature.result)?;
    optional(out, 8, "human_result", &signature.comment)?;
    writeln!(out, "      </dkim>")
}

fn spf(out: &mut impl Write, sender: &Sender) -> io::Result<()> {
    writeln!(out, "      <spf>")?;
    member(out, 8, "domain", &sender.domain)?;
    optional(out, 8, "scope", &sender.scope)?;
    member(out, 8, "result", &sender.result)?;
    optional(out, 8, "human_result", &sender.comment)?;
    writeln!(out, "      </spf>")
}

fn aligned(passed: bool) -> &'static str {
    if passed { "pass" } else { "fail" }
}

fn member(out: &mut impl Write, indent: usize, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{:indent$}<{name}>{}</{name}>", "", escape(text))
}

fn optional(out: &mut impl Write, indent: usize, name: &str, text: &str) -> io::Result<()> {
    match text {
        "" => Ok(()),
        text => member(out, indent, name, text),
    }
}
