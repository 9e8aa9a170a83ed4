//! Block rewards of proof of work, by fork (EIP-649, EIP-1234).

use atoll_primitives::{Address, ChainSpec, Hardfork, Header, U256};

const ETHER: u64 = 1_000_000_000_000_000_000;

/// Wei to each ommer's beneficiary, then to the block's own; nothing after the merge. `ommers` have passed their
/// rules, so each is 1 to 6 blocks older than `header`.
pub(crate) fn rewards(spec: &ChainSpec, header: &Header, ommers: &[Header]) -> Vec<(Address, U256)> {
    if spec.is_post_merge(header) {
        return Vec::new();
    }
    let block = block_reward(spec, header);
    let mut own = block;
    let mut rewards = Vec::with_capacity(ommers.len() + 1);
    for ommer in ommers {
        let eighths = (ommer.number.saturating_add(8)).saturating_sub(header.number).min(8);
        rewards.push((ommer.beneficiary, block * U256::from(eighths) / U256::from(8)));
        own += block / U256::from(32);
    }
    rewards.push((header.beneficiary, own));
    rewards
}

fn block_reward(spec: &ChainSpec, header: &Header) -> U256 {
    let active = |fork| spec.is_active(fork, header.number, header.timestamp);
    let ether: u64 = if active(Hardfork::Constantinople) {
        2
    } else if active(Hardfork::Byzantium) {
        3
    } else {
        5
    };
    U256::from(ether) * U256::from(ETHER)
}
