//! Opens thousands of WebSocket subscriptions to new heads on a running node, and prints how long after a block's import
//! each of them has its head. It knows a node by its JSON-RPC alone, so that any node can be measured.
//!
//! A block counts as imported at the moment the last `eth_blockNumber` was sent that did not know it yet: the figures are
//! never better than the truth, and worse by the time between two such questions at most.
#![allow(clippy::print_stdout, reason = "its figures are its purpose")]

use clap::Parser;
use std::{
    collections::BTreeMap,
    error::Error,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream as BlockingStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};

type BoxError = Box<dyn Error + Send + Sync>;

/// Measures how fast new heads reach subscribers.
#[derive(Parser)]
struct Args {
    /// JSON-RPC over HTTP
    #[arg(long, default_value = "127.0.0.1:8545")]
    http: SocketAddr,
    /// JSON-RPC over WebSocket [default: the same]
    #[arg(long)]
    ws: Option<SocketAddr>,
    /// Subscribers
    #[arg(long, default_value_t = 5000)]
    subscribers: usize,
    /// Blocks to wait for
    #[arg(long, default_value_t = 20)]
    blocks: usize,
    /// Process of the node: its memory is measured too
    #[arg(long)]
    pid: Option<u32>,
    /// Subscribers opened at one time
    #[arg(long, default_value_t = 100)]
    at_once: usize,
}

/// A head that somebody heard of.
struct Heard {
    number: u64,
    at: Instant,
}

/// Asks for more open files than the shell allows, as far as the system lets us.
fn raise_file_limit() -> Result<u64, BoxError> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// Resident memory of a process, in KiB.
fn memory(pid: Option<u32>) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn number_in(text: &[u8], after: &[u8]) -> Option<u64> {
    let start = text.windows(after.len()).position(|window| window == after)? + after.len();
    let digits = text[start..].split(|byte| !byte.is_ascii_hexdigit()).next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Asks for the head's number without a pause, and tells when each number was last not there.
fn watch_import(address: SocketAddr, imported: &mpsc::UnboundedSender<Heard>) -> Result<(), BoxError> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = BlockingStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut last, mut last_asked) = (None, Instant::now());
    let mut buffer = [0; 4096];
    loop {
        let asked = Instant::now();
        stream.write_all(request.as_bytes())?;
        let mut length = 0;
        let number = loop {
            let read = stream.read(&mut buffer[length..])?;
            if read == 0 {
                return Err("the node closed the connection".into());
            }
            length += read;
            if buffer[..length].ends_with(b"}")
                && let Some(number) = number_in(&buffer[..length], b"\"result\":\"0x")
            {
                break number;
            }
        };
        if last.is_some_and(|last| number > last) && imported.send(Heard { number, at: last_asked }).is_err() {
            return Ok(());
        }
        (last, last_asked) = (Some(number), asked);
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// One subscriber: a WebSocket read by hand, so that the measuring costs little.
struct Subscriber {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Subscriber {
    async fn open(address: SocketAddr) -> Result<Self, BoxError> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut subscriber = Self { stream, buffer: Vec::new() };
        let end = loop {
            if let Some(end) = subscriber.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            subscriber.fill().await?;
        };
        if !subscriber.buffer.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&subscriber.buffer).into_owned().into());
        }
        subscriber.buffer.drain(..end);
        subscriber.send(1, br#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#).await?;
        let answer = subscriber.next().await?;
        match answer.windows(8).any(|window| window == b"\"result\"") {
            true => Ok(subscriber),
            false => Err(String::from_utf8_lossy(&answer).into_owned().into()),
        }
    }

    async fn fill(&mut self) -> Result<(), BoxError> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk).await? {
            0 => Err("the node closed a subscriber's connection".into()),
            read => {
                self.buffer.extend_from_slice(&chunk[..read]);
                Ok(())
            }
        }
    }

    /// A frame with an empty mask: its payload is below 126 bytes.
    async fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<(), BoxError> {
        let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The payload of the next text; pings are answered.
    async fn next(&mut self) -> Result<Vec<u8>, BoxError> {
        loop {
            let header = match self.buffer[..] {
                [_, length, ..] if length < 126 => Some((2, usize::from(length))),
                [_, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
                [_, 127, ..] => return Err("a head of more than 64 KiB".into()),
                _ => None,
            };
            let Some((start, length)) = header.filter(|(start, length)| self.buffer.len() >= start + length) else {
                self.fill().await?;
                continue;
            };
            let opcode = self.buffer[0] & 0x0f;
            let payload: Vec<u8> = self.buffer.drain(..start + length).skip(start).collect();
            match opcode {
                1 => return Ok(payload),
                8 => return Err("the node closed a subscription".into()),
                9 => self.send(10, &payload).await?,
                _ => {}
            }
        }
    }

    async fn listen(mut self, heard: mpsc::UnboundedSender<Heard>) -> Result<(), BoxError> {
        loop {
            let payload = self.next().await?;
            let at = Instant::now();
            if let Some(number) = number_in(&payload, b"\"number\":\"0x")
                && heard.send(Heard { number, at }).is_err()
            {
                return Ok(());
            }
        }
    }
}

fn at(sorted: &[Duration], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
}

fn line(name: &str, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    println!(
        "{name:>12} {:>8} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
        latencies.len(),
        at(latencies, 0.0),
        at(latencies, 0.5),
        at(latencies, 0.99),
        at(latencies, 1.0)
    );
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let files = raise_file_limit()?;
    if files < args.subscribers as u64 + 100 {
        return Err(format!("{files} open files are allowed (ulimit -Hn): too few").into());
    }
    let ws = args.ws.unwrap_or(args.http);
    let before = memory(args.pid);
    let started = Instant::now();
    let failed = Arc::new(AtomicUsize::new(0));
    let (heard_sender, mut heard) = mpsc::unbounded_channel();
    let mut open = 0;
    while open < args.subscribers {
        let some = args.at_once.min(args.subscribers - open);
        let opened = futures::future::try_join_all((0..some).map(|_| Subscriber::open(ws))).await?;
        for subscriber in opened {
            let (sender, failed) = (heard_sender.clone(), failed.clone());
            tokio::spawn(async move {
                if let Err(error) = subscriber.listen(sender).await
                    && failed.fetch_add(1, Ordering::Relaxed) == 0
                {
                    println!("a subscriber failed: {error}");
                }
            });
        }
        open += some;
    }
    println!("{open} subscribers in {:.1} s", started.elapsed().as_secs_f64());
    if let (Some(before), Some(after)) = (before, memory(args.pid)) {
        let each = (after.saturating_sub(before)) as f64 / open as f64;
        println!("memory of the node: {before} KiB before, {after} KiB after: {each:.1} KiB a subscriber");
    }
    let (import_sender, mut imports) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        if let Err(error) = watch_import(args.http, &import_sender) {
            println!("the head cannot be watched: {error}");
        }
    });
    let mut imported: BTreeMap<u64, Instant> = BTreeMap::new();
    let mut arrivals: BTreeMap<u64, Vec<Instant>> = BTreeMap::new();
    println!("{:>12} {:>8} {:>8} {:>8} {:>8} {:>8}", "block", "heard", "min ms", "median", "p99", "max");
    let (mut all, mut done, mut slowest) = (Vec::new(), 0, Duration::ZERO);
    while done < args.blocks {
        tokio::select! {
            Some(import) = imports.recv() => { imported.insert(import.number, import.at); }
            Some(arrival) = heard.recv() => arrivals.entry(arrival.number).or_default().push(arrival.at),
        }
        let complete: Vec<u64> = arrivals
            .iter()
            .filter(|(number, at)| imported.contains_key(number) && at.len() + failed.load(Ordering::Relaxed) >= open)
            .map(|(number, _)| *number)
            .collect();
        for number in complete {
            let (Some(from), Some(at)) = (imported.get(&number), arrivals.remove(&number)) else { continue };
            let mut latencies: Vec<_> = at.iter().map(|at| at.saturating_duration_since(*from)).collect();
            line(&number.to_string(), &mut latencies);
            slowest = slowest.max(latencies.last().copied().unwrap_or_default());
            all.append(&mut latencies);
            done += 1;
        }
    }
    line("all", &mut all);
    println!(
        "slowest head: {:.1} ms; failed subscribers: {}",
        slowest.as_secs_f64() * 1e3,
        failed.load(Ordering::Relaxed)
    );
    if let Some(after) = memory(args.pid) {
        println!("memory of the node at the end: {after} KiB");
    }
    Ok(())
}
