//! External mining: a miner that knows nothing but the genesis file and what `eth_getWork` says.

use crate::support::*;
use atoll_consensus::{Cache, Dataset, hashimoto_full};
use atoll_primitives::{B256, U256};
use serde_json::{Value, json};

/// The largest prime number of rows in `bytes`.
fn prime_rows(bytes: u64, row: u64) -> u64 {
    let is_prime = |n: u64| (2..n).all(|divisor| !n.is_multiple_of(divisor));
    (2..=bytes / row).rev().find(|rows| is_prime(*rows)).unwrap() * row
}

struct Work {
    seal_hash: B256,
    target: U256,
    dataset: Dataset,
    number: u64,
}

impl Work {
    async fn get(node: &Node) -> Self {
        let answer = node.ok("eth_getWork", json!([])).await;
        let hash = |index: usize| answer[index].as_str().unwrap().parse::<B256>().unwrap();
        assert_eq!(answer.as_array().unwrap().len(), 4);
        let cache = Cache::build(&hash(1), prime_rows(DATASET / 64, 64), prime_rows(DATASET, 128));
        let (target, dataset) = (hash(2).into(), Dataset::build(&cache));
        Self { seal_hash: hash(0), target, dataset, number: number(&answer[3]) }
    }

    /// A nonce with its mix hash that is, or is not, enough.
    fn search(&self, good: bool) -> (Value, Value) {
        let found = (0_u64..).map(|nonce| (nonce, hashimoto_full(&self.dataset, &self.seal_hash, nonce)));
        let enough = |value: B256| U256::from_be_bytes(value.0) <= self.target;
        let (nonce, found) = found.into_iter().find(|(_, found)| enough(found.value) == good).unwrap();
        (json!(format!("{nonce:#018x}")), json!(found.mix_hash))
    }
}

async fn waiting_for_miners() -> Node {
    Node::start(|config| {
        config.mine = true;
        config.miner.threads = 0;
    })
    .await
}

async fn work(node: &Node) -> Work {
    until("there is work", async || node.call("eth_getWork", json!([])).await.get("result").is_some()).await;
    Work::get(node).await
}

#[tokio::test(flavor = "multi_thread")]
async fn solutions_become_blocks() {
    let node = waiting_for_miners().await;
    let sent = node.transfer(0).await;
    until("the transaction is in the work", async || {
        node.ok("eth_getBlockTransactionCountByNumber", json!(["pending"])).await == "0x1"
    })
    .await;
    for expected in 1..=3 {
        let work = work(&node).await;
        assert_eq!(work.number, expected);
        assert_eq!(work.target, U256::MAX / U256::from(DIFFICULTY) + U256::from(1));
        let (nonce, mix_hash) = work.search(true);
        assert_eq!(node.ok("eth_submitWork", json!([nonce, work.seal_hash, mix_hash])).await, true);
        assert_eq!(node.number().await, expected);
        let block = node.block(expected).await;
        assert_eq!((&block["nonce"], &block["mixHash"], &block["miner"]), (&nonce, &mix_hash, &json!(COINBASE)));
    }
    // The pending block may have been built for who asked, a moment before the one that is handed out.
    let receipt = node.ok("eth_getTransactionReceipt", json!([sent])).await;
    assert!(["0x1", "0x2", "0x3"].contains(&receipt["blockNumber"].as_str().unwrap()), "{receipt}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_real_solutions_of_open_work_count() {
    let node = waiting_for_miners().await;
    let first = work(&node).await;
    let (nonce, mix_hash) = first.search(true);
    let (weak, weak_mix) = first.search(false);
    for params in [
        json!([weak, first.seal_hash, weak_mix]),
        json!([nonce, first.seal_hash, B256::ZERO]),
        json!([nonce, B256::repeat_byte(7), mix_hash]),
    ] {
        assert_eq!(node.ok("eth_submitWork", params.clone()).await, false, "{params}");
    }
    assert_eq!(node.number().await, 0);
    // The package stayed open, and makes one block.
    let solution = json!([nonce, first.seal_hash, mix_hash]);
    assert_eq!(node.ok("eth_submitWork", solution.clone()).await, true);
    assert_eq!(node.ok("eth_submitWork", solution).await, false);
    assert_eq!(node.number().await, 1);

    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_solutions_make_ommers_and_stale_ones_nothing() {
    let node = waiting_for_miners().await;
    // The timestamp makes new work every second.
    let mut packages = vec![work(&node).await];
    while packages.len() < 3 {
        let next = work(&node).await;
        if next.seal_hash != packages[packages.len() - 1].seal_hash {
            packages.push(next);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let submit = async |work: &Work| {
        let (nonce, mix_hash) = work.search(true);
        node.ok("eth_submitWork", json!([nonce, work.seal_hash, mix_hash])).await
    };
    // Another block 1 comes first. The late one is a side block, and the next block's ommer.
    node.ok("evm_mine", json!([])).await;
    let ours = node.block(1).await;
    assert_eq!(submit(&packages[0]).await, true);
    assert_eq!(node.block(1).await, ours);
    // Work built since then takes it in.
    let before = work(&node).await.seal_hash;
    until("there is newer work", async || work(&node).await.seal_hash != before).await;
    assert_eq!(submit(&work(&node).await).await, true);
    assert_eq!(node.number().await, 2);
    let ommers = number(&node.ok("eth_getUncleCountByBlockNumber", json!(["0x2"])).await);
    let ommer = node.ok("eth_getUncleByBlockNumberAndIndex", json!(["0x2", "0x0"])).await;
    assert_eq!((ommers, &ommer["number"]), (1, &json!("0x1")));
    assert_ne!(ommer["hash"], ours["hash"]);
    // Six blocks later a solution is still taken, the next one is not.
    for _ in 0..5 {
        node.ok("evm_mine", json!([])).await;
    }
    assert_eq!((node.number().await, submit(&packages[1]).await), (7, json!(true)));
    node.ok("evm_mine", json!([])).await;
    assert_eq!((node.number().await, submit(&packages[2]).await), (8, json!(false)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_miner_there_is_no_work() {
    let node = Node::start(|_| ()).await;
    assert_eq!(node.ok("eth_mining", json!([])).await, false);
    let none = (-32000, "no mining work available yet".to_owned());
    assert_eq!(node.error("eth_getWork", json!([])).await, none);
    assert_eq!(node.ok("eth_submitWork", json!(["0x0000000000000001", B256::ZERO, B256::ZERO])).await, false);
    assert_eq!(node.error("eth_submitWork", json!(["0x01", B256::ZERO, B256::ZERO])).await.0, -32602);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_hash_rates_are_added_up() {
    let node = waiting_for_miners().await;
    let report = async |rate: &str, id: u8| node.ok("eth_submitHashrate", json!([rate, B256::repeat_byte(id)])).await;
    assert_eq!(node.ok("eth_hashrate", json!([])).await, "0x0");
    assert_eq!(report("0x64", 1).await, true);
    assert_eq!(report("0x10", 2).await, true);
    assert_eq!(report("0x20", 2).await, true);
    assert_eq!(node.ok("eth_hashrate", json!([])).await, "0x84");
    node.stop().await;
}
