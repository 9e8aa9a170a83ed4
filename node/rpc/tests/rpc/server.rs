//! The server from outside: HTTP extras, batches, errors, filters, subscriptions, development accounts.

use crate::support::{TestNode, config};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Key 1: its address holds all the ether of the test chain.
const KEY: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";
const SENDER: &str = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf";

fn genesis() -> String {
    json!({
        "config": {
            "chainId": 1337, "networkId": 7, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0, "ethash": {}
        },
        "difficulty": "0x20000", "gasLimit": "0x1c9c380", "timestamp": "0x0", "extraData": "0x", "nonce": "0x0",
        "alloc": { SENDER: { "balance": "0xd3c21bcecceda1000000" } }
    })
    .to_string()
}

async fn with_accounts() -> TestNode {
    let dev_keys = vec![KEY.parse().unwrap()];
    TestNode::start(&genesis(), atoll_rpc::RpcConfig { dev_keys, ..config() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_ready_and_the_head_header() {
    let node = TestNode::start(&genesis(), config()).await;
    let get = |path: &str| reqwest::get(format!("{}{path}", node.url()));
    let health = get("/health").await.unwrap();
    assert_eq!((health.status().as_u16(), health.headers()["x-atoll-head"].to_str().unwrap()), (200, "0"));
    assert_eq!(get("/ready").await.unwrap().status().as_u16(), 503);
    let rebound = reqwest::Client::new().get(format!("{}/health", node.url())).header("host", "rebound.example");
    assert_eq!(rebound.send().await.unwrap().status().as_u16(), 403);
    node.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_and_network_id_differ() {
    let node = TestNode::start(&genesis(), config()).await;
    assert_eq!(node.ok("eth_chainId", json!([])).await, "0x539");
    assert_eq!(node.ok("net_version", json!([])).await, "7");
    assert_eq!(node.ok("eth_accounts", json!([])).await, json!([]));
    let hash = node.ok("web3_sha3", json!(["0x68656c6c6f20776f726c64"])).await;
    assert_eq!(hash, "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_described_by_rpc_discover() {
    let node = with_accounts().await;
    let document = node.ok("rpc.discover", json!([])).await;
    let methods = document["methods"].as_array().unwrap();
    let undescribed: Vec<_> = methods.iter().filter(|method| method["x-undescribed"] == true).collect();
    assert!(undescribed.is_empty(), "no row in openrpc/table.rs: {undescribed:?}");
    let names: Vec<&str> = methods.iter().map(|method| method["name"].as_str().unwrap()).collect();
    for name in ["rpc.discover", "eth_simulateV1", "eth_subscribe", "personal_sign", "testing_buildBlockV1"] {
        assert!(names.contains(&name), "{name}");
    }
    // What is described is there; what is not offered is not described.
    for name in names {
        let answer = node.call(name, json!([])).await;
        assert!(answer["error"]["code"] != -32601 || name.ends_with("ubscribe"), "{name}: {answer}");
    }
    let mut few = config();
    let endpoint = atoll_rpc::Endpoint { namespaces: vec![atoll_rpc::Namespace::Net], ..Default::default() };
    few.listeners = vec![atoll_rpc::Listener::shared("rpc", std::net::SocketAddr::from(([127, 0, 0, 1], 0)), endpoint)];
    let node = TestNode::start(&genesis(), few).await;
    let document = node.ok("rpc.discover", json!([])).await;
    assert_eq!(document["methods"].as_array().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_codes_clients_know() {
    let node = TestNode::start(&genesis(), config()).await;
    for (method, params, code) in [
        ("eth_nothing", json!([]), -32601),
        ("personal_sign", json!(["0x00", SENDER]), -32601),
        ("eth_getBalance", json!(["0x12"]), -32602),
        ("eth_getBlockByNumber", json!(["2", false]), -32602),
        ("eth_getBlockByNumber", json!(["finalized", false]), -39001),
        ("eth_getBalance", json!([SENDER, "0x99"]), -32000),
        ("eth_sendRawTransaction", json!(["0x"]), -32000),
        ("eth_sendTransaction", json!([{"from": SENDER, "to": SENDER}]), -32000),
        ("eth_getFilterChanges", json!(["0x1"]), -32000),
        ("eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": "0x5"}]), -32602),
        ("debug_traceBlockByNumber", json!(["0x0"]), -32000),
        ("miner_start", json!([]), -32000),
    ] {
        let answer = node.call(method, params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{method} {params}: {answer}");
    }
    // PUSH1 0 PUSH1 0 REVERT
    let reverting = json!([{"data": "0x60006000fd"}, "latest"]);
    let answer = node.call("eth_call", reverting).await;
    assert_eq!(answer["error"], json!({"code": 3, "message": "execution reverted", "data": "0x"}));
    // JUMPDEST PUSH1 0 JUMP
    let endless = json!([{"data": "0x5b600056", "gas": "0x20000"}, "latest"]);
    let answer = node.call("eth_call", endless).await;
    assert_eq!(answer["error"], json!({"code": -32000, "message": "out of gas"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_its_order_and_its_limit() {
    let node = TestNode::start(&genesis(), atoll_rpc::RpcConfig { batch_limit: 4, ..config() }).await;
    let call =
        |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let batch = json!([
        call(7, "eth_sendRawTransaction", json!(["0x01"])),
        call(5, "eth_getBalance", json!([SENDER, "latest"])),
        {"jsonrpc": "2.0", "method": "eth_chainId"},
        call(9, "eth_nothing", json!([])),
    ]);
    let answer = node.post(batch.to_string()).await;
    let ids: Vec<_> = answer.as_array().unwrap().iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [7, 5, 9], "{answer}");
    assert_eq!(answer[1]["result"], "0xd3c21bcecceda1000000");
    let long: Vec<_> = (0..5).map(|id| call(id, "eth_chainId", json!([]))).collect();
    let refused = node.post(Value::from(long).to_string()).await;
    assert_eq!((&refused[0]["error"]["code"], &refused[0]["id"]), (&json!(-32600), &json!(0)), "as in geth: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_at_the_same_time_get_consecutive_nonces() {
    let node = with_accounts().await;
    assert_eq!(node.ok("eth_accounts", json!([])).await, json!([SENDER]));
    let send = || node.ok("eth_sendTransaction", json!([{"from": SENDER, "to": SENDER, "value": "0x1"}]));
    let hashes = futures::future::join_all((0..8).map(|_| send())).await;
    let mut nonces = Vec::new();
    for hash in hashes {
        let tx = node.ok("eth_getTransactionByHash", json!([hash])).await;
        assert!(tx["blockHash"].is_null());
        nonces.push(u64::from_str_radix(tx["nonce"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap());
    }
    nonces.sort_unstable();
    assert_eq!(nonces, (0..8).collect::<Vec<_>>());
    assert_eq!(node.ok("eth_getTransactionCount", json!([SENDER, "pending"])).await, "0x8");
    assert_eq!(node.ok("eth_getTransactionCount", json!([SENDER, "latest"])).await, "0x0");
    assert_eq!(node.ok("txpool_status", json!([])).await, json!({"pending": "0x8", "queued": "0x0"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gathered_batch_of_raw_transactions_answers_one_by_one() {
    let signer = with_accounts().await;
    let mut raw = Vec::new();
    for nonce in 0..20u64 {
        let request = json!([{"from": SENDER, "to": SENDER, "gas": "0x5208", "nonce": format!("{nonce:#x}")}]);
        raw.push(signer.ok("eth_signTransaction", request).await["raw"].clone());
    }
    let node = TestNode::start(&genesis(), config()).await;
    raw.push(json!("0xnothex"));
    let calls = raw
        .iter()
        .enumerate()
        .map(|(id, raw)| json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]}));
    let answer = node.post(Value::from(calls.collect::<Vec<_>>()).to_string()).await;
    let answers = answer.as_array().unwrap();
    assert!(answers[..20].iter().all(|entry| entry["result"].is_string()), "{answer}");
    assert_eq!(answers[20]["error"]["code"], -32602);
    assert_eq!(node.pool.status().pending, 20);
    let again = node.call("eth_sendRawTransaction", json!([raw[0]])).await;
    assert_eq!(again["error"], json!({"code": -32000, "message": "already known"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_leaves_out_is_filled_in() {
    let node = TestNode::start(&genesis(), config()).await;
    let call = json!({"from": SENDER, "to": SENDER, "value": "0x1"});
    let filled = node.ok("eth_fillTransaction", json!([call])).await;
    let tx = &filled["tx"];
    assert_eq!((&tx["type"], &tx["nonce"], &tx["gas"]), (&json!("0x2"), &json!("0x0"), &json!("0x5208")));
    assert_eq!((&tx["chainId"], &tx["value"], &tx["r"]), (&json!("0x539"), &json!("0x1"), &json!("0x0")));
    assert!(tx["maxFeePerGas"].is_string() && tx["maxPriorityFeePerGas"].is_string(), "{tx}");
    assert!(
        filled["raw"].as_str().unwrap().starts_with("0x02") && filled["raw"].as_str().unwrap().ends_with("c0808080")
    );
    // Nonce 5, gas price 7, gas 8, to the account, a wei, no data, and zeros for the signature.
    let call = json!({"from": SENDER, "to": SENDER, "value": "0x1", "nonce": "0x5", "gasPrice": "0x7", "gas": "0x8"});
    let filled = node.ok("eth_fillTransaction", json!([call])).await;
    let to = SENDER.to_string().to_lowercase();
    assert_eq!(filled["raw"], format!("0xdd05070894{}0180808080", &to[2..]));
    assert_eq!((&filled["tx"]["type"], &filled["tx"]["v"]), (&json!("0x0"), &json!("0x0")));
    let empty = node.call("eth_fillTransaction", json!([{"from": SENDER}])).await;
    assert_eq!(empty["error"]["code"], -32000, "{empty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_kind_are_ids() {
    let node = TestNode::start(&genesis(), config()).await;
    for id in ["-1", "1.5", "1e3", "12345678901234567890123"] {
        for method in ["eth_chainId", "eth_getLogs", "eth_sendRawTransaction", "nothing"] {
            let call = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":[{{}}]}}"#);
            let expected: Value = serde_json::from_str(id).unwrap();
            let batch = node.post(format!("[{call}]")).await;
            assert_eq!((&node.post(call).await["id"], &batch[0]["id"]), (&expected, &expected), "{method}");
        }
    }
}

/// The next message that is not one of the server's pings.
async fn next_text(socket: &mut (impl futures::Stream<Item = Result<Message, Error>> + Unpin)) -> Value {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_transactions_reach_filters_and_subscribers() {
    let node = with_accounts().await;
    let filter = node.ok("eth_newPendingTransactionFilter", json!([])).await;
    let url = format!("ws://{}", node.server.local_addr);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newPendingTransactions"]});
    socket.send(Message::text(request.to_string())).await.unwrap();
    let accepted = next_text(&mut socket).await;
    let hash = node.ok("eth_sendTransaction", json!([{"from": SENDER, "to": SENDER}])).await;
    let heard = next_text(&mut socket).await;
    assert_eq!(heard["method"], "eth_subscription");
    assert_eq!(heard["params"], json!({"subscription": accepted["result"], "result": hash}));
    loop {
        let changes = node.ok("eth_getFilterChanges", json!([filter])).await;
        if changes == json!([hash]) {
            break;
        }
        assert_eq!(changes, json!([]));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(node.ok("eth_uninstallFilter", json!([filter])).await, true);
}
