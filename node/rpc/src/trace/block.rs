//! Traces of what stands in blocks.

use crate::{
    RpcError,
    context::{Json, Node, json},
    debug::trace_error,
};
use alloy_rpc_types_eth::{BlockId, Index};
use alloy_rpc_types_trace::parity::{
    Action, LocalizedTransactionTrace, RewardAction, RewardType, TraceResultsWithTransactionHash, TransactionTrace,
};
use atoll_executor::{TraceLimits, TraceOptions, TraceTypes, parity_replay, parity_traces};
use atoll_primitives::{B256, RecoveredBlock};

impl Node {
    /// Limits of a Parity trace, which has no options.
    pub(super) fn parity_limits(&self) -> Result<TraceLimits, RpcError> {
        self.trace_limits(&TraceOptions::default())
    }

    pub(super) fn parity_block(&self, id: BlockId) -> Result<Json, RpcError> {
        // Like any other block method, and unlike geth's traces, this answers null for a block nobody knows.
        let Some(view) = self.block(id)? else { return json(&()) };
        json(&self.parity_traces_of(&view.block, self.parity_limits()?)?)
    }

    /// All traces of a block, the engine's rewards last. The genesis block has none.
    pub(super) fn parity_traces_of(
        &self,
        block: &RecoveredBlock,
        limits: TraceLimits,
    ) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
        if block.number() == 0 {
            return Ok(Vec::new());
        }
        let db = self.parent_state(block)?;
        let traces = parity_traces(&self.spec, db, block, None, limits);
        let mut traces = traces.map_err(|error| trace_error(self, error))?;
        traces.extend(self.reward_traces(block));
        Ok(traces)
    }

    /// The rewards of proof of work: the block's own first, as Parity shows them.
    fn reward_traces(&self, block: &RecoveredBlock) -> Vec<LocalizedTransactionTrace> {
        let ommers = &block.block.body.ommers;
        let mut rewards = self.chain.engine().rewards(block.header(), ommers);
        // The engine lists the ommers' beneficiaries, in order, and then the block's own.
        let Some(own) = rewards.pop() else { return Vec::new() };
        let own = (own, RewardType::Block);
        let uncles = rewards.into_iter().map(|reward| (reward, RewardType::Uncle));
        let trace = |((author, value), reward_type)| LocalizedTransactionTrace {
            trace: TransactionTrace {
                action: Action::Reward(RewardAction { author, reward_type, value }),
                error: None,
                result: None,
                subtraces: 0,
                trace_address: Vec::new(),
            },
            block_hash: Some(block.hash),
            block_number: Some(block.number()),
            transaction_hash: None,
            transaction_position: None,
        };
        std::iter::once(own).chain(uncles).map(trace).collect()
    }

    /// A transaction's traces; `None` when it stands in no block.
    fn parity_located(&self, hash: &B256) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
        let Some((view, index)) = self.locate(hash)? else { return Ok(None) };
        let db = self.parent_state(&view.block)?;
        let traces = parity_traces(&self.spec, db, &view.block, Some(index), self.parity_limits()?);
        traces.map(Some).map_err(|error| trace_error(self, error))
    }

    pub(super) fn parity_transaction(&self, hash: &B256) -> Result<Json, RpcError> {
        json(&self.parity_located(hash)?)
    }

    /// The trace at a trace address.
    pub(super) fn parity_get(&self, hash: &B256, address: &[Index]) -> Result<Json, RpcError> {
        let address: Vec<usize> = address.iter().map(|index| usize::from(*index)).collect();
        let traces = self.parity_located(hash)?.unwrap_or_default();
        json(&traces.into_iter().find(|trace| trace.trace.trace_address == address))
    }

    pub(super) fn parity_replay_transaction(&self, hash: &B256, types: &TraceTypes) -> Result<Json, RpcError> {
        let (view, index) = self.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
        let db = self.parent_state(&view.block)?;
        let limits = self.parity_limits()?;
        self.on_deep_stack(|| {
            let results = parity_replay(&self.spec, db, &view.block, Some(index), types, limits);
            let results = results.map_err(|error| trace_error(self, error))?;
            json(&results.into_iter().next().map(|(_, trace)| trace))
        })
    }

    pub(super) fn parity_replay_block(&self, id: BlockId, types: &TraceTypes) -> Result<Json, RpcError> {
        let Some(view) = self.block(id)? else { return json(&()) };
        if view.block.number() == 0 {
            return json(&[(); 0]);
        }
        let db = self.parent_state(&view.block)?;
        let limits = self.parity_limits()?;
        self.on_deep_stack(|| {
            let results = parity_replay(&self.spec, db, &view.block, None, types, limits);
            let results = results.map_err(|error| trace_error(self, error))?;
            let named = results
                .into_iter()
                .map(|(transaction_hash, full_trace)| TraceResultsWithTransactionHash { full_trace, transaction_hash });
            json(&named.collect::<Vec<_>>())
        })
    }

    /// Runs `work` on a stack that holds the deepest `vmTrace`: it nests as deep as calls do, 1024 levels, and is
    /// made, rendered and dropped by recursion.
    pub(super) fn on_deep_stack<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, RpcError> + Send,
    ) -> Result<T, RpcError> {
        /// Generous for 1024 levels of a debug build.
        const STACK_BYTES: usize = 64 << 20;
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("trace".to_owned()).stack_size(STACK_BYTES);
            let handle = thread.spawn_scoped(scope, work).map_err(|_| RpcError::Internal("no thread for a trace"))?;
            handle.join().unwrap_or(Err(RpcError::Internal("a trace failed unexpectedly")))
        })
    }
}
