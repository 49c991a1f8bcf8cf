//! Requests about reports: those that others sent, and ours.

use super::execute::Hands;
use super::request::{Answer, End};
use crate::limits::{CONTROL_ROWS_MAX, REPORT_SOURCES_SHOWN_MAX};
use crate::policy::report::compose::DAY_SECS;
use crate::policy::report::gather::Census;
use crate::policy::report::words::why;
use crate::run::lanes::Lanes;
use crate::run::reports::{each_piece, look_at};
use crate::store::learned::Learned;
use crate::store::learned::outgoing::Sent;
use crate::store::learned::received::Received;
use crate::wire::report::Report;
use crate::wire::report::aggregate::Aggregate;
use crate::wire::report::feedback::Failure;
use crate::wire::report::tls::Tls;
use crate::wire::report::unpack::Unpacker;
use serde_json::{Value, json};

type Done = Result<Answer, String>;

/// Received reports behind row `after`.
pub(super) async fn list(hands: &Hands, after: u64) -> Done {
    let found = look_at(&hands.lanes, move |learned| {
        learned.received(after.cast_signed(), CONTROL_ROWS_MAX)
    });
    let found = found.await.map_err(|e| e.0)?.unwrap_or_default();
    let next = found.last().map(|row| row.id.cast_unsigned());
    let full = found.len() == CONTROL_ROWS_MAX;
    Ok(page(
        found.iter().map(summed).collect(),
        next.filter(|_| full),
    ))
}

/// One received report: its head, then what it holds from `after` on.
pub(super) async fn show(hands: &Hands, id: u64, after: u64) -> Done {
    let before = id.saturating_sub(1).cast_signed();
    let found = look_at(&hands.lanes, move |learned| learned.received(before, 1));
    let found = found.await.map_err(|e| e.0)?.unwrap_or_default();
    let wanted = |row: &Received| row.id.cast_unsigned() == id;
    let Some(row) = found.into_iter().find(wanted) else {
        return Err(format!(
            "there is no report {id}: `pillarbox reports list` shows what is"
        ));
    };
    let report = extract(&row.octets).ok_or("the report was kept damaged; it is lost")?;
    let items = items(&report);
    let from = usize::try_from(after).unwrap_or(usize::MAX);
    let mut rows = vec![head(&row, &report)];
    rows.extend(items.iter().skip(from).take(CONTROL_ROWS_MAX - 1).cloned());
    let next = from.saturating_add(CONTROL_ROWS_MAX - 1);
    Ok(page(rows, (next < items.len()).then_some(next as u64)))
}

/// Reports of ours behind row `after`.
pub(super) async fn sent(hands: &Hands, after: u64) -> Done {
    let found = look_at(&hands.lanes, move |learned| {
        learned.sent(after.cast_signed(), CONTROL_ROWS_MAX)
    });
    let found = found.await.map_err(|e| e.0)?.unwrap_or_default();
    let next = found.last().map(|row| row.id.cast_unsigned());
    let full = found.len() == CONTROL_ROWS_MAX;
    Ok(page(
        found.iter().map(of_ours).collect(),
        next.filter(|_| full),
    ))
}

/// Domains that will get a report, those with most messages first; `after`: rows to pass over.
pub(super) async fn pending(hands: &Hands, after: u64) -> Done {
    let mut rows = Vec::new();
    let days = look_at(&hands.lanes, Learned::days).await;
    for day in days.map_err(|e| e.0)?.unwrap_or_default() {
        let census = census(&hands.lanes, day.day).await?;
        rows.extend(census.ranked().into_iter().map(|(domain, messages)| {
            json!({ "day-secs": day.day * DAY_SECS, "domain": domain, "messages": messages })
        }));
    }
    let from = usize::try_from(after).unwrap_or(usize::MAX);
    let next = from.saturating_add(CONTROL_ROWS_MAX);
    let more = (next < rows.len()).then_some(next as u64);
    let rows = rows.into_iter().skip(from).take(CONTROL_ROWS_MAX);
    Ok(page(rows.collect(), more))
}

async fn census(lanes: &Lanes, day: u64) -> Result<Census, String> {
    let add = |census: &mut Census, observation| census.add(&observation);
    let census = each_piece(lanes, day, Census::default(), add).await;
    census.map_err(|e| e.0)
}

fn page(rows: Vec<Value>, next: Option<u64>) -> Answer {
    let end = End {
        next,
        ..End::default()
    };
    Answer { rows, end }
}

/// A row of the list: its head and the sources of most failures.
fn summed(row: &Received) -> Value {
    let Some(report) = extract(&row.octets) else {
        return fields(row);
    };
    let mut value = head(row, &report);
    let mut failed: Vec<Value> = items(&report)
        .into_iter()
        .filter(|item| item["passed"] != json!(true))
        .collect();
    failed.sort_by_key(|item| std::cmp::Reverse(item["count"].as_u64()));
    failed.truncate(REPORT_SOURCES_SHOWN_MAX);
    let brief = |item: &Value| json!({ "source": item["source"], "count": item["count"], "why": item["why"] });
    value["failures"] = failed.iter().map(brief).collect();
    value
}

fn fields(row: &Received) -> Value {
    json!({
        "id": row.id,
        "kind": row.kind,
        "reporter": row.reporter,
        "proven": row.proven,
        "organization": row.organization,
        "domain": row.domain,
        "report-id": row.report_id,
        "begin-secs": row.begin_secs,
        "end-secs": row.end_secs,
        "passed": row.passed,
        "failed": row.failed,
    })
}

fn head(row: &Received, report: &Report) -> Value {
    let mut value = fields(row);
    if let Report::Aggregate(Aggregate {
        published,
        left_out,
        contact,
        error,
        ..
    }) = report
    {
        value["policy"] = json!(published);
        value["contact"] = json!(contact);
        value["rows-left-out"] = json!(left_out);
        if !error.is_empty() {
            value["error"] = json!(error);
        }
    }
    value
}

/// A report that is not kept, as [`show`] shows a kept one: its head, then what it holds.
pub fn shown(report: &Report) -> Vec<Value> {
    let (kind, organization, domain) = match report {
        Report::Aggregate(report) => ("aggregate", &report.organization, &report.published.domain),
        Report::Failure(failure) => ("failure", &failure.agent, &failure.domain),
        Report::Tls(report) => {
            let first = report.policies.first();
            let domain = first.map_or(&report.report_id, |policy| &policy.policy.domain);
            ("tls", &report.organization, domain)
        }
    };
    let (begin, end) = period(report);
    let (passed, failed) = match report {
        Report::Aggregate(report) => (report.passed, report.failed),
        Report::Failure(failure) => (0, failure.incidents),
        Report::Tls(report) => report.sessions(),
    };
    let report_id = match report {
        Report::Aggregate(report) => report.report_id.clone(),
        Report::Failure(_) => String::new(),
        Report::Tls(report) => report.report_id.clone(),
    };
    let row = Received {
        id: 0,
        kind: kind.into(),
        reporter: "".into(),
        proven: false,
        organization: organization.as_str().into(),
        domain: domain.as_str().into(),
        report_id: report_id.into(),
        begin_secs: begin,
        end_secs: end,
        arrived_day: 0,
        passed,
        failed,
        octets: Vec::new(),
    };
    let mut rows = vec![head(&row, report)];
    rows.extend(items(report));
    rows
}

fn period(report: &Report) -> (i64, i64) {
    match report {
        Report::Aggregate(report) => (report.begin.cast_signed(), report.end.cast_signed()),
        Report::Failure(_) => (0, 0),
        Report::Tls(report) => report.period().unwrap_or((0, 0)),
    }
}

/// What a report holds, each with its source, count and reason.
fn items(report: &Report) -> Vec<Value> {
    match report {
        Report::Aggregate(report) => report
            .rows
            .iter()
            .map(|row| {
                let mut value = json!(row);
                value["passed"] = row.passed().into();
                value["why"] = why(row).into();
                value
            })
            .collect(),
        Report::Failure(failure) => vec![failure_item(failure)],
        Report::Tls(report) => tls_items(report),
    }
}

fn failure_item(failure: &Failure) -> Value {
    let mut value = json!(failure);
    value["count"] = failure.incidents.into();
    value["passed"] = false.into();
    let done = match failure.delivery.as_str() {
        "" => String::new(),
        done => format!("; result there: {done}"),
    };
    let what = match failure.failed.as_str() {
        "" => "dmarc",
        what => what,
    };
    value["why"] = format!("failed: {what}{done}").into();
    value
}

fn tls_items(report: &Tls) -> Vec<Value> {
    let mut items = Vec::new();
    for policy in &report.policies {
        for failed in &policy.failures {
            let host = match failed.receiving_mx_hostname.as_str() {
                "" => &failed.receiving_ip,
                name => name,
            };
            let reason = match failed.failure_reason_code.as_str() {
                "" => String::new(),
                code => format!(" ({code})"),
            };
            items.push(json!({
                "source": host,
                "count": failed.sessions,
                "passed": false,
                "domain": policy.policy.domain,
                "policy": policy.policy.kind,
                "sender": failed.sending_mta_ip,
                "why": format!("{}{reason}", failed.result),
            }));
        }
    }
    items
}

fn of_ours(sent: &Sent) -> Value {
    json!({
        "id": sent.id,
        "day-secs": sent.day * DAY_SECS,
        "domain": sent.domain,
        "state": sent.state.as_str(),
        "why": sent.why,
        "recipients": sent.recipients.split(',').filter(|to| !to.is_empty()).collect::<Vec<_>>(),
        "messages": sent.messages,
        "queue": sent.queue,
    })
}

/// What was kept. It was bounded when it was kept, and is read through the same unpacker as from strangers.
fn extract(octets: &[u8]) -> Option<Report> {
    let mut json = Vec::new();
    let mut unpacker = Unpacker::default();
    let mut keep = |octets: &[u8]| {
        json.extend_from_slice(octets);
        Ok(())
    };
    unpacker.feed(octets, &mut keep).ok()?;
    unpacker.finish(&mut keep).ok()?;
    serde_json::from_slice(&json).ok()
}
