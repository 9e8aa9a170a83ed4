//! The one table of errors: every way a call can fail, its message in geth's words, its JSON-RPC code.
//!
//! Client libraries match on both. Codes: -32602 invalid parameters, 3 revert, -39001 unknown block (execution-apis),
//! -32005 limit exceeded (EIP-1474),
//! -32002 and -32003 a batch that takes too long or answers too much (geth), 4 timeout (EIP-7966), -380xx simulation (execution-apis), -32603 a fault of this
//! node, -32000 everything else.

use crate::{ControlError, auth::Denied, revert};
use atoll_chain::AddressIndexError;
use atoll_executor::{BuildError, CallError, OverrideError, SimulateError, TraceError, TxError};
use atoll_primitives::{Address, B256, Bytes, U256};
use atoll_storage::StorageError;
use atoll_txpool::PoolError;
use jsonrpsee::types::ErrorObjectOwned;
use std::time::Duration;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message names every field")]
pub enum RpcError {
    #[error("parse error: {reason}")]
    Unparsable { reason: String },
    #[error("invalid request")]
    InvalidRequest,
    #[error(transparent)]
    Denied(Denied),
    #[error("request too large: {limit} bytes are the most")]
    RequestTooLarge { limit: usize },
    #[error("too many answers wait to be read; try again later")]
    UnreadAnswers,
    #[error("the node is busy with other requests; try again later")]
    UnreadRequests,
    #[error("empty batch")]
    EmptyBatch,
    #[error("batch too large: {limit} entries are the most")]
    BatchTooLarge { limit: u32 },
    #[error("response too large: {limit} bytes are the most")]
    ResponseTooLarge { limit: usize },
    #[error("request timed out: too much stood before it in the batch")]
    BatchTimeout,
    #[error("the method {method} does not exist/is not available")]
    MethodNotFound { method: String },
    #[error("too many requests: {per_second} a second are allowed; try again in {retry_after} s")]
    TooManyRequests { per_second: f64, retry_after: u64 },

    #[error("invalid argument {index}: {reason}")]
    InvalidArgument { index: usize, reason: String },
    #[error("empty request")]
    EmptyRequest,
    #[error("too many slots (max {limit})")]
    TooManySlots { limit: usize },
    #[error("query needs fromBlock <= toBlock: {from} > {to}")]
    InvalidBlockRange { from: u64, to: u64 },
    #[error("block range extends beyond current head block")]
    RangeBeyondHead,
    #[error("query spans {span} blocks; the limit is {limit}")]
    RangeTooLarge { span: u64, limit: u64 },
    #[error("query returned more than {limit} results; narrow the block range")]
    TooManyResults { limit: usize },
    #[error("max allowed page size: {limit}, not {size}")]
    PageTooLarge { size: usize, limit: usize },
    #[error("this node keeps no index of addresses; start it with --index.addresses")]
    NoAddressIndex,
    #[error(transparent)]
    AddressIndex(Box<AddressIndexError>),
    #[error("invalid reward percentile: {reason}")]
    InvalidPercentile { reason: String },
    #[error("request beyond head block: requested {requested}, head {head}")]
    BeyondHead { requested: u64, head: u64 },

    #[error("header not found")]
    HeaderNotFound,
    #[error("header for hash not found")]
    HashNotFound,
    #[error("hash is not currently canonical")]
    NotCanonical,
    #[error("unknown block")]
    UnknownBlock,
    #[error("safe block not found")]
    SafeNotFound,
    #[error("finalized block not found")]
    FinalizedNotFound,
    #[error("transaction not found")]
    TransactionNotFound,
    #[error("bad block {hash} not found")]
    BadBlockNotFound { hash: B256 },
    #[error("genesis is not traceable")]
    GenesisNotTraceable,
    #[error("the state of block {number} is not available")]
    StateUnavailable { number: u64 },
    #[error("historical state of block {number} is not available: states before block {oldest} are pruned")]
    Pruned { number: u64, oldest: u64 },

    #[error("{0}")]
    InvalidTransaction(String),
    #[error("tx fee ({fee} wei) exceeds the configured cap ({cap} wei)")]
    FeeCap { fee: U256, cap: U256 },
    #[error(transparent)]
    Pool(Box<PoolError>),
    #[error(
        "the transaction was added to the transaction pool but wasn't processed in {}s",
        waited.as_secs_f32()
    )]
    SyncTimeout { hash: B256, waited: Duration },

    #[error("execution reverted{}", revert::reason(data).map(|reason| format!(": {reason}")).unwrap_or_default())]
    Reverted { data: Bytes },
    #[error("{0}")]
    Halted(String),
    #[error(transparent)]
    Call(Box<CallError>),
    #[error(transparent)]
    Trace(Box<TraceError>),
    #[error(transparent)]
    Simulate(Box<SimulateError>),
    #[error("execution aborted (timeout = {}s)", after.as_secs_f32())]
    Timeout { after: Duration },
    #[error("the node is busy: no slot became free in {}s", waited.as_secs_f32())]
    Busy { waited: Duration },
    #[error("{message}")]
    Simulation { code: i32, message: String },

    #[error("the block could not be built: {0}")]
    BuildBlock(#[source] Box<BuildError>),

    #[error("filter not found")]
    FilterNotFound,
    #[error("too many filters: {limit} are in use")]
    TooManyFilters { limit: usize },
    #[error("too many subscriptions: {limit} are the most for a connection")]
    TooManySubscriptions { limit: usize },
    #[error("subscription not found")]
    SubscriptionNotFound,
    #[error("notifications not supported: subscribe over WebSocket")]
    NotificationsUnsupported,
    #[error("no {kind:?} subscription in \"eth\" namespace")]
    UnknownSubscription { kind: String },

    #[error("unknown account {0}")]
    UnknownAccount(Address),
    #[error("{0}")]
    Signing(String),
    #[error(transparent)]
    Control(#[from] ControlError),

    #[error("internal error: storage")]
    Storage(#[source] Box<StorageError>),
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        Self::Pool(Box::new(error))
    }
}

impl From<StorageError> for RpcError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Pruned { number, oldest } => Self::Pruned { number, oldest },
            error => Self::Storage(Box::new(error)),
        }
    }
}

impl From<AddressIndexError> for RpcError {
    fn from(error: AddressIndexError) -> Self {
        match error {
            AddressIndexError::Storage(error) => error.into(),
            error => Self::AddressIndex(Box::new(error)),
        }
    }
}

impl RpcError {
    /// Its JSON-RPC code.
    pub fn code(&self) -> i32 {
        match self {
            Self::Unparsable { .. } => -32700,
            Self::InvalidRequest | Self::EmptyBatch | Self::BatchTooLarge { .. } | Self::RequestTooLarge { .. } => {
                -32600
            }
            Self::ResponseTooLarge { .. } => -32003,
            Self::BatchTimeout => -32002,
            Self::InvalidArgument { .. }
            | Self::EmptyRequest
            | Self::TooManySlots { .. }
            | Self::InvalidBlockRange { .. }
            | Self::RangeBeyondHead
            | Self::InvalidPercentile { .. } => -32602,
            Self::Trace(error) if matches!(**error, TraceError::TooLarge { .. }) => -32005,
            Self::RangeTooLarge { .. }
            | Self::TooManyResults { .. }
            | Self::PageTooLarge { .. }
            | Self::Busy { .. }
            | Self::TooManyRequests { .. }
            | Self::UnreadAnswers
            | Self::UnreadRequests
            | Self::TooManySubscriptions { .. }
            | Self::TooManyFilters { .. } => -32005,
            Self::SafeNotFound | Self::FinalizedNotFound => -39001,
            Self::Reverted { .. } => 3,
            Self::SyncTimeout { .. } => 4,
            Self::UnknownSubscription { .. } | Self::MethodNotFound { .. } | Self::NotificationsUnsupported => -32601,
            Self::Simulation { code, .. } => *code,
            Self::Simulate(error) => simulation_code(error),
            Self::BuildBlock(_) | Self::Storage(_) | Self::Internal(_) => -32603,
            _ => -32000,
        }
    }

    /// What goes into the error's `data`.
    fn data(&self) -> Option<String> {
        match self {
            Self::Reverted { data } => Some(data.to_string()),
            Self::SyncTimeout { hash, .. } => Some(hash.to_string()),
            _ => None,
        }
    }
}

/// Codes of execution-apis for `eth_simulateV1`; geth's where it names none.
fn simulation_code(error: &SimulateError) -> i32 {
    match error {
        SimulateError::Empty | SimulateError::TooManyWithdrawals { .. } => -32602,
        SimulateError::TooManyBlocks { .. } | SimulateError::GasBudget => -38026,
        SimulateError::NumberOrder { .. } => -38020,
        SimulateError::TimeOrder { .. } => -38021,
        SimulateError::BlockGasLimit { .. } => -38015,
        SimulateError::Timeout => -32016,
        SimulateError::Transaction { error, .. } => transaction_code(error),
        SimulateError::Override(OverrideError::MovedToItself(_)) => -38022,
        SimulateError::Override(_) | SimulateError::Request(_) => -32000,
        SimulateError::Root(_) | SimulateError::Execution(_) => -32603,
    }
}

fn transaction_code(error: &TxError) -> i32 {
    match error {
        TxError::NonceTooLow { .. } => -38010,
        TxError::NonceTooHigh { .. } => -38011,
        TxError::FeeCapTooLow { .. } => -38012,
        TxError::IntrinsicGas { .. } | TxError::FloorDataGas { .. } => -38013,
        TxError::InsufficientFunds { .. } | TxError::CostOverflow { .. } => -38014,
        TxError::GasLimitReached { .. } => -38015,
        TxError::SenderNotEoa { .. } => -38024,
        TxError::InitCodeSize { .. } => -38025,
        TxError::TipAboveFeeCap { .. } => -32602,
        _ => -32603,
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        if let RpcError::Storage(source) = &error {
            // The client cannot act on it; the operator can.
            tracing::error!(error = &**source as &dyn std::error::Error, "storage failed under a JSON-RPC call");
        }
        Self::owned(error.code(), error.to_string(), error.data())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_data() {
        let object = ErrorObjectOwned::from(RpcError::Reverted { data: Bytes::from_static(&[0x77, 0x01]) });
        assert_eq!((object.code(), object.message()), (3, "execution reverted"));
        assert_eq!(object.data().map(|data| data.get()), Some("\"0x7701\""));
        assert_eq!(RpcError::FinalizedNotFound.code(), -39001);
        let bad = RpcError::InvalidArgument { index: 0, reason: "hex string without 0x prefix".into() };
        assert_eq!(
            (bad.code(), bad.to_string().as_str()),
            (-32602, "invalid argument 0: hex string without 0x prefix")
        );
    }
}
