//! What every consensus engine answers, and which engine a genesis file selects.
//!
//! The trait knows no disk, socket or clock: ancestors come through [`HeaderReader`], time as an argument.

use crate::{ConsensusError, Sealer, beacon::Beacon, ethash::Ethash};
use atoll_primitives::{Address, B256, Block, ChainSpec, EngineConfig, Header, HeaderReader, SealedHeader, U256};
use std::sync::Arc;

/// Headers worth verifying together: a multiple of what any engine does at once, few enough to spread over threads.
pub const SEAL_GROUP: usize = 16;

/// A consensus engine. Times are in seconds since 1970, rewards in wei.
pub trait Engine: Send + Sync {
    /// The engine's name, as in the genesis file.
    fn name(&self) -> &'static str;

    /// Every rule of a header but its seal; the caller has found `parent` by the header's parent hash.
    ///
    /// # Errors
    /// The first rule broken; [`ConsensusError::Future`] when the block may become valid later.
    fn verify_header(
        &self,
        header: &Header,
        parent: &SealedHeader,
        reader: &dyn HeaderReader,
        now: u64,
    ) -> Result<(), ConsensusError>;

    /// Where the merge stands (EIP-3675), which only the total difficulty up to and with the parent tells.
    ///
    /// # Errors
    /// A proof-of-work block above the terminal total difficulty, or a merged block below it.
    fn verify_transition(&self, header: &Header, parent: &SealedHeader, parent_td: U256) -> Result<(), ConsensusError>;

    /// The seal. Costs CPU time: never call it on a tokio worker.
    ///
    /// # Errors
    /// The seal is missing, wrong or too weak.
    fn verify_seal(&self, header: &Header, reader: &dyn HeaderReader) -> Result<(), ConsensusError>;

    /// [`Self::verify_seal`] of some headers, in order; engines may be quicker at it than one by one. Whoever has
    /// many hands them out in groups of [`SEAL_GROUP`], one to each of its threads.
    fn verify_seals(&self, headers: &[&Header], reader: &dyn HeaderReader) -> Vec<Result<(), ConsensusError>> {
        headers.iter().map(|header| self.verify_seal(header, reader)).collect()
    }

    /// What can be checked of a body before executing it: roots, size, blob gas, withdrawals, ommers (headers
    /// by all their rules, but without their seals: ask [`Self::verify_seal`] for each).
    ///
    /// # Errors
    /// The first rule broken.
    fn verify_body(&self, block: &Block, reader: &dyn HeaderReader) -> Result<(), ConsensusError>;

    /// Fills the fields of a new header that follow from its parent: parent hash, number, timestamp (`now`, or
    /// the parent's plus one), difficulty, base fee, blob fields, gas limit (one step towards the preset one).
    ///
    /// # Errors
    /// The engine cannot produce a block on this parent.
    fn prepare(
        &self,
        header: &mut Header,
        parent: &SealedHeader,
        reader: &dyn HeaderReader,
        now: u64,
    ) -> Result<(), ConsensusError>;

    /// Fills the fields of a new merged header that follow from its parent and from its own timestamp, which is set:
    /// what a beacon chain would ask for. The gas limit goes one step towards the preset one.
    ///
    /// # Errors
    /// [`ConsensusError::NotMerged`] on a parent before the merge.
    fn prepare_payload(&self, header: &mut Header, parent: &SealedHeader) -> Result<(), ConsensusError>;

    /// Wei to add to each address after the block's transactions, in this order.
    fn rewards(&self, header: &Header, ommers: &[Header]) -> Vec<(Address, U256)>;

    /// The hash a seal commits to: of the header without its seal.
    fn seal_hash(&self, header: &Header) -> B256;

    /// Who made the block.
    ///
    /// # Errors
    /// The seal does not tell.
    fn author(&self, header: &Header) -> Result<Address, ConsensusError>;

    /// Fork choice: whether `candidate` becomes the head instead of `head`.
    fn prefers(&self, candidate_td: U256, candidate: &Header, head_td: U256, head: &Header) -> bool;

    /// A state machine that seals blocks.
    ///
    /// # Errors
    /// [`ConsensusError::NoSealer`] when blocks come from elsewhere.
    fn sealer(&self) -> Result<Box<dyn Sealer>, ConsensusError>;
}

/// The engine a genesis file selects.
///
/// # Errors
/// [`ConsensusError::UnsupportedEngine`] for an engine this version does not run.
pub fn engine(spec: Arc<ChainSpec>) -> Result<Arc<dyn Engine>, ConsensusError> {
    match spec.engine {
        EngineConfig::Ethash(config) => Ok(Arc::new(Ethash::new(spec, config))),
        EngineConfig::Beacon => Ok(Arc::new(Beacon::new(spec))),
        EngineConfig::Clique(_) => Err(ConsensusError::UnsupportedEngine { name: "clique" }),
        EngineConfig::Qbft(_) => Err(ConsensusError::UnsupportedEngine { name: "qbft" }),
    }
}
