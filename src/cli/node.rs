//! Flags of `atoll node`.

use super::rpc::RpcArgs;
use clap::Args;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// `atoll node`.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// Genesis file (geth's format)
    #[arg(long, env = "ATOLL_GENESIS", value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// Where this node's chain and key lie
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-node", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Take the first numbered folder of the data directory that no other process uses: replicas then share a volume
    #[arg(long = "data-slots", env = "ATOLL_DATA_SLOTS")]
    pub data_slots: bool,
    /// Name shown on the stats page and in the registry [default: the host's name]
    #[arg(long, env = "ATOLL_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Network ID [default: the genesis file's, else the chain ID]
    #[arg(long = "network-id", env = "ATOLL_NETWORK_ID", value_name = "ID")]
    pub network_id: Option<u64>,
    /// Engine of the chain tables: redb or sled
    #[arg(long, env = "ATOLL_DB", default_value = "redb", value_name = "ENGINE")]
    pub db: String,
    /// Memory for the engine's cache, in MiB
    #[arg(long = "db.cache", env = "ATOLL_DB_CACHE", default_value_t = 64, value_name = "MIB")]
    pub db_cache: usize,
    /// Keep an index from addresses to their transactions, for ots_searchTransactions*. Every block is executed once
    /// more in the background; switched on later, the index is built from the first block on
    #[arg(long = "index.addresses", env = "ATOLL_INDEX_ADDRESSES")]
    pub index_addresses: bool,
    /// Keep the states of this many blocks only, at least 128: balances, calls, traces and proofs of older blocks are
    /// then refused, and so is a reorganisation below them. Blocks, transactions and receipts stay [default: keep all]
    #[arg(
        long,
        env = "ATOLL_PRUNE",
        value_name = "BLOCKS",
        value_parser = clap::value_parser!(u64).range(128..)
    )]
    pub prune: Option<u64>,

    /// JSON-RPC
    #[command(flatten)]
    pub rpc: RpcArgs,

    /// Listen address for peers
    #[arg(
        long = "p2p.listen",
        env = "ATOLL_P2P_LISTEN",
        default_value = "0.0.0.0:30303",
        value_name = "IP:PORT",
        help_heading = "Peers"
    )]
    pub p2p_listen: SocketAddr,
    /// Discovery registries
    #[arg(long, env = "ATOLL_REGISTRY", value_delimiter = ',', value_name = "URL,…", help_heading = "Peers")]
    pub registry: Vec<String>,
    /// Host name or address that others reach this node by [default: the listen address, or the host's name when that is 0.0.0.0]
    #[arg(long, env = "ATOLL_ADVERTISE", value_name = "HOST", help_heading = "Peers")]
    pub advertise: Option<String>,
    /// Peers to keep connected to, as multiaddresses
    #[arg(
        long = "p2p.peers",
        env = "ATOLL_P2P_PEERS",
        value_delimiter = ',',
        value_name = "MULTIADDR,…",
        help_heading = "Peers"
    )]
    pub p2p_peers: Vec<String>,
    /// Only these peer IDs may connect
    #[arg(
        long = "p2p.allow",
        env = "ATOLL_P2P_ALLOW",
        value_delimiter = ',',
        value_name = "PEER_ID,…",
        help_heading = "Peers"
    )]
    pub p2p_allow: Vec<String>,
    /// File with a pre-shared network key (64 hex digits): only nodes that have it can connect
    #[arg(long = "p2p.psk", env = "ATOLL_P2P_PSK", value_name = "FILE", help_heading = "Peers")]
    pub p2p_psk: Option<PathBuf>,
    /// Most peers
    #[arg(
        long = "p2p.max-peers",
        env = "ATOLL_P2P_MAX_PEERS",
        default_value_t = 50,
        value_name = "N",
        help_heading = "Peers"
    )]
    pub p2p_max_peers: usize,

    /// Mine
    #[arg(long, env = "ATOLL_MINE", help_heading = "Mining")]
    pub mine: bool,
    /// Account that receives the mining rewards
    #[arg(long = "miner.account", env = "ATOLL_MINER_ACCOUNT", value_name = "ADDRESS", help_heading = "Mining")]
    pub miner_account: Option<alloy_primitives::Address>,
    /// Share of a core the miner may use, 0.01 to 1
    #[arg(
        long = "miner.cpu",
        env = "ATOLL_MINER_CPU",
        default_value_t = 0.1,
        value_name = "SHARE",
        help_heading = "Mining"
    )]
    pub miner_cpu: f64,
    /// Search threads; 0 leaves the search to external miners (eth_getWork)
    #[arg(
        long = "miner.threads",
        env = "ATOLL_MINER_THREADS",
        default_value_t = 1,
        value_name = "N",
        help_heading = "Mining"
    )]
    pub miner_threads: usize,
    /// Block gas limit to steer towards
    #[arg(
        long = "miner.gas-limit",
        env = "ATOLL_MINER_GAS_LIMIT",
        default_value_t = 60_000_000,
        value_name = "GAS",
        help_heading = "Mining"
    )]
    pub miner_gas_limit: u64,
    /// Extra data of mined blocks, at most 32 bytes
    #[arg(
        long = "miner.extra",
        env = "ATOLL_MINER_EXTRA",
        default_value = "atoll",
        value_name = "TEXT",
        help_heading = "Mining"
    )]
    pub miner_extra: String,

    /// Lowest gas tip accepted into the pool and into mined blocks, in wei
    #[arg(
        long = "gas-price",
        env = "ATOLL_GAS_PRICE",
        default_value_t = 0,
        value_name = "WEI",
        help_heading = "Transaction pool"
    )]
    pub gas_price: u64,
    /// Most pending transactions
    #[arg(
        long = "txpool.pending",
        env = "ATOLL_TXPOOL_PENDING",
        default_value_t = 50_000,
        value_name = "N",
        help_heading = "Transaction pool"
    )]
    pub txpool_pending: usize,
    /// Most queued transactions (those behind a nonce gap)
    #[arg(
        long = "txpool.queued",
        env = "ATOLL_TXPOOL_QUEUED",
        default_value_t = 10_000,
        value_name = "N",
        help_heading = "Transaction pool"
    )]
    pub txpool_queued: usize,

    /// Report to a stats server: name:secret@host:port, or :secret@host:port for this node's own name
    #[arg(long, env = "ATOLL_ETHSTATS", hide_env_values = true, value_name = "URL", help_heading = "Observation")]
    pub ethstats: Option<String>,
    /// Listen address of /metrics (Prometheus), /health and /ready
    #[arg(long = "metrics.listen", env = "ATOLL_METRICS_LISTEN", value_name = "IP:PORT", help_heading = "Observation")]
    pub metrics_listen: Option<SocketAddr>,
}

impl NodeArgs {
    /// The host others reach a listener at: as told, else the address listened on, else this host's name.
    pub fn advertised(&self, listen: IpAddr) -> String {
        super::services::advertised(self.advertise.as_deref(), listen)
    }
}
