//! Views stay what they are while the chain moves on below and above them; proofs prove.

use super::harness::*;
use crate::{DbEngine, StorageError};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use atoll_primitives::{U256, keccak256};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn views_outlive_flushes_and_forks() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), engine);
        let mut blocks = Blocks::new();
        let genesis = blocks.genesis;
        let mut views = vec![storage.head_state()];
        // A side chain whose states will be passed by.
        let mut side = genesis;
        for seed in 900..906 {
            side = blocks.append(&storage, &side, seed);
            views.push(storage.state_at(&side).unwrap().unwrap());
        }
        let mut head = genesis;
        for seed in 0..24 {
            head = blocks.extend(&storage, &head, seed);
            views.push(storage.head_state());
            views.push(storage.state_at(&head).unwrap().unwrap());
            if seed % 6 == 5 {
                storage.flush().unwrap();
                views.push(storage.state_at(&storage.base().hash).unwrap().unwrap());
            }
            for view in &views {
                blocks.world(&view.block_hash()).assert_same(view);
            }
        }
        assert!(storage.state_at(&side).unwrap().is_none(), "dropped with the flush");
        assert_eq!(storage.block(&side).unwrap().unwrap(), blocks.known[&side].0.block, "still found by hash");
    }
}

#[test]
fn every_state_has_its_tries_however_old_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let (mut head, before) = (blocks.genesis, storage.head_state());
    for seed in 0..20 {
        head = blocks.extend(&storage, &head, seed);
    }
    let newest = storage.head_state();
    storage.flush().unwrap();
    assert_eq!(storage.base().number, 16);
    assert_eq!(before.state_root(&Default::default()).unwrap().0, blocks.world(&blocks.genesis).root());
    let old = storage.state_at(&storage.canonical_hash(15).unwrap().unwrap()).unwrap().unwrap();
    old.proof(&address(0), &[]).unwrap();
    // So has a view from before the flush that stands on what was flushed.
    let (root, changed) = newest.state_root(&Default::default()).unwrap();
    assert_eq!(root, blocks.world(&head).root());
    assert_eq!(changed.root_hash(), root);
    storage.state_at(&storage.base().hash).unwrap().unwrap().proof(&address(0), &[]).unwrap();
}

#[test]
fn readers_in_other_threads_see_one_state_while_flushes_go_on() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), engine);
        let mut blocks = Blocks::new();
        let mut head = blocks.genesis;
        for round in 0..6u64 {
            for n in 0..8 {
                head = blocks.extend(&storage, &head, round * 100 + n);
            }
            let mut at = head;
            let views: Vec<_> = (0..8)
                .map(|_| {
                    let view = storage.state_at(&at).unwrap().unwrap();
                    at = blocks.known[&at].0.block.header().parent_hash;
                    view
                })
                .collect();
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for views in views.chunks(4) {
                    let (done, blocks) = (&done, &blocks);
                    scope.spawn(move || {
                        // Once more after the flush is through.
                        let mut last = false;
                        while !last {
                            last = done.load(Ordering::Acquire);
                            views.iter().for_each(|view| blocks.world(&view.block_hash()).assert_same(view));
                        }
                    });
                }
                storage.flush_all().unwrap();
                done.store(true, Ordering::Release);
            });
        }
        blocks.check_chain(&storage, &head);
    }
}

#[test]
fn a_view_on_unwound_blocks_stays_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    let mut hashes = vec![head];
    for seed in 0..12 {
        head = blocks.extend(&storage, &head, seed);
        hashes.push(head);
    }
    storage.flush_all().unwrap();
    let views: Vec<_> = hashes.iter().map(|hash| storage.state_at(hash).unwrap().unwrap()).collect();
    storage.unwind(&hashes[5]).unwrap();
    for view in &views {
        blocks.world(&view.block_hash()).assert_same(view);
    }
    assert!(storage.state_at(&hashes[6]).unwrap().is_none());
    assert_eq!(storage.block(&hashes[12]).unwrap().unwrap(), blocks.known[&hashes[12]].0.block);
    let refused = storage.unwind(&hashes[8]);
    assert!(matches!(refused, Err(StorageError::UnknownBlock { .. })));
}

#[test]
fn proofs_hold_against_the_state_root() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    for seed in 0..30 {
        if seed == 20 {
            storage.flush().unwrap();
        }
        head = blocks.extend(&storage, &head, seed);
        let (view, world) = (storage.head_state(), blocks.world(&head));
        let slots: Vec<U256> = (0..SLOTS).map(U256::from).collect();
        for n in 0..ADDRESSES + 3 {
            let address = address(n);
            let proof = view.proof(&address, &slots).unwrap();
            let expected = world.accounts.get(&address);
            assert_eq!(proof.account, expected.map(|(account, _)| *account));
            let leaf = proof.account.map(|account| {
                let leaf = TrieAccount::new(account.nonce, account.balance, proof.storage_root, account.code_hash);
                alloy_rlp::encode(leaf)
            });
            let key = |bytes: &[u8]| Nibbles::unpack(keccak256(bytes));
            verify_proof(world.root(), key(address.as_slice()), leaf, &proof.account_proof).unwrap();
            for slot in proof.storage {
                let value = expected.and_then(|(_, slots)| slots.get(&slot.slot)).copied().unwrap_or_default();
                assert_eq!(slot.value, value);
                let leaf = (!value.is_zero()).then(|| alloy_rlp::encode(value));
                let key = key(&slot.slot.to_be_bytes::<32>());
                verify_proof(proof.storage_root, key, leaf, &slot.proof).unwrap();
            }
        }
    }
}
