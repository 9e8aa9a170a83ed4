//! The `debug` namespace: raw encodings, geth's traces, a look into the state.

mod bad;
mod options;
mod raw;
mod state;
mod trace;

pub(crate) use options::trace_error;

use crate::{
    RpcError,
    context::{Json, Node},
    params::Hash,
};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag, TransactionRequest};
use atoll_executor::TraceOptions;
use atoll_primitives::{Address, B256, Bytes};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use options::CallTraceOptions;
use state::AccountRangeOptions;
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
    async fn trace_transaction(&self, hash: B256, options: Option<TraceOptions>) -> Result<Json, RpcError>;
    #[method(name = "traceBlockByHash")]
    async fn trace_by_hash(&self, hash: B256, options: Option<TraceOptions>) -> Result<Json, RpcError>;
    #[method(name = "traceBlockByNumber")]
    async fn trace_by_number(&self, number: BlockNumberOrTag, options: Option<TraceOptions>) -> Result<Json, RpcError>;
    #[method(name = "traceBlock")]
    async fn trace_raw_block(&self, rlp: Bytes, options: Option<TraceOptions>) -> Result<Json, RpcError>;
    #[method(name = "getBadBlocks")]
    async fn bad_blocks(&self) -> Result<Json, RpcError>;
    #[method(name = "traceBadBlock")]
    async fn trace_bad_block(&self, hash: B256, options: Option<TraceOptions>) -> Result<Json, RpcError>;
    #[method(name = "traceCall")]
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<CallTraceOptions>,
    ) -> Result<Json, RpcError>;
    #[method(name = "intermediateRoots")]
    async fn intermediate_roots(&self, hash: B256, options: Option<TraceOptions>) -> Result<Vec<B256>, RpcError>;
    #[method(name = "storageRangeAt")]
    async fn storage_range_at(
        &self,
        block: BlockId,
        tx_index: usize,
        address: Address,
        start: Bytes,
        limit: usize,
    ) -> Result<Json, RpcError>;
    #[method(name = "accountRange")]
    async fn account_range(
        &self,
        block: BlockId,
        start: Bytes,
        limit: usize,
        no_code: Option<bool>,
        no_storage: Option<bool>,
        incompletes: Option<bool>,
    ) -> Result<Json, RpcError>;
    #[method(name = "getModifiedAccountsByNumber")]
    async fn modified_by_number(&self, start: u64, end: Option<u64>) -> Result<Json, RpcError>;
    #[method(name = "getModifiedAccountsByHash")]
    async fn modified_by_hash(&self, start: B256, end: Option<B256>) -> Result<Json, RpcError>;
}

/// Answers from a node.
pub(crate) struct Debug(pub(crate) Arc<Node>);

#[async_trait]
impl DebugApiServer for Debug {
    async fn raw_header(&self, block: BlockId) -> Result<Bytes, RpcError> {
        self.0.listing(block, move |node| node.raw_header(block)).await
    }

    async fn raw_block(&self, block: BlockId) -> Result<Bytes, RpcError> {
        self.0.listing(block, move |node| node.raw_block(block)).await
    }

    async fn raw_receipts(&self, block: BlockId) -> Result<Vec<Bytes>, RpcError> {
        self.0.listing(block, move |node| node.raw_receipts(block)).await
    }

    async fn raw_transaction(&self, hash: Hash) -> Result<Option<Bytes>, RpcError> {
        self.0.blocking(move |node| node.raw_transaction(&hash.0)).await
    }

    async fn trace_transaction(&self, hash: B256, options: Option<TraceOptions>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.trace_transaction(&hash, &options.unwrap_or_default())).await
    }

    async fn trace_by_hash(&self, hash: B256, options: Option<TraceOptions>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.trace_block(hash.into(), &options.unwrap_or_default())).await
    }

    async fn trace_by_number(&self, number: BlockNumberOrTag, options: Option<TraceOptions>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.trace_block(number.into(), &options.unwrap_or_default())).await
    }

    async fn trace_raw_block(&self, rlp: Bytes, options: Option<TraceOptions>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.trace_raw_block(&rlp, &options.unwrap_or_default())).await
    }

    async fn bad_blocks(&self) -> Result<Json, RpcError> {
        self.0.blocking(Node::bad_blocks).await
    }

    async fn trace_bad_block(&self, hash: B256, options: Option<TraceOptions>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.trace_bad_block(hash, &options.unwrap_or_default())).await
    }

    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<CallTraceOptions>,
    ) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.trace_call(&request, block, options.unwrap_or_default())).await
    }

    async fn intermediate_roots(&self, hash: B256, options: Option<TraceOptions>) -> Result<Vec<B256>, RpcError> {
        self.0.tracing(move |node| node.intermediate_roots(&hash, &options.unwrap_or_default())).await
    }

    async fn storage_range_at(
        &self,
        block: BlockId,
        tx_index: usize,
        address: Address,
        start: Bytes,
        limit: usize,
    ) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.storage_range_at(block, tx_index, address, &start, limit)).await
    }

    async fn account_range(
        &self,
        block: BlockId,
        start: Bytes,
        limit: usize,
        no_code: Option<bool>,
        no_storage: Option<bool>,
        // Accounts whose address is not known: there are none here.
        _incompletes: Option<bool>,
    ) -> Result<Json, RpcError> {
        let options =
            AccountRangeOptions { no_code: no_code.unwrap_or_default(), no_storage: no_storage.unwrap_or_default() };
        self.0.tracing(move |node| node.account_range(block, &start, limit, options)).await
    }

    async fn modified_by_number(&self, start: u64, end: Option<u64>) -> Result<Json, RpcError> {
        let id = |number| BlockId::from(BlockNumberOrTag::Number(number));
        self.0.tracing(move |node| node.modified_accounts(id(start), end.map(id))).await
    }

    async fn modified_by_hash(&self, start: B256, end: Option<B256>) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.modified_accounts(start.into(), end.map(BlockId::from))).await
    }
}
