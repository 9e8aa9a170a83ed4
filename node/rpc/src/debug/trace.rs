//! geth's traces: find the block and the state it starts from, let the executor trace, put the answers in order.

use super::options::{CallTraceOptions, trace_error};
use crate::{
    RpcError,
    context::{Json, Node, json},
    eth::call_env,
};
use alloy_rlp::Decodable as _;
use alloy_rpc_types_eth::{BlockId, TransactionRequest};
use atoll_executor::{
    StateDb, TraceOptions, TxTrace, intermediate_roots, state_within, trace_block, trace_call, trace_transaction,
};
use atoll_primitives::{B256, Block, RecoveredBlock, StateChanges};
use atoll_storage::StateView;
use serde::Serialize;
use serde_json::value::RawValue;

/// One entry of a block's trace.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TraceEntry<'a> {
    tx_hash: B256,
    result: &'a RawValue,
}

pub(super) fn entries(traces: &[TxTrace]) -> Vec<TraceEntry<'_>> {
    traces.iter().map(|tx| TraceEntry { tx_hash: tx.hash, result: &tx.trace }).collect()
}

impl Node {
    /// The state a block starts from.
    pub(crate) fn parent_view(&self, block: &RecoveredBlock) -> Result<StateView, RpcError> {
        if block.number() == 0 {
            return Err(RpcError::GenesisNotTraceable);
        }
        Ok(self.state(Some(block.header().parent_hash.into()))?.view)
    }

    /// The state a block starts from, as the executor reads it.
    pub(crate) fn parent_state(&self, block: &RecoveredBlock) -> Result<StateDb, RpcError> {
        Ok(self.view_db(self.parent_view(block)?))
    }

    pub(super) fn trace_transaction(&self, hash: &B256, options: &TraceOptions) -> Result<Json, RpcError> {
        let (view, index) = self.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
        let limits = self.trace_limits(options)?;
        let db = self.parent_state(&view.block)?;
        let trace = trace_transaction(&self.spec, db, &view.block, index, options, limits);
        trace.map_err(|error| trace_error(self, error))
    }

    pub(super) fn trace_block(&self, id: BlockId, options: &TraceOptions) -> Result<Json, RpcError> {
        let view = self.existing_block(id)?;
        json(&entries(&self.traces_of(&view.block, options)?))
    }

    /// Traces of all transactions of a block.
    pub(super) fn traces_of(&self, block: &RecoveredBlock, options: &TraceOptions) -> Result<Vec<TxTrace>, RpcError> {
        let limits = self.trace_limits(options)?;
        let db = self.parent_state(block)?;
        trace_block(&self.spec, db, block, options, limits).map_err(|error| trace_error(self, error))
    }

    /// A block from outside; it need not be valid, but its parent must be known.
    pub(super) fn trace_raw_block(&self, rlp: &[u8], options: &TraceOptions) -> Result<Json, RpcError> {
        let invalid = |reason: String| RpcError::InvalidArgument { index: 0, reason };
        let mut rest = rlp;
        let block = Block::decode(&mut rest).map_err(|error| invalid(format!("could not decode block: {error}")))?;
        if !rest.is_empty() {
            return Err(invalid(format!("could not decode block: {} bytes after it", rest.len())));
        }
        let block = RecoveredBlock::recover(block).map_err(|error| invalid(error.to_string()))?;
        json(&entries(&self.traces_of(&block, options)?))
    }

    pub(super) fn trace_call(
        &self,
        request: &TransactionRequest,
        id: Option<BlockId>,
        options: CallTraceOptions,
    ) -> Result<Json, RpcError> {
        let CallTraceOptions { trace, state_overrides, block_overrides, tx_index } = options;
        let limits = self.trace_limits(&trace)?;
        let gas_cap = self.config.gas_cap;
        let answer = match tx_index {
            None => {
                let state = self.state(id)?;
                let env = call_env(&state, state_overrides, block_overrides)?;
                trace_call(&self.spec, self.state_db(&state), env, request, &trace, gas_cap, limits)
            }
            Some(index) => {
                let view = self.existing_block(id.unwrap_or_default())?;
                let db = self.parent_state(&view.block)?;
                let within = state_within(&self.spec, db, &view.block, index.into(), limits);
                let db = within.map_err(|error| trace_error(self, error))?;
                let env = atoll_executor::CallEnv { header: view.block.header(), state_overrides, block_overrides };
                trace_call(&self.spec, db, env, request, &trace, gas_cap, limits)
            }
        };
        answer.map_err(|error| trace_error(self, error))
    }

    pub(super) fn intermediate_roots(&self, hash: &B256, options: &TraceOptions) -> Result<Vec<B256>, RpcError> {
        let view = self.existing_block((*hash).into())?;
        let limits = self.trace_limits(options)?;
        let parent = self.parent_view(&view.block)?;
        let root =
            |changes: &StateChanges| -> Result<B256, atoll_executor::BoxError> { Ok(parent.state_root(changes)?.0) };
        let roots = intermediate_roots(&self.spec, self.view_db(parent.clone()), &view.block, &root, limits);
        roots.map_err(|error| trace_error(self, error))
    }
}
