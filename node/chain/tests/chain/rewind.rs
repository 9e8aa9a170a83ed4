//! Setting the chain back by hand.

use crate::support::*;
use atoll_chain::{ChainEvent, Import, Origin, RewindError};
use atoll_primitives::U256;

const DEPTH: u64 = 4;

/// The chain is at block `number` of these with the state that belongs to it, and nothing above is canonical.
fn stands_at(node: &Node, blocks: &[atoll_primitives::Block], number: usize) {
    assert_eq!(node.head().0, number as u64);
    assert_eq!(node.received(), U256::from(number));
    let storage = node.chain.storage();
    for (block, canonical) in blocks.iter().zip((1..).map(|at| at <= number)) {
        let found = storage.canonical_hash(block.header.number).unwrap();
        assert_eq!(found == Some(hash(block)), canonical, "block {}", block.header.number);
        assert_eq!(storage.transaction_location(block.body.transactions[0].tx_hash()).unwrap().is_some(), canonical);
    }
}

#[test]
fn the_chain_goes_back_and_listeners_hear_of_it() {
    // From memory, and from below what is persisted.
    for (depth, to) in [(64, 5), (DEPTH, 2), (DEPTH, 0)] {
        let node = Node::with_depth(0, depth);
        let blocks = node.mine(12, 0);
        if depth == DEPTH {
            node.wait_for_base(5);
        }
        let mut events = node.chain.events();
        assert_eq!(node.chain.set_head(to as u64).unwrap().number, to as u64);
        stands_at(&node, &blocks, to);
        let ChainEvent::Head(change) = events.try_recv().unwrap() else { panic!("a side block") };
        assert_eq!((change.head.number, change.origin), (to as u64, Origin::Rewind));
        assert_eq!((change.reverted.len(), change.applied.len()), (12 - to, 0));
        assert_eq!(change.td, node.chain.head_td());
        // Another chain grows from there.
        node.mine(3, 1);
        assert_eq!(node.received(), U256::from(to + 3));
        assert_ne!(node.chain.storage().canonical_hash(to as u64 + 1).unwrap(), Some(hash(&blocks[to])));
    }
}

#[test]
fn the_blocks_that_were_left_can_come_back() {
    for (depth, to) in [(64, 5), (DEPTH, 2)] {
        let node = Node::with_depth(0, depth);
        let blocks = node.mine(12, 0);
        if depth == DEPTH {
            node.wait_for_base(5);
        }
        node.chain.set_head(to as u64).unwrap();
        assert_eq!(node.import(&blocks[to]), Import::Canonical, "one by one");
        stands_at(&node, &blocks, to + 1);
        node.chain.import_many(blocks.clone(), Origin::Sync).unwrap();
        stands_at(&node, &blocks, 12);
        // And a block from far above brings those between with it.
        node.chain.set_head(to as u64).unwrap();
        assert_eq!(node.import(&blocks[11]), Import::Canonical);
        stands_at(&node, &blocks, 12);
    }
}

#[test]
fn a_restart_stays_where_the_chain_was_set_back_to() {
    for (depth, to) in [(64, 5), (DEPTH, 2)] {
        let node = Node::with_depth(0, depth);
        let blocks = node.mine(12, 0);
        if depth == DEPTH {
            node.wait_for_base(5);
        }
        node.chain.set_head(to as u64).unwrap();
        let Node { dir, spec, chain, .. } = node;
        drop(chain);
        let chain = open(dir.path(), &spec, depth);
        let node = Node::reopened(dir, spec, chain);
        stands_at(&node, &blocks, to);
        node.chain.import_many(blocks.clone(), Origin::Sync).unwrap();
        stands_at(&node, &blocks, 12);
    }
}

#[test]
fn only_backwards() {
    let node = Node::new(0);
    node.mine(3, 0);
    assert_eq!(node.chain.set_head(3).unwrap().number, 3);
    let error = node.chain.set_head(4).unwrap_err();
    assert!(matches!(error, RewindError::BeyondHead { number: 4, head: 3 }), "{error}");
    node.chain.shutdown().unwrap();
    assert!(matches!(node.chain.set_head(1), Err(RewindError::Stopped)));
}
