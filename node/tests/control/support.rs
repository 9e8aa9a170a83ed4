//! A running node and an HTTP client for it. It must not test anything itself.

use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use atoll_node::{
    DbEngine, MinerOptions, NodeConfig, PeerOptions, RpcOptions,
    rpc::{Endpoint, Listener, Namespace, RpcConfig},
};
use atoll_primitives::{
    Address, B256, Bytes, ChainSpec, Transaction, U256,
    consensus::{SignableTransaction as _, TxEip1559},
    eip2718::Encodable2718 as _,
    primitives::TxKind,
};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[path = "../../../tests/support/ports.rs"]
mod ports;

pub const CHAIN_ID: u64 = 4245;
pub const COINBASE: Address = Address::repeat_byte(0xc0);
pub const RECEIVER: Address = Address::repeat_byte(0xaa);
/// Bytes of the chain's dataset.
pub const DATASET: u64 = 65_536;
pub const DIFFICULTY: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(90);

pub fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(1)).unwrap()
}

fn spec() -> ChainSpec {
    let mut config = json!({
        "chainId": CHAIN_ID, "ethash": { "datasetSize": DATASET, "fixeddifficulty": DIFFICULTY }, "shanghaiTime": 0,
    });
    let blocks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"];
    for block in blocks.into_iter().chain(["berlin", "london"]) {
        config[format!("{block}Block")] = json!(0);
    }
    let alloc = json!({ key().address().to_string(): { "balance": "0x3635c9adc5dea00000" } });
    let genesis =
        json!({ "config": config, "difficulty": "0x10", "gasLimit": "0x1c9c380", "timestamp": "0x5", "alloc": alloc });
    ChainSpec::from_json(&genesis.to_string()).unwrap()
}

pub struct Node {
    pub dir: TempDir,
    url: String,
    http: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Node {
    /// A node with every namespace that does not mine; `change` makes it another.
    pub async fn start(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let (dir, port) = (TempDir::new().unwrap(), ports::free_port());
        let listen = |port| format!("127.0.0.1:{port}").parse().unwrap();
        let endpoint = Endpoint { namespaces: Namespace::ALL.to_vec(), ..Endpoint::default() };
        let mut config = NodeConfig {
            spec: spec(),
            data_dir: dir.path().into(),
            name: "test".into(),
            engine: DbEngine::Redb,
            prune: None,
            index_addresses: false,
            cache_bytes: 8 << 20,
            rpc: RpcOptions {
                config: RpcConfig {
                    listeners: vec![Listener::shared("rpc", listen(port), endpoint)],
                    call_timeout: Duration::from_secs(60),
                    ..RpcConfig::default()
                },
                advertise: "127.0.0.1".into(),
            },
            peers: PeerOptions {
                listen: listen(0),
                advertise: "127.0.0.1".into(),
                registry: Vec::new(),
                fixed: Vec::new(),
                allow: Vec::new(),
                psk: None,
                max: 10,
            },
            mine: false,
            miner: MinerOptions {
                account: COINBASE,
                cpu: 0.5,
                threads: 1,
                gas_limit: 30_000_000,
                extra: b"control".to_vec(),
            },
            gas_price: 0,
            pool_pending: 1000,
            pool_queued: 1000,
            ethstats: None,
            metrics_listen: None,
        };
        change(&mut config);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move { atoll_node::run(config, token).await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let node = Self { dir, url: format!("http://127.0.0.1:{port}"), http, stop, task };
        until("the node answers", async || node.http.get(format!("{}/health", node.url)).send().await.is_ok()).await;
        node
    }

    /// The whole answer to one call.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    }

    /// The result of one call that must succeed.
    pub async fn ok(&self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Code and message of a call that must fail.
    pub async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.call(method, params).await;
        let error = answer.get("error").unwrap_or_else(|| panic!("{method} succeeded: {answer}"));
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    pub async fn number(&self) -> u64 {
        number(&self.ok("eth_blockNumber", json!([])).await)
    }

    pub async fn block(&self, number: u64) -> Value {
        self.ok("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await
    }

    /// Sends one wei to `RECEIVER`; the transaction's hash.
    pub async fn transfer(&self, nonce: u64) -> Value {
        self.ok("eth_sendRawTransaction", json!([transfer(nonce)])).await
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

pub fn number(quantity: &Value) -> u64 {
    u64::from_str_radix(quantity.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// A signed transfer.
pub fn transfer(nonce: u64) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(RECEIVER),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = key().sign_hash_sync(&tx.signature_hash()).unwrap();
    Transaction::from(tx.into_signed(signature)).encoded_2718().into()
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
