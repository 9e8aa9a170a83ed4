//! A node for tests: a real chain in a temporary directory, a real pool, a real server on a free port. Only the
//! wiring's answers (peers, miner) are fixed here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "not every helper is used")]

pub mod blocks;

use atoll_chain::{Chain, ChainOptions};
use atoll_primitives::{Address, Bytes, ChainSpec, U256};
use atoll_rpc::{
    ControlError, Endpoint, Listener, Namespace, NodeControl, NodeInfo, PeerInfo, PendingBlock, RpcConfig, RpcContext,
    RpcServerHandle, SyncProgress, serve,
};
use atoll_storage::{Storage, StorageOptions};
use atoll_txpool::{PoolConfig, TxPool};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};

/// A node without network and miner; if it says how long a block takes, it pretends to mine one on request, and is slow to
/// say that it has no pending one.
#[derive(Default)]
pub struct Alone(pub Option<std::time::Duration>);

impl NodeControl for Alone {
    fn peer_count(&self) -> usize {
        0
    }
    fn peers(&self) -> Vec<PeerInfo> {
        Vec::new()
    }
    fn add_peer(&self, address: &str) -> Result<(), ControlError> {
        Err(ControlError::PeerAddress(address.to_owned()))
    }
    fn node_info(&self) -> NodeInfo {
        NodeInfo::default()
    }
    fn listening(&self) -> bool {
        true
    }
    fn syncing(&self) -> Option<SyncProgress> {
        None
    }
    fn ready(&self) -> bool {
        false
    }
    fn mining(&self) -> bool {
        false
    }
    fn hashrate(&self) -> u64 {
        0
    }
    fn coinbase(&self) -> Option<Address> {
        None
    }
    fn start_mining(&self) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    fn stop_mining(&self) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    fn set_coinbase(&self, _: Address) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    fn set_gas_price(&self, _: U256) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    fn set_gas_limit(&self, _: u64) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    fn set_extra(&self, _: Bytes) -> Result<(), ControlError> {
        Err(ControlError::Unavailable("the miner"))
    }
    fn mine_once(&self) -> Result<(), ControlError> {
        let time = self.0.ok_or(ControlError::Unavailable("the miner"))?;
        std::thread::sleep(time);
        Ok(())
    }
    fn pending_block(&self) -> Option<PendingBlock> {
        std::thread::sleep(self.0.unwrap_or_default());
        None
    }
}

/// A running node.
pub struct TestNode {
    pub chain: Chain,
    pub pool: TxPool,
    pub server: RpcServerHandle,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

/// Every namespace on a free port.
pub fn config() -> RpcConfig {
    let endpoint = Endpoint { namespaces: Namespace::ALL.to_vec(), ..Endpoint::default() };
    let listeners = vec![Listener::shared("rpc", SocketAddr::from(([127, 0, 0, 1], 0)), endpoint)];
    RpcConfig { listeners, ..RpcConfig::default() }
}

impl TestNode {
    /// Over this genesis file; seals are not checked.
    pub async fn start(genesis: &str, config: RpcConfig) -> Self {
        Self::start_chain(genesis, config, ChainOptions::default()).await
    }

    /// The same with an index of addresses.
    pub async fn start_indexed(genesis: &str, config: RpcConfig) -> Self {
        Self::start_chain(genesis, config, ChainOptions { index_addresses: true, ..ChainOptions::default() }).await
    }

    /// With this in the place of the rest of the node.
    pub async fn start_with(genesis: &str, config: RpcConfig, control: Alone) -> Self {
        Self::open(Arc::new(ChainSpec::from_json(genesis).unwrap()), config, ChainOptions::default(), control).await
    }

    async fn start_chain(genesis: &str, config: RpcConfig, options: ChainOptions) -> Self {
        Self::open(Arc::new(ChainSpec::from_json(genesis).unwrap()), config, options, Alone::default()).await
    }

    /// Over this chain; seals are not checked.
    pub async fn over(spec: Arc<ChainSpec>, config: RpcConfig) -> Self {
        Self::open(spec, config, ChainOptions::default(), Alone::default()).await
    }

    async fn open(spec: Arc<ChainSpec>, config: RpcConfig, options: ChainOptions, control: Alone) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path(), &spec, StorageOptions::default()).unwrap();
        let engine = atoll_consensus::engine(spec.clone()).unwrap();
        let options = ChainOptions { verify_seals: false, ..options };
        let chain = Chain::open(spec.clone(), storage.clone(), engine, options).unwrap();
        let pool = TxPool::new(spec.clone(), storage, PoolConfig::default());
        let context = RpcContext {
            chain: chain.clone(),
            pool: pool.clone(),
            spec,
            control: Arc::new(control),
            client_version: "Atoll/test".to_owned(),
        };
        let server = serve(config, context).await.unwrap();
        Self { chain, pool, server, http: reqwest::Client::new(), _dir: dir }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.local_addr)
    }

    /// The whole answer to this body.
    pub async fn post(&self, body: String) -> Value {
        let request = self.http.post(self.url()).header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// The whole answer to one call.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        self.post(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
    }

    /// The result of one call that must succeed.
    pub async fn ok(&self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }
}
