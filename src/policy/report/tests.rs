//! What is reported of a message, to whom, and within which bounds.

use super::compose::{About, Reporter};
use super::destination::{Destination, Wanted, destinations, wanted};
use super::gather::{Census, Gathered};
use super::observe::{Observation, Seen, Way, observe};
use super::pieces::{Full, Pending, unpack};
use super::{compose, received};
use crate::limits::*;
use crate::policy::authentic::canned::{Canned, ready};
use crate::policy::authentic::verdict::Action;
use crate::policy::authentic::{Outcome, Traits, Verdicts, arc, dkim, dmarc, iprev, spf};
use crate::wire::address::{Address, Domain};
use crate::wire::dmarc::Policy;
use crate::wire::dns::{Answer, Kind, Record, TroubleKind};
use crate::wire::report::aggregate::Disposition;
use crate::wire::report::{Reading, Report};
use crate::wire::smtp::Reply;

const RECORD: &str = "v=DMARC1; p=reject; sp=quarantine; rua=mailto:agg@example.org!10m";

fn verdicts(outcome: Outcome, record: &str) -> Verdicts {
    let signature = |domain: &str, outcome| dkim::Checked {
        outcome,
        domain: domain.into(),
        selector: "s".into(),
        identity: String::new(),
        algorithm: "rsa-sha256".into(),
        b_start: String::new(),
        reason: String::new(),
        testing: false,
    };
    Verdicts {
        iprev: iprev::Checked {
            outcome: Outcome::None,
            name: None,
        },
        spf_helo: spf::Checked::none("mail.test"),
        spf_mail_from: spf::Checked::none("bounce.test"),
        dkim: vec![
            signature("list.test", Outcome::Pass),
            signature("broken.test", Outcome::Fail),
            signature("example.org", Outcome::Pass),
            signature("mail.example.org", Outcome::Pass),
            signature("news.example.org", Outcome::Pass),
        ],
        dkim_fields: 5,
        arc: arc::Checked {
            outcome: Outcome::None,
            sets: 0,
            sealer: None,
            reason: String::new(),
        },
        dmarc: dmarc::Checked {
            outcome,
            policy: Some(Policy::Reject),
            record_domain: Some("example.org".into()),
            organizational: Some("example.org".into()),
            record: record.into(),
            ..dmarc::Checked::none()
        },
        author: Domain::parse("news.example.org").ok(),
        traits: Traits::default(),
    }
}

fn reject() -> Action {
    Action::Reject(Reply::new(550, "5.7.1", "no"))
}

fn seen(action: &Action) -> Seen<'_> {
    Seen {
        client: "::ffff:192.0.2.7".parse().unwrap(),
        envelope_domain: None,
        action,
        way: Way::Straight,
    }
}

fn observed(verdicts: &Verdicts, action: &Action) -> Observation {
    observe(verdicts, &seen(action)).expect("it is reported")
}

#[test]
fn a_message_is_a_row() {
    let row = observed(&verdicts(Outcome::Fail, RECORD), &Action::Junk).row;
    assert_eq!(row.source.to_string(), "192.0.2.7");
    assert_eq!((row.disposition, row.count), (Disposition::Quarantine, 1));
    assert_eq!(row.reasons[0].kind, "local_policy");
    assert_eq!(row.header_from, "news.example.org");
    assert_eq!(row.envelope_from.as_deref(), Some(""));
    let signed: Vec<&str> = row
        .signatures
        .iter()
        .map(|one| one.domain.as_str())
        .collect();
    assert_eq!(
        signed,
        [
            "news.example.org",
            "example.org",
            "mail.example.org",
            "list.test"
        ]
    );
    assert_eq!(row.sender.unwrap().result, "none");
}

#[test]
fn dispositions_and_reasons() {
    let fail = verdicts(Outcome::Fail, RECORD);
    assert_eq!(
        observed(&fail, &reject()).row.disposition,
        Disposition::Reject
    );
    assert!(observed(&fail, &reject()).row.reasons.is_empty());
    let mut list = fail.clone();
    list.traits.list = true;
    assert_eq!(
        observed(&list, &Action::Junk).row.reasons[0].kind,
        "mailing_list"
    );
    let relay = Seen {
        way: Way::TrustedRelay,
        ..seen(&Action::Junk)
    };
    assert_eq!(
        observe(&fail, &relay).unwrap().row.reasons[0].kind,
        "trusted_forwarder"
    );
    let mut asks_nothing = fail.clone();
    asks_nothing.dmarc.policy = Some(Policy::None);
    let row = observed(&asks_nothing, &Action::Junk).row;
    assert_eq!(
        (row.disposition, row.reasons.len()),
        (Disposition::None, 0),
        "what spam filters do is not told"
    );
    let mut testing = verdicts(
        Outcome::Fail,
        "v=DMARC1; p=quarantine; t=y; rua=mailto:a@example.org",
    );
    testing.dmarc.policy = Some(Policy::None);
    let row = observed(&testing, &Action::Accept).row;
    assert_eq!(
        (row.disposition, row.reasons[0].kind.as_str()),
        (Disposition::None, "policy_test_mode")
    );
    let mut pass = verdicts(Outcome::Pass, RECORD);
    pass.dmarc.spf_aligned = true;
    let row = observed(&pass, &Action::Junk).row;
    assert_eq!(
        (row.disposition, row.spf, row.reasons.len()),
        (Disposition::Pass, true, 0)
    );
}

#[test]
fn what_is_not_reported() {
    let none =
        |verdicts: &Verdicts, action: &Action| assert_eq!(observe(verdicts, &seen(action)), None);
    none(
        &verdicts(Outcome::Fail, "v=DMARC1; p=reject"),
        &Action::Junk,
    );
    none(
        &verdicts(Outcome::Fail, "v=DMARC1; p=reject; rua=https://a.test"),
        &Action::Junk,
    );
    none(&verdicts(Outcome::TempError, RECORD), &Action::Accept);
    let defer = Action::Defer(Reply::new(451, "4.7.0", "later"));
    none(&verdicts(Outcome::Fail, RECORD), &defer);
    let mut nobody = verdicts(Outcome::Fail, RECORD);
    nobody.author = None;
    none(&nobody, &Action::Junk);
}

#[test]
fn pieces_hold_what_was_counted_within_their_bound() {
    let mut pending = Pending::default();
    let mut observation = observed(&verdicts(Outcome::Fail, RECORD), &Action::Junk);
    (0..1_000).for_each(|_| pending.add(&observation).unwrap());
    let mut rows = 1;
    let full = loop {
        observation.row.header_from = format!("a{rows}.example.org");
        if pending.add(&observation) == Err(Full) {
            break rows;
        }
        rows += 1;
    };
    assert!(full > 10, "{full}");
    let packed = pending.pack();
    assert!(
        packed.len() < REPORT_PENDING_BYTES_MAX / 8,
        "{}",
        packed.len()
    );
    let (mut found, mut messages) = (0, 0);
    unpack(&packed, &mut |observation| {
        found += 1;
        messages += observation.row.count;
    });
    assert_eq!((found, messages), (full, 999 + full as u64));
    assert_eq!(pending.messages(), messages);
    // A damaged piece is short, not wrong.
    let mut rest = 0;
    unpack(&packed[..packed.len() / 2], &mut |_| rest += 1);
    assert!(rest < found);
    unpack(b"nonsense", &mut |_| panic!());
}

#[test]
fn domains_and_rows_have_bounds() {
    let base = observed(&verdicts(Outcome::Fail, RECORD), &Action::Junk);
    let (mut census, mut gathered) = (Census::default(), Gathered::default());
    for n in 0..REPORT_DOMAINS_PER_DAY_MAX + 2 {
        let mut one = base.clone();
        one.domain = format!("d{n}.test");
        one.row.count = 1 + u64::from(n == 5);
        census.add(&one);
    }
    assert_eq!(census.left_out, 2);
    let ranked = census.ranked();
    assert_eq!(ranked.len(), REPORT_DOMAINS_PER_DAY_MAX);
    assert_eq!(ranked[0], ("d5.test".into(), 2));
    for n in 0..REPORT_SENT_ROWS_MAX + 3 {
        let mut one = base.clone();
        one.row.header_from = format!("{n}.example.org");
        gathered.add(one);
    }
    assert!(gathered.left_out >= 3);
    let left_out = gathered.left_out;
    let rows = gathered.rows().count();
    assert_eq!(rows as u64 + left_out, REPORT_SENT_ROWS_MAX as u64 + 3);
}

fn reporter() -> Reporter {
    Reporter {
        organization: "Box".into(),
        contact: "postmaster@box.test".into(),
        from: Address::parse("noreply-dmarc@box.test").unwrap(),
        domain: Domain::parse("box.test").unwrap(),
    }
}

#[test]
fn a_days_report() {
    let mut gathered = Gathered::default();
    let mut observation = observed(&verdicts(Outcome::Fail, RECORD), &Action::Junk);
    observation.row.count = 5;
    gathered.add(observation.clone());
    gathered.add(observation);
    let about = About {
        domain: "example.org",
        day: 20_777,
    };
    let report = compose::report(&reporter(), about, gathered);
    assert_eq!(
        (report.passed, report.failed, report.rows.len()),
        (0, 10, 1)
    );
    assert_eq!(report.report_id, "1795132800.example.org@box.test");
    let published = &report.published;
    assert_eq!(
        (
            published.p.as_str(),
            published.sp.as_str(),
            published.np.as_str()
        ),
        ("reject", "quarantine", "quarantine")
    );
    assert_eq!(
        (published.fo.as_str(), published.testing.as_str()),
        ("0", "n")
    );
    let mut reading = Reading::of_file();
    reading.feed(&report.write()).unwrap();
    assert_eq!(reading.finish(), Ok(Report::Aggregate(report)));
}

#[test]
fn destinations_and_their_sizes() {
    let record = "v=DMARC1; p=none; RUA = mailto:a@b.test!10m, https://x.test, mailto:bad, mailto:c%21d@e.test!5, mailto:a@b.test!1k";
    let found: Vec<(String, Option<u64>)> = destinations(record)
        .into_iter()
        .map(|one| (one.address.to_string(), one.bytes_max))
        .collect();
    assert_eq!(
        found,
        [
            ("a@b.test".to_string(), Some(10 << 20)),
            ("c!d@e.test".into(), Some(5))
        ]
    );
    let many = (0..9)
        .map(|n| format!("mailto:a{n}@b.test"))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(
        destinations(&format!("v=DMARC1;p=none;rua={many}")).len(),
        REPORT_DESTINATIONS_MAX
    );
    assert!(destinations("v=DMARC1; p=none").is_empty());
}

fn txt(text: &str) -> Answer {
    Answer::insecure(vec![Record::Txt(text.as_bytes().into())])
}

#[test]
fn others_are_asked_first() {
    let to = |text: &str| Destination {
        address: Address::parse(text).unwrap(),
        bytes_max: None,
    };
    let name = "example.org._report._dmarc.reports.test";
    let ask = |dns: &Canned, address: &str| {
        ready(wanted(dns, "example.org", "example.org", &to(address)))
    };
    let nobody = Canned::default();
    assert_eq!(
        ask(&nobody, "a@mail.example.org"),
        Wanted::By(vec![to("a@mail.example.org")])
    );
    assert!(
        nobody.asked().is_empty(),
        "of its own organization nobody is asked"
    );
    assert!(matches!(ask(&nobody, "a@reports.test"), Wanted::No(_)));
    assert!(matches!(ask(&nobody, "a@xexample.org"), Wanted::No(_)));
    assert!(matches!(ask(&nobody, "a@[192.0.2.1]"), Wanted::No(_)));
    let with = |answer| Canned::default().with(name, Kind::Txt, answer);
    let by = |address: &str| Wanted::By(vec![to(address)]);
    assert_eq!(
        ask(&with(txt("v=DMARC1")), "a@reports.test"),
        by("a@reports.test")
    );
    assert_eq!(
        ask(&with(txt("v=DMARC1;")), "a@reports.test"),
        by("a@reports.test")
    );
    assert_eq!(
        ask(
            &with(txt("v=DMARC1; rua=mailto:b@reports.test")),
            "a@reports.test"
        ),
        by("b@reports.test")
    );
    for refused in ["v=DMARC1; rua=mailto:b@victim.test", "hello", "V=DMARC2"] {
        assert!(
            matches!(ask(&with(txt(refused)), "a@reports.test"), Wanted::No(_)),
            "{refused}"
        );
    }
    let trouble = Answer::trouble(TroubleKind::Timeout, "nobody answers");
    assert!(matches!(
        ask(&with(trouble), "a@reports.test"),
        Wanted::Unknown(_)
    ));
    // A record of a public suffix does not make all below it one organization.
    let suffix = ready(wanted(
        &nobody,
        "bank",
        "example.bank",
        &to("a@victim.bank"),
    ));
    assert!(matches!(suffix, Wanted::No(_)), "{suffix:?}");
}

#[test]
fn reports_about_others_are_not_kept() {
    let mut gathered = Gathered::default();
    gathered.add(observed(&verdicts(Outcome::Fail, RECORD), &Action::Junk));
    let about = About {
        domain: "mail.example.org",
        day: 1,
    };
    let report = Report::Aggregate(compose::report(&reporter(), about, gathered));
    let ours = |names: &[&str]| {
        let names: Vec<Domain> = names
            .iter()
            .map(|name| Domain::parse(name).unwrap())
            .collect();
        received::ours(&report, &mut |domain| names.contains(domain)).map(str::to_owned)
    };
    assert_eq!(
        ours(&["box.test", "example.org"]).as_deref(),
        Some("mail.example.org")
    );
    assert_eq!(ours(&["ample.org", "other.test"]), None);
    let origin = received::origin(&verdicts(Outcome::Fail, RECORD));
    assert!(
        origin.proven && origin.domain == "news.example.org",
        "its own signature passed"
    );
    let mut unsigned = verdicts(Outcome::Fail, RECORD);
    unsigned.dkim.clear();
    assert!(!received::origin(&unsigned).proven);
}
