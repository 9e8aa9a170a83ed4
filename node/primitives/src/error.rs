//! Errors of reading a genesis file and of recovering senders.

use alloy_primitives::B256;

/// Why a genesis file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The text is not JSON, or a field has the wrong type; `source` names the line, column and field.
    #[error("the genesis file is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A field is present and has a value the chain cannot start from.
    #[error("genesis field `{field}`: {reason}")]
    Field {
        /// Path of the field, such as `config.ethash.blockTime`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl GenesisError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}

/// A transaction whose signature yields no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("transaction {hash} (index {index}) has an invalid signature")]
pub struct RecoveryError {
    /// Its position in the block or batch.
    pub index: usize,
    /// Its hash.
    pub hash: B256,
}
