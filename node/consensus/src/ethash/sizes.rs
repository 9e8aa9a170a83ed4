//! Epochs, seeds and sizes of ethash (yellow paper, appendix J.2), and the small sizes of private chains.

use atoll_primitives::{B256, keccak256};

/// Blocks that share a cache and a dataset.
const EPOCH_LENGTH: u64 = 30_000;
/// The last epoch whose dataset rows can be numbered in 32 bits; mainnet merged in epoch 517.
const MAX_EPOCH: u64 = 32_000;

const CACHE_BYTES_INIT: u64 = 1 << 24;
const CACHE_BYTES_GROWTH: u64 = 1 << 17;
const DATASET_BYTES_INIT: u64 = 1 << 30;
const DATASET_BYTES_GROWTH: u64 = 1 << 23;
/// Bytes of a cache row.
pub(crate) const HASH_BYTES: u64 = 64;
/// Bytes hashimoto reads at once: two dataset rows.
pub(crate) const MIX_BYTES: u64 = 128;
/// A private dataset is this many times its cache, as Ethereum's first ones are.
const DATASET_TO_CACHE: u64 = 64;
/// The least cache: 16 rows, the size geth's own tests use.
const MIN_CACHE_BYTES: u64 = 1_024;

/// The epoch of a block; `None` beyond the last one with a dataset.
pub fn epoch(number: u64) -> Option<u64> {
    Some(number / EPOCH_LENGTH).filter(|epoch| *epoch <= MAX_EPOCH)
}

/// The seed of an epoch's cache: as many Keccak-256 of zeros as the epoch counts.
pub fn seed_hash(epoch: u64) -> B256 {
    (0..epoch).fold(B256::ZERO, |seed, _| keccak256(seed))
}

/// Bytes of an epoch's cache: a prime number of rows.
pub fn cache_size(epoch: u64) -> u64 {
    prime_rows(CACHE_BYTES_INIT + CACHE_BYTES_GROWTH * epoch - HASH_BYTES, HASH_BYTES)
}

/// Bytes of an epoch's dataset: a prime number of double rows.
pub fn dataset_size(epoch: u64) -> u64 {
    prime_rows(DATASET_BYTES_INIT + DATASET_BYTES_GROWTH * epoch - MIX_BYTES, MIX_BYTES)
}

/// Bytes of cache and dataset of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) cache: u64,
    pub(crate) dataset: u64,
}

impl Sizes {
    pub(crate) fn standard(epoch: u64) -> Self {
        Self { cache: cache_size(epoch), dataset: dataset_size(epoch) }
    }

    /// Sizes of a private chain, the same in every epoch: at most `dataset` bytes and a 64th of it.
    pub(crate) fn private(dataset: u64) -> Self {
        let cache = (dataset / DATASET_TO_CACHE).max(MIN_CACHE_BYTES);
        let dataset = dataset.max(MIN_CACHE_BYTES * DATASET_TO_CACHE);
        Self { cache: prime_rows(cache, HASH_BYTES), dataset: prime_rows(dataset, MIX_BYTES) }
    }
}

/// The largest size up to `bytes` that is a prime number of rows: a prime keeps the walks from falling into
/// cycles of a common divisor. At least two rows.
fn prime_rows(bytes: u64, row: u64) -> u64 {
    let mut rows = (bytes / row).max(2);
    while !is_prime(rows) {
        rows -= 1;
    }
    rows * row
}

/// Trial division: at most some ten thousand steps for the sizes above.
fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|divisor| divisor * divisor <= n).all(|divisor| !n.is_multiple_of(divisor))
}
