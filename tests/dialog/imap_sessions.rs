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
