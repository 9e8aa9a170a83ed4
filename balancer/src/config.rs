//! What an operator may set, and what can go wrong. Knows no protocol.

use alloy_primitives::B256;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// Settings of the balancer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerConfig {
    /// Where JSON-RPC is served, HTTP and WebSocket on one port.
    pub rpc_listen: SocketAddr,
    /// Where the explorer is served.
    #[serde(default)]
    pub explorer_listen: Option<SocketAddr>,
    /// Where the stats page is served, and where nodes outside may report to it.
    #[serde(default)]
    pub stats_listen: Option<SocketAddr>,
    /// Registries (`http://host:port`) to learn targets from.
    #[serde(default)]
    pub registries: Vec<String>,
    /// The network whose participants are wanted.
    #[serde(default)]
    pub network_id: u64,
    /// Its genesis hash.
    #[serde(default)]
    pub genesis_hash: B256,
    /// Nodes besides those of the registries: their RPC URLs, `http://host:port`, WebSocket on the same port.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Explorers besides those of the registries.
    #[serde(default)]
    pub explorers: Vec<String>,
    /// Stats pages besides those of the registries.
    #[serde(default)]
    pub stats: Vec<String>,
    /// A node more blocks than this behind the best one gets no requests.
    #[serde(default = "default_lag")]
    pub lag_blocks: u64,
    /// Take the client's address from `X-Forwarded-For`. Only behind a proxy that sets it: a client that may write it
    /// itself can pose as any other.
    #[serde(default)]
    pub trust_forwarded_for: bool,
    /// Bounds on what clients may ask.
    #[serde(default)]
    pub limits: Limits,
}

fn default_lag() -> u64 {
    3
}

impl BalancerConfig {
    /// Defaults for everything but the address.
    pub fn new(rpc_listen: SocketAddr) -> Self {
        Self {
            rpc_listen,
            explorer_listen: None,
            stats_listen: None,
            registries: Vec::new(),
            network_id: 0,
            genesis_hash: B256::ZERO,
            nodes: Vec::new(),
            explorers: Vec::new(),
            stats: Vec::new(),
            lag_blocks: default_lag(),
            trust_forwarded_for: false,
            limits: Limits::default(),
        }
    }
}

/// Bounds on what clients may ask and on how long anything may take.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request.
    pub request_bytes: usize,
    /// Bytes of a node's answer.
    pub response_bytes: usize,
    /// Calls in one batch.
    pub batch: usize,
    /// Requests under way at once; above it: HTTP 503.
    pub in_flight: usize,
    /// Connections of all listeners; above it new ones wait in the system's queue.
    pub connections: usize,
    /// WebSocket connections; above it: HTTP 503.
    pub web_sockets: usize,
    /// Milliseconds a node may take over a request.
    pub request_ms: u64,
    /// Milliseconds to wait for a node to reach the block the client has already seen.
    pub catch_up_ms: u64,
    /// Milliseconds between two health polls of a node.
    pub poll_ms: u64,
    /// Milliseconds a health poll may take.
    pub poll_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 10 << 20,
            response_bytes: 128 << 20,
            batch: 1_000,
            in_flight: 2_048,
            connections: 8_192,
            web_sockets: 2_048,
            request_ms: 60_000,
            catch_up_ms: 2_000,
            poll_ms: 500,
            poll_timeout_ms: 1_000,
        }
    }
}

impl Limits {
    pub(crate) fn request_time(&self) -> Duration {
        Duration::from_millis(self.request_ms)
    }

    pub(crate) fn catch_up_time(&self) -> Duration {
        Duration::from_millis(self.catch_up_ms)
    }

    pub(crate) fn poll_every(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    pub(crate) fn poll_time(&self) -> Duration {
        Duration::from_millis(self.poll_timeout_ms)
    }
}

/// Why the balancer stopped or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BalancerError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A URL of the static list is not one the balancer can reach.
    #[error("{url:?} is not http://host:port")]
    Url {
        /// What stood there.
        url: String,
    },
    /// The registry's client could not be made.
    #[error("cannot follow the registry")]
    Registry(#[source] atoll_discovery::ClientError),
}
