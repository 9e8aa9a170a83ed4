//! Hostile and clumsy requests, WebSockets, pages, the registry: what surrounds the failover.

use crate::support::{Front, Node, config, eventually, head_of, healthy, host, request, transaction, unlocked};
use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use atoll_discovery::{Head, NodeInfo, RecordSigner, Registration, RegistryClient, RegistryConfig, roles};
use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn rubbish_gets_a_clear_error() {
    let node = Node::start("a", 1);
    let mut settings = config(&[&node]);
    settings.limits.request_bytes = 4_000;
    settings.limits.batch = 3;
    let front = Front::with(settings).await;
    let post = |body: String| front.http.post(format!("http://{}", front.address)).body(body).send();
    for (body, status, code) in [
        (String::new(), 200, -32700),
        ("{".into(), 200, -32700),
        ("[]".into(), 200, -32600),
        (Value::Array(vec![request(1, "eth_chainId", json!([])); 4]).to_string(), 200, -32600),
        ("x".repeat(5_000), 413, -32005),
        ("[".repeat(3_000), 200, -32700),
    ] {
        let response = post(body.clone()).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{body:.60}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{body:.60}");
    }
    assert_eq!(front.get("/").await.0, 200, "a browser gets a hint");
    let preflight =
        front.http.request(reqwest::Method::DELETE, format!("http://{}", front.address)).send().await.unwrap();
    assert_eq!(preflight.status().as_u16(), 405);
}

#[tokio::test]
async fn without_nodes_it_says_so_and_what_to_do() {
    let mut settings = config(&[]);
    settings.limits.catch_up_ms = 50;
    settings.nodes = vec!["http://127.0.0.1:9".into()];
    let front = Front::with(settings).await;
    assert_eq!(front.get("/health").await.0, 200);
    assert_eq!(front.get("/ready").await.0, 503);
    let (status, _, answer) = front.send(&request(4, "eth_chainId", json!([])), "c").await;
    assert_eq!((status, &answer["id"], &answer["error"]["code"]), (503, &json!(4), &json!(-32000)));
    assert!(answer["error"]["message"].as_str().unwrap().contains("/balancer/status"));
    let (raw, _) = transaction(&PrivateKeySigner::random(), 0);
    assert!(
        front.call("eth_sendRawTransaction", json!([raw])).await["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no healthy node")
    );
}

#[tokio::test]
async fn a_static_target_that_can_be_none_is_refused_at_the_start() {
    for url in ["localhost:8545", "https://node", ""] {
        let mut settings = config(&[]);
        settings.nodes = vec![url.into()];
        assert!(atoll_balancer::Balancer::start(settings, CancellationToken::new()).is_err(), "{url}");
    }
}

async fn next_json(
    socket: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> Value {
    loop {
        match tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => return json!({"closed": frame.map(|frame| u16::from(frame.code))}),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_web_socket_goes_on_with_another_node_when_its_own_dies() {
    let (mut a, mut b) = (Node::start("a", 5), Node::start("b", 5));
    let front = Front::new(&[&a, &b]).await;
    let url = format!("ws://{}/", front.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let ask = async |socket: &mut tokio_tungstenite::WebSocketStream<_>, body: Value| {
        socket.send(Message::text(body.to_string())).await.unwrap();
        next_json(socket).await
    };
    let name =
        ask(&mut socket, request(1, "web3_clientVersion", json!([]))).await["result"].as_str().unwrap().to_owned();
    let subscription = ask(&mut socket, request(2, "eth_subscribe", json!(["newHeads"]))).await;
    assert_eq!(subscription["id"], 2);
    assert_eq!(next_json(&mut socket).await["method"], "eth_subscription");

    let signer = PrivateKeySigner::random();
    let (raw, hash) = transaction(&signer, 0);
    let sent = ask(&mut socket, request(3, "eth_sendRawTransaction", json!([raw]))).await;
    assert_eq!((&sent["id"], &sent["result"]), (&json!(3), &json!(hash)));
    let again = ask(&mut socket, request(3, "eth_sendRawTransaction", json!([raw]))).await;
    assert_eq!(again["error"]["message"], "already known");
    let (own, other) = if name == "a" { (&mut a, &mut b) } else { (&mut b, &mut a) };
    let script = Arc::clone(&other.script);
    eventually("a copy went to the other node", move || script.pool.lock().len() == 1).await;
    other.set_head(7);
    own.kill();
    for missed in ["0x6", "0x7"] {
        let mut note = own.script.note();
        note["params"]["result"] = head_of(missed);
        assert_eq!(next_json(&mut socket).await, note, "under the ID that the client knows");
    }
    // The other node brings its newest head itself, too: the client has had it.
    let version = ask(&mut socket, request(4, "web3_clientVersion", json!([]))).await;
    assert_eq!(version["result"], other.script.name.as_str());
    let count = request(5, "eth_getTransactionCount", json!([signer.address(), "pending"]));
    assert_eq!(ask(&mut socket, count).await["result"], "0x1");
    let end = request(6, "eth_unsubscribe", json!([own.script.subscription()]));
    assert_eq!(ask(&mut socket, end).await["result"], true);
    other.kill();
    assert_eq!(next_json(&mut socket).await, json!({"closed": 1012}), "no node is left to go on with");
}

#[tokio::test]
async fn over_a_web_socket_nonces_are_given_out_once_too() {
    let nodes = [Node::start("a", 5), Node::start("b", 5)];
    let front = Front::new(&nodes.each_ref()).await;
    let from = unlocked().address();
    let send = |id: u64| request(id, "eth_sendTransaction", json!([{"from": from, "to": from}]));
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}/", front.address)).await.unwrap();
    for id in 0..6 {
        socket.send(Message::text(send(id).to_string())).await.unwrap();
    }
    let clients: Vec<_> = (0..6).map(|client| (send(client), format!("client {client}"))).collect();
    let others = futures::future::join_all(clients.iter().map(|(body, name)| front.send(body, name))).await;
    let mut hashes: std::collections::BTreeSet<String> =
        others.iter().map(|(_, _, answer)| answer["result"].to_string()).collect();
    let mut ids = Vec::new();
    for _ in 0..6 {
        let answer = next_json(&mut socket).await;
        ids.push(answer["id"].as_u64().unwrap());
        hashes.insert(answer["result"].to_string());
    }
    ids.sort_unstable();
    assert_eq!((ids, hashes.len()), ((0..6).collect(), 12), "{hashes:?}");
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(AxumMessage::Text(text))) = socket.recv().await {
        socket.send(AxumMessage::Text(text)).await.unwrap();
    }
}

#[tokio::test]
async fn pages_stream_and_their_sockets_go_through() {
    let (release, released) = tokio::sync::watch::channel(false);
    let events = move || {
        let mut released = released.clone();
        async move {
            let first =
                futures::stream::once(async { Ok::<_, std::convert::Infallible>(Event::default().data("first")) });
            let second = futures::stream::once(async move {
                released.wait_for(|released| *released).await.unwrap();
                Ok(Event::default().data("second"))
            });
            Sse::new(first.chain(second))
        }
    };
    let page =
        Router::new()
            .route(
                "/",
                get(|headers: axum::http::HeaderMap| async move {
                    format!("page for {:?}", headers.get("x-forwarded-for"))
                }),
            )
            .route("/health", get(|| async { "ok" }))
            .route("/events", get(events))
            .route("/api", get(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(echo) }));
    let (runtime, address) = host(page, "127.0.0.1:0".parse().unwrap());
    let mut settings = config(&[]);
    settings.stats = vec!["http://127.0.0.1:9".into(), format!("http://{address}")];
    let front = Front::with(settings).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside = listener.local_addr().unwrap();
    let app = front.balancer.stats_app();
    tokio::spawn(async move { axum::serve(listener, app).await });
    front
        .until("the page is in", |status| {
            status["stats"].as_array().unwrap().iter().any(|page| page["healthy"] == true)
        })
        .await;

    let page = front.http.get(format!("http://{outside}/")).send().await.unwrap().text().await.unwrap();
    assert_eq!(page, "page for Some(\"127.0.0.1\")");
    let mut stream = front.http.get(format!("http://{outside}/events")).send().await.unwrap().bytes_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: first"), "the first event comes before the second exists");
    release.send(true).unwrap();
    assert!(stream.next().await.unwrap().unwrap().starts_with(b"data: second"));

    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{outside}/api")).await.unwrap();
    socket.send(Message::text("{\"hello\":1}")).await.unwrap();
    assert_eq!(next_json(&mut socket).await, json!({"hello": 1}));

    runtime.shutdown_background();
    front
        .until("the page is out", |status| {
            status["stats"].as_array().unwrap().iter().all(|page| page["healthy"] == false)
        })
        .await;
    let gone = front.http.get(format!("http://{outside}/")).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 503);
    assert!(gone.text().await.unwrap().contains("No stats answers yet"));
}

#[tokio::test]
async fn targets_come_from_the_registry_and_miners_only_help_out() {
    let folder = tempfile::tempdir().unwrap();
    let registry = RegistryConfig { data_dir: folder.path().join("registry"), ..RegistryConfig::default() };
    let app = atoll_discovery::server::app(&registry, CancellationToken::new()).unwrap();
    let (registry, address) = host(app, "127.0.0.1:0".parse().unwrap());
    let urls = [format!("http://{address}")];
    let (miner, mut node, stranger) = (Node::start("miner", 5), Node::start("node", 5), Node::start("stranger", 5));
    let genesis = B256::repeat_byte(1);
    let mut registered = Vec::new();
    for (node, role, genesis_hash) in
        [(&miner, roles::MINER, genesis), (&node, roles::NODE, genesis), (&stranger, roles::NODE, B256::repeat_byte(2))]
    {
        let signer = Arc::new(RecordSigner::from_secret(&rand::random()).unwrap());
        let info = NodeInfo {
            name: node.script.name.clone(),
            rpc: Some(node.url()),
            network_id: 7,
            genesis_hash,
            roles: vec![role.to_owned()],
            ..NodeInfo::default()
        };
        registered
            .push(Registration::spawn(RegistryClient::new(&urls).unwrap(), signer, &info, Head::default).unwrap());
    }
    let mut settings = config(&[]);
    settings.registries = urls.to_vec();
    settings.network_id = 7;
    settings.genesis_hash = genesis;
    let front = Front::with(settings).await;
    let status = front.until("both are in", |status| healthy(status).len() == 2).await;
    assert_eq!(status["nodes"].as_array().unwrap().len(), 2, "another network's node is no target");
    for session in 0..10 {
        assert_eq!(front.node_of(&session.to_string()).await, "node");
    }
    node.kill();
    assert_eq!(front.node_of("c").await, "miner");
    registry.shutdown_background();
    assert_eq!(front.node_of("c").await, "miner", "without the registry the last known list stays");
}
