//! Blocks that extend the chain.

use crate::support::*;
use atoll_chain::{ChainEvent, Import, ImportError, Origin};
use atoll_primitives::{Hardfork, U256};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

#[test]
fn a_block_becomes_the_head_with_its_effects() {
    let node = Node::new(0);
    let mut events = node.chain.events();
    let block = node.block(&[transfer(0, 0), transfer(0, 1), transfer(1, 0)]);
    assert_eq!(node.chain.import(block.clone(), Origin::Own).unwrap(), Import::Canonical);
    assert_eq!(node.head(), (1, hash(&block)));
    assert_eq!(node.received(), U256::from(3));
    assert_eq!(node.chain.head_td(), U256::from(32));
    assert_eq!(node.chain.finalized(), None);
    let miner = node.chain.storage().head_state().account(&MINER).unwrap().unwrap();
    // Two ether (EIP-1234) and the tips.
    assert!(miner.balance > U256::from(2_000_000_000_000_000_000_u64));
    let change = next_head(&mut events);
    assert_eq!((change.head.hash, change.td, change.origin), (hash(&block), U256::from(32), Origin::Own));
    assert!(change.reverted.is_empty());
    assert_eq!(change.applied.len(), 1);
    assert_eq!(change.applied_receipts[0].len(), 3);
    assert_eq!(node.import(&block), Import::AlreadyKnown);
    assert!(events.try_recv().is_err());
}

#[test]
fn another_node_accepts_the_chain_block_by_block_and_at_once() {
    let miner = Node::new(0);
    let blocks = miner.mine(12, 0);
    let (one, many) = (Node::new(1), Node::new(2));
    for block in &blocks {
        assert_eq!(one.import(block), Import::Canonical);
    }
    assert_eq!(many.chain.import_many(blocks.clone(), Origin::Sync).unwrap(), 12);
    assert_eq!(many.chain.import_many(blocks, Origin::Sync).unwrap(), 0);
    assert_eq!(one.head(), miner.head());
    assert_eq!(many.head(), miner.head());
    assert_eq!(many.received(), U256::from(12));
}

#[test]
fn the_parent_must_be_known() {
    let (miner, other) = (Node::new(0), Node::new(1));
    let blocks = miner.mine(3, 0);
    let error = other.chain.import(blocks[2].clone(), Origin::Peer).unwrap_err();
    let ImportError::UnknownParent { number: 3, parent, .. } = error else { panic!("{error}") };
    assert_eq!(parent, hash(&blocks[1]));
    assert!(!error.is_invalid());
    // In a batch with a hole, what comes before the hole is imported.
    let error = other.chain.import_many(vec![blocks[0].clone(), blocks[2].clone()], Origin::Sync).unwrap_err();
    assert_eq!(error.index, 1);
    assert!(matches!(error.source, ImportError::UnknownParent { .. }));
    assert_eq!(other.head().0, 1);
}

#[test]
fn a_block_from_the_future_waits() {
    let node = Node::new(0);
    let genesis = node.chain.head().hash;
    let block = node.block_on(&genesis, &[], &[], |block| block.header.timestamp = u64::MAX / 2);
    let error = node.chain.import(block.clone(), Origin::Peer).unwrap_err();
    assert!(matches!(error, ImportError::Future { timestamp, .. } if timestamp == u64::MAX / 2), "{error}");
    // It is not remembered as invalid.
    assert!(matches!(node.chain.import(block, Origin::Peer), Err(ImportError::Future { .. })));
}

#[test]
fn ommers_are_rewarded() {
    let (node, other) = (Node::new(0), Node::new(1));
    let ommer = other.block(&[]);
    let first = node.mine(1, 0).remove(0);
    assert_eq!(node.import(&ommer), Import::SideChain);
    let block = node.block_on(&hash(&first), &[], std::slice::from_ref(&ommer.header), |_| ());
    assert_eq!(node.import(&block), Import::Canonical);
    // A node that never saw the ommer takes it from the block.
    assert_eq!(other.import(&first), Import::Canonical);
    assert_eq!(other.import(&block), Import::Canonical);
    assert!(other.spec.is_active(Hardfork::Prague, 2, block.header.timestamp));
}

#[test]
fn an_ommer_needs_its_seal() {
    let (node, other) = (Node::new(0), Node::new(1));
    let mut ommer = other.block(&[]).header;
    ommer.mix_hash.0[0] ^= 1;
    let first = node.mine(1, 0).remove(0);
    let block = node.block_on(&hash(&first), &[], &[ommer], |_| ());
    assert!(node.chain.import(block, Origin::Peer).unwrap_err().is_invalid());
}

#[test]
fn senders_known_to_the_pool_are_not_recovered_again() {
    let node = Node::new(0);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let sender = key(0).address();
    node.chain.set_sender_lookup(Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Some(sender)
    }));
    node.mine(2, 0);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let best = node.chain.storage().block(&node.chain.head().hash).unwrap().unwrap();
    assert_eq!(best.senders, [sender]);
}

#[test]
fn nothing_is_imported_after_shutdown() {
    let node = Node::new(0);
    let block = node.block(&[]);
    node.chain.shutdown().unwrap();
    assert!(matches!(node.chain.import(block, Origin::Own), Err(ImportError::Stopped)));
    node.chain.shutdown().unwrap();
}

#[test]
fn every_head_is_an_event() {
    let node = Node::new(0);
    let mut events = node.chain.events();
    node.mine(3, 0);
    let mut numbers = Vec::new();
    while let Ok(ChainEvent::Head(change)) = events.try_recv() {
        numbers.push(change.head.number);
    }
    assert_eq!(numbers, [1, 2, 3]);
}
