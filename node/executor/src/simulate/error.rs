//! Why a simulation has no answer.

use crate::{BoxError, CallError, ExecutionError, OverrideError, TxError, builder::BuildError};

/// Why a simulation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// Nothing to simulate.
    #[error("empty input")]
    Empty,
    /// More blocks than allowed, with those between given numbers.
    #[error("too many blocks: {blocks}, the limit is {limit}")]
    TooManyBlocks {
        /// Asked for.
        blocks: u64,
        /// Allowed.
        limit: u64,
    },
    /// A block does not come after the one before it.
    #[error("block numbers must be in order: {number} <= {previous}")]
    NumberOrder {
        /// Its number.
        number: u64,
        /// The number before.
        previous: u64,
    },
    /// A block is not later than the one before it.
    #[error("block timestamps must be in order: {time} <= {previous}")]
    TimeOrder {
        /// Its time.
        time: u64,
        /// The time before.
        previous: u64,
    },
    /// More withdrawals than a block may have (EIP-4895).
    #[error("too many withdrawals: {count}, the limit is {limit}")]
    TooManyWithdrawals {
        /// Asked for.
        count: usize,
        /// Allowed.
        limit: usize,
    },
    /// A call's gas does not fit into its block.
    #[error("block gas limit reached: {used} + {wanted} > {limit}")]
    BlockGasLimit {
        /// Gas of the calls before.
        used: u64,
        /// Gas of the call.
        wanted: u64,
        /// Gas limit of the block.
        limit: u64,
    },
    /// All calls together have used what one simulation may.
    #[error("the gas that one simulation may use is used up")]
    GasBudget,
    /// A call contradicts itself or the chain.
    #[error("{0}")]
    Request(String),
    /// A call that may not stand where it does. geth adds the gas that was supplied.
    #[error("err: {error} (supplied gas {gas})")]
    Transaction {
        /// The rule.
        error: TxError,
        /// Gas limit of the call.
        gas: u64,
    },
    /// Overrides contradict themselves.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The deadline passed.
    #[error("execution aborted (timeout)")]
    Timeout,
    /// The tries of the base block are gone, so that no state root can be worked out.
    #[error("state root could not be computed")]
    Root(#[source] BoxError),
    /// A block could not be executed, or the state cannot be read.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

impl SimulateError {
    /// The error of a transaction with this gas limit.
    pub(super) fn transaction(error: BuildError, gas: u64) -> Self {
        match error {
            BuildError::Transaction(error) => Self::Transaction { error, gas },
            BuildError::Execution(error) => Self::Execution(error),
        }
    }
}

impl From<CallError> for SimulateError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Override(error) => Self::Override(error),
            CallError::Execution(error) => Self::Execution(error),
            CallError::Timeout => Self::Timeout,
            error => Self::Request(error.to_string()),
        }
    }
}
