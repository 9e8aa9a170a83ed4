//! Ethereum's difficulty formulas, from Frontier to Gray Glacier.
//!
//! EIP-2 (Homestead), EIP-100 (Byzantium, with ommers), and the delays of the bomb: EIP-649, 1234, 2384, 3554,
//! 4345, 5133.

use atoll_primitives::{ChainSpec, Hardfork, Header, U256, consensus::EMPTY_OMMER_ROOT_HASH};

const MIN_DIFFICULTY: u64 = 131_072;
const BOUND_DIVISOR: u64 = 2_048;
/// The bomb doubles every so many blocks.
const BOMB_PERIOD: u64 = 100_000;
/// No formula takes more than this many 2048ths off at once.
const MAX_DECREASE: u64 = 99;

/// Forks that delay the bomb, newest first, with the number of blocks it pretends did not happen.
const BOMB_DELAYS: [(Hardfork, u64); 6] = [
    (Hardfork::GrayGlacier, 11_400_000),
    (Hardfork::ArrowGlacier, 10_700_000),
    (Hardfork::London, 9_700_000),
    (Hardfork::MuirGlacier, 9_000_000),
    (Hardfork::Constantinople, 5_000_000),
    (Hardfork::Byzantium, 3_000_000),
];

/// The difficulty of the block after `parent` with this timestamp.
pub(super) fn difficulty(spec: &ChainSpec, timestamp: u64, parent: &Header) -> U256 {
    let number = parent.number.saturating_add(1);
    let elapsed = timestamp.saturating_sub(parent.timestamp);
    let active = |fork| spec.is_active(fork, number, timestamp);
    if let Some((_, delay)) = BOMB_DELAYS.into_iter().find(|(fork, _)| active(*fork)) {
        let ommers = if parent.ommers_hash == EMPTY_OMMER_ROOT_HASH { 1 } else { 2 };
        let base = adjusted(parent.difficulty, ommers, elapsed / 9);
        return base.saturating_add(bomb(number.saturating_sub(delay)));
    }
    if active(Hardfork::Homestead) {
        return adjusted(parent.difficulty, 1, elapsed / 10).saturating_add(bomb(number));
    }
    frontier(parent.difficulty, elapsed, number)
}

/// `parent * (1 + max(gain - loss, -99) / 2048)`, not below the minimum.
fn adjusted(parent: U256, gain: u64, loss: u64) -> U256 {
    let step = parent / U256::from(BOUND_DIVISOR);
    let next = match gain.checked_sub(loss) {
        Some(up) => parent.saturating_add(step.saturating_mul(U256::from(up))),
        None => parent.saturating_sub(step.saturating_mul(U256::from((loss - gain).min(MAX_DECREASE)))),
    };
    next.max(U256::from(MIN_DIFFICULTY))
}

fn frontier(parent: U256, elapsed: u64, number: u64) -> U256 {
    let step = parent / U256::from(BOUND_DIVISOR);
    let next = if elapsed < 13 { parent.saturating_add(step) } else { parent.saturating_sub(step) };
    next.max(U256::from(MIN_DIFFICULTY)).saturating_add(bomb(number))
}

/// Two to the power of (period - 2), from the second period on.
fn bomb(number: u64) -> U256 {
    match (number / BOMB_PERIOD).checked_sub(2) {
        None => U256::ZERO,
        Some(exponent) => {
            let exponent = usize::try_from(exponent).unwrap_or(usize::MAX);
            U256::ONE.checked_shl(exponent).unwrap_or(U256::MAX)
        }
    }
}
