//! A node that mines, and signed transactions. It must not test anything itself.

use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use atoll_chain::{Chain, ChainEvent, ChainOptions};
use atoll_consensus::engine;
use atoll_miner::{Miner, MinerConfig, MinerHandle};
use atoll_primitives::{
    Address, B256, Bytes, ChainSpec, PooledTransaction, RecoveredBlock, U256,
    consensus::{SignableTransaction, TxEip1559},
    primitives::TxKind,
};
use atoll_storage::{DbEngine, Storage, StorageOptions};
use atoll_txpool::{PoolConfig, TxPool};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const CHAIN_ID: u64 = 4244;
pub const COINBASE: Address = Address::repeat_byte(0xc0);
pub const RECEIVER: Address = Address::repeat_byte(0xaa);
/// Stores `PREVRANDAO` in slot 0.
pub const RANDAO: Address = Address::repeat_byte(0x4a);

pub fn key(index: usize) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::from(U256::from(index + 1))).unwrap()
}

/// Osaka from the start, two rich accounts, the `ethash` section given.
pub fn spec(ethash: &Value) -> Arc<ChainSpec> {
    let mut config = json!({ "chainId": CHAIN_ID, "ethash": ethash });
    let blocks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"];
    for block in blocks.into_iter().chain(["berlin", "london"]) {
        config[format!("{block}Block")] = json!(0);
    }
    for time in ["shanghaiTime", "cancunTime", "pragueTime", "osakaTime"] {
        config[time] = json!(0);
    }
    let rich = json!({ "balance": "0x3635c9adc5dea00000" });
    let mut alloc = json!({ key(0).address().to_string(): rich, key(1).address().to_string(): rich });
    alloc[RANDAO.to_string()] = json!({ "balance": "0x0", "nonce": "0x1", "code": "0x445f5500" });
    // The system contracts of EIP-2935, EIP-4788, EIP-7002 and EIP-7251, as short as they can be: STOP.
    for system in [
        "0x0000F90827F1C53a10cb7A02335B175320002935",
        "0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02",
        "0x00000961Ef480Eb55e80D19ad83579A64c007002",
        "0x0000BBdDc7CE488642fb579F8B00f3a590007251",
    ] {
        alloc[system] = json!({ "balance": "0x0", "nonce": "0x1", "code": "0x00" });
    }
    let genesis = json!({
        "config": config, "difficulty": "0x400", "gasLimit": "0x1c9c380", "timestamp": "0x5", "alloc": alloc,
    });
    Arc::new(ChainSpec::from_json(&genesis.to_string()).unwrap())
}

/// Every fork's rules, blocks as quick as timestamps allow.
pub fn quick() -> Arc<ChainSpec> {
    spec(&json!({ "datasetSize": 65536, "fixeddifficulty": 16 }))
}

pub fn config() -> MinerConfig {
    MinerConfig { coinbase: COINBASE, cpu_share: 0.5, recommit: Duration::from_millis(100), ..MinerConfig::default() }
}

pub struct Node {
    pub chain: Chain,
    pub pool: TxPool,
    pub miner: MinerHandle,
    _dir: TempDir,
}

impl Node {
    pub fn new(spec: &Arc<ChainSpec>, config: MinerConfig) -> Self {
        let dir = TempDir::new().unwrap();
        let options = StorageOptions { engine: DbEngine::Redb, cache_bytes: 8 << 20, ..StorageOptions::default() };
        let storage = Storage::open(dir.path(), spec, options).unwrap();
        let pool = TxPool::new(Arc::clone(spec), storage.clone(), PoolConfig::default());
        let engine = engine(Arc::clone(spec)).unwrap();
        let chain = Chain::open(Arc::clone(spec), storage, engine, ChainOptions::default()).unwrap();
        follow(&chain, &pool);
        let miner = Miner::start(chain.clone(), pool.clone(), config).unwrap();
        Self { chain, pool, miner, _dir: dir }
    }

    pub fn number(&self) -> u64 {
        self.chain.head().number
    }

    /// Waits until the head has at least this number.
    pub fn reach(&self, number: u64) {
        until("the head to advance", || self.number() >= number);
    }

    pub fn block(&self, number: u64) -> Arc<RecoveredBlock> {
        let storage = self.chain.storage();
        let hash = storage.canonical_hash(number).unwrap().unwrap();
        storage.block(&hash).unwrap().unwrap()
    }

    /// The canonical block that holds a transaction, once there is one.
    pub fn including(&self, hash: &B256) -> Arc<RecoveredBlock> {
        let location = || self.chain.storage().transaction_location(hash).unwrap();
        until("the transaction's inclusion", || location().is_some());
        self.block(location().unwrap().block_number)
    }

    pub fn balance(&self, address: &Address) -> U256 {
        self.chain.storage().head_state().account(address).unwrap().unwrap_or_default().balance
    }

    /// Mines until the head has this number, then stops.
    pub fn mine_to(&self, number: u64) {
        self.miner.start().unwrap();
        self.reach(number);
        self.miner.stop();
    }
}

/// Tells the pool about new heads, as the node's wiring does.
fn follow(chain: &Chain, pool: &TxPool) {
    let (mut events, pool) = (chain.events(), pool.clone());
    thread::spawn(move || {
        while let Ok(event) = events.blocking_recv() {
            if let ChainEvent::Head(change) = event {
                pool.on_head(&change.head, &change.reverted, &change.applied).unwrap();
            }
        }
    });
}

pub fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(Instant::now() < deadline, "waited two minutes for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A signed call with a gas price of 10 gwei and this tip.
pub fn transaction(from: usize, nonce: u64, to: Address, tip: u128) -> PooledTransaction {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(to),
        value: if to == RECEIVER { U256::from(1) } else { U256::ZERO },
        input: Bytes::new(),
        ..TxEip1559::default()
    };
    let signature = key(from).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}
