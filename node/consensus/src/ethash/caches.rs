//! Caches and datasets of the epochs in use, shared and built once.
//!
//! Bounded: the least recently asked epoch is dropped. It must not know headers.

use super::{
    algorithm::{Cache, Dataset, Hashimoto, hashimoto_full, hashimoto_light, hashimoto_light_many},
    sizes::{Sizes, seed_hash},
};
use atoll_primitives::B256;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// Epochs kept: the current one, its neighbour while a side chain or a sync crosses the border, one to spare.
const KEPT_CACHES: usize = 3;
/// The epoch being mined, and its neighbour while a side chain crosses the border.
const KEPT_DATASETS: usize = 2;
/// Larger datasets are not held in memory: rows are computed as they are read.
const MAX_DATASET_BYTES: u64 = 256 << 20;
/// Up to here building the dataset costs less than checking some thousand seals without it, so that verifying
/// uses it too: microseconds a seal instead of milliseconds.
const VERIFY_DATASET_BYTES: u64 = 16 << 20;

/// A value that is built or being built.
type Slot<T> = Arc<OnceLock<Arc<T>>>;

/// A few values by epoch, the most recently asked last. Filled outside the lock, so that one epoch being built
/// does not hold up another; who asks for the same epoch meanwhile waits for that build.
struct Recent<T> {
    slots: Mutex<Vec<(u64, Slot<T>)>>,
    kept: usize,
}

impl<T> Recent<T> {
    fn new(kept: usize) -> Self {
        Self { slots: Mutex::new(Vec::new()), kept }
    }

    fn get(&self, epoch: u64, build: impl FnOnce() -> T) -> Arc<T> {
        let slot = {
            let mut slots = self.slots.lock();
            let found = slots.iter().position(|(of, _)| *of == epoch);
            let slot = found.map_or_else(Arc::default, |index| slots.remove(index).1);
            slots.push((epoch, Arc::clone(&slot)));
            if slots.len() > self.kept {
                slots.remove(0);
            }
            slot
        };
        Arc::clone(slot.get_or_init(|| Arc::new(build())))
    }
}

/// The caches and datasets of one chain.
pub(crate) struct Epochs {
    /// Bytes of the dataset in every epoch; `None` for Ethereum's growing sizes.
    private: Option<u64>,
    caches: Recent<Cache>,
    datasets: Recent<Dataset>,
}

impl Epochs {
    pub(crate) fn new(private: Option<u64>) -> Self {
        Self { private, caches: Recent::new(KEPT_CACHES), datasets: Recent::new(KEPT_DATASETS) }
    }

    fn sizes(&self, epoch: u64) -> Sizes {
        self.private.map_or_else(|| Sizes::standard(epoch), Sizes::private)
    }

    /// The cache of an epoch, built if it is not at hand.
    pub(crate) fn cache(&self, epoch: u64) -> Arc<Cache> {
        self.caches.get(epoch, || {
            let sizes = self.sizes(epoch);
            tracing::debug!(epoch, bytes = sizes.cache, "building the ethash cache");
            Cache::build(&seed_hash(epoch), sizes.cache, sizes.dataset)
        })
    }

    /// What to search with: the dataset, unless it is too large to hold.
    pub(crate) fn for_mining(&self, epoch: u64) -> Rows {
        self.rows(epoch, MAX_DATASET_BYTES)
    }

    /// What to verify with: the dataset only if it is small.
    pub(crate) fn for_verifying(&self, epoch: u64) -> Rows {
        self.rows(epoch, VERIFY_DATASET_BYTES)
    }

    fn rows(&self, epoch: u64, most_bytes: u64) -> Rows {
        let bytes = self.sizes(epoch).dataset;
        if bytes > most_bytes {
            return Rows::Light(self.cache(epoch));
        }
        Rows::Full(self.datasets.get(epoch, || {
            tracing::debug!(epoch, bytes, "building the ethash dataset");
            Dataset::build(&self.cache(epoch))
        }))
    }
}

/// Where hashimoto reads an epoch's rows.
pub(crate) enum Rows {
    /// All in memory.
    Full(Arc<Dataset>),
    /// Computed from the cache as they are read.
    Light(Arc<Cache>),
}

impl Rows {
    pub(crate) fn hashimoto(&self, seal_hash: &B256, nonce: u64) -> Hashimoto {
        match self {
            Self::Full(dataset) => hashimoto_full(dataset, seal_hash, nonce),
            Self::Light(cache) => hashimoto_light(cache, seal_hash, nonce),
        }
    }

    /// For many seals, in order.
    pub(crate) fn hashimoto_many(&self, seals: &[(B256, u64)]) -> Vec<Hashimoto> {
        match self {
            Self::Full(dataset) => seals.iter().map(|(hash, nonce)| hashimoto_full(dataset, hash, *nonce)).collect(),
            Self::Light(cache) => hashimoto_light_many(cache, seals),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn built_once_when_asked_concurrently() {
        let recent = Recent::new(2);
        let built = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| recent.get(7, || built.fetch_add(1, Ordering::SeqCst)));
            }
        });
        assert_eq!(built.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_least_recently_asked_is_dropped() {
        let recent = Recent::new(2);
        let built = AtomicUsize::new(0);
        let ask = |epoch| {
            recent.get(epoch, || built.fetch_add(1, Ordering::SeqCst));
            built.load(Ordering::SeqCst)
        };
        assert_eq!([ask(1), ask(2), ask(1), ask(3), ask(1), ask(2)], [1, 2, 2, 3, 3, 4]);
        assert!(recent.slots.lock().len() <= 2);
    }
}
