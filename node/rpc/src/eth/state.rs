//! Balances, nonces, code, storage and proofs.

use crate::{RpcError, context::Node};
use alloy_rpc_types_eth::{BlockId, EIP1186AccountProofResponse, EIP1186StorageProof, StorageValuesRequest};
use alloy_serde::JsonStorageKey;
use atoll_primitives::{Address, B256, Bytes, U256};
use std::collections::BTreeMap;

/// Storage slots one request may read (geth).
const MAX_SLOTS: usize = 1024;

impl Node {
    pub(super) fn balance(&self, address: &Address, block: Option<BlockId>) -> Result<U256, RpcError> {
        Ok(self.state(block)?.account(address)?.map_or(U256::ZERO, |account| account.balance))
    }

    /// On "pending" the pool knows better than any block: it holds what the next blocks will hold.
    pub(super) fn nonce(&self, address: &Address, block: Option<BlockId>) -> Result<u64, RpcError> {
        if block == Some(BlockId::pending()) {
            return Ok(self.pool.pending_nonce(address));
        }
        Ok(self.state(block)?.account(address)?.map_or(0, |account| account.nonce))
    }

    pub(super) fn code(&self, address: &Address, block: Option<BlockId>) -> Result<Bytes, RpcError> {
        let state = self.state(block)?;
        match state.account(address)?.filter(|account| account.has_code()) {
            Some(account) => state.code(&account.code_hash),
            None => Ok(Bytes::new()),
        }
    }

    pub(super) fn storage_at(&self, address: &Address, slot: U256, block: Option<BlockId>) -> Result<B256, RpcError> {
        self.state(block)?.slot(address, &slot).map(B256::from)
    }

    pub(super) fn storage_values(
        &self,
        request: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
        match request.0.values().map(Vec::len).sum() {
            0usize => return Err(RpcError::EmptyRequest),
            count if count > MAX_SLOTS => return Err(RpcError::TooManySlots { limit: MAX_SLOTS }),
            _ => {}
        }
        let state = self.state(block)?;
        let mut values = BTreeMap::new();
        for (address, slots) in request.0 {
            let read = |slot: B256| state.slot(&address, &slot.into()).map(B256::from);
            values.insert(address, slots.into_iter().map(read).collect::<Result<_, _>>()?);
        }
        Ok(values)
    }

    pub(super) fn proof(
        &self,
        address: Address,
        keys: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> Result<EIP1186AccountProofResponse, RpcError> {
        if keys.len() > MAX_SLOTS {
            return Err(RpcError::TooManySlots { limit: MAX_SLOTS });
        }
        let state = self.state(block)?;
        let slots: Vec<U256> = keys.iter().map(|key| key.as_b256().into()).collect();
        let proof = state.view.proof(&address, &slots)?;
        let account = proof.account.unwrap_or_default();
        let storage = keys.into_iter().zip(proof.storage);
        Ok(EIP1186AccountProofResponse {
            address,
            balance: account.balance,
            code_hash: account.code_hash,
            nonce: account.nonce,
            storage_hash: proof.storage_root,
            account_proof: proof.account_proof,
            storage_proof: storage
                .map(|(key, slot)| EIP1186StorageProof { key, value: slot.value, proof: slot.proof })
                .collect(),
        })
    }
}
