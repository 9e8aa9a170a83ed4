//! The `ots` namespace: what the Otterscan explorer asks beyond `eth`, at API level 8 and in the shapes of Erigon, which
//! it is made for. The other files answer, one subject each.

mod blocks;
mod history;
mod search;
mod traces;

use crate::{
    RpcError,
    context::{Json, Node},
    params::Number,
};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag};
use atoll_chain::Direction;
use atoll_primitives::{Address, B256, Bytes};
use jsonrpsee::{core::async_trait, proc_macros::rpc};
use std::sync::Arc;

/// What Otterscan checks before it talks to a node.
const API_LEVEL: u8 = 8;

/// Otterscan's methods.
#[rpc(server, namespace = "ots")]
pub(crate) trait OtsApi {
    #[method(name = "getApiLevel")]
    fn api_level(&self) -> Result<u8, RpcError>;
    #[method(name = "hasCode")]
    async fn has_code(&self, address: Address, block: Option<BlockId>) -> Result<bool, RpcError>;
    #[method(name = "getInternalOperations")]
    async fn internal_operations(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "getTransactionError")]
    async fn transaction_error(&self, hash: B256) -> Result<Bytes, RpcError>;
    #[method(name = "traceTransaction")]
    async fn trace_transaction(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "getBlockDetails")]
    async fn block_details(&self, number: Number) -> Result<Json, RpcError>;
    #[method(name = "getBlockDetailsByHash")]
    async fn block_details_by_hash(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "getBlockTransactions")]
    async fn block_transactions(&self, number: Number, page: usize, page_size: usize) -> Result<Json, RpcError>;
    #[method(name = "searchTransactionsBefore")]
    async fn search_before(&self, address: Address, block: Number, page_size: usize) -> Result<Json, RpcError>;
    #[method(name = "searchTransactionsAfter")]
    async fn search_after(&self, address: Address, block: Number, page_size: usize) -> Result<Json, RpcError>;
    #[method(name = "getTransactionBySenderAndNonce")]
    async fn by_sender_and_nonce(&self, sender: Address, nonce: Number) -> Result<Option<B256>, RpcError>;
    #[method(name = "getContractCreator")]
    async fn contract_creator(&self, address: Address) -> Result<Json, RpcError>;
}

/// Answers from a node.
pub(crate) struct Ots(pub(crate) Arc<Node>);

#[async_trait]
impl OtsApiServer for Ots {
    fn api_level(&self) -> Result<u8, RpcError> {
        Ok(API_LEVEL)
    }

    async fn has_code(&self, address: Address, block: Option<BlockId>) -> Result<bool, RpcError> {
        let work = move |node: &Node| {
            let account = node.state(block)?.account(&address)?;
            Ok(account.is_some_and(|account| account.has_code()))
        };
        self.0.reading(block.unwrap_or_default(), work).await
    }

    async fn internal_operations(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.internal_operations(&hash)).await
    }

    async fn transaction_error(&self, hash: B256) -> Result<Bytes, RpcError> {
        self.0.tracing(move |node| node.transaction_error(&hash)).await
    }

    async fn trace_transaction(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.tracing(move |node| node.ots_trace(&hash)).await
    }

    async fn block_details(&self, number: Number) -> Result<Json, RpcError> {
        self.0.blocking(move |node| node.block_details(BlockNumberOrTag::from(number).into())).await
    }

    async fn block_details_by_hash(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.blocking(move |node| node.block_details(hash.into())).await
    }

    async fn block_transactions(&self, number: Number, page: usize, page_size: usize) -> Result<Json, RpcError> {
        let id = BlockNumberOrTag::from(number).into();
        self.0.blocking(move |node| node.block_transactions(id, page, page_size)).await
    }

    async fn search_before(&self, address: Address, block: Number, page_size: usize) -> Result<Json, RpcError> {
        let work = move |node: &Node| node.search_transactions(&address, Direction::Before, block, page_size);
        self.0.executing(work).await
    }

    async fn search_after(&self, address: Address, block: Number, page_size: usize) -> Result<Json, RpcError> {
        let work = move |node: &Node| node.search_transactions(&address, Direction::After, block, page_size);
        self.0.executing(work).await
    }

    async fn by_sender_and_nonce(&self, sender: Address, nonce: Number) -> Result<Option<B256>, RpcError> {
        self.0.executing(move |node| node.by_sender_and_nonce(&sender, nonce.0)).await
    }

    async fn contract_creator(&self, address: Address) -> Result<Json, RpcError> {
        self.0.executing(move |node| node.contract_creator(&address)).await
    }
}
