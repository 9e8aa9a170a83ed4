//! `debug_trace*` and `trace_*` over a mined chain: a contract that counts its calls, called twice in block 2.

use crate::support::{TestNode, config};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use atoll_chain::Origin;
use atoll_executor::{BlockBuilder, StateDb};
use atoll_primitives::{
    Address, B256, Block, BlockBody, Bytes, Header, SignerRecoverable as _, Transaction, U256,
    consensus::{EMPTY_OMMER_ROOT_HASH, SignableTransaction as _, TxLegacy, proofs},
    eips::eip4895::Withdrawals,
    hex,
    primitives::TxKind,
};
use atoll_rpc::RpcConfig;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Key 1: its address holds all the ether of the test chain.
const KEY: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";
const SENDER: &str = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf";
/// SSTORE(0, SLOAD(0) + 1) at this address.
const COUNTER: &str = "0xc000000000000000000000000000000000000003";
const MINER: Address = Address::repeat_byte(0x11);

fn genesis() -> String {
    let mut config = json!({"chainId": 1337, "shanghaiTime": 0, "ethash": {"fixeddifficulty": 16}});
    let blocks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"];
    for block in blocks.into_iter().chain(["berlin", "london"]) {
        config[format!("{block}Block")] = json!(0);
    }
    json!({
        "config": config, "difficulty": "0x10", "gasLimit": "0x1c9c380", "timestamp": "0x0",
        "alloc": {
            SENDER: { "balance": "0xd3c21bcecceda1000000" },
            COUNTER: { "balance": "0x0", "nonce": "0x1", "code": "0x60005460010160005500" },
        }
    })
    .to_string()
}

fn call(nonce: u64) -> Transaction {
    let tx = TxLegacy {
        chain_id: Some(1337),
        nonce,
        gas_price: 2_000_000_000,
        gas_limit: 100_000,
        to: TxKind::Call(COUNTER.parse().unwrap()),
        ..TxLegacy::default()
    };
    let key: PrivateKeySigner = KEY.parse().unwrap();
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

/// Puts a block on the head. Seals are not checked.
fn mine(node: &TestNode, txs: Vec<Transaction>) -> Block {
    let (storage, parent, spec) = (node.chain.storage(), node.chain.head(), node.chain.spec());
    let mut header =
        Header { beneficiary: MINER, gas_limit: 30_000_000, ommers_hash: EMPTY_OMMER_ROOT_HASH, ..Header::default() };
    node.chain.engine().prepare(&mut header, &parent, storage, parent.timestamp + 10).unwrap();
    let view = storage.state_at(&parent.hash).unwrap().unwrap();
    let mut builder =
        BlockBuilder::new(spec, StateDb::new(view.clone(), Arc::new(storage.clone())), &header, None).unwrap();
    for tx in &txs {
        builder.try_transaction(tx, tx.recover_signer().unwrap()).unwrap();
    }
    let rewards = node.chain.engine().rewards(&header, &[]);
    let output = builder.finish(Some(&Withdrawals::default()), &rewards).unwrap().output;
    header.gas_used = output.gas_used;
    header.receipts_root = output.receipts_root();
    header.logs_bloom = output.logs_bloom;
    header.transactions_root = proofs::calculate_transaction_root(&txs);
    header.state_root = view.state_root(&output.changes).unwrap().0;
    let body = BlockBody { transactions: txs, ommers: Vec::new(), withdrawals: Some(Withdrawals::default()) };
    let block = Block { header, body };
    node.chain.import(block.clone(), Origin::Own).unwrap();
    block
}

/// Block 1 is empty, block 2 calls the counter twice.
async fn counted(config: RpcConfig) -> (TestNode, Block) {
    let node = TestNode::start(&genesis(), config).await;
    mine(&node, Vec::new());
    let block = mine(&node, vec![call(0), call(1)]);
    (node, block)
}

fn word(value: u64) -> String {
    format!("0x{value:064x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn geth_traces_of_a_block_and_its_parts_agree() {
    let (node, block) = counted(config()).await;
    let options = json!({"tracer": "callTracer"});
    let by_number = node.ok("debug_traceBlockByNumber", json!(["0x2", options])).await;
    let by_hash = node.ok("debug_traceBlockByHash", json!([block.header.hash_slow(), options])).await;
    let rlp: Bytes = atoll_primitives::rlp::encode(&block).into();
    let raw = node.ok("debug_traceBlock", json!([rlp, options])).await;
    assert!(by_number == by_hash && by_hash == raw);
    let second = block.body.transactions[1].tx_hash();
    let alone = node.ok("debug_traceTransaction", json!([second, options])).await;
    assert_eq!((&by_number[1]["txHash"], &by_number[1]["result"]), (&json!(second), &alone));
    assert_eq!(node.call("debug_traceBlockByNumber", json!(["0x0"])).await["error"]["code"], -32000);
    let roots = node.ok("debug_intermediateRoots", json!([block.header.hash_slow()])).await;
    assert_eq!(roots.as_array().unwrap().len(), 2);
    assert_ne!(roots[1], json!(block.header.state_root), "the miner's reward comes after the transactions");
}

#[tokio::test(flavor = "multi_thread")]
async fn traced_call_sees_overrides_and_the_middle_of_a_block() {
    let (node, _) = counted(config()).await;
    let request = json!({"from": SENDER, "to": COUNTER});
    let stored = |mut extra: Value| {
        extra["tracer"] = json!("prestateTracer");
        let (node, request) = (&node, &request);
        async move {
            let trace = node.ok("debug_traceCall", json!([request, "0x2", extra])).await;
            trace[COUNTER]["storage"][word(0)].clone()
        }
    };
    assert_eq!(stored(json!({})).await, word(2));
    assert_eq!(stored(json!({"txIndex": "0x1"})).await, word(1));
    let overrides = json!({"stateOverrides": {COUNTER: {"stateDiff": {word(0): word(7)}}}});
    assert_eq!(stored(overrides).await, word(7));
    let wrong = node.call("debug_traceCall", json!([request, "0x2", {"txIndex": "0x3"}])).await;
    assert_eq!(wrong["error"]["code"], -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_traces_end_with_the_reward() {
    let (node, block) = counted(config()).await;
    let traces = node.ok("trace_block", json!(["0x2"])).await;
    let kinds: Vec<&str> = traces.as_array().unwrap().iter().map(|trace| trace["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["call", "call", "reward"]);
    let reward = &traces[2];
    assert_eq!((&reward["action"]["author"], &reward["action"]["rewardType"]), (&json!(MINER), &json!("block")));
    assert_eq!(reward["action"]["value"], json!(U256::from(2_000_000_000_000_000_000_u64)));
    let second = block.body.transactions[1].tx_hash();
    assert_eq!(node.ok("trace_transaction", json!([second])).await, json!([traces[1]]));
    assert_eq!(node.ok("trace_get", json!([second, []])).await, traces[1]);
    assert_eq!(node.ok("trace_get", json!([second, ["0x0"]])).await, json!(null));
    let filter = |filter: Value| node.ok("trace_filter", json!([filter]));
    let all = filter(json!({"fromBlock": "0x1", "toBlock": "0x2"})).await;
    assert_eq!(all.as_array().unwrap().len(), 4, "two rewards, two calls");
    let calls = filter(json!({"toBlock": "0x2", "toAddress": [COUNTER], "after": 1, "count": 5})).await;
    assert_eq!(calls, json!([traces[1]]));
    let beyond = node.call("trace_filter", json!([{"fromBlock": "0x1", "toBlock": "0x9"}])).await;
    assert_eq!(beyond["error"]["code"], -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_replays_and_calls() {
    let (node, block) = counted(config()).await;
    let types = json!(["trace", "vmTrace", "stateDiff"]);
    let replayed = node.ok("trace_replayBlockTransactions", json!(["0x2", types])).await;
    let second = block.body.transactions[1].tx_hash();
    assert_eq!(replayed[1]["transactionHash"], json!(second));
    let alone = node.ok("trace_replayTransaction", json!([second, types])).await;
    assert_eq!(alone["stateDiff"], replayed[1]["stateDiff"]);
    let slot = &alone["stateDiff"][COUNTER]["storage"][word(0)]["*"];
    assert_eq!(slot, &json!({"from": word(1), "to": word(2)}));
    assert_eq!(alone["vmTrace"]["ops"].as_array().unwrap().len(), 7);
    let request = json!({"from": SENDER, "to": COUNTER});
    let many = node.ok("trace_callMany", json!([[[request, ["stateDiff"]], [request, ["stateDiff"]]], "latest"])).await;
    let after = |index: usize| many[index]["stateDiff"][COUNTER]["storage"][word(0)]["*"]["to"].clone();
    assert_eq!([after(0), after(1)], [word(3), word(4)]);
    let one = node.ok("trace_call", json!([request, ["trace"], "latest"])).await;
    assert_eq!(one["trace"][0]["action"]["to"], json!(COUNTER));
    let raw = hex::encode_prefixed(atoll_primitives::eip2718::Encodable2718::encoded_2718(&call(2)));
    let raw = node.ok("trace_rawTransaction", json!([raw, ["trace"]])).await;
    assert_eq!(raw["trace"][0]["result"], one["trace"][0]["result"]);
    assert_eq!(raw["trace"][0]["action"]["gas"], json!("0x13498"), "the transaction's gas without its intrinsic gas");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_listed_at_any_transaction() {
    let (node, block) = counted(config()).await;
    let range = |index: usize| node.ok("debug_storageRangeAt", json!(["0x2", index, COUNTER, "0x", 10]));
    assert_eq!(range(0).await, json!({"storage": {}, "nextKey": null}));
    let slots = range(1).await["storage"].as_object().unwrap().values().cloned().collect::<Vec<_>>();
    assert_eq!(slots, [json!({"key": word(0), "value": word(1)})]);
    let accounts = node.ok("debug_accountRange", json!(["latest", "0x", 2, false, false, false])).await;
    assert_eq!(accounts["accounts"].as_object().unwrap().len(), 2);
    let rest = node.ok("debug_accountRange", json!(["latest", accounts["next"], 2, false, false, false])).await;
    assert_eq!((rest["accounts"].as_object().unwrap().len(), rest.get("next")), (1, None));
    let modified = node.ok("debug_getModifiedAccountsByNumber", json!([1, 2])).await;
    assert_eq!(modified, json!([MINER, SENDER, COUNTER]));
    let by_hash = node.ok("debug_getModifiedAccountsByHash", json!([block.header.hash_slow()])).await;
    assert_eq!(by_hash, modified);
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_limited_in_size_and_time() {
    let (node, block) = counted(RpcConfig { trace_limit_bytes: 300, ..config() }).await;
    let tx = block.body.transactions[0].tx_hash();
    for method in ["debug_traceTransaction", "trace_transaction"] {
        let answer = node.call(method, json!([tx])).await;
        assert_eq!(answer["error"]["code"], -32005, "{method}: {answer}");
    }
    let hurried = node.call("debug_traceTransaction", json!([tx, {"timeout": "1ns"}])).await;
    assert_eq!(hurried["error"]["message"], "execution timeout");
    let wrong = node.call("debug_traceTransaction", json!([tx, {"timeout": "soon"}])).await;
    assert_eq!(wrong["error"]["code"], -32602);
    let (node, _) = counted(RpcConfig { trace_timeout: Duration::ZERO, ..config() }).await;
    let capped = node.call("debug_traceTransaction", json!([tx, {"timeout": "1h"}])).await;
    assert!(capped.get("error").is_some(), "the node's limit holds whatever the request says");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_blocks_are_shown_and_traced() {
    let (node, good) = counted(config()).await;
    assert_eq!(node.ok("debug_getBadBlocks", json!([])).await, json!([]));
    let mut bad = good.clone();
    bad.header.state_root = B256::repeat_byte(1);
    let hash = bad.header.hash_slow();
    node.chain.import(bad.clone(), Origin::Peer).unwrap_err();
    let shown = node.ok("debug_getBadBlocks", json!([])).await;
    let rlp: Bytes = atoll_primitives::rlp::encode(&bad).into();
    assert_eq!((&shown[0]["hash"], &shown[0]["rlp"], shown.as_array().unwrap().len()), (&json!(hash), &json!(rlp), 1));
    let mut expected = node.ok("eth_getBlockByNumber", json!(["0x2", true])).await;
    expected["hash"] = json!(hash);
    expected["stateRoot"] = json!(B256::repeat_byte(1));
    for tx in expected["transactions"].as_array_mut().unwrap() {
        tx["blockHash"] = json!(hash);
    }
    assert_eq!(shown[0]["block"], expected);
    let options = json!({"tracer": "callTracer"});
    let traced = node.ok("debug_traceBadBlock", json!([hash, options])).await;
    assert_eq!(traced, node.ok("debug_traceBlockByNumber", json!(["0x2", options])).await);
    let unknown = node.call("debug_traceBadBlock", json!([good.header.hash_slow()])).await;
    assert_eq!(unknown["error"]["code"], -32000, "{unknown}");
}

const SLOADS: &str = "{n: 0, step: function(log) { if (log.op.toString() == 'SLOAD') this.n++; }, fault: function() {}, result: function(ctx, db) { return [this.n, db.getNonce(ctx.from)]; }}";

#[tokio::test(flavor = "multi_thread")]
async fn scripts_trace_where_the_operator_lets_them() {
    let (node, block) = counted(config()).await;
    let tx = block.body.transactions[0].tx_hash();
    let off = node.call("debug_traceTransaction", json!([tx, {"tracer": SLOADS}])).await;
    let message = off["error"]["message"].as_str().unwrap();
    assert!(message.contains("JavaScript tracers are off on this node"), "{message}");

    let limits = RpcConfig { js_tracers: true, trace_timeout: Duration::from_secs(60), ..config() };
    let (node, block) = counted(limits).await;
    let tx = block.body.transactions[1].tx_hash();
    assert_eq!(node.ok("debug_traceTransaction", json!([tx, {"tracer": SLOADS}])).await, json!([1, 2]));
    let block_trace = node.ok("debug_traceBlockByNumber", json!(["0x2", {"tracer": SLOADS}])).await;
    assert_eq!((&block_trace[0]["result"], &block_trace[1]["result"]), (&json!([1, 1]), &json!([1, 2])));
    let call = json!([{"from": SENDER, "to": COUNTER}, "latest", {"tracer": SLOADS, "tracerConfig": {}}]);
    assert_eq!(node.ok("debug_traceCall", call).await[0], 1);
    let mux = json!([tx, {"tracer": "muxTracer", "tracerConfig": {SLOADS: null, "noopTracer": null}}]);
    assert_eq!(node.ok("debug_traceTransaction", mux).await, json!({SLOADS: [1, 2], "noopTracer": {}}));

    let endless = "{step: function() { while (true) {} }, fault: function() {}, result: function() {}}";
    let ended = node.call("debug_traceTransaction", json!([tx, {"tracer": endless, "timeout": "100ms"}])).await;
    assert_eq!(ended["error"]["message"], "execution timeout", "{ended}");
    let ended = node
        .call(
            "debug_traceTransaction",
            json!([tx, {"tracer": "{step: function() { x }, fault: function() {}, result: function() {}}"}]),
        )
        .await;
    let expected = "ReferenceError: x is not defined    in server-side tracer function 'step'";
    assert_eq!((&ended["error"]["code"], &ended["error"]["message"]), (&json!(-32000), &json!(expected)), "{ended}");
}
