//! The queue, what was expunged, and quotas, over the control socket.

use super::*;
use crate::run::quota;
use crate::store::change::{
    self, Content, Delivery, FlagsHow, LocalDelivery, Message, Outcome, RemoteDelivery,
};
use crate::store::row::QueueRecipient;
use crate::store::state::Target;
use crate::wire::imap::flag::{FlagNames, Flags};
use crate::wire::imap::uid_set::UidSet;
use crate::wire::mime::Scanner;

/// A message for account 1 and one recipient elsewhere.
fn delivery(subject: &str, octets: usize) -> Change {
    let header = format!("From: a@far.test\r\nSubject: {subject}\r\n\r\n");
    let mut content = header.clone().into_bytes();
    content.resize(octets.max(header.len()), b'x');
    let mut scanner = Scanner::new(b"", header.as_bytes(), &[]);
    scanner.body(&content[header.len()..]);
    let message = Message {
        content: Content::Small(Box::new(content)),
        summary: scanner.finish(),
        cuts: Vec::new(),
        received_millis: 1_795_132_800_000,
    };
    let local = LocalDelivery {
        account: AccountId(1),
        into: change::Into::Inbox,
        prefix: Vec::new(),
        flags: Flags::default(),
    };
    let recipient = QueueRecipient {
        address: Address::parse("you@far.test").unwrap(),
        notify: 2,
        orcpt: None,
    };
    let remote = RemoteDelivery {
        sender: Some(Address::parse("ana@a.test").unwrap()),
        account: Some(AccountId(1)),
        prefix: Vec::new(),
        recipients: vec![recipient],
        envid: None,
        return_full: false,
        eight_bit: false,
        smtputf8: false,
    };
    Change::Deliver(Box::new(Delivery {
        message,
        locals: vec![local],
        remote: Some(remote),
    }))
}

#[tokio::test(flavor = "current_thread")]
async fn the_queue_is_listed_shown_and_dropped() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    ana(&mut stream).await;
    fixture
        .hands
        .lanes
        .commit(delivery("queued", 100))
        .await
        .unwrap();
    let list = r#"{"verb":"queue-list","after":0}"#;
    let (rows, _) = done(say(&mut stream, list).await);
    assert_eq!(
        (rows.len(), &rows[0]["recipients"]),
        (1, &json!(["you@far.test"]))
    );
    let id = rows[0]["id"].as_u64().unwrap();
    let show = json!({"verb": "queue-show", "id": id}).to_string();
    let (rows, _) = done(say(&mut stream, &show).await);
    assert_eq!(rows[0]["recipients"][0]["notify"], json!(["success"]));
    assert_eq!(rows[0]["sender"], "ana@a.test");
    let drop = json!({"verb": "queue-drop", "id": id}).to_string();
    let (_, end) = done(say(&mut stream, &drop).await);
    assert_eq!(end.count, Some(1));
    assert!(done(say(&mut stream, list).await).0.is_empty());
    error(say(&mut stream, &show).await);
    error(say(&mut stream, &drop).await);
}

#[tokio::test(flavor = "current_thread")]
async fn expunged_mail_comes_back() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    ana(&mut stream).await;
    let lanes = &fixture.hands.lanes;
    let placed = match lanes
        .commit(delivery("lost and found", 100))
        .await
        .unwrap()
        .outcome
    {
        Outcome::Delivered { placed, .. } => placed[0],
        other => panic!("{other:?}"),
    };
    let deleted = FlagNames {
        system: Flags::DELETED,
        keywords: Vec::new(),
    };
    let flag = Change::Flags {
        mailbox: placed.0,
        uids: UidSet::from_iter([placed.1]),
        how: FlagsHow::Add,
        flags: deleted,
    };
    lanes.commit(flag).await.unwrap();
    lanes
        .commit(Change::Expunge {
            mailbox: placed.0,
            uids: None,
        })
        .await
        .unwrap();
    let list = r#"{"verb":"mail-expunged","account":"ana@a.test"}"#;
    let (rows, _) = done(say(&mut stream, list).await);
    assert_eq!(rows[0]["subject"], "lost and found");
    assert_eq!(rows[0]["mailbox"], "INBOX");
    let back =
        json!({"verb": "mail-undelete", "account": "ana@a.test", "emails": [rows[0]["email"]]});
    let (_, end) = done(say(&mut stream, &back.to_string()).await);
    assert_eq!(end.count, Some(1));
    let uids = lanes.read(move |r| r.uids(placed.0, 1)).await.unwrap();
    assert_eq!((uids.count(), uids.contains(placed.1)), (1, false));
}

#[tokio::test(flavor = "current_thread")]
async fn a_quota_counts_all_mailboxes() {
    let fixture = Fixture::new();
    fixture.listen();
    let mut stream = fixture.connect().await;
    ana(&mut stream).await;
    let lanes = &fixture.hands.lanes;
    lanes.commit(delivery("first", 1000)).await.unwrap();
    let full = |default, adding| {
        lanes.read(move |r| quota::is_full(r, AccountId(1), default, adding).unwrap())
    };
    assert!(!full(None, u64::MAX).await);
    for (quota, rcpt, append) in [
        (999, true, true),
        (1000, true, true),
        (1001, false, false),
        (1002, false, false),
    ] {
        assert_eq!(full(Some(quota), 0).await, rcpt, "{quota}");
        assert_eq!(full(Some(quota), 1).await, append, "{quota}");
    }
    assert!(full(Some(1001), 2).await);
    let set = r#"{"verb":"account-quota","name":"ana@a.test","quota_bytes":500}"#;
    done(say(&mut stream, set).await);
    assert!(full(Some(5000), 0).await, "its own comes first");
    let targets = |names: &[&str]| -> Vec<Target> {
        let target = |name: &&str| match *name {
            "far" => Target::Remote(Address::parse("x@far.test").unwrap()),
            _ => Target::Account {
                account: AccountId(1),
                name: Address::parse("ana@a.test").unwrap(),
                detail: None,
            },
        };
        names.iter().map(target).collect()
    };
    for (names, all) in [(&["ana"][..], true), (&["ana", "far"], false), (&[], false)] {
        let targets = targets(names);
        let answer = lanes
            .read(move |r| quota::all_full(r, &targets, None).unwrap())
            .await;
        assert_eq!(answer, all, "{names:?}");
    }
}
