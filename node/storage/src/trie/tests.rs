//! Tries against alloy-trie's roots, step by step, with the nodes that must remain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Found, tree::Trie};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, root::storage_root_unhashed};
use atoll_primitives::{B256, Bytes, U256, keccak256};
use std::collections::{BTreeMap, HashMap};

type Nodes = HashMap<Nibbles, Bytes>;

fn apply(nodes: &mut Nodes, root: B256, changes: &[(Nibbles, U256)]) -> B256 {
    let before = nodes.clone();
    let read = |path: &Nibbles| Ok(before.get(path).cloned().map(Found::Rlp));
    let mut trie = Trie::open(root, &read);
    for (key, value) in changes {
        if value.is_zero() {
            trie.remove(key).unwrap()
        } else {
            trie.insert(*key, alloy_rlp::encode(value)).unwrap()
        }
        let expected = (!value.is_zero()).then(|| alloy_rlp::encode(value));
        assert_eq!(trie.get(key).unwrap().map(<[u8]>::to_vec), expected);
    }
    let committed = trie.commit();
    let (root, changed) = (committed.root, committed.nodes);
    for (path, node) in changed {
        match node {
            Some(node) => nodes.insert(path, node),
            None => nodes.remove(&path),
        };
    }
    root
}

/// Keys as `key` makes them from small numbers; after each batch the root is alloy's and the nodes those of a trie
/// built at once.
fn check(key: impl Fn(u64) -> B256, reference: impl Fn(&BTreeMap<B256, U256>) -> Option<B256>, seed: u64) {
    let mut rng = crate::tests::Rng(seed);
    let (mut nodes, mut root, mut model) = (Nodes::new(), EMPTY_ROOT_HASH, BTreeMap::new());
    for round in 0..150 {
        let mut changes = Vec::new();
        // Every tenth round empties the trie.
        if round % 10 == 9 {
            changes.extend(model.keys().map(|key: &B256| (Nibbles::unpack(key), U256::ZERO)));
            model.clear();
        }
        for _ in 0..rng.below(12) {
            let key = key(rng.below(60));
            // Small and large values: short nodes stand inside their parents.
            let bits = if rng.below(2) == 0 { 3 } else { 60 };
            let value = if rng.below(3) == 0 { U256::ZERO } else { U256::from(rng.below(1 << bits)) };
            changes.push((Nibbles::unpack(key), value));
            let _before = if value.is_zero() { model.remove(&key) } else { model.insert(key, value) };
        }
        root = apply(&mut nodes, root, &changes);
        if let Some(expected) = reference(&model) {
            assert_eq!(root, expected, "round {round}");
        }
        let mut fresh = Nodes::new();
        let all: Vec<_> = model.iter().map(|(key, value)| (Nibbles::unpack(key), *value)).collect();
        assert_eq!(apply(&mut fresh, EMPTY_ROOT_HASH, &all), root, "round {round}");
        assert_eq!(nodes, fresh, "round {round}");
    }
}

#[test]
fn hashed_keys_give_alloys_roots_and_exactly_their_nodes() {
    for seed in 0..8 {
        let root = |model: &BTreeMap<B256, U256>| Some(alloy_trie::root::storage_root(model.clone()));
        check(|n| keccak256(n.to_be_bytes()), root, seed);
    }
}

/// Keys that differ in their last nibbles only: long extensions, and nodes short enough to stand inside others.
#[test]
fn keys_with_long_common_prefixes_do_too() {
    for seed in 0..8 {
        let root = |model: &BTreeMap<B256, U256>| Some(alloy_trie::root::storage_root(model.clone()));
        check(|n| B256::from(U256::from(n * 7)), root, seed);
    }
}

#[test]
fn a_node_with_the_wrong_hash_is_damage() {
    let mut nodes = Nodes::new();
    let keys: Vec<_> = (0..40u64).map(|n| (Nibbles::unpack(keccak256(n.to_be_bytes())), U256::from(n + 1))).collect();
    let root = apply(&mut nodes, EMPTY_ROOT_HASH, &keys);
    let unhashed = (0..40u64).map(|n| (keccak256(n.to_be_bytes()), U256::from(n + 1)));
    assert_ne!(root, storage_root_unhashed(unhashed.clone()), "keys are hashed once, not twice");
    assert_eq!(root, alloy_trie::root::storage_root_unsorted(unhashed));
    for damage in [None, Some(Bytes::from_static(&[0xc0]))] {
        let damaged = |path: &Nibbles| {
            Ok(if path.is_empty() { damage.clone() } else { nodes.get(path).cloned() }.map(Found::Rlp))
        };
        let mut trie = Trie::open(root, &damaged);
        assert!(matches!(trie.get(&keys[0].0), Err(crate::StorageError::Corrupt { .. })));
    }
}

/// A trie that outgrows its bound keeps its upper levels, and goes on with the same roots.
#[test]
fn a_trie_too_heavy_to_stay_whole_stays_in_part() {
    let warm = super::WarmTries::new(1 << 16);
    let (mut nodes, mut root, mut model) = (Nodes::new(), EMPTY_ROOT_HASH, BTreeMap::new());
    let mut kept = 0;
    for round in 0..60u64 {
        let stored = nodes.clone();
        let read = |path: &Nibbles| Ok(stored.get(path).cloned().map(Found::Rlp));
        let mut trie = match warm.take(&root) {
            Some((link, weight)) => {
                assert!(weight <= 1 << 15, "{weight}");
                kept += 1;
                Trie::warm(link, weight, &read)
            }
            None => Trie::open(root, &read),
        };
        for n in 0..40 {
            let key = keccak256((round * 31 + n * 7 % 600).to_be_bytes());
            let value = U256::from(round + 1);
            trie.insert(Nibbles::unpack(key), alloy_rlp::encode(value)).unwrap();
            model.insert(key, value);
        }
        let committed = trie.commit();
        assert_eq!(committed.root, storage_root_unsorted(&model));
        for (path, node) in committed.nodes {
            match node {
                Some(node) => nodes.insert(path, node),
                None => nodes.remove(&path),
            };
        }
        let (link, weight) = committed.loaded.unwrap();
        warm.put(committed.root, root, link, weight);
        root = committed.root;
    }
    assert_eq!(kept, 59, "it is never forgotten whole");
}

fn storage_root_unsorted(model: &BTreeMap<B256, U256>) -> B256 {
    alloy_trie::root::storage_root(model.iter().map(|(key, value)| (*key, *value)))
}
