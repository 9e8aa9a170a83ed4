//! A transaction as `eth_getTransactionByHash` shows it.

use atoll_primitives::{Address, B256, Header, Transaction, TransactionExt as _};
use serde::Serialize;

/// A transaction with its place in a block; no place while it is in the pool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionJson<'a> {
    #[serde(flatten)]
    transaction: &'a Transaction,
    from: Address,
    block_hash: Option<B256>,
    #[serde(with = "alloy_serde::quantity::opt")]
    block_number: Option<u64>,
    #[serde(with = "alloy_serde::quantity::opt")]
    block_timestamp: Option<u64>,
    #[serde(with = "alloy_serde::quantity::opt")]
    transaction_index: Option<u64>,
    /// Types without a price of their own show what they pay; in the pool, the most they would pay (geth).
    #[serde(with = "alloy_serde::quantity::opt", skip_serializing_if = "Option::is_none")]
    gas_price: Option<u128>,
}

/// Where a transaction stands.
#[derive(Clone, Copy)]
pub(crate) struct Placement<'a> {
    /// `None` in the pending block.
    pub(crate) hash: Option<B256>,
    pub(crate) header: &'a Header,
    pub(crate) index: usize,
}

impl<'a> TransactionJson<'a> {
    /// In a block, or in the pool.
    pub(crate) fn new(transaction: &'a Transaction, from: Address, place: Option<Placement<'_>>) -> Self {
        let base_fee = place.and_then(|place| place.header.base_fee_per_gas);
        let price = match place {
            Some(_) => transaction.effective_gas_price(base_fee),
            None => transaction.max_fee_per_gas(),
        };
        Self {
            transaction,
            from,
            block_hash: place.and_then(|place| place.hash),
            block_number: place.map(|place| place.header.number),
            block_timestamp: place.map(|place| place.header.timestamp),
            transaction_index: place.map(|place| place.index as u64),
            gas_price: transaction.gas_price().is_none().then_some(price),
        }
    }
}
