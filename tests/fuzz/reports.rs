//! Reports about mail: whatever a stranger attaches.

use super::chunked;
use pillarbox::limits::*;
use pillarbox::wire::address::Domain;
use pillarbox::wire::report::unpack::Unpacker;
use pillarbox::wire::report::{Fault, Reading, Report, feedback as failures};

/// Whatever an attachment is, it never becomes more than its bounds allow, and chunks make no difference to what comes
/// out of one that is whole.
pub fn unpack(data: &[u8]) {
    let (chunk_bytes, packed) = chunked(data);
    let unpack = |chunk_bytes: usize| {
        let mut out = Vec::new();
        let mut unpacker = Unpacker::default();
        let mut keep = |octets: &[u8]| {
            out.extend_from_slice(octets);
            Ok(())
        };
        let fed = packed
            .chunks(chunk_bytes)
            .try_for_each(|chunk| unpacker.feed(chunk, &mut keep));
        let result: Result<(), Fault> = fed.and_then(|()| unpacker.finish(&mut keep));
        let ratio = REPORT_RATIO_FREE_BYTES.max(packed.len() as u64 * REPORT_RATIO_MAX);
        assert!(out.len() as u64 <= ratio.min(REPORT_BYTES_MAX));
        result.map(|()| out)
    };
    let whole = unpack(usize::MAX);
    let cut = unpack(chunk_bytes);
    assert_eq!(whole.is_ok(), cut.is_ok());
    if whole.is_ok() {
        assert_eq!(whole, cut);
    }
}

fn read(octets: &[u8], chunk_bytes: usize) -> Result<Report, Fault> {
    let mut reading = Reading::of_file();
    octets
        .chunks(chunk_bytes)
        .try_for_each(|chunk| reading.feed(chunk))?;
    reading.finish()
}

/// What is kept of an aggregate report is within its bounds, and is there again when it is written and read.
pub fn aggregate(data: &[u8]) {
    let (chunk_bytes, octets) = chunked(data);
    let whole = read(octets, usize::MAX);
    let cut = read(octets, chunk_bytes);
    assert_eq!(whole.is_ok(), cut.is_ok());
    let Ok(Report::Aggregate(mut report)) = whole else {
        return;
    };
    assert!(
        report.rows.len() <= REPORT_ROWS_MAX && report.organization.len() <= REPORT_TEXT_BYTES_MAX
    );
    for row in &report.rows {
        assert!(row.bytes() <= REPORT_ROW_BYTES_MAX);
        assert!(row.signatures.len().max(row.reasons.len()) <= REPORT_ROW_RESULTS_MAX);
    }
    // Sums over rows that were left out do not come back.
    (report.passed, report.failed) = (0, 0);
    let rows = std::mem::take(&mut report.rows);
    rows.into_iter().for_each(|row| report.add(row));
    match read(&report.write(), usize::MAX) {
        Ok(Report::Aggregate(again)) => {
            assert_eq!(again.rows.len(), report.rows.len());
            assert_eq!((again.passed, again.failed), (report.passed, report.failed));
            assert_eq!(again.published.domain, report.published.domain);
            assert_eq!(again.organization, report.organization);
        }
        other => panic!("{other:?}"),
    }
}

/// Fields of a failure report: bounded texts, a domain that is one.
pub fn feedback(data: &[u8]) {
    let mut reader = failures::Reader::default();
    if reader.feed(data).is_err() {
        assert!(data.len() > REPORT_FEEDBACK_BYTES_MAX);
        return;
    }
    if let Ok(failure) = reader.finish() {
        assert!(Domain::parse(&failure.domain).is_ok());
        for text in [&failure.failed, &failure.delivery, &failure.results] {
            assert!(text.len() <= REPORT_TEXT_BYTES_MAX && !text.contains(char::is_control));
        }
    }
}

/// JSON of a TLS report: lists and texts within their bounds.
pub fn tls(data: &[u8]) {
    let (chunk_bytes, octets) = chunked(data);
    let whole = read(octets, usize::MAX);
    let cut = read(octets, chunk_bytes);
    assert_eq!(whole.is_ok(), cut.is_ok());
    if let Ok(Report::Tls(report)) = whole {
        assert!((1..=REPORT_TLS_POLICIES_MAX).contains(&report.policies.len()));
        let _ = (report.period(), report.sessions());
        for policy in &report.policies {
            assert!(policy.failures.len() <= REPORT_TLS_FAILURES_MAX);
            assert!(Domain::parse(&policy.policy.domain).is_ok());
            let mut texts = policy.failures.iter().map(|failed| &failed.result);
            assert!(texts.all(|text| text.len() <= REPORT_TEXT_BYTES_MAX));
        }
    }
}
