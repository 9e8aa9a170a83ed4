//! Why a node does not start or stops by itself.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory cannot be used.
    #[error("cannot write to the data directory {path}; choose another with --data-dir, or change its permissions")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file.
    #[error(transparent)]
    Key(#[from] crate::key::KeyError),
    /// The storage.
    #[error("cannot open the chain's data")]
    Storage(#[from] atoll_storage::StorageError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] atoll_consensus::ConsensusError),
    /// The chain.
    #[error("cannot open the chain")]
    Chain(#[from] atoll_chain::ChainError),
    /// The journal of local transactions.
    #[error("cannot open the journal of local transactions")]
    Journal(#[from] atoll_txpool::JournalError),
    /// The miner.
    #[error("cannot start the miner")]
    Miner(#[from] atoll_miner::MinerError),
    /// The network.
    #[error("cannot start the network")]
    Network(#[from] atoll_network::NetworkError),
    /// An address of a peer.
    #[error("`{given}` is not a peer's address; write it as /ip4/1.2.3.4/tcp/30303 or /dns4/host/tcp/30303")]
    PeerAddress {
        /// What was given.
        given: String,
    },
    /// A peer ID.
    #[error("`{given}` is not a peer ID; see `admin_nodeInfo` of that peer")]
    PeerId {
        /// What was given.
        given: String,
    },
    /// The pre-shared key.
    #[error("the pre-shared network key in {path} cannot be used; make one with `openssl rand -hex 32`")]
    PreSharedKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// JSON-RPC.
    #[error("cannot serve JSON-RPC")]
    Rpc(#[from] atoll_rpc::ServeError),
    /// The registry's URL.
    #[error("cannot use the discovery registry")]
    Registry(#[from] atoll_discovery::ClientError),
    /// The node's own record.
    #[error("this node's record for the registry is not acceptable")]
    Record(#[from] atoll_discovery::RecordError),
    /// The stats server's address.
    #[error("--ethstats")]
    Ethstats(#[from] crate::ethstats::TargetError),
    /// The metrics' address.
    #[error("cannot serve metrics at {address}; choose another with --metrics.listen")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread of the node died: a defect of ours. The chain's data is safe.
    #[error("a part of the node stopped unexpectedly ({0}); please report this with the log")]
    Part(&'static str),
}
