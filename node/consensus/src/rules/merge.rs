//! Rules of the merge (EIP-3675).

use super::Context;
use crate::ConsensusError;
use atoll_primitives::{ChainSpec, Header, U256, consensus::EMPTY_OMMER_ROOT_HASH};

pub(super) fn no_work_after_merge(context: &Context<'_>) -> Result<(), ConsensusError> {
    let merged = context.spec.is_post_merge(context.parent);
    if merged { Err(ConsensusError::WorkAfterMerge { number: context.header.number }) } else { Ok(()) }
}

pub(super) fn difficulty(context: &Context<'_>) -> Result<(), ConsensusError> {
    let found = context.header.difficulty;
    if found.is_zero() { Ok(()) } else { Err(ConsensusError::MergedDifficulty { found }) }
}

pub(super) fn nonce(context: &Context<'_>) -> Result<(), ConsensusError> {
    let found = context.header.nonce;
    if found.is_zero() { Ok(()) } else { Err(ConsensusError::MergedNonce { found }) }
}

pub(super) fn ommers(context: &Context<'_>) -> Result<(), ConsensusError> {
    let found = context.header.ommers_hash;
    if found == EMPTY_OMMER_ROOT_HASH { Ok(()) } else { Err(ConsensusError::MergedOmmers { found }) }
}

/// Proof of work below the terminal total difficulty, merged blocks from it on.
pub(crate) fn transition(spec: &ChainSpec, header: &Header, parent_td: U256) -> Result<(), ConsensusError> {
    let Some(terminal) = spec.terminal_total_difficulty() else { return Ok(()) };
    let (number, reached) = (header.number, parent_td >= terminal);
    match spec.is_post_merge(header) {
        true if !reached => Err(ConsensusError::MergedTooEarly { number, total: parent_td, terminal }),
        false if reached => Err(ConsensusError::WorkAfterMerge { number }),
        _ => Ok(()),
    }
}
