//! Merkle-Patricia tries whose nodes load from their places in the log when they are needed: a block costs what it changes.
//! The trie of a block shares with its parent's what the block did not change. It must not know tables or layers: nodes come
//! through [`Source`].

mod hash;
mod node;
mod place;
mod proof;
mod root;
mod state;
mod tree;

pub(crate) use node::{
    BranchNode, Entry, LeafNode, Link, Node, Preimage, Value, encode_branch, encode_extension, encode_leaf,
};
pub(crate) use place::Rests;
pub(crate) use proof::prove;
pub use proof::{AccountProof, StorageProof};
pub(crate) use root::state_root;
pub use state::StateTrie;
pub(crate) use tree::{Walked, walk, walk_many};

use crate::{StorageError, statelog::NodePos};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use atoll_keccak::keccak256_all;
use atoll_primitives::{
    B256, Bytes,
    primitives::{init_keccak_cache, utils::keccak256_cached},
};
use std::sync::Once;

/// Where nodes of a trie are loaded from.
pub(crate) trait Source: Sync {
    /// The node that stood at `pos` when its parent was written, and stands at `path` of the account trie, or of the
    /// storage trie of the account whose address hashes to `account`.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] unless it is there.
    fn load(&self, pos: NodePos, hash: &B256, account: Option<&B256>, path: &Nibbles) -> Result<Node, StorageError>;

    /// Whether what stands at `pos` can be loaded by now: until then it must not be forgotten.
    fn is_kept(&self, pos: NodePos) -> bool;

    /// Bytes of loaded nodes worth keeping for the next block.
    fn warm_bytes(&self) -> usize;
}

/// The source of tries that begin empty.
pub(crate) struct Nothing;

impl Source for Nothing {
    fn load(&self, pos: NodePos, _: &B256, _: Option<&B256>, _: &Nibbles) -> Result<Node, StorageError> {
        Err(StorageError::corrupt(format!("a trie that began empty has a node at {}", pos.0)))
    }

    fn is_kept(&self, _: NodePos) -> bool {
        false
    }

    fn warm_bytes(&self) -> usize {
        usize::MAX
    }
}

/// The path of a hashed key.
pub(crate) fn path_of(hash: &B256) -> Nibbles {
    Nibbles::unpack_array(&hash.0)
}

/// The path of an address or slot.
pub(crate) fn hashed_path(key: &[u8]) -> Nibbles {
    path_of(&hashed(key))
}

/// Hashes of addresses and slots that are remembered, with 128 bytes each: those of a few blocks.
const KNOWN_HASHES: usize = 1 << 15;

/// The hash of an address or slot: reading it and changing it ask for the same one.
pub(crate) fn hashed(key: &[u8]) -> B256 {
    static SIZED: Once = Once::new();
    // Unless somebody asked before, for whom the library made a larger one.
    SIZED.call_once(|| {
        let _is_first = init_keccak_cache(KNOWN_HASHES);
    });
    keccak256_cached(key)
}

/// Fewer keys are looked up: they may be known.
const SIDE_BY_SIDE: usize = 8;

/// Hashes of addresses or slots, in their order.
pub(crate) fn hashed_all<'k>(keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Vec<B256> {
    let one_by_one = keys.len() < SIDE_BY_SIDE || atoll_keccak::lanes() == 1;
    if one_by_one { keys.map(hashed).collect() } else { keccak256_all(keys) }
}

/// The root of a trie that starts empty, after these steps: a key with its value, or without one to remove it. Keys are
/// hashed, as in the tries of the state; values stand as they are.
///
/// # Errors
/// None that the steps could cause: nothing is read.
pub fn hashed_trie_root(steps: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) -> Result<B256, StorageError> {
    let mut trie = tree::Trie::new(&Nothing, None, None);
    for (key, value) in steps {
        let path = hashed_path(&key);
        match value {
            Some(value) => trie.set(&path, |_| {
                Ok(Entry { value: Value::from_slice(&value), preimage: Preimage::Slot(B256::ZERO), storage: None })
            })?,
            None => trie.remove(&path)?,
        }
    }
    trie.hash();
    Ok(trie.into_root().and_then(|root| root.hash()).unwrap_or(EMPTY_ROOT_HASH))
}

#[cfg(test)]
mod tests;
