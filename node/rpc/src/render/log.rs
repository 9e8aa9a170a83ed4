//! Logs with their place in the chain.

use alloy_rpc_types_eth::Log;
use atoll_primitives::{Address, B256, Bytes, Receipt, RecoveredBlock, U64};
use atoll_storage::BlockLogs;
use serde::Serialize;

/// All logs of a block in order; `removed` when a reorganisation took the block out.
pub(crate) fn block_logs<'a>(
    block: &'a RecoveredBlock,
    receipts: &'a [Receipt],
    removed: bool,
) -> impl Iterator<Item = Log> + 'a {
    let header = block.header();
    let (number, timestamp) = (header.number, header.timestamp);
    let transactions = block.block.body.transactions.iter().zip(receipts).enumerate();
    let logs = transactions
        .flat_map(|(index, (transaction, receipt))| receipt.logs().iter().map(move |log| (index, transaction, log)));
    logs.enumerate().map(move |(log_index, (index, transaction, log))| Log {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(number),
        block_timestamp: Some(timestamp),
        transaction_hash: Some(*transaction.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(log_index as u64),
        removed,
    })
}

/// A log with its place, nothing copied.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogJson<'a> {
    address: Address,
    topics: &'a [B256],
    data: &'a Bytes,
    block_number: U64,
    block_timestamp: U64,
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    log_index: U64,
    removed: bool,
}

impl<'a> LogJson<'a> {
    /// Those of one block, in order.
    pub(crate) fn of(block: &'a BlockLogs) -> impl Iterator<Item = Self> {
        block.logs.iter().map(|found| Self {
            address: found.log.address,
            topics: found.log.topics(),
            data: &found.log.data.data,
            block_number: U64::from(block.number),
            block_timestamp: U64::from(block.timestamp),
            transaction_hash: found.transaction_hash,
            transaction_index: U64::from(found.transaction_index),
            block_hash: block.hash,
            log_index: U64::from(found.log_index),
            removed: false,
        })
    }
}
