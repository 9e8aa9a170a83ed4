//! States and proofs of blocks long persisted, and what is left of them when history is pruned.

use super::harness::*;
use crate::{DbEngine, Storage, StorageError, StorageOptions};
use atoll_primitives::U256;
use std::path::Path;

fn slots() -> Vec<U256> {
    (0..SLOTS).map(U256::from).collect()
}

#[test]
fn proofs_of_old_blocks_are_those_recorded_when_they_were_the_head() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), engine);
        let mut blocks = Blocks::new();
        let (mut head, mut recorded) = (blocks.genesis, Vec::new());
        for seed in 0..60 {
            head = blocks.extend(&storage, &head, seed);
            let view = storage.head_state();
            let proofs: Vec<_> = (0..ADDRESSES).map(|n| view.proof(&address(n), &slots()).unwrap()).collect();
            recorded.push((head, proofs));
            if seed % 13 == 12 {
                storage.flush().unwrap();
            }
        }
        storage.flush_all().unwrap();
        for (hash, proofs) in &recorded {
            for (n, expected) in (0..).zip(proofs) {
                let proof = storage.state_at(hash).unwrap().unwrap().proof(&address(n), &slots()).unwrap();
                assert_eq!(proof, *expected, "account {n} at {hash}");
            }
        }
    }
}

fn open_pruning(dir: &Path, engine: DbEngine, prune: u64) -> Storage {
    let prune = Some(prune);
    let options = StorageOptions { engine, cache_bytes: 1 << 20, flush_depth: 4, prune, ..StorageOptions::default() };
    Storage::open(dir, &spec(), options).unwrap()
}

#[test]
fn pruned_states_are_refused_and_kept_ones_are_whole() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let mut blocks = Blocks::new();
        let (mut head, mut hashes) = (blocks.genesis, vec![blocks.genesis]);
        for round in 0..4 {
            let storage = open_pruning(dir.path(), engine, 10);
            blocks.restore(&storage);
            let early = storage.state_at(&hashes[hashes.len().saturating_sub(12)]).unwrap_or_default();
            for n in 0..20 {
                head = blocks.extend(&storage, &head, round * 100 + n);
                hashes.push(head);
            }
            let persisted = storage.base().number;
            storage.flush_all().unwrap();
            // A flush forgets nothing of what it writes itself.
            let oldest = persisted.min(storage.head_number() - 10);
            for (number, hash) in (0..).zip(&hashes) {
                if number < oldest {
                    let refused = storage.state_at(hash);
                    assert!(matches!(refused, Err(StorageError::Pruned { oldest: o, .. }) if o == oldest), "{number}");
                    let refused = storage.unwind(hash);
                    assert!(matches!(refused, Err(StorageError::Pruned { .. })), "{refused:?}");
                    assert!(storage.block(hash).unwrap().is_some());
                } else {
                    let view = storage.state_at(hash).unwrap().unwrap();
                    blocks.world(hash).assert_same(&view);
                    view.proof(&address(1), &slots()).unwrap();
                }
            }
            // A view from before says so too, and never answers with a newer state.
            if let Some(view) = early.filter(|view| view.block_number() < oldest) {
                assert!(matches!(view.account(&address(0)), Err(StorageError::Pruned { .. })));
            }
            drop(storage);
            let report = crate::verify(dir.path(), &spec(), 1 << 20, &mut |_| ()).unwrap();
            let states = ["state", "state_roots"];
            assert!(states.iter().all(|table| !report.counts.contains_key(table)), "{:#?}", report.faults);
        }
        // Down to the oldest state a reorganisation may reach.
        let storage = open_pruning(dir.path(), engine, 10);
        let oldest = &hashes[hashes.len() - 11];
        storage.unwind(oldest).unwrap();
        blocks.world(oldest).assert_same(&storage.head_state());
    }
}

/// Files of the state log so small that old ones are soon all old.
fn open_sweeping(dir: &Path) -> Storage {
    let options = StorageOptions {
        cache_bytes: 1 << 20,
        flush_depth: 4,
        prune: Some(10),
        segment_bytes: 1 << 16,
        ..StorageOptions::default()
    };
    Storage::open(dir, &spec(), options).unwrap()
}

#[test]
fn pruning_gives_the_room_of_old_states_back() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open_sweeping(dir.path());
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    let first = dir.path().join("state/00000000.nodes");
    let files = || std::fs::read_dir(dir.path().join("state")).unwrap().count();
    let mut most = 0;
    for seed in 0..1500 {
        head = blocks.extend(&storage, &head, seed);
        if seed % 5 == 0 {
            storage.flush().unwrap();
        }
        most = most.max(files());
    }
    storage.flush_all().unwrap();
    assert!(!first.exists(), "the oldest file is gone");
    let written = storage.inner.base.log.end() / (1 << 26) + 1;
    assert!(written > most as u64 + 2, "{written} files were written, and never more than {most} kept");
    let (mut at, oldest) = (head, storage.inner.base.oldest_state());
    while blocks.known[&at].0.block.number() >= oldest {
        blocks.world(&at).assert_same(&storage.state_at(&at).unwrap().unwrap());
        at = blocks.known[&at].0.block.header().parent_hash;
    }
    drop(storage);
    let report = crate::verify(dir.path(), &spec(), 1 << 20, &mut |_| ()).unwrap();
    // The model's blocks have no true roots of transactions.
    let states = ["state", "state_roots", "code", "meta"];
    assert!(states.iter().all(|part| !report.counts.contains_key(part)), "{:#?}", report.counts);
}

/// What a sweep has moved is no longer moved once blocks are undone: it begins anew.
#[test]
fn states_outlive_a_reorganisation_in_the_middle_of_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open_sweeping(dir.path());
    let mut blocks = Blocks::new();
    let mut head = blocks.genesis;
    for seed in 0..1200 {
        head = blocks.extend(&storage, &head, seed);
        if seed % 3 == 0 {
            storage.flush().unwrap();
        }
        if seed % 17 == 16 {
            storage.flush_all().unwrap();
            let back = storage.canonical_hash(storage.head_number() - 8).unwrap().unwrap();
            storage.unwind(&back).unwrap();
            head = back;
        }
        blocks.world(&head).assert_same(&storage.head_state());
    }
    storage.flush_all().unwrap();
    assert!(!dir.path().join("state/00000000.nodes").exists(), "the oldest file is gone");
    drop(storage);
    let report = crate::verify(dir.path(), &spec(), 1 << 20, &mut |_| ()).unwrap();
    let states = ["state", "state_roots", "code", "meta"];
    assert!(states.iter().all(|part| !report.counts.contains_key(part)), "{:#?}", report.counts);
}
