//! The `debug` namespace: raw encodings and geth's traces.

use crate::{
    RpcError,
    block_id::BlockView,
    context::{Json, Node, json},
    eth::call_env,
    params::Hash,
};
use alloy_rlp::Encodable as _;
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, TransactionRequest};
use alloy_rpc_types_trace::geth::{GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace};
use atoll_executor::{StateDb, TraceError, trace_block, trace_call, trace_transaction};
use atoll_primitives::{B256, Bytes, RecoveredBlock, eip2718::Encodable2718 as _};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use serde::Serialize;
use std::sync::Arc;

/// Raw data and traces.
#[rpc(server, namespace = "debug")]
pub(crate) trait DebugApi {
    #[method(name = "getRawHeader")]
    async fn raw_header(&self, block: BlockId) -> Result<Bytes, RpcError>;
    #[method(name = "getRawBlock")]
    async fn raw_block(&self, block: BlockId) -> Result<Bytes, RpcError>;
    #[method(name = "getRawReceipts")]
    async fn raw_receipts(&self, block: BlockId) -> Result<Vec<Bytes>, RpcError>;
    #[method(name = "getRawTransaction")]
    async fn raw_transaction(&self, hash: Hash) -> Result<Option<Bytes>, RpcError>;
    #[method(name = "traceTransaction")]
    async fn trace_transaction(&self, hash: B256, options: Option<GethDebugTracingOptions>) -> Result<Json, RpcError>;
    #[method(name = "traceBlockByHash")]
    async fn trace_by_hash(&self, hash: B256, options: Option<GethDebugTracingOptions>) -> Result<Json, RpcError>;
    #[method(name = "traceBlockByNumber")]
    async fn trace_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> Result<Json, RpcError>;
    #[method(name = "traceCall")]
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> Result<Json, RpcError>;
}

/// Answers from a node.
pub(crate) struct Debug(pub(crate) Arc<Node>);

/// One entry of a block's trace.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TraceEntry {
    tx_hash: B256,
    result: GethTrace,
}

fn existing(node: &Node, id: BlockId) -> Result<BlockView, RpcError> {
    node.block(id)?.ok_or(RpcError::UnknownBlock)
}

/// The state a block starts from.
fn parent_state(node: &Node, block: &RecoveredBlock) -> Result<StateDb, RpcError> {
    if block.number() == 0 {
        return Err(RpcError::GenesisNotTraceable);
    }
    let state = node.state(Some(block.header().parent_hash.into()))?;
    Ok(node.state_db(&state))
}

fn trace_error(node: &Node, error: TraceError) -> RpcError {
    match error {
        TraceError::Timeout => RpcError::Timeout { after: node.config.call_timeout },
        TraceError::Call(error) => node.call_error(error),
        error => RpcError::Trace(Box::new(error)),
    }
}

fn trace_all(node: &Node, id: BlockId, options: Option<GethDebugTracingOptions>) -> Result<Json, RpcError> {
    let view = existing(node, id)?;
    let db = parent_state(node, &view.block)?;
    let options = options.unwrap_or_default();
    let traces = trace_block(&node.spec, db, &view.block, &options, Some(node.deadline()));
    let traces = traces.map_err(|error| trace_error(node, error))?;
    json(&traces.into_iter().map(|tx| TraceEntry { tx_hash: tx.hash, result: tx.trace }).collect::<Vec<_>>())
}

#[async_trait]
impl DebugApiServer for Debug {
    async fn raw_header(&self, block: BlockId) -> Result<Bytes, RpcError> {
        let work = move |node: &Node| Ok(alloy_rlp::encode(existing(node, block)?.block.header()).into());
        self.0.blocking(work).await
    }

    async fn raw_block(&self, block: BlockId) -> Result<Bytes, RpcError> {
        let work = move |node: &Node| {
            let view = existing(node, block)?;
            let mut out = Vec::with_capacity(view.block.block.length());
            view.block.block.encode(&mut out);
            Ok(out.into())
        };
        self.0.blocking(work).await
    }

    async fn raw_receipts(&self, block: BlockId) -> Result<Vec<Bytes>, RpcError> {
        let work = move |node: &Node| {
            let view = existing(node, block)?;
            Ok(view.receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect())
        };
        self.0.blocking(work).await
    }

    async fn raw_transaction(&self, hash: Hash) -> Result<Option<Bytes>, RpcError> {
        self.0.blocking(move |node| node.raw_transaction(&hash.0)).await
    }

    async fn trace_transaction(&self, hash: B256, options: Option<GethDebugTracingOptions>) -> Result<Json, RpcError> {
        let work = move |node: &Node| {
            let (view, index) = node.locate(&hash)?.ok_or(RpcError::TransactionNotFound)?;
            let db = parent_state(node, &view.block)?;
            let options = options.unwrap_or_default();
            let trace = trace_transaction(&node.spec, db, &view.block, index, &options, Some(node.deadline()));
            trace.map_err(|error| trace_error(node, error))
        };
        self.0.blocking_json(work).await
    }

    async fn trace_by_hash(&self, hash: B256, options: Option<GethDebugTracingOptions>) -> Result<Json, RpcError> {
        self.0.blocking(move |node| trace_all(node, hash.into(), options)).await
    }

    async fn trace_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> Result<Json, RpcError> {
        self.0.blocking(move |node| trace_all(node, number.into(), options)).await
    }

    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> Result<Json, RpcError> {
        let work = move |node: &Node| {
            let options = options.unwrap_or_default();
            let state = node.state(block)?;
            let env = call_env(&state, options.state_overrides, options.block_overrides)?;
            let (db, limits) = (node.state_db(&state), node.call_limits());
            let trace = trace_call(&node.spec, db, env, &request, &options.tracing_options, limits);
            trace.map_err(|error| trace_error(node, error))
        };
        self.0.blocking_json(work).await
    }
}
