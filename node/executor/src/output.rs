//! What executing a block yields, and the header fields that must agree with it.

use atoll_primitives::{B256, Bloom, Hardfork, Header, Receipt, StateChanges, eips::eip7685::Requests};

/// What executing a block yields.
#[derive(Debug, Clone, Default)]
pub struct BlockOutput {
    /// One per transaction.
    pub receipts: Vec<Receipt>,
    /// New values of everything the block changed.
    pub changes: StateChanges,
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Blob gas of all transactions; zero before Cancun.
    pub blob_gas_used: u64,
    /// Requests to the consensus layer (EIP-7685), in order; empty before Prague.
    pub requests: Requests,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
}

impl BlockOutput {
    /// Root of the receipts' trie.
    pub fn receipts_root(&self) -> B256 {
        atoll_primitives::receipts_root(&self.receipts)
    }

    /// `requestsHash` of the header, for a block of this fork; `None` before Prague.
    pub fn requests_hash(&self, fork: Hardfork) -> Option<B256> {
        (fork >= Hardfork::Prague).then(|| self.requests.requests_hash())
    }
}

/// A header field that does not agree with the block's execution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputMismatch {
    /// `gasUsed`.
    #[error("invalid gas used: header {header}, execution {execution}")]
    GasUsed {
        /// What the header says.
        header: u64,
        /// What execution used.
        execution: u64,
    },
    /// `blobGasUsed` (EIP-4844).
    #[error("invalid blob gas used: header {header:?}, execution {execution}")]
    BlobGasUsed {
        /// What the header says.
        header: Option<u64>,
        /// What the transactions use.
        execution: u64,
    },
    /// `receiptsRoot`.
    #[error("invalid receipt root: header {header}, execution {execution}")]
    ReceiptsRoot {
        /// What the header says.
        header: B256,
        /// Root of the receipts.
        execution: B256,
    },
    /// `logsBloom`.
    #[error("invalid logs bloom: header {header}, execution {execution}")]
    LogsBloom {
        /// What the header says.
        header: Box<Bloom>,
        /// Union of the receipts' blooms.
        execution: Box<Bloom>,
    },
    /// `requestsHash` (EIP-7685).
    #[error("invalid requests hash: header {header:?}, execution {execution:?}")]
    RequestsHash {
        /// What the header says.
        header: Option<B256>,
        /// Hash of the requests; `None` before Prague.
        execution: Option<B256>,
    },
}

/// Checks every header field that execution determines, except the state root.
///
/// # Errors
/// The first field that does not agree.
pub fn validate_output(fork: Hardfork, header: &Header, output: &BlockOutput) -> Result<(), OutputMismatch> {
    gas_used(header, output)?;
    blob_gas_used(fork, header, output)?;
    receipts_root(header, output)?;
    logs_bloom(header, output)?;
    requests_hash(fork, header, output)
}

fn gas_used(header: &Header, output: &BlockOutput) -> Result<(), OutputMismatch> {
    if header.gas_used == output.gas_used {
        return Ok(());
    }
    Err(OutputMismatch::GasUsed { header: header.gas_used, execution: output.gas_used })
}

fn blob_gas_used(fork: Hardfork, header: &Header, output: &BlockOutput) -> Result<(), OutputMismatch> {
    if header.blob_gas_used == (fork >= Hardfork::Cancun).then_some(output.blob_gas_used) {
        return Ok(());
    }
    Err(OutputMismatch::BlobGasUsed { header: header.blob_gas_used, execution: output.blob_gas_used })
}

fn receipts_root(header: &Header, output: &BlockOutput) -> Result<(), OutputMismatch> {
    let execution = output.receipts_root();
    if header.receipts_root == execution {
        return Ok(());
    }
    Err(OutputMismatch::ReceiptsRoot { header: header.receipts_root, execution })
}

fn logs_bloom(header: &Header, output: &BlockOutput) -> Result<(), OutputMismatch> {
    if header.logs_bloom == output.logs_bloom {
        return Ok(());
    }
    Err(OutputMismatch::LogsBloom { header: Box::new(header.logs_bloom), execution: Box::new(output.logs_bloom) })
}

fn requests_hash(fork: Hardfork, header: &Header, output: &BlockOutput) -> Result<(), OutputMismatch> {
    let execution = output.requests_hash(fork);
    if header.requests_hash == execution {
        return Ok(());
    }
    Err(OutputMismatch::RequestsHash { header: header.requests_hash, execution })
}
