//! The mail around a report of ours (RFC 9990 section 3.5.2): Subject and file name as the RFC wants them, a text for
//! people, the report as an attachment.

use crate::wire::address::{Address, Domain};
use crate::wire::base64;
use crate::wire::header::{Charset, FieldWriter, write_date};

/// What the mail is made of.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// From, and the envelope's sender: in a domain of the box, so that DMARC passes.
    pub from: &'a Address,
    /// Who gets it.
    pub to: &'a [Address],
    /// The domain that the report is about.
    pub about: &'a str,
    /// Who reports: a domain.
    pub submitter: &'a Domain,
    /// Its id, without angle brackets.
    pub report_id: &'a str,
    /// The period, seconds since 1970.
    pub begin: u64,
    /// Its last second.
    pub end: u64,
    /// Now, seconds since 1970.
    pub now_seconds: i64,
    /// For people, lines of ASCII with LF.
    pub text: &'a str,
    /// The report, packed.
    pub packed: &'a [u8],
}

/// Octets of a line of base64 (RFC 2045 section 6.8 allows 76 characters).
const LINE_OCTETS: usize = 57;

impl Letter<'_> {
    /// The message.
    pub fn write(&self) -> Vec<u8> {
        // No line of base64 or of ours looks like it, and it is the same again for the same report.
        let boundary = format!("=_report_{}_{}", self.begin, self.end);
        let mut out = Vec::with_capacity(2_048 + self.packed.len() / 54 * 78);
        self.header(&mut out, &boundary);
        let mut line = |text: &str| {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        line("");
        line(&format!("--{boundary}"));
        line("Content-Type: text/plain; charset=us-ascii");
        line("");
        self.text.lines().for_each(&mut line);
        line("");
        line(&format!("--{boundary}"));
        line("Content-Type: application/gzip");
        line("Content-Transfer-Encoding: base64");
        line("Content-Disposition: attachment;");
        line(&format!(" filename=\"{}\"", self.file_name()));
        line("");
        for octets in self.packed.chunks(LINE_OCTETS) {
            let mut text = Vec::with_capacity(76);
            base64::encode(octets, &mut text);
            line(&String::from_utf8_lossy(&text));
        }
        line(&format!("--{boundary}--"));
        out
    }

    /// `receiver!policy-domain!begin!end.xml.gz`
    pub fn file_name(&self) -> String {
        format!(
            "{}!{}!{}!{}.xml.gz",
            self.submitter.as_str(),
            self.about,
            self.begin,
            self.end
        )
    }

    fn header(&self, out: &mut Vec<u8>, boundary: &str) {
        field(out, "Date").word(&write_date(self.now_seconds)).end();
        let mut from = field(out, "From").word("DMARC").word("reports");
        from = from.word(&format!("<{}>", self.from));
        from.end();
        let mut to = field(out, "To");
        for (n, address) in self.to.iter().enumerate() {
            let comma = if n + 1 < self.to.len() { "," } else { "" };
            to = to.word(&format!("{address}{comma}"));
        }
        to.end();
        field(out, "Message-ID")
            .word(&format!("<{}>", self.report_id))
            .end();
        field(out, "Subject")
            .word("Report")
            .word("Domain:")
            .word(self.about)
            .word("Submitter:")
            .word(self.submitter.as_str())
            .word("Report-ID:")
            .word(&format!("<{}>", self.report_id))
            .end();
        // RFC 3834 section 5: nobody answers it by itself.
        field(out, "Auto-Submitted").word("auto-generated").end();
        field(out, "MIME-Version").word("1.0").end();
        field(out, "Content-Type")
            .word("multipart/mixed;")
            .word(&format!("boundary=\"{boundary}\""))
            .end();
    }
}

fn field<'a>(out: &'a mut Vec<u8>, name: &'static str) -> FieldWriter<'a> {
    FieldWriter::new(out, name, Charset::Ascii)
}
