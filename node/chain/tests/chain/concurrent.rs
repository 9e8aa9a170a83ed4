//! Readers and several importers at once.

use crate::support::*;
use atoll_chain::Origin;
use atoll_primitives::U256;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

#[test]
fn readers_see_whole_blocks_during_import() {
    let miner = Node::new(0);
    let blocks = miner.mine(40, 0);
    let node = Node::with_depth(1, 4);
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let view = node.chain.storage().head_state();
                    let sender = view.account(&key(0).address()).unwrap().unwrap();
                    let received = view.account(&RECEIVER).unwrap().unwrap_or_default().balance;
                    // One transfer a block.
                    assert_eq!(sender.nonce, view.block_number());
                    assert_eq!(received, U256::from(view.block_number()));
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for block in &blocks {
            node.import(block);
            let before = reads.load(Ordering::Relaxed);
            while reads.load(Ordering::Relaxed) == before {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(node.head(), miner.head());
}

#[test]
fn several_importers_agree() {
    let miner = Node::new(0);
    let blocks = miner.mine(20, 0);
    let node = Node::new(1);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for batch in blocks.chunks(5) {
                    node.chain.import_many(batch.to_vec(), Origin::Sync).unwrap();
                }
            });
        }
    });
    assert_eq!(node.head(), miner.head());
}
