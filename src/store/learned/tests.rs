//! What is kept, and what goes.

use super::outgoing::{Piece, Sent, State};
use super::received::{Kept, Received};
use super::*;
use crate::limits::*;

fn directory(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("pillarbox-learned-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn a_damaged_file_is_moved_aside() {
    let dir = directory("damaged");
    assert_eq!(Learned::open(&dir).unwrap().1, Opened::Kept);
    assert_eq!(Learned::open(&dir).unwrap().1, Opened::Kept);
    std::fs::write(dir.join(FILE), vec![7u8; 8192]).unwrap();
    assert_eq!(Learned::open(&dir).unwrap().1, Opened::Anew);
    assert_eq!(Learned::open(&dir).unwrap().1, Opened::Kept);
    assert!(dir.join(ASIDE).exists());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn pieces_of_a_day_have_a_bound() {
    let dir = directory("pieces");
    assert!(Learned::look(&dir).unwrap().is_none());
    let (mut learned, _) = Learned::open(&dir).unwrap();
    let piece = |day, messages| Piece {
        day,
        messages,
        lost: 1,
        octets: vec![7; 10],
    };
    for _ in 0..REPORT_PIECES_PER_DAY_MAX {
        learned.add_piece(&piece(5, 2)).unwrap();
    }
    learned.add_piece(&piece(5, 100)).unwrap();
    learned.add_piece(&piece(6, 3)).unwrap();
    let days = learned.days().unwrap();
    let lost = REPORT_PIECES_PER_DAY_MAX + 1 + 100;
    assert_eq!(
        (days[0].day, days[0].messages, days[0].lost),
        (5, 2 * REPORT_PIECES_PER_DAY_MAX, lost)
    );
    // Somebody may look while it is open.
    let look = Learned::look(&dir).unwrap().unwrap();
    let (mut after, mut pieces) = (0, 0);
    while let Some((id, octets)) = look.piece(5, after).unwrap() {
        assert_eq!(octets.len(), 10);
        (after, pieces) = (id, pieces + 1);
    }
    assert_eq!(pieces, REPORT_PIECES_PER_DAY_MAX);
    learned.forget_days(0..=5, 0).unwrap();
    assert_eq!(learned.days().unwrap().len(), 1);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_became_of_reports() {
    let dir = directory("sent");
    let (mut learned, _) = Learned::open(&dir).unwrap();
    let mut sent = Sent {
        id: 0,
        day: 5,
        domain: "example.org".into(),
        state: State::Waiting,
        why: "no answer".into(),
        recipients: "".into(),
        messages: 12,
        queue: 0,
        at_secs: 100,
    };
    learned.keep_sent(&sent).unwrap();
    sent.state = State::Queued;
    sent.queue = 7;
    learned.keep_sent(&sent).unwrap();
    assert!(learned.queued_before(100).unwrap().is_empty());
    let found = learned.queued_before(101).unwrap();
    assert_eq!(
        (found.len(), found[0].queue, found[0].state),
        (1, 7, State::Queued)
    );
    assert_eq!(learned.sent_about(5).unwrap(), found);
    assert_eq!(learned.sent(found[0].id, 9).unwrap(), []);
    learned.forget_days(0..=4, 6).unwrap();
    assert!(learned.sent(0, 9).unwrap().is_empty());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn nobody_fills_the_table() {
    let dir = directory("received");
    let (mut learned, _) = Learned::open(&dir).unwrap();
    let received = |reporter: &str, proven, day, number: u64| Received {
        id: 0,
        kind: "aggregate".into(),
        reporter: reporter.into(),
        proven,
        organization: "".into(),
        domain: "example.org".into(),
        report_id: number.to_string().into(),
        begin_secs: 0,
        end_secs: 1,
        arrived_day: day,
        passed: u64::MAX,
        failed: 0,
        octets: Vec::new(),
    };
    let mut keep = |reporter: &str, proven, day, number| {
        learned
            .keep_received(&received(reporter, proven, day, number))
            .unwrap()
    };
    for number in 0..REPORT_KEPT_PER_REPORTER_MAX {
        assert_eq!(keep("big.test", true, 1, number), Kept::New);
    }
    assert_eq!(keep("big.test", true, 1, 99), Kept::TooMany);
    assert_eq!(keep("big.test", true, 2, 0), Kept::Known);
    assert_eq!(keep("big.test", true, 2, 99), Kept::New);
    for number in 0..REPORT_KEPT_OF_STRANGERS_MAX {
        let name = format!("s{number}.test");
        assert_eq!(keep(&name, false, 1, 1), Kept::New);
    }
    assert_eq!(keep("another.test", false, 1, 1), Kept::TooMany);
    assert_eq!(keep("other.test", true, 1, 1), Kept::New);
    let so_far = REPORT_KEPT_PER_REPORTER_MAX + REPORT_KEPT_OF_STRANGERS_MAX + 1;
    for number in so_far..REPORT_KEPT_PER_DAY_MAX {
        assert_eq!(keep(&format!("p{number}.test"), true, 1, 1), Kept::New);
    }
    assert_eq!(keep("last.test", true, 1, 1), Kept::TooMany);
    for number in 0..REPORT_KEPT_MAX {
        let day = 10 + (number / REPORT_KEPT_PER_DAY_MAX) as i64;
        assert_eq!(keep(&format!("q{number}.test"), true, day, 1), Kept::New);
    }
    let rows = learned.received(0, usize::MAX >> 1).unwrap();
    assert_eq!(rows.len() as u64, REPORT_KEPT_MAX);
    assert_eq!(rows[0].reporter, "q0.test".into());
    assert_eq!(rows[0].passed, i64::MAX as u64);
    std::fs::remove_dir_all(&dir).unwrap();
}
