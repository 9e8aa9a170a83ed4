//! Attacks over HTTP, on bare sockets.

use super::Target;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use std::{
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// An answer may take as long as calls and traces may, a batch half a minute longer.
const WAIT: Duration = Duration::from_secs(60);

pub fn connect(target: &Target) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&target.address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(5))).ok()?;
    Some(stream)
}

fn head(target: &Target, length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        target.address
    )
}

/// Status and body of the next answer; `None` when the connection ended. One that says nothing is stuck.
fn answer(reader: &mut BufReader<TcpStream>, sent: &str) -> Option<(u16, Vec<u8>)> {
    let (mut status, mut length) = (None, 0);
    let asked = Instant::now();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => {
                let stuck = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                let start: String = sent.chars().take(600).collect();
                assert!(!stuck, "no answer in {:?}, and the connection stays, to {start}", asked.elapsed());
                return None;
            }
        }
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        status = status.or_else(|| line.split(' ').nth(1)?.parse().ok());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((status?, body))
}

/// Spoils some bytes, or makes the text end too early.
fn spoil(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match rng.random_range(0..3) {
        0 => bytes.truncate(rng.random_range(0..bytes.len())),
        1 => {
            for _ in 0..rng.random_range(1..10) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
        }
        _ => {
            let at = rng.random_range(0..bytes.len());
            bytes.splice(at..at, [0xff, 0xfe, 0x00, 0xc0]);
        }
    }
}

/// Calls and batches, one after the other on one connection, sound or spoiled.
pub fn requests(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = connect(target) else { return };
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    for _ in 0..rng.random_range(1..20) {
        if target.over() {
            return;
        }
        let entries = if rng.random_ratio(1, 10) { rng.random_range(0..1200) } else { 1 };
        let text = match entries {
            1 => target.request(rng),
            // A bomb: the same costly thing many times, or many things.
            _ if rng.random() => {
                format!("[{}]", vec![target.request(rng); entries].join(","))
            }
            _ => {
                let some: Vec<_> = (0..entries.min(60)).map(|_| target.request(rng)).collect();
                format!("[{}]", some.join(","))
            }
        };
        let mut bytes = text.clone().into_bytes();
        if rng.random_ratio(1, 5) {
            spoil(rng, &mut bytes);
        }
        target.requests.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(head(target, bytes.len()).as_bytes()).and_then(|()| stream.write_all(&bytes)).is_err() {
            return;
        }
        let Some((status, body)) = answer(&mut reader, &text) else { return };
        match status {
            200 if body.is_empty() => {}
            200 | 413 => target.note(&body, &text),
            503 | 408 => return,
            status => panic!("status {status}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

/// What is no HTTP, or HTTP at its worst.
pub fn broken(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = connect(target) else { return };
    let noise: Vec<u8> = (0..rng.random_range(1..4000)).map(|_| rng.random()).collect();
    let long = "x".repeat(200_000);
    let texts = [
        "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n{}".to_owned(),
        "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n{}".to_owned(),
        "POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}".to_owned(),
        "POST / HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{".to_owned(),
        "POST / HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nx: {long}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5000)),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned(),
        "DELETE / HTTP/9.9\r\n\r\n".to_owned(),
        "\r\n\r\n\r\n".to_owned(),
    ];
    let bytes =
        if rng.random_ratio(1, 4) { &noise[..] } else { texts.choose(rng).map_or(&[][..], |text| text.as_bytes()) };
    target.requests.fetch_add(1, Ordering::Relaxed);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    // Whatever is answered, the connection ends.
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        let reset = !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        assert!(
            reset,
            "a broken request holds its connection: {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
        );
    }
}

/// Many requests before the first answer is read; sometimes none is.
pub fn pipeline(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = connect(target) else { return };
    let body = target.request(rng);
    let one = format!("{}{body}", head(target, body.len()));
    let count = rng.random_range(2..50);
    target.requests.fetch_add(count, Ordering::Relaxed);
    if stream.write_all(one.repeat(count as usize).as_bytes()).is_err() || rng.random() {
        return;
    }
    let mut reader = BufReader::new(stream);
    for _ in 0..count {
        if target.over() {
            return;
        }
        let Some((_, answered)) = answer(&mut reader, &body) else { return };
        if !answered.is_empty() {
            target.note(&answered, &body);
        }
    }
}

/// Connections that are opened, and left in the middle of something.
pub fn half_open(target: &Target, rng: &mut StdRng) {
    let starts = [
        String::new(),
        "POST / HT".to_owned(),
        "POST / HTTP/1.1\r\nhost: localhost\r\n".to_owned(),
        format!("{}{{", head(target, 1000)),
    ];
    let mut held = Vec::new();
    for _ in 0..rng.random_range(1..20) {
        let Some(mut stream) = connect(target) else { break };
        let _ = stream.write_all(starts.choose(rng).map_or(&[][..], |text| text.as_bytes()));
        held.push(stream);
    }
    std::thread::sleep(Duration::from_millis(rng.random_range(0..500)));
    if rng.random_ratio(1, 3) {
        // Left for the node to end: its timeouts are three seconds.
        for mut stream in held {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            let mut rest = Vec::new();
            if let Err(error) = stream.read_to_end(&mut rest) {
                let reset = !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(reset, "a half-open connection is held");
            }
        }
    }
}

/// A body that comes in small pieces, whole or in chunks, and is answered all the same if it comes in time; or a client that
/// goes in the middle of it, with more requests under way.
pub fn slow(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = connect(target) else { return };
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    let text = target.request(rng);
    let chunked = rng.random();
    let mut bytes = Vec::new();
    if chunked {
        let start = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        bytes.extend_from_slice(start.as_bytes());
        let size = rng.random_range(1..5000);
        for piece in text.as_bytes().chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        bytes.extend_from_slice(head(target, text.len()).as_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let leaves = rng.random_ratio(1, 3).then(|| rng.random_range(0..bytes.len()));
    target.requests.fetch_add(1, Ordering::Relaxed);
    let piece = (bytes.len() / 20).max(1);
    for (index, part) in bytes.chunks(piece).enumerate() {
        let gone = leaves.is_some_and(|at| at < index * piece);
        if gone || stream.write_all(part).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..40)));
    }
    if let Some((200 | 413, body)) = answer(&mut reader, &text)
        && !body.is_empty()
    {
        target.note(&body, &text);
    }
}

/// Connections that come and go at once.
pub fn storm(target: &Target, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..200) {
        let Some(stream) = connect(target) else { return };
        if rng.random() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
