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
    // The next block, or the one after it if its template was there before the event.
    node.miner.start().unwrap();
    let with_ommers = || (1..=node.number()).find(|number| !node.block(*number).block.body.ommers.is_empty());
    until("an ommer", || with_ommers().is_some());
    let block = node.block(with_ommers().unwrap());
    node.reach(block.number() + 2);
    node.miner.shutdown();
    assert_eq!(block.block.body.ommers, vec![side.header().clone()]);
    // Two ether, less an eighth for each block in between.
    let eighths = 8 + 1 - block.number();
    let ether = U256::from(10).pow(U256::from(18));
    let paid = ether * U256::from(2 * eighths) / U256::from(8);
    assert_eq!(node.balance(&RECEIVER), paid);
    let later = (block.number() + 1..=node.number()).map(|number| node.block(number));
    assert!(later.into_iter().all(|block| block.block.body.ommers.is_empty()), "an ommer is included once");
}
