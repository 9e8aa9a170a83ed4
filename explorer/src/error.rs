//! Why the explorer cannot start or go on. Says what happened, never how it is shown.

use alloy_primitives::B256;
use atoll_kv::KvError;
use std::{io, net::SocketAddr, path::PathBuf};

/// A failure that ends the explorer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplorerError {
    /// The address is taken or not ours.
    #[error("the explorer cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The HTTP server broke while serving.
    #[error("the explorer's HTTP server failed")]
    Serve(#[source] io::Error),
    /// A file of the data directory cannot be read or written.
    #[error("the explorer cannot use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The index cannot be opened, read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index belongs to another chain.
    #[error(
        "the index in {data_dir} is of the chain with genesis {indexed}, but {from} has genesis {found}: \
         use another data directory, or start with --reset to index the new chain"
    )]
    WrongChain {
        /// The data directory.
        data_dir: PathBuf,
        /// The genesis hash the index was made of.
        indexed: B256,
        /// The genesis hash found.
        found: B256,
        /// Who has it: the configuration or a node's URL.
        from: String,
    },
    /// Neither a node's URL nor a registry with a known network: nothing can ever be found.
    #[error("give a node's RPC URL, or a registry together with the network ID and the genesis hash")]
    NoSource,
    /// The HTTP client cannot be made.
    #[error("the explorer cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// A registry URL or the key for it is unusable.
    #[error("the explorer cannot use the registry")]
    Registry(#[source] atoll_discovery::ClientError),
    /// What the explorer would say about itself breaks a rule of the registry.
    #[error("the explorer's own registry record is not valid")]
    Record(#[from] atoll_discovery::RecordError),
    /// A thread of the explorer died.
    #[error("a task of the explorer was interrupted")]
    Interrupted,
}

/// A failure of the index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The store failed.
    #[error("the explorer's index failed")]
    Store(#[from] KvError),
    /// A row is not what this version writes.
    #[error("a row of table {table} in the explorer's index cannot be read: start with --reset to build it anew")]
    Row {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The rows were written by another version of the explorer.
    #[error("the index has format {found} but this version reads {expected}: start with --reset to build it anew")]
    Format {
        /// The format on disk.
        found: u32,
        /// The format this version writes.
        expected: u32,
    },
    /// A block was offered that does not follow the index's head.
    #[error("block {number} does not follow the indexed head")]
    NotNext {
        /// The block offered.
        number: u64,
    },
}
