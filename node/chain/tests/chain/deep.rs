//! Forks below the persisted base.

use crate::support::*;
use atoll_chain::{Import, ImportError, Origin};
use atoll_primitives::{B256, Block, U256};

const DEPTH: u64 = 4;

/// A node whose first blocks are persisted.
fn settled(blocks: usize) -> (Node, Vec<Block>) {
    let node = Node::with_depth(0, DEPTH);
    let mined = node.mine(blocks, 0);
    // A flush is due once twice the depth lies above the base.
    node.wait_for_base(blocks as u64 + 1 - 2 * DEPTH);
    (node, mined)
}

#[test]
fn a_heavier_chain_from_below_the_base_wins() {
    let (node, ours) = settled(12);
    let other = Node::new(1);
    let theirs = other.mine(13, 1);
    let mut events = node.chain.events();
    for block in &theirs[..12] {
        assert_eq!(node.import(block), Import::SideChain);
    }
    assert_eq!(node.head(), (12, hash(&ours[11])));
    assert_eq!(node.import(&theirs[12]), Import::Canonical);
    assert_eq!(node.head(), other.head());
    assert_eq!(node.received(), U256::from(13));
    let change = next_head(&mut events);
    assert_eq!((change.reverted.len(), change.applied.len()), (12, 13));
    assert_eq!(change.reverted[11].hash, hash(&ours[11]));
    let storage = node.chain.storage();
    for block in &theirs {
        assert_eq!(storage.canonical_hash(block.header.number).unwrap(), Some(hash(block)));
    }
    let sender = storage.head_state().account(&key(0).address()).unwrap().unwrap();
    assert_eq!(sender.nonce, 0);
    // The chain goes on from there.
    node.mine(3, 0);
    assert_eq!(node.received(), U256::from(16));
}

#[test]
fn and_the_first_chain_can_win_again() {
    let (node, ours) = settled(12);
    let (first, second) = (Node::new(0), Node::new(1));
    let theirs = second.mine(13, 1);
    node.chain.import_many(theirs, Origin::Sync).unwrap();
    assert_eq!(node.head(), second.head());
    node.mine(8, 1);
    node.wait_for_base(13);
    first.chain.import_many(ours.clone(), Origin::Sync).unwrap();
    let longer: Vec<Block> = ours.into_iter().chain(first.mine(10, 0)).collect();
    node.chain.import_many(longer, Origin::Sync).unwrap();
    assert_eq!(node.head(), first.head());
    assert_eq!(node.received(), U256::from(22));
}

#[test]
fn a_chain_that_does_not_execute_changes_nothing() {
    let (node, ours) = settled(12);
    let other = Node::new(1);
    let mut theirs = other.mine(5, 1);
    // From here on the work is real and the state is not.
    for byte in 0..9 {
        let parent = &theirs.last().unwrap().header;
        theirs.push(other.unfounded_block(parent, B256::repeat_byte(byte + 1)));
    }
    for block in &theirs[..12] {
        assert_eq!(node.import(block), Import::SideChain);
    }
    let received = node.received();
    let error = node.chain.import(theirs[12].clone(), Origin::Peer).unwrap_err();
    let ImportError::Invalid { number: 6, hash: bad, .. } = error else { panic!("{error:?}") };
    assert_eq!(bad, hash(&theirs[5]));
    assert_eq!(node.head(), (12, hash(&ours[11])));
    assert_eq!(node.received(), received);
    let storage = node.chain.storage();
    for block in &ours {
        assert_eq!(storage.canonical_hash(block.header.number).unwrap(), Some(hash(block)));
    }
    // Its descendants are not tried again, and the old chain goes on.
    assert!(node.chain.import(theirs[13].clone(), Origin::Peer).unwrap_err().is_invalid());
    node.mine(2, 0);
    assert_eq!(node.head().0, 14);
}

#[test]
fn it_survives_a_crash_afterwards() {
    let (node, _) = settled(12);
    let other = Node::new(1);
    node.chain.import_many(other.mine(13, 1), Origin::Sync).unwrap();
    let (head, Node { dir, spec, chain, .. }) = (other.head(), node);
    drop(chain);
    let chain = open(dir.path(), &spec, DEPTH);
    assert_eq!((chain.head().number, chain.head().hash), head);
}

#[test]
fn it_survives_a_crash_after_returning_to_a_chain_it_had_left() {
    let (node, ours) = settled(12);
    let (first, second) = (Node::new(0), Node::new(1));
    node.chain.import_many(second.mine(13, 1), Origin::Sync).unwrap();
    first.chain.import_many(ours, Origin::Sync).unwrap();
    node.chain.import_many(first.mine(2, 0), Origin::Sync).unwrap();
    assert_eq!(node.head(), first.head());
    let Node { dir, spec, chain, .. } = node;
    drop(chain);
    let chain = open(dir.path(), &spec, DEPTH);
    assert_eq!((chain.head().number, chain.head().hash), first.head());
}

/// The process dies after the old chain was unwound, with this many blocks of the other one on disk: the node comes
/// back with whichever is heavier, and is not left on the stump of either.
#[test]
fn a_crash_in_the_middle_does_not_shorten_the_chain() {
    for (others, expected) in [(0, 12), (3, 12), (10, 12), (11, 13)] {
        let (node, ours) = settled(12);
        let old = node.head();
        node.chain.storage().unwind(&hash(&ours[1])).unwrap();
        node.mine(others, 1);
        if others == 3 {
            node.chain.storage().flush_all().unwrap();
        }
        let stump = node.head();
        let Node { dir, spec, chain, .. } = node;
        drop(chain);
        for start in 1..=2 {
            let chain = open(dir.path(), &spec, DEPTH);
            let head = (chain.head().number, chain.head().hash);
            assert_eq!(head, if expected == 12 { old } else { stump }, "{others} blocks, start {start}");
            assert_eq!(head.0, expected);
            let received = chain.storage().head_state().account(&RECEIVER).unwrap().unwrap().balance;
            assert_eq!(received, U256::from(expected));
        }
    }
}
