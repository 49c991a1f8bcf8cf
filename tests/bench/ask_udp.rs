//! Asks a name server over UDP: `ask_udp ADDRESS:PORT WINDOW <QUESTIONS`, lines `NAME TYPE`; so many at once, each asked again
//! after 5 s, three times at most. Prints {"secs", "answers", "servfail", "lost"} as JSON. Only the standard library.

use std::collections::VecDeque;
use std::io::BufRead;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

struct Flight {
    question: Vec<u8>,
    sent: Instant,
    tries: u32,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let window: usize = words[2].parse().expect("a number");
    let mut waiting: VecDeque<Vec<u8>> = std::io::stdin()
        .lock()
        .lines()
        .map(|line| question(&line.expect("text")))
        .collect();
    let socket = UdpSocket::bind("127.6.0.1:0").expect("a port");
    socket.connect(&words[1]).expect("an address");
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout");
    let mut flights: Vec<Option<Flight>> = (0..window).map(|_| None).collect();
    let (mut answers, mut servfail, mut lost, begun) = (0u32, 0u32, 0u32, Instant::now());
    let mut buffer = [0u8; 4096];
    loop {
        for (slot, flight) in flights.iter_mut().enumerate() {
            if flight.is_none() {
                *flight = waiting.pop_front().map(|question| Flight {
                    question,
                    sent: Instant::now(),
                    tries: 0,
                });
                if let Some(flight) = flight {
                    send(&socket, slot, flight);
                }
            }
        }
        if flights.iter().all(Option::is_none) {
            break;
        }
        if let Ok(size) = socket.recv(&mut buffer) {
            let slot = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
            let fits = flights.get(slot).and_then(Option::as_ref).is_some_and(|f| {
                size >= f.question.len()
                    && buffer[12..].starts_with(&f.question[12..f.question.len() - 11])
            });
            if fits {
                match buffer[3] & 15 {
                    0 | 3 => answers += 1,
                    _ => servfail += 1,
                }
                flights[slot] = None;
            }
        }
        for (slot, place) in flights.iter_mut().enumerate() {
            if let Some(flight) = place
                && flight.sent.elapsed() > Duration::from_secs(5)
            {
                if flight.tries >= 3 {
                    lost += 1;
                    *place = None;
                } else {
                    send(&socket, slot, flight);
                }
            }
        }
    }
    println!(
        "{{\"secs\": {:.6}, \"answers\": {answers}, \"servfail\": {servfail}, \"lost\": {lost}}}",
        begun.elapsed().as_secs_f64()
    );
}

fn send(socket: &UdpSocket, slot: usize, flight: &mut Flight) {
    flight.question[..2].copy_from_slice(&(slot as u16).to_be_bytes());
    flight.sent = Instant::now();
    flight.tries += 1;
    let _ = socket.send(&flight.question);
}

/// A question with EDNS (1,232 octets, no DO), its id still zero.
fn question(line: &str) -> Vec<u8> {
    let (name, kind) = line.split_once(' ').expect("NAME TYPE");
    let kind: u16 = match kind {
        "A" => 1,
        "MX" => 15,
        "TXT" => 16,
        _ => panic!("{kind}"),
    };
    let mut out = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    out
}
