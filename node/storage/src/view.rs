//! The state after one block, for reading. It must not know segments or which block is the head.

use crate::{
    AccountProof, StorageError, TrieChanges,
    base::{Base, Stamp},
    filter::Filter,
    layer::{Key, Layer},
    trie::{self, NodeSource, Parent, WarmTries},
};
use alloy_trie::Nibbles;
use atoll_primitives::{Account, Address, B256, Bytes, SealedHeader, StateChanges, U256, primitives::KECCAK256_EMPTY};
use std::sync::Arc;

/// The state after one block.
///
/// It stays what it is while blocks are added, the head moves and layers are persisted: it holds its own layers,
/// and what was persisted since it undoes through the history.
#[derive(Clone)]
pub struct StateView {
    pub(crate) base: Arc<Base>,
    /// From the view's block down to the base it was made over; empty for the base and for older blocks.
    pub(crate) layers: Arc<[Arc<Layer>]>,
    pub(crate) filter: Arc<Filter>,
    pub(crate) header: Arc<SealedHeader>,
    pub(crate) stamp: Stamp,
}

impl StateView {
    /// Hash of the block.
    pub fn block_hash(&self) -> B256 {
        self.header.hash
    }

    /// Number of the block.
    pub fn block_number(&self) -> u64 {
        self.header.number
    }

    /// The block's header.
    pub fn header(&self) -> &Arc<SealedHeader> {
        &self.header
    }

    /// An account; `None` if there is none.
    ///
    /// # Errors
    /// [`StorageError::Unwound`] once a deep reorganisation undid the block; the tables' failure to read.
    pub fn account(&self, address: &Address) -> Result<Option<Account>, StorageError> {
        if self.filter.may_contain(&Key::Account(address))
            && let Some(account) = self.newest(|layer| layer.executed.changes.account(address))
        {
            return Ok(account);
        }
        self.base.account(&self.stamp, address, |target| !self.stands_on(target))
    }

    /// The value of a slot; zero if it was never set.
    ///
    /// # Errors
    /// As for [`StateView::account`].
    pub fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StorageError> {
        let perhaps =
            self.filter.may_contain(&Key::Slot(address, slot)) || self.filter.may_contain(&Key::Wipe(address));
        if perhaps && let Some(value) = self.newest(|layer| layer.executed.changes.slot(address, slot)) {
            return Ok(value);
        }
        self.base.slot(&self.stamp, address, slot, |target| !self.stands_on(target))
    }

    /// Code by its hash.
    ///
    /// # Errors
    /// [`StorageError::UnknownCode`]; the tables' failure to read.
    pub fn code(&self, code_hash: &B256) -> Result<Bytes, StorageError> {
        if *code_hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        if self.filter.may_contain(&Key::Code(code_hash))
            && let Some(code) = self.newest(|layer| layer.executed.changes.code.get(code_hash).cloned())
        {
            return Ok(code);
        }
        self.base.code(code_hash)?.ok_or(StorageError::UnknownCode { hash: *code_hash })
    }

    /// The state root after `changes` on top of this state, and the trie nodes that change with it.
    ///
    /// # Errors
    /// [`StorageError::TrieUnavailable`] for states older than the persisted one, and for side chains that
    /// persisted blocks have passed by.
    pub fn state_root(&self, changes: &StateChanges) -> Result<(B256, TrieChanges), StorageError> {
        self.check_trie()?;
        trie::state_root(self, self.header.state_root, changes, Parent::Stays)
    }

    /// The same for a block that is to become the head: faster, since what is loaded of this state's tries goes over
    /// to the new one. Another block on this state then loads them again.
    ///
    /// # Errors
    /// As for [`StateView::state_root`].
    pub fn advance(&self, changes: &StateChanges) -> Result<(B256, TrieChanges), StorageError> {
        self.check_trie()?;
        trie::state_root(self, self.header.state_root, changes, Parent::Passes)
    }

    /// An account and some of its slots with the trie nodes that prove them.
    ///
    /// # Errors
    /// As for [`StateView::state_root`].
    pub fn proof(&self, address: &Address, slots: &[U256]) -> Result<AccountProof, StorageError> {
        self.check_trie()?;
        trie::prove(self, self.header.state_root, address, slots)
    }

    fn newest<T>(&self, find: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| find(layer))
    }

    /// Whether `target`, which lies above the view's base, is one of the view's own blocks: whatever a flush up to
    /// it changed, the view's layers hold.
    fn stands_on(&self, target: &SealedHeader) -> bool {
        let depth = self.header.number.checked_sub(target.number).and_then(|depth| usize::try_from(depth).ok());
        depth.and_then(|depth| self.layers.get(depth)).is_some_and(|layer| layer.header.hash == target.hash)
    }

    /// Trie nodes have no history: they are the view's own only while no flush passed it by. To be asked after a
    /// node was read.
    fn check_trie(&self) -> Result<(), StorageError> {
        match self.base.target_above(self.stamp.anchor) {
            Some(target) if !self.stands_on(&target) => {
                Err(StorageError::TrieUnavailable { number: self.header.number, base: target.number })
            }
            _ => Ok(()),
        }
    }
}

impl NodeSource for StateView {
    fn account_node(&self, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        if self.filter.may_contain(&Key::AccountNode(path))
            && let Some(node) = self.newest(|layer| layer.executed.trie.account_nodes.get(path).cloned())
        {
            return Ok(node);
        }
        let node = self.base.account_node(&self.stamp, path)?;
        self.check_trie()?;
        Ok(node)
    }

    fn warm(&self) -> Option<&WarmTries> {
        Some(&self.base.warm)
    }

    fn storage_node(&self, account: &B256, path: &Nibbles) -> Result<Option<Bytes>, StorageError> {
        let perhaps = self.filter.may_contain(&Key::StorageNode(account, path))
            || self.filter.may_contain(&Key::NodeWipe(account));
        let find = |layer: &Layer| layer.executed.trie.storage.get(account).and_then(|trie| trie.node(path));
        if perhaps && let Some(node) = self.newest(find) {
            return Ok(node);
        }
        let node = self.base.storage_node(&self.stamp, account, path)?;
        self.check_trie()?;
        Ok(node)
    }
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateView").field("number", &self.header.number).field("hash", &self.header.hash).finish()
    }
}
