//! `kill -9`: of any one process, of everything at once. Nothing acknowledged may be lost.

use crate::support::{ADDRESS, ask, call, head, network::Network, wait_until};
use serde_json::{Value, json};

/// Sends one transfer; tries again until somebody takes it. Returns its hash.
fn send(rpc: &str) -> Value {
    let mut hash = Value::Null;
    wait_until("a transaction is taken", || {
        let request = json!([{ "from": ADDRESS, "to": ADDRESS, "value": "0x1" }]);
        hash = ask(rpc, "eth_sendTransaction", request)
            .and_then(|answer| answer.get("result").cloned())
            .unwrap_or_default();
        !hash.is_null()
    });
    hash
}

fn mined(rpc: &str, hash: &Value) {
    wait_until("the transaction is mined", || {
        ask(rpc, "eth_getTransactionReceipt", json!([hash])).is_some_and(|answer| answer["result"]["status"] == "0x1")
    });
}

fn hash_of(rpc: &str, number: u64) -> Value {
    call(rpc, "eth_getBlockByNumber", json!([format!("0x{number:x}"), false]))["hash"].clone()
}

/// Kills a process; the network goes on, what is sent meanwhile is mined, the process comes back and catches up.
fn survives(network: &Network, name: &str) {
    let rpc = network.url("rpc");
    let before = send(&rpc);
    let old = network.process(name, "pid");
    network.kill(name);
    let hashes = [before, send(&rpc), send(&rpc)];
    hashes.iter().for_each(|hash| mined(&rpc, hash));
    wait_until("the process is started again", || {
        let pid = network.process(name, "pid");
        !pid.is_null() && pid != old
    });
    if let Some(url) = network.process(name, "rpc").as_str() {
        let target = head(&rpc).unwrap();
        wait_until("the node catches up", || head(url).is_some_and(|number| number >= target));
        // Two miners may have found block `target` at once; the next block decides.
        wait_until("the node is on the chain of the others", || hash_of(url, target) == hash_of(&rpc, target));
    }
}

#[test]
fn any_one_process_may_be_killed() {
    let network = Network::start();
    for name in ["miner-1", "client-1", "miner-2", "registry", "stats", "explorer", "balancer"] {
        println!("kill -9 {name}");
        survives(&network, name);
    }
    let page = network.url("explorer");
    wait_until("the explorer is served again", || {
        crate::support::http().get(&page).send().is_ok_and(|answer| answer.status().is_success())
    });
}

#[test]
fn everything_may_be_killed_at_once() {
    let mut network = Network::start();
    let rpc = network.url("rpc");
    let mined_before = send(&rpc);
    mined(&rpc, &mined_before);
    // With two blocks on top no other block takes its place, except by the rarest chance.
    let number_before = head(&rpc).unwrap();
    wait_until("two more blocks", || head(&rpc) >= Some(number_before + 2));
    let block_before = hash_of(&rpc, number_before);
    let head_before = head(&rpc).unwrap();
    // Acknowledged, perhaps not yet mined.
    let acknowledged: Vec<Value> = (0..5).map(|_| send(&rpc)).collect();
    network.kill_everything();
    network.start_again();
    let rpc = network.url("rpc");
    let receipt = call(&rpc, "eth_getTransactionReceipt", json!([mined_before]));
    assert_eq!(receipt["status"], "0x1", "a mined transaction is gone");
    assert_eq!(hash_of(&rpc, number_before), block_before, "a block is gone");
    // The node that knew the newest block may not be the one that answers first.
    wait_until("the chain is as long as before", || head(&rpc) >= Some(head_before));
    acknowledged.iter().for_each(|hash| mined(&rpc, hash));
}

#[test]
fn a_graceful_stop_and_a_start_go_on() {
    let mut network = Network::start();
    let rpc = network.url("rpc");
    let hash = send(&rpc);
    mined(&rpc, &hash);
    let before = head(&rpc).unwrap();
    assert!(network.interrupt().success());
    assert!(!network.data_dir().join("network.json").exists());
    network.start_again();
    let rpc = network.url("rpc");
    mined(&rpc, &hash);
    wait_until("the chain grows", || head(&rpc).is_some_and(|number| number > before));
}
