use super::*;
use crate::limits::CONN_BUFFER_SMALL_BYTES;
use crate::net::buffer::tests::TURN;
use crate::net::tls::tests::{acceptor, client};
use tokio::net::TcpListener;

const SOON: Duration = Duration::from_secs(20);

/// Both ends of a loopback connection: ours and a plain client.
async fn pair() -> (Conn, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    (Conn::new(socket).unwrap(), client)
}

#[tokio::test]
async fn a_line_goes_in_and_a_reply_comes_out() {
    let (mut conn, mut client) = pair().await;
    client.write_all(b"NOOP\r\nQUIT\r\n").await.unwrap();
    while conn.input().len() < 12 {
        conn.fill(SOON).await.unwrap();
    }
    conn.consume(6);
    assert_eq!(conn.input(), b"QUIT\r\n");
    conn.consume(100);
    assert_eq!(conn.input(), b"");
    conn.send(b"250 2.0.0 ok\r\n", SOON).await.unwrap();
    drop(client.shutdown().await);
    assert_eq!(conn.fill(SOON).await.unwrap(), 0);
    conn.close().await;
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"250 2.0.0 ok\r\n");
}

#[tokio::test]
async fn a_waiting_connection_holds_no_buffer() {
    let (mut conn, mut client) = pair().await;
    client.write_all(b"A").await.unwrap();
    conn.fill(SOON).await.unwrap();
    conn.send(b"B", SOON).await.unwrap();
    assert!(conn.input.buffer.is_some() && conn.output.buffer.is_some());
    conn.consume(1);
    conn.flush(SOON).await.unwrap();
    let error = conn.fill(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(conn.input.buffer.is_none() && conn.output.buffer.is_none());
}

#[tokio::test]
async fn the_in_buffer_is_bounded() {
    let _turn = TURN.lock().await;
    let (mut conn, mut client) = pair().await;
    client
        .write_all(&vec![b'x'; CONN_BUFFER_BYTES + 1])
        .await
        .unwrap();
    while conn.input().len() < CONN_BUFFER_BYTES {
        conn.fill(SOON).await.unwrap();
    }
    let error = conn.fill(SOON).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    conn.consume(10);
    assert_eq!(conn.fill(SOON).await.unwrap(), 1);
    assert_eq!(conn.input().len(), CONN_BUFFER_BYTES - 9);
}

#[tokio::test]
async fn without_large_buffers_small_ones_serve() {
    let _turn = TURN.lock().await;
    let mut all: Vec<Buffer> = std::iter::from_fn(Buffer::large).collect();
    let (mut conn, mut client) = pair().await;
    client
        .write_all(&vec![b'x'; CONN_BUFFER_SMALL_BYTES + 1])
        .await
        .unwrap();
    while conn.input().len() < CONN_BUFFER_SMALL_BYTES {
        conn.fill(SOON).await.unwrap();
    }
    let error = conn.fill(SOON).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    all.pop();
    // One is free again: the line goes on in it.
    assert_eq!(conn.fill(SOON).await.unwrap(), 1);
    assert_eq!(conn.input(), vec![b'x'; CONN_BUFFER_SMALL_BYTES + 1]);
    let reply = vec![b'y'; 3 * CONN_BUFFER_SMALL_BYTES];
    conn.send(&reply, SOON).await.unwrap();
    conn.flush(SOON).await.unwrap();
    let mut came = vec![0; reply.len()];
    client.read_exact(&mut came).await.unwrap();
    assert_eq!(came, reply);
}

#[tokio::test]
async fn a_peer_that_does_not_read_meets_the_deadline() {
    let (mut conn, _client) = pair().await;
    let block = vec![b'x'; 64 * 1024];
    let mut outcome = Ok(());
    for _ in 0..1_000 {
        outcome = conn.send(&block, Duration::from_millis(50)).await;
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// For how long somebody is heard who reads all that has come every `reads` (None: never) while others want its place.
async fn heard_for(reads: Option<Duration>) -> Duration {
    let (mut conn, client) = pair().await;
    let patience = || Patience {
        within: Duration::from_secs(120),
        pause: Duration::from_secs(10),
        in_the_way: &|| true,
    };
    let begun = tokio::time::Instant::now();
    let sending = async {
        while begun.elapsed() < Duration::from_secs(100) {
            if conn.send(&[b'x'; 64 * 1024], patience()).await.is_err() {
                break;
            }
        }
        begun.elapsed()
    };
    let reading = async {
        let Some(every) = reads else {
            return std::future::pending::<Duration>().await;
        };
        let mut scrap = vec![0; 64 * 1024];
        loop {
            tokio::time::sleep(every).await;
            while client.try_read(&mut scrap).is_ok() {}
        }
    };
    tokio::select! {
        heard = sending => heard,
        never = reading => never,
    }
}

#[tokio::test(start_paused = true)]
async fn a_deaf_peer_in_the_way_has_to_go() {
    let pause = Duration::from_secs(10);
    let deaf = heard_for(None).await;
    // Octets may still move a little between the two ends of the kernel.
    assert!(deaf >= pause && deaf <= 4 * pause, "{deaf:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_in_the_way_is_heard() {
    let slow = heard_for(Some(Duration::from_secs(4))).await;
    assert!(slow >= Duration::from_secs(100), "{slow:?}");
}

#[tokio::test]
async fn a_cancelled_fill_loses_nothing() {
    let (mut conn, mut client) = pair().await;
    for round in 0..50_u8 {
        let octet = [round];
        let writer = client.write_all(&octet);
        let (_, outcome) = tokio::join!(writer, conn.fill(Duration::from_micros(1)));
        match outcome {
            Ok(read) => assert_eq!(read, 1),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                assert_eq!(conn.fill(SOON).await.unwrap(), 1);
            }
        }
    }
    assert_eq!(conn.input(), (0..50).collect::<Vec<u8>>());
}

#[tokio::test]
async fn starttls_drops_what_was_pipelined_in_plain_text() {
    let (mut conn, mut socket) = pair().await;
    socket
        .write_all(b"STARTTLS\r\nMAIL FROM:<evil@box.test>\r\n")
        .await
        .unwrap();
    while !conn.input().ends_with(b"test>\r\n") {
        conn.fill(SOON).await.unwrap();
    }
    conn.consume(10);
    conn.send(b"220 go\r\n", SOON).await.unwrap();
    let (acceptor, roots) = acceptor(&["box.test"]);
    let ours = conn.start_tls(&acceptor, SOON);
    let theirs = async {
        let mut reply = [0; 8];
        socket.read_exact(&mut reply).await.unwrap();
        client(roots)
            .connect("box.test".try_into().unwrap(), socket)
            .await
            .unwrap()
    };
    let (outcome, mut theirs) = tokio::join!(ours, theirs);
    outcome.unwrap();
    assert_eq!(conn.input(), b"");
    let info = conn.tls().unwrap();
    assert_eq!(
        (info.version, info.server_name.as_deref()),
        ("TLS1.3", Some("box.test"))
    );
    assert!(info.cipher.starts_with("TLS_"), "{}", info.cipher);

    theirs.write_all(b"EHLO x\r\n").await.unwrap();
    theirs.flush().await.unwrap();
    while conn.input().len() < 8 {
        conn.fill(SOON).await.unwrap();
    }
    assert_eq!(conn.input(), b"EHLO x\r\n");
    let large: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    let mut came = vec![0; large.len()];
    let (sent, read) = tokio::join!(
        async {
            conn.send(&large, SOON).await?;
            conn.flush(SOON).await
        },
        theirs.read_exact(&mut came)
    );
    sent.unwrap();
    read.unwrap();
    assert_eq!(came, large);
    let (_, end) = tokio::join!(conn.close(), async {
        let end = theirs.read(&mut [0; 1]).await;
        drop(theirs);
        end
    });
    // close_notify came: rustls would give UnexpectedEof otherwise.
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn many_small_records_are_data_and_not_a_flood() {
    let (mut conn, socket) = pair().await;
    let (acceptor, roots) = acceptor(&["box.test"]);
    let client = client(roots);
    let connect = client.connect("box.test".try_into().unwrap(), socket);
    let (ours, theirs) = tokio::join!(conn.start_tls(&acceptor, SOON), connect);
    ours.unwrap();
    let mut theirs = theirs.unwrap();
    // 3,000 records of one octet each: 69,000 octets on the wire, all there before the first is read.
    for _ in 0..3_000 {
        theirs.write_all(b"x").await.unwrap();
        theirs.flush().await.unwrap();
    }
    let mut came = 0;
    while came < 3_000 {
        came += conn.fill(SOON).await.unwrap();
        conn.consume(came);
    }
}

#[tokio::test]
async fn rubbish_instead_of_a_handshake_ends_the_connection() {
    let (mut conn, mut client) = pair().await;
    client.write_all(b"EHLO there\r\n").await.unwrap();
    let (acceptor, _) = acceptor(&["box.test"]);
    assert!(conn.start_tls(&acceptor, SOON).await.is_err());
    let error = conn.fill(SOON).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    conn.close().await;
}

#[tokio::test]
async fn a_handshake_message_that_only_grows_is_cut() {
    let (mut conn, mut client) = pair().await;
    // A ClientHello that announces 65,535 octets, in records of 1,024.
    let mut flood = Vec::new();
    for n in 0..64 {
        flood.extend_from_slice(&[22, 3, 1, 4, 0]);
        flood.extend_from_slice(if n == 0 { &[1, 0, 0xff, 0xff] } else { &[0; 4] });
        flood.extend_from_slice(&[0; 1020]);
    }
    let (acceptor, _) = acceptor(&["box.test"]);
    let (outcome, _) = tokio::join!(conn.start_tls(&acceptor, SOON), client.write_all(&flood));
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("no data"), "{error}");
}
