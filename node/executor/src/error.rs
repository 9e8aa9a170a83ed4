//! Errors of executing a block.

use crate::TxError;
use atoll_primitives::{Address, B256};

/// The error of a database or callback that a caller handed in.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a block could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// A transaction that may not stand in this block.
    #[error("transaction {index} ({hash}) is not valid in block {block}")]
    Transaction {
        /// Number of the block.
        block: u64,
        /// Its position in the block.
        index: usize,
        /// Its hash.
        hash: B256,
        /// The rule it breaks.
        source: Box<TxError>,
    },
    /// The header lacks a field that its fork requires for execution.
    #[error("header {block} lacks `{field}`, required since {since}")]
    MissingHeaderField {
        /// Number of the block.
        block: u64,
        /// The field.
        field: &'static str,
        /// The fork that requires it.
        since: &'static str,
    },
    /// A system contract that the block must call has no code (EIP-7002, EIP-7251).
    #[error("system contract {address} has no code in block {block}")]
    SystemContractMissing {
        /// Number of the block.
        block: u64,
        /// The contract.
        address: Address,
    },
    /// A system contract that must succeed did not (EIP-7002, EIP-7251).
    #[error("call of system contract {address} failed in block {block}: {reason}")]
    SystemContractFailed {
        /// Number of the block.
        block: u64,
        /// The contract.
        address: Address,
        /// Revert or halt.
        reason: String,
    },
    /// A log of the deposit contract whose data is not laid out as EIP-6110 demands.
    #[error("deposit log in block {block} is malformed ({len} bytes of data)")]
    DepositLog {
        /// Number of the block.
        block: u64,
        /// Length of the log's data.
        len: usize,
    },
    /// Pre-Byzantium receipts need the state root after each transaction, and the caller gave no way to compute it.
    #[error("block {block} is before Byzantium: its receipts need intermediate state roots")]
    NoIntermediateRoot {
        /// Number of the block.
        block: u64,
    },
    /// The caller's function for intermediate state roots failed.
    #[error("intermediate state root could not be computed")]
    IntermediateRoot(#[source] BoxError),
    /// The state could not be read: not the block's fault.
    #[error("state could not be read")]
    Database(#[source] BoxError),
}

impl ExecutionError {
    /// Whether the block is at fault, as opposed to this node's storage.
    pub fn is_invalid_block(&self) -> bool {
        !matches!(self, Self::Database(_) | Self::IntermediateRoot(_) | Self::NoIntermediateRoot { .. })
    }
}
