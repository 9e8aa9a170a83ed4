//! The rules a transaction must pass whatever the pool and the state hold: one function a rule, listed in geth's
//! order. It must not know senders' accounts.

use crate::{Origin, PoolConfig, PoolError, blobs, gas};
use atoll_primitives::{
    BlobParams, ChainSpec, Hardfork, Header, PooledTransaction, TransactionExt as _, Typed2718 as _,
    eips::{eip2718::Encodable2718 as _, eip7825::MAX_TX_GAS_LIMIT_OSAKA},
};

/// EIP-3860.
const MAX_INITCODE: usize = 2 * 24_576;
/// geth's bound for a transaction without blobs: four slots of 32 KiB.
const MAX_SIZE: usize = 4 * 32 * 1024;
/// geth's bound for a blob transaction with its sidecar.
const MAX_BLOB_SIZE: usize = 1024 * 1024;

/// What the rules depend on: the chain at the pool's head, and who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub spec: &'a ChainSpec,
    pub head: &'a Header,
    pub config: &'a PoolConfig,
    pub origin: Origin,
}

impl Rules<'_> {
    /// Rules of the block after the head; its timestamp is not known yet, so the head's counts, as in geth.
    pub(crate) fn active(&self, fork: Hardfork) -> bool {
        self.spec.is_active(fork, self.head.number + 1, self.head.timestamp)
    }

    pub(crate) fn osaka(&self) -> bool {
        self.active(Hardfork::Osaka)
    }

    pub(crate) fn blob_params(&self) -> Option<BlobParams> {
        self.spec.blob_params(self.head.timestamp)
    }
}

type Rule = fn(&PooledTransaction, &Rules<'_>) -> Result<(), PoolError>;

/// Cheap ones first; none costs more than a pass over the transaction's bytes.
const RULES: &[Rule] = &[
    transaction_type,
    blobs::blob_count,
    size,
    initcode_size,
    gas_cap,
    block_gas_limit,
    tip_not_above_fee_cap,
    chain_id,
    nonce_max,
    intrinsic_gas,
    floor_data_gas,
    minimum_tip,
    authorization_list,
    blobs::blob_fee_cap,
    blobs::sidecar_lengths,
];

pub(crate) fn check(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    check_before_conversion(tx, rules)?;
    blobs::sidecar_version(tx, rules)
}

/// All rules but the sidecar's version, which the pool is about to change.
pub(crate) fn check_before_conversion(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    RULES.iter().try_for_each(|rule| rule(tx, rules))
}

fn transaction_type(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let (needs, fork) = match tx {
        PooledTransaction::Legacy(_) => return Ok(()),
        PooledTransaction::Eip2930(_) => (Hardfork::Berlin, "Berlin"),
        PooledTransaction::Eip1559(_) => (Hardfork::London, "London"),
        PooledTransaction::Eip4844(_) => (Hardfork::Cancun, "Cancun"),
        PooledTransaction::Eip7702(_) => (Hardfork::Prague, "Prague"),
    };
    if rules.active(needs) { Ok(()) } else { Err(PoolError::TypeNotSupported { tx_type: tx.ty(), fork }) }
}

fn size(tx: &PooledTransaction, _: &Rules<'_>) -> Result<(), PoolError> {
    let limit = if tx.is_eip4844() { MAX_BLOB_SIZE } else { MAX_SIZE };
    let size = tx.encode_2718_len();
    if size > limit { Err(PoolError::OversizedData { size, limit }) } else { Ok(()) }
}

fn initcode_size(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let size = tx.input().len();
    if tx.is_create() && size > MAX_INITCODE && rules.active(Hardfork::Shanghai) {
        return Err(PoolError::MaxInitCodeSizeExceeded { size, limit: MAX_INITCODE });
    }
    Ok(())
}

/// EIP-7825.
fn gas_cap(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let (cap, gas) = (MAX_TX_GAS_LIMIT_OSAKA, tx.gas_limit());
    if rules.osaka() && gas > cap { Err(PoolError::GasLimitTooHigh { cap, gas }) } else { Ok(()) }
}

fn block_gas_limit(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let (gas, limit) = (tx.gas_limit(), rules.head.gas_limit);
    if gas > limit { Err(PoolError::ExceedsBlockGasLimit { gas, limit }) } else { Ok(()) }
}

fn tip_not_above_fee_cap(tx: &PooledTransaction, _: &Rules<'_>) -> Result<(), PoolError> {
    let (tip, fee_cap) = (tx.priority_fee_or_price(), tx.max_fee_per_gas());
    if tip > fee_cap { Err(PoolError::TipAboveFeeCap { tip, fee_cap }) } else { Ok(()) }
}

/// A legacy transaction may name none (before EIP-155).
fn chain_id(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let want = rules.spec.chain_id;
    match tx.chain_id() {
        Some(have) if have != want => Err(PoolError::InvalidChainId { have, want }),
        _ => Ok(()),
    }
}

/// EIP-2681.
fn nonce_max(tx: &PooledTransaction, _: &Rules<'_>) -> Result<(), PoolError> {
    if tx.nonce() == u64::MAX { Err(PoolError::NonceMax { nonce: tx.nonce() }) } else { Ok(()) }
}

fn intrinsic_gas(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let forks = gas::GasRules {
        homestead: rules.active(Hardfork::Homestead),
        istanbul: rules.active(Hardfork::Istanbul),
        shanghai: rules.active(Hardfork::Shanghai),
    };
    let (gas, needed) = (tx.gas_limit(), gas::intrinsic(tx, forks));
    if gas < needed { Err(PoolError::IntrinsicGas { gas, needed }) } else { Ok(()) }
}

fn floor_data_gas(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    if !rules.active(Hardfork::Prague) {
        return Ok(());
    }
    let (gas, needed) = (tx.gas_limit(), gas::floor(tx));
    if gas < needed { Err(PoolError::FloorDataGas { gas, needed }) } else { Ok(()) }
}

fn minimum_tip(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let (tip, needed) = (tx.priority_fee_or_price(), rules.config.price_limit);
    if rules.origin == Origin::External && tip < needed {
        return Err(PoolError::Underpriced { tip, needed });
    }
    Ok(())
}

/// EIP-7702.
fn authorization_list(tx: &PooledTransaction, _: &Rules<'_>) -> Result<(), PoolError> {
    match tx.authorization_list() {
        Some([]) => Err(PoolError::EmptyAuthorizationList),
        _ => Ok(()),
    }
}
