//! The difficulty that aims at a block time, for private chains (docs/decisions/0003-target-block-time.md).
//!
//! An exponential filter: each block multiplies the difficulty by about `exp((aim - interval) / (N * T))`. Over a
//! long time the exponents cancel, so intervals average to the aim whatever their distribution and however noisy
//! the difficulty is. Integer arithmetic only.

use atoll_primitives::{Header, U256};

/// N: how many blocks the filter remembers. At 8, a tenfold rise of hash power is followed within 40 blocks and a
/// tenfold fall within 4, while the difficulty of a steady network varies by about a quarter.
pub const EMA_BLOCKS: u64 = 8;

/// The least difficulty. Below about a thousand the rounding of one step would bias the average; a laptop core
/// at a hundredth of its time does this much work within seconds.
pub const MIN_TARGET_DIFFICULTY: u64 = 1_024;

/// Intervals count in 16ths of a second, so that an aim may lie between two seconds.
const TICKS: u64 = 16;
/// The least aim, 18/16 s. Timestamps rise by at least a second a block: aiming at exactly that, the difficulty
/// could never rise.
const MIN_AIM: u64 = 18;

/// The difficulty of the block after `parent` with this timestamp; `block_time` is in seconds, at least 1.
pub(super) fn difficulty(block_time: u64, timestamp: u64, parent: &Header) -> U256 {
    // Bounds keep the products within 64 bits; no real chain comes near either.
    let block_time = block_time.clamp(1, 1 << 32);
    let aim = (block_time * TICKS).max(MIN_AIM);
    let memory = EMA_BLOCKS * aim;
    // A pause (a laptop closed overnight) counts as one interval of N + 1 block times: a third, not nothing, is
    // left of the difficulty after it.
    let interval = timestamp.saturating_sub(parent.timestamp).saturating_mul(TICKS).min(aim + memory);
    // (2m + x) / (2m - x) equals exp(x / m) up to the third order, and turns into its inverse with the sign of x.
    let (up, down) = (2 * memory + aim - interval, 2 * memory + interval - aim);
    scale(parent.difficulty, up, down).max(U256::from(MIN_TARGET_DIFFICULTY))
}

/// `value * numerator / denominator` to the nearest integer; saturates.
fn scale(value: U256, numerator: u64, denominator: u64) -> U256 {
    let (numerator, denominator) = (U256::from(numerator), U256::from(denominator));
    let (whole, rest) = value.div_rem(denominator);
    let rest = (rest * numerator + denominator / U256::from(2)) / denominator;
    whole.saturating_mul(numerator).saturating_add(rest)
}
