//! From a JSON-RPC transaction request to a transaction, with the defaults geth gives a call.

use super::CallError;
use alloy_evm::EvmEnv;
use alloy_rpc_types_eth::TransactionRequest;
use atoll_primitives::{Bytes, primitives::TxKind};
use revm::{context::TxEnv, context_interface::either::Either, primitives::hardfork::SpecId};

/// Gas of a call that names none while there is no cap: geth's `math.MaxUint64 / 2`.
const UNCAPPED_GAS: u64 = u64::MAX / 2;

fn invalid<T>(reason: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::Request(reason.into()))
}

/// The transaction of a call. Gas above the cap is lowered to it, silently, as in geth.
pub(crate) fn transaction(request: &TransactionRequest, env: &EvmEnv, gas_cap: u64) -> Result<TxEnv, CallError> {
    let fees = fees(request, env)?;
    check_blobs(request)?;
    let chain_id = env.cfg_env.chain_id;
    if let Some(have) = request.chain_id
        && have != chain_id
    {
        return invalid(format!("chainId does not match node's (have={have}, want={chain_id})"));
    }
    let cap = if gas_cap == 0 { UNCAPPED_GAS } else { gas_cap };
    let authorizations = request.authorization_list.clone().unwrap_or_default();
    let mut tx = TxEnv {
        tx_type: 0,
        caller: request.from.unwrap_or_default(),
        gas_limit: request.gas.unwrap_or(cap).min(cap),
        gas_price: fees.max_fee,
        gas_priority_fee: fees.tip,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: input(request)?,
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: request.access_list.clone().unwrap_or_default(),
        blob_hashes: request.blob_versioned_hashes.clone().unwrap_or_default(),
        max_fee_per_blob_gas: request.max_fee_per_blob_gas.unwrap_or_default(),
        authorization_list: authorizations.into_iter().map(Either::Left).collect(),
    };
    tx.tx_type = tx_type(request, &tx);
    Ok(tx)
}

/// Whether the call sees a blob base fee of zero, as in geth: it is offered none, and has blobs or says so.
pub(crate) fn waives_blob_fee(request: &TransactionRequest) -> bool {
    request.max_fee_per_blob_gas.map_or(request.blob_versioned_hashes.is_some(), |fee| fee == 0)
}

/// The least type that can carry the request's fields.
fn tx_type(request: &TransactionRequest, tx: &TxEnv) -> u8 {
    if request.authorization_list.is_some() {
        4
    } else if !tx.blob_hashes.is_empty() {
        3
    } else if tx.gas_priority_fee.is_some() {
        2
    } else if request.access_list.is_some() {
        1
    } else {
        0
    }
}

fn input(request: &TransactionRequest) -> Result<Bytes, CallError> {
    match (&request.input.input, &request.input.data) {
        (Some(input), Some(data)) if input != data => invalid(
            r#"both "data" and "input" are set and not equal. Please use "input" to pass transaction call data"#,
        ),
        (Some(bytes), _) | (None, Some(bytes)) => Ok(bytes.clone()),
        (None, None) => Ok(Bytes::new()),
    }
}

struct Fees {
    max_fee: u128,
    tip: Option<u128>,
}

fn fees(request: &TransactionRequest, env: &EvmEnv) -> Result<Fees, CallError> {
    let (max_fee, tip) = (request.max_fee_per_gas, request.max_priority_fee_per_gas);
    if request.gas_price.is_some() && (max_fee.is_some() || tip.is_some()) {
        return invalid("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    }
    let london = env.cfg_env.spec.is_enabled_in(SpecId::LONDON);
    // Types that postdate London always carry a tip; a request without any fee counts as legacy.
    let dynamic = max_fee.is_some()
        || tip.is_some()
        || request.authorization_list.is_some()
        || request.blob_versioned_hashes.is_some();
    if let Some(price) = request.gas_price {
        return Ok(Fees { max_fee: price, tip: None });
    }
    if !(london && dynamic) {
        return Ok(Fees { max_fee: 0, tip: None });
    }
    Ok(Fees { max_fee: max_fee.unwrap_or_default(), tip: Some(tip.unwrap_or_default()) })
}

fn check_blobs(request: &TransactionRequest) -> Result<(), CallError> {
    match &request.blob_versioned_hashes {
        Some(hashes) if hashes.is_empty() => invalid("need at least 1 blob for a blob transaction"),
        Some(_) if !matches!(request.to, Some(TxKind::Call(_))) => invalid(r#"missing "to" in blob transaction"#),
        _ => Ok(()),
    }
}
