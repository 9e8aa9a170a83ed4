//! A search for a nonce: the work a mining thread does, slice by slice. It knows no thread and no clock.

use super::{
    algorithm::Hashimoto,
    caches::{Epochs, Rows},
};
use atoll_primitives::{B64, B256, U256};
use std::sync::Arc;

/// A header to find a nonce for.
#[derive(Clone)]
pub struct SearchJob {
    /// What the seal commits to.
    pub seal_hash: B256,
    /// The largest value that is enough.
    pub target: U256,
    /// The block's number.
    pub number: u64,
    pub(super) epoch: u64,
    pub(super) epochs: Arc<Epochs>,
}

impl std::fmt::Debug for SearchJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SearchJob(block {}, seal hash {})", self.number, self.seal_hash)
    }
}

/// A nonce that seals a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solution {
    /// The nonce.
    pub nonce: B64,
    /// The mix hash hashimoto gives for it.
    pub mix_hash: B256,
    /// Which header it seals.
    pub seal_hash: B256,
}

/// A job with its dataset at hand.
pub struct Searcher {
    job: SearchJob,
    rows: Rows,
}

impl SearchJob {
    /// Gets the dataset, building it if this is its epoch's first search: well under a second for a private
    /// chain. A dataset too large to hold is computed row by row from the cache, hundreds of times slower.
    pub fn searcher(&self) -> Searcher {
        let rows = self.epochs.for_mining(self.epoch);
        Searcher { job: self.clone(), rows }
    }
}

impl Searcher {
    /// The job searched for.
    pub fn job(&self) -> &SearchJob {
        &self.job
    }

    /// Tries `count` nonces from `start` on, wrapping; the first that is enough.
    pub fn search(&self, start: u64, count: u64) -> Option<Solution> {
        (0..count).map(|offset| start.wrapping_add(offset)).find_map(|nonce| {
            let Hashimoto { mix_hash, value } = self.rows.hashimoto(&self.job.seal_hash, nonce);
            let enough = U256::from_be_bytes(value.0) <= self.job.target;
            enough.then(|| Solution { nonce: nonce.into(), mix_hash, seal_hash: self.job.seal_hash })
        })
    }
}
