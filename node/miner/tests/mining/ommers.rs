//! Stale blocks become ommers.

use crate::support::*;
use atoll_chain::{Import, Origin};
use atoll_miner::MinerConfig;
use atoll_primitives::{Bytes, U256};

#[test]
fn a_side_block_is_included_as_an_ommer_and_paid() {
    let still = MinerConfig { mining: false, ..config() };
    let node = Node::new(&quick(), still.clone());
    let other =
        Node::new(&quick(), MinerConfig { coinbase: RECEIVER, extra_data: Bytes::from_static(b"other"), ..still });
    node.mine_to(2);
    other.mine_to(1);
    let side = other.block(1);
    assert_eq!(node.chain.import(side.block.clone(), Origin::Peer).unwrap(), Import::SideChain);
    let before = node.number();
    node.mine_to(before + 1);
    let block = node.block(before + 1);
    assert_eq!(block.block.body.ommers, vec![side.header().clone()]);
    // Two ether, less an eighth for each block in between.
    let eighths = 8 + 1 - block.number();
    let ether = U256::from(10).pow(U256::from(18));
    let paid = ether * U256::from(2 * eighths) / U256::from(8);
    assert_eq!(node.balance(&RECEIVER), paid);
    node.mine_to(before + 2);
    assert!(node.block(before + 2).block.body.ommers.is_empty(), "an ommer is included once");
}
