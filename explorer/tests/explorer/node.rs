//! A peer at protocol level: a small server that speaks JSON-RPC over HTTP and serves a scripted chain. It knows
//! nothing of the explorer.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

/// A scripted chain.
#[derive(Clone)]
pub struct Chain {
    pub blocks: Vec<Value>,
    pub receipts: Vec<Vec<Value>>,
    pub pending: Vec<Value>,
    /// Seconds since 1970 of block 0.
    pub start: u64,
    /// Mixed into every hash: chains with other salts are other chains.
    pub salt: u64,
}

#[derive(Default)]
pub struct Script {
    pub down: bool,
    pub no_block_receipts: bool,
    /// Most calls of a batch.
    pub most_calls: Option<usize>,
    /// Overrides what it says of its newest block.
    pub claimed_head: Option<Value>,
    pub requests: u64,
}

#[derive(Clone)]
pub struct Node {
    pub chain: Arc<Mutex<Chain>>,
    pub script: Arc<Mutex<Script>>,
    pub url: String,
}

/// A transaction to put in a block.
#[derive(Clone)]
pub struct Tx {
    pub from: Address,
    pub to: Option<Address>,
    pub value: U256,
    pub input: Bytes,
    pub nonce: u64,
    pub fails: bool,
    pub logs: Vec<Value>,
}

impl Tx {
    pub fn transfer(from: u8, to: u8, nonce: u64) -> Self {
        Self {
            from: Address::repeat_byte(from),
            to: Some(Address::repeat_byte(to)),
            value: U256::from(1_500_000_000_000_000_000_u64),
            input: Bytes::new(),
            nonce,
            fails: false,
            logs: Vec::new(),
        }
    }

    pub fn hash(&self) -> B256 {
        keccak256(format!("{}{:?}{}{}{}", self.from, self.to, self.value, self.input, self.nonce))
    }

    pub fn json(&self) -> Value {
        json!({
            "hash": self.hash(), "nonce": hex(self.nonce), "from": self.from, "to": self.to, "value": self.value,
            "gas": "0x186a0", "gasPrice": "0x4a817c800", "input": self.input, "type": "0x2",
            "maxFeePerGas": "0x4a817c800", "maxPriorityFeePerGas": "0x3b9aca00",
        })
    }
}

pub fn hex(number: u64) -> String {
    format!("{number:#x}")
}

impl Chain {
    pub fn new(salt: u64) -> Self {
        let mut chain = Self { blocks: vec![], receipts: vec![], pending: vec![], start: 1_700_000_000, salt };
        chain.mine(&[]);
        chain
    }

    pub fn head(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    pub fn hash(&self, number: u64) -> B256 {
        serde_json::from_value(self.blocks[number as usize]["hash"].clone()).unwrap()
    }

    pub fn mine(&mut self, txs: &[Tx]) {
        self.mine_with(txs, &json!({}));
    }

    /// A block with some fields of its own.
    pub fn mine_with(&mut self, txs: &[Tx], fields: &Value) {
        let number = self.blocks.len() as u64;
        let parent = if number == 0 { B256::ZERO } else { self.hash(number - 1) };
        let hash = keccak256(format!("{parent}{number}{}{}{fields}", self.salt, txs.len()));
        let transactions: Vec<Value> = txs.iter().map(Tx::json).collect();
        let mut block = json!({
            "number": hex(number), "hash": hash, "parentHash": parent, "sha3Uncles": B256::ZERO,
            "miner": Address::repeat_byte(0xaa), "stateRoot": B256::ZERO, "transactionsRoot": B256::ZERO,
            "receiptsRoot": B256::ZERO, "logsBloom": format!("0x{}", "00".repeat(256)), "difficulty": "0x20000",
            "totalDifficulty": hex(0x20000 * (number + 1)), "gasLimit": "0x1c9c380",
            "gasUsed": hex(21_000 * txs.len() as u64), "timestamp": hex(self.start + number * 12), "extraData": "0x61746f6c6c",
            "mixHash": B256::ZERO, "nonce": "0x0000000000000042", "baseFeePerGas": "0x3b9aca00", "size": "0x220",
            "uncles": [], "transactions": transactions,
        });
        for (key, value) in fields.as_object().unwrap() {
            block[key] = value.clone();
        }
        let receipts = txs.iter().map(|tx| {
            let created = tx.to.is_none().then(|| tx.from.create(tx.nonce));
            json!({
                "transactionHash": tx.hash(), "blockHash": hash, "status": if tx.fails { "0x0" } else { "0x1" },
                "gasUsed": "0x5208", "effectiveGasPrice": "0x4a817c800", "contractAddress": created, "logs": tx.logs,
            })
        });
        self.receipts.push(receipts.collect());
        self.blocks.push(block);
    }

    /// The same chain up to a block; what is mined from here on differs.
    pub fn fork(&self, number: u64, salt: u64) -> Self {
        let mut fork = self.clone();
        fork.blocks.truncate(number as usize + 1);
        fork.receipts.truncate(number as usize + 1);
        fork.salt = salt;
        fork
    }

    fn answer(&self, script: &Script, method: &str, params: &Value) -> Result<Value, (i64, String)> {
        let block = |id: &str| match id {
            "latest" => Some(self.head() as usize),
            id if id.len() == 66 => self.blocks.iter().position(|block| block["hash"] == id),
            id => usize::from_str_radix(id.trim_start_matches("0x"), 16).ok(),
        };
        let first = params[0].as_str().unwrap_or_default();
        Ok(match method {
            "eth_getBlockByNumber" => {
                if let (Some(claimed), "latest") = (&script.claimed_head, first) {
                    return Ok(claimed.clone());
                }
                let Some(found) = block(first).and_then(|place| self.blocks.get(place)) else { return Ok(Value::Null) };
                let mut found = found.clone();
                if params[1] == false {
                    let hashes = found["transactions"].as_array().unwrap().iter().map(|tx| tx["hash"].clone());
                    found["transactions"] = hashes.collect();
                }
                found
            }
            "eth_getBlockReceipts" if !script.no_block_receipts => {
                block(first).map_or(Value::Null, |place| json!(self.receipts[place]))
            }
            "eth_getTransactionReceipt" => {
                let found = self.receipts.iter().flatten().find(|receipt| receipt["transactionHash"] == first);
                found.cloned().unwrap_or(Value::Null)
            }
            "eth_getTransactionByHash" => {
                self.pending.iter().find(|tx| tx["hash"] == first).cloned().unwrap_or(Value::Null)
            }
            "eth_chainId" => json!("0x539"),
            "net_version" => json!("4242"),
            "net_peerCount" => json!("0x3"),
            "eth_gasPrice" => json!("0x4a817c800"),
            "txpool_status" => json!({"pending": hex(self.pending.len() as u64), "queued": "0x0"}),
            "eth_getBalance" => json!("0x1158e460913d00000"),
            "eth_getTransactionCount" => json!("0x7"),
            "eth_getCode" => json!("0x"),
            other => return Err((-32601, format!("the method {other} does not exist"))),
        })
    }
}

impl Node {
    pub async fn start(chain: Chain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let node = Self { chain: Arc::new(Mutex::new(chain)), script: Arc::default(), url };
        let router = Router::new().route("/", post(serve)).with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        node
    }

    pub fn set_chain(&self, chain: Chain) {
        *self.chain.lock() = chain;
    }

    pub fn set_down(&self, down: bool) {
        self.script.lock().down = down;
    }
}

async fn serve(State(node): State<Node>, Json(request): Json<Value>) -> axum::response::Response {
    let mut script = node.script.lock();
    script.requests += 1;
    if script.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let calls = request.as_array().cloned().unwrap_or_default();
    if script.most_calls.is_some_and(|most| calls.len() > most) {
        let error = json!({"code": -32010, "message": "the batch is too long"});
        return Json(json!({"jsonrpc": "2.0", "id": null, "error": error})).into_response();
    }
    let chain = node.chain.lock();
    let answers =
        calls.iter().map(|call| match chain.answer(&script, call["method"].as_str().unwrap(), &call["params"]) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
            Err((code, message)) => {
                json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": message}})
            }
        });
    // Servers may answer a batch in any order.
    Json(answers.rev().collect::<Vec<_>>()).into_response()
}
