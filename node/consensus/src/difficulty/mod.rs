//! The difficulty a block must have: Ethereum's formula of each fork, a fixed one, or one that aims at a block
//! time. Pure arithmetic on the parent header and the timestamp.

mod mainnet;
mod target;
#[cfg(test)]
mod tests;

use atoll_primitives::{ChainSpec, EthashConfig, Header, U256};

pub use target::{EMA_BLOCKS, MIN_TARGET_DIFFICULTY};

/// The difficulty of the block after `parent` with this timestamp (seconds).
pub fn difficulty(spec: &ChainSpec, config: &EthashConfig, timestamp: u64, parent: &Header) -> U256 {
    match (config.fixed_difficulty, config.block_time) {
        (Some(fixed), _) => U256::from(fixed),
        (None, Some(block_time)) => target::difficulty(block_time, timestamp, parent),
        (None, None) => mainnet::difficulty(spec, timestamp, parent),
    }
}
