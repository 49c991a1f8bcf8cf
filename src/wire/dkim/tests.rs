use super::body::{Body, Wanted};
use super::*;
use proptest::prelude::*;
use ring::digest::{SHA256, digest};

/// RFC 6376 section 3.4 word for word, over a body held as a whole.
fn naive(body: &[u8], canon: Canon) -> Vec<u8> {
    let text: String = body.iter().map(|&b| char::from(b)).collect();
    let mut lines: Vec<String> = text.split("\r\n").map(str::to_string).collect();
    if canon == Canon::Relaxed {
        for line in &mut lines {
            let mut reduced = String::new();
            for c in line.chars() {
                match c {
                    ' ' | '\t' if reduced.ends_with(' ') => {}
                    ' ' | '\t' => reduced.push(' '),
                    c => reduced.push(c),
                }
            }
            *line = reduced.strip_suffix(' ').unwrap_or(&reduced).to_string();
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let mut octets: Vec<u8> = Vec::new();
    for line in &lines {
        octets.extend(line.chars().map(|c| c as u32 as u8));
        octets.extend_from_slice(b"\r\n");
    }
    if octets.is_empty() && canon == Canon::Simple {
        octets.extend_from_slice(b"\r\n");
    }
    octets
}

fn hashes(body: &[u8], chunk: usize, wanted: &[Wanted]) -> Vec<Option<[u8; 32]>> {
    let mut passing = Body::default();
    wanted.iter().for_each(|w| passing.want(*w));
    body.chunks(chunk).for_each(|piece| passing.update(piece));
    let hashes = passing.finish();
    wanted.iter().map(|w| hashes.of(*w)).collect()
}

fn sha256(octets: &[u8]) -> Option<[u8; 32]> {
    digest(&SHA256, octets).as_ref().try_into().ok()
}

fn same_as_naive(body: &[u8], chunk: usize) {
    for canon in [Canon::Simple, Canon::Relaxed] {
        let whole = naive(body, canon);
        let lengths = [0, 1, 2, whole.len() / 2, whole.len(), whole.len() + 1];
        let wanted = lengths.map(|n| Wanted {
            canon,
            length: Some(n as u64),
        });
        let expected = lengths.map(|n| whole.get(..n).and_then(sha256));
        assert_eq!(hashes(body, chunk, &wanted), expected, "{body:?} {canon:?}");
        let length = None;
        assert_eq!(
            hashes(body, chunk, &[Wanted { canon, length }]),
            [sha256(&whole)],
            "{body:?} {canon:?}"
        );
    }
}

#[test]
fn bodies_that_others_have_got_wrong() {
    let bodies: [&[u8]; 16] = [
        b"",
        b"\r\n",
        b"\r\n\r\n\r\n",
        b" \t\r\n",
        b"x\r\n \t\r\n",
        b"x\r\n \t",
        b"x",
        b"x \r\n\r\n\r\n",
        b" x\t y \r\n",
        b"\tx  \t y\t\r\n\r\n z\r\n",
        b"x\r",
        b"x\r\r\n",
        b"x \r y\n z\r\n",
        b"\n\r\n",
        b"\0 \0\r\n\xff  \xfe\r\n",
        b" \r\n x\r\n",
    ];
    for body in bodies {
        (1..=4).for_each(|chunk| same_as_naive(body, chunk));
    }
    let lines = "\r\n".repeat(100) + "x";
    same_as_naive(lines.as_bytes(), 7);
}

#[test]
fn nothing_but_counters_is_held() {
    let length = None;
    let mut body = Body::default();
    for canon in [Canon::Simple, Canon::Relaxed] {
        body.want(Wanted { canon, length });
    }
    let blanks = [b' '; 1024];
    (0..64).for_each(|_| body.update(&blanks));
    (0..64).for_each(|_| body.update("\r\n".repeat(512).as_bytes()));
    let hashes = body.finish();
    let canon = Canon::Relaxed;
    assert_eq!(hashes.of(Wanted { canon, length }), sha256(b""));
}

proptest! {
    #[test]
    fn any_body_cut_anywhere(body in "[ab \t\r\n]{0,40}|([a ]{0,3}\r\n){0,9}", chunk in 1usize..9) {
        same_as_naive(body.as_bytes(), chunk);
    }
}
