//! What a message looks like when it has been delivered.

use crate::live_box::LiveBox;
use crate::smtp_socket::{Client, connect};
use crate::transcript::matches;
use pillarbox::session::smtp::Role;

/// Sends lines; each must be answered by one line that begins with this code.
async fn talk(client: &mut Client, lines: &[(&str, &str)]) {
    for (line, code) in lines {
        client.send(format!("{line}\r\n").as_bytes()).await;
        let reply = loop {
            let reply = client.line().await.unwrap();
            if reply.as_bytes().get(3) != Some(&b'-') {
                break reply;
            }
        };
        assert!(reply.starts_with(code), "{line}: {reply}");
    }
}

async fn stranger(live: &LiveBox) -> Client {
    let mut client = connect(live, Role::Mx, 200, b"").await;
    client.line().await.unwrap();
    talk(&mut client, &[("EHLO mail.example", "250 ")]).await;
    client
}

async fn anna(live: &LiveBox) -> Client {
    let mut client = connect(live, Role::Submissions, 201, b"").await;
    client.line().await.unwrap();
    let auth = "AUTH PLAIN AGFubmFAYm94LnRlc3QAc2VjcmV0";
    talk(
        &mut client,
        &[("EHLO laptop.private", "250 "), (auth, "235")],
    )
    .await;
    client
}

/// Compares line by line; `*` stands for anything.
fn assert_message(message: &str, expected: &[&str]) {
    let lines: Vec<&str> = message.split("\r\n").collect();
    assert_eq!(lines.len(), expected.len(), "{message}");
    for (line, pattern) in lines.iter().zip(expected) {
        assert!(
            matches(pattern, line),
            "{pattern:?} is not {line:?} in\n{message}"
        );
    }
}

#[tokio::test]
async fn fields_of_ours() {
    let live = LiveBox::new("smtp-fields").await;
    let mut client = stranger(&live).await;
    talk(
        &mut client,
        &[
            ("MAIL FROM:<\"odd one\"@mail.example>", "250"),
            ("RCPT TO:<anna+shop@box.test>", "250"),
            ("DATA", "354"),
            (
                "Return-Path: <forged@mail.example>\r\nSubject: x\r\n\r\n..text\r\n.",
                "250",
            ),
        ],
    )
    .await;
    assert_message(
        &live.last("anna").await,
        &[
            "Return-Path: <\"odd one\"@mail.example>",
            "Delivered-To: anna@box.test",
            "X-Original-To: anna+shop@box.test",
            "Received-SPF: temperror *",
            " *",
            " *",
            " *",
            "Received-SPF: temperror *",
            " *",
            " *",
            "Authentication-Results: box.test;",
            " iprev=temperror *",
            " spf=temperror",
            " *",
            " smtp.mailfrom=*",
            " spf=temperror",
            " *",
            " smtp.helo=mail.example;",
            " dkim=none;",
            " dmarc=none",
            "Received: from mail.example ([127.0.77.200])",
            " by box.test with ESMTP",
            " id * for <anna+shop@box.test>;",
            " * +0000",
            "Subject: x",
            "",
            ".text",
            "",
        ],
    );
}

#[tokio::test]
async fn a_submission_is_completed_and_says_little() {
    let live = LiveBox::new("smtp-submission").await;
    let mut client = anna(&live).await;
    let message =
        "From: Anna <anna>\r\nTo: bert\r\nBcc: joe@elsewhere.example\r\nSubject: x\n\ntext\r\n.";
    talk(
        &mut client,
        &[
            ("MAIL FROM:<anna>", "250"),
            ("RCPT TO:<bert>", "250"),
            ("RCPT TO:<joe@elsewhere.example>", "250"),
            ("DATA", "354"),
            (message, "250"),
        ],
    )
    .await;
    assert_message(
        &live.last("bert").await,
        &[
            "Return-Path: <anna@box.test>",
            "Delivered-To: bert@box.test",
            "Received: by box.test with ESMTPSA (TLS1.3 TLS_*)",
            " id *;",
            " * +0000",
            "From: Anna <anna@box.test>",
            "To: bert@box.test",
            "Date: * +0000",
            "Message-ID: <*@box.test>",
            "Subject: x",
            "",
            "text",
            "",
        ],
    );
    assert_eq!(live.queued().await, 1);
}

/// Sizes around the pool's buffer: the last small message, the first file, and one of many buffers, by DATA and BDAT.
#[tokio::test]
async fn sizes_around_the_buffer() {
    let live = LiveBox::new("smtp-sizes").await;
    let mut client = stranger(&live).await;
    let buffer = pillarbox::limits::LARGE_MESSAGE_BYTES;
    for bytes in [
        0,
        1,
        buffer - 1,
        buffer,
        buffer + 1,
        buffer + 63,
        buffer + 64,
        5 * buffer + 17,
    ] {
        let lines = "Subject: x\r\n\r\n".to_owned()
            + &format!("{}\r\n", "y".repeat(98)).repeat(bytes / 100 + 1);
        let content = format!(
            "{}\r\n",
            &lines[..bytes.saturating_sub(2)].replace(['\r', '\n'], "z")
        );
        let content = match bytes {
            0 => String::new(),
            1 => "x".to_string(),
            _ if bytes > 1000 => format!("A: b\r\n\r\n{}", &content[8..]),
            _ => content,
        };
        let envelope = [("MAIL FROM:<>", "250"), ("RCPT TO:<anna@box.test>", "250")];
        talk(&mut client, &envelope).await;
        let bdat = format!("BDAT {} LAST\r\n{content}", content.len());
        client.send(bdat.as_bytes()).await;
        let reply = client.line().await.unwrap();
        assert!(reply.starts_with("250 2.0.0 Kept"), "{bytes}: {reply}");
        assert!(
            live.last("anna").await.ends_with(&content),
            "{bytes} by BDAT"
        );
        if bytes < 2 {
            continue;
        }
        talk(&mut client, &envelope).await;
        talk(
            &mut client,
            &[("DATA", "354"), (&format!("{content}."), "250")],
        )
        .await;
        assert!(
            live.last("anna").await.ends_with(&content),
            "{bytes} by DATA"
        );
    }
}

#[tokio::test]
async fn header_blocks_have_an_end() {
    let live = LiveBox::new("smtp-headers").await;
    let mut client = stranger(&live).await;
    let max = pillarbox::limits::HEADER_BLOCK_BYTES_MAX;
    for (bytes, code) in [(max - 1, "250"), (max, "250"), (max + 1, "554 5.6.0")] {
        let header = format!("A: {}\r\n\r\n", "x".repeat(bytes - 7));
        let message = format!("{header}body\r\n.");
        talk(
            &mut client,
            &[
                ("MAIL FROM:<>", "250"),
                ("RCPT TO:<anna@box.test>", "250"),
                ("DATA", "354"),
                (&message, code),
                ("NOOP", "250"),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn a_changed_password_and_a_stop_end_sessions() {
    let live = LiveBox::new("smtp-ends").await;
    let mut client = anna(&live).await;
    let name = pillarbox::wire::address::Address::parse("anna@box.test").unwrap();
    let credential = live
        .server
        .lanes
        .read(move |reader| {
            reader
                .state()
                .credential(&name.to_string())
                .unwrap()
                .unwrap()
        })
        .await;
    live.server
        .login
        .credential_changed(credential.account, credential.version + 1);
    assert!(client.line().await.unwrap().starts_with("421 4.7.0"));
    let mut client = stranger(&live).await;
    live.server.start_drain();
    assert!(client.line().await.unwrap().starts_with("421 4.3.2"));
    assert_eq!(client.line().await, Err("closed".into()));
}

/// Every wait has an end. The clock is paused: it jumps to the next deadline as soon as everybody waits.
#[tokio::test]
async fn deadlines() {
    let live = LiveBox::new("smtp-deadlines").await;
    for said in [
        "",
        "MAIL FROM:<>\r\nRCPT TO:<anna@box.test>\r\n",
        "MAIL FROM:<>\r\nRCPT TO:<anna@box.test>\r\nDATA\r\nSubject: half",
        "MAIL FROM:<>\r\nRCPT TO:<anna@box.test>\r\nBDAT 5\r\nab",
        "MAIL FROM:<>\r\nRCPT TO:<anna@box.test>\r\nBDAT 2\r\nab",
        "BDAT 5\r\nab",
        "NOOP without an end",
    ] {
        let mut client = stranger(&live).await;
        client.send(said.as_bytes()).await;
        // Whatever is answered at once, before the clock is stopped.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        tokio::time::pause();
        let last = client.last_line().await;
        tokio::time::resume();
        assert!(last.starts_with("421 4.4.2"), "{said:?}: {last}");
    }
    assert_eq!(live.stored("anna").await, 0);
}

/// Buffers are for as many messages as there are; one more is told to come back, and those who have one go on.
#[tokio::test]
async fn as_many_messages_as_buffers() {
    use pillarbox::limits::BODY_BUFFERS_STRANGERS_MAX;
    let live = LiveBox::new("smtp-buffers").await;
    let mut clients = Vec::new();
    for _ in 0..BODY_BUFFERS_STRANGERS_MAX {
        let mut client = stranger(&live).await;
        let envelope = [("MAIL FROM:<>", "250"), ("RCPT TO:<anna@box.test>", "250")];
        talk(&mut client, &envelope).await;
        talk(&mut client, &[("DATA", "354")]).await;
        clients.push(client);
    }
    let mut late = stranger(&live).await;
    talk(
        &mut late,
        &[("MAIL FROM:<>", "250"), ("RCPT TO:<anna@box.test>", "250")],
    )
    .await;
    tokio::time::pause();
    late.send(b"DATA\r\n").await;
    let refused = late.waited_line().await;
    tokio::time::resume();
    assert!(refused.starts_with("452 4.3.1"), "{refused}");
    // Who is logged in has some left.
    let mut client = anna(&live).await;
    let envelope = [("MAIL FROM:<anna>", "250"), ("RCPT TO:<bert>", "250")];
    talk(&mut client, &envelope).await;
    talk(&mut client, &[("DATA", "354"), ("x\r\n.", "250")]).await;
    for client in &mut clients {
        talk(client, &[("Subject: x\r\n\r\nx\r\n.", "250")]).await;
    }
    talk(&mut late, &[("DATA", "354"), ("x\r\n.", "250")]).await;
    assert_eq!(live.stored("anna").await, BODY_BUFFERS_STRANGERS_MAX + 1);
}

/// Refused content is read to its end, so that the peer sees why; one without an end is not.
#[tokio::test]
async fn refused_content_has_an_end() {
    let live = LiveBox::new("smtp-endless").await;
    live.configure(|config| config.message_bytes_max = 1000);
    for (lines, code) in [(39, "552 5.3.4"), (41, "552 5.3.4")] {
        let mut client = stranger(&live).await;
        let envelope = [("MAIL FROM:<>", "250"), ("RCPT TO:<anna@box.test>", "250")];
        talk(&mut client, &envelope).await;
        talk(&mut client, &[("DATA", "354")]).await;
        client
            .send(format!("{}\r\n", "x".repeat(98)).repeat(lines).as_bytes())
            .await;
        client.send(b".\r\nNOOP\r\n").await;
        assert!(client.line().await.unwrap().starts_with(code));
        match lines {
            39 => assert!(client.line().await.unwrap().starts_with("250")),
            _ => assert_eq!(client.line().await, Err("closed".into())),
        }
    }
}
