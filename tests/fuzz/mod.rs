//! A node under fire: broken and hostile requests to every method over HTTP and WebSocket, for `ATOLL_FUZZ_SECS` seconds
//! (default 20). The node must live, say nothing of a panic, answer an ordinary request promptly throughout, give its
//! memory back within bounds, and hold no connection once the attack is over.
//!
//! `ATOLL_FUZZ_SEED` repeats a campaign's choices; the seed is printed.

mod http;
mod values;
mod ws;

use crate::support::{ATOLL, ask, network::free_port, number, wait_until};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Attackers at one time; the machine's cores are shared with the node.
const ATTACKERS: u64 = 6;
/// An ordinary request has to be answered within this, even by a debug build on a busy machine.
const PROMPT: Duration = Duration::from_secs(15);
/// Growth of memory after the first part of the campaign that is still no leak: caches and the pool fill up.
const GROWTH_KIB: u64 = 400 << 10;

/// What the attackers share.
pub struct Target {
    pub address: SocketAddr,
    pub methods: Vec<String>,
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
        let method = &self.methods[rng.random_range(0..self.methods.len())];
        values::request(rng, method)
    }

    pub fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

struct Node {
    child: Child,
    dir: TempDir,
    rpc: String,
}

impl Node {
    /// Everything on, and timeouts short enough to be seen.
    fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let genesis = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("genesis/ethash.json");
        let child = Command::new(ATOLL)
            .current_dir(dir.path())
            .args(["node", "--genesis", genesis.to_str().unwrap(), "--data-dir", "data", "--http.api=all"])
            .args([format!("--rpc.listen=127.0.0.1:{port}"), format!("--p2p.listen=127.0.0.1:{}", free_port())])
            .args(["--mine", "--miner.account=0x000000000000000000000000000000000000dead", "--miner.cpu=0.02"])
            .args(["--rpc.header-timeout=3", "--rpc.body-timeout=3", "--rpc.write-timeout=3", "--rpc.call-timeout=1"])
            .args(["--rpc.max-request=2", "--rpc.max-connections=500", "--rpc.filter-expiry=5"])
            .env("ATOLL_UNSAFE_DEV_MNEMONIC", "test test test test test test test test test test test junk")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let node = Self { child, dir, rpc: format!("http://127.0.0.1:{port}") };
        wait_until("the node answers", || ask(&node.rpc, "eth_chainId", json!([])).is_some());
        node
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join("log")).unwrap()).into_owned()
    }

    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).into_iter().flatten().flatten();
        files
            .filter(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket")))
            .count()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the node said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every method: those the node lists, and those it may not list.
fn methods(rpc: &str) -> Vec<String> {
    let document = ask(rpc, "rpc.discover", json!([])).unwrap_or_default();
    let listed = document["result"]["methods"].as_array().into_iter().flatten();
    let listed = listed.filter_map(|method| method["name"].as_str()).map(str::to_owned);
    let mut all: Vec<String> = listed.chain(values::METHODS.iter().map(|name| (*name).to_owned())).collect();
    all.sort();
    all.dedup();
    // It would stop what the campaign is there to see.
    all.retain(|name| name != "miner_stop");
    all
}

fn attack(target: &Target, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !target.over() {
        match rng.random_range(0..100) {
            0..55 => http::requests(target, &mut rng),
            55..65 => http::broken(target, &mut rng),
            65..70 => http::pipeline(target, &mut rng),
            70..75 => http::half_open(target, &mut rng),
            75..92 => ws::requests(target, &mut rng),
            92..97 => ws::garbage(target, &mut rng),
            _ => ws::deaf(target, &mut rng),
        }
    }
}

#[test]
fn hostile_requests() {
    let seconds: u64 = std::env::var("ATOLL_FUZZ_SECS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    // The suite sends the same requests every time; a campaign chooses other seeds.
    let seed: u64 = std::env::var("ATOLL_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_125);
    println!("{seconds} s, ATOLL_FUZZ_SEED={seed}");
    let mut node = Node::start();
    let quiet = node.sockets();
    let address = node.rpc.trim_start_matches("http://").parse().unwrap();
    let (methods, stop, requests) = (methods(&node.rpc), AtomicBool::new(false), AtomicU64::new(0));
    let target = Arc::new(Target { address, methods, stop, requests, codes: Mutex::default() });
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|index| {
            let target = target.clone();
            thread::spawn(move || attack(&target, seed.wrapping_add(index)))
        })
        .collect();

    let (started, length) = (Instant::now(), Duration::from_secs(seconds));
    let (mut warm, mut slowest, mut peak) = (None, Duration::ZERO, 0);
    while started.elapsed() < length && attackers.iter().all(|attacker| !attacker.is_finished()) {
        let asked = Instant::now();
        let answer = ask(&node.rpc, "eth_getBlockByNumber", json!(["latest", false]));
        // A connection too many is turned away at once; the attackers hold at most half of them.
        let answer = answer.unwrap_or_else(|| panic!("no answer to an ordinary request:\n{}", node.log()));
        assert!(answer["result"]["number"].is_string(), "{answer}");
        slowest = slowest.max(asked.elapsed());
        assert!(slowest < PROMPT, "an ordinary request took {slowest:?}");
        peak = peak.max(node.memory_kib());
        if warm.is_none() && started.elapsed() > length / 3 {
            warm = Some(node.memory_kib());
        }
        assert!(node.child.try_wait().unwrap().is_none(), "the node is gone:\n{}", node.log());
        thread::sleep(Duration::from_millis(100));
    }
    target.stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.join().unwrap();
    }

    let (warm, end) = (warm.unwrap_or_default(), node.memory_kib());
    let head = number(&ask(&node.rpc, "eth_blockNumber", json!([])).unwrap()["result"]);
    println!(
        "{} requests, {} methods, head {head}; slowest ordinary request {slowest:?}; memory {} MiB after a third, {} at \
         the end, {} at most",
        target.requests.load(Ordering::Relaxed),
        target.methods.len(),
        warm >> 10,
        end >> 10,
        peak >> 10
    );
    println!("answers by error code (0: results): {:?}", target.codes.lock().unwrap());
    assert!(end < warm + GROWTH_KIB, "memory grew from {warm} to {end} KiB");
    assert!(!node.log().contains("panicked"), "a panic:\n{}", node.log());
    // Everything that was left open ends by the node's own timeouts.
    wait_until("no connection is left", || node.sockets() <= quiet + 2);
}
