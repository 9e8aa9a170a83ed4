//! A node for the JSON-RPC suites: a real chain, pool and server on a free port, in this process. Only the wiring's
//! answers (peers, miner) are fixed: it stands alone.

use crate::{
    Reason,
    chains::{self, explain},
};
use atoll_chain::{Chain, Origin};
use atoll_primitives::{Address, Block, Bytes, ChainSpec, U256};
use atoll_rpc::{
    ControlError, Endpoint, Listener, Namespace, NodeControl, NodeInfo, PeerInfo, PendingBlock, RpcConfig, RpcContext,
    RpcServerHandle, SyncProgress, serve,
};
use atoll_txpool::{PoolConfig, TxPool};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::runtime::Runtime;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A running node.
pub struct RpcNode {
    /// Its chain.
    pub chain: Chain,
    /// Its pool.
    pub pool: TxPool,
    runtime: Runtime,
    server: RpcServerHandle,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

/// Every namespace on a free port.
pub fn config() -> RpcConfig {
    let endpoint = Endpoint { namespaces: Namespace::ALL.to_vec(), ..Endpoint::default() };
    let listeners = vec![Listener::shared("rpc", SocketAddr::from(([127, 0, 0, 1], 0)), endpoint)];
    RpcConfig { listeners, ..RpcConfig::default() }
}

impl RpcNode {
    /// Starts over this genesis file. The public test chains mostly carry no seals: `verify_seals` says whether they do.
    ///
    /// # Errors
    /// The genesis file, or a part of the node that does not start.
    pub fn start(genesis: &str, verify_seals: bool) -> Result<Self, Reason> {
        Self::start_with(genesis, verify_seals, config())
    }

    /// [`Self::start`] with another configuration of the server.
    ///
    /// # Errors
    /// The genesis file, or a part of the node that does not start.
    pub fn start_with(genesis: &str, verify_seals: bool, config: RpcConfig) -> Result<Self, Reason> {
        let spec = Arc::new(ChainSpec::from_json(genesis).map_err(|error| error.to_string())?);
        let folder = chains::temporary_folder()?;
        let chain = chains::open(Arc::clone(&spec), folder.path(), verify_seals)?;
        let pool = TxPool::new(Arc::clone(&spec), chain.storage().clone(), PoolConfig::default());
        let context = RpcContext {
            chain: chain.clone(),
            pool: pool.clone(),
            spec,
            control: Arc::new(Alone),
            client_version: concat!("Atoll/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().map_err(|error| error.to_string())?;
        let server = runtime.block_on(serve(config, context)).map_err(|error| explain(&error))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| explain(&error))?;
        Ok(Self { chain, pool, runtime, server, http, _folder: folder })
    }

    /// Imports blocks in their order, and tells the pool of the new head. The genesis block is passed over.
    ///
    /// # Errors
    /// The first block that is refused.
    pub fn import(&self, blocks: Vec<Block>) -> Result<(), Reason> {
        for block in blocks.into_iter().filter(|block| block.header.number > 0) {
            self.chain.import(block, Origin::File).map_err(|error| explain(&error))?;
        }
        self.pool.on_head(&self.chain.head(), &[], &[]).map_err(|error| explain(&error))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.local_addr)
    }

    /// The whole answer to this body.
    ///
    /// # Errors
    /// There is no answer, or it is no JSON.
    pub fn post(&self, body: String) -> Result<Value, Reason> {
        self.runtime.block_on(async {
            let request = self.http.post(self.url()).header("content-type", "application/json").body(body);
            let response = request.send().await.map_err(|error| explain(&error))?;
            let bytes = response.bytes().await.map_err(|error| explain(&error))?;
            serde_json::from_slice(&bytes)
                .map_err(|error| format!("{error} in the answer {:?}", String::from_utf8_lossy(&bytes)))
        })
    }
}

/// A node without network and miner.
struct Alone;

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
    fn pending_block(&self) -> Option<PendingBlock> {
        None
    }
}
