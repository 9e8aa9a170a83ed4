//! A simulated transaction: from a request to what the EVM runs and what the block holds.

use super::SimulateError;
use crate::call::request;
use alloy_evm::EvmEnv;
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{
    Address, Bytes, Transaction, U256,
    consensus::{Signed, TxEip1559, TxEip4844, TxEip7702, TxLegacy},
    eip2718::Encodable2718,
    keccak256,
    primitives::{Signature, TxKind},
    rlp::{Encodable, Header as RlpHeader},
};
use revm::context::TxEnv;

/// A transaction without a signature.
pub(super) struct Unsigned {
    /// What the EVM runs.
    pub(super) env: TxEnv,
    /// What the block holds.
    pub(super) transaction: Transaction,
    /// Its encoding. A legacy one differs from `transaction`'s, which can have no `v` of zero.
    pub(super) encoded: Bytes,
}

/// What is left for a call that says nothing itself.
pub(super) struct Defaults {
    /// The sender's next nonce.
    pub(super) nonce: u64,
    /// Gas left in the block.
    pub(super) gas: u64,
    /// Gas left for the whole simulation: more is lowered to it.
    pub(super) gas_cap: u64,
    /// Whether blocks have base fees: transactions are of type 2 then, unless something else is asked for.
    pub(super) london: bool,
}

/// Fills in what the request leaves out.
pub(super) fn prepare(
    mut request: TransactionRequest,
    env: &EvmEnv,
    defaults: &Defaults,
) -> Result<Unsigned, SimulateError> {
    let nonce = *request.nonce.get_or_insert(defaults.nonce);
    request.gas.get_or_insert(defaults.gas);
    let tx_env = request::transaction(&request, env, defaults.gas_cap)?;
    let (transaction, encoded) = assemble(&request, &tx_env, nonce, defaults.london)?;
    Ok(Unsigned { env: tx_env, transaction, encoded })
}

/// Legacy if it names a gas price, else the least type from 2 on that can carry it, as geth chooses.
fn assemble(
    request: &TransactionRequest,
    env: &TxEnv,
    nonce: u64,
    london: bool,
) -> Result<(Transaction, Bytes), SimulateError> {
    let chain_id = env.chain_id.unwrap_or_default();
    let (gas_limit, value, input) = (env.gas_limit, env.value, env.data.clone());
    let (max_fee_per_gas, max_priority_fee_per_gas) = (env.gas_price, env.gas_priority_fee.unwrap_or_default());
    if request.gas_price.is_some() || !london {
        let gas_price = env.gas_price;
        return Ok(legacy(TxLegacy { chain_id: None, nonce, gas_price, gas_limit, to: env.kind, value, input }));
    }
    let access_list = env.access_list.clone();
    let to = || match env.kind {
        TxKind::Call(to) => Ok(to),
        TxKind::Create => Err(SimulateError::Request("a transaction of this type cannot create a contract".into())),
    };
    Ok(if let Some(authorization_list) = request.authorization_list.clone() {
        typed(TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: to()?,
            value,
            access_list,
            authorization_list,
            input,
        })
    } else if let Some(blob_versioned_hashes) = request.blob_versioned_hashes.clone() {
        let max_fee_per_blob_gas = env.max_fee_per_blob_gas;
        typed(TxEip4844 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: to()?,
            value,
            access_list,
            blob_versioned_hashes,
            max_fee_per_blob_gas,
            input,
        })
    } else {
        let to = env.kind;
        typed(TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            input,
        })
    })
}

fn signature() -> Signature {
    Signature::new(U256::ZERO, U256::ZERO, false)
}

fn typed<T>(tx: T) -> (Transaction, Bytes)
where
    T: atoll_primitives::consensus::SignableTransaction<Signature>,
    Signed<T>: Into<Transaction>,
    T: atoll_primitives::consensus::transaction::RlpEcdsaEncodableTx,
{
    let transaction: Transaction = tx.into_signed(signature()).into();
    let encoded = transaction.encoded_2718().into();
    (transaction, encoded)
}

/// The hash is that of the encoding with `v`, `r` and `s` of zero.
fn legacy(tx: TxLegacy) -> (Transaction, Bytes) {
    let zero = U256::ZERO;
    let fields: [&dyn Encodable; 9] =
        [&tx.nonce, &tx.gas_price, &tx.gas_limit, &tx.to, &tx.value, &tx.input, &zero, &zero, &zero];
    let payload_length = fields.iter().map(|field| field.length()).sum();
    let mut out = Vec::with_capacity(payload_length + 9);
    RlpHeader { list: true, payload_length }.encode(&mut out);
    fields.iter().for_each(|field| field.encode(&mut out));
    let hash = keccak256(&out);
    (Signed::new_unchecked(tx, signature(), hash).into(), out.into())
}

/// Who sends it.
pub(super) fn sender(request: &TransactionRequest) -> Address {
    request.from.unwrap_or_default()
}
