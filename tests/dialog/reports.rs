//! Reports about mail, from a dialogue on port 25 to the queue and back.

use crate::checks::{canned, deliver};
use crate::live_box::LiveBox;
use pillarbox::policy::report::compose::{self, About, DAY_SECS, Reporter};
use pillarbox::policy::report::gather::Gathered;
use pillarbox::policy::report::observe::Observation;
use pillarbox::run::authentic::Names;
use pillarbox::run::control::{Hands, Request, execute};
use pillarbox::run::lanes::now_millis;
use pillarbox::run::reports;
use pillarbox::store::QueueId;
use pillarbox::wire::address::{Address, Domain};
use pillarbox::wire::mime::{Scanner, field};
use pillarbox::wire::report::aggregate::Aggregate;
use pillarbox::wire::report::{Reading, Report, attached};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

async fn live(name: &str, dns: &[&str]) -> LiveBox {
    let live = LiveBox::with_names(name, Names::Canned(Arc::new(canned(dns)))).await;
    reports::start(&live.server);
    live
}

fn today() -> u64 {
    now_millis().cast_unsigned() / 1000 / DAY_SECS
}

async fn ask(live: &LiveBox, request: Request) -> Vec<Value> {
    let hands = Hands {
        lanes: live.server.lanes.clone(),
        login: live.server.login.clone(),
    };
    execute(&hands, request).await.unwrap().rows
}

fn report_in(message: &[u8]) -> Aggregate {
    let header = field::block_bytes(message).unwrap();
    let mut scanner = Scanner::new(b"", &message[..header], &[]);
    scanner.body(&message[header..]);
    let found = attached(&scanner.finish().structure).unwrap();
    let mut reading = Reading::of(&found);
    let octets = &message[found.octets.start as usize..found.octets.end as usize];
    reading.feed(octets).unwrap();
    match reading.finish() {
        Ok(Report::Aggregate(report)) => report,
        other => panic!("{other:?}"),
    }
}

const SENDERS: &[&str] = &[
    "example.org MX 10 mx.example.org",
    "_dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:agg@example.org,mailto:a@reports.test,mailto:victim@no.test",
    "example.org._report._dmarc.reports.test TXT v=DMARC1; rua=mailto:b@reports.test",
    "self.test MX 10 mx.self.test",
    "_dmarc.self.test TXT v=DMARC1; p=none; rua=mailto:anna@box.test",
    "self.test._report._dmarc.box.test TXT v=DMARC1",
    "quiet.test MX 10 mx.quiet.test",
    "_dmarc.quiet.test TXT v=DMARC1; p=none; rua=mailto:a@unwilling.test",
    "silent.test MX 10 mx.silent.test",
    "_dmarc.silent.test TXT v=DMARC1; p=none; rua=mailto:a@slow.test",
    "silent.test._report._dmarc.slow.test TXT trouble",
];

/// State by domain of what was sent.
async fn states(live: &LiveBox) -> Vec<String> {
    let sent = ask(live, Request::ReportsSent { after: 0 }).await;
    let mut states: Vec<String> = sent
        .iter()
        .map(|row| {
            format!(
                "{} {}",
                row["domain"].as_str().unwrap(),
                row["state"].as_str().unwrap()
            )
        })
        .collect();
    states.sort();
    states
}

#[tokio::test]
async fn a_days_mail_becomes_reports() {
    let live = live("reports-daily", SENDERS).await;
    for (author, times) in [
        ("example.org", 3),
        ("self.test", 2),
        ("quiet.test", 1),
        ("silent.test", 1),
        ("nobody.test", 1),
    ] {
        for _ in 0..times {
            let message = format!("From: a@{author}\r\n\r\nhi\r\n");
            deliver(&live, &format!("bounce@{author}"), message.as_bytes()).await;
        }
    }
    let (before, day) = (live.stored("anna").await, today());
    reports::look(&live.server, day * DAY_SECS + 7_200).await;
    assert_eq!(live.queued().await, 0, "the day is not over");
    let pending = ask(&live, Request::ReportsPending { after: 0 }).await;
    assert_eq!(pending.len(), 4, "{pending:?}");
    assert_eq!(
        (&pending[0]["domain"], &pending[0]["messages"]),
        (&"example.org".into(), &3.into())
    );

    let tomorrow = (day + 1) * DAY_SECS + 600;
    reports::look(&live.server, tomorrow).await;
    let expected = [
        "example.org queued",
        "quiet.test unwanted",
        "self.test queued",
        "silent.test waiting",
    ];
    assert_eq!(states(&live).await, expected);
    let queue = live
        .server
        .lanes
        .read(|reader| reader.queue(QueueId(0), 10).unwrap())
        .await;
    let [entry] = queue.as_slice() else {
        panic!("{queue:?}")
    };
    assert_eq!(
        entry.sender.as_ref().unwrap().to_string(),
        "noreply-dmarc@box.test"
    );
    let to: Vec<String> = entry
        .recipients
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    assert_eq!(
        to,
        ["agg@example.org", "b@reports.test"],
        "nobody who did not ask for it"
    );

    assert_eq!(
        live.stored("anna").await,
        before + 1,
        "what is for somebody of the box stays here"
    );
    let report = report_in(live.last("anna").await.as_bytes());
    assert_eq!(
        (report.published.domain.as_str(), report.failed),
        ("self.test", 2)
    );
    assert_eq!(
        (report.begin, report.end),
        (day * DAY_SECS, (day + 1) * DAY_SECS - 1)
    );
    assert_eq!(report.rows[0].source.to_string(), "127.0.77.6");
    assert_eq!(report.contact, "postmaster@box.test");

    // Again: nothing is sent twice; who could not be asked is asked again.
    reports::look(&live.server, tomorrow + 3_600).await;
    assert_eq!(live.queued().await, 1);
    // A day later: who could not be asked gets none, and what waits in the queue is dropped without a word.
    reports::look(&live.server, tomorrow + DAY_SECS + 1).await;
    assert_eq!(live.queued().await, 0);
    let expected = [
        "example.org given-up",
        "quiet.test unwanted",
        "self.test queued",
        "silent.test unwanted",
    ];
    assert_eq!(states(&live).await, expected);
    assert_eq!(live.stored("anna").await, before + 1, "no DSN");
    assert!(
        ask(&live, Request::ReportsPending { after: 0 })
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn switched_off_nothing_is_counted() {
    let live = live("reports-off", SENDERS).await;
    live.configure(|config| config.reports.send = false);
    deliver(&live, "a@example.org", b"From: a@example.org\r\n\r\n").await;
    reports::look(&live.server, (today() + 1) * DAY_SECS).await;
    assert_eq!(live.queued().await, 0);
    assert!(
        ask(&live, Request::ReportsSent { after: 0 })
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn only_so_many_a_day_and_the_largest_first() {
    let live = live("reports-few", SENDERS).await;
    live.configure(|config| config.reports.per_day_max = 1);
    for (author, times) in [("self.test", 1), ("example.org", 2)] {
        for _ in 0..times {
            deliver(&live, "", format!("From: a@{author}\r\n\r\n").as_bytes()).await;
        }
    }
    reports::look(&live.server, (today() + 1) * DAY_SECS).await;
    assert_eq!(states(&live).await, ["example.org queued"]);
}

/// What a reporter sends about `domain`.
fn report_about(domain: &str, from: &str, id: u64) -> Vec<u8> {
    let mut gathered = Gathered::default();
    let observation = serde_json::json!({
        "domain": domain, "organizational": domain, "record": "v=DMARC1; p=none",
        "row": { "source": "192.0.2.7", "count": 12, "disposition": "none", "dkim": false, "spf": false,
                 "header-from": domain, "sender": { "domain": "bounce.test", "result": "pass" } }
    });
    gathered.add(serde_json::from_value::<Observation>(observation).unwrap());
    let reporter = Reporter {
        organization: "Reporter Inc.".into(),
        contact: "x@reporter.test".into(),
        from: Address::parse(from).unwrap(),
        domain: Domain::parse("reporter.test").unwrap(),
    };
    let about = About {
        domain,
        day: 20_000 + id,
    };
    let report = compose::report(&reporter, about, gathered);
    let to = [Address::parse("anna@box.test").unwrap()];
    compose::letter(&reporter, about, &report, &report.write(), &to, 0)
}

#[tokio::test]
async fn reports_of_others_are_read() {
    let dns = [
        "reporter.test MX 10 mx.reporter.test",
        "reporter.test TXT v=spf1 ip4:127.0.0.0/8 -all",
        "_dmarc.reporter.test TXT v=DMARC1; p=reject",
        "stranger.test MX 10 mx.stranger.test",
    ];
    let live = live("reports-received", &dns).await;
    let mut foreign = report_about("foreign.test", "x@reporter.test", 3);
    for (sender, message) in [
        (
            "x@reporter.test",
            report_about("box.test", "x@reporter.test", 1),
        ),
        (
            "x@reporter.test",
            report_about("box.test", "x@reporter.test", 1),
        ),
        (
            "x@stranger.test",
            report_about("mail.box.test", "x@stranger.test", 2),
        ),
        ("x@reporter.test", std::mem::take(&mut foreign)),
        (
            "x@reporter.test",
            report_about("box.test", "x@reporter.test", 4),
        ),
    ] {
        let answer = deliver(&live, sender, &message).await;
        assert!(answer.starts_with("250"), "{answer}");
    }
    // They are read one after the other; the last one tells that all were.
    let mut rows = Vec::new();
    for _ in 0..500 {
        rows = ask(&live, Request::ReportsList { after: 0 }).await;
        if rows.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rows.len(), 3, "{rows:?}");
    let told = |row: &Value| {
        format!(
            "{} {} {}",
            row["domain"].as_str().unwrap(),
            row["reporter"].as_str().unwrap(),
            row["proven"]
        )
    };
    let told: Vec<String> = rows.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "box.test reporter.test true",
            "mail.box.test stranger.test false",
            "box.test reporter.test true"
        ]
    );
    assert_eq!(
        (&rows[0]["failed"], &rows[0]["failures"][0]["source"]),
        (&12.into(), &"192.0.2.7".into())
    );
    assert_eq!(
        rows[0]["failures"][0]["why"],
        "no DKIM signature; SPF passed for bounce.test, not for you"
    );
    let id = rows[0]["id"].as_u64().unwrap();
    let whole = ask(&live, Request::ReportsShow { id, after: 0 }).await;
    assert_eq!((whole.len(), &whole[1]["count"]), (2, &12.into()));
    assert_eq!(live.stored("anna").await, 5, "all of them are mail too");
}

#[tokio::test]
async fn only_where_they_are_expected() {
    let live = live(
        "reports-expected",
        &["reporter.test MX 10 mx.reporter.test"],
    )
    .await;
    live.configure(|config| {
        config.reports.addresses = vec![Address::parse("bert@box.test").unwrap()]
    });
    deliver(
        &live,
        "x@reporter.test",
        &report_about("box.test", "x@reporter.test", 1),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        ask(&live, Request::ReportsList { after: 0 })
            .await
            .is_empty()
    );
}
