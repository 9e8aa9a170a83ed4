//! The header of a block after the merge, as far as its parent and its time tell. It must not know who asks for it.

use super::{MAX_EXTRA_DATA, next_gas_limit};
use crate::ConsensusError;
use atoll_primitives::{
    B64, B256, ChainSpec, Hardfork, Header, SealedHeader, U256,
    consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
    eips::eip7685::EMPTY_REQUESTS_HASH,
};

/// Fills what follows from the parent and the header's own timestamp; withdrawals and beacon root stay what they are
/// if they are set.
pub(crate) fn prepare_merged(
    spec: &ChainSpec,
    header: &mut Header,
    parent: &SealedHeader,
) -> Result<(), ConsensusError> {
    let number = parent.number.saturating_add(1);
    if !spec.is_post_merge(parent) {
        return Err(ConsensusError::NotMerged { number });
    }
    let timestamp = header.timestamp;
    if timestamp <= parent.timestamp {
        return Err(ConsensusError::Timestamp { found: timestamp, parent: parent.timestamp });
    }
    let found = header.extra_data.len();
    if found > MAX_EXTRA_DATA {
        return Err(ConsensusError::ExtraData { found, max: MAX_EXTRA_DATA });
    }
    let active = |fork| spec.is_active(fork, number, timestamp);
    let cancun = active(Hardfork::Cancun);
    header.parent_hash = parent.hash;
    header.number = number;
    header.ommers_hash = EMPTY_OMMER_ROOT_HASH;
    header.difficulty = U256::ZERO;
    header.nonce = B64::ZERO;
    header.gas_limit = next_gas_limit(spec, parent, timestamp, header.gas_limit);
    header.base_fee_per_gas = spec.next_base_fee(parent, timestamp);
    header.withdrawals_root = active(Hardfork::Shanghai).then(|| header.withdrawals_root.unwrap_or(EMPTY_WITHDRAWALS));
    header.blob_gas_used = cancun.then_some(0);
    header.excess_blob_gas = spec.next_excess_blob_gas(parent, timestamp);
    header.parent_beacon_block_root = cancun.then(|| header.parent_beacon_block_root.unwrap_or(B256::ZERO));
    header.requests_hash = active(Hardfork::Prague).then_some(EMPTY_REQUESTS_HASH);
    Ok(())
}
