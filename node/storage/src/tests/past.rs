//! States and proofs of blocks long persisted, and what is left of them when history is pruned.

use super::harness::*;
use crate::{DbEngine, Storage, StorageError, StorageOptions};
use atoll_primitives::{B256, U256};
use std::{path::Path, time::Duration};

const LIMIT: Duration = Duration::from_secs(60);

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
                let proof = storage.proof_at(hash, &address(n), &slots(), LIMIT).unwrap().unwrap();
                assert_eq!(proof, *expected, "account {n} at {hash}");
            }
        }
    }
}

#[test]
fn a_proof_ends_at_its_time_limit_and_is_of_canonical_blocks_only() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), DbEngine::Redb);
    let mut blocks = Blocks::new();
    let (mut head, genesis) = (blocks.genesis, blocks.genesis);
    let side = blocks.append(&storage, &genesis, 777);
    let mut second = head;
    for seed in 0..30 {
        head = blocks.extend(&storage, &head, seed);
        second = if seed == 1 { head } else { second };
    }
    storage.flush_all().unwrap();
    let late = storage.proof_at(&second, &address(0), &[], Duration::ZERO);
    assert!(matches!(late, Err(StorageError::TookTooLong { .. })), "{late:?}");
    assert!(storage.proof_at(&side, &address(0), &[], LIMIT).unwrap().is_none());
    assert!(storage.proof_at(&B256::repeat_byte(9), &address(0), &[], LIMIT).unwrap().is_none());
    assert!(storage.proof_at(&second, &address(0), &[], LIMIT).unwrap().is_some());
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
                    assert!(storage.proof_at(hash, &address(0), &[], LIMIT).is_err());
                    assert!(storage.block(hash).unwrap().is_some());
                } else {
                    blocks.world(hash).assert_same(&storage.state_at(hash).unwrap().unwrap());
                    storage.proof_at(hash, &address(1), &slots(), LIMIT).unwrap().unwrap();
                }
            }
            // A view from before says so too, and never answers with a newer state.
            if let Some(view) = early.filter(|view| view.block_number() < oldest) {
                assert!(matches!(view.account(&address(0)), Err(StorageError::Pruned { .. })));
            }
            drop(storage);
            let report = crate::verify(dir.path(), &spec(), 1 << 20, &mut |_| ()).unwrap();
            let history = ["account_history", "slot_history", "change_sets"];
            assert!(history.iter().all(|table| !report.counts.contains_key(table)), "{:#?}", report.faults);
        }
        // Down to the oldest state a reorganisation may reach.
        let storage = open_pruning(dir.path(), engine, 10);
        let oldest = &hashes[hashes.len() - 11];
        storage.unwind(oldest).unwrap();
        blocks.world(oldest).assert_same(&storage.head_state());
    }
}
