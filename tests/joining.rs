//! Nodes started by hand: one that joins a running network, strangers that may not, two halves that meet again.

use crate::support::{ADDRESS, ATOLL, ask, call, head, network::Network, number, ports::free_port, wait_until};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

const MNEMONIC: &str = "test test test test test test test test test test test junk";

fn genesis() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("genesis/ethash.json")
}

/// A process with a directory and a log of its own; killed when dropped.
struct ByHand {
    child: Child,
    dir: TempDir,
    rpc: String,
}

impl ByHand {
    fn node(genesis: &Path, more: &[&str]) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new(ATOLL)
            .arg("node")
            .args(["--genesis", genesis.to_str().unwrap(), "--data-dir", dir.path().join("data").to_str().unwrap()])
            .args([format!("--rpc.listen=127.0.0.1:{port}"), format!("--p2p.listen=127.0.0.1:{}", free_port())])
            .args(more)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, dir, rpc: format!("http://127.0.0.1:{port}") }
    }

    fn registry(listen: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new(ATOLL)
            .args(["discovery", "--listen", listen, "--data-dir", dir.path().join("data").to_str().unwrap()])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, dir, rpc: String::new() }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peers(rpc: &str) -> Option<u64> {
    ask(rpc, "net_peerCount", json!([]))?.get("result").map(number)
}

fn hash_of(rpc: &str, block: u64) -> Value {
    ask(rpc, "eth_getBlockByNumber", json!([format!("0x{block:x}"), false]))
        .map_or(Value::Null, |answer| answer["result"]["hash"].clone())
}

/// Where a node of the network listens, with its peer ID, from its log.
fn multiaddr(network: &Network, name: &str) -> String {
    let log = std::fs::read_to_string(network.process(name, "log").as_str().unwrap()).unwrap();
    let field = |key: &str, wanted: &str| {
        let values = log.lines().filter_map(|line| line.split_once(key)).map(|(_, rest)| rest);
        let mut words = values.filter_map(|rest| rest.split_whitespace().next());
        words.find(|word| word.contains(wanted)).unwrap_or_else(|| panic!("no {key} in {log}")).to_owned()
    };
    format!("{}/p2p/{}", field("listening address=", "/tcp/"), field("local_peer_id=", ""))
}

#[test]
fn a_fourth_node_joins_and_strangers_are_refused() {
    let network = Network::start();
    let rpc = network.url("rpc");
    wait_until("there is a chain", || head(&rpc) >= Some(4));
    // All it is given: the registry and the genesis file.
    let fourth = ByHand::node(&genesis(), &["--registry", &network.url("registry")]);
    let target = head(&rpc).unwrap() + 2;
    wait_until("the fourth node follows", || head(&fourth.rpc) >= Some(target));
    wait_until("it has peers", || peers(&fourth.rpc) >= Some(2));
    // Two miners may have found block `target` at once; the next block decides.
    wait_until("it is on the chain of the others", || {
        let hash = hash_of(&fourth.rpc, target);
        !hash.is_null() && hash == hash_of(&rpc, target)
    });

    let dir = tempfile::tempdir().unwrap();
    let mut other: Value = serde_json::from_str(&std::fs::read_to_string(genesis()).unwrap()).unwrap();
    other["extraData"] = json!("0x1234");
    let file = dir.path().join("other.json");
    std::fs::write(&file, other.to_string()).unwrap();
    let peer = multiaddr(&network, "miner-1");
    for (what, stranger) in [
        ("genesis", ByHand::node(&file, &["--p2p.peers", &peer])),
        ("network ID", ByHand::node(&genesis(), &["--network-id", "4711", "--p2p.peers", &peer])),
    ] {
        let refused = |log: &str| log.lines().any(|line| line.contains("not our network") && line.contains(what));
        wait_until("the log says why they do not get together", || {
            let log = std::fs::read_to_string(network.process("miner-1", "log").as_str().unwrap()).unwrap();
            refused(&stranger.log()) || refused(&log)
        });
        wait_until("the stranger serves", || peers(&stranger.rpc).is_some());
        assert_eq!((peers(&stranger.rpc), head(&stranger.rpc)), (Some(0), Some(0)), "{what}");
    }
}

/// No registry answers at first, so each half mines on its own; then there is one.
#[test]
fn two_halves_agree_when_they_meet() {
    let listen = format!("127.0.0.1:{}", free_port());
    let url = format!("http://{listen}");
    let half = |account: &str| {
        let dev = ["--unsafe-dev-mnemonic", MNEMONIC, "--mine", "--registry", &url, "--miner.account", account];
        ByHand::node(&genesis(), &dev)
    };
    let halves = [half(ADDRESS), half("0x70997970c51812dc3a010c7d01b50e0d17dc79c8")];
    let accounts = halves.each_ref().map(|half| {
        wait_until("each half has mined", || head(&half.rpc) >= Some(1));
        call(&half.rpc, "eth_accounts", json!([]))
    });
    // On either side another account spends: whichever chain loses, its transaction must come again.
    let hashes = [0, 1].map(|side: usize| {
        let from = &accounts[side][side + 2];
        let request = json!([{ "from": from, "to": ADDRESS, "value": "0x1" }]);
        call(&halves[side].rpc, "eth_sendTransaction", request)
    });
    let mined = |rpc: &str, hash: &Value| {
        ask(rpc, "eth_getTransactionReceipt", json!([hash])).is_some_and(|answer| answer["result"]["status"] == "0x1")
    };
    for (half, hash) in halves.iter().zip(&hashes) {
        wait_until("each half mines its transaction", || mined(&half.rpc, hash));
    }
    wait_until("each has several blocks", || halves.iter().all(|half| head(&half.rpc) >= Some(5)));
    assert_ne!(hash_of(&halves[0].rpc, 5), hash_of(&halves[1].rpc, 5), "they were apart");

    let _registry = ByHand::registry(&listen);
    wait_until("they find each other", || halves.iter().all(|half| peers(&half.rpc) == Some(1)));
    let met = halves.iter().filter_map(|half| head(&half.rpc)).max().unwrap();
    let same = |number: u64| {
        let [left, right] = halves.each_ref().map(|half| hash_of(&half.rpc, number));
        !left.is_null() && left == right
    };
    wait_until("both are on one chain", || same(met));
    let agreed = halves.iter().filter_map(|half| head(&half.rpc)).max().unwrap();
    assert!(agreed <= met + 3, "met at {met}, agreed at {agreed}");
    for half in &halves {
        for hash in &hashes {
            wait_until("the transactions of both are on the one chain", || mined(&half.rpc, hash));
        }
    }
}
