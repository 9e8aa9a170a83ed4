//! Every `eth` method: reads of little at once ([`Node::quick`], [`Node::reading`]), of more through [`Node::blocking`], and
//! what executes or searches through [`Node::executing`]; calls that may be little work are tried by [`Node::briefly`] first.

use super::{CapabilitiesJson, EthServer, SimulatePayload, SyncingJson, chain_config};
use crate::{
    RpcError,
    context::{Json, Node, json},
    filters::Changes,
    logs::LogFilter,
    render::TransactionJson,
};
use alloy_rpc_types_eth::{
    BlockId, BlockNumberOrTag, BlockOverrides, EIP1186AccountProofResponse, FeeHistory, Index, StorageValuesRequest,
    TransactionRequest, state::StateOverride,
};
use alloy_serde::JsonStorageKey;
use atoll_primitives::{Address, B256, Bytes, U64, U256, eips::eip7910::EthConfig};
use jsonrpsee::core::async_trait;
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// Answers from a node.
pub(crate) struct Eth(pub(crate) Arc<Node>);

#[async_trait]
impl EthServer for Eth {
    fn chain_id(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.0.spec.chain_id))
    }

    fn syncing(&self) -> Result<SyncingJson, RpcError> {
        Ok(self.0.control.syncing().into())
    }

    fn coinbase(&self) -> Result<Address, RpcError> {
        self.0.control.coinbase().ok_or(crate::ControlError::Unavailable("etherbase is not set").into())
    }

    fn mining(&self) -> Result<bool, RpcError> {
        Ok(self.0.control.mining())
    }

    fn hashrate(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.0.control.hashrate()))
    }

    fn chain_config(&self) -> Result<EthConfig, RpcError> {
        chain_config::chain_config(&self.0.spec, self.0.storage().genesis_hash(), self.0.head().timestamp)
    }

    fn capabilities(&self) -> Result<CapabilitiesJson, RpcError> {
        Ok(self.0.capabilities())
    }

    fn block_number(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.0.head().number))
    }

    async fn block_by_hash(&self, hash: B256, full: bool) -> Result<Json, RpcError> {
        let render = move |node: &Node| node.block_json(hash.into(), full);
        if full { self.0.blocking(render).await } else { self.0.quick(render) }
    }

    async fn block_by_number(&self, number: BlockNumberOrTag, full: bool) -> Result<Json, RpcError> {
        let render = move |node: &Node| node.block_json(number.into(), full);
        if full { self.0.listing(number, render).await } else { self.0.reading(number, render).await }
    }

    async fn header_by_hash(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.quick(|node| node.header_json(hash.into()))
    }

    async fn header_by_number(&self, number: BlockNumberOrTag) -> Result<Json, RpcError> {
        self.0.reading(number, move |node| node.header_json(number.into())).await
    }

    async fn transaction_count_by_hash(&self, hash: B256) -> Result<Option<U64>, RpcError> {
        self.0.quick(|node| node.block_transaction_count(hash.into()))
    }

    async fn transaction_count_by_number(&self, number: BlockNumberOrTag) -> Result<Option<U64>, RpcError> {
        self.0.reading(number, move |node| node.block_transaction_count(number.into())).await
    }

    async fn uncle_count_by_hash(&self, hash: B256) -> Result<Option<U64>, RpcError> {
        self.0.quick(|node| node.uncle_count(hash.into()))
    }

    async fn uncle_count_by_number(&self, number: BlockNumberOrTag) -> Result<Option<U64>, RpcError> {
        self.0.reading(number, move |node| node.uncle_count(number.into())).await
    }

    async fn uncle_by_hash(&self, hash: B256, index: Index) -> Result<Json, RpcError> {
        self.0.quick(|node| node.uncle_json(hash.into(), index.into()))
    }

    async fn uncle_by_number(&self, number: BlockNumberOrTag, index: Index) -> Result<Json, RpcError> {
        self.0.reading(number, move |node| node.uncle_json(number.into(), index.into())).await
    }

    async fn block_receipts(&self, block: BlockId) -> Result<Json, RpcError> {
        self.0.listing(block, move |node| json(&node.block_receipts(block)?)).await
    }

    async fn transaction_by_hash(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.quick(|node| node.transaction_json(&hash))
    }

    async fn transaction_by_block_hash(&self, hash: B256, index: Index) -> Result<Json, RpcError> {
        self.0.quick(|node| node.transaction_at_json(hash.into(), index.into()))
    }

    async fn transaction_by_block_number(&self, number: BlockNumberOrTag, index: Index) -> Result<Json, RpcError> {
        self.0.reading(number, move |node| node.transaction_at_json(number.into(), index.into())).await
    }

    async fn transaction_by_sender(&self, sender: Address, nonce: U64) -> Result<Json, RpcError> {
        self.0.executing(move |node| node.transaction_of_json(&sender, nonce.to())).await
    }

    async fn raw_transaction_by_hash(&self, hash: B256) -> Result<Option<Bytes>, RpcError> {
        self.0.quick(|node| node.raw_transaction(&hash))
    }

    async fn raw_transaction_by_block_hash(&self, hash: B256, index: Index) -> Result<Option<Bytes>, RpcError> {
        self.0.quick(|node| node.raw_transaction_at(hash.into(), index.into()))
    }

    async fn raw_transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> Result<Option<Bytes>, RpcError> {
        self.0.reading(number, move |node| node.raw_transaction_at(number.into(), index.into())).await
    }

    async fn transaction_receipt(&self, hash: B256) -> Result<Json, RpcError> {
        self.0.quick(|node| json(&node.receipt(&hash)?))
    }

    async fn send_raw_transaction(&self, raw: Bytes) -> Result<B256, RpcError> {
        self.0.quick(|node| node.send_raw(&raw))
    }

    async fn send_raw_transaction_sync(&self, raw: Bytes, timeout_ms: Option<U64>) -> Result<Json, RpcError> {
        self.0.send_raw_sync(raw, timeout_ms.map(|timeout| timeout.to())).await
    }

    async fn fill_transaction(&self, request: TransactionRequest) -> Result<Json, RpcError> {
        self.0.executing(move |node| node.filled(request)).await
    }

    async fn pending_transactions(&self) -> Result<Json, RpcError> {
        self.0.blocking(|node| node.own_transactions_json()).await
    }

    async fn balance(&self, address: Address, block: Option<BlockId>) -> Result<U256, RpcError> {
        self.0.reading(block.unwrap_or_default(), move |node| node.balance(&address, block)).await
    }

    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> Result<U64, RpcError> {
        self.0.reading(block.unwrap_or_default(), move |node| node.nonce(&address, block).map(U64::from)).await
    }

    async fn code(&self, address: Address, block: Option<BlockId>) -> Result<Bytes, RpcError> {
        self.0.reading(block.unwrap_or_default(), move |node| node.code(&address, block)).await
    }

    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> Result<B256, RpcError> {
        self.0
            .reading(block.unwrap_or_default(), move |node| node.storage_at(&address, slot.as_b256().into(), block))
            .await
    }

    async fn storage_values(
        &self,
        request: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
        self.0.listing(block.unwrap_or_default(), move |node| node.storage_values(request, block)).await
    }

    async fn proof(
        &self,
        address: Address,
        keys: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> Result<EIP1186AccountProofResponse, RpcError> {
        self.0.executing(move |node| node.proof(address, keys, block)).await
    }

    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        header: Option<Box<BlockOverrides>>,
    ) -> Result<Bytes, RpcError> {
        if state.is_none() && header.is_none() {
            let brief = |node: &Node, limits| node.call(&request, block, None, None, limits);
            if let Some(answer) = self.0.briefly("eth_call", &request, block, brief).await {
                return answer;
            }
        }
        let header = header.map(|header| *header);
        self.0.executing(move |node| node.call(&request, block, state, header, node.call_limits())).await
    }

    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
        header: Option<Box<BlockOverrides>>,
    ) -> Result<U64, RpcError> {
        if state.is_none() && header.is_none() {
            let brief = |node: &Node, limits| node.estimate(&request, block, None, None, limits);
            if let Some(answer) = self.0.briefly("eth_estimateGas", &request, block, brief).await {
                return answer.map(U64::from);
            }
        }
        let header = header.map(|header| *header);
        let work = move |node: &Node| node.estimate(&request, block, state, header, node.call_limits());
        self.0.executing(work).await.map(U64::from)
    }

    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state: Option<StateOverride>,
    ) -> Result<Json, RpcError> {
        self.0.executing(move |node| json(&node.access_list(&request, block, state)?)).await
    }

    async fn simulate(&self, payload: SimulatePayload, block: Option<BlockId>) -> Result<Json, RpcError> {
        self.0.executing(move |node| node.simulate(payload, block)).await
    }

    async fn gas_price(&self) -> Result<U256, RpcError> {
        self.0.blocking(|node| node.gas_price().map(U256::from)).await
    }

    async fn max_priority_fee(&self) -> Result<U256, RpcError> {
        self.0.blocking(|node| node.suggested_tip().map(U256::from)).await
    }

    async fn base_fee(&self) -> Result<Option<U64>, RpcError> {
        let head = self.0.head();
        Ok(self.0.spec.next_base_fee(&head.header, head.timestamp + 1).map(U64::from))
    }

    async fn blob_base_fee(&self) -> Result<U256, RpcError> {
        Ok(U256::from(self.0.next_blob_base_fee()))
    }

    async fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> Result<FeeHistory, RpcError> {
        self.0.executing(move |node| node.fee_history(count.to(), newest, percentiles.as_deref())).await
    }

    async fn logs(&self, filter: LogFilter) -> Result<Json, RpcError> {
        self.0.executing(move |node| node.logs_json(&filter)).await
    }

    fn new_filter(&self, filter: LogFilter) -> Result<String, RpcError> {
        self.0.filters.add_logs(filter, Instant::now())
    }

    fn new_block_filter(&self) -> Result<String, RpcError> {
        self.0.filters.add_blocks(Instant::now())
    }

    fn new_pending_transaction_filter(&self, full: Option<bool>) -> Result<String, RpcError> {
        self.0.filters.add_transactions(full.unwrap_or(false), Instant::now())
    }

    async fn filter_changes(&self, id: String) -> Result<Json, RpcError> {
        let changes = self.0.filters.poll(&id, Instant::now())?;
        let render = move |_: &Node| match changes {
            Changes::Hashes(hashes) => json(&hashes),
            Changes::Logs(logs) => json(&logs.iter().map(|log| &log.log).collect::<Vec<_>>()),
            Changes::Transactions(found) => {
                let found: Vec<_> = found.iter().map(|tx| (tx.transaction(), tx.sender)).collect();
                json(&found.iter().map(|(tx, from)| TransactionJson::new(tx, *from, None)).collect::<Vec<_>>())
            }
        };
        self.0.blocking(render).await
    }

    async fn filter_logs(&self, id: String) -> Result<Json, RpcError> {
        let filter = self.0.filters.log_filter(&id, Instant::now())?;
        self.0.executing(move |node| node.logs_json(&filter)).await
    }

    fn uninstall_filter(&self, id: String) -> Result<bool, RpcError> {
        Ok(self.0.filters.remove(&id))
    }
}
