use super::*;

async fn read_all(input: &[u8]) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut stream = input;
    read_line(&mut stream).await
}

#[tokio::test(flavor = "current_thread")]
async fn a_line_is_bounded() {
    for (octets, fits) in [
        (CONTROL_LINE_BYTES_MAX - 1, true),
        (CONTROL_LINE_BYTES_MAX, true),
        (CONTROL_LINE_BYTES_MAX + 1, false),
    ] {
        let mut line = vec![b' '; octets - 1];
        line.push(b'\n');
        assert_eq!(read_all(&line).await.is_ok(), fits, "{octets}");
    }
    assert!(read_all(b"").await.unwrap().is_none());
    assert!(read_all(b"no end").await.unwrap().is_none());
    assert_eq!(read_all(b"x\n").await.unwrap().unwrap().as_slice(), b"x");
}

#[test]
fn a_deep_data_directory_has_a_socket_too() {
    let root = std::env::temp_dir().join(format!("pillarbox-control-{}", std::process::id()));
    let deep = root.join("d".repeat(90)).join("e".repeat(90));
    std::fs::create_dir_all(&deep).unwrap();
    let path = SocketPath::of(&deep).unwrap();
    let bound = std::os::unix::net::UnixListener::bind(path.as_path());
    let there = deep.join(SOCKET).exists();
    std::fs::remove_dir_all(&root).unwrap();
    assert!(bound.is_ok() && there);
}

#[test]
fn an_answer_is_rows_and_an_end() {
    let answer = Answer {
        rows: vec![serde_json::json!({"a": "x\ny"})],
        end: End {
            next: Some(7),
            ..End::default()
        },
    };
    let text: Vec<String> = lines(Ok(answer))
        .map(|line| String::from_utf8(line).unwrap())
        .collect();
    assert_eq!(
        text,
        ["{\"row\":{\"a\":\"x\\ny\"}}\n", "{\"done\":{\"next\":7}}\n"]
    );
    let text: Vec<Vec<u8>> = lines(Err("no".into())).collect();
    assert_eq!(text, [b"{\"error\":\"no\"}\n"]);
}
