//! Merkle-Patricia tries with nodes stored by path: a block costs what it changes. It must not know tables or
//! layers: nodes come through [`NodeSource`].

mod changes;
mod node;
mod proof;
mod root;
mod tree;
mod warm;

pub use changes::{NodeChanges, StorageTrieChanges, TrieChanges};
pub(crate) use node::{Link, Node};
pub(crate) use proof::prove;
pub use proof::{AccountProof, StorageProof};
pub(crate) use root::{Parent, state_root};
pub(crate) use warm::WarmTries;

use crate::StorageError;
use alloy_trie::Nibbles;
use atoll_primitives::{B256, Bytes, keccak256};

/// The stored nodes of one state: RLP by path.
pub(crate) trait NodeSource: Sync {
    /// A node of the account trie.
    fn account_node(&self, path: &Nibbles) -> Result<Option<Bytes>, StorageError>;

    /// A node of the storage trie of the account whose address hashes to `account`.
    fn storage_node(&self, account: &B256, path: &Nibbles) -> Result<Option<Bytes>, StorageError>;

    /// Tries that are loaded already, if any are kept.
    fn warm(&self) -> Option<&WarmTries> {
        None
    }
}

/// The path of a hashed key.
pub(crate) fn path_of(hash: &B256) -> Nibbles {
    Nibbles::unpack_array(&hash.0)
}

/// The path of an address or slot.
pub(crate) fn hashed_path(key: &[u8]) -> Nibbles {
    path_of(&keccak256(key))
}

/// The root of a trie that starts empty, after these steps: a key with its value, or without one to remove it. Keys are
/// hashed, as in the tries of the state; values stand as they are.
///
/// # Errors
/// None that the steps could cause: nothing is read.
pub fn hashed_trie_root(steps: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) -> Result<B256, StorageError> {
    let nothing = |_: &Nibbles| Ok(None);
    let mut trie = tree::Trie::open(alloy_trie::EMPTY_ROOT_HASH, &nothing);
    for (key, value) in steps {
        let path = hashed_path(&key);
        match value {
            Some(value) => trie.insert(path, value.to_vec())?,
            None => trie.remove(&path)?,
        }
    }
    Ok(trie.commit().root)
}

#[cfg(test)]
mod tests;
