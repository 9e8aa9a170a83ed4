//! `network.json`: the facts of a running network, for scripts and for `atoll status`.

use serde::{Deserialize, Serialize};
use std::{io, path::Path};

/// The file's name in the data directory.
pub const NAME: &str = "network.json";

/// What the file says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkFile {
    /// EIP-155 chain ID.
    pub chain_id: u64,
    /// Network ID.
    pub network_id: u64,
    /// Hash of the genesis block.
    pub genesis_hash: alloy_primitives::B256,
    /// JSON-RPC URL over HTTP.
    pub rpc: String,
    /// JSON-RPC URL over WebSocket.
    pub ws: String,
    /// Explorer URL; null when it does not run.
    pub explorer: Option<String>,
    /// Stats URL; null when it does not run.
    pub stats: Option<String>,
    /// Registry URL.
    pub registry: String,
    /// The processes.
    pub processes: Vec<ProcessEntry>,
}

/// One process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessEntry {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: String,
    /// Its process ID; null between an end and the restart.
    pub pid: Option<u32>,
    /// Its log file.
    pub log: std::path::PathBuf,
    /// Its own JSON-RPC URL, for nodes.
    pub rpc: Option<String>,
}

impl NetworkFile {
    /// Reads the file of a data directory.
    ///
    /// # Errors
    /// When there is none or it is not ours.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let text = std::fs::read(dir.join(NAME))?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }

    /// Replaces the file in one step: a reader sees the old or the new one.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let temporary = dir.join("network.json.new");
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        std::fs::write(&temporary, text)?;
        std::fs::rename(temporary, dir.join(NAME))
    }
}
