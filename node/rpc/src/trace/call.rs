//! Traces of calls that stand in no block.

use crate::{
    RpcError,
    context::{Json, Node, json},
    debug::trace_error,
    eth::call_env,
};
use alloy_rpc_types_eth::{BlockId, BlockOverrides, TransactionRequest, state::StateOverride};
use alloy_rpc_types_trace::parity::TraceResults;
use atoll_executor::{TraceTypes, parity_calls};
use atoll_primitives::{SignerRecoverable as _, Transaction, eip2718::Decodable2718 as _};

/// Calls of one `trace_callMany`.
const MAX_CALLS: usize = 1000;

type Overrides = (Option<StateOverride>, Option<BlockOverrides>);

impl Node {
    /// Runs calls one after the other, each on what the ones before left, and renders their traces.
    fn parity_run(
        &self,
        calls: &[(TransactionRequest, TraceTypes)],
        block: Option<BlockId>,
        overrides: Overrides,
        render: impl FnOnce(Vec<TraceResults>) -> Result<Json, RpcError> + Send,
    ) -> Result<Json, RpcError> {
        let state = self.state(block)?;
        let env = call_env(&state, overrides.0, overrides.1)?;
        let (db, limits) = (self.state_db(&state), self.parity_limits()?);
        self.on_deep_stack(|| {
            let traces = parity_calls(&self.spec, db, env, calls, self.config.gas_cap, limits);
            render(traces.map_err(|error| trace_error(self, error))?)
        })
    }

    pub(super) fn parity_call(
        &self,
        request: TransactionRequest,
        types: TraceTypes,
        block: Option<BlockId>,
        overrides: Overrides,
    ) -> Result<Json, RpcError> {
        self.parity_run(&[(request, types)], block, overrides, |traces| json(&traces.into_iter().next()))
    }

    pub(super) fn parity_calls(
        &self,
        calls: &[(TransactionRequest, TraceTypes)],
        block: Option<BlockId>,
    ) -> Result<Json, RpcError> {
        if calls.len() > MAX_CALLS {
            return Err(RpcError::TooManyResults { limit: MAX_CALLS });
        }
        self.parity_run(calls, block, (None, None), |traces| json(&traces))
    }

    /// A signed transaction as if it were the next one.
    pub(super) fn parity_raw(&self, tx: &[u8], types: TraceTypes, block: Option<BlockId>) -> Result<Json, RpcError> {
        let invalid = |reason: String| RpcError::InvalidArgument { index: 0, reason };
        let mut rest = tx;
        let tx = Transaction::decode_2718(&mut rest).map_err(|error| invalid(error.to_string()))?;
        if !rest.is_empty() {
            return Err(invalid(format!("{} bytes after the transaction", rest.len())));
        }
        let from = tx.recover_signer_unchecked().map_err(|error| invalid(error.to_string()))?;
        let mut request = TransactionRequest::from_transaction(tx);
        request.from = Some(from);
        self.parity_call(request, types, block, (None, None))
    }
}
