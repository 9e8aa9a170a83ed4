//! Rules of the header fields that came with Shanghai, Cancun and Prague.

use super::Context;
use crate::ConsensusError;
use atoll_primitives::{Hardfork, eips::eip4844::DATA_GAS_PER_BLOB};

/// A field is present exactly from its fork on.
fn presence(context: &Context<'_>, fork: Hardfork, field: &'static str, present: bool) -> Result<(), ConsensusError> {
    match (present, context.spec.is_active(fork, context.header.number, context.header.timestamp)) {
        (true, false) => Err(ConsensusError::FieldTooEarly { field }),
        (false, true) => Err(ConsensusError::FieldMissing { field }),
        _ => Ok(()),
    }
}

pub(super) fn withdrawals_root(context: &Context<'_>) -> Result<(), ConsensusError> {
    presence(context, Hardfork::Shanghai, "withdrawalsRoot", context.header.withdrawals_root.is_some())
}

pub(super) fn blob_fields(context: &Context<'_>) -> Result<(), ConsensusError> {
    presence(context, Hardfork::Cancun, "blobGasUsed", context.header.blob_gas_used.is_some())?;
    presence(context, Hardfork::Cancun, "excessBlobGas", context.header.excess_blob_gas.is_some())
}

pub(super) fn blob_gas_used(context: &Context<'_>) -> Result<(), ConsensusError> {
    let (Some(used), Some(params)) = (context.header.blob_gas_used, context.spec.blob_params(context.header.timestamp))
    else {
        return Ok(());
    };
    let max = params.max_blob_gas_per_block();
    if used > max {
        return Err(ConsensusError::BlobGasUsed { used, max });
    }
    if !used.is_multiple_of(DATA_GAS_PER_BLOB) {
        return Err(ConsensusError::BlobGasMultiple { used, per_blob: DATA_GAS_PER_BLOB });
    }
    Ok(())
}

pub(super) fn excess_blob_gas(context: &Context<'_>) -> Result<(), ConsensusError> {
    let expected = context.spec.next_excess_blob_gas(context.parent, context.header.timestamp);
    match (context.header.excess_blob_gas, expected) {
        (Some(found), Some(expected)) if found != expected => Err(ConsensusError::ExcessBlobGas { found, expected }),
        _ => Ok(()),
    }
}

pub(super) fn parent_beacon_root(context: &Context<'_>) -> Result<(), ConsensusError> {
    let present = context.header.parent_beacon_block_root.is_some();
    presence(context, Hardfork::Cancun, "parentBeaconBlockRoot", present)
}

pub(super) fn no_beacon_chain(context: &Context<'_>) -> Result<(), ConsensusError> {
    match context.header.parent_beacon_block_root {
        Some(found) if !found.is_zero() => Err(ConsensusError::ParentBeaconRoot { found }),
        _ => Ok(()),
    }
}

pub(super) fn requests_hash(context: &Context<'_>) -> Result<(), ConsensusError> {
    presence(context, Hardfork::Prague, "requestsHash", context.header.requests_hash.is_some())
}

/// Fields of forks after Osaka, which no chain specification here can activate.
pub(super) fn no_later_fields(context: &Context<'_>) -> Result<(), ConsensusError> {
    if context.header.block_access_list_hash.is_some() {
        return Err(ConsensusError::FieldTooEarly { field: "blockAccessListHash" });
    }
    if context.header.slot_number.is_some() {
        return Err(ConsensusError::FieldTooEarly { field: "slotNumber" });
    }
    Ok(())
}
