//! Why a miner does not start, or a block cannot be built.

use atoll_chain::ImportError;
use atoll_consensus::ConsensusError;
use atoll_executor::ExecutionError;
use atoll_primitives::B256;
use atoll_storage::StorageError;
use std::time::Duration;

/// Why a miner does not start, or a block cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// The share of CPU time is not in (0, 1].
    #[error("the CPU share is {found}; use more than 0 and at most 1")]
    CpuShare {
        /// The value given.
        found: f64,
    },
    /// Extra data does not fit a header.
    #[error("extra data has {found} bytes, at most {max} are allowed")]
    ExtraData {
        /// Bytes given.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The engine produces no blocks, or none on this parent.
    #[error("the consensus engine cannot produce a block")]
    Engine(#[from] ConsensusError),
    /// The parent's state is not at hand: the head moved on meanwhile.
    #[error("the state of block {parent} is not available")]
    NoState {
        /// The parent's hash.
        parent: B256,
    },
    /// Storage failed.
    #[error("storage could not be read")]
    Storage(#[from] StorageError),
    /// The block could not be executed.
    #[error("the block could not be executed")]
    Execution(#[from] ExecutionError),
    /// There is nothing for an external miner to do: this one is off, just builds a block, or waits for the
    /// clock to reach its timestamp.
    #[error("no mining work available yet")]
    NoWork,
    /// A block on request took too long.
    #[error("no block was mined in {}s", waited.as_secs_f32())]
    NotInTime {
        /// How long it was tried.
        waited: Duration,
    },
    /// A block on request was refused.
    #[error("block {number} was refused")]
    Refused {
        /// Its number.
        number: u64,
        /// Why.
        #[source]
        source: Box<ImportError>,
    },
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
}
