//! Flags of the registry, the explorer, the stats server and the balancer.

use clap::Args;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// `atoll discovery`.
#[derive(Debug, Clone, Args)]
pub struct DiscoveryArgs {
    /// Listen address
    #[arg(long, env = "ATOLL_LISTEN", default_value = "127.0.0.1:8600", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Where the records lie
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-discovery", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Seconds a record lives without a heartbeat
    #[arg(long = "lease", env = "ATOLL_LEASE", default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub lease: u64,
}

/// What a service needs to find the network and to be found.
#[derive(Debug, Clone, Args)]
pub struct FindArgs {
    /// Discovery registries
    #[arg(long, env = "ATOLL_REGISTRY", value_delimiter = ',', value_name = "URL,…")]
    pub registry: Vec<String>,
    /// Genesis file of the network
    #[arg(long, env = "ATOLL_GENESIS", value_name = "FILE")]
    pub genesis: PathBuf,
    /// Network ID [default: the genesis file's, else the chain ID]
    #[arg(long = "network-id", env = "ATOLL_NETWORK_ID", value_name = "ID")]
    pub network_id: Option<u64>,
    /// Name in the registry [default: the host's name]
    #[arg(long, env = "ATOLL_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Host name or address that others reach this service by
    #[arg(long, env = "ATOLL_ADVERTISE", value_name = "HOST")]
    pub advertise: Option<String>,
}

/// `atoll explorer`.
#[derive(Debug, Clone, Args)]
pub struct ExplorerArgs {
    /// Finding the network
    #[command(flatten)]
    pub find: FindArgs,
    /// Listen address
    #[arg(long, env = "ATOLL_LISTEN", default_value = "127.0.0.1:8081", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Where the index lies
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-explorer", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// JSON-RPC URLs of nodes, besides those in the registry
    #[arg(long, env = "ATOLL_RPC", value_delimiter = ',', value_name = "URL,…")]
    pub rpc: Vec<String>,
}

/// `atoll stats`.
#[derive(Debug, Clone, Args)]
pub struct StatsArgs {
    /// Finding the network
    #[command(flatten)]
    pub find: FindArgs,
    /// Listen address
    #[arg(long, env = "ATOLL_LISTEN", default_value = "127.0.0.1:3001", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Where this service keeps its registry key
    #[arg(long = "data-dir", env = "ATOLL_DATA_DIR", default_value = "atoll-stats", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Secret that reporting nodes must show
    #[arg(long = "stats-secret", env = "ATOLL_STATS_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub stats_secret: Option<String>,
}

/// `atoll balancer`.
#[derive(Debug, Clone, Args)]
pub struct BalancerArgs {
    /// Finding the network
    #[command(flatten)]
    pub find: FindArgs,
    /// Listen address of JSON-RPC (HTTP and WebSocket)
    #[arg(long = "rpc.listen", env = "ATOLL_RPC_LISTEN", default_value = "127.0.0.1:8545", value_name = "IP:PORT")]
    pub rpc_listen: SocketAddr,
    /// Listen address of the explorer
    #[arg(long = "explorer.listen", env = "ATOLL_EXPLORER_LISTEN", value_name = "IP:PORT")]
    pub explorer_listen: Option<SocketAddr>,
    /// Listen address of the stats page
    #[arg(long = "stats.listen", env = "ATOLL_STATS_LISTEN", value_name = "IP:PORT")]
    pub stats_listen: Option<SocketAddr>,
    /// JSON-RPC URLs of nodes, besides those in the registry
    #[arg(long, env = "ATOLL_RPC", value_delimiter = ',', value_name = "URL,…")]
    pub rpc: Vec<String>,
    /// Blocks a node may be behind the best before it gets no more requests
    #[arg(long = "max-lag", env = "ATOLL_MAX_LAG", default_value_t = 3, value_name = "BLOCKS")]
    pub max_lag: u64,
}

/// The host others reach a listener at: as told, else the address listened on, else this host's name.
pub fn advertised(told: Option<&str>, listen: IpAddr) -> String {
    match told {
        Some(host) => host.to_owned(),
        None if listen.is_unspecified() => host_name(),
        None => listen.to_string(),
    }
}

/// This host's name; `localhost` where the system has none that is text.
pub fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "localhost".into())
}
