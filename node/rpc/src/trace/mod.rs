//! The `trace` namespace: Parity's traces of transactions, blocks and calls.

mod block;
mod call;
mod filter;

use crate::{
    RpcError,
    context::{Json, Node},
};
use alloy_rpc_types_eth::{BlockId, BlockOverrides, Index, TransactionRequest, state::StateOverride};
use alloy_rpc_types_trace::filter::TraceFilter;
use atoll_executor::TraceTypes;
use atoll_primitives::{B256, Bytes};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use std::sync::Arc;

/// Parity's traces.
#[rpc(server, namespace = "trace")]
pub(crate) trait TraceApi {
    #[method(name = "block")]
    async fn block(&self, block: BlockId) -> Result<Json, RpcError>;
    #[method(name = "transaction")]
    async fn transaction(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "get")]
    async fn get(&self, hash: B256, address: Vec<Index>) -> Result<Json, RpcError>;
    #[method(name = "filter")]
    async fn filter(&self, filter: TraceFilter) -> Result<Json, RpcError>;
    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        types: TraceTypes,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> Result<Json, RpcError>;
    #[method(name = "callMany")]
    async fn call_many(
        &self,
        calls: Vec<(TransactionRequest, TraceTypes)>,
        block: Option<BlockId>,
    ) -> Result<Json, RpcError>;
    #[method(name = "rawTransaction")]
    async fn raw_transaction(&self, tx: Bytes, types: TraceTypes, block: Option<BlockId>) -> Result<Json, RpcError>;
    #[method(name = "replayTransaction")]
    async fn replay_transaction(&self, hash: B256, types: TraceTypes) -> Result<Json, RpcError>;
    #[method(name = "replayBlockTransactions")]
    async fn replay_block(&self, block: BlockId, types: TraceTypes) -> Result<Json, RpcError>;
}

/// Answers from a node.
pub(crate) struct Trace(pub(crate) Arc<Node>);

#[async_trait]
impl TraceApiServer for Trace {
    async fn block(&self, block: BlockId) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_block(block)).await
    }

    async fn transaction(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_transaction(&hash)).await
    }

    async fn get(&self, hash: B256, address: Vec<Index>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_get(&hash, &address)).await
    }

    async fn filter(&self, filter: TraceFilter) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_filter(&filter)).await
    }

    async fn call(
        &self,
        request: TransactionRequest,
        types: TraceTypes,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> Result<Json, RpcError> {
        let overrides = (state_overrides, block_overrides.map(|overrides| *overrides));
        self.0.tracing(move |node| node.parity_call(request, types, block, overrides)).await
    }

    async fn call_many(
        &self,
        calls: Vec<(TransactionRequest, TraceTypes)>,
        block: Option<BlockId>,
    ) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_calls(&calls, block)).await
    }

    async fn raw_transaction(&self, tx: Bytes, types: TraceTypes, block: Option<BlockId>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_raw(&tx, types, block)).await
    }

    async fn replay_transaction(&self, hash: B256, types: TraceTypes) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_replay_transaction(&hash, &types)).await
    }

    async fn replay_block(&self, block: BlockId, types: TraceTypes) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.parity_replay_block(block, &types)).await
    }
}
