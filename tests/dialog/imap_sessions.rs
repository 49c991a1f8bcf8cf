//! What a transcript cannot say about IMAP sessions: the clock, the store beside them, clients that do not read.

use crate::{Box_, Client};
use pillarbox::limits::{
    IMAP_ANSWER_TAIL_BYTES_MAX, IMAP_LARGE_COMMANDS_MAX, IMAP_SMALL_COMMAND_BYTES,
};
use std::path::Path;
use std::time::Duration;

/// Greeted, logged in, INBOX selected.
async fn reader(setup: &Box_) -> Client {
    let mut client = setup.connect().await;
    client.line().await.unwrap();
    client.log_in().await.unwrap();
    client.command(b"SELECT INBOX").await.unwrap();
    client
}

async fn append(client: &mut Client, octets: &[u8]) {
    let head = format!("APPEND INBOX {{{}+}}\r\n", octets.len());
    client
        .command(&[head.as_bytes(), octets].concat())
        .await
        .unwrap();
}

fn alone(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// STORE, EXPUNGE, COPY and MOVE one by one, with nobody else about, are answered without a commit of the index.
#[test]
fn changes_of_ones_own_do_not_publish() {
    alone(async {
        let setup = Box_::new("own-changes", &[]).await;
        let mut client = reader(&setup).await;
        for _ in 0..2 {
            append(&mut client, b"A: b\r\n\r\n").await;
        }
        client.command(b"NOOP").await.unwrap();
        let commands: [&[u8]; 6] = [
            b"STORE 1 +FLAGS (\\Flagged)",
            b"STORE 1 -FLAGS.SILENT (\\Flagged)",
            b"COPY 1 Trash",
            b"MOVE 2 Trash",
            b"STORE 1 +FLAGS.SILENT (\\Deleted)",
            b"EXPUNGE",
        ];
        // The index commits by itself after half a second of quiet, so one of several rounds must do without.
        let mut hidden = 0;
        for _ in 0..20 {
            let before = setup.server.lanes.shared().visible_lsn();
            for command in commands {
                client.command(command).await.unwrap();
            }
            hidden += u32::from(setup.server.lanes.shared().visible_lsn() == before);
            for _ in 0..2 {
                append(&mut client, b"A: b\r\n\r\n").await;
            }
        }
        assert!(hidden > 0);
    });
}

/// An answer of any length around what may stay behind for the next flush arrives by itself.
#[test]
fn answers_of_every_length_arrive() {
    alone(async {
        let setup = Box_::new("answer-lengths", &[]).await;
        let mut client = reader(&setup).await;
        append(&mut client, &message(5_000, &"x".repeat(70))).await;
        client.command(b"NOOP").await.unwrap();
        for bytes in IMAP_ANSWER_TAIL_BYTES_MAX - 160..IMAP_ANSWER_TAIL_BYTES_MAX + 160 {
            let command = format!("FETCH 1 BODY.PEEK[]<0.{bytes}>");
            let answer = client.command(command.as_bytes());
            let arrived = tokio::time::timeout(Duration::from_secs(20), answer).await;
            arrived
                .unwrap_or_else(|_| panic!("{bytes} octets never arrived"))
                .unwrap();
        }
    });
}

/// As many octets of `text` lines as are asked for, behind a header.
fn message(bytes: usize, text: &str) -> Vec<u8> {
    let mut octets = b"Subject: x\r\n\r\n".to_vec();
    while octets.len() < bytes {
        octets.extend_from_slice(text.as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    octets
}

/// Clients that ask for much and read nothing hold their own slices; other sessions of their account and of others go
/// on, and they themselves get every octet when they read at last.
#[test]
fn clients_that_do_not_read_delay_nobody() {
    alone(async {
        let setup = Box_::new("slow-clients", &[]).await;
        let mut client = reader(&setup).await;
        let octets = message(3_000_000, &"x".repeat(70));
        for _ in 0..3 {
            append(&mut client, &octets).await;
        }
        client.command(b"NOOP").await.unwrap();
        let mut slow = Vec::new();
        for _ in 0..6 {
            let mut client = reader(&setup).await;
            client.send(b"f FETCH 1:3 BODY.PEEK[]\r\n").await;
            slow.push(client);
        }
        // Until nothing more fits into the sockets, and a while longer.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..5 {
            client
                .command(b"FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[])")
                .await
                .unwrap();
            client.command(b"SEARCH BODY nothing-of-it").await.unwrap();
        }
        for client in &mut slow {
            for seq in 1..=3 {
                let head = client.line().await.unwrap();
                assert_eq!(head, format!("* {seq} FETCH (BODY[] {{{}}}", octets.len()));
                assert!(client.octets(octets.len()).await.unwrap() == octets);
                assert_eq!(client.line().await.unwrap(), ")");
            }
            assert!(client.line().await.unwrap().starts_with("f OK"));
        }
    });
}

/// Header fields that are longer than a slice come whole, also in parts and for a slow reader.
#[test]
fn long_header_fields_are_cut_into_slices() {
    alone(async {
        let setup = Box_::new("long-fields", &[]).await;
        let mut client = reader(&setup).await;
        let mut header = Vec::new();
        while header.len() < 120_000 {
            header.extend_from_slice(format!("X-Long: {}\r\n", header.len()).as_bytes());
        }
        header.extend_from_slice(b"\r\n");
        append(&mut client, &[&header[..], b"text\r\n"].concat()).await;
        client.command(b"NOOP").await.unwrap();
        client
            .send(
                b"f FETCH 1 (BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (X-Long)]<7.119000> FLAGS)\r\n",
            )
            .await;
        let head = client.line().await.unwrap();
        assert!(head.ends_with("<7> {119000}"), "{head}");
        assert!(client.octets(119_000).await.unwrap() == header[7..119_007]);
        assert_eq!(client.line().await.unwrap(), " FLAGS (\\Recent))");
        assert!(client.line().await.unwrap().starts_with("f OK"));
    });
}

/// Longer than every deadline of the server.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_changed_password_ends_sessions() {
    alone(async {
        let setup = Box_::new("ends", &[]).await;
        let mut waits = reader(&setup).await;
        let mut idles = reader(&setup).await;
        idles.send(b"i IDLE\r\n").await;
        assert_eq!(idles.line().await.unwrap(), "+ idling");
        let credential = setup
            .server
            .lanes
            .read(|reader| reader.state().credential("anna@box.test").unwrap().unwrap())
            .await;
        let login = &setup.server.login;
        login.credential_changed(credential.account, credential.version + 1);
        for client in [&mut waits, &mut idles] {
            let bye = client.line().await.unwrap();
            assert!(bye.starts_with("* BYE logged out"), "{bye}");
            assert_eq!(client.line().await, Err("closed".into()));
        }
    });
}

#[test]
fn a_stop_ends_sessions() {
    alone(async {
        let setup = Box_::new("stop", &[]).await;
        let mut greeted = setup.connect().await;
        greeted.line().await.unwrap();
        let mut waits = reader(&setup).await;
        let mut idles = reader(&setup).await;
        idles.send(b"i IDLE\r\n").await;
        assert_eq!(idles.line().await.unwrap(), "+ idling");
        setup.server.start_drain();
        for client in [&mut greeted, &mut waits, &mut idles] {
            assert_eq!(client.line().await.unwrap(), "* BYE server is stopping");
            assert_eq!(client.line().await, Err("closed".into()));
        }
    });
}

/// The clock is paused: it jumps to the next deadline as soon as everybody waits.
#[test]
fn an_idle_client_hears_a_sign_of_life_and_a_silent_one_is_logged_out() {
    alone(async {
        let setup = Box_::new("clock", &[]).await;
        let mut idles = reader(&setup).await;
        idles.send(b"i IDLE\r\n").await;
        assert_eq!(idles.line().await.unwrap(), "+ idling");
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        for minutes in [2, 4, 6] {
            let line = idles.line_within(FOREVER).await.unwrap();
            assert_eq!(line, "* OK Still here");
            assert_eq!((began.elapsed().as_secs() + 10) / 60, minutes);
        }
        tokio::time::resume();
        idles.send(b"DONE\r\n").await;
        assert!(idles.line().await.unwrap().starts_with("i OK"));
        drop(idles);
        for (logged_in, said, minutes) in [
            (false, &b""[..], 1),
            (false, b"a NOO", 2),
            (true, b"", 31),
            (true, b"a FETCH 1:", 2),
            (true, b"a LOGIN {5}\r\n", 2),
            (true, b"a APPEND INBOX {5+}\r\nab", 2),
        ] {
            let mut client = match logged_in {
                true => reader(&setup).await,
                false => setup.connect().await,
            };
            if !logged_in {
                client.line().await.unwrap();
            }
            client.send(said).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            tokio::time::pause();
            let began = tokio::time::Instant::now();
            let mut line = client.line_within(FOREVER).await.unwrap();
            if line.starts_with('+') {
                line = client.line_within(FOREVER).await.unwrap();
            }
            let waited = began.elapsed().as_secs() + 10;
            tokio::time::resume();
            assert_eq!(line, "* BYE nothing came for too long", "{said:?}");
            assert_eq!(waited / 60, minutes, "{said:?}");
        }
    });
}

/// Flips an octet of `text` wherever the log holds it.
fn damage(dir: &Path, text: &[u8]) {
    let mut found = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path, text);
            continue;
        }
        let Ok(mut octets) = std::fs::read(&path) else {
            continue;
        };
        let at = octets.windows(text.len()).position(|w| w == text);
        if let (Some(at), false) = (at, path.to_string_lossy().contains("sqlite")) {
            octets[at] ^= 1;
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &octets[at..=at], at as u64).unwrap();
            found += 1;
        }
    }
    assert!(found <= 1);
}

/// What is damaged is left out and said; everything else of the mailbox is served. Where a message is half sent
/// already, only the connection's end keeps the client from taking something else for it.
#[test]
fn damaged_contents_are_left_out() {
    alone(async {
        let setup = Box_::new("damage", &[]).await;
        let mut client = reader(&setup).await;
        append(&mut client, b"A: 1\r\n\r\nfirst\r\n").await;
        append(&mut client, b"A: 2\r\n\r\nsecond-is-broken\r\n").await;
        append(&mut client, b"A: 3\r\n\r\nthird\r\n").await;
        let mut large = message(400_000, "a long message");
        large.extend_from_slice(b"its-end-is-broken\r\n");
        append(&mut client, &large).await;
        client.command(b"NOOP").await.unwrap();
        damage(&setup.dir, b"second-is-broken");
        damage(&setup.dir, b"its-end-is-broken");

        client.send(b"f FETCH 1:3 BODY.PEEK[TEXT]\r\n").await;
        for line in ["* 1 FETCH (BODY[TEXT] {7}", "first", ")"] {
            assert_eq!(client.line().await.unwrap(), line);
        }
        for line in ["* 3 FETCH (BODY[TEXT] {7}", "third", ")"] {
            assert_eq!(client.line().await.unwrap(), line);
        }
        let answer = client.line().await.unwrap();
        assert!(answer.starts_with("f NO [SERVERBUG]"), "{answer}");

        client.send(b"s SEARCH BODY third\r\n").await;
        assert_eq!(client.line().await.unwrap(), "* SEARCH 3");
        let answer = client.line().await.unwrap();
        assert!(answer.starts_with("s NO [SERVERBUG]"), "{answer}");
        client
            .command(b"FETCH 1:4 (FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE)")
            .await
            .unwrap();

        client.send(b"g FETCH 4 BODY.PEEK[]\r\n").await;
        assert!(
            client
                .line()
                .await
                .unwrap()
                .starts_with("* 4 FETCH (BODY[] {")
        );
        let mut end = String::new();
        while let Ok(line) = client.line().await {
            end = line;
        }
        assert!(
            end.ends_with("* BYE a message is damaged; see the server's log"),
            "{end}"
        );
    });
}

/// A line of so many octets with its CRLF.
fn line_of(bytes: usize) -> Vec<u8> {
    let mut line = b"a NOOP ".to_vec();
    line.resize(bytes - 2, b'x');
    line.extend_from_slice(b"\r\n");
    line
}

#[test]
fn before_login_no_command_is_large() {
    alone(async {
        let setup = Box_::new("small-commands", &[]).await;
        let most = IMAP_SMALL_COMMAND_BYTES;
        for (bytes, small) in [(most - 1, true), (most, true), (most + 1, false)] {
            let mut client = setup.connect().await;
            client.line().await.unwrap();
            client.send(&line_of(bytes)).await;
            let answer = client.line().await.unwrap();
            match small {
                true => assert!(answer.starts_with("a BAD"), "{bytes}: {answer}"),
                false => assert_eq!(answer, "* BYE command is too large before login"),
            }
            let mut client = reader(&setup).await;
            client.send(&line_of(bytes)).await;
            assert!(client.line().await.unwrap().starts_with("a BAD"));
        }
    });
}

#[test]
fn few_large_commands_come_in_at_once() {
    alone(async {
        let setup = Box_::new("large-commands", &[]).await;
        let long = line_of(IMAP_SMALL_COMMAND_BYTES + 100);
        let (first, rest) = long.split_at(long.len() - 50);
        let mut clients = Vec::new();
        for _ in 0..IMAP_LARGE_COMMANDS_MAX {
            let mut client = reader(&setup).await;
            client.send(first).await;
            clients.push(client);
        }
        // Until they all have their permits.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut late = reader(&setup).await;
        late.send(&long).await;
        let nothing = late.line_within(Duration::from_millis(200)).await;
        assert!(nothing.is_err(), "{nothing:?}");
        for client in &mut clients {
            client.send(rest).await;
            assert!(client.line().await.unwrap().starts_with("a BAD"));
        }
        assert!(late.line().await.unwrap().starts_with("a BAD"));
    });
}
