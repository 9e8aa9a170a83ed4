//! A set of key hashes that may answer "perhaps" and never wrongly "no": it spares a read the walk through all
//! layers for a key none of them holds. It must not know what the keys are.

use atoll_primitives::primitives::map::DefaultHashBuilder;
use std::{
    hash::{BuildHasher, Hash},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Bits for each key: three probes then err in about 0.6 % of all cases.
const BITS_PER_KEY: usize = 16;
const PROBES: u64 = 3;
/// 128 KiB: enough for the layers of a quiet chain.
const MIN_KEYS: usize = 1 << 16;

/// A Bloom filter that grows by being replaced. Keys of new layers are added while readers use it: to them they
/// are additional keys, which only makes "perhaps" more frequent.
pub(crate) struct Filter {
    bits: Box<[AtomicU64]>,
    hasher: DefaultHashBuilder,
    keys: AtomicUsize,
    capacity: usize,
}

impl Filter {
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(MIN_KEYS).next_power_of_two();
        let words = capacity * BITS_PER_KEY / 64;
        Self {
            bits: (0..words).map(|_| AtomicU64::new(0)).collect(),
            hasher: DefaultHashBuilder::default(),
            keys: AtomicUsize::new(0),
            capacity,
        }
    }

    /// One that holds nothing and never will.
    pub fn empty() -> Self {
        Self {
            bits: Box::new([AtomicU64::new(0)]),
            hasher: DefaultHashBuilder::default(),
            keys: AtomicUsize::new(0),
            capacity: 0,
        }
    }

    /// Whether `more` keys fit before it errs more often than meant.
    pub fn has_room(&self, more: usize) -> bool {
        self.keys.load(Ordering::Relaxed) + more <= self.capacity
    }

    // Relaxed: a layer's keys are added before the lock that publishes the layer is released.
    pub fn insert(&self, key: &impl Hash) {
        for (word, bit) in self.probes(key) {
            self.bits[word].fetch_or(bit, Ordering::Relaxed);
        }
        self.keys.fetch_add(1, Ordering::Relaxed);
    }

    pub fn may_contain(&self, key: &impl Hash) -> bool {
        self.probes(key).all(|(word, bit)| self.bits[word].load(Ordering::Relaxed) & bit != 0)
    }

    fn probes(&self, key: &impl Hash) -> impl Iterator<Item = (usize, u64)> {
        let hash = self.hasher.hash_one(key);
        let step = hash.rotate_left(32) | 1;
        // A power of two.
        let mask = self.bits.len() as u64 * 64 - 1;
        (0..PROBES).map(move |probe| {
            let bit = hash.wrapping_add(step.wrapping_mul(probe)) & mask;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }
}
