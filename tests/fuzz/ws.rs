//! Attacks over WebSocket, with frames made by hand.

use super::{Target, http};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::Ordering,
    time::Duration,
};

fn open(target: &Target) -> Option<TcpStream> {
    let mut stream = http::connect(target)?;
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        target.address
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    head.starts_with(b"HTTP/1.1 101").then_some(stream)
}

/// A frame with an empty mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// The next whole text; `None` when the connection ended.
fn text_of(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).ok()?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut bytes = [0; 2];
                stream.read_exact(&mut bytes).ok()?;
                u64::from(u16::from_be_bytes(bytes))
            }
            127 => {
                let mut bytes = [0; 8];
                stream.read_exact(&mut bytes).ok()?;
                u64::from_be_bytes(bytes)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).ok()?];
        stream.read_exact(&mut payload).ok()?;
        match head[0] & 0x0f {
            0 | 1 => whole.extend_from_slice(&payload),
            8 => return None,
            _ => continue,
        }
        if head[0] & 0x80 != 0 {
            return Some(whole);
        }
    }
}

/// Calls, batches and subscriptions; answers and notifications come in any order.
pub fn requests(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = open(target) else { return };
    let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["KIND",true]}"#;
    for _ in 0..rng.random_range(1..10) {
        if target.over() {
            return;
        }
        let sent = match rng.random_range(0..8) {
            0 => {
                let kind = ["newHeads", "logs", "newPendingTransactions", "syncing", "x"].choose(rng).unwrap_or(&"");
                let one = subscribe.replace("KIND", kind);
                format!("[{}]", vec![one; rng.random_range(1..500)].join(","))
            }
            _ => target.request(rng),
        };
        target.requests.fetch_add(1, Ordering::Relaxed);
        let bytes = sent.as_bytes();
        let written = match rng.random_range(0..3) {
            // In two fragments, with a ping between them.
            0 => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                stream.write_all(&[frame(0x01, first), frame(0x89, b"there?"), frame(0x80, second)].concat())
            }
            1 => stream.write_all(&frame(0x82, bytes)),
            _ => stream.write_all(&frame(0x81, bytes)),
        };
        if written.is_err() || (stream.set_read_timeout(Some(Duration::from_secs(3))).is_err()) {
            return;
        }
        // A notification has no answer, so this may wait in vain.
        let Some(heard) = text_of(&mut stream) else { return };
        if !heard.windows(16).any(|window| window == b"eth_subscription") {
            target.note(&heard, &sent);
        }
    }
}

/// Frames that no client may send.
pub fn garbage(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = open(target) else { return };
    let noise: Vec<u8> = (0..rng.random_range(1..2000)).map(|_| rng.random()).collect();
    let cases = [
        noise,
        // Unmasked, reserved bits, reserved opcodes, a fragmented ping, a ping too long, a stray continuation.
        vec![0x81, 2, b'{', b'}'],
        frame(0xf1, b"{}"),
        frame(0x83, b"{}"),
        frame(0x09, b"x"),
        frame(0x89, &[0; 200]),
        frame(0x80, b"{}"),
        // Lengths that nobody could hold.
        [&[0x81, 0xff][..], &[0xff; 8], &[0; 4]].concat(),
        [&[0x81, 0xff][..], &(1u64 << 30).to_be_bytes(), &[0; 4]].concat(),
        [&[0x81, 0xff][..], &(2_000_000u64).to_be_bytes(), &[0; 4], b"only this"].concat(),
        // Not UTF-8; a close with half a code; a close with a bad one.
        frame(0x81, &[0xff, 0xfe, 0xfd]),
        frame(0x88, &[3]),
        frame(0x88, &[0, 0]),
        // Fragments without end.
        [frame(0x01, b"["), frame(0x00, &[b'1'; 1000]).repeat(500)].concat(),
        frame(0x89, b"ping").repeat(5000),
    ];
    target.requests.fetch_add(1, Ordering::Relaxed);
    let _ = stream.write_all(cases.choose(rng).map_or(&[][..], |bytes| bytes));
    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
    let mut rest = [0; 4096];
    while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
}

/// Asks for much and reads none of it.
pub fn deaf(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = open(target) else { return };
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}"#;
    let batch = frame(0x81, format!("[{}]", vec![request; 900].join(",")).as_bytes());
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    for _ in 0..rng.random_range(1..30) {
        target.requests.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(&batch).is_err() {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(rng.random_range(0..2000)));
}

/// A request in very many fragments, with pings, empty fragments and pongs between them, and then a close or nothing.
pub fn fragments(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = open(target) else { return };
    let text = target.request(rng);
    let size = (text.len() / rng.random_range(1..500)).max(1);
    let mut frames = frame(0x01, b"");
    for part in text.as_bytes().chunks(size) {
        frames.extend(frame(0x00, part));
        match rng.random_range(0..4) {
            0 => frames.extend(frame(0x89, &[7; 125])),
            1 => frames.extend(frame(0x8a, b"")),
            2 => frames.extend(frame(0x00, b"")),
            _ => {}
        }
    }
    frames.extend(frame(0x80, b""));
    target.requests.fetch_add(1, Ordering::Relaxed);
    if stream.write_all(&frames).is_err() || stream.set_read_timeout(Some(Duration::from_secs(3))).is_err() {
        return;
    }
    if let Some(heard) = text_of(&mut stream) {
        target.note(&heard, &text);
    }
    if rng.random() {
        // A close, and then more, which nobody may answer.
        let _ = stream.write_all(&[frame(0x88, &[3, 0xe8]), frame(0x81, text.as_bytes())].concat());
    }
}

/// As many subscriptions as it gets, one by one and in batches, cancelled and made again; then it listens slowly, not at
/// all, or goes.
pub fn subscriptions(target: &Target, rng: &mut StdRng) {
    let Some(mut stream) = open(target) else { return };
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["KIND"]}"#;
    let mut sent = Vec::new();
    for _ in 0..rng.random_range(1..20) {
        let kind = ["newHeads", "logs", "newPendingTransactions", "syncing"].choose(rng).unwrap_or(&"");
        let batch = vec![one.replace("KIND", kind); rng.random_range(1..200)];
        sent.extend(frame(0x81, format!("[{}]", batch.join(",")).as_bytes()));
        sent.extend(frame(0x81, br#"{"jsonrpc":"2.0","id":2,"method":"eth_unsubscribe","params":["0x1"]}"#));
    }
    target.requests.fetch_add(20, Ordering::Relaxed);
    let _ = stream.set_write_timeout(Some(Duration::from_secs(2)));
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    if stream.write_all(&sent).is_err() {
        return;
    }
    for _ in 0..rng.random_range(0..30) {
        let mut some = [0; 4096];
        if matches!(stream.read(&mut some), Ok(0)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..100)));
    }
}
