//! Parity's traces, recorded by revm-inspectors: `trace`, `vmTrace` and `stateDiff`.
//!
//! Unlike geth's, the first frame has the gas of execution alone, and calls of precompiles are left out.

use super::{
    TraceError, TraceLimits,
    replay::{Replay, environment},
    watch::{Budget, Growing, Watched},
};
use crate::{CallEnv, CallError, CallLimits, call::Session};
use alloy_rpc_types_eth::{TransactionInfo, TransactionRequest};
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, TraceResults, TraceType};
use atoll_primitives::{Address, B256, ChainSpec, Log, RecoveredBlock, Transaction, U256, primitives::map::HashSet};
use revm::{
    DatabaseCommit, DatabaseRef, Inspector,
    context_interface::ContextTr,
    inspector::JournalExt,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter},
};
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};

/// Which kinds of trace are wanted.
pub type TraceTypes = HashSet<TraceType>;

/// What a frame and an instruction of a `vmTrace` cost in the answer besides their data.
const FRAME_BYTES: usize = 400;
const STEP_BYTES: usize = 120;

/// revm-inspectors' recorder with its size.
struct Recorder {
    inspector: TracingInspector,
    steps: bool,
    size: usize,
}

impl Recorder {
    fn new(types: &TraceTypes) -> Self {
        let config = TracingInspectorConfig::from_parity_config(types);
        Self { inspector: TracingInspector::new(config), steps: config.record_steps, size: 0 }
    }
}

impl Growing for Recorder {
    fn size(&self) -> usize {
        self.size + self.inspector.recorded_bytes()
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for Recorder {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.inspector.initialize_interp(interpreter, context);
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        if self.steps {
            self.size += STEP_BYTES;
        }
        self.inspector.step(interpreter, context);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        self.inspector.step_end(interpreter, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.inspector.log(context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.size += FRAME_BYTES + 2 * inputs.input.len();
        self.inspector.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.size += 2 * outcome.result.output.len();
        self.inspector.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.size += FRAME_BYTES + 2 * inputs.init_code().len();
        self.inspector.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.size += 2 * outcome.result.output.len();
        self.inspector.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        Inspector::<CTX>::selfdestruct(&mut self.inspector, contract, target, value);
    }
}

/// The flat traces of a block's transactions, all or the one at `only`; `db` is the state of the block's parent.
///
/// # Errors
/// See [`TraceError`].
pub fn parity_traces(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    only: Option<usize>,
    limits: TraceLimits,
) -> Result<Vec<LocalizedTransactionTrace>, TraceError> {
    let types = TraceTypes::from_iter([TraceType::Trace]);
    let mut traces = Vec::new();
    each(spec, db, block, only, limits, |replay, index, tx, sender| {
        let mut recorder = Recorder::new(&types);
        let traced = replay.run(environment(tx, sender), &mut recorder)?;
        replay.budget.charge(recorder.size())?;
        let info = TransactionInfo {
            hash: Some(*tx.tx_hash()),
            index: Some(index as u64),
            block_hash: Some(block.hash),
            block_number: Some(block.number()),
            ..TransactionInfo::default()
        };
        traces.extend(recorder.inspector.into_parity_builder().into_localized_transaction_traces_iter(info));
        replay.keep(traced);
        Ok(())
    })?;
    Ok(traces)
}

/// The wanted traces of a block's transactions, all or the one at `only`, with their hashes; `db` is the state of the
/// block's parent.
///
/// # Errors
/// See [`TraceError`].
pub fn parity_replay(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    block: &RecoveredBlock,
    only: Option<usize>,
    types: &TraceTypes,
    limits: TraceLimits,
) -> Result<Vec<(B256, TraceResults)>, TraceError> {
    let mut results = Vec::new();
    each(spec, db, block, only, limits, |replay, _, tx, sender| {
        let mut recorder = Recorder::new(types);
        let traced = replay.run(environment(tx, sender), &mut recorder)?;
        replay.budget.charge(recorder.size())?;
        let builder = recorder.inspector.into_parity_builder();
        let result = builder.into_trace_results_with_state(&traced.outcome, types, &replay.state);
        results.push((*tx.tx_hash(), result.map_err(TraceError::database)?));
        replay.keep(traced);
        Ok(())
    })?;
    Ok(results)
}

fn each<DB: DatabaseRef + 'static>(
    spec: &ChainSpec,
    db: DB,
    block: &RecoveredBlock,
    only: Option<usize>,
    limits: TraceLimits,
    mut visit: impl FnMut(&mut Replay<DB>, usize, &Transaction, Address) -> Result<(), TraceError>,
) -> Result<(), TraceError> {
    let count = block.senders.len();
    let range = match only {
        Some(index) if index >= count => return Err(TraceError::NoSuchTransaction { index, count }),
        Some(index) => index..index + 1,
        None => 0..count,
    };
    let mut replay = Replay::until(spec, db, block, range.start, limits)?;
    for (index, (tx, sender)) in block.transactions().enumerate().take(range.end).skip(range.start) {
        visit(&mut replay, index, tx, sender)?;
    }
    Ok(())
}

/// The wanted traces of calls, each of which sees what the ones before did.
///
/// # Errors
/// See [`TraceError`].
pub fn parity_calls(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    env: CallEnv<'_>,
    calls: &[(TransactionRequest, TraceTypes)],
    gas_cap: u64,
    limits: TraceLimits,
) -> Result<Vec<TraceResults>, TraceError> {
    let call_limits = CallLimits { gas_cap, deadline: limits.deadline, work: None };
    let mut session = Session::new(spec, db, env, call_limits)?;
    let mut budget = Budget::new(limits);
    let mut results = Vec::with_capacity(calls.len());
    for (request, types) in calls {
        let tx = session.transaction(request)?;
        let mut recorder = Recorder::new(types);
        let watched = Watched { tracer: &mut recorder, budget: &mut budget };
        let outcome = match session.inspect(tx, watched) {
            Ok(outcome) => outcome,
            Err(CallError::Timeout) => return Err(TraceError::Timeout),
            Err(error) => return Err(budget.verdict().err().unwrap_or_else(|| error.into())),
        };
        budget.charge(recorder.size())?;
        let builder = recorder.inspector.into_parity_builder();
        let result = builder.into_trace_results_with_state(&outcome, types, &session.state);
        results.push(result.map_err(TraceError::database)?);
        session.state.commit(outcome.state);
    }
    Ok(results)
}
