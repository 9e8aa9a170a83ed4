//! Tries against alloy-trie's roots, step by step, with the nodes that must remain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Entry, Link, Node, Nothing, Preimage, tree::Trie};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, root::storage_root_unhashed};
use atoll_primitives::{B256, U256, keccak256};
use std::collections::BTreeMap;

fn apply(before: Option<Link>, changes: &[(Nibbles, U256)]) -> Option<Link> {
    let mut trie = Trie::new(&Nothing, None, before);
    for (key, value) in changes {
        let entry = Entry {
            value: super::Value::from_slice(&alloy_rlp::encode(value)),
            preimage: Preimage::Slot(B256::ZERO),
            storage: None,
        };
        let expected = (!value.is_zero()).then(|| entry.value.clone());
        if value.is_zero() {
            trie.remove(key).unwrap()
        } else {
            trie.set(key, |_| Ok(entry)).unwrap()
        }
        assert_eq!(trie.get(key).unwrap().map(|entry| entry.value), expected);
    }
    trie.hash();
    trie.into_root()
}

fn root_of(trie: &Option<Link>) -> B256 {
    trie.as_ref().map_or(EMPTY_ROOT_HASH, |root| root.hash().unwrap())
}

/// Every node by its path: its RLP, and what its parent says of it.
fn nodes(link: &Link, path: Nibbles, found: &mut BTreeMap<Nibbles, (Vec<u8>, Vec<u8>)>) {
    let rlp = link.node.rlp();
    if let Some(hash) = link.hash() {
        assert_eq!(keccak256(&rlp), hash);
    }
    found.insert(path, (rlp, link.rlp_node().to_vec()));
    match &link.node {
        Node::Stored(_) => panic!("nothing is stored"),
        Node::Leaf(_) => {}
        Node::Extension(extension) => nodes(&extension.child, path.join(&extension.key), found),
        Node::Branch(branch) => branch.children().for_each(|(nibble, child)| {
            nodes(child, path.join(&Nibbles::from_nibbles([nibble])), found);
        }),
    }
}

fn all(trie: &Option<Link>) -> BTreeMap<Nibbles, (Vec<u8>, Vec<u8>)> {
    let mut found = BTreeMap::new();
    if let Some(root) = trie {
        nodes(root, Nibbles::new(), &mut found);
    }
    found
}

/// Keys as `key` makes them from small numbers; after each batch the root is alloy's, the nodes those of a trie built at once,
/// and the tries before are what they were.
fn check(key: impl Fn(u64) -> B256, reference: impl Fn(&BTreeMap<B256, U256>) -> B256, seed: u64) {
    let mut rng = crate::tests::Rng(seed);
    let (mut trie, mut model) = (None, BTreeMap::new());
    let mut before = Vec::new();
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
        trie = apply(trie, &changes);
        assert_eq!(root_of(&trie), reference(&model), "round {round}");
        let fresh: Vec<_> = model.iter().map(|(key, value)| (Nibbles::unpack(key), *value)).collect();
        assert_eq!(all(&trie), all(&apply(None, &fresh)), "round {round}");
        before.push((trie.clone(), all(&trie)));
    }
    before.iter().for_each(|(trie, nodes)| assert_eq!(all(trie), *nodes));
}

#[test]
fn hashed_keys_give_alloys_roots_and_exactly_their_nodes() {
    for seed in 0..8 {
        check(|n| keccak256(n.to_be_bytes()), |model| alloy_trie::root::storage_root(model.clone()), seed);
    }
}

/// Keys that differ in their last nibbles only: long extensions, and nodes short enough to stand inside others.
#[test]
fn keys_with_long_common_prefixes_do_too() {
    for seed in 0..8 {
        check(|n| B256::from(U256::from(n * 7)), |model| alloy_trie::root::storage_root(model.clone()), seed);
    }
}

#[test]
fn keys_are_hashed_once() {
    let keys: Vec<_> = (0..40u64).map(|n| (Nibbles::unpack(keccak256(n.to_be_bytes())), U256::from(n + 1))).collect();
    let root = root_of(&apply(None, &keys));
    let unhashed = (0..40u64).map(|n| (keccak256(n.to_be_bytes()), U256::from(n + 1)));
    assert_ne!(root, storage_root_unhashed(unhashed.clone()), "not twice");
    assert_eq!(root, alloy_trie::root::storage_root_unsorted(unhashed));
}
