//! Why there is no trace.

use crate::{CallError, ExecutionError, TxError, builder::BuildError};

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The block has no such transaction.
    #[error("transaction index {index} out of range: the block has {count}")]
    NoSuchTransaction {
        /// Asked for.
        index: usize,
        /// In the block.
        count: usize,
    },
    /// The tracer's configuration is wrong, or a JavaScript tracer failed.
    #[error("{0}")]
    Tracer(String),
    /// No tracer has this name, and this node does not run JavaScript.
    #[error("tracer not found: {0} (JavaScript tracers are {1} on this node)")]
    UnknownTracer(String, &'static str),
    /// The deadline passed.
    #[error("execution timeout")]
    Timeout,
    /// The trace grew beyond the limit.
    #[error("trace is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The call could not be made.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The transaction could not be run again: the state is not its block's.
    #[error("transaction could not be run again: {0}")]
    Replay(TxError),
    /// The state could not be read.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

impl From<BuildError> for TraceError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Transaction(error) => Self::Replay(error),
            BuildError::Execution(error) => Self::Execution(error),
        }
    }
}

impl TraceError {
    pub(crate) fn database<E: std::error::Error + Send + Sync + 'static>(error: E) -> Self {
        ExecutionError::Database(Box::new(error)).into()
    }
}
