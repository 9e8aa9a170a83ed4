//! What a node is told: plain data, filled in by the program's flags.

use atoll_kv::Engine;
use atoll_primitives::{Address, ChainSpec};
use atoll_rpc::RpcConfig;
use std::{net::SocketAddr, path::PathBuf};

/// A node's configuration.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The chain. Its network ID is the one to use.
    pub spec: ChainSpec,
    /// Where chain, key and transaction journal lie.
    pub data_dir: PathBuf,
    /// Name in the registry and on the stats page.
    pub name: String,
    /// Engine of the chain tables.
    pub engine: Engine,
    /// Bytes for the engine's cache.
    pub cache_bytes: usize,
    /// How many blocks keep their state readable; `None` for all.
    pub prune: Option<u64>,
    /// Whether to keep an index from addresses to their transactions.
    pub index_addresses: bool,
    /// JSON-RPC.
    pub rpc: RpcOptions,
    /// Peers.
    pub peers: PeerOptions,
    /// Mining; `None` for a node that does not mine until told over `miner_start`.
    pub mine: bool,
    /// How to mine, if at all.
    pub miner: MinerOptions,
    /// Lowest gas tip in wei, for the pool and for mined blocks.
    pub gas_price: u128,
    /// Most pending transactions.
    pub pool_pending: usize,
    /// Most queued transactions.
    pub pool_queued: usize,
    /// Stats server to report to: `name:secret@host:port`.
    pub ethstats: Option<String>,
    /// Where `/metrics`, `/health` and `/ready` are served besides the RPC port.
    pub metrics_listen: Option<SocketAddr>,
}

/// JSON-RPC options.
#[derive(Debug, Clone)]
pub struct RpcOptions {
    /// Listeners and limits.
    pub config: RpcConfig,
    /// Host that others reach the first listener by.
    pub advertise: String,
}

/// Peer options.
#[derive(Debug, Clone)]
pub struct PeerOptions {
    /// Listen address.
    pub listen: SocketAddr,
    /// Host that others reach it by.
    pub advertise: String,
    /// Registries.
    pub registry: Vec<String>,
    /// Multiaddresses to keep connected to.
    pub fixed: Vec<String>,
    /// Peer IDs that alone may connect; empty for all.
    pub allow: Vec<String>,
    /// File with the pre-shared network key.
    pub psk: Option<PathBuf>,
    /// Most peers.
    pub max: usize,
}

/// Mining options.
#[derive(Debug, Clone)]
pub struct MinerOptions {
    /// Who is rewarded.
    pub account: Address,
    /// Share of a core, 0 to 1.
    pub cpu: f64,
    /// Search threads.
    pub threads: usize,
    /// Gas limit to steer towards.
    pub gas_limit: u64,
    /// Extra data, at most 32 bytes.
    pub extra: Vec<u8>,
}
