//! `eth_getLogs` over HTTP: what matches, what is refused, and that blocks in memory and in the index answer alike.

use crate::support::{
    TestNode,
    blocks::{LOGGER, genesis, transaction},
    config,
};
use atoll_primitives::{Address, B256, Block, U256, primitives::TxKind};
use atoll_rpc::RpcConfig;
use serde_json::{Value, json};

fn topic(n: u64) -> B256 {
    B256::from(U256::from(n))
}

/// Blocks with two logs each: topics (number % 3, number), and (7, 7).
async fn logged(blocks: u64, config: RpcConfig) -> (TestNode, Vec<Block>) {
    let node = TestNode::start(&genesis(&json!({})), config).await;
    let log =
        |nonce, topics: [u64; 2]| transaction(nonce, TxKind::Call(LOGGER), 0, topics.map(|n| topic(n).0).concat());
    let mine = |number: u64| node.mine(vec![log(number * 2 - 2, [number % 3, number]), log(number * 2 - 1, [7, 7])]);
    let mined = (1..=blocks).map(mine).collect();
    (node, mined)
}

fn numbers(logs: &Value) -> Vec<u64> {
    let number = |log: &Value| u64::from_str_radix(&log["blockNumber"].as_str().unwrap()[2..], 16).unwrap();
    logs.as_array().unwrap().iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matches_is_found_in_memory_and_in_the_index() {
    let (node, blocks) = logged(150, config()).await;
    let storage = node.chain.storage();
    let get = |filter: Value| node.ok("eth_getLogs", json!([filter]));
    for round in 0..2 {
        let base = storage.base().number;
        assert_eq!(base == 150, round == 1, "at first some blocks are in memory");
        let all = json!({ "fromBlock": "0x0", "toBlock": "latest" });
        let with = |key: &str, value: Value| {
            let mut filter = all.clone();
            filter[key] = value;
            filter
        };
        assert_eq!(get(all.clone()).await.as_array().unwrap().len(), 300);
        assert_eq!(numbers(&get(with("topics", json!([null, topic(9)]))).await), [9]);
        assert_eq!(numbers(&get(with("topics", json!([null, topic(140)]))).await), [140]);
        let either =
            get(with("topics", json!([[topic(0), topic(1)], [topic(3), topic(4), topic(5), topic(144)]]))).await;
        assert_eq!(numbers(&either), [3, 4, 144], "a list in each position");
        assert_eq!(get(with("topics", json!([topic(7)]))).await.as_array().unwrap().len(), 150);
        assert_eq!(get(with("topics", json!([topic(9)]))).await, json!([]), "the position counts");
        assert_eq!(get(with("topics", json!([null, null]))).await.as_array().unwrap().len(), 300);
        assert_eq!(get(with("topics", json!([null, null, null]))).await, json!([]), "a third topic has to be there");
        assert_eq!(get(with("topics", json!([topic(7), null]))).await.as_array().unwrap().len(), 150);
        assert_eq!(get(with("topics", json!([topic(7), null, null]))).await, json!([]), "the same after a value");
        assert_eq!(get(with("topics", json!([[], null]))).await.as_array().unwrap().len(), 300);
        assert_eq!(get(with("address", json!(LOGGER))).await.as_array().unwrap().len(), 300);
        assert_eq!(get(with("address", json!([Address::ZERO, LOGGER]))).await.as_array().unwrap().len(), 300);
        assert_eq!(get(with("address", json!(Address::ZERO))).await, json!([]));
        let some = get(json!({ "fromBlock": "0x60", "toBlock": "0x61", "topics": [topic(7)] })).await;
        assert_eq!(numbers(&some), [96, 97]);
        storage.flush_all().unwrap();
    }
    let (block, receipts) = (&blocks[8], node.ok("eth_getBlockReceipts", json!(["0x9"])).await);
    let found = get(json!({ "blockHash": block.header.hash_slow() })).await;
    assert_eq!(found, json!([receipts[0]["logs"][0], receipts[1]["logs"][0]]), "as the receipts tell them");
    let hash = block.header.hash_slow();
    assert_eq!(get(json!({ "blockHash": hash, "topics": [null, null, null] })).await, json!([]), "by hash, too");
    assert_eq!((&found[1]["logIndex"], &found[1]["removed"]), (&json!("0x1"), &json!(false)));
}

/// Blocks with many logs side by side are kept as one text: asked again, from elsewhere, and after blocks were exchanged.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_before_is_found_again() {
    let (node, _) = logged(300, config()).await;
    let get = |from: u64, to: Value| {
        let filter = json!({ "fromBlock": format!("{from:#x}"), "toBlock": to, "topics": [topic(7)] });
        node.ok("eth_getLogs", json!([filter]))
    };
    let first = get(1, json!("latest")).await;
    assert_eq!(numbers(&first), (1..=300).collect::<Vec<_>>());
    for from in [1, 2, 127, 128, 129, 250, 296] {
        for to in [296, 299, 300] {
            let again = get(from, json!(format!("{to:#x}"))).await;
            assert_eq!(again.as_array().unwrap()[..], first.as_array().unwrap()[from as usize - 1..to], "{from} {to}");
        }
    }
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{ "fromBlock": "0x1", "topics": [topic(7)] }] });
    let answers = node.post(json!([call, call]).to_string()).await;
    assert_eq!((&answers[0]["result"], &answers[1]["result"]), (&first, &first), "in a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_time_ends() {
    let (node, _) = logged(2, RpcConfig { call_timeout: std::time::Duration::ZERO, ..config() }).await;
    node.chain.storage().flush_all().unwrap();
    let answer = node.call("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest" }])).await;
    assert_eq!(answer["error"]["code"], -32000, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused() {
    let limits = RpcConfig { log_range_limit: 10, log_result_limit: 5, ..config() };
    let (node, _) = logged(12, limits).await;
    let code = |filter: Value| {
        let node = &node;
        async move { node.call("eth_getLogs", json!([filter])).await["error"]["code"].clone() }
    };
    assert_eq!(code(json!({ "fromBlock": "0x5", "toBlock": "0x4" })).await, -32602);
    assert_eq!(code(json!({ "fromBlock": "0x5", "toBlock": "0x99" })).await, -32602, "beyond the head");
    assert_eq!(code(json!({ "fromBlock": "0x0", "toBlock": "0xa" })).await, -32005, "eleven blocks");
    assert_eq!(code(json!({ "fromBlock": "0x1", "toBlock": "0x3" })).await, -32005, "six logs");
    assert_eq!(code(json!({ "fromBlock": "0x1", "toBlock": "0x2" })).await, Value::Null);
    assert_eq!(code(json!({ "blockHash": B256::repeat_byte(1) })).await, -32000, "unknown block");
    let both = json!({ "blockHash": B256::repeat_byte(1), "fromBlock": "0x1" });
    assert_eq!(code(both).await, -32602);
    assert_eq!(code(json!({ "topics": [null, null, null, null, null] })).await, -32602, "five topics");
    let many: Vec<B256> = (0..1001).map(topic).collect();
    assert_eq!(code(json!({ "topics": [many] })).await, -32602);
    let many: Vec<Address> = (0..1001).map(|n| Address::from_word(topic(n))).collect();
    assert_eq!(code(json!({ "address": many })).await, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganised_block_has_its_logs_by_hash_only() {
    let (node, blocks) = logged(20, config()).await;
    // A heavier fork without logs.
    let (other, _) = logged(1, config()).await;
    let fork: Vec<Block> = (0..21).map(|_| other.mine(vec![])).collect();
    // Asked before, they are kept joined.
    let all = json!([{ "fromBlock": "0x0", "toBlock": "latest" }]);
    assert_eq!(node.ok("eth_getLogs", all.clone()).await.as_array().unwrap().len(), 40);
    for block in fork {
        node.chain.import(block, atoll_chain::Origin::Peer).unwrap();
    }
    assert_eq!(node.chain.head().number, 22);
    assert_eq!(numbers(&node.ok("eth_getLogs", all).await), [1, 1]);
    let side = node.ok("eth_getLogs", json!([{ "blockHash": blocks[2].header.hash_slow() }])).await;
    assert_eq!(numbers(&side), [3, 3]);
}
