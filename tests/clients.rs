//! Real clients do what dApps do, against one node, through the balancer, and while a node is killed: ethers, viem,
//! web3.js, web3.py, Foundry, Hardhat. What they check is in `clients/`.

use crate::support::{
    self, ADDRESS, KEY, OTHER_KEY, call,
    network::Network,
    number,
    tools::{self, Client},
    wait_until,
};
use serde_json::{Value, json};

/// The explorer must show a transaction soon after it is mined.
fn explorer_shows(network: &Network, transaction: &Value) {
    let url = format!("{}/tx/{}", network.url("explorer"), transaction.as_str().unwrap());
    wait_until("the explorer shows the transaction as mined", || {
        support::http()
            .get(&url)
            .send()
            .and_then(reqwest::blocking::Response::text)
            .is_ok_and(|page| page.contains("Success"))
    });
}

/// A block a second, since the scripts wait for a dozen of them; one miner, since they hold the block of a receipt to be
/// final, which two miners' blocks are not before some others are on top of them.
const QUICK: &[&str] = &["--block-time", "1", "--miners", "1", "--clients", "2"];

/// Runs a client's script against one node and, at the same time and with another key, against the whole network
/// through the balancer. Returns what it printed last against the network.
fn runs_everywhere(network: &Network, client: &Client) -> Value {
    let node = network.process("miner-1", "rpc").as_str().unwrap().to_owned();
    let node_ws = node.replace("http://", "ws://");
    let (rpc, ws) = (network.url("rpc"), network.url("ws"));
    std::thread::scope(|scope| {
        let alone = scope.spawn(|| client.run(&[&node, &node_ws, OTHER_KEY]));
        let result = client.run(&[&rpc, &ws, KEY]);
        alone.join().unwrap();
        result
    })
}

/// What every client must be able to do is listed in its script.
fn everything_works(client: Option<Client>) {
    let Some(client) = client else { return };
    let network = Network::start_with(QUICK);
    let result = runs_everywhere(&network, &client);
    explorer_shows(&network, &result["transaction"]);
}

#[test]
fn ethers_does_everything() {
    everything_works(Client::node("ethers.mjs", &["ethers"]));
}

#[test]
fn viem_does_everything() {
    everything_works(Client::node("viem.mjs", &["viem"]));
}

#[test]
fn web3js_does_everything() {
    everything_works(Client::node("web3js.mjs", &["web3"]));
}

#[test]
fn web3py_does_everything() {
    everything_works(Client::python("web3py.py"));
}

#[test]
fn foundry_does_everything() {
    everything_works(Client::node("foundry.mjs", &["@foundry-rs/forge", "@foundry-rs/cast"]));
}

#[test]
fn hardhat_does_everything() {
    let native = format!("@nomicfoundation/edr-{}", tools::node_platform());
    everything_works(Client::node("hardhat.mjs", &["hardhat", &native]));
}

/// Kills the node that serves this client while its burst of transactions is on its way: every one of them is mined, its
/// subscription over WebSocket brings the event of every one, and the client's library notices nothing.
fn nothing_is_lost(client: Option<Client>) {
    let Some(client) = client else { return };
    let network = Network::start_with(QUICK);
    let (rpc, ws) = (network.url("rpc"), network.url("ws"));
    let killed = std::cell::Cell::new(None);
    client.run_watched(&[&rpc, &ws, KEY], |line| {
        if line == "the burst is on its way" {
            let name = network.serving();
            network.kill(&name);
            killed.set(Some(name));
        }
    });
    let killed = killed.into_inner().expect("the script sent its burst");
    wait_until("the node that was killed is back", || {
        let url = network.process(&killed, "rpc");
        url.as_str().is_some_and(|url| support::head(url).is_some())
    });
}

#[test]
fn ethers_loses_nothing_when_its_node_is_killed() {
    nothing_is_lost(Client::node("ethers.mjs", &["ethers"]));
}

#[test]
fn viem_loses_nothing_when_its_node_is_killed() {
    nothing_is_lost(Client::node("viem.mjs", &["viem"]));
}

#[test]
fn development_accounts_sign_for_those_who_ask() {
    let network = Network::start();
    let rpc = network.url("rpc");
    let accounts = call(&rpc, "eth_accounts", json!([]));
    assert_eq!(accounts.as_array().unwrap().len(), 10);
    assert_eq!(accounts[0], ADDRESS);
    let before = number(&call(&rpc, "eth_getTransactionCount", json!([ADDRESS, "pending"])));
    let hash = call(&rpc, "eth_sendTransaction", json!([{ "from": ADDRESS, "to": accounts[1], "value": "0x1" }]));
    let after = number(&call(&rpc, "eth_getTransactionCount", json!([ADDRESS, "pending"])));
    assert_eq!(after, before + 1, "the pending nonce counts a transaction at once");
    wait_until("the transaction is mined", || !call(&rpc, "eth_getTransactionReceipt", json!([hash])).is_null());
}

/// The balancer's promise: who sends a transaction and at once looks never sees an older answer.
#[test]
fn own_writes_are_seen_through_the_balancer() {
    let network = Network::start();
    let rpc = network.url("rpc");
    let filter = call(&rpc, "eth_newPendingTransactionFilter", json!([]));
    let mut sent = Vec::new();
    for index in 0..20u64 {
        let before = number(&call(&rpc, "eth_getTransactionCount", json!([ADDRESS, "pending"])));
        assert_eq!(before, index);
        let hash = call(&rpc, "eth_sendTransaction", json!([{ "from": ADDRESS, "to": ADDRESS, "value": "0x1" }]));
        assert!(!call(&rpc, "eth_getTransactionByHash", json!([hash])).is_null(), "unknown right after sending");
        sent.push(hash);
    }
    let mut seen = Vec::new();
    wait_until("the filter gives every transaction", || {
        seen.extend(call(&rpc, "eth_getFilterChanges", json!([filter])).as_array().unwrap().clone());
        sent.iter().all(|hash| seen.contains(hash))
    });
    let mut newest = 0;
    for hash in &sent {
        wait_until("each is mined", || !call(&rpc, "eth_getTransactionReceipt", json!([hash])).is_null());
        let head = number(&call(&rpc, "eth_blockNumber", json!([])));
        assert!(head >= newest, "the head went back from {newest} to {head}");
        newest = head;
    }
}
