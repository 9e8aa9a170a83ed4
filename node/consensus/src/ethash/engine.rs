//! Ethash behind the engine trait: which rules apply to which header, and how a new one is prepared.

use super::{algorithm::Hashimoto, caches::Epochs, seal, sealer::EthashSealer, sizes};
use crate::{ConsensusError, Engine, Sealer, body, difficulty, ommers, rewards, rules};
use atoll_primitives::{
    Address, B64, B256, Block, ChainSpec, EthashConfig, Hardfork, Header, HeaderReader, SealedHeader, U256,
    consensus::{EMPTY_OMMER_ROOT_HASH, constants::EMPTY_WITHDRAWALS},
    eips::eip7685::EMPTY_REQUESTS_HASH,
};
use std::sync::Arc;

/// Proof of work by ethash. A chain that has merged is verified further by the merged rules, not mined.
pub struct Ethash {
    spec: Arc<ChainSpec>,
    config: EthashConfig,
    epochs: Arc<Epochs>,
}

impl Ethash {
    /// An engine without caches yet: each epoch's is built when first asked for.
    pub fn new(spec: Arc<ChainSpec>, config: EthashConfig) -> Self {
        Self { spec, config, epochs: Arc::new(Epochs::new(config.dataset_size)) }
    }
}

/// What a header claims about its seal.
struct Claim {
    epoch: u64,
    /// What the seal commits to, and the nonce.
    seal: (B256, u64),
    mix_hash: B256,
    target: U256,
}

impl Claim {
    fn judge(&self, Hashimoto { mix_hash, value }: Hashimoto) -> Result<(), ConsensusError> {
        if mix_hash != self.mix_hash {
            return Err(ConsensusError::MixHash { found: self.mix_hash, expected: mix_hash });
        }
        let (value, target) = (U256::from_be_bytes(value.0), self.target);
        if value <= target { Ok(()) } else { Err(ConsensusError::InsufficientWork { value, target }) }
    }
}

/// The epoch whose rows judge a claim; `None` if nothing is left to judge.
fn epoch_of(claim: &Result<Option<Claim>, ConsensusError>) -> Option<u64> {
    claim.as_ref().ok()?.as_ref().map(|claim| claim.epoch)
}

impl Ethash {
    /// `None` for a merged header, which carries no work.
    fn claim(&self, header: &Header) -> Result<Option<Claim>, ConsensusError> {
        if self.spec.is_post_merge(header) {
            return Ok(None);
        }
        let target = seal::target(header.difficulty).ok_or(ConsensusError::ZeroDifficulty)?;
        let number = header.number;
        let epoch = sizes::epoch(number).ok_or(ConsensusError::EpochTooHigh { number })?;
        let seal = (seal::seal_hash(header), u64::from_be_bytes(header.nonce.0));
        Ok(Some(Claim { epoch, seal, mix_hash: header.mix_hash, target }))
    }
}

impl Engine for Ethash {
    fn name(&self) -> &'static str {
        "ethash"
    }

    fn verify_header(
        &self,
        header: &Header,
        parent: &SealedHeader,
        _reader: &dyn HeaderReader,
        now: u64,
    ) -> Result<(), ConsensusError> {
        let list = if self.spec.is_post_merge(header) { rules::MERGED } else { rules::PROOF_OF_WORK };
        rules::check(list, &rules::Context { spec: &self.spec, header, parent, now: Some(now) })
    }

    fn verify_transition(&self, header: &Header, _: &SealedHeader, parent_td: U256) -> Result<(), ConsensusError> {
        rules::transition(&self.spec, header, parent_td)
    }

    fn verify_seal(&self, header: &Header, _reader: &dyn HeaderReader) -> Result<(), ConsensusError> {
        let Some(claim) = self.claim(header)? else { return Ok(()) };
        let rows = self.epochs.for_verifying(claim.epoch);
        claim.judge(rows.hashimoto(&claim.seal.0, claim.seal.1))
    }

    fn verify_seals(&self, headers: &[&Header], _reader: &dyn HeaderReader) -> Vec<Result<(), ConsensusError>> {
        let claims: Vec<_> = headers.iter().map(|header| self.claim(header)).collect();
        let mut verdicts: Vec<Result<(), ConsensusError>> = Vec::with_capacity(headers.len());
        // Neighbours mostly share an epoch.
        for claims in claims.chunk_by(|a, b| epoch_of(a) == epoch_of(b)) {
            let Some(epoch) = epoch_of(&claims[0]) else {
                verdicts.extend(claims.iter().map(|claim| claim.as_ref().map(|_| ()).map_err(Clone::clone)));
                continue;
            };
            let claims: Vec<&Claim> = claims.iter().filter_map(|claim| claim.as_ref().ok()?.as_ref()).collect();
            let seals: Vec<(B256, u64)> = claims.iter().map(|claim| claim.seal).collect();
            let found = self.epochs.for_verifying(epoch).hashimoto_many(&seals);
            verdicts.extend(claims.iter().zip(found).map(|(claim, found)| claim.judge(found)));
        }
        verdicts
    }

    fn verify_body(&self, block: &Block, reader: &dyn HeaderReader) -> Result<(), ConsensusError> {
        body::check(&self.spec, block)?;
        ommers::check(&self.spec, block, reader)
    }

    fn prepare(
        &self,
        header: &mut Header,
        parent: &SealedHeader,
        _reader: &dyn HeaderReader,
        now: u64,
    ) -> Result<(), ConsensusError> {
        let (spec, number) = (&*self.spec, parent.number.saturating_add(1));
        if spec.is_post_merge(parent) {
            return Err(ConsensusError::NoSealer { number });
        }
        let timestamp = now.max(parent.timestamp.saturating_add(1));
        let active = |fork| spec.is_active(fork, number, timestamp);
        let cancun = active(Hardfork::Cancun);
        header.parent_hash = parent.hash;
        header.number = number;
        header.timestamp = timestamp;
        header.ommers_hash = EMPTY_OMMER_ROOT_HASH;
        header.difficulty = difficulty(spec, &self.config, timestamp, parent);
        header.gas_limit = rules::next_gas_limit(spec, parent, timestamp, header.gas_limit);
        header.base_fee_per_gas = spec.next_base_fee(parent, timestamp);
        header.withdrawals_root = active(Hardfork::Shanghai).then_some(EMPTY_WITHDRAWALS);
        header.blob_gas_used = cancun.then_some(0);
        header.excess_blob_gas = spec.next_excess_blob_gas(parent, timestamp);
        header.parent_beacon_block_root = cancun.then_some(B256::ZERO);
        header.requests_hash = active(Hardfork::Prague).then_some(EMPTY_REQUESTS_HASH);
        header.mix_hash = B256::ZERO;
        header.nonce = B64::ZERO;
        if let Some(mark) = rules::dao_extra_data(spec, number) {
            header.extra_data = mark;
        }
        header.extra_data.truncate(rules::MAX_EXTRA_DATA);
        Ok(())
    }

    fn prepare_payload(&self, header: &mut Header, parent: &SealedHeader) -> Result<(), ConsensusError> {
        rules::prepare_merged(&self.spec, header, parent)
    }

    fn rewards(&self, header: &Header, ommers: &[Header]) -> Vec<(Address, U256)> {
        rewards::rewards(&self.spec, header, ommers)
    }

    fn seal_hash(&self, header: &Header) -> B256 {
        seal::seal_hash(header)
    }

    fn author(&self, header: &Header) -> Result<Address, ConsensusError> {
        Ok(header.beneficiary)
    }

    fn prefers(&self, candidate_td: U256, candidate: &Header, head_td: U256, head: &Header) -> bool {
        // After the merge no total difficulty decides; the block imported last is taken for the beacon chain's.
        // At equal work the block seen first stays, so that nodes do not swap heads back and forth.
        match (self.spec.is_post_merge(candidate), self.spec.is_post_merge(head)) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => candidate_td > head_td,
        }
    }

    fn sealer(&self) -> Result<Box<dyn Sealer>, ConsensusError> {
        Ok(Box::new(EthashSealer::new(Arc::clone(&self.epochs))))
    }
}
