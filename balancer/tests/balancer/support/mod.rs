//! Nodes that do as they are told, each in a runtime of its own so that killing one cuts its sockets as `kill -9` does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code)]

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, TxKind, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use atoll_balancer::{Balancer, BalancerConfig};
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a node does.
#[derive(Default)]
pub struct Script {
    pub name: String,
    pub head: AtomicU64,
    /// Answers carry `x-atoll-head`.
    pub header: AtomicBool,
    /// Nothing is answered any more, as when the process is stopped.
    pub hang: AtomicBool,
    /// Nothing is answered to raw transactions.
    pub hang_when_sent: AtomicBool,
    /// Nonces are not told.
    pub busy: AtomicBool,
    /// Raw transactions are refused.
    pub full: AtomicBool,
    /// Every method that was asked for, with how often.
    pub asked: parking_lot::Mutex<HashMap<String, u64>>,
    /// The pool: sender and nonce to hash.
    pub pool: parking_lot::Mutex<BTreeMap<(Address, u64), String>>,
    /// It says that it is catching up.
    pub syncing: AtomicBool,
    /// Hash to block.
    pub mined: parking_lot::Mutex<HashMap<String, u64>>,
}

impl Script {
    pub fn asked(&self, method: &str) -> u64 {
        self.asked.lock().get(method).copied().unwrap_or(0)
    }

    /// The ID of each of its subscriptions.
    pub fn subscription(&self) -> String {
        format!("0xcd0c3e8af590364c09d0fa6a1210{}", hex::encode(&self.name))
    }

    /// The notification of its head.
    pub fn note(&self) -> Value {
        let head = head_of(&format!("{:#x}", self.head.load(Ordering::SeqCst)));
        json!({"jsonrpc": "2.0", "method": "eth_subscription",
            "params": {"subscription": self.subscription(), "result": head}})
    }

    fn call(&self, call: &Value) -> Value {
        let method = call["method"].as_str().unwrap_or_default();
        *self.asked.lock().entry(method.to_owned()).or_default() += 1;
        let params = &call["params"];
        let result = match method {
            "eth_blockNumber" => json!(format!("{:#x}", self.head.load(Ordering::SeqCst))),
            "eth_syncing" if self.syncing.load(Ordering::SeqCst) => json!({"currentBlock": "0x1"}),
            "eth_syncing" => json!(false),
            "web3_clientVersion" => json!(self.name),
            "eth_sendRawTransaction" | "eth_sendRawTransactionSync" => {
                return self.send_raw(call, params[0].as_str().unwrap());
            }
            "eth_getTransactionCount" if self.busy.load(Ordering::SeqCst) => return error(call, "node is busy"),
            "eth_getTransactionCount" => {
                let sender: Address = params[0].as_str().unwrap().parse().unwrap();
                let pool = self.pool.lock();
                let next = (0..).find(|nonce| !pool.contains_key(&(sender, *nonce))).unwrap();
                json!(format!("{next:#x}"))
            }
            "eth_signTransaction" => {
                let nonce = params[0]["nonce"].as_str().expect("the balancer names it");
                let nonce = u64::from_str_radix(nonce.trim_start_matches("0x"), 16).unwrap();
                json!({"raw": transaction(&unlocked(), nonce).0})
            }
            "eth_getTransactionReceipt" => {
                let block = self.mined.lock().get(params[0].as_str().unwrap()).copied();
                block.map_or(Value::Null, |block| json!({"blockNumber": format!("{block:#x}")}))
            }
            "eth_newBlockFilter" => json!("0x1"),
            "eth_getFilterChanges" if params[0] == "0x1" => json!([self.name]),
            "eth_getFilterChanges" => return error(call, "filter not found"),
            "eth_subscribe" => json!(self.subscription()),
            "eth_unsubscribe" => json!(params[0] == self.subscription()),
            "eth_getBlockByNumber" => {
                let mut block = head_of(params[0].as_str().unwrap());
                block["transactions"] = json!([]);
                block
            }
            _ => json!(null),
        };
        json!({"jsonrpc": "2.0", "id": call["id"], "result": result})
    }

    fn send_raw(&self, call: &Value, raw: &str) -> Value {
        if self.full.load(Ordering::SeqCst) {
            return error(call, "txpool is full");
        }
        let transaction = TxEnvelope::decode_2718_exact(&hex::decode(raw).unwrap()).unwrap();
        if self.mined.lock().contains_key(&transaction.tx_hash().to_string()) {
            return error(call, "nonce too low: next nonce 1, tx nonce 0");
        }
        let key = (transaction.recover_signer().unwrap(), transaction.nonce());
        match self.pool.lock().insert(key, transaction.tx_hash().to_string()) {
            Some(known) if known == transaction.tx_hash().to_string() => error(call, "already known"),
            _ => json!({"jsonrpc": "2.0", "id": call["id"], "result": transaction.tx_hash()}),
        }
    }

    /// Answers a request; a batch in reverse, which JSON-RPC allows.
    fn answer(&self, request: &Value) -> Value {
        match request {
            Value::Array(calls) => calls.iter().rev().map(|call| self.call(call)).collect(),
            call => self.call(call),
        }
    }
}

/// The header with this number.
pub fn head_of(number: &str) -> Value {
    json!({"number": number, "hash": format!("{number}abc"), "parentHash": "0x"})
}

fn error(call: &Value, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32000, "message": message}})
}

async fn serve(State(script): State<Arc<Script>>, request: Request) -> Response {
    if script.hang.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        return upgrade.on_upgrade(move |socket| serve_socket(script, socket));
    }
    let body = body.collect().await.unwrap().to_bytes();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let hangs = request["method"] == "eth_sendTransaction" && request["params"][0]["from"].is_null()
        || request["method"] == "eth_sendRawTransaction" && script.hang_when_sent.load(Ordering::SeqCst);
    if hangs || request["method"] == "test_hang" {
        script.call(&request);
        std::future::pending::<()>().await;
    }
    let answer = axum::Json(script.answer(&request));
    if script.header.load(Ordering::SeqCst) {
        let head = script.head.load(Ordering::SeqCst).to_string();
        return ([("x-atoll-head", head), ("access-control-allow-origin", "*".into())], answer).into_response();
    }
    answer.into_response()
}

async fn serve_socket(script: Arc<Script>, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let request: Value = serde_json::from_str(&text).unwrap();
        let answer = script.answer(&request).to_string();
        socket.send(Message::Text(answer.into())).await.unwrap();
        if request["method"] == "eth_subscribe" {
            let note = script.note();
            socket.send(Message::Text(note.to_string().into())).await.unwrap();
        }
    }
}

/// A node that can be killed and started again on its port.
pub struct Node {
    pub script: Arc<Script>,
    pub address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Node {
    pub fn start(name: &str, head: u64) -> Self {
        let script = Script { name: name.to_owned(), ..Script::default() };
        script.head.store(head, Ordering::SeqCst);
        script.header.store(true, Ordering::SeqCst);
        let script = Arc::new(script);
        let app = Router::new().fallback(serve).with_state(Arc::clone(&script));
        let (runtime, address) = host(app, "127.0.0.1:0".parse().unwrap());
        Self { script, address, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set_head(&self, head: u64) {
        self.script.head.store(head, Ordering::SeqCst);
    }

    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// The pool is lost with the process.
    pub fn restart(&mut self) {
        self.kill();
        self.script.pool.lock().clear();
        let app = Router::new().fallback(serve).with_state(Arc::clone(&self.script));
        self.runtime = Some(host(app, self.address).0);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Serves an app from a runtime of its own.
pub fn host(app: Router, address: SocketAddr) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (bound, wait) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let mut attempts_left = 6000;
        let listener = loop {
            // The killed runtime lets go of the port a moment later.
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) => assert!(attempts_left > 0, "{address}: {error}"),
            }
            attempts_left -= 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        bound.send(listener.local_addr().unwrap()).unwrap();
        axum::serve(listener, app).await
    });
    (runtime, wait.recv().unwrap())
}

/// A balancer in front of nodes, polled quickly.
pub struct Front {
    pub balancer: Balancer,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    shutdown: CancellationToken,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn config(nodes: &[&Node]) -> BalancerConfig {
    let mut config = BalancerConfig::new("127.0.0.1:0".parse().unwrap());
    config.nodes = nodes.iter().map(|node| node.url()).collect();
    config.limits.poll_ms = 40;
    config.limits.poll_timeout_ms = 2000;
    config
}

impl Front {
    pub async fn new(nodes: &[&Node]) -> Self {
        let front = Self::with(config(nodes)).await;
        let count = nodes.len();
        front.until("all nodes are in", move |status| healthy(status).len() == count).await;
        front
    }

    pub async fn with(config: BalancerConfig) -> Self {
        let shutdown = CancellationToken::new();
        let balancer = Balancer::start(config, shutdown.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = balancer.rpc_app();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { balancer, address, http, shutdown }
    }

    pub async fn send(&self, body: &Value, session: &str) -> (u16, reqwest::header::HeaderMap, Value) {
        let request = self.http.post(format!("http://{}/", self.address)).header("x-atoll-session", session).json(body);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.json().await.unwrap_or(Value::Null))
    }

    /// One call of the client called "c".
    pub async fn call(&self, method: &str, params: Value) -> Value {
        self.send(&request(1, method, params), "c").await.2
    }

    /// The node that serves a client.
    pub async fn node_of(&self, session: &str) -> String {
        let answer = self.send(&request(1, "web3_clientVersion", json!([])), session).await.2;
        answer["result"].as_str().unwrap_or_else(|| panic!("no node: {answer}")).to_owned()
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.http.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut status = Value::Null;
        for _ in 0..3_000 {
            status = serde_json::from_str(&self.get("/balancer/status").await.1).unwrap();
            if holds(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {what}; last {status}");
    }
}

pub fn healthy(status: &Value) -> Vec<String> {
    let nodes = status["nodes"].as_array().unwrap().iter();
    nodes.filter(|node| node["healthy"] == true).map(|node| node["url"].as_str().unwrap().to_owned()).collect()
}

pub fn request(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// The account that every node can sign for.
pub fn unlocked() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).unwrap()
}

/// A signed transaction: raw, hash.
pub fn transaction(signer: &PrivateKeySigner, nonce: u64) -> (String, String) {
    let transaction = TxEip1559 {
        chain_id: 7,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::ZERO),
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).unwrap();
    let envelope = TxEnvelope::from(transaction.into_signed(signature));
    (hex::encode_prefixed(envelope.encoded_2718()), envelope.tx_hash().to_string())
}

/// Waits for what another task brings about.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}
