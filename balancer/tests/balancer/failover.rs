//! Nodes that die, hang, lag and come back; what a client sees meanwhile.

use crate::support::{Front, Node, eventually, healthy, request, transaction, unlocked};
use alloy_signer_local::PrivateKeySigner;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The node that serves client "c" first, then the other.
async fn by_role(front: &Front, a: Node, b: Node) -> (Node, Node) {
    if front.node_of("c").await == a.script.name { (a, b) } else { (b, a) }
}

async fn pair(head: u64) -> (Front, Node, Node) {
    let (a, b) = (Node::start("a", head), Node::start("b", head));
    let front = Front::new(&[&a, &b]).await;
    let (own, other) = by_role(&front, a, b).await;
    (front, own, other)
}

#[tokio::test]
async fn a_client_stays_with_its_node_and_clients_spread() {
    let (front, own, _other) = pair(5).await;
    for _ in 0..20 {
        assert_eq!(front.node_of("c").await, own.script.name);
    }
    let mut names = std::collections::HashSet::new();
    for session in 0..40 {
        names.insert(front.node_of(&session.to_string()).await);
    }
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn reads_go_on_without_an_error_when_a_node_dies_and_it_serves_again_when_it_is_back() {
    let (front, mut own, other) = pair(5).await;
    own.kill();
    for _ in 0..30 {
        assert_eq!(front.node_of("c").await, other.script.name);
    }
    let status = front.until("the dead node is out", |status| healthy(status) == [other.url()]).await;
    let out = status["nodes"].as_array().unwrap().iter().find(|node| node["healthy"] == false).unwrap();
    assert!(out["reason"].is_string());
    own.restart();
    front.until("the node is back", |status| healthy(status).len() == 2).await;
}

#[tokio::test]
async fn a_read_that_hangs_with_its_node_is_answered_by_the_other() {
    let (front, own, other) = pair(5).await;
    own.script.hang.store(true, Ordering::SeqCst);
    assert_eq!(front.node_of("c").await, other.script.name);
    own.script.hang.store(false, Ordering::SeqCst);
    front.until("the node is back", |status| healthy(status).len() == 2).await;
}

#[tokio::test]
async fn a_lagging_node_gets_nothing_until_it_has_caught_up() {
    let (front, own, other) = pair(5).await;
    other.set_head(105);
    front.until("the laggard is out", |status| healthy(status) == [other.url()]).await;
    assert_eq!(front.node_of("c").await, other.script.name);
    own.set_head(104);
    let status = front.until("it is back", |status| healthy(status).len() == 2).await;
    assert_eq!(status["bestHead"], 105);
}

#[tokio::test]
async fn what_was_read_once_is_never_unread_after_a_failover() {
    let (front, mut own, other) = pair(9).await;
    own.set_head(10);
    assert_eq!(front.call("eth_blockNumber", json!([])).await["result"], "0xa");
    own.kill();
    let refused = front.call("eth_blockNumber", json!([])).await;
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("nodes failed")
            || refused["error"]["message"].as_str().unwrap().contains("already seen"),
        "{refused}"
    );
    assert!(refused["result"].is_null());
    let (status, _, behind) = front.send(&request(1, "eth_blockNumber", json!([])), "c").await;
    assert_eq!(status, 503);
    assert!(behind["error"]["message"].as_str().unwrap().contains("block 10"), "{behind}");
    assert_eq!(
        front.send(&request(1, "eth_blockNumber", json!([])), "new").await.2["result"],
        "0x9",
        "others see no harm"
    );

    let (answer, ()) = tokio::join!(front.call("eth_blockNumber", json!([])), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.set_head(10);
    });
    assert_eq!(answer["result"], "0xa", "it waited for the node to catch up");
}

#[tokio::test]
async fn nodes_without_the_header_are_held_to_what_they_answered() {
    let (a, b) = (Node::start("a", 9), Node::start("b", 9));
    for node in [&a, &b] {
        node.script.header.store(false, Ordering::SeqCst);
    }
    let front = Front::new(&[&a, &b]).await;
    let (mut own, _other) = by_role(&front, a, b).await;
    own.set_head(11);
    assert_eq!(front.call("eth_blockNumber", json!([])).await["result"], "0xb");
    own.kill();
    assert!(front.call("eth_blockNumber", json!([])).await["result"].is_null());
}

#[tokio::test]
async fn what_is_not_safe_to_repeat_is_not_repeated() {
    let (front, mut own, other) = pair(5).await;
    let body = request(1, "eth_sendTransaction", json!([{}]));
    let sent = front.send(&body, "c");
    let killed = async {
        let script = std::sync::Arc::clone(&own.script);
        eventually("the node works on it", move || script.asked("eth_sendTransaction") == 1).await;
        own.kill();
    };
    let ((status, _, answer), ()) = tokio::join!(sent, killed);
    assert_eq!(status, 502);
    assert!(answer["error"]["message"].as_str().unwrap().contains("not safe to repeat"), "{answer}");
    assert_eq!(other.script.asked("eth_sendTransaction"), 0);
}

#[tokio::test]
async fn an_acknowledged_transaction_survives_its_node_and_nonces_never_go_back() {
    let (front, mut own, mut other) = pair(5).await;
    // The other node takes nothing for now: only the balancer's memory can keep the promise.
    other.script.full.store(true, Ordering::SeqCst);
    let signer = PrivateKeySigner::random();
    let count = json!([signer.address(), "pending"]);
    for nonce in 0..3 {
        assert_eq!(front.call("eth_getTransactionCount", count.clone()).await["result"], format!("{nonce:#x}"));
        let (raw, hash) = transaction(&signer, nonce);
        assert_eq!(front.call("eth_sendRawTransaction", json!([raw])).await["result"], hash);
    }
    own.kill();
    assert_eq!(front.call("eth_getTransactionCount", count.clone()).await["result"], "0x3");
    assert_eq!(other.script.pool.lock().len(), 0, "that was the balancer's knowledge");

    other.script.full.store(false, Ordering::SeqCst);
    let script = std::sync::Arc::clone(&other.script);
    eventually("the other node has all three", move || script.pool.lock().len() == 3).await;
    own.restart();
    let script = std::sync::Arc::clone(&own.script);
    eventually("the restarted node has them back", move || script.pool.lock().len() == 3).await;

    // Mined and buried, they are forgotten.
    for node in [&mut own, &mut other] {
        let pool = node.script.pool.lock().clone();
        node.script.mined.lock().extend(pool.into_values().map(|hash| (hash, 6)));
        node.set_head(30);
    }
    front.until("nothing is outstanding", |status| status["outstandingTransactions"] == 0).await;
}

/// Two sends that had taken one nonce were both told of success.
#[tokio::test]
async fn a_transaction_that_the_client_sends_again_is_already_known() {
    let (front, _own, _other) = pair(5).await;
    let (raw, hash) = transaction(&PrivateKeySigner::random(), 0);
    assert_eq!(front.call("eth_sendRawTransaction", json!([raw])).await["result"], hash);
    assert_eq!(front.call("eth_sendRawTransaction", json!([raw])).await["error"]["message"], "already known");
    let refused = front.call("eth_sendRawTransaction", json!(["0x01"])).await;
    assert!(refused["error"].is_object(), "{refused}");
}

#[tokio::test]
async fn a_transaction_that_the_balancer_sends_again_is_a_success() {
    let sync = "eth_sendRawTransactionSync";
    let receipt = json!({"blockNumber": "0x6"});
    for (method, mined) in [("eth_sendRawTransaction", false), ("eth_sendRawTransaction", true), (sync, true)] {
        let (front, own, other) = pair(5).await;
        let (raw, hash) = transaction(&PrivateKeySigner::random(), 0);
        // As if the node had passed it on, and then hung.
        let body = request(1, "eth_sendRawTransaction", json!([raw]));
        assert!(front.http.post(other.url()).json(&body).send().await.unwrap().status().is_success());
        if mined {
            other.script.mined.lock().insert(hash.clone(), 6);
        }
        own.script.hang.store(true, Ordering::SeqCst);
        let result = front.call(method, json!([raw])).await["result"].clone();
        assert_eq!(result, if method == sync { receipt.clone() } else { json!(hash) }, "{method} {mined}");
        own.script.hang.store(false, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_is_sent_again_and_waited_for_is_looked_at_until_it_is_mined() {
    for mined in [true, false] {
        let (front, own, other) = pair(5).await;
        let (raw, hash) = transaction(&PrivateKeySigner::random(), 0);
        let body = request(1, "eth_sendRawTransaction", json!([raw]));
        assert!(front.http.post(other.url()).json(&body).send().await.unwrap().status().is_success());
        own.script.hang.store(true, Ordering::SeqCst);
        let patience = if mined { "0xea60" } else { "0x64" };
        let answer = front.call("eth_sendRawTransactionSync", json!([raw, patience]));
        let mining = async {
            let script = std::sync::Arc::clone(&other.script);
            eventually("it is looked for", move || script.asked("eth_getTransactionReceipt") > 0).await;
            if mined {
                other.script.mined.lock().insert(hash.clone(), 6);
            }
        };
        let (answer, ()) = tokio::join!(answer, mining);
        if mined {
            assert_eq!(answer["result"]["blockNumber"], "0x6", "{answer}");
        } else {
            assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(4), &json!(hash)), "{answer}");
        }
        own.script.hang.store(false, Ordering::SeqCst);
    }
}

/// Raw ones of a batch before it count.
#[tokio::test]
async fn a_batch_keeps_its_order_around_what_nodes_sign() {
    let (front, _own, _other) = pair(5).await;
    let from = unlocked().address();
    let count = |id: u64| request(id, "eth_getTransactionCount", json!([from, "pending"]));
    let send = |id: u64| request(id, "eth_sendTransaction", json!([{"from": from, "to": from}]));
    let raw = request(2, "eth_sendRawTransaction", json!([transaction(&unlocked(), 0).0]));
    let batch = json!([count(1), raw, send(3), count(4), send(5), count(6)]);
    let (_, _, answers) = front.send(&batch, "c").await;
    let results: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["result"].clone()).collect();
    let hash = |nonce| json!(transaction(&unlocked(), nonce).1);
    assert_eq!(results, [json!("0x1"), hash(0), hash(1), json!("0x2"), hash(2), json!("0x3")]);
}

#[tokio::test]
async fn nothing_is_sent_without_a_nonce() {
    let (front, own, other) = pair(5).await;
    for node in [&own, &other] {
        node.script.busy.store(true, Ordering::SeqCst);
    }
    let from = unlocked().address();
    let answer = front.call("eth_sendTransaction", json!([{"from": from, "to": from}])).await;
    assert_eq!(answer["error"]["message"], "node is busy", "{answer}");
    assert_eq!(own.script.asked("eth_signTransaction") + other.script.asked("eth_signTransaction"), 0);
}

/// The node died between its answer and the question what it had signed: the hash was acknowledged, and the next send got the
/// same nonce.
#[tokio::test]
async fn what_a_node_signed_outlives_it() {
    let (front, mut own, other) = pair(5).await;
    let from = unlocked().address();
    let send = json!([{"from": from, "to": from}]);
    // Its own node signs, and is gone before it says that it has taken it.
    let script = std::sync::Arc::clone(&own.script);
    script.hang_when_sent.store(true, Ordering::SeqCst);
    let killed = async {
        eventually("it is signed", move || script.asked("eth_sendRawTransaction") > 0).await;
        own.kill();
    };
    let (answer, ()) = tokio::join!(front.call("eth_sendTransaction", send.clone()), killed);
    assert_eq!(answer["result"], transaction(&unlocked(), 0).1, "{answer}");
    assert_eq!(front.call("eth_sendTransaction", send).await["result"], transaction(&unlocked(), 1).1);
    assert_eq!(other.script.pool.lock().len(), 2);
}

#[tokio::test]
async fn nodes_that_are_catching_up_give_out_no_nonce() {
    let (a, b) = (Node::start("a", 9), Node::start("b", 9));
    for node in [&a, &b] {
        node.script.syncing.store(true, Ordering::SeqCst);
    }
    let front = Front::new(&[&a, &b]).await;
    let from = unlocked().address();
    let send = front.call("eth_sendTransaction", json!([{"from": from, "to": from}]));
    let caught_up = async {
        // Time to do wrong; however long it is, nothing may be signed in it.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(a.script.asked("eth_signTransaction") + b.script.asked("eth_signTransaction"), 0);
        b.script.syncing.store(false, Ordering::SeqCst);
    };
    let (answer, ()) = tokio::join!(send, caught_up);
    assert_eq!(answer["result"], transaction(&unlocked(), 0).1, "{answer}");
    assert_eq!((a.script.asked("eth_signTransaction"), b.script.asked("eth_signTransaction")), (0, 1));
}

/// Nodes do not know what others have signed: each gave out the same nonces, and of two transactions one was lost.
#[tokio::test]
async fn nonces_of_an_account_that_nodes_sign_for_are_given_out_once() {
    let nodes = ["a", "b", "c"].map(|name| Node::start(name, 5));
    let front = Front::new(&nodes.each_ref()).await;
    let from = unlocked().address();
    let body = request(1, "eth_sendTransaction", json!([{"from": from, "to": from}]));
    let names: Vec<String> = (0..24).map(|client| format!("client {client}")).collect();
    let sent = futures::future::join_all(names.iter().map(|name| front.send(&body, name))).await;
    let hashes: std::collections::BTreeSet<_> =
        sent.iter().map(|(_, _, answer)| answer["result"].to_string()).collect();
    assert_eq!(hashes.len(), 24, "{hashes:?}");
    let expected: Vec<_> = (0..24).map(|nonce| (from, nonce)).collect();
    for node in &nodes {
        let script = std::sync::Arc::clone(&node.script);
        let expected = expected.clone();
        let whole = move || script.pool.lock().keys().copied().collect::<Vec<_>>() == expected;
        eventually("every node has all of them", whole).await;
    }
    assert!(nodes.iter().filter(|node| node.script.asked("eth_signTransaction") > 0).count() > 1, "several signed");
    let count = front.call("eth_getTransactionCount", json!([from, "pending"])).await;
    assert_eq!(count["result"], "0x18");
    let (_, headers, _) = front.send(&body, "client 1").await;
    assert_eq!(headers["access-control-allow-origin"], "*", "a page may read the answer");
    // A nonce that is named stays, and what is no call is refused by itself.
    let named = json!([{"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [{"from": from, "nonce": "0x30"}]},
        {"jsonrpc": "2.0", "id": 2}, {"jsonrpc": "2.0", "id": 3, "method": "eth_blockNumber"}]);
    let (_, _, answers) = front.send(&named, "client 2").await;
    assert_eq!(
        (&answers[0]["result"], &answers[2]["result"]),
        (&json!(transaction(&unlocked(), 0x30).1), &json!("0x5"))
    );
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(2), &json!(-32600)));
}

#[tokio::test]
async fn a_filter_stays_with_its_node_and_dies_with_it() {
    let (front, mut own, other) = pair(5).await;
    let filter = front.call("eth_newBlockFilter", json!([])).await["result"].clone();
    let other_client = request(1, "eth_getFilterChanges", json!([filter]));
    for session in 0..10 {
        let answer = front.send(&other_client, &session.to_string()).await.2;
        assert_eq!(answer["result"], json!([own.script.name]), "whoever asks, the filter's node answers");
    }
    own.kill();
    let dead = front.call("eth_getFilterChanges", json!([filter])).await;
    assert_eq!((&dead["error"]["code"], &dead["error"]["message"]), (&json!(-32000), &json!("filter not found")));
    let fresh = front.call("eth_newBlockFilter", json!([])).await["result"].clone();
    assert_eq!(front.call("eth_getFilterChanges", json!([fresh])).await["result"], json!([other.script.name]));
}

#[tokio::test]
async fn a_mixed_batch_is_split_and_comes_back_in_order() {
    let (front, own, other) = pair(5).await;
    let mut elsewhere = 0;
    let filter = loop {
        let answer = front.send(&request(1, "eth_newBlockFilter", json!([])), &elsewhere.to_string()).await;
        if answer.1["x-atoll-node"].to_str().unwrap() == other.url() {
            break answer.2["result"].clone();
        }
        elsewhere += 1;
    };
    let signer = PrivateKeySigner::random();
    let (raw, hash) = transaction(&signer, 0);
    let batch = json!([
        {"jsonrpc": "2.0", "id": "x", "method": "eth_getFilterChanges", "params": [filter]},
        {"jsonrpc": "2.0", "id": 7, "method": "web3_clientVersion"},
        {"jsonrpc": "2.0", "id": 7, "method": "eth_sendRawTransaction", "params": [raw]},
        {"jsonrpc": "2.0", "method": "web3_clientVersion"},
        {"jsonrpc": "2.0", "id": null, "method": "eth_getFilterChanges", "params": ["0x2"]},
    ]);
    let answers = front.send(&batch, "c").await.2;
    let answers = answers.as_array().unwrap();
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!("x"), &json!([other.script.name])));
    assert_eq!((&answers[1]["id"], &answers[1]["result"]), (&json!(7), &json!(own.script.name)));
    assert_eq!((&answers[2]["id"], &answers[2]["result"]), (&json!(7), &json!(hash)));
    let plain = json!([request(1, "web3_clientVersion", json!([])), request(2, "eth_blockNumber", json!([]))]);
    let answers: Vec<Value> = serde_json::from_value(front.send(&plain, "c").await.2).unwrap();
    assert_eq!(answers.len(), 2, "plain batches pass through as they are");
}
