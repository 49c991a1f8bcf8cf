//! SMTP load that costs little beside the server: one thread a connection, the standard library only.
//!
//! `rustc -O load.rs && ./load HOST:PORT CONNECTIONS MESSAGES OCTETS RECIPIENT RECIPIENTS`
//! `%d` in RECIPIENT goes round 1..=RECIPIENTS. MAIL, RCPT and DATA are pipelined, one recipient a message. Prints one
//! JSON line; leaves with 1 when a message was not accepted.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

struct Plan {
    server: String,
    messages: usize,
    recipient: String,
    recipients: usize,
    body: Vec<u8>,
    next: AtomicUsize,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args[at].parse::<usize>().expect("a number");
    if args.len() != 6 {
        eprintln!("load HOST:PORT CONNECTIONS MESSAGES OCTETS RECIPIENT RECIPIENTS");
        std::process::exit(2);
    }
    let connections = number(1);
    let plan = Arc::new(Plan {
        server: args[0].clone(),
        messages: number(2),
        recipient: args[4].clone(),
        recipients: number(5),
        body: body(number(3)),
        next: AtomicUsize::new(0),
    });
    let ready = Arc::new(Barrier::new(connections + 1));
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (plan, ready) = (plan.clone(), ready.clone());
            std::thread::spawn(move || connection(&plan, &ready))
        })
        .collect();
    ready.wait();
    let begun = Instant::now();
    let mut waits = Vec::new();
    let mut errors = Vec::new();
    for thread in threads {
        let (took, error) = thread.join().expect("a connection's thread panicked");
        waits.extend(took);
        errors.extend(error);
    }
    let seconds = begun.elapsed().as_secs_f64();
    waits.sort();
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).map_or(0.0, |w| w.as_secs_f64() * 1000.0);
    println!(
        "{{\"accepted\": {}, \"secs\": {seconds:.4}, \"accepted_per_s\": {:.1}, \"p50_ms\": {:.3}, \"p99_ms\": {:.3}, \"failures\": {}, \"error\": {:?}}}",
        waits.len(),
        waits.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        plan.messages - waits.len(),
        errors.first().map_or("", String::as_str),
    );
    std::process::exit(i32::from(waits.len() != plan.messages));
}

/// One connection to its end: how long each of its messages took, and what ended it early.
fn connection(plan: &Plan, ready: &Barrier) -> (Vec<Duration>, Option<String>) {
    let mut took = Vec::new();
    let opened = open(plan);
    ready.wait();
    let result = opened.and_then(|(mut reader, mut socket)| {
        let mut packet = Vec::new();
        loop {
            let number = plan.next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.messages {
                socket.write_all(b"QUIT\r\n").map_err(text)?;
                return Ok(());
            }
            let begun = Instant::now();
            let to = plan.recipient.replace("%d", &(number % plan.recipients + 1).to_string());
            packet.clear();
            write!(packet, "MAIL FROM:<load@origin.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n").map_err(text)?;
            socket.write_all(&packet).map_err(text)?;
            for expected in [250, 250, 354] {
                reply(&mut reader, expected)?;
            }
            packet.clear();
            write!(packet, "X-Bench: {number}\r\nMessage-ID: <{number}.{}@load.example>\r\n", std::process::id()).map_err(text)?;
            packet.extend_from_slice(&plan.body);
            packet.extend_from_slice(b".\r\n");
            socket.write_all(&packet).map_err(text)?;
            reply(&mut reader, 250)?;
            took.push(begun.elapsed());
        }
    });
    (took, result.err())
}

fn open(plan: &Plan) -> Result<(BufReader<TcpStream>, TcpStream), String> {
    let mut socket = TcpStream::connect(&plan.server).map_err(text)?;
    socket.set_nodelay(true).map_err(text)?;
    socket.set_read_timeout(Some(Duration::from_secs(60))).map_err(text)?;
    let mut reader = BufReader::new(socket.try_clone().map_err(text)?);
    reply(&mut reader, 220)?;
    socket.write_all(b"EHLO load.example\r\n").map_err(text)?;
    reply(&mut reader, 250)?;
    Ok((reader, socket))
}

/// One reply, which must have this code.
fn reply(reader: &mut BufReader<TcpStream>, expected: u16) -> Result<(), String> {
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(text)? == 0 {
            return Err("the server closed the connection".into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            let code = line.get(..3).and_then(|code| code.parse().ok());
            return if code == Some(expected) { Ok(()) } else { Err(format!("expected {expected}, got {}", line.trim_end())) };
        }
    }
}

/// A plain text message of about so many octets, the same words in another order in each line.
fn body(octets: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = ["the", "of", "invoice", "meeting", "report", "please", "project", "schedule", "update", "review", "budget", "account", "server", "order", "receive", "about"];
    let mut out = b"From: Load <load@origin.example>\r\nTo: <list@bench.example>\r\nSubject: load\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n".to_vec();
    let mut state = 1_u32;
    while out.len() + 80 < octets {
        for _ in 0..9 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            out.extend_from_slice(WORDS[(state >> 28) as usize].as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
