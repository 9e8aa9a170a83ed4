//! Work for external miners: packages handed out, solutions taken back, hash rates reported (geth's `eth_getWork`
//! and its kin). It must not know JSON or who asks, and a solution enters the chain by `chain.import` alone.

use crate::{MinerError, MinerHandle, PendingBlock, settings::Shared};
use atoll_chain::{Import, Origin};
use atoll_consensus::{SearchJob, epoch, seed_hash};
use atoll_primitives::{B64, B256, Block, SealedHeader, U256};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// Blocks behind the head at which a solution is worth nothing any more, not even as an ommer: as in geth.
const STALE: u64 = 7;
/// Packages handed out and not yet stale; at the bound the oldest is forgotten, and its solution is refused.
const MAX_ISSUED: usize = 64;
/// Reporters of hash rates; at the bound new ones are refused until another has been silent for [`REPORT_AGE`].
const MAX_REPORTERS: usize = 1024;
/// How long a reported hash rate counts: as in geth.
const REPORT_AGE: Duration = Duration::from_secs(10);

/// What an external miner needs to search for a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkPackage {
    /// Hash of the header without its seal.
    pub seal_hash: B256,
    /// Seed of the epoch's cache.
    pub seed_hash: B256,
    /// The largest hashimoto value that is enough.
    pub target: U256,
    /// The block's number.
    pub number: u64,
}

/// A package with the block it is about.
#[derive(Clone)]
struct Offer {
    package: WorkPackage,
    block: Arc<PendingBlock>,
}

/// What there is to do, and what others are doing.
#[derive(Default)]
pub(crate) struct WorkDesk {
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    current: Option<Offer>,
    /// Packages somebody asked for, oldest first: only those can come back.
    issued: VecDeque<Offer>,
    reports: HashMap<B256, (u64, Instant)>,
}

impl WorkDesk {
    /// The block to seal now.
    pub(crate) fn offer(&self, job: &SearchJob, block: &Arc<PendingBlock>) {
        // The sealer makes no job for an epoch beyond the last.
        let Some(epoch) = epoch(job.number) else { return };
        let seed_hash = seed_hash(epoch);
        let package = WorkPackage { seal_hash: job.seal_hash, seed_hash, target: job.target, number: job.number };
        self.board.lock().current = Some(Offer { package, block: Arc::clone(block) });
    }

    /// Nothing to seal for now. What was handed out may still come back.
    pub(crate) fn withdraw(&self) {
        self.board.lock().current = None;
    }

    /// The package to hand out, if it builds on the head: for a moment after a new one it does not yet.
    fn issue(&self, head: &SealedHeader) -> Option<WorkPackage> {
        let mut board = self.board.lock();
        let offer = board.current.clone().filter(|offer| offer.block.block.header().parent_hash == head.hash)?;
        board.issued.retain(|offer| offer.package.number.saturating_add(STALE) > head.number);
        let package = offer.package;
        if board.issued.back().map(|last| last.package) != Some(package) {
            if board.issued.len() >= MAX_ISSUED {
                board.issued.pop_front();
            }
            board.issued.push_back(offer);
        }
        Some(package)
    }

    fn issued(&self, seal_hash: &B256) -> Option<Offer> {
        self.board.lock().issued.iter().find(|offer| offer.package.seal_hash == *seal_hash).cloned()
    }

    /// Takes a package off: one block comes of it. False if another solution was quicker.
    fn take(&self, seal_hash: &B256) -> bool {
        let mut board = self.board.lock();
        let before = board.issued.len();
        board.issued.retain(|offer| offer.package.seal_hash != *seal_hash);
        board.issued.len() < before
    }

    fn report(&self, reporter: B256, rate: u64, now: Instant) -> bool {
        let mut board = self.board.lock();
        board.reports.retain(|_, (_, at)| now.duration_since(*at) < REPORT_AGE);
        if board.reports.len() >= MAX_REPORTERS && !board.reports.contains_key(&reporter) {
            return false;
        }
        board.reports.insert(reporter, (rate, now));
        true
    }

    /// Hashes a second, as reported of late.
    pub(crate) fn reported(&self, now: Instant) -> u64 {
        let board = self.board.lock();
        let fresh = board.reports.values().filter(|(_, at)| now.duration_since(*at) < REPORT_AGE);
        fresh.fold(0, |sum, (rate, _)| sum.saturating_add(*rate))
    }
}

/// Why a solution was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Never handed out, solved already, or forgotten.
    #[error("no work with seal hash {seal_hash} is pending")]
    Unknown {
        /// What the solution is for.
        seal_hash: B256,
    },
    /// The chain has left it behind.
    #[error("work on block {number} is stale: the head is {head}")]
    Stale {
        /// The block's number.
        number: u64,
        /// The newest block.
        head: u64,
    },
    /// The seal is wrong or too weak.
    #[error("the solution does not seal block {number}: {reason}")]
    Seal {
        /// The block's number.
        number: u64,
        /// The rule it breaks.
        reason: String,
    },
    /// The sealed block was refused.
    #[error("block {number} was refused: {reason}")]
    Refused {
        /// The block's number.
        number: u64,
        /// Why.
        reason: String,
    },
}

impl MinerHandle {
    /// What to search a seal for. Worth asking again every second: transactions and time change it.
    ///
    /// # Errors
    /// [`MinerError::NoWork`] when the miner is off, is just building a block, or waits for its block's second to come; an
    /// engine without proof of work.
    pub fn work(&self) -> Result<WorkPackage, MinerError> {
        let shared = self.shared();
        shared.chain.engine().sealer()?;
        shared.work.issue(&shared.chain.head()).ok_or(MinerError::NoWork)
    }

    /// Seals the block of a package and imports it. Checks the seal and executes: not for a tokio worker.
    ///
    /// # Errors
    /// [`SubmitError`]; after a wrong solution the package is still open.
    pub fn submit_work(&self, nonce: B64, seal_hash: B256, mix_hash: B256) -> Result<Import, SubmitError> {
        let shared = self.shared();
        let unknown = SubmitError::Unknown { seal_hash };
        let Some(offer) = shared.work.issued(&seal_hash) else { return Err(unknown) };
        let (number, head) = (offer.package.number, shared.chain.head().number);
        if number.saturating_add(STALE) <= head {
            return Err(SubmitError::Stale { number, head });
        }
        let block = &offer.block.block.block;
        let header = atoll_primitives::Header { nonce, mix_hash, ..block.header.clone() };
        let verdict = shared.chain.engine().verify_seal(&header, shared.chain.storage());
        verdict.map_err(|error| SubmitError::Seal { number, reason: error.to_string() })?;
        if !shared.work.take(&seal_hash) {
            return Err(unknown);
        }
        import(shared, Block { header, body: block.body.clone() })
    }

    /// Notes an external miner's hash rate for ten seconds. False if too many report already.
    pub fn report_hashrate(&self, reporter: B256, rate: u64) -> bool {
        self.shared().work.report(reporter, rate, Instant::now())
    }
}

fn import(shared: &Shared, block: Block) -> Result<Import, SubmitError> {
    let (number, hash, transactions) = (block.header.number, block.header.hash_slow(), block.body.transactions.len());
    match shared.chain.import(block, Origin::Own) {
        Ok(outcome) => {
            metrics::counter!("atoll_miner_external_blocks_total").increment(1);
            tracing::info!(number, %hash, transactions, ?outcome, "an external miner sealed a block");
            Ok(outcome)
        }
        Err(error) => {
            tracing::error!(number, %hash, error = &error as &dyn std::error::Error, "an external block was refused");
            Err(SubmitError::Refused { number, reason: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_count_for_ten_seconds_and_have_a_bound() {
        let (desk, start) = (WorkDesk::default(), Instant::now());
        assert!(desk.report(B256::repeat_byte(1), 100, start));
        assert!(desk.report(B256::repeat_byte(1), 150, start), "the newest counts");
        assert!(desk.report(B256::repeat_byte(2), u64::MAX, start));
        assert_eq!(desk.reported(start), u64::MAX, "the sum does not overflow");
        assert_eq!(desk.reported(start + REPORT_AGE), 0);
        for id in 0..MAX_REPORTERS as u64 {
            desk.report(B256::from(U256::from(id)), 1, start + REPORT_AGE);
        }
        assert!(!desk.report(B256::repeat_byte(9), 1, start + REPORT_AGE));
        assert!(desk.report(B256::ZERO, 7, start + REPORT_AGE), "who reported before may go on");
        assert_eq!(desk.reported(start + REPORT_AGE), MAX_REPORTERS as u64 + 6);
        assert!(desk.report(B256::repeat_byte(9), 1, start + REPORT_AGE * 2));
    }
}
