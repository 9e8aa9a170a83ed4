//! Rules of extra data, the DAO fork's mark and the difficulty of proof of work.

use super::Context;
use crate::{ConsensusError, difficulty};
use atoll_primitives::{Bytes, ChainSpec, EngineConfig, EthashConfig, ForkCondition, Hardfork};

/// Bytes of extra data a header may hold (yellow paper, 4.3.4).
pub const MAX_EXTRA_DATA: usize = 32;

/// Blocks that must carry the DAO fork's mark, from the fork block on (EIP-779).
const DAO_RANGE: u64 = 10;
const DAO_MARK: &[u8] = b"dao-hard-fork";

pub(super) fn extra_data(context: &Context<'_>) -> Result<(), ConsensusError> {
    let found = context.header.extra_data.len();
    if found <= MAX_EXTRA_DATA { Ok(()) } else { Err(ConsensusError::ExtraData { found, max: MAX_EXTRA_DATA }) }
}

/// The mark a block of this number must carry: `None` for none, or if the network refused the fork.
pub(crate) fn dao_extra_data(spec: &ChainSpec, number: u64) -> Option<Bytes> {
    (spec.genesis.config.dao_fork_support && in_dao_range(spec, number)).then(|| Bytes::from_static(DAO_MARK))
}

fn in_dao_range(spec: &ChainSpec, number: u64) -> bool {
    match spec.condition(Hardfork::Dao) {
        ForkCondition::Block(fork) => number.checked_sub(fork).is_some_and(|since| since < DAO_RANGE),
        _ => false,
    }
}

pub(super) fn dao(context: &Context<'_>) -> Result<(), ConsensusError> {
    let Context { spec, header, .. } = context;
    if let Some(expected) = dao_extra_data(spec, header.number) {
        let found = header.extra_data.clone();
        return if found == expected { Ok(()) } else { Err(ConsensusError::DaoExtraData { found, expected }) };
    }
    if in_dao_range(spec, header.number) && header.extra_data.as_ref() == DAO_MARK {
        return Err(ConsensusError::DaoRefused { number: header.number });
    }
    Ok(())
}

pub(super) fn work_difficulty(context: &Context<'_>) -> Result<(), ConsensusError> {
    let config = match context.spec.engine {
        EngineConfig::Ethash(config) => config,
        _ => EthashConfig::default(),
    };
    let expected = difficulty(context.spec, &config, context.header.timestamp, context.parent);
    let found = context.header.difficulty;
    if found == expected { Ok(()) } else { Err(ConsensusError::Difficulty { found, expected }) }
}
