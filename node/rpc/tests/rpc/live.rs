//! What clients hear of the chain as it moves: subscriptions and filters, through a real reorganisation; and what a
//! client gets that does not listen.

// The chain's tests know how to make sealed blocks; a second copy of that would drift from the first.
#[allow(dead_code, missing_docs, reason = "not all of it is used here")]
#[path = "../../../chain/tests/chain/support.rs"]
mod blocks;
use crate::support::{TestNode, config};
use atoll_primitives::{
    Block, Bytes, Transaction,
    consensus::{SignableTransaction as _, TxEip1559},
    primitives::TxKind,
};
use atoll_rpc::RpcConfig;
use blocks::{CHAIN_ID, Node, key};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message},
};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(20);

/// A contract creation that emits one log with this topic: PUSH1 topic PUSH1 0 PUSH1 0 LOG1.
fn emitting(nonce: u64, topic: u8) -> Transaction {
    use alloy_signer::SignerSync as _;
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Create,
        input: Bytes::from(vec![0x60, topic, 0x60, 0, 0x60, 0, 0xa1]),
        ..TxEip1559::default()
    };
    let signature = key(0).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

struct Client {
    socket: Socket,
}

impl Client {
    async fn connect(node: &TestNode) -> Self {
        let url = format!("ws://{}", node.server.ws_addr.unwrap());
        Self { socket: tokio_tungstenite::connect_async(url).await.unwrap().0 }
    }

    async fn next(&mut self) -> Result<Value, Option<Error>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing was heard in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_))) | None => return Err(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Some(error)),
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params});
        self.socket.send(Message::text(request.to_string())).await.unwrap();
        self.next().await.unwrap()
    }

    async fn subscribe(&mut self, params: Value) -> String {
        let answer = self.call("eth_subscribe", params).await;
        answer["result"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The result of the next notification, which must be for this subscription.
    async fn hears(&mut self, subscription: &str) -> Value {
        let mut heard = self.next().await.unwrap();
        assert_eq!(heard["method"], "eth_subscription");
        assert_eq!(heard["params"]["subscription"], subscription, "{heard}");
        heard["params"]["result"].take()
    }
}

/// A served node, and the makers of two competing chains.
async fn network() -> (TestNode, Node, Node) {
    let (mine, other) = (Node::new(1), Node::new(2));
    let node = TestNode::over(mine.spec.clone(), config()).await;
    (node, mine, other)
}

fn import(node: &TestNode, maker: &Node, block: &Block) {
    maker.import(block);
    node.chain.import(block.clone(), atoll_chain::Origin::Peer).unwrap();
}

fn numbers(headers: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    headers.iter().map(|header| (text(&header["number"]), text(&header["hash"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_and_filters_follow_a_reorganisation() {
    let (node, mine, other) = network().await;
    let mut heads = Client::connect(&node).await;
    let head_id = heads.subscribe(json!(["newHeads"])).await;
    let mut logs = Client::connect(&node).await;
    let topic = |byte: u8| format!("{byte:#066x}");
    let log_id = logs.subscribe(json!(["logs", {"topics": [[topic(7), topic(8)]]}])).await;
    let log_filter = node.ok("eth_newFilter", json!([{"topics": [[topic(7), topic(8)]]}])).await;
    let block_filter = node.ok("eth_newBlockFilter", json!([])).await;

    let left = mine.block(&[emitting(0, 7), emitting(1, 9)]);
    import(&node, &mine, &left);
    let header = heads.hears(&head_id).await;
    assert_eq!((&header["number"], &header["hash"]), (&json!("0x1"), &json!(left.header.hash_slow())));
    assert!(header["transactions"].is_null(), "a header, not a block");
    let log = logs.hears(&log_id).await;
    assert_eq!((&log["topics"], &log["removed"]), (&json!([topic(7)]), &json!(false)));
    assert_eq!(log["blockHash"], json!(left.header.hash_slow()));

    // Two blocks of another miner outweigh the one.
    let first = other.block(&[emitting(0, 8)]);
    import(&node, &other, &first);
    let second = other.block(&[]);
    import(&node, &other, &second);
    let heard = [heads.hears(&head_id).await, heads.hears(&head_id).await];
    let hash = |block: &Block| block.header.hash_slow().to_string();
    assert_eq!(numbers(&heard), [("0x1".into(), hash(&first)), ("0x2".into(), hash(&second))]);
    let removed = logs.hears(&log_id).await;
    assert_eq!((&removed["removed"], &removed["blockHash"]), (&json!(true), &json!(hash(&left))));
    let added = logs.hears(&log_id).await;
    assert_eq!((&added["removed"], &added["topics"]), (&json!(false), &json!([topic(8)])));

    let changes = node.ok("eth_getFilterChanges", json!([log_filter])).await;
    let summary: Vec<_> = changes.as_array().unwrap().iter().map(|log| (&log["topics"][0], &log["removed"])).collect();
    let (seven, eight) = (json!(topic(7)), json!(topic(8)));
    assert_eq!(summary, [(&seven, &json!(false)), (&seven, &json!(true)), (&eight, &json!(false))]);
    let blocks = node.ok("eth_getFilterChanges", json!([block_filter])).await;
    assert_eq!(blocks, json!([hash(&left), hash(&first), hash(&second)]));
    let now = node.ok("eth_getFilterLogs", json!([log_filter])).await;
    assert_eq!(now.as_array().unwrap().len(), 0, "the newest block, which the filter names, has none");

    assert_eq!(logs.call("eth_unsubscribe", json!([log_id])).await["result"], true);
    assert_eq!(logs.call("eth_unsubscribe", json!([log_id])).await["error"]["message"], "subscription not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing_has_geths_errors_and_a_limit() {
    let (mine, limits) = (Node::new(1), RpcConfig { max_subscriptions: 2, ..config() });
    let node = TestNode::over(mine.spec.clone(), limits).await;
    let mut client = Client::connect(&node).await;
    let error = |answer: Value| (answer["error"]["code"].clone(), answer["error"]["message"].clone());
    let unknown = error(client.call("eth_subscribe", json!(["newSides"])).await);
    assert_eq!(unknown, (json!(-32601), json!("no \"newSides\" subscription in \"eth\" namespace")));
    assert_eq!(error(client.call("eth_subscribe", json!([])).await).0, -32602);
    assert_eq!(error(client.call("eth_subscribe", json!(["logs", true])).await).0, -32602);
    let over_http = node.call("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(over_http["error"]["code"], -32601, "{over_http}");
    assert_eq!(client.call("eth_subscribe", json!(["syncing"])).await["result"].as_str().unwrap().get(..2), Some("0x"));
    assert_eq!(client.next().await.unwrap()["params"]["result"], false, "the state comes at once");
    client.subscribe(json!(["newHeads"])).await;
    assert_eq!(error(client.call("eth_subscribe", json!(["newHeads"])).await).0, -32005);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_transactions_in_full() {
    let (node, _, _) = network().await;
    let mut client = Client::connect(&node).await;
    let full = client.subscribe(json!(["newPendingTransactions", true])).await;
    let filter = node.ok("eth_newPendingTransactionFilter", json!([true])).await;
    use atoll_primitives::eip2718::Encodable2718 as _;
    let raw = Bytes::from(emitting(0, 1).encoded_2718());
    let hash = node.ok("eth_sendRawTransaction", json!([raw])).await;
    let heard = client.hears(&full).await;
    assert_eq!((&heard["hash"], &heard["nonce"], &heard["blockHash"]), (&hash, &json!("0x0"), &Value::Null));
    assert_eq!(heard["from"], json!(key(0).address().to_string().to_lowercase()));
    let changes = node.ok("eth_getFilterChanges", json!([filter])).await;
    assert_eq!(changes[0]["hash"], hash);
}

/// geth: a log with fewer topics than positions were given does not match, be they null. `eth_getLogs` has it in `logs.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_null_topic_has_to_be_there() {
    let (node, mine, _) = network().await;
    let topic = format!("{:#066x}", 7);
    let (one, two) =
        (json!({"topics": [topic], "fromBlock": "0x0"}), json!({"topics": [topic, null], "fromBlock": "0x0"}));
    let mut client = Client::connect(&node).await;
    let wanting_two = client.subscribe(json!(["logs", two])).await;
    let wanting_one = client.subscribe(json!(["logs", one])).await;
    let filters = [node.ok("eth_newFilter", json!([one])).await, node.ok("eth_newFilter", json!([two])).await];
    import(&node, &mine, &mine.block(&[emitting(0, 7)]));
    assert_eq!(client.hears(&wanting_one).await["topics"], json!([topic]), "and {wanting_two} hears nothing before");
    import(&node, &mine, &mine.block(&[emitting(1, 7)]));
    assert_eq!(client.hears(&wanting_one).await["blockNumber"], "0x2");
    for (filter, count) in filters.iter().zip([2, 0]) {
        for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
            let found = node.ok(method, json!([filter])).await;
            assert_eq!(found.as_array().unwrap().len(), count, "{method}: {found}");
        }
    }
    // In the index, too.
    node.chain.storage().flush_all().unwrap();
    for (filter, count) in filters.iter().zip([2, 0]) {
        assert_eq!(node.ok("eth_getFilterLogs", json!([filter])).await.as_array().unwrap().len(), count);
    }
}

/// A client that subscribes and never reads: the sockets fill, then it is cut off while others hear everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_cut_off() {
    let mine = Node::new(1);
    let limits = RpcConfig { write_timeout: Duration::from_millis(500), max_subscriptions: 2000, ..config() };
    let node = TestNode::over(mine.spec.clone(), limits).await;
    let mut deaf = Client::connect(&node).await;
    let mut listening = Client::connect(&node).await;
    let id = listening.subscribe(json!(["newHeads"])).await;
    // 2,000 subscriptions make 2 MB of every head: a few blocks fill what the kernel holds.
    let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
    let batch: Vec<_> = (0..1000).map(|_| subscribe.clone()).collect();
    for _ in 0..2 {
        deaf.socket.send(Message::text(json!(batch).to_string())).await.unwrap();
        assert_eq!(deaf.next().await.unwrap().as_array().unwrap().len(), 1000);
    }
    for number in 1..=40u64 {
        import(&node, &mine, &mine.block(&[]));
        assert_eq!(listening.hears(&id).await["number"], format!("{number:#x}"));
    }
    let cut = async {
        // What was on its way when it was cut off can still be read; then the connection is over, before the last head.
        let mut heads = 0;
        while deaf.next().await.is_ok() {
            heads += 1;
        }
        heads
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heads = tokio::time::timeout(PATIENCE, cut).await.expect("it was never cut off");
    assert!(heads < 40 * 2000, "all {heads} notifications arrived: nothing was cut off");
    node.server.stop().await;
}
