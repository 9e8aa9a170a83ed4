//! Receipts as blocks commit to them.

use atoll_primitives::{
    Log, Receipt, Transaction,
    consensus::{Eip658Value, Receipt as ReceiptBody, ReceiptEnvelope},
};

/// The receipt of a transaction; `outcome` is its status, or the state root before Byzantium (EIP-658).
pub(crate) fn receipt(tx: &Transaction, outcome: Eip658Value, cumulative_gas_used: u64, logs: Vec<Log>) -> Receipt {
    let body = ReceiptBody { status: outcome, cumulative_gas_used, logs };
    ReceiptEnvelope::from_typed(tx.tx_type(), body.with_bloom())
}
