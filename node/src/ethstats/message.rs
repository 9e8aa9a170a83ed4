//! The messages, in geth's form, which every ethstats server reads. Pure.

use atoll_primitives::{Address, RecoveredBlock, U256};
use serde_json::{Value, json};

/// What the hello says of the node.
#[derive(Clone, Debug)]
pub struct NodeIdentity {
    /// Client and version, as in `web3_clientVersion`.
    pub client: String,
    /// TCP port of the peer-to-peer listener.
    pub port: u16,
    /// Network ID.
    pub network_id: u64,
    /// Wire protocol, for example `atoll/1`.
    pub protocol: String,
}

/// What changes without a block.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeStatus {
    /// Connected peers.
    pub peers: u64,
    /// Executable transactions in the pool.
    pub pending: u64,
    /// Whether the miner runs.
    pub mining: bool,
    /// Hashes per second.
    pub hashrate: u64,
    /// Whether the node is far behind its peers.
    pub syncing: bool,
    /// What the node would suggest, in wei.
    pub gas_price: u128,
}

/// A block as ethstats shows it. `author` is who sealed it: for Clique and QBFT not the header's beneficiary.
/// Numbers are JSON numbers and difficulties decimal strings, as geth writes them.
pub fn block_report(block: &RecoveredBlock, total_difficulty: U256, author: Address) -> Value {
    let header = block.header();
    let hashes: Vec<_> = block.transactions().map(|(tx, _)| json!({ "hash": tx.tx_hash() })).collect();
    json!({
        "number": header.number,
        "hash": block.hash,
        "parentHash": header.parent_hash,
        "timestamp": header.timestamp,
        "miner": author,
        "gasUsed": header.gas_used,
        "gasLimit": header.gas_limit,
        "difficulty": header.difficulty.to_string(),
        "totalDifficulty": total_difficulty.to_string(),
        "transactions": hashes,
        "transactionsRoot": header.transactions_root,
        "stateRoot": header.state_root,
        "uncles": block.block.body.ommers,
    })
}

pub(super) fn hello(name: &str, secret: &str, identity: &NodeIdentity) -> String {
    emit(
        "hello",
        json!({
            "id": name,
            "secret": secret,
            "info": {
                "name": name,
                "node": identity.client,
                "port": identity.port,
                "net": identity.network_id.to_string(),
                "protocol": identity.protocol,
                "api": "No",
                "os": std::env::consts::OS,
                "os_v": std::env::consts::ARCH,
                "client": env!("CARGO_PKG_VERSION"),
                "canUpdateHistory": true,
            },
        }),
    )
}

pub(super) fn ping(name: &str, client_time: &str) -> String {
    emit("node-ping", json!({"id": name, "clientTime": client_time}))
}

pub(super) fn latency(name: &str, milliseconds: u128) -> String {
    emit("latency", json!({"id": name, "latency": milliseconds.to_string()}))
}

pub(super) fn block(name: &str, block: &Value) -> String {
    emit("block", json!({"id": name, "block": block}))
}

pub(super) fn history(name: &str, blocks: &[Value]) -> String {
    emit("history", json!({"id": name, "history": blocks}))
}

pub(super) fn pending(name: &str, status: &NodeStatus) -> String {
    emit("pending", json!({"id": name, "stats": {"pending": status.pending}}))
}

pub(super) fn stats(name: &str, status: &NodeStatus) -> String {
    // JSON numbers above 2^53 lose digits in eth-netstats: no sensible gas price is that high.
    let gas_price = u64::try_from(status.gas_price).unwrap_or(u64::MAX);
    emit(
        "stats",
        json!({"id": name, "stats": {
            "active": true, "syncing": status.syncing, "mining": status.mining, "hashrate": status.hashrate,
            "peers": status.peers, "gasPrice": gas_price, "uptime": 100,
        }}),
    )
}

fn emit(command: &str, body: Value) -> String {
    json!({"emit": [command, body]}).to_string()
}
