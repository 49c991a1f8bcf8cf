//! What a transcript cannot say about IMAP sessions: the clock, the store beside them, clients that do not read.

use crate::{Box_, Client};

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
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
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
