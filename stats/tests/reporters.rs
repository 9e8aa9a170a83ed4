//! The service over real sockets, with reporters that behave as geth, Besu and reth do, and some that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use atoll_stats::{AppState, StatsConfig, app};
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Server {
    address: SocketAddr,
    state: AppState,
    shutdown: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn server(secret: Option<&str>, max_nodes: usize) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = StatsConfig::new(address);
    config.secret = secret.map(str::to_owned);
    config.max_nodes = max_nodes;
    let shutdown = CancellationToken::new();
    let state = AppState::new(&config, shutdown.clone());
    let routes = app(state.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Server { address, state, shutdown }
}

impl Server {
    async fn connect(&self, path: &str) -> Socket {
        tokio_tungstenite::connect_async(format!("ws://{}{path}", self.address)).await.unwrap().0
    }

    /// Connects and says hello; the first answer must be `ready` and nothing else.
    async fn join(&self, id: &str, name: &str) -> Socket {
        let mut socket = self.connect("/api").await;
        say(&mut socket, hello(id, name, "s")).await;
        assert_eq!(next_text(&mut socket).await.as_deref(), Some(r#"{"emit":["ready"]}"#));
        socket
    }

    async fn get(&self, path: &str) -> (u16, axum::http::HeaderMap, String) {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = app(self.state.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/v1/status").await.2).unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2_000 {
            let status = self.status().await;
            if holds(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {what}; last {}", self.status().await);
    }
}

fn hello(id: &str, name: &str, secret: &str) -> Value {
    json!({"emit": ["hello", {"id": id, "secret": secret, "info": {"name": name, "node": "Geth/v1.15", "port": 30303,
        "net": "1337", "protocol": "eth/68", "api": "No", "os": "linux", "os_v": "amd64", "client": "0.1.1",
        "canUpdateHistory": true}}]})
}

fn block(id: &str, number: u64, hex: bool) -> Value {
    let quantity = |n: u64| if hex { json!(format!("{n:#x}")) } else { json!(n) };
    json!({"emit": ["block", {"id": id, "block": {"number": quantity(number), "hash": format!("0x{number:064x}"),
        "parentHash": format!("0x{:064x}", number.wrapping_sub(1)), "timestamp": quantity(1_700_000_000 + number * 3),
        "miner": "0x00000000000000000000000000000000000000aa", "gasUsed": quantity(21_000), "gasLimit": quantity(30_000_000),
        "difficulty": "131072", "totalDifficulty": "262144", "transactions": [{"hash": "0x01"}], "uncles": []}}]})
}

async fn say(socket: &mut Socket, value: Value) {
    socket.send(Message::text(value.to_string())).await.unwrap();
}

/// The next text; `None` when the server closed.
async fn next_text(socket: &mut Socket) -> Option<String> {
    loop {
        match tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("an answer") {
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn a_node_appears_reports_and_turns_grey_when_it_stops() {
    let server = server(Some("s"), 8).await;
    let mut geth = server.join("alpha", "alpha").await;
    let status = server.until("alpha is active", |s| s["active"] == 1).await;
    assert_eq!(status["nodes"][0]["name"], "alpha");

    say(&mut geth, json!({"emit": ["node-ping", {"id": "alpha", "clientTime": "now"}]})).await;
    let pong: Value = serde_json::from_str(&next_text(&mut geth).await.unwrap()).unwrap();
    assert_eq!((&pong["emit"][0], &pong["emit"][1]["clientTime"]), (&json!("node-pong"), &json!("now")));
    assert!(pong["emit"][1]["serverTime"].is_u64());

    say(&mut geth, json!({"emit": ["latency", {"id": "alpha", "latency": "7"}]})).await;
    say(&mut geth, json!({"emit": ["pending", {"id": "alpha", "stats": {"pending": 3}}]})).await;
    let stats =
        json!({"active": true, "syncing": false, "mining": true, "peers": 4, "gasPrice": 1_000_000_000, "uptime": 100});
    say(&mut geth, json!({"emit": ["stats", {"id": "alpha", "stats": stats}]})).await;
    say(&mut geth, block("alpha", 0, false)).await;
    let status = server.until("block 0 is there", |s| s["best"]["number"] == 0).await;
    let node = &status["nodes"][0];
    assert_eq!(
        (&node["latency"], &node["pending"], &node["peers"], &node["mining"]),
        (&json!(7), &json!(3), &json!(4), &json!(true))
    );

    drop(geth);
    let status = server.until("alpha is away", |s| s["active"] == 0).await;
    assert_eq!((&status["total"], &status["nodes"][0]["active"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn besus_public_key_and_hexadecimal_numbers_meet_geths_block() {
    let server = server(Some("s"), 8).await;
    let key = format!("0x{}", "be".repeat(64));
    let mut besu = server.join(&key, "besu-1").await;
    let mut geth = server.join("geth-1", "geth-1").await;
    say(&mut geth, block("geth-1", 0, false)).await;
    say(&mut besu, block(&key, 0, true)).await;
    let status =
        server.until("both stand on block 0", |s| s["nodes"].as_array().unwrap().iter().all(|n| n["block"] == 0)).await;
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["blockHash"], nodes[1]["blockHash"]);
    assert_eq!(nodes[0]["name"], "besu-1");
}

#[tokio::test]
async fn charts_fill_from_history_which_may_come_in_any_order() {
    let server = server(Some("s"), 8).await;
    let mut node = server.join("a", "a").await;
    say(&mut node, block("a", 5, false)).await;
    let request: Value = serde_json::from_str(&next_text(&mut node).await.unwrap()).unwrap();
    assert_eq!(request, json!({"emit": ["history", {"list": [0, 1, 2, 3, 4]}]}));
    let history: Vec<_> = [3, 1, 4, 0, 2].map(|n| block("a", n, n % 2 == 0)["emit"][1]["block"].clone()).into();
    say(&mut node, json!({"emit": ["history", {"id": "a", "history": history}]})).await;
    let status = server.until("six blocks", |s| s["blocks"].as_array().unwrap().len() == 6).await;
    let numbers: Vec<_> = status["blocks"].as_array().unwrap().iter().map(|b| b["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert_eq!(status["averageBlockTime"], 3.0);
}

#[tokio::test]
async fn strangers_are_shown_the_door() {
    let server = server(Some("right"), 8).await;
    for bad in [
        hello("a", "a", "wrong"),
        hello("", "a", "right"),
        json!({"emit": ["stats", {}]}),
        json!({"emit": ["hello"]}),
        json!(7),
    ] {
        let mut socket = server.connect("/api").await;
        say(&mut socket, bad.clone()).await;
        assert_eq!(next_text(&mut socket).await, None, "{bad}");
    }
    let mut long = server.connect("/api").await;
    say(&mut long, hello(&"x".repeat(20_000), "a", "right")).await;
    assert_eq!(next_text(&mut long).await, None);
    assert_eq!(server.status().await["total"], 0);
}

#[tokio::test]
async fn a_bad_report_is_ignored_a_flood_ends_the_session_and_the_table_is_bounded() {
    let server = server(Some("s"), 2).await;
    let mut node = server.join("a", "a\u{1b}[31m").await;
    for bad in
        [json!({"emit": ["block", {"block": {"number": "-1"}}]}), json!({"emit": ["stats", {"stats": 3}]}), json!([])]
    {
        say(&mut node, bad).await;
    }
    say(&mut node, json!({"emit": ["pending", {"id": "a", "stats": {"pending": 1}}]})).await;
    let status = server.until("the good report arrived", |s| s["nodes"][0]["pending"] == 1).await;
    assert_eq!(status["nodes"][0]["name"], "a[31m", "control characters are gone");

    let _second = server.join("b", "b").await;
    let mut third = server.connect("/api").await;
    say(&mut third, hello("c", "c", "s")).await;
    assert_eq!(next_text(&mut third).await, None, "both places are taken");

    for _ in 0..2_000 {
        if node.send(Message::text(r#"{"emit":["latency",{"latency":1}]}"#)).await.is_err() {
            break;
        }
    }
    server.until("the flood ended the session", |s| s["active"] == 1).await;
}

#[tokio::test]
async fn a_reconnection_with_the_same_id_ends_the_older_session() {
    let server = server(Some("s"), 8).await;
    let mut old = server.join("a", "a").await;
    let mut new = server.join("a", "a").await;
    assert_eq!(next_text(&mut old).await, None);
    say(&mut new, json!({"emit": ["pending", {"id": "a", "stats": {"pending": 9}}]})).await;
    let status = server.until("the new session reports", |s| s["nodes"][0]["pending"] == 9).await;
    assert_eq!((&status["active"], &status["total"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn the_root_is_a_page_for_people_and_a_socket_for_nodes() {
    let server = server(None, 8).await;
    let mut socket = server.connect("/").await;
    say(&mut socket, hello("a", "a", "")).await;
    assert_eq!(next_text(&mut socket).await.as_deref(), Some(r#"{"emit":["ready"]}"#));

    let (status, headers, page) = server.get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("page.js") && !page.contains("style=\""), "the policy forbids inline styles");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    for (path, kind) in [("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")] {
        let (status, headers, body) = server.get(path).await;
        assert_eq!(status, 200);
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind) && !body.is_empty());
    }
    for path in ["/health", "/ready"] {
        assert_eq!(server.get(path).await.0, 200);
    }
}

#[tokio::test]
async fn an_open_page_hears_of_a_node_without_reloading() {
    let server = server(Some("s"), 8).await;
    let request = axum::http::Request::get("/events").body(axum::body::Body::empty()).unwrap();
    let response = app(server.state.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut heard = String::new();
    let mut joined = None;
    while !heard.contains(r#""active":1"#) {
        let chunk =
            tokio::time::timeout(Duration::from_secs(20), body.next()).await.expect("an event").unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&chunk).unwrap());
        if joined.is_none() {
            assert!(heard.contains(r#""active":0"#), "the page starts with what is known");
            joined = Some(server.join("late", "late").await);
        }
    }
}
