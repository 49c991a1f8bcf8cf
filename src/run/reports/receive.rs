//! A mail that may be a report of others, read after its delivery.

use super::super::server::Server;
use super::clock;
use crate::limits::{REPORT_KEPT_BYTES_MAX, REPORT_SLICE_BYTES};
use crate::policy::report::compose::DAY_SECS;
use crate::policy::report::received::{self, Origin};
use crate::store::index::content_id;
use crate::store::learned::received::{Kept, Received};
use crate::store::reader::ContentReader;
use crate::store::row::ContentId;
use crate::store::{EmailId, StoreError};
use crate::wire::report::{Attached, Fault, Reading, Report};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::Arc;

/// A delivered mail with a part that may be a report.
pub struct Arrival {
    /// The mail.
    pub email: EmailId,
    /// The part.
    pub attached: Attached,
    /// Who sent it.
    pub origin: Origin,
}

/// Reads and keeps it, or passes it over: most attachments are something else.
pub(super) async fn read(server: &Arc<Server>, arrival: Arrival) {
    let Some(_desk) = server.reports.desk(&server.bodies).await else {
        log::warn!("no memory came free to read a report; it is delivered, and not summed up");
        return;
    };
    let from = match arrival.origin.proven {
        true => arrival.origin.domain.clone(),
        false => format!("somebody ({})", arrival.origin.domain),
    };
    match read_part(server, &arrival).await {
        Ok(Ok(report)) => match keep(server, &arrival.origin, report).await {
            Ok(Some(Kept::New)) => {
                log::info!("a report of {from} was read; see `pillarbox reports`")
            }
            Ok(Some(Kept::Known)) => log::info!("a report of {from} came again"),
            Ok(Some(Kept::TooMany)) => {
                log::warn!("{from} has sent as many reports today as are kept of one reporter")
            }
            Ok(None) => log::info!("a report of {from} is about no domain of this box"),
            Err(error) => log::warn!("a report of {from} was not kept: {error}"),
        },
        Ok(Err(Fault::Other(_))) => {}
        Ok(Err(fault)) => log::info!("a mail of {from}: {fault}"),
        Err(error) => log::warn!("a report of {from} was not read: {error}"),
    }
}

/// The part, in slices of a reader's lane.
async fn read_part(
    server: &Server,
    arrival: &Arrival,
) -> Result<Result<Report, Fault>, StoreError> {
    let id = ContentId(content_id(arrival.email));
    let mut content = server
        .lanes
        .read(move |reader| reader.content(id, 0))
        .await?;
    let mut reading = Reading::of(&arrival.attached);
    let (mut at, end) = (arrival.attached.octets.start, arrival.attached.octets.end);
    while at < end {
        let slice = (end - at).min(REPORT_SLICE_BYTES as u64);
        let fed;
        (content, reading, fed) = server
            .lanes
            .peek(move |_| {
                let fed = feed(&content, &mut reading, at..at + slice);
                (content, reading, fed)
            })
            .await;
        if let Err(fault) = fed? {
            return Ok(Err(fault));
        }
        at += slice;
    }
    Ok(reading.finish())
}

fn feed(
    content: &ContentReader,
    reading: &mut Reading,
    octets: std::ops::Range<u64>,
) -> Result<Result<(), Fault>, StoreError> {
    // The slice is at most REPORT_SLICE_BYTES long.
    let mut buffer = vec![0; (octets.end - octets.start) as usize];
    let served = octets.start.checked_add_signed(content.body_shift());
    let read = content.read_at(served.unwrap_or(u64::MAX), &mut buffer)?;
    Ok(reading.feed(buffer.get(..read).unwrap_or_default()))
}

/// Keeps an extract; None when it is about no domain of the box.
async fn keep(
    server: &Server,
    origin: &Origin,
    report: Report,
) -> Result<Option<Kept>, StoreError> {
    let Some(now) = clock() else { return Ok(None) };
    let (report, domain) = server
        .lanes
        .peek(move |reader| {
            let mut trouble = None;
            let found = received::ours(&report, &mut |domain| {
                reader.state().is_ours(domain).unwrap_or_else(|error| {
                    trouble = Some(error);
                    false
                })
            });
            let domain = found.map(str::to_owned);
            trouble.map_or(Ok((report, domain)), Err)
        })
        .await?;
    let Some(domain) = domain else {
        return Ok(None);
    };
    let row = row(origin, report, &domain, now);
    server
        .lanes
        .learn(move |learned| learned.keep_received(&row))
        .await
        .map(Some)
}

fn row(origin: &Origin, mut report: Report, domain: &str, now: u64) -> Received {
    let octets = pack(&mut report);
    let now_secs = now.cast_signed();
    let row = |kind: &str, organization: &str, report_id: &str| Received {
        id: 0,
        kind: kind.into(),
        reporter: origin.domain.as_str().into(),
        proven: origin.proven,
        organization: organization.into(),
        domain: domain.into(),
        report_id: report_id.into(),
        begin_secs: now_secs,
        end_secs: now_secs,
        arrived_day: (now / DAY_SECS).cast_signed(),
        passed: 0,
        failed: 0,
        octets,
    };
    match &report {
        Report::Aggregate(report) => Received {
            begin_secs: report.begin.cast_signed(),
            end_secs: report.end.cast_signed(),
            passed: report.passed,
            failed: report.failed,
            ..row("aggregate", &report.organization, &report.report_id)
        },
        Report::Failure(failure) => {
            // It has no id: equal ones of a day are one.
            let id = format!(
                "{} {:?} {} {}",
                failure.arrived, failure.source, failure.failed, failure.envelope_from
            );
            Received {
                failed: failure.incidents,
                ..row("failure", &failure.agent, &id)
            }
        }
        Report::Tls(report) => {
            let (begin_secs, end_secs) = report.period().unwrap_or((now_secs, now_secs));
            let (passed, failed) = report.sessions();
            Received {
                begin_secs,
                end_secs,
                passed,
                failed,
                ..row("tls", &report.organization, &report.report_id)
            }
        }
    }
}

/// As it is kept: JSON, packed. Of an aggregate that packs badly fewer rows are kept, failures and large ones first.
fn pack(report: &mut Report) -> Vec<u8> {
    loop {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Neither writing to memory nor values of ours fail.
        let _ = serde_json::to_writer(&mut packed, report);
        let octets = match packed.flush() {
            Ok(()) => packed.finish().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        match report {
            Report::Aggregate(report)
                if octets.len() > REPORT_KEPT_BYTES_MAX && report.rows.len() > 1 =>
            {
                report
                    .rows
                    .sort_by_key(|row| (row.passed(), std::cmp::Reverse(row.count)));
                let half = report.rows.len() / 2;
                report.left_out += (report.rows.len() - half) as u64;
                report.rows.truncate(half);
            }
            _ => return octets,
        }
    }
}
