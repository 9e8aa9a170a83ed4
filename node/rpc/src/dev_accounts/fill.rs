//! What a transaction request leaves out: nonce, fees, gas, chain ID.

use crate::{
    RpcError,
    context::{Json, Node, json},
};
use alloy_rpc_types_eth::{BlockId, TransactionRequest};
use alloy_signer::SignerSync as _;
use atoll_primitives::{
    Address, Bytes, PooledTransaction, U256,
    consensus::{SignableTransaction as _, TxEnvelope, TxLegacy, TypedTransaction},
    eip2718::Encodable2718 as _,
    keccak256,
    primitives::Signature,
};
use serde::Serialize;

/// What `eth_fillTransaction` answers, as geth does: the transaction, and its encoding with a signature of zeros.
#[derive(Serialize)]
struct Filled {
    raw: Bytes,
    tx: serde_json::Value,
}

/// A tip cap leaves room for the base fee to double (geth).
const BASE_FEE_HEADROOM: u128 = 2;

impl Node {
    /// The request with everything it needs to be signed.
    pub(super) fn fill(&self, from: Address, mut request: TransactionRequest) -> Result<TransactionRequest, RpcError> {
        let want = self.spec.chain_id;
        match request.chain_id {
            Some(have) if have != want => {
                let reason = format!("chainId does not match node's (have={have}, want={want})");
                return Err(RpcError::InvalidTransaction(reason));
            }
            _ => request.chain_id = Some(want),
        }
        request.from = Some(from);
        request.normalize_input();
        if request.to.is_none() {
            if request.input.input().is_none_or(|input| input.is_empty()) {
                return Err(RpcError::InvalidTransaction("contract creation without any data provided".to_owned()));
            }
            request.to = Some(atoll_primitives::primitives::TxKind::Create);
        }
        self.fill_fees(&mut request)?;
        if request.nonce.is_none() {
            request.nonce = Some(self.pool.pending_nonce(&from));
        }
        if request.gas.is_none() {
            request.gas = Some(self.estimate(&request, Some(BlockId::pending()), None, None, self.call_limits())?);
        }
        Ok(request)
    }

    /// The request with everything it needs to be signed, as a transaction without a signature.
    pub(crate) fn filled(&self, request: TransactionRequest) -> Result<Json, RpcError> {
        let request = self.fill(request.from.unwrap_or_default(), request)?;
        let unsigned = request.build_typed_tx();
        let unsigned = unsigned.map_err(|_| RpcError::InvalidTransaction("fields of several types".to_owned()))?;
        let none = Signature::new(U256::ZERO, U256::ZERO, false);
        let envelope = unsigned.clone().into_envelope(none);
        let (raw, hash): (Bytes, _) = match &unsigned {
            TypedTransaction::Legacy(tx) => {
                // Three zeros where the signature will be: what EIP-155 has signed, for a chain ID of zero.
                let raw = TxLegacy { chain_id: Some(0), ..tx.clone() }.encoded_for_signing();
                let hash = keccak256(&raw);
                (raw.into(), hash)
            }
            _ => (envelope.encoded_2718().into(), *envelope.tx_hash()),
        };
        let tx = serde_json::to_value(envelope);
        let mut tx = tx.map_err(|_| RpcError::Internal("an answer could not be rendered"))?;
        tx["hash"] = hash.to_string().into();
        for number in ["v", "r", "s"] {
            tx[number] = "0x0".into();
        }
        json(&Filled { raw, tx })
    }

    fn fill_fees(&self, request: &mut TransactionRequest) -> Result<(), RpcError> {
        if request.gas_price.is_some() {
            return Ok(());
        }
        let head = self.head();
        let Some(base_fee) = self.spec.next_base_fee(&head.header, head.timestamp + 1) else {
            request.gas_price = Some(self.gas_price()?);
            return Ok(());
        };
        let cap = request.max_fee_per_gas;
        let tip = match request.max_priority_fee_per_gas {
            Some(tip) => tip,
            // A suggestion must not exceed the cap the caller gave.
            None => self.suggested_tip()?.min(cap.unwrap_or(u128::MAX)),
        };
        let cap = cap.unwrap_or_else(|| tip.saturating_add(u128::from(base_fee).saturating_mul(BASE_FEE_HEADROOM)));
        if cap < tip {
            let reason = format!("maxFeePerGas ({cap}) < maxPriorityFeePerGas ({tip})");
            return Err(RpcError::InvalidTransaction(reason));
        }
        (request.max_fee_per_gas, request.max_priority_fee_per_gas) = (Some(cap), Some(tip));
        Ok(())
    }

    /// Fills and signs.
    pub(super) fn sign(&self, from: Address, request: TransactionRequest) -> Result<PooledTransaction, RpcError> {
        let signer = &self.accounts.get(from)?.signer;
        let request = self.fill(from, request)?;
        let unsigned = request.build_typed_tx();
        let unsigned = unsigned.map_err(|_| RpcError::InvalidTransaction("fields of several types".to_owned()))?;
        let signature = signer.sign_hash_sync(&unsigned.signature_hash());
        let signature = signature.map_err(|error| RpcError::Signing(error.to_string()))?;
        let signed: TxEnvelope = unsigned.into_envelope(signature);
        PooledTransaction::try_from(signed)
            .map_err(|_| RpcError::InvalidTransaction("missing sidecar of blob transaction".to_owned()))
    }
}
