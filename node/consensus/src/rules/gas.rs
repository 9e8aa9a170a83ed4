//! Rules of the gas limit, the gas used and the base fee.

use super::Context;
use crate::ConsensusError;
use atoll_primitives::{ChainSpec, Hardfork, Header};

/// The least gas limit (yellow paper, 4.3.4).
const MIN_GAS_LIMIT: u64 = 5_000;
const MAX_GAS_LIMIT: u64 = i64::MAX as u64;
/// The gas limit moves by less than this part of the parent's.
const BOUND_DIVISOR: u64 = 1_024;
/// At the London fork the limit doubles, so that the target stays (EIP-1559).
const ELASTICITY: u64 = 2;

pub(super) fn limit_bounds(context: &Context<'_>) -> Result<(), ConsensusError> {
    let found = context.header.gas_limit;
    if found < MIN_GAS_LIMIT {
        return Err(ConsensusError::GasLimitTooLow { found, min: MIN_GAS_LIMIT });
    }
    if found > MAX_GAS_LIMIT {
        return Err(ConsensusError::GasLimitTooHigh { found, max: MAX_GAS_LIMIT });
    }
    Ok(())
}

pub(super) fn limit_step(context: &Context<'_>) -> Result<(), ConsensusError> {
    let found = context.header.gas_limit;
    let parent = comparable_parent_limit(context.spec, context.parent, context.header.timestamp);
    let step = parent / BOUND_DIVISOR;
    if found.abs_diff(parent) < step { Ok(()) } else { Err(ConsensusError::GasLimitStep { found, parent, step }) }
}

/// The parent's limit, doubled if the next block is the first of London.
fn comparable_parent_limit(spec: &ChainSpec, parent: &Header, timestamp: u64) -> u64 {
    let london = |number, time| spec.is_active(Hardfork::London, number, time);
    let starts = london(parent.number.saturating_add(1), timestamp) && !london(parent.number, parent.timestamp);
    if starts { parent.gas_limit.saturating_mul(ELASTICITY) } else { parent.gas_limit }
}

/// The limit nearest to `wanted` that may follow `parent`.
pub(crate) fn next_gas_limit(spec: &ChainSpec, parent: &Header, timestamp: u64, wanted: u64) -> u64 {
    let base = comparable_parent_limit(spec, parent, timestamp);
    let reach = (base / BOUND_DIVISOR).saturating_sub(1);
    wanted.clamp(base.saturating_sub(reach), base.saturating_add(reach)).clamp(MIN_GAS_LIMIT, MAX_GAS_LIMIT)
}

pub(super) fn used(context: &Context<'_>) -> Result<(), ConsensusError> {
    let (used, limit) = (context.header.gas_used, context.header.gas_limit);
    if used <= limit { Ok(()) } else { Err(ConsensusError::GasUsed { used, limit }) }
}

pub(super) fn base_fee(context: &Context<'_>) -> Result<(), ConsensusError> {
    let Context { spec, header, parent, .. } = context;
    match (header.base_fee_per_gas, spec.next_base_fee(parent, header.timestamp)) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(ConsensusError::FieldTooEarly { field: "baseFeePerGas" }),
        (None, Some(_)) => Err(ConsensusError::FieldMissing { field: "baseFeePerGas" }),
        (Some(found), Some(expected)) if found == expected => Ok(()),
        (Some(found), Some(expected)) => Err(ConsensusError::BaseFee { found, expected }),
    }
}
