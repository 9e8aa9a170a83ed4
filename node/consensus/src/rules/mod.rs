//! The header rules: one function each, assembled into a readable list per kind of header.
//!
//! A rule sees the header, its parent, the chain specification and the time; it must not know seals or disks.

mod fields;
mod forks;
mod gas;
mod lineage;
mod merge;
mod payload;
#[cfg(test)]
mod tests;

use crate::ConsensusError;
use atoll_primitives::{ChainSpec, Header, SealedHeader};

pub use fields::MAX_EXTRA_DATA;
pub(crate) use fields::dao_extra_data;
pub(crate) use gas::next_gas_limit;
pub use lineage::FUTURE_TOLERANCE;
pub(crate) use merge::transition;
pub(crate) use payload::prepare_merged;

/// What a rule may look at.
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a ChainSpec,
    pub(crate) header: &'a Header,
    pub(crate) parent: &'a SealedHeader,
    /// Seconds; `None` for ommers, which stand in a block whose own time was checked.
    pub(crate) now: Option<u64>,
}

type Rule = fn(&Context<'_>) -> Result<(), ConsensusError>;

/// Headers with proof of work.
pub(crate) const PROOF_OF_WORK: &[Rule] = &[
    lineage::parent_hash,
    lineage::number,
    lineage::timestamp,
    lineage::not_in_the_future,
    merge::no_work_after_merge,
    fields::extra_data,
    fields::dao,
    gas::limit_bounds,
    gas::limit_step,
    gas::used,
    gas::base_fee,
    forks::withdrawals_root,
    forks::blob_fields,
    forks::blob_gas_used,
    forks::excess_blob_gas,
    forks::parent_beacon_root,
    forks::no_beacon_chain,
    forks::requests_hash,
    forks::no_later_fields,
    fields::work_difficulty,
];

/// Headers after the merge. Their timestamps are the beacon chain's to judge.
pub(crate) const MERGED: &[Rule] = &[
    lineage::parent_hash,
    lineage::number,
    lineage::timestamp,
    merge::difficulty,
    merge::nonce,
    merge::ommers,
    fields::extra_data,
    gas::limit_bounds,
    gas::limit_step,
    gas::used,
    gas::base_fee,
    forks::withdrawals_root,
    forks::blob_fields,
    forks::blob_gas_used,
    forks::excess_blob_gas,
    forks::parent_beacon_root,
    forks::requests_hash,
    forks::no_later_fields,
];

/// Applies rules in order.
pub(crate) fn check(rules: &[Rule], context: &Context<'_>) -> Result<(), ConsensusError> {
    rules.iter().try_for_each(|rule| rule(context))
}
