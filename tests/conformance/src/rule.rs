//! The rules by which our code refuses a block or a transaction, told apart as the suites tell them apart.

use atoll_chain::{ImportError, InvalidBlock};
use atoll_consensus::ConsensusError as E;
use atoll_executor::{ExecutionError, OutputMismatch, TxError};

/// A rule, and the variant of our errors that stands for it. [`Rule::Ommer`] wraps a header rule in its variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Bytes that are no block or no transaction.
    Decode,
    /// The parent is not known.
    UnknownParent,
    /// The timestamp is ahead of the clock.
    Future,
    /// The block, or its parent, was refused before.
    RefusedBefore,
    ParentHash,
    Number,
    Timestamp,
    ExtraData,
    DaoExtraData,
    Difficulty,
    GasLimitBounds,
    GasLimitTooHigh,
    GasLimitStep,
    GasUsedAboveLimit,
    BaseFee,
    FieldMissing,
    FieldTooEarly,
    ExcessBlobGas,
    BlobGasAboveLimit,
    BlobGasMultiple,
    ParentBeaconRoot,
    WorkAfterMerge,
    MergedTooEarly,
    MergedDifficulty,
    MergedNonce,
    MergedOmmers,
    Seal,
    TransactionsRoot,
    OmmersHash,
    WithdrawalsRoot,
    BlockSize,
    BlobGasUsed,
    TooManyOmmers,
    DuplicateOmmer,
    OmmerIsAncestor,
    OmmerDangling,
    /// A header rule broken by an ommer.
    Ommer,
    Signature,
    StateRoot,
    GasUsed,
    ReceiptsRoot,
    LogsBloom,
    RequestsHash,
    SystemContractMissing,
    SystemContractFailed,
    DepositLog,
    ChainId,
    TypeNotSupported,
    NonceTooLow,
    NonceTooHigh,
    NonceMax,
    SenderNotEoa,
    Funds,
    CostOverflow,
    IntrinsicGas,
    FloorDataGas,
    BlockGasReached,
    TxGasCap,
    FeeCap,
    TipAboveFeeCap,
    InitCodeSize,
    BlobFeeCap,
    NoBlobs,
    BlobCreate,
    TooManyBlobs,
    BlobVersion,
    BlobGasReached,
    NoAuthorizations,
    /// A transaction whose fields do not fit its type.
    Malformed,
    /// Not a rule: this node is at fault.
    Internal,
}

/// The rule an import broke.
pub fn of_import(error: &ImportError) -> Rule {
    match error {
        ImportError::UnknownParent { .. } => Rule::UnknownParent,
        ImportError::Future { .. } => Rule::Future,
        ImportError::Invalid { reason, .. } => of_block(reason),
        _ => Rule::Internal,
    }
}

fn of_block(reason: &InvalidBlock) -> Rule {
    match reason {
        InvalidBlock::Known | InvalidBlock::Parent { .. } => Rule::RefusedBefore,
        InvalidBlock::Consensus(error) => of_consensus(error),
        InvalidBlock::Signature(_) => Rule::Signature,
        InvalidBlock::Execution(error) => of_execution(error),
        InvalidBlock::Output(mismatch) => match mismatch {
            OutputMismatch::GasUsed { .. } => Rule::GasUsed,
            OutputMismatch::BlobGasUsed { .. } => Rule::BlobGasUsed,
            OutputMismatch::ReceiptsRoot { .. } => Rule::ReceiptsRoot,
            OutputMismatch::LogsBloom { .. } => Rule::LogsBloom,
            OutputMismatch::RequestsHash { .. } => Rule::RequestsHash,
        },
        InvalidBlock::StateRoot { .. } => Rule::StateRoot,
    }
}

fn of_execution(error: &ExecutionError) -> Rule {
    match error {
        ExecutionError::Transaction { source, .. } => of_transaction(source),
        ExecutionError::MissingHeaderField { .. } => Rule::FieldMissing,
        ExecutionError::SystemContractMissing { .. } => Rule::SystemContractMissing,
        ExecutionError::SystemContractFailed { .. } => Rule::SystemContractFailed,
        ExecutionError::DepositLog { .. } => Rule::DepositLog,
        _ => Rule::Internal,
    }
}

/// The rule a transaction broke.
pub fn of_transaction(error: &TxError) -> Rule {
    match error {
        TxError::InvalidSignature => Rule::Signature,
        TxError::ChainId { .. } => Rule::ChainId,
        TxError::TypeNotSupported { .. } => Rule::TypeNotSupported,
        TxError::NonceTooLow { .. } => Rule::NonceTooLow,
        TxError::NonceTooHigh { .. } => Rule::NonceTooHigh,
        TxError::NonceMax { .. } => Rule::NonceMax,
        TxError::SenderNotEoa { .. } => Rule::SenderNotEoa,
        TxError::InsufficientFunds { .. } => Rule::Funds,
        TxError::CostOverflow { .. } => Rule::CostOverflow,
        TxError::IntrinsicGas { .. } => Rule::IntrinsicGas,
        TxError::FloorDataGas { .. } => Rule::FloorDataGas,
        TxError::GasLimitReached { .. } => Rule::BlockGasReached,
        TxError::GasLimitTooHigh { .. } => Rule::TxGasCap,
        TxError::FeeCapTooLow { .. } => Rule::FeeCap,
        TxError::TipAboveFeeCap { .. } => Rule::TipAboveFeeCap,
        TxError::InitCodeSize { .. } => Rule::InitCodeSize,
        TxError::BlobFeeCapTooLow { .. } => Rule::BlobFeeCap,
        TxError::MissingBlobHashes => Rule::NoBlobs,
        TxError::BlobCreate => Rule::BlobCreate,
        TxError::TooManyBlobs { .. } => Rule::TooManyBlobs,
        TxError::BlobVersion => Rule::BlobVersion,
        TxError::BlobGasLimitReached { .. } => Rule::BlobGasReached,
        TxError::BlockSizeReached { .. } => Rule::BlockSize,
        TxError::EmptyAuthorizationList { .. } => Rule::NoAuthorizations,
        TxError::Malformed(_) => Rule::Malformed,
    }
}

/// The rule a header, seal or body broke.
pub fn of_consensus(error: &E) -> Rule {
    match error {
        E::MissingAncestor { .. } => Rule::UnknownParent,
        E::ParentHash { .. } => Rule::ParentHash,
        E::Number { .. } => Rule::Number,
        E::Timestamp { .. } => Rule::Timestamp,
        E::Future { .. } => Rule::Future,
        E::ExtraData { .. } => Rule::ExtraData,
        E::DaoExtraData { .. } | E::DaoRefused { .. } => Rule::DaoExtraData,
        E::Difficulty { .. } => Rule::Difficulty,
        E::GasLimitTooLow { .. } => Rule::GasLimitBounds,
        E::GasLimitTooHigh { .. } => Rule::GasLimitTooHigh,
        E::GasLimitStep { .. } => Rule::GasLimitStep,
        E::GasUsed { .. } => Rule::GasUsedAboveLimit,
        E::BaseFee { .. } => Rule::BaseFee,
        E::FieldMissing { .. } => Rule::FieldMissing,
        E::FieldTooEarly { .. } | E::Withdrawals { .. } => Rule::FieldTooEarly,
        E::ExcessBlobGas { .. } => Rule::ExcessBlobGas,
        E::BlobGasUsed { .. } => Rule::BlobGasAboveLimit,
        E::BlobGasMultiple { .. } => Rule::BlobGasMultiple,
        E::ParentBeaconRoot { .. } => Rule::ParentBeaconRoot,
        E::WorkAfterMerge { .. } => Rule::WorkAfterMerge,
        E::MergedTooEarly { .. } => Rule::MergedTooEarly,
        E::MergedDifficulty { .. } => Rule::MergedDifficulty,
        E::MergedNonce { .. } => Rule::MergedNonce,
        E::MergedOmmers { .. } => Rule::MergedOmmers,
        E::ZeroDifficulty | E::EpochTooHigh { .. } | E::MixHash { .. } | E::InsufficientWork { .. } => Rule::Seal,
        E::TransactionsRoot { .. } => Rule::TransactionsRoot,
        E::OmmersHash { .. } => Rule::OmmersHash,
        E::WithdrawalsRoot { .. } => Rule::WithdrawalsRoot,
        E::BlockSize { .. } => Rule::BlockSize,
        E::BlobGasMismatch { .. } => Rule::BlobGasUsed,
        E::TooManyOmmers { .. } => Rule::TooManyOmmers,
        E::DuplicateOmmer { .. } => Rule::DuplicateOmmer,
        E::OmmerIsAncestor { .. } => Rule::OmmerIsAncestor,
        E::OmmerDangling { .. } => Rule::OmmerDangling,
        E::InvalidOmmer { .. } => Rule::Ommer,
        _ => Rule::Internal,
    }
}
