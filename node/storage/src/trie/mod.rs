//! Merkle-Patricia tries whose nodes are asked for by path: a block costs what it changes. It must not know tables or
//! layers: nodes come through [`NodeSource`].

mod changes;
mod node;
mod proof;
mod root;
mod tree;
mod warm;

pub use changes::{NodeChanges, StorageTrieChanges, TrieChanges};
pub(crate) use node::{encode_branch, encode_extension, encode_leaf};
pub(crate) use proof::prove;
pub use proof::{AccountProof, StorageProof};
pub(crate) use root::{Parent, state_root};
pub(crate) use warm::WarmTries;

use crate::{StorageError, statelog::LogNode};
use alloy_trie::{Nibbles, nodes::RlpNode};
use atoll_primitives::{B256, Bytes, keccak256};
use std::sync::Arc;

/// A node as it is stored.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// Its RLP.
    Rlp(Bytes),
    /// In the log, where its parent has this reference of it; a root has none.
    Logged(Arc<LogNode>, Option<RlpNode>),
}

impl Found {
    /// Its RLP.
    pub fn rlp(&self) -> Bytes {
        match self {
            Self::Rlp(rlp) => rlp.clone(),
            Self::Logged(node, _) => node.rlp().into(),
        }
    }

    /// Whether it is the node with this hash.
    fn is(&self, hash: &B256) -> bool {
        match self {
            Self::Logged(_, Some(reference)) if reference.as_hash().as_ref() == Some(hash) => true,
            _ => keccak256(self.rlp()) == *hash,
        }
    }
}

/// The stored nodes of one state, by path.
pub(crate) trait NodeSource: Sync {
    /// A node of the account trie.
    fn account_node(&self, path: &Nibbles) -> Result<Option<Found>, StorageError>;

    /// A node of the storage trie of the account whose address hashes to `account`.
    fn storage_node(&self, account: &B256, path: &Nibbles) -> Result<Option<Found>, StorageError>;

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
