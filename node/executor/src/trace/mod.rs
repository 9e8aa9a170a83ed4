//! Running transactions again under geth's tracers (struct logger, callTracer, flatCallTracer, prestateTracer,
//! 4byteTracer, noopTracer, muxTracer, JavaScript) and Parity's.
//!
//! A block is run once, whatever is traced in it. It must not know JSON-RPC: answers are JSON texts.

mod call_json;
mod error;
mod flat_json;
mod frames;
mod js;
mod options;
mod parity;
mod prestate;
mod refunds;
mod replay;
mod struct_log;
mod tracer;
mod watch;
mod words;

pub use error::TraceError;
pub use frames::{Frame, FrameLog};
pub use options::TraceOptions;
pub use parity::{TraceTypes, parity_calls, parity_replay, parity_traces};
pub use watch::TraceLimits;

use crate::{CallEnv, CallError, CallLimits, call::Session};
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{B256, ChainSpec, RecoveredBlock};
use flat_json::Place;
use replay::{Replay, environment};
use revm::{DatabaseRef, context_interface::Block};
use serde_json::value::RawValue;
use tracer::{Tracer, TracerKind};
use watch::{Budget, Watched};

/// The trace of one transaction of a block.
#[derive(Debug)]
pub struct TxTrace {
    /// Hash of the transaction.
    pub hash: B256,
    /// What the tracer says.
    pub trace: Box<RawValue>,
}

/// JSON that a tracer wrote.
fn json(text: Vec<u8>) -> Result<Box<RawValue>, TraceError> {
    let text = String::from_utf8(text).map_err(|error| TraceError::Tracer(error.to_string()))?;
    RawValue::from_string(text).map_err(|error| TraceError::Tracer(error.to_string()))
}

fn trace_next<DB: DatabaseRef + 'static>(
    replay: &mut Replay<DB>,
    block: &RecoveredBlock,
    index: usize,
    kind: &TracerKind,
) -> Result<TxTrace, TraceError> {
    let count = block.senders.len();
    let (tx, sender) = block.transactions().nth(index).ok_or(TraceError::NoSuchTransaction { index, count })?;
    let (place, env) = (replay.place(tx, index), environment(tx, sender));
    let mut tracer = kind.start(&env, replay.env.block_env.beneficiary(), &place, &replay.state)?;
    let traced = replay.run(env, &mut tracer)?;
    let kept = tracer.read_bytes();
    let text = tracer.finish(traced.tx.gas_limit, &traced.outcome, &place, &replay.state)?;
    replay.budget.charge(text.len().saturating_add(kept))?;
    replay.keep(traced);
    Ok(TxTrace { hash: *tx.tx_hash(), trace: json(text)? })
}

/// Traces one transaction of a block; `db` is the state of the block's parent.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_transaction(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    index: usize,
    options: &TraceOptions,
    limits: TraceLimits,
) -> Result<Box<RawValue>, TraceError> {
    let kind = TracerKind::new(options, &limits)?;
    let count = block.senders.len();
    if index >= count {
        return Err(TraceError::NoSuchTransaction { index, count });
    }
    let mut replay = Replay::until(spec, db, block, index, limits)?;
    Ok(trace_next(&mut replay, block, index, &kind)?.trace)
}

/// Traces every transaction of a block; `db` is the state of the block's parent.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_block(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    options: &TraceOptions,
    limits: TraceLimits,
) -> Result<Vec<TxTrace>, TraceError> {
    let kind = TracerKind::new(options, &limits)?;
    let mut replay = Replay::until(spec, db, block, 0, limits)?;
    (0..block.senders.len()).map(|index| trace_next(&mut replay, block, index, &kind)).collect()
}

/// The call frames of one transaction of a block, for who shows them in another form; `db` is the state of the
/// block's parent. The first frame has the gas of the whole transaction.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_frames(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    index: usize,
    limits: TraceLimits,
) -> Result<Vec<Frame>, TraceError> {
    let count = block.senders.len();
    let (tx, sender) = block.transactions().nth(index).ok_or(TraceError::NoSuchTransaction { index, count })?;
    let mut replay = Replay::until(spec, db, block, index, limits)?;
    frames_of_next(&mut replay, tx, sender)
}

/// [`trace_frames`] of every transaction of a block.
///
/// # Errors
/// See [`TraceError`].
pub fn trace_block_frames(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    limits: TraceLimits,
) -> Result<Vec<Vec<Frame>>, TraceError> {
    let mut replay = Replay::until(spec, db, block, 0, limits)?;
    block.transactions().map(|(tx, sender)| frames_of_next(&mut replay, tx, sender)).collect()
}

fn frames_of_next<DB: DatabaseRef + 'static>(
    replay: &mut Replay<DB>,
    tx: &atoll_primitives::Transaction,
    sender: atoll_primitives::Address,
) -> Result<Vec<Frame>, TraceError> {
    use watch::Growing as _;
    let mut tracer = Tracer::frames();
    let traced = replay.run(environment(tx, sender), &mut tracer)?;
    replay.budget.charge(tracer.size())?;
    let frames = tracer.into_frames(traced.tx.gas_limit, traced.outcome.result.tx_gas_used());
    replay.keep(traced);
    Ok(frames)
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
    options: &TraceOptions,
    gas_cap: u64,
    limits: TraceLimits,
) -> Result<Box<RawValue>, TraceError> {
    let kind = TracerKind::new(options, &limits)?;
    let call_limits = CallLimits { gas_cap, deadline: limits.deadline, work: None };
    let mut session = Session::new(spec, db, env, call_limits)?;
    let tx = session.transaction(request)?;
    let block_number = session.env.block_env.number.saturating_to();
    let place = Place { block_number, ..Place::default() };
    let mut tracer = kind.start(&tx, session.env.block_env.beneficiary(), &place, &session.state)?;
    let mut budget = Budget::new(limits);
    let watched = Watched { tracer: &mut tracer, budget: &mut budget };
    let gas_limit = tx.gas_limit;
    let outcome = match session.inspect(tx, watched) {
        Ok(outcome) => outcome,
        Err(CallError::Timeout) => return Err(TraceError::Timeout),
        Err(error) => return Err(budget.verdict().err().unwrap_or_else(|| error.into())),
    };
    let text = tracer.finish(gas_limit, &outcome, &place, &session.state)?;
    budget.charge(text.len())?;
    json(text)
}

/// The state after the first `index` transactions of a block, for a call in the middle of it.
///
/// # Errors
/// See [`TraceError`].
pub fn state_within<DB: DatabaseRef + 'static>(
    spec: &ChainSpec,
    db: DB,
    block: &RecoveredBlock,
    index: usize,
    limits: TraceLimits,
) -> Result<crate::Overlay<DB>, TraceError> {
    let count = block.senders.len();
    if index > count {
        return Err(TraceError::NoSuchTransaction { index, count });
    }
    Ok(Replay::until(spec, db, block, index, limits)?.state)
}

/// The state root after each transaction of a block; `root` computes it from what changed in the parent's state.
///
/// # Errors
/// See [`TraceError`].
pub fn intermediate_roots(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    root: crate::RootFn<'_>,
    limits: TraceLimits,
) -> Result<Vec<B256>, TraceError> {
    let mut replay = Replay::until(spec, db, block, 0, limits)?;
    let mut roots = Vec::with_capacity(block.senders.len());
    for (tx, sender) in block.transactions() {
        let traced = replay.run(environment(tx, sender), &mut Tracer::Noop)?;
        replay.keep(traced);
        let computed = root(replay.state.changes());
        roots.push(computed.map_err(|error| TraceError::Execution(crate::ExecutionError::IntermediateRoot(error)))?);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests;
