//! The methods of `eth`, as execution-apis and geth define them. Blocks are named by number, tag, hash or
//! EIP-1898 object; without one, the newest is meant.

use super::{CapabilitiesJson, SimulatePayload, SyncingJson};
use crate::{RpcError, context::Json, logs::LogFilter};
use alloy_rpc_types_eth::{
    BlockId, BlockNumberOrTag, BlockOverrides, EIP1186AccountProofResponse, FeeHistory, Index, StorageValuesRequest,
    TransactionRequest, state::StateOverride,
};
use alloy_serde::JsonStorageKey;
use atoll_primitives::{Address, B256, Bytes, U64, U256, eips::eip7910::EthConfig};
use jsonrpsee::proc_macros::rpc;
use std::collections::BTreeMap;

/// HTTP and WebSocket; subscriptions are in `pubsub`.
#[rpc(server, namespace = "eth")]
pub(crate) trait Eth {
    // What the node is.
    #[method(name = "chainId")]
    fn chain_id(&self) -> Result<U64, RpcError>;
    #[method(name = "syncing")]
    fn syncing(&self) -> Result<SyncingJson, RpcError>;
    #[method(name = "coinbase")]
    fn coinbase(&self) -> Result<Address, RpcError>;
    #[method(name = "mining")]
    fn mining(&self) -> Result<bool, RpcError>;
    #[method(name = "hashrate")]
    fn hashrate(&self) -> Result<U64, RpcError>;
    #[method(name = "config")]
    fn chain_config(&self) -> Result<EthConfig, RpcError>;

    #[method(name = "capabilities")]
    fn capabilities(&self) -> Result<CapabilitiesJson, RpcError>;

    // Blocks.
    #[method(name = "blockNumber")]
    fn block_number(&self) -> Result<U64, RpcError>;
    #[method(name = "getBlockByHash")]
    async fn block_by_hash(&self, hash: B256, full: bool) -> Result<Json, RpcError>;
    #[method(name = "getBlockByNumber")]
    async fn block_by_number(&self, number: BlockNumberOrTag, full: bool) -> Result<Json, RpcError>;
    #[method(name = "getHeaderByHash")]
    async fn header_by_hash(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "getHeaderByNumber")]
    async fn header_by_number(&self, number: BlockNumberOrTag) -> Result<Json, RpcError>;
    #[method(name = "getBlockTransactionCountByHash")]
    async fn transaction_count_by_hash(&self, hash: B256) -> Result<Option<U64>, RpcError>;
    #[method(name = "getBlockTransactionCountByNumber")]
    async fn transaction_count_by_number(&self, number: BlockNumberOrTag) -> Result<Option<U64>, RpcError>;
    #[method(name = "getUncleCountByBlockHash")]
    async fn uncle_count_by_hash(&self, hash: B256) -> Result<Option<U64>, RpcError>;
    #[method(name = "getUncleCountByBlockNumber")]
    async fn uncle_count_by_number(&self, number: BlockNumberOrTag) -> Result<Option<U64>, RpcError>;
    #[method(name = "getUncleByBlockHashAndIndex")]
    async fn uncle_by_hash(&self, hash: B256, index: Index) -> Result<Json, RpcError>;
    #[method(name = "getUncleByBlockNumberAndIndex")]
    async fn uncle_by_number(&self, number: BlockNumberOrTag, index: Index) -> Result<Json, RpcError>;
    #[method(name = "getBlockReceipts")]
    async fn block_receipts(&self, block: BlockId) -> Result<Json, RpcError>;

    // Transactions.
    #[method(name = "getTransactionByHash")]
    async fn transaction_by_hash(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "getTransactionByBlockHashAndIndex")]
    async fn transaction_by_block_hash(&self, hash: B256, index: Index) -> Result<Json, RpcError>;
    #[method(name = "getTransactionByBlockNumberAndIndex")]
    async fn transaction_by_block_number(&self, number: BlockNumberOrTag, index: Index) -> Result<Json, RpcError>;
    #[method(name = "getTransactionBySenderAndNonce")]
    async fn transaction_by_sender(&self, sender: Address, nonce: U64) -> Result<Json, RpcError>;
    #[method(name = "getRawTransactionByHash")]
    async fn raw_transaction_by_hash(&self, hash: B256) -> Result<Option<Bytes>, RpcError>;
    #[method(name = "getRawTransactionByBlockHashAndIndex")]
    async fn raw_transaction_by_block_hash(&self, hash: B256, index: Index) -> Result<Option<Bytes>, RpcError>;
    #[method(name = "getRawTransactionByBlockNumberAndIndex")]
    async fn raw_transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> Result<Option<Bytes>, RpcError>;
    #[method(name = "getTransactionReceipt")]
    async fn transaction_receipt(&self, hash: B256) -> Result<Json, RpcError>;
    #[method(name = "sendRawTransaction")]
    async fn send_raw_transaction(&self, raw: Bytes) -> Result<B256, RpcError>;
    #[method(name = "sendRawTransactionSync")]
    async fn send_raw_transaction_sync(&self, raw: Bytes, timeout_ms: Option<U64>) -> Result<Json, RpcError>;
    #[method(name = "fillTransaction")]
    async fn fill_transaction(&self, request: TransactionRequest) -> Result<Json, RpcError>;
    #[method(name = "pendingTransactions")]
    async fn pending_transactions(&self) -> Result<Json, RpcError>;

    // State.
    #[method(name = "getBalance")]
    async fn balance(&self, address: Address, block: Option<BlockId>) -> Result<U256, RpcError>;
    #[method(name = "getTransactionCount")]
    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> Result<U64, RpcError>;
    #[method(name = "getCode")]
    async fn code(&self, address: Address, block: Option<BlockId>) -> Result<Bytes, RpcError>;
    #[method(name = "getStorageAt")]
    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> Result<B256, RpcError>;
    #[method(name = "getStorageValues")]
    async fn storage_values(
        &self,
        request: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> Result<BTreeMap<Address, Vec<B256>>, RpcError>;
    #[method(name = "getProof")]
    async fn proof(
        &self,
        address: Address,
        keys: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> Result<EIP1186AccountProofResponse, RpcError>;

    // Calls.
    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        header: Option<Box<BlockOverrides>>,
    ) -> Result<Bytes, RpcError>;
    #[method(name = "estimateGas")]
    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        header: Option<Box<BlockOverrides>>,
    ) -> Result<U64, RpcError>;
    #[method(name = "createAccessList")]
    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
    ) -> Result<Json, RpcError>;

    #[method(name = "simulateV1")]
    async fn simulate(&self, payload: SimulatePayload, block: Option<BlockId>) -> Result<Json, RpcError>;

    // Fees.
    #[method(name = "gasPrice")]
    async fn gas_price(&self) -> Result<U256, RpcError>;
    #[method(name = "maxPriorityFeePerGas")]
    async fn max_priority_fee(&self) -> Result<U256, RpcError>;
    #[method(name = "baseFee")]
    async fn base_fee(&self) -> Result<Option<U64>, RpcError>;
    #[method(name = "blobBaseFee")]
    async fn blob_base_fee(&self) -> Result<U256, RpcError>;
    #[method(name = "feeHistory")]
    async fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> Result<FeeHistory, RpcError>;

    // Logs and filters.
    #[method(name = "getLogs")]
    async fn logs(&self, filter: LogFilter) -> Result<Json, RpcError>;
    #[method(name = "newFilter")]
    fn new_filter(&self, filter: LogFilter) -> Result<String, RpcError>;
    #[method(name = "newBlockFilter")]
    fn new_block_filter(&self) -> Result<String, RpcError>;
    #[method(name = "newPendingTransactionFilter")]
    fn new_pending_transaction_filter(&self, full: Option<bool>) -> Result<String, RpcError>;
    #[method(name = "getFilterChanges")]
    async fn filter_changes(&self, id: String) -> Result<Json, RpcError>;
    #[method(name = "getFilterLogs")]
    async fn filter_logs(&self, id: String) -> Result<Json, RpcError>;
    #[method(name = "uninstallFilter")]
    fn uninstall_filter(&self, id: String) -> Result<bool, RpcError>;
}
