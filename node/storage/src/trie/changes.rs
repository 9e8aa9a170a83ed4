//! What a block changes in the tries: nodes by path. It must not know tables or layers.

use alloy_trie::Nibbles;
use atoll_primitives::{
    Bytes,
    primitives::map::{B256Map, HashMap},
};

/// Nodes by path: the new RLP, or `None` where no node stands any more.
pub type NodeChanges = HashMap<Nibbles, Option<Bytes>>;

/// Changes to one account's storage trie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageTrieChanges {
    /// All nodes there were before are gone; `nodes` come on top.
    pub wiped: bool,
    /// Nodes by path within the storage trie.
    pub nodes: NodeChanges,
}

/// All trie nodes a block changes. Only nodes that are referred to by hash stand alone (the root always); shorter
/// ones are part of their parents (yellow paper, appendix D).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrieChanges {
    /// Nodes of the account trie.
    pub account_nodes: NodeChanges,
    /// Storage tries by the Keccak-256 of their account's address.
    pub storage: B256Map<StorageTrieChanges>,
}

impl StorageTrieChanges {
    /// A node's new value: `None` unchanged, `Some(None)` gone, also by a wipe.
    pub fn node(&self, path: &Nibbles) -> Option<Option<Bytes>> {
        match self.nodes.get(path) {
            Some(node) => Some(node.clone()),
            None => self.wiped.then_some(None),
        }
    }

    /// Puts `later` on top of `self`.
    pub fn extend(&mut self, later: &Self) {
        if later.wiped {
            self.wiped = true;
            self.nodes.clear();
        }
        self.nodes.extend(later.nodes.iter().map(|(path, node)| (*path, node.clone())));
    }
}

impl TrieChanges {
    /// Puts `later` on top of `self`.
    pub fn extend(&mut self, later: &Self) {
        self.account_nodes.extend(later.account_nodes.iter().map(|(path, node)| (*path, node.clone())));
        for (account, changes) in &later.storage {
            self.storage.entry(*account).or_default().extend(changes);
        }
    }
}
