//! The reporter against Atoll's own server, and against a small server that follows the protocol to the letter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

#[test]
fn targets_are_read_as_geth_and_besu_write_them() {
    let cases = [
        ("a:s@localhost:3000", "a", "s", vec!["wss://localhost:3000/api", "ws://localhost:3000/api"]),
        ("node:1:p@ss@10.0.0.1:80", "node:1", "p@ss", vec!["wss://10.0.0.1:80/api", "ws://10.0.0.1:80/api"]),
        ("a:s@ws://h:1/api", "a", "s", vec!["ws://h:1/api"]),
        ("a:s@wss://h:1", "a", "s", vec!["wss://h:1/api"]),
        ("a@h:1", "a", "", vec!["wss://h:1/api", "ws://h:1/api"]),
        ("a:s@[::1]:9", "a", "s", vec!["wss://[::1]:9/api", "ws://[::1]:9/api"]),
    ];
    for (text, name, secret, urls) in cases {
        let target: EthstatsTarget = text.parse().unwrap();
        assert_eq!(
            (target.name(), target.secret(), target.urls()),
            (name, secret, &urls.iter().map(|u| (*u).to_owned()).collect::<Vec<_>>()[..])
        );
        assert!(secret.is_empty() || !format!("{target:?}").contains("p@ss"), "the secret is never printed");
    }
    for wrong in ["", "a", "a:s", "@h:1", "a:s@", "a:s@http://h:1", "a:s@h:99999"] {
        assert!(wrong.parse::<EthstatsTarget>().is_err(), "{wrong}");
    }
}

fn source(head: watch::Receiver<u64>) -> NodeSource {
    NodeSource {
        identity: NodeIdentity { client: "Atoll/test".into(), port: 30303, network_id: 7, protocol: "atoll/1".into() },
        head,
        block: Arc::new(|number| (number < 1_000).then(|| json!({"number": number}))),
        status: Arc::new(|| NodeStatus { peers: 2, pending: 5, mining: true, ..NodeStatus::default() }),
    }
}

type Server = WebSocketStream<TcpStream>;

async fn heard(server: &mut Server, command: &str) -> Value {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), server.next()).await.expect("a message");
        let Some(Ok(Message::Text(text))) = message else { panic!("not a text: {message:?}") };
        let value: Value = serde_json::from_str(&text).unwrap();
        if value["emit"][0] == command {
            return value["emit"][1].clone();
        }
    }
}

async fn welcome(listener: &TcpListener) -> (Server, Value) {
    loop {
        // The reporter knocks with TLS first.
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut server) = accept_async(stream).await {
            let hello = heard(&mut server, "hello").await;
            server.send(Message::text(r#"{"emit":["ready"]}"#)).await.unwrap();
            return (server, hello);
        }
    }
}

#[tokio::test]
async fn it_reports_answers_history_and_comes_back_after_the_server_went() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: EthstatsTarget = format!("n:s@{}", listener.local_addr().unwrap()).parse().unwrap();
    let (heads, head) = watch::channel(3);
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(run(target, source(head), Pace::default(), shutdown.clone()));

    let (mut server, hello) = welcome(&listener).await;
    assert_eq!((&hello["id"], &hello["secret"], &hello["info"]["net"]), (&json!("n"), &json!("s"), &json!("7")));
    let ping = heard(&mut server, "node-ping").await;
    server
        .send(Message::text(json!({"emit": ["node-pong", {"clientTime": ping["clientTime"]}]}).to_string()))
        .await
        .unwrap();
    assert_eq!(heard(&mut server, "block").await["block"]["number"], 3);
    assert_eq!(heard(&mut server, "stats").await["stats"]["peers"], 2);
    assert!(heard(&mut server, "latency").await["latency"].as_str().unwrap().parse::<u64>().is_ok());

    heads.send(120).unwrap();
    assert_eq!(heard(&mut server, "block").await["block"]["number"], 120);
    server.send(Message::text(r#"{"emit":["history",{"list":[7,5,9999,6]}]}"#)).await.unwrap();
    let history = heard(&mut server, "history").await["history"].clone();
    assert_eq!(history, json!([{"number": 7}, {"number": 6}, {"number": 5}]));
    server.send(Message::text(r#"{"emit":["history"]}"#)).await.unwrap();
    assert_eq!(heard(&mut server, "history").await["history"].as_array().unwrap().len(), 50);
    server.send(Message::text("\"primus::ping::17\"")).await.unwrap();
    // A report may come between.
    let pong = loop {
        let message = server.next().await.unwrap().unwrap();
        if message.to_text().is_ok_and(|text| text.starts_with("\"primus")) {
            break message;
        }
    };
    assert_eq!(pong.to_text().unwrap(), "\"primus::pong::17\"");

    drop(server);
    let (mut server, _) = welcome(&listener).await;
    assert_eq!(heard(&mut server, "block").await["block"]["number"], 120);
    shutdown.cancel();
    task.await.unwrap();
}
