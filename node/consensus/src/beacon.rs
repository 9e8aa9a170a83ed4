//! The engine of chains whose blocks come from a beacon chain: it verifies merged headers and seals nothing.
//! It must not know proof of work.

use crate::{ConsensusError, Engine, Sealer, body, rules};
use atoll_primitives::{Address, B256, Block, ChainSpec, Header, HeaderReader, SealedHeader, U256};
use std::sync::Arc;

/// Verifies headers after the merge (EIP-3675).
pub(crate) struct Beacon {
    spec: Arc<ChainSpec>,
}

impl Beacon {
    pub(crate) fn new(spec: Arc<ChainSpec>) -> Self {
        Self { spec }
    }
}

impl Engine for Beacon {
    fn name(&self) -> &'static str {
        "beacon"
    }

    fn verify_header(
        &self,
        header: &Header,
        parent: &SealedHeader,
        _reader: &dyn HeaderReader,
        now: u64,
    ) -> Result<(), ConsensusError> {
        rules::check(rules::MERGED, &rules::Context { spec: &self.spec, header, parent, now: Some(now) })
    }

    fn verify_transition(&self, header: &Header, _: &SealedHeader, parent_td: U256) -> Result<(), ConsensusError> {
        rules::transition(&self.spec, header, parent_td)
    }

    fn verify_seal(&self, _header: &Header, _reader: &dyn HeaderReader) -> Result<(), ConsensusError> {
        Ok(())
    }

    fn verify_body(&self, block: &Block, _reader: &dyn HeaderReader) -> Result<(), ConsensusError> {
        body::check(&self.spec, block)
    }

    fn prepare(
        &self,
        _header: &mut Header,
        parent: &SealedHeader,
        _reader: &dyn HeaderReader,
        _now: u64,
    ) -> Result<(), ConsensusError> {
        Err(ConsensusError::NoSealer { number: parent.number + 1 })
    }

    fn prepare_payload(&self, header: &mut Header, parent: &SealedHeader) -> Result<(), ConsensusError> {
        rules::prepare_merged(&self.spec, header, parent)
    }

    fn rewards(&self, _header: &Header, _ommers: &[Header]) -> Vec<(Address, U256)> {
        Vec::new()
    }

    fn seal_hash(&self, header: &Header) -> B256 {
        header.hash_slow()
    }

    fn author(&self, header: &Header) -> Result<Address, ConsensusError> {
        Ok(header.beneficiary)
    }

    fn prefers(&self, _: U256, candidate: &Header, _: U256, _: &Header) -> bool {
        // No beacon chain tells which branch it chose: the block imported last is taken for the choice.
        self.spec.is_post_merge(candidate)
    }

    fn sealer(&self) -> Result<Box<dyn Sealer>, ConsensusError> {
        Err(ConsensusError::NoSealer { number: 1 })
    }
}
