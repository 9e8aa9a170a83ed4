//! Attacks over HTTP, on bare sockets.

use super::Target;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::atomic::Ordering,
    time::Duration,
};

/// An answer may take as long as calls may, a batch half a minute.
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

/// Status and body of the next answer; `None` when there is no more.
fn answer(reader: &mut BufReader<TcpStream>) -> Option<(u16, Vec<u8>)> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
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
        let Some((status, body)) = answer(&mut reader) else { return };
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
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
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
        let Some((_, answered)) = answer(&mut reader) else { return };
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
            let _ = stream.set_read_timeout(Some(Duration::from_secs(15)));
            let mut rest = Vec::new();
            if let Err(error) = stream.read_to_end(&mut rest) {
                let reset = !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                assert!(reset, "a half-open connection is held");
            }
        }
    }
}
