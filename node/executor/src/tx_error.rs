//! Why a transaction may not stand in a block, in geth's words.

use atoll_primitives::{Address, U256};
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{Block, Cfg, result::InvalidTransaction},
};

/// What a block builder does after a transaction was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Go on with the sender's next transaction.
    Transaction,
    /// Leave out all transactions of this sender: the next ones depend on this one.
    Sender,
    /// No transaction fits any more.
    BlockFull,
}

/// A transaction that may not stand in a block at this point, with the offending values. Amounts are in wei.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message names every field")]
pub enum TxError {
    /// EIP-2 (high s) or an EIP-155 signature before its fork.
    #[error("invalid transaction v, r, s values")]
    InvalidSignature,
    #[error("invalid chain id for signer: have {have:?} want {want}")]
    ChainId { have: Option<u64>, want: u64 },
    #[error("transaction type not supported: type {tx_type} at this fork")]
    TypeNotSupported { tx_type: u8 },
    #[error("nonce too low: next nonce {next}, tx nonce {tx}")]
    NonceTooLow { next: u64, tx: u64 },
    #[error("nonce too high: next nonce {next}, tx nonce {tx}")]
    NonceTooHigh { next: u64, tx: u64 },
    /// EIP-2681.
    #[error("nonce has max value: address {address}, nonce: {nonce}")]
    NonceMax { address: Address, nonce: u64 },
    /// EIP-3607.
    #[error("sender not an eoa: address {address}")]
    SenderNotEoa { address: Address },
    #[error("insufficient funds for gas * price + value: address {address} have {have} want {want}")]
    InsufficientFunds { address: Address, have: U256, want: U256 },
    #[error("gas uint64 overflow: gas {gas} at price {price}")]
    CostOverflow { gas: u64, price: u128 },
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas { have: u64, want: u64 },
    /// EIP-7623.
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorDataGas { have: u64, want: u64 },
    #[error("gas limit reached: block has {available} left, tx wants {wanted}")]
    GasLimitReached { available: u64, wanted: u64 },
    /// EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh { cap: u64, gas: u64 },
    #[error(
        "max fee per gas less than block base fee: address {address}, maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    FeeCapTooLow { address: Address, max_fee: u128, base_fee: u64 },
    #[error(
        "max priority fee per gas higher than max fee per gas: address {address}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    )]
    TipAboveFeeCap { address: Address, tip: u128, max_fee: u128 },
    /// EIP-3860.
    #[error("max initcode size exceeded: code size {size} limit {limit}")]
    InitCodeSize { size: usize, limit: usize },
    #[error(
        "max fee per blob gas less than block blob gas fee: address {address} blobGasFeeCap: {max_fee}, blobBaseFee: {blob_fee}"
    )]
    BlobFeeCapTooLow { address: Address, max_fee: u128, blob_fee: u128 },
    #[error("blob transaction missing blob hashes")]
    MissingBlobHashes,
    #[error("blob transaction of type create")]
    BlobCreate,
    #[error("blob transaction has too many blobs: have {have}, permitted {max}")]
    TooManyBlobs { have: usize, max: usize },
    #[error("blob hash version not supported")]
    BlobVersion,
    #[error("blob gas limit reached: block has {available} left, tx wants {wanted}")]
    BlobGasLimitReached { available: u64, wanted: u64 },
    /// EIP-7934.
    #[error("block size limit reached: {available} bytes left, tx has {wanted}")]
    BlockSizeReached { available: usize, wanted: usize },
    #[error("EIP-7702 transaction with empty auth list (sender {address})")]
    EmptyAuthorizationList { address: Address },
    /// A field this transaction type does not have.
    #[error("transaction is malformed: {0}")]
    Malformed(String),
}

impl TxError {
    /// What a block builder does next.
    pub fn skip(&self) -> Skip {
        match self {
            Self::NonceTooLow { .. } => Skip::Transaction,
            Self::GasLimitReached { available, .. } if *available < 21_000 => Skip::BlockFull,
            _ => Skip::Sender,
        }
    }

    /// revm's verdict with the values it leaves out.
    pub(crate) fn from_revm(error: InvalidTransaction, tx: &TxEnv, block: &BlockEnv, cfg: &CfgEnv) -> Self {
        use InvalidTransaction as E;
        let address = tx.caller;
        match error {
            E::PriorityFeeGreaterThanMaxFee => {
                Self::TipAboveFeeCap { address, tip: tx.gas_priority_fee.unwrap_or_default(), max_fee: tx.gas_price }
            }
            E::GasPriceLessThanBasefee => {
                Self::FeeCapTooLow { address, max_fee: tx.gas_price, base_fee: block.basefee() }
            }
            E::CallerGasLimitMoreThanBlock => {
                Self::GasLimitReached { available: block.gas_limit(), wanted: tx.gas_limit }
            }
            E::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
                Self::IntrinsicGas { have: gas_limit, want: initial_gas }
            }
            E::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
                Self::FloorDataGas { have: gas_limit, want: gas_floor }
            }
            E::RejectCallerWithCode => Self::SenderNotEoa { address },
            E::LackOfFundForMaxFee { fee, balance } => Self::InsufficientFunds { address, have: *balance, want: *fee },
            E::OverflowPaymentInTransaction => Self::CostOverflow { gas: tx.gas_limit, price: tx.gas_price },
            E::NonceOverflowInTransaction => Self::NonceMax { address, nonce: tx.nonce },
            E::NonceTooHigh { tx, state } => Self::NonceTooHigh { next: state, tx },
            E::NonceTooLow { tx, state } => Self::NonceTooLow { next: state, tx },
            E::CreateInitCodeSizeLimit => Self::InitCodeSize { size: tx.data.len(), limit: cfg.max_initcode_size() },
            E::InvalidChainId | E::MissingChainId => Self::ChainId { have: tx.chain_id, want: cfg.chain_id },
            E::TxGasLimitGreaterThanCap { gas_limit, cap } => Self::GasLimitTooHigh { cap, gas: gas_limit },
            E::BlobGasPriceGreaterThanMax { block_blob_gas_price, tx_max_fee_per_blob_gas } => {
                Self::BlobFeeCapTooLow { address, max_fee: tx_max_fee_per_blob_gas, blob_fee: block_blob_gas_price }
            }
            E::EmptyBlobs => Self::MissingBlobHashes,
            E::BlobCreateTransaction => Self::BlobCreate,
            E::TooManyBlobs { max, have } => Self::TooManyBlobs { have, max },
            E::BlobVersionNotSupported => Self::BlobVersion,
            E::EmptyAuthorizationList => Self::EmptyAuthorizationList { address },
            E::Eip2930NotSupported
            | E::Eip1559NotSupported
            | E::Eip4844NotSupported
            | E::Eip7702NotSupported
            | E::Eip7873NotSupported => Self::TypeNotSupported { tx_type: tx.tx_type },
            other => Self::Malformed(other.to_string()),
        }
    }
}
