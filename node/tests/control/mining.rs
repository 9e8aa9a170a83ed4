//! The miner's switches, and mining on request.

use crate::support::*;
use atoll_node::rpc::{Endpoint, Namespace};
use atoll_primitives::Address;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_miner_does_what_it_is_told() {
    let node = Node::start(|config| config.miner.account = Address::ZERO).await;
    assert_eq!(node.error("eth_coinbase", json!([])).await.0, -32000);
    let (code, message) = node.error("miner_start", json!([])).await;
    assert_eq!((code, message.contains("etherbase")), (-32000, true), "{message}");
    assert_eq!(node.ok("miner_setEtherbase", json!([RECEIVER])).await, true);
    assert_eq!(node.ok("eth_coinbase", json!([])).await, json!(RECEIVER));
    assert_eq!(node.ok("miner_setExtra", json!(["told"])).await, true);
    assert_eq!(node.error("miner_setExtra", json!(["x".repeat(33)])).await.0, -32000);
    assert_eq!(node.ok("miner_setGasLimit", json!(["0x1000000"])).await, true);
    assert_eq!(node.ok("miner_start", json!([1])).await, json!(null));
    assert_eq!(node.ok("eth_mining", json!([])).await, true);
    until("there are blocks", async || node.number().await >= 2).await;
    assert_eq!(node.ok("miner_stop", json!([])).await, json!(null));
    assert_eq!(node.ok("eth_mining", json!([])).await, false);
    let block = node.block(1).await;
    assert_eq!((&block["miner"], &block["extraData"]), (&json!(RECEIVER), &json!("0x746f6c64")));
    assert!(number(&block["gasLimit"]) < 30_000_000, "it moves towards the target");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_floor_is_the_miners_and_the_pools() {
    let node = Node::start(|_| ()).await;
    // The transfers offer a tip of one gwei.
    assert_eq!(node.ok("miner_setGasPrice", json!(["0x77359400"])).await, true);
    node.transfer(0).await;
    node.ok("evm_mine", json!([])).await;
    assert_eq!(node.ok("eth_getBlockTransactionCountByNumber", json!(["latest"])).await, "0x1", "own ones are exempt");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_mined_on_request() {
    let node = Node::start(|_| ()).await;
    assert_eq!(node.ok("evm_mine", json!([])).await, "0x0");
    assert_eq!(node.number().await, 1);
    let sent = node.transfer(0).await;
    assert_eq!(node.ok("eth_getTransactionReceipt", json!([sent])).await, json!(null));
    assert_eq!(node.ok("evm_mine", json!([])).await, "0x0");
    assert_eq!(node.ok("eth_getTransactionReceipt", json!([sent])).await["blockNumber"], "0x2");
    // What cannot be done honestly is not there.
    assert_eq!(node.error("evm_mine", json!([1_900_000_000])).await.0, -32602);
    for method in ["evm_snapshot", "evm_revert", "evm_increaseTime", "evm_setNextBlockTimestamp"] {
        assert_eq!(node.error(method, json!(["0x1"])).await.0, -32601, "{method}");
    }
    let modules = node.ok("rpc_modules", json!([])).await;
    assert_eq!((&modules["evm"], &modules["miner"]), (&json!("1.0"), &json!("1.0")));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_blocks_wait_for_one_another() {
    let node = Node::start(|_| ()).await;
    let mine = || node.ok("evm_mine", json!([]));
    futures::future::join_all((0..3).map(|_| mine())).await;
    assert_eq!(node.number().await, 3);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mining_on_request_must_be_asked_for() {
    let endpoint = Endpoint { namespaces: vec![Namespace::Eth, Namespace::Web3], ..Endpoint::default() };
    let node = Node::start(|config| config.rpc.config.listeners[0].http = Some(endpoint)).await;
    for method in ["evm_mine", "miner_start", "admin_peers", "debug_setHead"] {
        assert_eq!(node.error(method, json!([])).await.0, -32601, "{method}");
    }
    let hash = node.ok("web3_sha3", json!(["0x68656c6c6f20776f726c64"])).await;
    assert_eq!(hash, "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad");
    node.stop().await;
}
