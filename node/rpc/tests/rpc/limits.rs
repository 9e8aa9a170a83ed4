//! Who is let in and how much they may ask: tokens, hosts, origins, rates, sizes, times, numbers of connections.

use crate::support::{TestNode, config};
use atoll_rpc::{Auth, Endpoint, Listener, Namespace, RateLimit, RpcConfig, parse_network};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{Error, client::IntoClientRequest as _};

const TOKEN: &str = "a-token-of-some-length";

fn genesis() -> String {
    json!({
        "config": { "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "ethash": {} },
        "difficulty": "0x20000", "gasLimit": "0x1c9c380", "timestamp": "0x0", "alloc": {},
    })
    .to_string()
}

async fn start(config: RpcConfig) -> TestNode {
    TestNode::start(&genesis(), config).await
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn request(method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string()
}

struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Reply {
    fn error_code(&self) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()["error"]["code"].clone()
    }
}

async fn post(address: SocketAddr, headers: &[(&str, &str)], body: String) -> Reply {
    let mut request = reqwest::Client::new().post(format!("http://{address}")).body(body);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, body: response.text().await.unwrap() }
}

/// The status of a WebSocket handshake with these headers.
async fn handshake(address: SocketAddr, headers: &[(&'static str, &str)]) -> u16 {
    let mut request = format!("ws://{address}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_over_http_and_websocket() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TOKEN).unwrap();
    let auth = Auth::default().with_token_file(file.path()).unwrap();
    let endpoint = Endpoint { auth, origins: vec!["https://dapp.example".into()], ..Endpoint::default() };
    let node = start(RpcConfig { listeners: vec![Listener::shared("rpc", local(), endpoint)], ..config() }).await;
    let address = node.server.local_addr;
    let bearer = format!("Bearer {TOKEN}");

    let none = post(address, &[("origin", "https://dapp.example")], request("eth_chainId")).await;
    assert_eq!((none.status, none.headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    assert!(none.body.contains("missing token"), "{}", none.body);
    assert_eq!(none.headers["access-control-allow-origin"], "https://dapp.example", "a page can read why");
    assert_eq!(post(address, &[("authorization", "Bearer wrong")], request("eth_chainId")).await.status, 401);
    let good = post(address, &[("authorization", &bearer)], request("eth_chainId")).await;
    assert_eq!((good.status, good.body.contains("0x539")), (200, true));

    assert_eq!(handshake(address, &[]).await, 401);
    assert_eq!(handshake(address, &[("authorization", &bearer)]).await, 101);
    let health = reqwest::get(format!("http://{address}/health")).await.unwrap();
    assert_eq!(health.status().as_u16(), 200, "a supervisor needs no token");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_origins_are_checked() {
    let endpoint = Endpoint { origins: vec!["https://dapp.example".into()], ..Endpoint::default() };
    let node = start(RpcConfig { listeners: vec![Listener::shared("rpc", local(), endpoint)], ..config() }).await;
    let address = node.server.local_addr;
    assert_eq!(post(address, &[("host", "rebound.example")], request("eth_chainId")).await.status, 403);
    assert_eq!(handshake(address, &[("host", "rebound.example")]).await, 403);
    assert_eq!(handshake(address, &[("origin", "https://evil.example")]).await, 403);
    assert_eq!(handshake(address, &[("origin", "https://dapp.example")]).await, 101);
    let simple = post(address, &[("content-type", "text/plain")], request("eth_chainId")).await;
    assert_eq!(simple.status, 415, "a page could send this without asking");
    let evil = post(address, &[("origin", "https://evil.example")], request("eth_chainId")).await;
    assert!(!evil.headers.contains_key("access-control-allow-origin"));
    let client = reqwest::Client::new();
    let preflight = client
        .request(reqwest::Method::OPTIONS, format!("http://{address}"))
        .header("origin", "https://dapp.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,authorization,x-atoll-session")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://dapp.example");
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("x-atoll-session"), "{allowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_port_offers_what_it_was_told() {
    let offering = |namespaces: &[Namespace]| Endpoint { namespaces: namespaces.to_vec(), ..Endpoint::default() };
    let http = Some(offering(&[Namespace::Net]));
    let ws = Some(offering(&[Namespace::Eth]));
    let listeners = vec![
        Listener { name: "http", listen: local(), http, ws: None },
        Listener { name: "ws", listen: local(), http: None, ws },
        Listener::shared("admin", local(), offering(&Namespace::ALL)),
    ];
    let node = start(RpcConfig { listeners, ..config() }).await;
    let [http, ws, admin] = node.server.addresses[..] else { panic!("three ports") };
    assert_eq!((node.server.local_addr, node.server.ws_addr), (http, Some(ws)));
    assert_eq!(post(http, &[], request("eth_chainId")).await.error_code(), -32601);
    assert_eq!(post(http, &[], request("net_version")).await.status, 200);
    assert_eq!(
        post(http, &[], request("rpc_modules")).await.body,
        r#"{"jsonrpc":"2.0","id":1,"result":{"net":"1.0"}}"#
    );
    assert_eq!(post(ws, &[], request("eth_chainId")).await.status, 404);
    assert_eq!((handshake(http, &[]).await, handshake(ws, &[]).await), (404, 101));
    assert!(post(admin, &[], request("admin_nodeInfo")).await.body.contains("result"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_much_waits() {
    // Slow enough that none comes back while the test runs.
    let rate_limit = Some(RateLimit { per_second: 0.001, burst: 5.0 });
    let trusted_proxies = vec![parse_network("127.0.0.0/8").unwrap()];
    let node = start(RpcConfig { rate_limit, trusted_proxies, ..config() }).await;
    let address = node.server.local_addr;
    let from = |client: &'static str| [("x-forwarded-for", client)];
    for _ in 0..5 {
        assert_eq!(post(address, &from("192.0.2.1"), request("eth_chainId")).await.status, 200);
    }
    let refused = post(address, &from("192.0.2.1"), request("eth_chainId")).await;
    assert_eq!((refused.status, refused.error_code()), (429, json!(-32005)));
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((900..=1000).contains(&seconds), "{seconds}");
    // Whoever writes the header himself stands before what the proxy adds, and gains nothing.
    assert_eq!(post(address, &from("198.51.100.1, 192.0.2.1"), request("eth_chainId")).await.status, 429);
    assert_eq!(post(address, &from("192.0.2.2"), request("eth_chainId")).await.status, 200);
    let batch = Value::from(vec![json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}); 5]).to_string();
    assert_eq!(post(address, &from("192.0.2.2"), batch.clone()).await.status, 429, "each entry counts");
    assert_eq!(post(address, &from("192.0.2.3"), batch).await.status, 200);
    for _ in 0..20 {
        assert_eq!(post(address, &[], request("eth_chainId")).await.status, 200, "the proxy itself is not limited");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_websocket_the_error_says_so() {
    use futures::{SinkExt as _, StreamExt as _};
    let rate_limit = Some(RateLimit { per_second: 0.1, burst: 2.0 });
    let node = start(RpcConfig { rate_limit, ..config() }).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{}", node.server.local_addr)).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..3 {
        socket.send(request("eth_chainId").into()).await.unwrap();
        let text = socket.next().await.unwrap().unwrap();
        codes.push(serde_json::from_str::<Value>(text.to_text().unwrap()).unwrap()["error"]["code"].clone());
    }
    assert_eq!(codes, [Value::Null, Value::Null, json!(-32005)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_have_limits_and_geths_codes() {
    let limits = RpcConfig {
        max_body_bytes: 4096,
        batch_limit: 10,
        batch_response_bytes: 600,
        max_response_bytes: 2000,
        ..config()
    };
    let node = start(limits).await;
    let address = node.server.local_addr;
    let large = post(address, &[], format!("{}{}", request("eth_chainId"), " ".repeat(5000))).await;
    assert_eq!((large.status, large.error_code()), (413, json!(-32600)));
    let calls = |count: usize, method: &str| {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": ["latest", false]});
        Value::from(vec![call; count]).to_string()
    };
    let long: Value = serde_json::from_str(&post(address, &[], calls(11, "eth_x")).await.body).unwrap();
    assert_eq!((&long[0]["error"]["code"], &long[0]["id"]), (&json!(-32600), &json!(7)), "{long}");
    let wide: Value = serde_json::from_str(&post(address, &[], calls(3, "eth_getBlockByNumber")).await.body).unwrap();
    let codes: Vec<_> = wide.as_array().unwrap().iter().map(|entry| entry["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(-32003), json!(-32003), json!(-32003)], "a block is larger than 600 bytes: {wide}");
    let parsed = |body: &str| serde_json::from_str::<Value>(body).unwrap()["error"]["code"].clone();
    assert_eq!(parsed(&post(address, &[], "{".into()).await.body), -32700);
    assert_eq!(parsed(&post(address, &[], "[]".into()).await.body), -32600);
    assert_eq!(parsed(&post(address, &[], "{}".into()).await.body), -32600);
    let notification = json!({"jsonrpc": "2.0", "method": "eth_chainId"}).to_string();
    assert_eq!(post(address, &[], notification).await.body, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_and_slow_ones_end() {
    let limits = RpcConfig {
        max_connections: 3,
        header_timeout: Duration::from_secs(3),
        body_timeout: Duration::from_secs(3),
        ..config()
    };
    let node = start(limits).await;
    let address = node.server.local_addr;
    let connect = || TcpStream::connect(address);
    let (mut silent, mut headers, mut body) =
        (connect().await.unwrap(), connect().await.unwrap(), connect().await.unwrap());
    headers.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    let start = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    body.write_all(start).await.unwrap();
    // They are accepted in the order in which they came.
    let mut answer = String::new();
    connect().await.unwrap().read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("too many connections\n"), "{answer}");

    let mut rest = Vec::new();
    for stream in [&mut silent, &mut headers, &mut body] {
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "a slow client holds its connection");
    }
    assert!(String::from_utf8_lossy(&rest).contains("408"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(post(address, &[], request("eth_chainId")).await.status, 200, "their places are free again");
}
