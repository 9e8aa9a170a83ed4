//! A receipt as `eth_getTransactionReceipt` shows it.

use crate::block_id::BlockView;
use alloy_rpc_types_eth::Log;
use atoll_primitives::{
    Address, B256, Bloom, ChainSpec, Receipt, Transaction, TransactionExt as _, Typed2718 as _,
    consensus::{Eip658Value, TxReceipt as _},
};
use serde::Serialize;

/// A receipt with everything about its transaction and block.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptJson {
    #[serde(rename = "type", with = "alloy_serde::quantity")]
    tx_type: u8,
    transaction_hash: B256,
    #[serde(with = "alloy_serde::quantity")]
    transaction_index: u64,
    block_hash: Option<B256>,
    #[serde(with = "alloy_serde::quantity")]
    block_number: u64,
    from: Address,
    to: Option<Address>,
    contract_address: Option<Address>,
    #[serde(with = "alloy_serde::quantity")]
    gas_used: u64,
    #[serde(with = "alloy_serde::quantity")]
    cumulative_gas_used: u64,
    #[serde(with = "alloy_serde::quantity")]
    effective_gas_price: u128,
    logs: Vec<Log>,
    logs_bloom: Bloom,
    /// From Byzantium on (EIP-658).
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    status: Option<u64>,
    /// Before Byzantium: the state root after the transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    blob_gas_used: Option<u64>,
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    blob_gas_price: Option<u128>,
}

/// What a receipt needs to know of the ones before it.
struct Before {
    gas: u64,
    logs: u64,
}

/// All receipts of a block.
pub(crate) fn receipts(spec: &ChainSpec, view: &BlockView) -> Vec<ReceiptJson> {
    let mut before = Before { gas: 0, logs: 0 };
    let transactions = view.block.transactions().zip(view.receipts.iter()).enumerate();
    let render = |(index, ((transaction, from), receipt)): (usize, ((&Transaction, Address), &Receipt))| {
        let rendered = one(spec, view, index, transaction, from, receipt, &before);
        before = Before { gas: receipt.cumulative_gas_used(), logs: before.logs + receipt.logs().len() as u64 };
        rendered
    };
    transactions.map(render).collect()
}

/// The receipt of one transaction of a block; `None` when the block has no such transaction.
pub(crate) fn receipt(spec: &ChainSpec, view: &BlockView, index: usize) -> Option<ReceiptJson> {
    let (transaction, from) = view.block.transactions().nth(index)?;
    let (before, rest) = view.receipts.split_at_checked(index)?;
    let gas = before.last().map_or(0, |receipt| receipt.cumulative_gas_used());
    let logs = before.iter().map(|receipt| receipt.logs().len() as u64).sum();
    Some(one(spec, view, index, transaction, from, rest.first()?, &Before { gas, logs }))
}

fn one(
    spec: &ChainSpec,
    view: &BlockView,
    index: usize,
    transaction: &Transaction,
    from: Address,
    receipt: &Receipt,
    before: &Before,
) -> ReceiptJson {
    let header = view.block.header();
    let block_hash = (!view.pending).then_some(view.block.hash);
    let place = |(offset, log): (usize, &atoll_primitives::Log)| Log {
        inner: log.clone(),
        block_hash,
        block_number: Some(header.number),
        block_timestamp: Some(header.timestamp),
        transaction_hash: Some(*transaction.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(before.logs + offset as u64),
        removed: false,
    };
    let (status, root) = match receipt.status_or_post_state() {
        Eip658Value::Eip658(success) => (Some(u64::from(success)), None),
        Eip658Value::PostState(root) => (None, Some(root)),
    };
    let blob_gas_used = transaction.blob_gas_used();
    let blob_price = || Some(spec.blob_params(header.timestamp)?.calc_blob_fee(header.excess_blob_gas?));
    ReceiptJson {
        tx_type: transaction.ty(),
        transaction_hash: *transaction.tx_hash(),
        transaction_index: index as u64,
        block_hash,
        block_number: header.number,
        from,
        to: transaction.to(),
        contract_address: transaction.to().is_none().then(|| from.create(transaction.nonce())),
        gas_used: receipt.cumulative_gas_used().saturating_sub(before.gas),
        cumulative_gas_used: receipt.cumulative_gas_used(),
        effective_gas_price: transaction.effective_gas_price(header.base_fee_per_gas),
        logs: receipt.logs().iter().enumerate().map(place).collect(),
        logs_bloom: receipt.bloom(),
        status,
        root,
        blob_gas_used,
        blob_gas_price: blob_gas_used.and_then(|_| blob_price()),
    }
}
