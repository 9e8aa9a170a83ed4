//! Logs with their place in the chain.

use alloy_rpc_types_eth::Log;
use atoll_primitives::{Receipt, RecoveredBlock};

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
