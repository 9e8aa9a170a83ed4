//! The state after one block, for reading. It must not know segments or which block is the head.

use crate::{
    AccountProof, StorageError, TrieChanges,
    base::{Base, StateRoot},
    filter::Filter,
    layer::{Key, Layer},
    parallel,
    trie::{self, Found, NodeSource, Parent, WarmTries},
};
use alloy_trie::Nibbles;
use atoll_primitives::{
    Account, Address, B256, Bytes, SealedHeader, StateChanges, U256,
    primitives::{KECCAK256_EMPTY, map::AddressMap},
};
use std::sync::Arc;

/// The state after one block.
///
/// It stays what it is while blocks are added, the head moves and layers are persisted: it holds its own layers, and
/// the state under them never changes.
#[derive(Clone)]
pub struct StateView {
    pub(crate) base: Arc<Base>,
    /// From the view's block down to the base it was made over; empty for the base and for older blocks.
    pub(crate) layers: Arc<[Arc<Layer>]>,
    pub(crate) filter: Arc<Filter>,
    pub(crate) header: Arc<SealedHeader>,
    /// The persisted state under the layers.
    pub(crate) state: StateRoot,
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
    /// [`StorageError::Pruned`] once the state is no longer kept; the failure to read it.
    pub fn account(&self, address: &Address) -> Result<Option<Account>, StorageError> {
        if self.filter.may_contain(&Key::Account(address))
            && let Some(account) = self.newest(|layer| layer.executed.changes.account(address))
        {
            return Ok(account);
        }
        self.base.account(&self.state, address)
    }

    /// Many accounts at once, on all cores: what is not in memory comes from the disk in half the time then.
    ///
    /// # Errors
    /// As for [`StateView::account`].
    pub fn accounts(&self, addresses: &[Address]) -> Result<AddressMap<Option<Account>>, StorageError> {
        let read = |part: &[Address]| -> Result<Vec<(Address, Option<Account>)>, StorageError> {
            part.iter().map(|address| Ok((*address, self.account(address)?))).collect()
        };
        let found = parallel::over(addresses, read);
        found.into_iter().try_fold(AddressMap::default(), |mut all, part| {
            all.extend(part?);
            Ok(all)
        })
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
        self.base.slot(&self.state, address, slot)
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
    /// As for [`StateView::account`].
    pub fn state_root(&self, changes: &StateChanges) -> Result<(B256, TrieChanges), StorageError> {
        trie::state_root(self, self.header.state_root, changes, Parent::Stays)
    }

    /// The same for a block that is to become the head: faster, since what is loaded of this state's tries goes over
    /// to the new one. Another block on this state then loads them again.
    ///
    /// # Errors
    /// As for [`StateView::state_root`].
    pub fn advance(&self, changes: &StateChanges) -> Result<(B256, TrieChanges), StorageError> {
        trie::state_root(self, self.header.state_root, changes, Parent::Passes)
    }

    /// An account and some of its slots with the trie nodes that prove them.
    ///
    /// # Errors
    /// As for [`StateView::state_root`].
    pub fn proof(&self, address: &Address, slots: &[U256]) -> Result<AccountProof, StorageError> {
        trie::prove(self, self.header.state_root, address, slots)
    }

    fn newest<T>(&self, find: impl Fn(&Layer) -> Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| find(layer))
    }
}

impl NodeSource for StateView {
    fn account_node(&self, path: &Nibbles) -> Result<Option<Found>, StorageError> {
        if self.filter.may_contain(&Key::AccountNode(path))
            && let Some(node) = self.newest(|layer| layer.executed.trie.account_nodes.get(path).cloned())
        {
            return Ok(node.map(Found::Rlp));
        }
        self.base.account_node(&self.state, path)
    }

    fn warm(&self) -> Option<&WarmTries> {
        Some(&self.base.warm)
    }

    fn storage_node(&self, account: &B256, path: &Nibbles) -> Result<Option<Found>, StorageError> {
        let perhaps = self.filter.may_contain(&Key::StorageNode(account, path))
            || self.filter.may_contain(&Key::NodeWipe(account));
        let find = |layer: &Layer| layer.executed.trie.storage.get(account).and_then(|trie| trie.node(path));
        if perhaps && let Some(node) = self.newest(find) {
            return Ok(node.map(Found::Rlp));
        }
        self.base.storage_node(&self.state, account, path)
    }
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateView").field("number", &self.header.number).field("hash", &self.header.hash).finish()
    }
}
