//! A node under fire: broken and hostile requests to every method over HTTP and WebSocket, for `ATOLL_FUZZ_SECS` seconds
//! (default 20), in rounds of a minute at most. The node must live, say nothing of a panic, answer an ordinary request
//! promptly throughout, and after each round hold no connection, and no more threads and memory than before all, within
//! bounds.
//!
//! `ATOLL_FUZZ_SEED` repeats a campaign's choices; the seed is printed.

mod http;
mod process;
mod shaped;
mod values;
mod ws;

use crate::support::{ask, number, wait_until};
use process::Node;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Attackers at one time; the machine's cores are shared with the node.
const ATTACKERS: u64 = 6;
/// An ordinary request has to be answered within this, even by a debug build on a busy machine.
const PROMPT: Duration = Duration::from_secs(60);
/// The longest round; there are two at least.
const ROUND: Duration = Duration::from_secs(60);
/// Growth of memory that is still no leak: caches and the pool fill up.
const GROWTH_KIB: u64 = 400 << 10;
/// Threads more than before the attack that may be left a while after it: of tokio's for blocking work.
const THREADS: usize = 8;

/// What the attackers share.
pub struct Target {
    pub address: SocketAddr,
    pub methods: Vec<String>,
    pub shapes: Vec<shaped::Shape>,
    /// Blocks and transactions of the chain.
    pub known: Mutex<shaped::Known>,
    pub stop: AtomicBool,
    pub requests: AtomicU64,
    /// How many answers had which error code; 0 for results.
    pub codes: Mutex<BTreeMap<i64, u64>>,
}

impl Target {
    /// Counts an answer. What is no JSON-RPC at all is a defect.
    pub fn note(&self, body: &[u8], sent: &str) {
        let shown = || String::from_utf8_lossy(&sent.as_bytes()[..sent.len().min(600)]).into_owned();
        let Ok(answer) = serde_json::from_slice::<Value>(body) else {
            panic!("not JSON: {} as the answer to {}", String::from_utf8_lossy(body), shown());
        };
        for entry in answer.as_array().unwrap_or(&vec![answer.clone()]) {
            let code = entry.get("error").map_or(0, |error| error["code"].as_i64().unwrap_or(i64::MIN));
            // A fault of the node: no request may cause one.
            assert_ne!(code, -32603, "{entry} as the answer to {}", shown());
            *self.codes.lock().unwrap().entry(code).or_default() += 1;
        }
    }

    /// A request of some method.
    pub fn request(&self, rng: &mut StdRng) -> String {
        if rng.random_ratio(2, 5)
            && let Some(shape) = self.shapes.choose(rng)
        {
            let known = self.known.lock().unwrap().clone();
            return shaped::request(rng, shape, &known);
        }
        let method = &self.methods[rng.random_range(0..self.methods.len())];
        values::request(rng, method)
    }

    pub fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Every method: those the node lists, and those it may not list.
fn methods(document: &Value) -> Vec<String> {
    let listed = document["methods"].as_array().into_iter().flatten();
    let listed = listed.filter_map(|method| method["name"].as_str()).map(str::to_owned);
    let mut all: Vec<String> = listed.chain(values::METHODS.iter().map(|name| (*name).to_owned())).collect();
    all.sort();
    all.dedup();
    all
}

fn attack(target: &Target, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !target.over() {
        match rng.random_range(0..100) {
            0..50 => http::requests(target, &mut rng),
            50..57 => http::broken(target, &mut rng),
            57..62 => http::pipeline(target, &mut rng),
            62..66 => http::half_open(target, &mut rng),
            66..70 => http::slow(target, &mut rng),
            70..71 => http::storm(target, &mut rng),
            71..86 => ws::requests(target, &mut rng),
            86..90 => ws::garbage(target, &mut rng),
            90..94 => ws::fragments(target, &mut rng),
            94..97 => ws::subscriptions(target, &mut rng),
            _ => ws::deaf(target, &mut rng),
        }
    }
}

/// What an ordinary user of the node does meanwhile.
struct User<'a> {
    node: &'a mut Node,
    target: &'a Target,
    /// The longest time until an answer that is no "busy", and how many of those came.
    slowest: Duration,
    busy: u64,
    peak_kib: u64,
}

impl User<'_> {
    /// Reads the newest block, which must not take long; sends a transaction; mines, whatever the attackers told the miner.
    fn step(&mut self, index: u64) {
        let asked = Instant::now();
        let hash = loop {
            let answer = ask(&self.node.rpc, "eth_getBlockByNumber", json!(["latest", false]));
            self.slowest = self.slowest.max(asked.elapsed());
            assert!(
                self.slowest < PROMPT,
                "an ordinary request took {:?}:\n{}\n{}",
                self.slowest,
                self.node.busy_threads(),
                self.node.log()
            );
            // All slots or all connections are taken, and it says so: whoever asks again gets his answer soon.
            self.busy += 1;
            let Some(answer) = answer else { continue };
            if answer["result"]["hash"].is_string() {
                self.busy -= 1;
                break answer["result"]["hash"].to_string();
            }
            assert_eq!(answer["error"]["code"], -32005, "{answer}");
        };
        self.peak_kib = self.peak_kib.max(self.node.memory_kib());
        self.node.assert_alive();
        let mut fresh = vec![hash];
        if index.is_multiple_of(5) {
            ask(&self.node.rpc, "miner_start", json!([]));
            let (from, to) =
                ("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x000000000000000000000000000000000000dead");
            let sent = ask(&self.node.rpc, "eth_sendTransaction", json!([{"from": from, "to": to, "value": "0x1"}]));
            fresh.extend(sent.map(|sent| sent["result"].to_string()).filter(|hash| hash != "null"));
        }
        let mut known = self.target.known.lock().unwrap();
        known.extend(fresh);
        let surplus = known.len().saturating_sub(64);
        known.drain(..surplus);
    }

    /// Attackers for a while; then nothing may be left of them.
    fn round(&mut self, length: Duration, seeds: &mut StdRng, quiet: &Quiet) {
        self.target.stop.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let target = self.target;
            let attackers: Vec<_> = (0..ATTACKERS)
                .map(|_| {
                    let seed = seeds.random();
                    scope.spawn(move || attack(target, seed))
                })
                .collect();
            let started = Instant::now();
            let mut index = 0;
            // Also on the way out of a panic: the scope waits for them.
            let stop = StopOnDrop(target);
            while started.elapsed() < length && attackers.iter().all(|attacker| !attacker.is_finished()) {
                self.step(index);
                index += 1;
                thread::sleep(Duration::from_millis(100));
            }
            drop(stop);
            for attacker in attackers {
                attacker.join().unwrap();
            }
        });
        // Everything that was left open ends by the node's own timeouts; the allocator gives pages back after a while, and
        // only when somebody allocates: a node that does nothing at all keeps what it has.
        wait_until("no connection is left", || self.node.sockets() <= quiet.sockets + 2);
        wait_until("the threads are gone", || self.node.threads() <= quiet.threads + THREADS);
        wait_until("the memory is given back", || {
            ask(&self.node.rpc, "miner_start", json!([]));
            ask(&self.node.rpc, "txpool_content", json!([]));
            self.node.memory_kib() < quiet.memory_kib + GROWTH_KIB
        });
    }
}

/// The node before the attack.
struct Quiet {
    sockets: usize,
    threads: usize,
    memory_kib: u64,
}

struct StopOnDrop<'a>(&'a Target);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn hostile_requests() {
    let seconds: u64 = std::env::var("ATOLL_FUZZ_SECS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    // The suite sends the same requests every time; a campaign chooses other seeds.
    let seed: u64 = std::env::var("ATOLL_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_125);
    println!("{seconds} s, ATOLL_FUZZ_SEED={seed}");
    let mut node = Node::start();
    let quiet = Quiet { sockets: node.sockets(), threads: node.threads(), memory_kib: node.memory_kib() };
    let address = node.rpc.trim_start_matches("http://").parse().unwrap();
    let document = ask(&node.rpc, "rpc.discover", json!([])).unwrap()["result"].take();
    let (methods, shapes) = (methods(&document), shaped::Shape::all(&document));
    assert!(shapes.len() > 100, "{} methods are described", shapes.len());
    let (stop, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    let known = Mutex::default();
    let target = Target { address, methods, shapes, known, stop, requests, codes: Mutex::default() };
    let rounds = (seconds / ROUND.as_secs()).max(2);
    let length = Duration::from_secs(seconds) / u32::try_from(rounds).unwrap();
    let mut seeds = StdRng::seed_from_u64(seed);
    let mut user = User { node: &mut node, target: &target, slowest: Duration::ZERO, busy: 0, peak_kib: 0 };
    println!("at first {} MiB, {} sockets, {} threads", quiet.memory_kib >> 10, quiet.sockets, quiet.threads);
    for round in 1..=rounds {
        user.round(length, &mut seeds, &quiet);
        let (requests, mib) = (target.requests.load(Ordering::Relaxed), user.node.memory_kib() >> 10);
        let (sockets, threads) = (user.node.sockets(), user.node.threads());
        println!("round {round}: {requests} requests, at rest {mib} MiB, {sockets} sockets, {threads} threads");
    }
    let User { slowest, busy, peak_kib, .. } = user;
    let head = number(&ask(&node.rpc, "eth_blockNumber", json!([])).unwrap()["result"]);
    println!(
        "{} requests, {} methods, head {head}; slowest ordinary request {slowest:?}, busy {busy} times; at most {} MiB",
        target.requests.load(Ordering::Relaxed),
        target.methods.len(),
        peak_kib >> 10
    );
    println!("answers by error code (0: results): {:?}", target.codes.lock().unwrap());
    assert!(!node.log().contains("panicked"), "a panic:\n{}", node.log());
}
