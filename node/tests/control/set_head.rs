//! `debug_setHead`: the chain goes back, the pool and the miner follow.

use crate::support::*;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_goes_back_and_its_transactions_return_to_the_pool() {
    let node = Node::start(|_| ()).await;
    node.ok("evm_mine", json!([])).await;
    let sent = node.transfer(0).await;
    node.ok("evm_mine", json!([])).await;
    node.ok("evm_mine", json!([])).await;
    let left = node.block(2).await["hash"].clone();
    let filter = node.ok("eth_newBlockFilter", json!([])).await;

    assert_eq!(node.ok("debug_setHead", json!(["0x1"])).await, json!(null));
    assert_eq!(node.number().await, 1);
    assert_eq!(node.block(2).await, json!(null));
    assert_eq!(node.ok("eth_getTransactionReceipt", json!([sent])).await, json!(null));
    assert_eq!(node.ok("eth_getBalance", json!([RECEIVER, "latest"])).await, "0x0");
    until("the transaction is pending again", async || node.ok("txpool_status", json!([])).await["pending"] == "0x1")
        .await;

    node.ok("evm_mine", json!([])).await;
    let receipt = node.ok("eth_getTransactionReceipt", json!([sent])).await;
    assert_eq!(receipt["blockNumber"], "0x2");
    assert_ne!(receipt["blockHash"], left);
    // Filters hear of a head a moment after it is set.
    let mut heard = Vec::new();
    until("the filter hears of the new block", async || {
        heard.extend(node.ok("eth_getFilterChanges", json!([filter])).await.as_array().unwrap().clone());
        heard.contains(&receipt["blockHash"])
    })
    .await;
    assert_eq!(heard.last(), Some(&receipt["blockHash"]), "going back is no new block");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_miner_gets_new_work() {
    let node = Node::start(|config| {
        config.mine = true;
        config.miner.threads = 0;
    })
    .await;
    for _ in 0..3 {
        node.ok("evm_mine", json!([])).await;
    }
    let work_on = async |number: &str| node.call("eth_getWork", json!([])).await["result"][3] == number;
    until("there is work on block 4", async || work_on("0x4").await).await;
    node.ok("debug_setHead", json!(["0x1"])).await;
    until("there is work on block 2", async || work_on("0x2").await).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_to_a_block_of_the_chain() {
    let node = Node::start(|_| ()).await;
    let (code, message) = node.error("debug_setHead", json!(["0x5"])).await;
    assert_eq!(code, -32000, "{message}");
    assert!(message.contains('5') && message.contains('0'), "{message}");
    assert_eq!(node.error("debug_setHead", json!(["latest"])).await.0, -32602);
    assert_eq!(node.error("debug_setHead", json!([])).await.0, -32602);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_with_the_heavier_chain_bring_it_back() {
    let (miner, other) = (Node::start(|_| ()).await, Node::start(|_| ()).await);
    let address = miner.ok("admin_nodeInfo", json!([])).await["enode"].clone();
    other.ok("admin_addPeer", json!([address])).await;
    for _ in 0..3 {
        miner.ok("evm_mine", json!([])).await;
    }
    until("the other node follows", async || other.number().await == 3).await;
    other.ok("debug_setHead", json!(["0x1"])).await;
    until("it is back", async || other.number().await == 3).await;
    assert_eq!(other.block(3).await["hash"], miner.block(3).await["hash"]);
    for node in [miner, other] {
        node.stop().await;
    }
}
