//! What stays in memory, and for how long.

use super::harness::*;
use crate::{DbEngine, Storage, StorageOptions};
use atoll_primitives::{Account, StateChanges};

/// Blocks that stay in memory whatever they take.
const LEAST: u64 = 8;

/// A chain of blocks that make 400 accounts each, with this much for caches; far fewer blocks than the flush depth.
fn grow(cache_bytes: usize, count: u64) -> (Storage, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = StorageOptions { engine: DbEngine::Redb, cache_bytes, ..StorageOptions::default() };
    assert!(options.flush_depth > count);
    let storage = Storage::open(dir.path(), &spec(), options).unwrap();
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    for block in 0..count {
        let account = |n: u64| (address(1000 + block * 400 + n), Some(Account { nonce: 1, ..Account::default() }));
        let changes = StateChanges { accounts: (0..400).map(account).collect(), ..StateChanges::default() };
        let executed = blocks.make_of(&head, block, changes, Some(&storage.head_state()));
        head = executed.block.hash;
        storage.append(executed).unwrap();
        storage.set_head(&head).unwrap();
    }
    (storage, dir)
}

#[test]
fn tries_that_outgrow_their_memory_are_persisted_before_the_flush_depth() {
    let (large, _dir) = grow(64 << 20, LEAST + 4);
    assert!(!large.flush_ready(), "there is room for them");
    let (small, _dir) = grow(1 << 20, LEAST + 4);
    assert!(small.flush_ready());
    small.flush().unwrap();
    assert_eq!(small.base().number, 4, "the newest stay: they are reorganised every day");
    assert!(!small.flush_ready(), "there is nothing left that may go");
    let (few, _dir) = grow(1 << 20, LEAST);
    assert!(!few.flush_ready());
}
