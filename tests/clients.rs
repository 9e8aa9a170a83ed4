//! Real clients deploy an ERC-20 through the balancer, transfer, read it back and watch its events.

use crate::support::{self, ADDRESS, KEY, call, network::Network, number, tools, wait_until};
use serde_json::{Value, json};
use std::process::Command;

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

#[test]
fn ethers_deploys_and_watches() {
    if !tools::has_package("ethers") || !tools::has_package("solc") {
        return;
    }
    let network = Network::start();
    let result = tools::script("ethers.mjs", &[&network.url("rpc"), &network.url("ws"), KEY]);
    explorer_shows(&network, &result["transaction"]);
}

#[test]
fn viem_deploys_and_watches() {
    if !tools::has_package("viem") || !tools::has_package("solc") {
        return;
    }
    let network = Network::start();
    let result = tools::script("viem.mjs", &[&network.url("rpc"), &network.url("ws"), KEY]);
    explorer_shows(&network, &result["transaction"]);
}

#[test]
fn foundry_deploys_and_reads() {
    let (Some(forge), Some(cast)) = (tools::npm_program("forge"), tools::npm_program("cast")) else { return };
    if !tools::has_package("solc") {
        return;
    }
    let network = Network::start();
    let rpc = network.url("rpc");
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir(project.path().join("src")).unwrap();
    std::fs::copy(tools::clients().join("contracts/Token.sol"), project.path().join("src/Token.sol")).unwrap();
    let created = tools::run(
        Command::new(forge)
            .current_dir(project.path())
            .args(["create", "src/Token.sol:Token", "--broadcast", "--json", "--offline", "--use"])
            .arg(tools::clients().join("solc.cjs"))
            .args(["--rpc-url", &rpc, "--private-key", KEY, "--constructor-args", "1000000"]),
    );
    let created: Value = serde_json::from_str(&created[created.find('{').unwrap()..]).unwrap();
    let token = created["deployedTo"].as_str().unwrap();
    let to = "0x00000000000000000000000000000000000000Aa";
    let cast = |args: &[&str]| tools::run(Command::new(&cast).args(args).args(["--rpc-url", &rpc]));
    let sent = cast(&["send", token, "transfer(address,uint256)", to, "42", "--private-key", KEY, "--json"]);
    let receipt: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(cast(&["call", token, "balanceOf(address)(uint256)", to]), "42");
    let logs = cast(&["logs", "--address", token, "--from-block", "0", "Transfer(address,address,uint256)", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&logs).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(cast(&["chain-id"]), "1337");
    cast(&["run", receipt["transactionHash"].as_str().unwrap()]);
    explorer_shows(&network, &receipt["transactionHash"]);
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
