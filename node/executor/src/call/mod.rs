//! Calls that are not part of any block: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.

mod access_list;
mod deadline;
mod estimate;
pub(crate) mod overrides;
pub(crate) mod request;
mod session;
mod work;

pub use access_list::{AccessListOutcome, create_access_list};
pub use estimate::estimate_gas;
pub use overrides::OverrideError;

pub(crate) use deadline::Deadline;
pub(crate) use session::{Session, relax};

use crate::{ExecutionError, TxError, builder::BuildError};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use atoll_primitives::{Address, Bytes, ChainSpec, Header, Log};
use revm::{
    DatabaseRef,
    context_interface::result::{ExecutionResult, HaltReason, ResultGas},
};
use std::time::Instant;

/// Where a call runs: on top of the state after `header`'s block, in an environment like that block's.
#[derive(Debug, Clone)]
pub struct CallEnv<'a> {
    /// The block whose environment the call sees.
    pub header: &'a Header,
    /// Changes to the state before the call.
    pub state_overrides: Option<StateOverride>,
    /// Changes to the environment.
    pub block_overrides: Option<BlockOverrides>,
}

impl<'a> CallEnv<'a> {
    /// Without overrides.
    pub fn new(header: &'a Header) -> Self {
        Self { header, state_overrides: None, block_overrides: None }
    }
}

/// What a call may use.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallLimits {
    /// Most gas of one call; zero for no cap.
    pub gas_cap: u64,
    /// When to give up; `None` for never.
    pub deadline: Option<Instant>,
    /// Most work, about as gas measures it, with which the call is brief: with more it ends as if the deadline had passed.
    /// So it does at once before what may be much work by itself: precompiles but the simplest, creations, 64 KiB of
    /// memory; and by rules before Berlin, whose gas is no measure of what reading costs, or with a precompile that is moved.
    /// What the request itself holds (input, access list, authorizations) is not counted. `None` for no limit.
    pub work: Option<u64>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult {
    /// It returned.
    Success {
        /// Return data; the code for a creation.
        output: Bytes,
        /// Logs it emitted.
        logs: Vec<Log>,
        /// The contract it created.
        created: Option<Address>,
    },
    /// It reverted.
    Revert {
        /// Revert data, often an ABI-encoded `Error(string)`.
        output: Bytes,
    },
    /// It failed and used all its gas.
    Halt(HaltReason),
}

/// How a call ended and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub result: CallResult,
    /// Gas after refunds.
    pub gas_used: u64,
    /// Gas before refunds: the least limit with which it can succeed is at least this.
    pub max_gas_used: u64,
}

impl CallOutcome {
    pub(crate) fn new(result: ExecutionResult) -> Self {
        let gas: ResultGas = *result.gas();
        let created = result.created_address();
        let result = match result {
            ExecutionResult::Success { output, logs, .. } => {
                CallResult::Success { output: output.into_data(), logs, created }
            }
            ExecutionResult::Revert { output, .. } => CallResult::Revert { output },
            ExecutionResult::Halt { reason, .. } => CallResult::Halt(reason),
        };
        Self { result, gas_used: gas.tx_gas_used(), max_gas_used: gas.total_gas_spent().max(gas.floor_gas()) }
    }

    /// Whether it returned.
    pub fn is_success(&self) -> bool {
        matches!(self.result, CallResult::Success { .. })
    }
}

/// Why a call could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request contradicts itself or the chain.
    #[error("{0}")]
    Request(String),
    /// A transaction rule that holds for calls too. geth adds the gas that was supplied.
    #[error("err: {error} (supplied gas {gas})")]
    Transaction {
        /// The rule.
        error: TxError,
        /// Gas limit of the call.
        gas: u64,
    },
    /// State or block overrides contradict themselves.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The deadline passed.
    #[error("execution aborted (timeout)")]
    Timeout,
    /// Estimation: even the highest allowed gas is too little.
    #[error("gas required exceeds allowance ({allowance})")]
    GasAllowance {
        /// The highest allowed gas.
        allowance: u64,
    },
    /// Estimation: the sender has less than the value.
    #[error("insufficient funds for transfer")]
    InsufficientFundsForTransfer,
    /// Estimation: it reverts whatever the gas.
    #[error("execution reverted")]
    Reverted {
        /// Revert data.
        output: Bytes,
    },
    /// Estimation: it fails whatever the gas.
    #[error("{0}")]
    Halted(HaltReason),
    /// The environment cannot be executed in, or the state cannot be read.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

impl CallError {
    pub(crate) fn from_build(error: BuildError, gas: u64) -> Self {
        match error {
            BuildError::Transaction(error) => Self::Transaction { error, gas },
            BuildError::Execution(error) => Self::Execution(error),
        }
    }
}

/// Runs a call as `eth_call` does: no nonce, no fee unless asked for, gas up to the cap; nothing is kept.
///
/// # Errors
/// See [`CallError`]. A call that reverts or halts is an outcome, not an error.
pub fn call(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    env: CallEnv<'_>,
    request: &TransactionRequest,
    limits: CallLimits,
) -> Result<CallOutcome, CallError> {
    let mut session = Session::new(spec, db, env, limits)?;
    let tx = session.transaction(request)?;
    session.run(tx)
}

#[cfg(test)]
mod tests;
