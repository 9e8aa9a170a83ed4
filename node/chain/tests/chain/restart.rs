//! Stopping in order, and not.

use crate::support::*;
use atoll_chain::{Chain, Import, Origin};
use atoll_primitives::{Address, U256};

fn balance(chain: &Chain, address: &Address) -> U256 {
    chain.storage().head_state().account(address).unwrap().unwrap_or_default().balance
}

#[test]
fn a_crash_loses_nothing() {
    for (blocks, depth) in [(3, 64), (20, 4)] {
        let node = Node::with_depth(0, depth);
        node.mine(blocks, 0);
        let head = node.head();
        let Node { dir, spec, chain, .. } = node;
        // No shutdown: as after kill -9, nothing more is written.
        drop(chain);
        let chain = open(dir.path(), &spec, depth);
        assert_eq!((chain.head().number, chain.head().hash), head);
        assert_eq!(balance(&chain, &RECEIVER), U256::from(blocks));
        assert_eq!(chain.head_td(), U256::from(16 * (blocks + 1)));
    }
}

#[test]
fn after_an_orderly_stop_nothing_is_executed_again() {
    let node = Node::new(0);
    node.mine(10, 0);
    node.chain.shutdown().unwrap();
    let head = node.head();
    let Node { dir, spec, chain, .. } = node;
    drop(chain);
    let chain = open(dir.path(), &spec, 64);
    assert_eq!(chain.storage().base().number, 10);
    assert_eq!((chain.head().number, chain.head().hash), head);
    assert_eq!(balance(&chain, &RECEIVER), U256::from(10));
}

#[test]
fn a_side_chain_survives_too_and_can_still_win() {
    let (node, other) = (Node::new(0), Node::new(1));
    node.mine(3, 0);
    let theirs = other.mine(4, 1);
    for block in &theirs[..3] {
        assert_eq!(node.import(block), Import::SideChain);
    }
    let head = node.head();
    let Node { dir, spec, chain, .. } = node;
    drop(chain);
    let chain = open(dir.path(), &spec, 64);
    assert_eq!((chain.head().number, chain.head().hash), head);
    assert_eq!(chain.import(theirs[3].clone(), Origin::Peer).unwrap(), Import::Canonical);
    assert_eq!(chain.head().hash, other.head().1);
}

#[test]
fn the_chain_goes_on_after_every_restart() {
    let (mut node, mut total) = (Node::with_depth(0, 3), 0);
    for round in 1..=4_usize {
        total += node.mine(round, 0).len();
        let Node { dir, spec, chain, .. } = node;
        if round % 2 == 0 {
            chain.shutdown().unwrap();
        }
        drop(chain);
        let chain = open(dir.path(), &spec, 3);
        node = Node::reopened(dir, spec, chain);
        assert_eq!(node.head().0, total as u64);
        assert_eq!(node.received(), U256::from(total));
    }
}
