//! What transcripts (`tests/dialog/smtp`) cannot say: answers that only trouble brings.

use super::*;

fn session(role: Role) -> Session<()> {
    Session::new(
        role,
        Terms {
            hostname: "box.test".into(),
            message_bytes_max: 1000,
            plain_text_login: false,
        },
    )
}

fn said(out: &mut Vec<u8>) -> String {
    String::from_utf8(std::mem::take(out)).unwrap()
}

/// A session with a sender and a recipient.
fn with_recipient(role: Role) -> (Session<()>, Vec<u8>) {
    let (mut session, mut out) = (session(role), Vec::new());
    session.step(Event::Connected, &mut out);
    session.step(Event::Line(b"EHLO x"), &mut out);
    if role.is_submission() {
        let login = Event::Line(b"AUTH PLAIN AGFubmFAYm94LnRlc3QAc2VjcmV0");
        assert!(matches!(
            session.step(login, &mut out),
            Action::Verify { .. }
        ));
        let name = Address::parse("anna@box.test").unwrap();
        session.step(Event::Verified(Verified::Granted(name)), &mut out);
    }
    let sender = session.step(Event::Line(b"MAIL FROM:<anna@box.test>"), &mut out);
    if role.is_submission() {
        assert!(matches!(sender, Action::CheckSender(_)));
        session.step(Event::SenderChecked(SenderCheck::Owned), &mut out);
    } else {
        assert!(matches!(sender, Action::JudgeSender(Some(_))));
        session.step(Event::SenderJudged(None), &mut out);
    }
    session.step(Event::Line(b"RCPT TO:<anna@box.test>"), &mut out);
    session.step(Event::Resolved(Resolved::Known(())), &mut out);
    assert!(said(&mut out).ends_with("250 2.1.5 Recipient OK\r\n"));
    (session, out)
}

/// A sender from whom nothing is taken can still reach those in charge; the next sender is another.
#[test]
fn a_refused_sender_reaches_those_in_charge_alone() {
    let (mut session, mut out) = (session(Role::Mx), Vec::new());
    session.step(Event::Line(b"HELO x"), &mut out);
    let refusal = Reply::new(550, "5.1.8", "x");
    for (refused, local, reply) in [
        (Some(refusal.clone()), "anna", Some("550 5.1.8")),
        (Some(refusal.clone()), "PostMaster", None),
        (Some(refusal.clone()), "abuse", None),
        (Some(refusal), "abuse2", Some("550 5.1.8")),
        (None, "anna", None),
    ] {
        session.step(Event::Line(b"MAIL FROM:<joe@nowhere.test>"), &mut out);
        session.step(Event::SenderJudged(refused), &mut out);
        assert!(said(&mut out).ends_with("250 2.1.0 Sender OK\r\n"));
        let line = format!("RCPT TO:<{local}@box.test>");
        let action = session.step(Event::Line(line.as_bytes()), &mut out);
        assert_eq!(
            matches!(action, Action::Resolve(_)),
            reply.is_none(),
            "{local}"
        );
        assert!(said(&mut out).starts_with(reply.unwrap_or_default()));
        session.step(Event::Line(b"RSET"), &mut out);
        out.clear();
    }
}

#[test]
fn trouble_of_ours_is_temporary() {
    let (mut session, mut out) = with_recipient(Role::Mx);
    for (resolved, reply) in [
        (Resolved::TryLater, "451 4.3.0"),
        (Resolved::OverQuota, "452 4.2.2"),
    ] {
        session.step(Event::Line(b"RCPT TO:<bert@box.test>"), &mut out);
        assert_eq!(
            session.step(Event::Resolved(resolved), &mut out),
            Action::Read
        );
        assert!(said(&mut out).starts_with(reply));
    }
    assert_eq!(
        session.step(Event::Line(b"DATA"), &mut out),
        Action::OpenContent
    );
    assert_eq!(
        session.step(Event::ContentOpened(Place::Busy), &mut out),
        Action::Read
    );
    assert!(said(&mut out).starts_with("452 4.3.1"));
    assert_eq!(
        session.step(Event::Line(b"DATA"), &mut out),
        Action::OpenContent
    );
    assert_eq!(
        session.step(Event::ContentOpened(Place::Ready), &mut out),
        Action::TakeData
    );
    assert!(said(&mut out).starts_with("354 "));
}

#[test]
fn a_chunk_without_a_place_is_passed_over() {
    let (mut session, mut out) = with_recipient(Role::Mx);
    assert_eq!(
        session.step(Event::Line(b"BDAT 5"), &mut out),
        Action::OpenContent
    );
    assert_eq!(
        session.step(Event::ContentOpened(Place::Busy), &mut out),
        Action::SkipChunk(5)
    );
    assert_eq!(session.step(Event::Skipped, &mut out), Action::Read);
    assert!(said(&mut out).starts_with("452 4.3.1"));
    assert!(!session.holds_chunks());
    assert_eq!(
        session.step(Event::Line(b"BDAT 7 LAST"), &mut out),
        Action::SkipChunk(7)
    );
    session.step(Event::Skipped, &mut out);
    assert!(said(&mut out).starts_with("503 5.5.1"));
    assert!(session.transaction().is_none());
}

#[test]
fn ends_of_a_connection() {
    for (event, code) in [
        (Event::TooSlow, "421 4.4.2"),
        (Event::Drain, "421 4.3.2"),
        (Event::Revoked, "421 4.7.0"),
        (Event::Endless, "552 5.3.4"),
        (Event::Finished(Reply::new(421, "4.3.0", "x")), "421 4.3.0"),
        (Event::Skipped, "421 4.3.0"),
    ] {
        let (mut session, mut out) = with_recipient(Role::Submissions);
        assert_eq!(session.step(event, &mut out), Action::Close);
        assert!(said(&mut out).starts_with(code), "{code}");
    }
}

#[test]
fn a_login_that_cannot_be_checked() {
    let (mut session, mut out) = (session(Role::Submissions), Vec::new());
    session.step(Event::Line(b"EHLO x"), &mut out);
    session.step(Event::Line(b"AUTH PLAIN AGEAYg=="), &mut out);
    out.clear();
    session.step(Event::Verified(Verified::TryLater), &mut out);
    assert!(said(&mut out).starts_with("454 4.7.0"));
    assert!(session.login().is_none());
}

/// Relaying is for a login alone: no role, no greeting and no answer of the store makes it otherwise.
#[test]
fn nobody_relays_without_a_login() {
    let (mut session, mut out) = with_recipient(Role::Mx);
    session.step(Event::Line(b"RCPT TO:<joe@elsewhere.example>"), &mut out);
    session.step(Event::Resolved(Resolved::NotOurs), &mut out);
    assert!(said(&mut out).starts_with("550 5.7.1"));
    assert_eq!(session.transaction().unwrap().recipients.len(), 1);

    let (mut session, mut out) = with_recipient(Role::Submissions);
    session.step(Event::Line(b"RCPT TO:<joe@elsewhere.example>"), &mut out);
    session.step(Event::Resolved(Resolved::NotOurs), &mut out);
    assert!(said(&mut out).starts_with("250 2.1.5"));
    // A postmaster without domain whom the box does not know is nobody elsewhere.
    session.step(Event::Line(b"RCPT TO:<postmaster>"), &mut out);
    session.step(Event::Resolved(Resolved::NotOurs), &mut out);
    assert!(said(&mut out).starts_with("550 5.7.1"));
}
