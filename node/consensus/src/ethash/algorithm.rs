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
/// Headers that are verified together, and pairs of dataset rows that are computed together. Each row is a chain of
/// 256 reads from all over the cache, of which every one waits for the last: time goes by waiting for memory. The
/// chains of 32 rows side by side keep as many reads under way; more gain little.
const LANES: usize = 16;
/// So many headers when fewer than [`LANES`] are left.
const FEW_LANES: usize = 4;

/// 64 bytes as little-endian words.
type Row = [u32; HASH_WORDS];
/// What hashimoto reads at once.
type RowPair = [Row; 2];

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
    count: Divisor,
    dataset_bytes: u64,
}

/// A divisor whose remainders cost two multiplications: a division by a number the compiler does not know takes
/// longer than the rest of a step. Exact for 32-bit numbers (Lemire, Kaser, Kurz: Faster remainder by direct
/// computation, 2019).
#[derive(Clone, Copy)]
struct Divisor {
    by: u32,
    magic: u64,
}

impl Divisor {
    /// `by` is at least 1.
    fn new(by: u32) -> Self {
        Self { by, magic: (u64::MAX / u64::from(by)).wrapping_add(1) }
    }

    fn remainder(self, of: u32) -> u32 {
        let fraction = self.magic.wrapping_mul(u64::from(of));
        // The high half of a product by a 32-bit number fits 32 bits.
        ((u128::from(fraction) * u128::from(self.by)) >> 64) as u32
    }
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
        // Row numbers have 32 bits: the largest epoch's cache is far below.
        let divisor = Divisor::new(u32::try_from(count).unwrap_or(u32::MAX));
        Self { rows, count: divisor, dataset_bytes: dataset_bytes.max(MIX_BYTES) }
    }

    /// Bytes of the dataset this cache generates.
    pub fn dataset_bytes(&self) -> u64 {
        self.dataset_bytes
    }

    /// The cache as bytes, for comparison with published vectors.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.rows.iter().flat_map(row_bytes).collect()
    }

    fn row(&self, number: u32) -> &Row {
        &self.rows[self.count.remainder(number) as usize]
    }

    /// Some pairs of dataset rows, side by side (see [`LANES`]).
    fn dataset_pairs<const N: usize>(&self, pairs: [u32; N]) -> [RowPair; N] {
        let indices = pairs.map(|pair| [2 * pair, 2 * pair + 1]);
        let mut mixes = indices.map(|pair| {
            pair.map(|index| {
                let mut mix = *self.row(index);
                mix[0] ^= index;
                keccak512_row(&mix)
            })
        });
        let mut read = [[[0; HASH_WORDS]; 2]; N];
        for round in (0..DATASET_PARENTS).step_by(HASH_WORDS) {
            for word in 0..HASH_WORDS {
                let parent = round + word as u32;
                // First all the reads, in a few instructions each, so that the processor sees them together.
                let lanes = mixes.as_flattened().iter().zip(indices.as_flattened());
                for (read, (mix, index)) in read.as_flattened_mut().iter_mut().zip(lanes) {
                    *read = *self.row(fnv(index ^ parent, mix[word]));
                }
                for (mix, row) in mixes.as_flattened_mut().iter_mut().zip(read.as_flattened()) {
                    mix.iter_mut().zip(row).for_each(|(word, other)| *word = fnv(*word, *other));
                }
            }
        }
        mixes.map(|pair| pair.map(|mix| keccak512_row(&mix)))
    }
}

/// The whole dataset of an epoch: makes mining fast, 1 GiB and more on mainnet.
pub struct Dataset {
    pairs: Vec<RowPair>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dataset({} pairs of rows)", self.pairs.len())
    }
}

impl Dataset {
    /// Computes every row, on all cores: about a second of one core per 40 MB.
    pub fn build(cache: &Cache) -> Self {
        let count = usize::try_from(cache.dataset_bytes / MIX_BYTES).unwrap_or(usize::MAX);
        let mut pairs = vec![[[0; HASH_WORDS]; 2]; count];
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let part = count.div_ceil(threads).max(1);
        // Not on rayon's threads: one of them may be waiting for this very dataset.
        std::thread::scope(|scope| {
            for (number, part_pairs) in pairs.chunks_mut(part).enumerate() {
                scope.spawn(move || {
                    for (pairs, first) in part_pairs.chunks_mut(LANES).zip((number * part..).step_by(LANES)) {
                        // In the last chunk some are computed for nothing.
                        let computed: [RowPair; LANES] =
                            cache.dataset_pairs(std::array::from_fn(|lane| (first + lane) as u32));
                        pairs.copy_from_slice(&computed[..pairs.len()]);
                    }
                });
            }
        });
        Self { pairs }
    }

    /// The dataset as bytes, for comparison with published vectors.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pairs.as_flattened().iter().flat_map(row_bytes).collect()
    }
}

/// Hashimoto with rows computed from the cache as they are read.
pub fn hashimoto_light(cache: &Cache, seal_hash: &B256, nonce: u64) -> Hashimoto {
    let [only] = light(cache, [&(*seal_hash, nonce)]);
    only
}

/// [`hashimoto_light`] for many headers with their nonces, in order: several times quicker a header than one by one.
pub fn hashimoto_light_many(cache: &Cache, seals: &[(B256, u64)]) -> Vec<Hashimoto> {
    let (groups, rest) = seals.as_chunks::<LANES>();
    let (small_groups, rest) = rest.as_chunks::<FEW_LANES>();
    let mut found: Vec<Hashimoto> = groups.iter().flat_map(|group| light(cache, group.each_ref())).collect();
    found.extend(small_groups.iter().flat_map(|group| light(cache, group.each_ref())));
    found.extend(rest.iter().map(|(seal_hash, nonce)| hashimoto_light(cache, seal_hash, *nonce)));
    found
}

fn light<const N: usize>(cache: &Cache, seals: [&(B256, u64); N]) -> [Hashimoto; N] {
    let pairs = pairs(cache.dataset_bytes);
    let mut mixes = seals.map(|(seal_hash, nonce)| Mix::new(seal_hash, *nonce));
    for access in 0..ACCESSES {
        let asked = mixes.each_ref().map(|mix| mix.next_pair(access, pairs));
        let found = cache.dataset_pairs(asked);
        mixes.iter_mut().zip(&found).for_each(|(mix, pair)| mix.absorb(pair));
    }
    mixes.map(Mix::finish)
}

/// Hashimoto over the whole dataset.
pub fn hashimoto_full(dataset: &Dataset, seal_hash: &B256, nonce: u64) -> Hashimoto {
    let pairs = u32::try_from(dataset.pairs.len()).unwrap_or(u32::MAX);
    let mut mix = Mix::new(seal_hash, nonce);
    for access in 0..ACCESSES {
        mix.absorb(&dataset.pairs[mix.next_pair(access, pairs) as usize]);
    }
    mix.finish()
}

/// How many pairs of rows a dataset has.
fn pairs(dataset_bytes: u64) -> u32 {
    u32::try_from(dataset_bytes / MIX_BYTES).unwrap_or(u32::MAX / 2).max(1)
}

/// Where hashimoto stands for one header and nonce.
struct Mix {
    seed: Row,
    words: [u32; MIX_WORDS],
}

impl Mix {
    fn new(seal_hash: &B256, nonce: u64) -> Self {
        let mut head = [0u8; 40];
        head[..32].copy_from_slice(seal_hash.as_slice());
        head[32..].copy_from_slice(&nonce.to_le_bytes());
        let seed = keccak512(&head);
        Self { seed, words: std::array::from_fn(|word| seed[word % HASH_WORDS]) }
    }

    /// The pair of rows to read next.
    fn next_pair(&self, access: u32, pairs: u32) -> u32 {
        fnv(access ^ self.seed[0], self.words[access as usize % MIX_WORDS]) % pairs
    }

    fn absorb(&mut self, pair: &RowPair) {
        for (word, other) in self.words.iter_mut().zip(pair.as_flattened()) {
            *word = fnv(*word, *other);
        }
    }

    fn finish(self) -> Hashimoto {
        let mut compressed = [0u8; 32];
        for (out, words) in compressed.chunks_exact_mut(4).zip(self.words.chunks_exact(4)) {
            let word = fnv(fnv(fnv(words[0], words[1]), words[2]), words[3]);
            out.copy_from_slice(&word.to_le_bytes());
        }
        let mut hasher = Keccak256::new();
        hasher.update(row_bytes(&self.seed));
        hasher.update(compressed);
        Hashimoto { mix_hash: B256::from(compressed), value: B256::from_slice(&hasher.finalize()) }
    }
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
