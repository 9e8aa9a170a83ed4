//! Why a block is not imported, and whose fault that is. It must not know peers' scores or exit codes.

use atoll_consensus::ConsensusError;
use atoll_executor::{ExecutionError, OutputMismatch, TraceError};
use atoll_primitives::{B256, RecoveryError};
use atoll_storage::StorageError;

/// Why a block is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Its parent must be imported first.
    #[error("block {number} ({hash}): its parent {parent} is not known")]
    UnknownParent {
        /// The block's number.
        number: u64,
        /// The block's hash.
        hash: B256,
        /// Its parent's hash.
        parent: B256,
    },
    /// Its timestamp is ahead of this node's clock: it may be tried again later.
    #[error("block {hash} is from the future: its timestamp is {timestamp}, now is {now}")]
    Future {
        /// The block's hash.
        hash: B256,
        /// Its timestamp, in seconds.
        timestamp: u64,
        /// This node's clock, in seconds.
        now: u64,
    },
    /// It breaks a rule: the fault of whoever made or sent it.
    #[error("block {number} ({hash}) is invalid")]
    Invalid {
        /// The block's number.
        number: u64,
        /// The block's hash.
        hash: B256,
        /// The rule.
        #[source]
        reason: Box<InvalidBlock>,
    },
    /// This node cannot judge it.
    #[error("block {number} ({hash}) could not be imported")]
    Internal {
        /// The block's number.
        number: u64,
        /// The block's hash.
        hash: B256,
        /// What failed.
        #[source]
        source: Box<InternalError>,
    },
    /// The chain was shut down.
    #[error("the chain is shut down")]
    Stopped,
}

impl ImportError {
    /// Whether the sender of the block is to blame.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid { .. })
    }
}

/// The rule an invalid block breaks.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBlock {
    /// It was found invalid before.
    #[error("it was found invalid before")]
    Known,
    /// It builds on an invalid block.
    #[error("its parent {parent} is invalid")]
    Parent {
        /// The invalid block.
        parent: B256,
    },
    /// A rule of the header, seal or body.
    #[error(transparent)]
    Consensus(ConsensusError),
    /// A transaction's signature.
    #[error(transparent)]
    Signature(RecoveryError),
    /// A transaction or system call that may not stand in it.
    #[error("its execution fails")]
    Execution(#[source] ExecutionError),
    /// A header field that execution determines.
    #[error(transparent)]
    Output(OutputMismatch),
    /// The state root.
    #[error("invalid merkle root (remote: {header} local: {execution})")]
    StateRoot {
        /// In the header.
        header: B256,
        /// After execution.
        execution: B256,
    },
}

/// What fails in this node.
#[derive(Debug, thiserror::Error)]
pub enum InternalError {
    /// The disk or the data on it.
    #[error("storage failed")]
    Storage(#[from] StorageError),
    /// A rule that cannot be judged.
    #[error("the consensus engine cannot judge it")]
    Consensus(#[source] Box<ConsensusError>),
    /// The state could not be read.
    #[error("execution failed")]
    Execution(#[source] Box<ExecutionError>),
    /// A block of the chain cannot be executed once more.
    #[error("block {hash} cannot be executed once more")]
    Replay {
        /// Its hash.
        hash: B256,
        /// Why.
        #[source]
        source: Box<TraceError>,
    },
    /// A block that must be there is not.
    #[error("block {hash} is missing")]
    Missing {
        /// Its hash.
        hash: B256,
    },
    /// The state the block builds on is gone, though it was there a moment ago.
    #[error("the state of block {parent} is not at hand")]
    NoState {
        /// The parent.
        parent: B256,
    },
    /// The background flush fails, and memory for more unflushed blocks is used up.
    #[error("blocks cannot be flushed to disk")]
    FlushFails,
    /// The file of blocks cannot be read or written.
    #[error("the file failed")]
    Io(#[from] std::io::Error),
}

/// Why a chain does not open or close.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The storage failed.
    #[error("storage failed")]
    Storage(#[from] StorageError),
    /// A block that was canonical before the restart does not execute any more: the genesis file or the program
    /// changed, or the data directory is damaged.
    #[error("block {number} ({hash}) of this data directory cannot be executed again")]
    Restore {
        /// The block's number.
        number: u64,
        /// The block's hash.
        hash: B256,
        /// Why.
        #[source]
        source: Box<ImportError>,
    },
    /// A block cannot be executed once more for the index of addresses.
    #[error("the index of addresses cannot be made again")]
    Addresses(#[source] InternalError),
    /// The flush thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}
