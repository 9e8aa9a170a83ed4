//! JSON shapes of blocks, transactions and receipts, borrowed from what storage holds: a block of a thousand
//! transactions is rendered without copying one. Requests and small answers use the shapes of `alloy-rpc-types`.

mod block;
mod log;
mod receipt;
mod transaction;

pub(crate) use block::{BlockJson, HeaderJson, UncleJson};
pub(crate) use log::{LogJson, block_logs};
pub(crate) use receipt::{ReceiptJson, receipt, receipts};
pub(crate) use transaction::{Placement, TransactionJson};
