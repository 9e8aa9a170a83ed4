//! How much work one request may cause, and all at one time: gas, time, blocks, filters, fees. Each limit answers with an
//! error that names it.

use crate::support::{
    Alone, TestNode,
    blocks::{LOGGER, genesis, transaction},
    config,
};
use atoll_primitives::{U256, eip2718::Encodable2718 as _, hex, primitives::TxKind};
use atoll_rpc::RpcConfig;
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Where the code of a call's override stands.
const CODE_AT: &str = "0x00000000000000000000000000000000000000c0";
/// Returns the gas it has.
const REMAINING_GAS: &str = "0x5a60005260206000f3";
/// Jumps to its start for ever.
const ENDLESS: &str = "0x5b600056";

async fn start(config: RpcConfig) -> TestNode {
    TestNode::start(&genesis(&json!({})), config).await
}

/// Parameters of a call of this code with all gas there is.
fn running(code: &str) -> Vec<Value> {
    let call = json!({ "to": CODE_AT, "gas": "0xffffffffffff" });
    vec![call, json!("latest"), json!({ CODE_AT: { "code": code } })]
}

fn trace_of(code: &str) -> Value {
    json!([running(code)[0], "latest", { "tracer": "noopTracer", "stateOverrides": running(code)[2] }])
}

/// Code and message.
fn error(answer: &Value) -> (i64, String) {
    let error = &answer["error"];
    let code = error["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"));
    (code, error["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gas_of_a_call_is_lowered_to_the_cap() {
    let node = start(RpcConfig { gas_cap: 100_000, ..config() }).await;
    let left = node.ok("eth_call", Value::from(running(REMAINING_GAS))).await;
    let left = U256::from_be_slice(&hex::decode(left.as_str().unwrap()).unwrap());
    assert!(left > U256::from(50_000) && left < U256::from(100_000), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_a_trace_end_in_time() {
    let (call_timeout, trace_timeout) = (Duration::from_millis(100), Duration::from_millis(200));
    let node = start(RpcConfig { gas_cap: 0, call_timeout, trace_timeout, ..config() }).await;
    let call = error(&node.call("eth_call", Value::from(running(ENDLESS))).await);
    assert_eq!(call, (-32000, "execution aborted (timeout = 0.1s)".to_owned()));
    let (code, message) = error(&node.call("debug_traceCall", trace_of(ENDLESS)).await);
    assert!(code == -32000 && message.contains("timeout"), "{code} {message}");
}

/// Of six at one time the first runs for the whole time, and the others wait no longer than that: most are told so.
fn some_are_turned_away(answers: &[Value], waited: &str) {
    let busy = (-32005, format!("the node is busy: no slot became free in {waited}"));
    let busy = answers.iter().filter(|answer| error(answer) == busy).count();
    assert!((1..6).contains(&busy), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_traces_wait_for_a_slot_of_their_own() {
    let (call_timeout, trace_timeout) = (Duration::from_millis(300), Duration::from_millis(600));
    let (concurrent_calls, concurrent_traces) = (1, 1);
    let limits = RpcConfig { gas_cap: 0, call_timeout, trace_timeout, concurrent_calls, concurrent_traces, ..config() };
    let node = start(limits).await;
    let calls = (0..6).map(|_| node.call("eth_call", Value::from(running(ENDLESS))));
    some_are_turned_away(&join_all(calls).await, "0.3s");
    let traces = join_all((0..6).map(|_| node.call("debug_traceCall", trace_of(ENDLESS))));
    let (traces, head) = tokio::join!(traces, node.call("eth_getBlockByNumber", json!(["latest", false])));
    some_are_turned_away(&traces, "0.6s");
    assert!(head["result"].is_object(), "traces take no slot from calls: {head}");
}

/// For so long calls and blocks hold their slots; what waits for none of them is answered long before they end.
const LONG: Duration = Duration::from_secs(4);

/// Calls, pending blocks being built and blocks being mined took every slot, and nobody could read the newest block.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_waits_behind_what_executes() {
    let limits = RpcConfig { gas_cap: 0, call_timeout: LONG, concurrent_calls: 1, ..config() };
    let node = TestNode::start_with(&genesis(&json!({})), limits, Alone(Some(LONG))).await;
    let slow = join_all((0..4).map(|_| node.call("eth_call", Value::from(running(ENDLESS)))));
    let pending = join_all((0..4).map(|_| node.call("eth_getBalance", json!([CODE_AT, "pending"]))));
    let mining = join_all((0..2).map(|_| node.call("evm_mine", json!([]))));
    let reading = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let started = Instant::now();
        node.ok("eth_getBlockByNumber", json!(["latest", false])).await;
        assert!(started.elapsed() < LONG - Duration::from_secs(1), "{:?}", started.elapsed());
    };
    let (_, _, mined, ()) = tokio::join!(slow, pending, mining, reading);
    assert!(mined.iter().all(|answer| answer["result"] == "0x0"), "each in its turn: {mined:?}");
}

/// Where the genesis block has code that never ends, and code that returns its gas.
const ENDLESS_AT: &str = "0x00000000000000000000000000000000000c0de1";
const REMAINING_GAS_AT: &str = "0x00000000000000000000000000000000000c0de2";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_microseconds_needs_no_slot() {
    let limits = RpcConfig { gas_cap: 0, call_timeout: LONG, concurrent_calls: 1, ..config() };
    let code = json!({
        ENDLESS_AT: { "balance": "0x0", "code": ENDLESS },
        REMAINING_GAS_AT: { "balance": "0x0", "code": REMAINING_GAS },
    });
    let node = TestNode::start(&genesis(&code), limits).await;
    let call = |to: &str| json!([{ "to": to, "gas": "0xfffffffffff" }, "latest"]);
    // Tried where they are asked for; then they wait for the slot like everything that executes.
    let slow = join_all((0..4).map(|_| node.call("eth_call", call(ENDLESS_AT))));
    let quick = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let started = Instant::now();
        for method in ["eth_call", "eth_estimateGas"] {
            node.ok(method, call(REMAINING_GAS_AT)).await;
        }
        assert!(started.elapsed() < LONG - Duration::from_secs(1), "{:?}", started.elapsed());
    };
    let (slow, ()) = tokio::join!(slow, quick);
    let ended = (-32000, "execution aborted (timeout = 4s)".to_owned());
    assert!(slow.iter().any(|answer| error(answer) == ended), "with its whole time: {slow:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_brief_has_the_same_answer() {
    let node = start(config()).await;
    // Modular exponentiation, which may take long: 3 ^ 2 % 5, each a byte long.
    let data = format!("0x{0:064x}{0:064x}{0:064x}030205", 1);
    let call = json!([{ "to": "0x0000000000000000000000000000000000000005", "data": data }, "latest"]);
    for _ in 0..3 {
        assert_eq!(node.ok("eth_call", call.clone()).await, "0x04");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_has_so_many_blocks() {
    let node = start(RpcConfig { simulate_blocks: 3, ..config() }).await;
    let blocks = |count: usize| json!([{ "blockStateCalls": vec![json!({}); count] }, "latest"]);
    assert_eq!(node.ok("eth_simulateV1", blocks(3)).await.as_array().unwrap().len(), 3);
    let (code, message) = error(&node.call("eth_simulateV1", blocks(4)).await);
    assert!(code == -38026 && message.contains('3'), "{code} {message}");
    let gap = json!([{ "blockStateCalls": [{ "blockOverrides": { "number": "0x4" } }] }, "latest"]);
    assert_eq!(error(&node.call("eth_simulateV1", gap).await).0, -38026, "what fills a gap counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_by_running_blocks_again_spans_so_many() {
    let node = start(RpcConfig { trace_filter_range: 2, ..config() }).await;
    for number in 0..3 {
        node.mine(vec![transaction(number, TxKind::Call(LOGGER), 0, vec![0; 64])]);
    }
    let range = |to: &str| json!([{ "fromBlock": "0x1", "toBlock": to }]);
    let found = node.ok("trace_filter", range("0x2")).await;
    assert_eq!(found.as_array().unwrap().len(), 4, "in each block a call and a reward");
    let beyond = (-32005, "query spans 3 blocks; the limit is 2".to_owned());
    assert_eq!(error(&node.call("trace_filter", range("0x3")).await), beyond);
    node.ok("debug_getModifiedAccountsByNumber", json!([1, 3])).await;
    assert_eq!(error(&node.call("debug_getModifiedAccountsByNumber", json!([0, 3])).await), beyond);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_filters_for_so_long() {
    let node = start(RpcConfig { max_filters: 2, filter_expiry: Duration::from_secs(5), ..config() }).await;
    let make = || node.call("eth_newBlockFilter", json!([]));
    let first = make().await["result"].clone();
    make().await;
    assert_eq!(error(&make().await), (-32005, "too many filters: 2 are in use".to_owned()));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !make().await["result"].is_string() {
        assert!(Instant::now() < deadline, "filters that nobody polls stay");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let polled = node.call("eth_getFilterChanges", json!([first])).await;
    assert_eq!(error(&polled), (-32000, "filter not found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pays_so_much() {
    let node = start(RpcConfig { fee_cap: U256::from(1_000_000), ..config() }).await;
    let raw = transaction(0, TxKind::Call(LOGGER), 0, vec![]).encoded_2718();
    let (code, message) = error(&node.call("eth_sendRawTransaction", json!([hex::encode_prefixed(raw)])).await);
    assert!(code == -32000 && message.ends_with("exceeds the configured cap (1000000 wei)"), "{code} {message}");
}
