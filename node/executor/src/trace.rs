//! Re-running transactions under geth's tracers: struct logger, callTracer, flatCallTracer, prestateTracer,
//! 4byteTracer, noopTracer, muxTracer.

use crate::{
    BoxError, CallEnv, CallError, CallLimits, ExecutionError, Overlay, TxError,
    block::{self, BlockRun},
    builder::BuildError,
    call::{Deadline, Session},
    env::evm_env,
    evm,
};
use alloy_evm::{EvmEnv, FromRecoveredTx};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};
use atoll_primitives::{Address, B256, ChainSpec, RecoveredBlock, Transaction};
use revm::{DatabaseCommit, DatabaseRef, context::TxEnv, context_interface::result::ResultAndState};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use serde_json::{Value, json};
use std::time::Instant;

/// The trace of one transaction of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct TxTrace {
    /// Hash of the transaction.
    pub hash: B256,
    /// What the tracer says.
    pub trace: GethTrace,
}

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
    /// The tracer does not exist here, or its configuration is wrong.
    #[error("{0}")]
    Tracer(String),
    /// The deadline passed.
    #[error("execution aborted (timeout)")]
    Timeout,
    /// The call could not be made.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The transaction could not be run again: the state is not its block's.
    #[error("transaction could not be run again")]
    Replay(#[source] TxError),
    /// The state could not be read.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

impl TraceError {
    fn tracer<E: std::error::Error + Send + Sync + 'static>(error: DebugInspectorError<E>) -> Self {
        match error {
            DebugInspectorError::Database(error) => ExecutionError::Database(Box::new(error)).into(),
            other => Self::Tracer(other.to_string()),
        }
    }
}

fn inspector(options: &GethDebugTracingOptions) -> Result<DebugInspector, TraceError> {
    let mut options = options.clone();
    drop_empty_configs(&mut options.tracer_config.0);
    DebugInspector::new(options).map_err(TraceError::tracer)
}

/// geth takes `{}` for a tracer without settings inside muxTracer; the library wants null there.
fn drop_empty_configs(config: &mut Value) {
    for tracer in ["noopTracer", "4byteTracer"] {
        if let Some(settings) = config.get_mut(tracer).filter(|settings| *settings == &json!({})) {
            *settings = Value::Null;
        }
    }
}

/// Receipts are thrown away here, so nobody needs the roots that old ones carry.
fn no_root(_: &atoll_primitives::StateChanges) -> Result<B256, BoxError> {
    Ok(B256::ZERO)
}

/// A block on its way to the transactions that are traced.
struct Replay<DB: DatabaseRef> {
    state: Overlay<DB>,
    env: EvmEnv,
    inspector: DebugInspector,
    deadline: Deadline,
    hash: B256,
    number: u64,
}

impl<DB: DatabaseRef> Replay<DB> {
    /// Runs everything before the transaction at `index`.
    fn until(
        spec: &ChainSpec,
        db: DB,
        block: &RecoveredBlock,
        index: usize,
        options: &GethDebugTracingOptions,
        deadline: Option<Instant>,
    ) -> Result<Self, TraceError> {
        let inspector = inspector(options)?;
        let deadline = Deadline::new(deadline);
        let mut run = BlockRun::start(spec, db, block.header().clone(), Some(&no_root))?;
        for (tx, sender) in block.transactions().take(index) {
            if deadline.passed() {
                return Err(TraceError::Timeout);
            }
            run.transact(tx, sender).map_err(replay_error)?;
        }
        let env = evm_env(spec, block.header());
        Ok(Self { state: run.into_state(), env, inspector, deadline, hash: block.hash, number: block.number() })
    }

    /// Traces the next transaction and keeps its changes.
    fn trace(&mut self, tx: &Transaction, sender: Address, index: usize) -> Result<GethTrace, TraceError> {
        let env = TxEnv::from_recovered_tx(tx, sender);
        let mut watch = self.deadline.clone();
        let outcome = {
            let precompiles = evm::precompiles(&self.env);
            let watched = (&mut self.inspector, &mut watch);
            let mut evm = evm::build(&mut self.state, self.env.clone(), precompiles, watched, true);
            block::transact(&mut evm, self.number, env.clone())
        };
        let outcome =
            outcome.map_err(|error| if watch.passed() { TraceError::Timeout } else { replay_error(error) })?;
        let context =
            TransactionContext { block_hash: Some(self.hash), tx_index: Some(index), tx_hash: Some(*tx.tx_hash()) };
        let trace = result(&mut self.inspector, Some(context), &env, &self.env, &outcome, &mut self.state)?;
        self.state.commit(outcome.state);
        self.inspector.fuse().map_err(TraceError::tracer)?;
        Ok(trace)
    }
}

fn replay_error(error: BuildError) -> TraceError {
    match error {
        BuildError::Transaction(error) => TraceError::Replay(error),
        BuildError::Execution(error) => TraceError::Execution(error),
    }
}

fn result<DB: DatabaseRef>(
    inspector: &mut DebugInspector,
    context: Option<TransactionContext>,
    tx: &TxEnv,
    env: &EvmEnv,
    outcome: &ResultAndState,
    state: &mut Overlay<DB>,
) -> Result<GethTrace, TraceError> {
    inspector.get_result(context, tx, &env.block_env, outcome, state).map_err(TraceError::tracer)
}

/// Traces one transaction of a block; `db` is the state of the block's parent.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_transaction(
    spec: &ChainSpec,
    db: impl DatabaseRef,
    block: &RecoveredBlock,
    index: usize,
    options: &GethDebugTracingOptions,
    deadline: Option<Instant>,
) -> Result<GethTrace, TraceError> {
    let count = block.senders.len();
    let (tx, sender) = block.transactions().nth(index).ok_or(TraceError::NoSuchTransaction { index, count })?;
    Replay::until(spec, db, block, index, options, deadline)?.trace(tx, sender, index)
}

/// Traces every transaction of a block; `db` is the state of the block's parent.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_block(
    spec: &ChainSpec,
    db: impl DatabaseRef,
    block: &RecoveredBlock,
    options: &GethDebugTracingOptions,
    deadline: Option<Instant>,
) -> Result<Vec<TxTrace>, TraceError> {
    let mut replay = Replay::until(spec, db, block, 0, options, deadline)?;
    let trace = |(index, (tx, sender)): (usize, (&Transaction, Address))| {
        Ok(TxTrace { hash: *tx.tx_hash(), trace: replay.trace(tx, sender, index)? })
    };
    block.transactions().enumerate().map(trace).collect()
}

/// Traces a call as [`call`](crate::call) would run it.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_call(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    env: CallEnv<'_>,
    request: &TransactionRequest,
    options: &GethDebugTracingOptions,
    limits: CallLimits,
) -> Result<GethTrace, TraceError> {
    let mut inspector = inspector(options)?;
    let mut session = Session::new(spec, db, env, limits)?;
    let tx = session.transaction(request)?;
    let mut watch = session.deadline.clone();
    let outcome = session.inspect(tx.clone(), (&mut inspector, &mut watch))?;
    result(&mut inspector, None, &tx, &session.env, &outcome, &mut session.state)
}

#[cfg(test)]
mod tests;
