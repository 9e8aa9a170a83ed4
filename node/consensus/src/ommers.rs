//! Rules of ommers (yellow paper, 11.1): stale blocks a block pays for. It must not know seals.

use crate::{ConsensusError, rules};
use atoll_primitives::{B256, Block, ChainSpec, Header, HeaderReader, SealedHeader, consensus::EMPTY_OMMER_ROOT_HASH};
use std::collections::{HashMap, HashSet};

/// Ommers a block may include.
pub const MAX_OMMERS: usize = 2;
/// Ancestors whose children may be ommers: an ommer is at most six blocks older than the block including it.
pub const MAX_OMMER_DEPTH: usize = 7;

/// All ommers of a block: how many, each one's rules, none twice.
pub(crate) fn check(spec: &ChainSpec, block: &Block, reader: &dyn HeaderReader) -> Result<(), ConsensusError> {
    let ommers = &block.body.ommers;
    if ommers.len() > MAX_OMMERS {
        return Err(ConsensusError::TooManyOmmers { found: ommers.len(), max: MAX_OMMERS });
    }
    if ommers.is_empty() {
        return Ok(());
    }
    let mut family = Family::of(spec, block.header.parent_hash, reader)?;
    ommers.iter().try_for_each(|ommer| family.admit(spec, ommer))
}

/// Whether a block on `parent` may include these ommers, in this order: what a miner asks.
///
/// # Errors
/// The first rule broken, as [`Engine::verify_body`](crate::Engine::verify_body) would find it.
pub fn check_ommers(
    spec: &ChainSpec,
    parent: B256,
    ommers: &[Header],
    reader: &dyn HeaderReader,
) -> Result<(), ConsensusError> {
    if ommers.len() > MAX_OMMERS {
        return Err(ConsensusError::TooManyOmmers { found: ommers.len(), max: MAX_OMMERS });
    }
    let mut family = Family::of(spec, parent, reader)?;
    ommers.iter().try_for_each(|ommer| family.admit(spec, ommer))
}

/// The ancestors of a block within reach of its ommers, and the ommers they include.
struct Family {
    parent: B256,
    ancestors: HashMap<B256, Header>,
    included: HashSet<B256>,
}

impl Family {
    fn of(spec: &ChainSpec, parent: B256, reader: &dyn HeaderReader) -> Result<Self, ConsensusError> {
        let mut family = Self { parent, ancestors: HashMap::new(), included: HashSet::new() };
        let mut hash = parent;
        for _ in 0..MAX_OMMER_DEPTH {
            let header = reader.header(&hash).ok_or(ConsensusError::MissingAncestor { hash })?;
            if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
                let ommers = reader.ommers(&hash).ok_or(ConsensusError::MissingAncestor { hash })?;
                family.included.extend(ommers.iter().map(Header::hash_slow));
            }
            let (next, number) = (header.parent_hash, header.number);
            family.ancestors.insert(hash, header);
            if number == spec.genesis.number.unwrap_or(0) {
                break;
            }
            hash = next;
        }
        Ok(family)
    }

    fn admit(&mut self, spec: &ChainSpec, ommer: &Header) -> Result<(), ConsensusError> {
        let hash = ommer.hash_slow();
        if !self.included.insert(hash) {
            return Err(ConsensusError::DuplicateOmmer { hash });
        }
        if self.ancestors.contains_key(&hash) {
            return Err(ConsensusError::OmmerIsAncestor { hash });
        }
        let parent_hash = ommer.parent_hash;
        let parent = self.ancestors.get(&parent_hash).filter(|_| parent_hash != self.parent);
        let Some(parent) = parent else {
            return Err(ConsensusError::OmmerDangling { hash, parent: parent_hash });
        };
        let parent = SealedHeader { hash: parent_hash, header: parent.clone() };
        rules::check(rules::PROOF_OF_WORK, &rules::Context { spec, header: ommer, parent: &parent, now: None }).map_err(
            |source| ConsensusError::InvalidOmmer { hash, beneficiary: ommer.beneficiary, source: Box::new(source) },
        )
    }
}
