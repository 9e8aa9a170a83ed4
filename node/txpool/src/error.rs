//! Why a transaction is refused: one variant per rule, worded as geth words it, because client libraries match
//! on the text. It must not know JSON-RPC codes.

use atoll_primitives::{Address, B256, U256};
use atoll_storage::StorageError;

/// Why the pool refuses a transaction.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "fields carry the offending values, named as in the message")]
pub enum PoolError {
    #[error("already known")]
    AlreadyKnown { hash: B256 },
    #[error("transaction type not supported: type {tx_type} rejected, pool not yet in {fork}")]
    TypeNotSupported { tx_type: u8, fork: &'static str },
    #[error("oversized data: transaction size {size}, limit {limit}")]
    OversizedData { size: usize, limit: usize },
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    MaxInitCodeSizeExceeded { size: usize, limit: usize },
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasLimitTooHigh { cap: u64, gas: u64 },
    #[error("exceeds block gas limit")]
    ExceedsBlockGasLimit { gas: u64, limit: u64 },
    #[error("max priority fee per gas higher than max fee per gas: tip {tip}, fee cap {fee_cap}")]
    TipAboveFeeCap { tip: u128, fee_cap: u128 },
    #[error("invalid chain id for signer: have {have} want {want}")]
    InvalidChainId { have: u64, want: u64 },
    #[error("invalid sender")]
    InvalidSender { hash: B256 },
    #[error("nonce has max value: {nonce}")]
    NonceMax { nonce: u64 },
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorDataGas { gas: u64, needed: u64 },
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {needed}")]
    Underpriced { tip: u128, needed: u128 },
    #[error("transaction underpriced: the pool is full and its cheapest transaction pays as much")]
    CheapestInPool { fee_cap: u128 },
    #[error("set code tx must have at least one authorization tuple")]
    EmptyAuthorizationList,
    #[error("blobless blob transaction")]
    Blobless,
    #[error("too many blobs in transaction: have {have}, permitted {permitted}")]
    TooManyBlobs { have: usize, permitted: usize },
    #[error("transaction underpriced: blob fee cap {fee_cap}, minimum needed {needed}")]
    BlobFeeCapTooLow { fee_cap: u128, needed: u128 },
    #[error("blob transaction must not create a contract")]
    BlobCreate,
    #[error("unexpected sidecar version, want: {want}, got: {got}")]
    SidecarVersion { want: u8, got: u8 },
    #[error(
        "invalid number of blobs, commitments or proofs: {blobs} blobs, {commitments} commitments, {hashes} hashes"
    )]
    SidecarLengths { blobs: usize, commitments: usize, hashes: usize },
    #[error("invalid blob sidecar: {reason}")]
    InvalidSidecar { reason: String },
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("nonce too high: tx nonce {nonce}, gapped nonce {next}")]
    NonceTooHigh { next: u64, nonce: u64 },
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNotEoa { sender: Address, code_hash: B256 },
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    InsufficientFunds { balance: U256, cost: U256 },
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, \
         overshot {}",
        queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    Overdraft { balance: U256, queued: U256, cost: U256 },
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced { fee_cap: u128, tip: u128, needed_fee_cap: u128, needed_tip: u128 },
    #[error("replacement transaction underpriced: new tx blob gas fee cap {fee_cap}, minimum needed {needed}")]
    ReplacementBlobUnderpriced { fee_cap: u128, needed: u128 },
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap { sender: Address },
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedInFlight { sender: Address },
    #[error("authority already reserved")]
    AuthorityReserved { authority: Address },
    #[error("account limit exceeded: pooled {pooled} blob txs")]
    AccountLimit { pooled: usize },
    #[error("txpool is full")]
    PoolFull,
    /// The pool keeps the transaction, but cannot promise that it survives a restart.
    #[error("the journal of local transactions cannot be written")]
    Journal(#[source] std::io::Error),
    #[error("the state of the head cannot be read")]
    Storage(#[from] StorageError),
}
