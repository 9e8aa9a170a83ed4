//! `eth_simulateV1`: prepares the base, lets the executor simulate, renders blocks as `eth_getBlockByNumber` does.

use super::calls::halted;
use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    render::BlockJson,
    revert,
};
use alloy_rpc_types_eth::{
    BlockId, Log,
    simulate::{SimCallResult, SimulateError as CallFailure},
};
use atoll_executor::{CallResult, SimulateBlock, SimulateEnv, SimulatedBlock, SimulatedCall, simulate};
use atoll_primitives::{Bytes, Header, StateChanges, Typed2718 as _};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Code of a call that reverted, and of one that failed otherwise (execution-apis).
const REVERTED: i32 = 3;
const HALTED: i32 = -32015;

/// What to simulate.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimulatePayload {
    block_state_calls: Vec<SimulateBlock>,
    #[serde(default)]
    trace_transfers: bool,
    #[serde(default)]
    validation: bool,
    #[serde(default)]
    return_full_transactions: bool,
}

impl Node {
    pub(super) fn simulate(&self, payload: SimulatePayload, block: Option<BlockId>) -> Result<Json, RpcError> {
        let state = self.state(block)?;
        let root = |changes: &StateChanges| Ok(state.view.state_root(changes)?.0);
        let rewards = |header: &Header| self.chain.engine().rewards(header, &[]);
        let pending = state.changes.as_deref();
        let base_hash = if pending.is_some() { state.header.hash_slow() } else { state.view.block_hash() };
        let env = SimulateEnv {
            base: &state.header,
            base_hash,
            root: &root,
            rewards: &rewards,
            validation: payload.validation,
            trace_transfers: payload.trace_transfers,
            max_blocks: self.config.simulate_blocks,
            limits: self.call_limits(),
        };
        let blocks = simulate(&self.spec, self.state_db(&state), pending, env, payload.block_state_calls);
        let blocks = blocks.map_err(|error| RpcError::Simulate(Box::new(error)))?;
        let full = payload.return_full_transactions;
        json(&blocks.into_iter().map(|block| block_json(block, full)).collect::<Result<Vec<_>, _>>()?)
    }
}

fn block_json(simulated: SimulatedBlock, full: bool) -> Result<Value, RpcError> {
    let SimulatedBlock { block, calls } = simulated;
    let view = BlockView { block: Arc::new(block), receipts: Arc::default(), pending: false };
    let unrendered = |_| RpcError::Internal("an answer could not be rendered");
    let mut rendered = serde_json::to_value(BlockJson::new(&view, full)).map_err(unrendered)?;
    if full && let Some(transactions) = rendered.get_mut("transactions").and_then(Value::as_array_mut) {
        let held = &view.block.block.body.transactions;
        transactions.iter_mut().zip(held).filter(|(_, tx)| tx.is_legacy()).for_each(|(tx, _)| unsigned_legacy(tx));
    }
    let calls: Vec<_> = calls.into_iter().enumerate().map(|(index, call)| call_json(&view, index, call)).collect();
    if let Some(object) = rendered.as_object_mut() {
        object.insert("calls".to_owned(), serde_json::to_value(calls).map_err(unrendered)?);
    }
    Ok(rendered)
}

/// A legacy transaction without a signature has a `v` of zero, which no signed one can have.
fn unsigned_legacy(transaction: &mut Value) {
    if let Some(object) = transaction.as_object_mut() {
        object.insert("v".to_owned(), Value::from("0x0"));
        object.remove("yParity");
    }
}

fn call_json(view: &BlockView, index: usize, call: SimulatedCall) -> SimCallResult {
    let SimulatedCall { outcome, logs, first_log } = call;
    let (header, hash) = (view.block.header(), view.block.hash);
    let transaction = view.block.block.body.transactions.get(index);
    let place = |(offset, inner): (usize, atoll_primitives::Log)| Log {
        inner,
        block_hash: Some(hash),
        block_number: Some(header.number),
        block_timestamp: Some(header.timestamp),
        transaction_hash: transaction.map(|tx| *tx.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(first_log + offset as u64),
        removed: false,
    };
    let (status, return_data, error) = match outcome.result {
        CallResult::Success { output, .. } => (true, output, None),
        CallResult::Revert { output } => {
            let reason = revert::reason(&output).map(|reason| format!(": {reason}")).unwrap_or_default();
            let message = format!("execution reverted{reason}");
            (false, Bytes::new(), Some(CallFailure { code: REVERTED, message, data: Some(output) }))
        }
        CallResult::Halt(reason) => {
            let failure = CallFailure { code: HALTED, message: halted(&reason), data: None };
            (false, Bytes::new(), Some(failure))
        }
    };
    SimCallResult {
        return_data,
        logs: logs.into_iter().enumerate().map(place).collect(),
        gas_used: outcome.gas_used,
        max_used_gas: Some(outcome.max_gas_used),
        status,
        error,
    }
}
