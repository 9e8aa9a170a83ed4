//! The ethash algorithm (yellow paper, appendix J.3 and J.4): cache, dataset rows, hashimoto.
//!
//! Pure functions of bytes; headers, epochs and difficulty are not known here. "Keccak" is the original padding,
//! not SHA-3's.

use super::sizes::{HASH_BYTES, MIX_BYTES};
use atoll_primitives::B256;
use sha3::{Digest, Keccak256, Keccak512};
use std::num::NonZeroUsize;

const HASH_WORDS: usize = 16;
const MIX_WORDS: usize = 32;
const CACHE_ROUNDS: usize = 3;
const DATASET_PARENTS: u32 = 256;
const ACCESSES: u32 = 64;
const FNV_PRIME: u32 = 0x0100_0193;

/// 64 bytes as little-endian words.
type Row = [u32; HASH_WORDS];

/// What hashimoto gives for a header and a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashimoto {
    /// Goes into the header.
    pub mix_hash: B256,
    /// Must not be above 2^256 / difficulty.
    pub value: B256,
}

/// The cache of an epoch: enough to verify, 16 MiB and more on mainnet.
pub struct Cache {
    rows: Vec<Row>,
    dataset_bytes: u64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({} rows, dataset of {} bytes)", self.rows.len(), self.dataset_bytes)
    }
}

impl Cache {
    /// Builds the cache of `cache_bytes` for a dataset of `dataset_bytes` from an epoch's seed. Takes about a
    /// second for mainnet's sizes. The sizes are multiples of 64 and 128 and at least that.
    pub fn build(seed: &B256, cache_bytes: u64, dataset_bytes: u64) -> Self {
        let count = usize::try_from(cache_bytes / HASH_BYTES).unwrap_or(usize::MAX).max(1);
        let mut rows = Vec::with_capacity(count);
        let mut last = keccak512(seed.as_slice());
        rows.push(last);
        while rows.len() < count {
            last = keccak512_row(&last);
            rows.push(last);
        }
        for _ in 0..CACHE_ROUNDS {
            for i in 0..count {
                let previous = rows[(i + count - 1) % count];
                let other = rows[rows[i][0] as usize % count];
                rows[i] = keccak512_row(&std::array::from_fn(|word| previous[word] ^ other[word]));
            }
        }
        Self { rows, dataset_bytes: dataset_bytes.max(MIX_BYTES) }
    }

    /// Bytes of the dataset this cache generates.
    pub fn dataset_bytes(&self) -> u64 {
        self.dataset_bytes
    }

    /// The cache as bytes, for comparison with published vectors.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.rows.iter().flat_map(row_bytes).collect()
    }

    /// One row of the dataset.
    fn dataset_row(&self, index: u32) -> Row {
        let count = self.rows.len();
        let mut mix = self.rows[index as usize % count];
        mix[0] ^= index;
        mix = keccak512_row(&mix);
        for parent in 0..DATASET_PARENTS {
            let word = mix[parent as usize % HASH_WORDS];
            let row = &self.rows[fnv(index ^ parent, word) as usize % count];
            for (a, b) in mix.iter_mut().zip(row) {
                *a = fnv(*a, *b);
            }
        }
        keccak512_row(&mix)
    }
}

/// The whole dataset of an epoch: makes mining fast, 1 GiB and more on mainnet.
pub struct Dataset {
    rows: Vec<Row>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dataset({} rows)", self.rows.len())
    }
}

impl Dataset {
    /// Computes every row, on all cores: about a second of one core per 10 MB.
    pub fn build(cache: &Cache) -> Self {
        let count = usize::try_from(cache.dataset_bytes / HASH_BYTES).unwrap_or(usize::MAX);
        let mut rows = vec![[0; HASH_WORDS]; count];
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let part = count.div_ceil(threads).max(1);
        // Not on rayon's threads: one of them may be waiting for this very dataset.
        std::thread::scope(|scope| {
            for (number, part_rows) in rows.chunks_mut(part).enumerate() {
                scope.spawn(move || {
                    for (row, index) in part_rows.iter_mut().zip(number * part..) {
                        *row = cache.dataset_row(index as u32);
                    }
                });
            }
        });
        Self { rows }
    }

    /// The dataset as bytes, for comparison with published vectors.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.rows.iter().flat_map(row_bytes).collect()
    }
}

/// Hashimoto with rows computed from the cache as they are read.
pub fn hashimoto_light(cache: &Cache, seal_hash: &B256, nonce: u64) -> Hashimoto {
    hashimoto(cache.dataset_bytes, seal_hash, nonce, |index| cache.dataset_row(index))
}

/// Hashimoto over the whole dataset.
pub fn hashimoto_full(dataset: &Dataset, seal_hash: &B256, nonce: u64) -> Hashimoto {
    let bytes = dataset.rows.len() as u64 * HASH_BYTES;
    hashimoto(bytes, seal_hash, nonce, |index| dataset.rows[index as usize])
}

/// `row` is asked for indices below `dataset_bytes / 64` only.
fn hashimoto(dataset_bytes: u64, seal_hash: &B256, nonce: u64, row: impl Fn(u32) -> Row) -> Hashimoto {
    let pairs = u32::try_from(dataset_bytes / MIX_BYTES).unwrap_or(u32::MAX / 2).max(1);
    let mut head = [0u8; 40];
    head[..32].copy_from_slice(seal_hash.as_slice());
    head[32..].copy_from_slice(&nonce.to_le_bytes());
    let seed = keccak512(&head);
    let mut mix: [u32; MIX_WORDS] = std::array::from_fn(|word| seed[word % HASH_WORDS]);
    for access in 0..ACCESSES {
        let pair = fnv(access ^ seed[0], mix[access as usize % MIX_WORDS]) % pairs;
        let (low, high) = mix.split_at_mut(HASH_WORDS);
        for (half, index) in [(low, 2 * pair), (high, 2 * pair + 1)] {
            for (a, b) in half.iter_mut().zip(row(index)) {
                *a = fnv(*a, b);
            }
        }
    }
    let mut compressed = [0u8; 32];
    for (out, words) in compressed.chunks_exact_mut(4).zip(mix.chunks_exact(4)) {
        let word = fnv(fnv(fnv(words[0], words[1]), words[2]), words[3]);
        out.copy_from_slice(&word.to_le_bytes());
    }
    let mut hasher = Keccak256::new();
    hasher.update(row_bytes(&seed));
    hasher.update(compressed);
    Hashimoto { mix_hash: B256::from(compressed), value: B256::from_slice(&hasher.finalize()) }
}

fn fnv(a: u32, b: u32) -> u32 {
    a.wrapping_mul(FNV_PRIME) ^ b
}

fn keccak512(bytes: &[u8]) -> Row {
    let hash = Keccak512::digest(bytes);
    let mut row = [0; HASH_WORDS];
    for (word, bytes) in row.iter_mut().zip(hash.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    row
}

fn keccak512_row(row: &Row) -> Row {
    keccak512(&row_bytes(row))
}

fn row_bytes(row: &Row) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (out, word) in bytes.chunks_exact_mut(4).zip(row) {
        out.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
