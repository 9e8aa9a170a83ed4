//! Forks above the persisted base.

use crate::support::*;
use atoll_chain::{ChainEvent, Import, Origin};
use atoll_primitives::U256;

#[test]
fn equal_difficulty_keeps_the_first_seen() {
    let (node, other) = (Node::new(0), Node::new(1));
    let mut events = node.chain.events();
    node.mine(2, 0);
    let head = node.head();
    let others = other.mine(2, 1);
    assert_eq!(node.import(&others[0]), Import::SideChain);
    assert_eq!(node.import(&others[1]), Import::SideChain);
    assert_eq!(node.head(), head);
    let sides = std::iter::from_fn(|| events.try_recv().ok()).filter(|event| matches!(event, ChainEvent::Side(_)));
    assert_eq!(sides.count(), 2);
}

#[test]
fn more_difficulty_wins_and_the_event_says_what_changed() {
    let (node, other) = (Node::new(0), Node::new(1));
    let common = node.mine(2, 0);
    other.chain.import_many(common, Origin::Sync).unwrap();
    let ours = node.mine(2, 0);
    let theirs = other.mine(3, 1);
    let mut events = node.chain.events();
    assert_eq!(node.import(&theirs[0]), Import::SideChain);
    assert_eq!(node.import(&theirs[1]), Import::SideChain);
    assert_eq!(node.import(&theirs[2]), Import::Canonical);
    assert_eq!(node.head(), other.head());
    assert_eq!(node.chain.head_td(), U256::from(16 * 6));
    assert_eq!(node.received(), U256::from(5));
    let change = next_head(&mut events);
    let reverted: Vec<_> = change.reverted.iter().map(|block| block.hash).collect();
    let applied: Vec<_> = change.applied.iter().map(|block| block.hash).collect();
    assert_eq!(reverted, [hash(&ours[0]), hash(&ours[1])]);
    assert_eq!(applied, theirs.iter().map(hash).collect::<Vec<_>>());
    assert_eq!((change.reverted_receipts.len(), change.applied_receipts.len()), (2, 3));
    let storage = node.chain.storage();
    for block in &theirs {
        assert_eq!(storage.canonical_hash(block.header.number).unwrap(), Some(hash(block)));
        assert!(storage.transaction_location(block.body.transactions[0].tx_hash()).unwrap().is_some());
    }
    assert!(storage.transaction_location(ours[0].body.transactions[0].tx_hash()).unwrap().is_none());
    // And back, when the first branch grows further.
    let branch = Node::new(0);
    branch.chain.import_many(storage_chain(&node, &hash(&ours[1])), Origin::Sync).unwrap();
    let longer = branch.mine(2, 0);
    assert_eq!(node.import(&longer[0]), Import::SideChain);
    assert_eq!(node.import(&longer[1]), Import::Canonical);
    assert_eq!(node.head(), branch.head());
    assert_eq!(node.received(), U256::from(6));
}

/// All blocks from genesis to `tip`, canonical or not.
fn storage_chain(node: &Node, tip: &atoll_primitives::B256) -> Vec<atoll_primitives::Block> {
    let (mut blocks, mut next) = (Vec::new(), *tip);
    while next != node.chain.storage().genesis_hash() {
        let block = node.chain.storage().block(&next).unwrap().unwrap();
        next = block.header().parent_hash;
        blocks.push(block.block.clone());
    }
    blocks.reverse();
    blocks
}

#[test]
fn a_whole_side_chain_can_come_in_one_batch() {
    let (node, other) = (Node::new(0), Node::new(1));
    node.mine(3, 0);
    let theirs = other.mine(5, 1);
    assert_eq!(node.chain.import_many(theirs, Origin::Sync).unwrap(), 5);
    assert_eq!(node.head(), other.head());
}
