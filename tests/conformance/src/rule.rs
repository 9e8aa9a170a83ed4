//! The rules by which our code refuses a block or a transaction, told apart as the suites tell them apart. A rule that
//! an ommer's header breaks is that rule.

use atoll_chain::{ImportError, InvalidBlock};
use atoll_consensus::ConsensusError as E;
use atoll_executor::{ExecutionError, OutputMismatch, TxError};
use atoll_primitives::rlp;

/// A rule; the functions below say which variants of our errors stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Bytes that are no block or no transaction.
    Decode,
    /// They are none because a fee has more than 128 bits. Nobody can pay it, and the types of transactions that this
    /// node shares with the Rust clients do not hold it.
    WideFee,
    /// The parent is not known.
    UnknownParent,
    /// The timestamp is ahead of the clock.
    Future,
    /// The block was refused before.
    Known,
    /// The block's parent was refused before.
    RefusedParent,
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

/// Why the bytes of a transaction do not decode.
pub fn of_undecodable_transaction(bytes: &[u8]) -> Rule {
    if has_wide_fee(bytes).unwrap_or(false) { Rule::WideFee } else { Rule::Decode }
}

/// Why the bytes of a block do not decode.
pub fn of_undecodable_block(mut bytes: &[u8]) -> Rule {
    let mut transactions = || -> rlp::Result<bool> {
        let mut block = rlp::Header::decode_bytes(&mut bytes, true)?;
        rlp::Header::decode_bytes(&mut block, true)?;
        let mut list = rlp::Header::decode_bytes(&mut block, true)?;
        let mut wide = false;
        while let Some(first) = list.first() {
            let (whole, legacy) = (list, *first >= rlp::EMPTY_LIST_CODE);
            let content = rlp::Header::decode_bytes(&mut list, legacy)?;
            let encoded = if legacy { &whole[..whole.len() - list.len()] } else { content };
            wide |= has_wide_fee(encoded)?;
        }
        Ok(wide)
    };
    if transactions().unwrap_or(false) { Rule::WideFee } else { Rule::Decode }
}

/// Whether a field that holds a fee has more than 128 bits.
fn has_wide_fee(bytes: &[u8]) -> rlp::Result<bool> {
    let (mut rest, fees) = match bytes.first() {
        Some(1) => (&bytes[1..], 2..3),
        Some(2..=4) => (&bytes[1..], 2..4),
        _ => (bytes, 1..2),
    };
    let mut fields = rlp::Header::decode_bytes(&mut rest, true)?;
    let mut wide = false;
    for index in 0..fees.end {
        let field = rlp::Header::decode_bytes(&mut fields, false)?;
        wide |= fees.contains(&index) && field.len() > 16;
    }
    Ok(wide)
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
        InvalidBlock::Known => Rule::Known,
        InvalidBlock::Parent { .. } => Rule::RefusedParent,
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
        E::InvalidOmmer { source, .. } => of_consensus(source),
        _ => Rule::Internal,
    }
}
