//! Blocks without transactions: they come, they obey the settings, they stop.

use crate::support::*;
use atoll_miner::MinerConfig;
use atoll_primitives::{Bytes, U256};
use serde_json::json;

#[test]
fn empty_blocks_are_mined_and_rewarded() {
    let node = Node::new(&quick(), config());
    node.reach(3);
    node.miner.shutdown();
    let ether = U256::from(10).pow(U256::from(18));
    assert_eq!(node.balance(&COINBASE), ether * U256::from(2 * node.number()));
    let block = node.block(2);
    assert_eq!(block.header().beneficiary, COINBASE);
    assert_eq!(block.header().extra_data.as_ref(), b"atoll");
    assert!(!block.header().mix_hash.is_zero());
}

#[test]
fn a_target_block_time_is_mined_too() {
    let node = Node::new(&spec(&json!({ "datasetSize": 65536, "blockTime": 2 })), config());
    node.reach(2);
    assert!(node.block(2).header().difficulty >= U256::from(1_024));
    node.reach(3);
    until("a hash rate", || node.miner.hashrate() > 0);
}

#[test]
fn a_stopped_miner_builds_pending_blocks_only() {
    let node = Node::new(&quick(), MinerConfig { mining: false, ..config() });
    assert!(!node.miner.is_mining());
    assert_eq!(node.miner.hashrate(), 0);
    let pending = node.miner.pending_block().unwrap();
    assert_eq!(pending.block.number(), 1);
    assert_eq!(pending.block.header().parent_hash, node.chain.head().hash);
    assert_eq!(node.number(), 0, "nothing is mined");
    node.miner.start().unwrap();
    assert!(node.miner.is_mining());
    node.reach(1);
    node.miner.shutdown();
    node.miner.shutdown();
    assert!(!node.miner.is_mining());
}

#[test]
fn settings_take_effect_in_the_next_blocks() {
    let node = Node::new(&quick(), MinerConfig { mining: false, ..config() });
    node.miner.set_coinbase(RECEIVER);
    node.miner.set_gas_limit(60_000_000);
    node.miner.set_extra(Bytes::from_static(b"mine")).unwrap();
    node.mine_to(1);
    let block = node.block(1);
    assert_eq!(block.header().beneficiary, RECEIVER);
    assert_eq!(block.header().extra_data.as_ref(), b"mine");
    assert_eq!(block.header().gas_limit, 30_000_000 + 30_000_000 / 1_024 - 1);
}
