//! What an operator may set. Knows no flags and no files.

use alloy_primitives::B256;
use atoll_kv::Engine;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

/// Settings of the explorer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExplorerConfig {
    /// Address of the pages; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Folder of the index and of the key that signs the registry record.
    pub data_dir: PathBuf,
    /// Registries (`http://host:port`) where nodes are found and the pages are announced.
    pub registry: Vec<String>,
    /// JSON-RPC URLs (`http://host:port`) of nodes that are always tried.
    pub rpc: Vec<String>,
    /// The network to look for in the registry; learnt from the first node in `rpc` if absent.
    pub network_id: Option<u64>,
    /// EIP-155 chain ID; learnt from the first node if absent.
    pub chain_id: Option<u64>,
    /// Hash of the genesis block; nodes of other chains are ignored. Learnt from the index, or from the first node in
    /// `rpc`, if absent.
    pub genesis: Option<B256>,
    /// Shown in the page title and in the registry.
    pub name: String,
    /// URL under which others reach the pages; `http://<bound address>` if absent.
    pub advertise: Option<String>,
    /// Throws the index away before starting.
    pub reset: bool,
    /// Engine of the index.
    pub engine: Engine,
    /// Page cache of the index, in bytes.
    pub cache_bytes: usize,
}

impl Default for ExplorerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            data_dir: PathBuf::from("explorer"),
            registry: Vec::new(),
            rpc: Vec::new(),
            network_id: None,
            chain_id: None,
            genesis: None,
            name: "Atoll explorer".to_owned(),
            advertise: None,
            reset: false,
            engine: Engine::Redb,
            cache_bytes: 64 << 20,
        }
    }
}
