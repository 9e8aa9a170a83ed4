//! What an operator may set, and what can go wrong. Knows no protocol.

use alloy_primitives::B256;
use std::net::SocketAddr;

/// Settings of the stats service.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsConfig {
    /// Where to listen, HTTP and WebSocket; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What a node must send in its hello; `None` lets any node report (fine on a laptop, not on the internet).
    #[serde(default)]
    pub secret: Option<String>,
    /// Registries (`http://host:port`) in which the page's address is announced; empty announces nothing.
    #[serde(default)]
    pub registries: Vec<String>,
    /// The URL under which others reach this service; `None` announces `http://<bound address>`.
    #[serde(default)]
    pub public_url: Option<String>,
    /// The name in the registry and in the page's title.
    #[serde(default = "default_name")]
    pub name: String,
    /// The network whose registry entry this is.
    #[serde(default)]
    pub network_id: u64,
    /// Its chain ID.
    #[serde(default)]
    pub chain_id: u64,
    /// Its genesis hash.
    #[serde(default)]
    pub genesis_hash: B256,
    /// Most nodes remembered. At the bound the node that has been away longest goes; if none is away, a new one is
    /// refused.
    #[serde(default = "default_max_nodes")]
    pub max_nodes: usize,
}

fn default_name() -> String {
    "stats".to_owned()
}

fn default_max_nodes() -> usize {
    512
}

impl StatsConfig {
    /// Defaults for everything but the address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            secret: None,
            registries: Vec::new(),
            public_url: None,
            name: default_name(),
            network_id: 0,
            chain_id: 0,
            genesis_hash: B256::ZERO,
            max_nodes: default_max_nodes(),
        }
    }
}

/// Why the stats service stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The listener broke while serving.
    #[error("the HTTP server of the stats page failed")]
    Serve(#[source] std::io::Error),
    /// The announcement in the registry could not be set up.
    #[error("cannot announce the stats page in the registry")]
    Announce(#[source] Box<dyn std::error::Error + Send + Sync>),
}
