//! Random histories - blocks, forks, flushes, deep reorganisations, restarts - against the model.

use super::harness::*;
use crate::{Storage, tables};
use atoll_primitives::{Account, Address, B256, U256, keccak256};
use std::{collections::BTreeMap, ops::Bound};

/// The base's state listed is the model's: nothing missing, nothing left over; and the tables name a state for every block up to
/// it and for no other.
fn assert_state_holds(storage: &Storage, world: &World) {
    let view = storage.state_at(&storage.base().hash).unwrap().unwrap();
    let mut expected: BTreeMap<Address, (Account, BTreeMap<U256, U256>)> = BTreeMap::new();
    let mut next = Some(B256::ZERO);
    while let Some(start) = next {
        let listed = view.list_accounts(start, 3).unwrap();
        for (hash, (address, account)) in listed.entries {
            assert_eq!(hash, keccak256(address));
            let slots = view.list_storage(&address, B256::ZERO, usize::MAX).unwrap();
            assert!(slots.next.is_none());
            expected.insert(address, (account, slots.entries.into_values().collect()));
        }
        next = listed.next;
    }
    assert_eq!(expected, world.accounts);
    assert_eq!(view.header().state_root, world.root());
    let rows = storage.inner.base.kv.range(tables::STATE_ROOTS, Bound::Unbounded, Bound::Unbounded, false, usize::MAX);
    let numbers: Vec<u64> = rows.unwrap().iter().map(|(key, _)| tables::decode_u64(key).unwrap()).collect();
    assert_eq!(numbers, (0..=storage.base().number).collect::<Vec<_>>());
}

/// The ancestor `depth` blocks up, or the genesis block.
fn ancestor(blocks: &Blocks, mut at: B256, depth: u64) -> B256 {
    for _ in 0..depth {
        if at == blocks.genesis {
            break;
        }
        at = blocks.known[&at].0.block.header().parent_hash;
    }
    at
}

fn random_history(engine: crate::DbEngine, seed: u64, steps: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = open(dir.path(), engine);
    let mut blocks = Blocks::new();
    let mut rng = Rng(seed);
    let mut head = blocks.genesis;
    for step in 0..steps {
        match rng.below(20) {
            // A fork from above the base, which may or may not become the head.
            0..=2 => {
                let above = storage.head_number() - storage.base().number;
                let mut tip = ancestor(&blocks, head, rng.below(above + 1));
                for n in 0..=rng.below(4) {
                    tip = blocks.append(&storage, &tip, seed << 32 | step << 8 | n);
                }
                if rng.below(2) == 0 {
                    let old = head;
                    let reorg = storage.set_head(&tip).unwrap();
                    let last = reorg.applied.last().map_or(tip, |block| block.hash);
                    assert_eq!(last, tip);
                    assert_eq!(reorg.reverted.last().map_or(old, |block| block.hash), old);
                    head = tip;
                }
            }
            3 | 4 => {
                storage.flush().unwrap();
                let base = storage.base();
                assert!(storage.head_number() - base.number <= 4);
                assert_state_holds(&storage, blocks.world(&base.hash));
            }
            5 => {
                storage.flush_all().unwrap();
                assert_eq!(storage.base().hash, head);
            }
            6 => {
                let to = ancestor(&blocks, head, rng.below(12));
                storage.unwind(&to).unwrap();
                let base = storage.base();
                assert_state_holds(&storage, blocks.world(&base.hash));
                head = to;
            }
            7 => {
                drop(storage);
                storage = open(dir.path(), engine);
                blocks.restore(&storage);
            }
            _ => head = blocks.extend(&storage, &head, seed << 32 | step << 8),
        }
        assert_eq!(storage.head().hash, head, "step {step}");
        blocks.world(&head).assert_same(&storage.head_state());
        if step % 16 == 0 {
            blocks.check_chain(&storage, &head);
        }
    }
    blocks.check_chain(&storage, &head);
    storage.flush_all().unwrap();
    assert_state_holds(&storage, blocks.world(&head));
    blocks.check_chain(&storage, &head);
    drop(storage);
    let report = crate::verify(dir.path(), &spec(), 1 << 20, &mut |_| ()).unwrap();
    // The model's blocks have no true roots of transactions.
    let states = ["state", "state_roots", "code", "meta"];
    assert!(states.iter().all(|part| !report.counts.contains_key(part)), "{:#?}", report.counts);
}

#[test]
fn random_histories_on_redb_agree_with_the_model() {
    for seed in 1..=6 {
        random_history(crate::DbEngine::Redb, seed, 120);
    }
}

#[test]
fn random_histories_on_sled_agree_with_the_model() {
    for seed in 11..=12 {
        random_history(crate::DbEngine::Sled, seed, 100);
    }
}
