//! Random histories - blocks, forks, flushes, deep reorganisations, restarts - against the model.

use super::harness::*;
use crate::{Storage, tables, trie};
use alloy_trie::EMPTY_ROOT_HASH;
use atoll_primitives::{B256, Bytes, StateChanges, StorageChanges};
use std::{collections::BTreeMap, ops::Bound};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows(storage: &Storage, table: atoll_kv::Table) -> Rows {
    let rows = storage.inner.base.kv.range(table, Bound::Unbounded, Bound::Unbounded, false, usize::MAX).unwrap();
    rows.into_iter().collect()
}

/// The flat tables and the nodes must be exactly those of the base's state: nothing missing, nothing left over.
fn assert_tables_hold(storage: &Storage, world: &World) {
    struct Nothing;
    impl trie::NodeSource for Nothing {
        fn account_node(&self, _: &alloy_trie::Nibbles) -> Result<Option<Bytes>, crate::StorageError> {
            Ok(None)
        }
        fn storage_node(&self, _: &B256, _: &alloy_trie::Nibbles) -> Result<Option<Bytes>, crate::StorageError> {
            Ok(None)
        }
    }
    let mut all = StateChanges::default();
    let (mut accounts, mut slots) = (Rows::new(), Rows::new());
    for (address, (account, storage)) in &world.accounts {
        accounts.insert(address.to_vec(), tables::encode_account(Some(account)));
        for (slot, value) in storage {
            slots.insert(tables::slot_key(address, slot).to_vec(), tables::encode_value(value));
        }
        all.accounts.insert(*address, Some(*account));
        let storage = storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        all.storage.insert(*address, StorageChanges { wiped: false, slots: storage });
    }
    let (root, fresh) = trie::state_root(&Nothing, EMPTY_ROOT_HASH, &all, trie::Parent::Stays).unwrap();
    assert_eq!(root, world.root());
    let nodes = |(path, node): (_, Option<Bytes>)| (tables::path_key(&path), node.unwrap().to_vec());
    let account_nodes: Rows = fresh.account_nodes.into_iter().map(nodes).collect();
    let storage_nodes: Rows = fresh
        .storage
        .into_iter()
        .flat_map(|(account, trie)| {
            let node = move |(path, node): (_, Option<Bytes>)| {
                (tables::storage_node_key(&account, &path), node.unwrap().to_vec())
            };
            trie.nodes.into_iter().map(node)
        })
        .collect();
    assert_eq!(rows(storage, tables::ACCOUNTS), accounts);
    assert_eq!(rows(storage, tables::SLOTS), slots);
    assert_eq!(rows(storage, tables::ACCOUNT_TRIE), account_nodes);
    assert_eq!(rows(storage, tables::STORAGE_TRIE), storage_nodes);
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
                assert_tables_hold(&storage, blocks.world(&base.hash));
            }
            5 => {
                storage.flush_all().unwrap();
                assert_eq!(storage.base().hash, head);
            }
            6 => {
                let to = ancestor(&blocks, head, rng.below(12));
                storage.unwind(&to).unwrap();
                let base = storage.base();
                assert_tables_hold(&storage, blocks.world(&base.hash));
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
    assert_tables_hold(&storage, blocks.world(&head));
    blocks.check_chain(&storage, &head);
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
