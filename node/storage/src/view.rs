//! The state after one block, for reading. It must not know segments or which block is the head.

use crate::{
    AccountProof, StateTrie, StorageError,
    base::{Base, StateRoot, decode_account, decode_slot},
    layer::Layer,
    parallel,
    statelog::{LogNode, NodePos},
    trie::{self, Entry, Link, Node, Source, Walked, hashed_all, hashed_path},
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
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
    /// The tries of this state, as far as they are in memory.
    pub(crate) trie: Arc<StateTrie>,
    pub(crate) header: Arc<SealedHeader>,
    /// The persisted state under the layers.
    pub(crate) state: StateRoot,
}

/// A leaf, in memory or in the log.
enum Leaf<'v> {
    Loaded(&'v Entry),
    Logged(Arc<LogNode>),
}

/// The account of a leaf, with the root hash of its storage.
fn account_of(leaf: Option<Leaf<'_>>) -> Result<Option<(Account, B256)>, StorageError> {
    let Some(leaf) = leaf else { return Ok(None) };
    let TrieAccount { nonce, balance, code_hash, storage_root } = decode_account(leaf.value())?;
    Ok(Some((Account { nonce, balance, code_hash }, storage_root)))
}

impl Leaf<'_> {
    fn value(&self) -> &[u8] {
        match self {
            Self::Loaded(entry) => &entry.value,
            Self::Logged(node) => node.as_leaf().map_or(&[], |leaf| &leaf.value),
        }
    }
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
        Ok(self.known_account(address)?.map(|(account, _)| account))
    }

    /// An account with the root hash of its storage.
    fn known_account(&self, address: &Address) -> Result<Option<(Account, B256)>, StorageError> {
        let key = (self.header.state_root, *address);
        if let Some(found) = self.base.accounts.get(&key) {
            if self.layers.is_empty() {
                self.base.check_kept(self.state.number)?;
            }
            return Ok(found);
        }
        let found = self.find_account(address)?;
        self.base.accounts.insert(key, found);
        Ok(found)
    }

    fn find_account(&self, address: &Address) -> Result<Option<(Account, B256)>, StorageError> {
        account_of(self.leaf(&hashed_path(address.as_slice()))?)
    }

    /// An account's leaf.
    fn leaf(&self, key: &Nibbles) -> Result<Option<Leaf<'_>>, StorageError> {
        self.leaf_of(self.trie.root(), key, || Ok(self.state.root))
    }

    /// A leaf of the trie with this root; `persisted` is that of the persisted state under the layers.
    fn leaf_of<'v>(
        &'v self,
        root: Option<&'v Link>,
        key: &Nibbles,
        persisted: impl Fn() -> Result<Option<NodePos>, StorageError>,
    ) -> Result<Option<Leaf<'v>>, StorageError> {
        let Some(root) = root else { return Ok(None) };
        self.found(trie::walk(root, key), key, &persisted)
    }

    /// What a walk through memory found, or what is found in the log where it ends.
    fn found<'v>(
        &self,
        walked: Walked<'v>,
        key: &Nibbles,
        persisted: &impl Fn() -> Result<Option<NodePos>, StorageError>,
    ) -> Result<Option<Leaf<'v>>, StorageError> {
        match walked {
            Walked::Absent => Ok(None),
            Walked::Leaf(leaf) => Ok(Some(Leaf::Loaded(&leaf.entry))),
            Walked::Stored { pos, depth } => {
                let log = &self.base.log;
                let mut found = log.leaf_below(Some(pos), key, depth);
                if found.is_err() && log.may_be_gone(pos) {
                    // Moved since, and as it was: what the layers change is in memory.
                    found = persisted().and_then(|root| log.leaf(root, key));
                }
                Ok(self.base.kept(&self.state, found)?.map(Leaf::Logged))
            }
        }
    }

    /// Many accounts at once, on all cores: what is not in memory comes from the disk in half the time then.
    ///
    /// # Errors
    /// As for [`StateView::account`].
    pub fn accounts(&self, addresses: &[Address]) -> Result<AddressMap<Option<Account>>, StorageError> {
        let Some(root) = self.trie.root() else {
            return Ok(addresses.iter().map(|address| (*address, None)).collect());
        };
        let read = |part: &[Address]| -> Result<Vec<(Address, Option<Account>)>, StorageError> {
            let hashes = hashed_all(part.iter().map(|address| address.as_slice()));
            let keys: Vec<_> = hashes.iter().map(trie::path_of).collect();
            let walked = trie::walk_many(root, &keys);
            let read = |((address, key), walked): ((&Address, &Nibbles), _)| -> Result<_, StorageError> {
                let leaf = self.found(walked, key, &|| Ok(self.state.root))?;
                Ok((*address, account_of(leaf)?.map(|(account, _)| account)))
            };
            part.iter().zip(&keys).zip(walked).map(read).collect()
        };
        let found = parallel::over(addresses, read);
        let mut all = AddressMap::with_capacity_and_hasher(addresses.len(), Default::default());
        for part in found {
            all.extend(part?);
        }
        Ok(all)
    }

    /// The value of a slot; zero if it was never set.
    ///
    /// # Errors
    /// As for [`StateView::account`].
    pub fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StorageError> {
        let storage_root = self.known_account(address)?.map_or(EMPTY_ROOT_HASH, |(_, root)| root);
        if storage_root == EMPTY_ROOT_HASH {
            return Ok(U256::ZERO);
        }
        let key = (storage_root, *slot);
        if let Some(value) = self.base.slots.get(&key) {
            return Ok(value);
        }
        let value = self.find_slot(address, slot)?;
        self.base.slots.insert(key, value);
        Ok(value)
    }

    fn find_slot(&self, address: &Address, slot: &U256) -> Result<U256, StorageError> {
        let (account, slot) = (hashed_path(address.as_slice()), hashed_path(&slot.to_be_bytes::<32>()));
        let leaf = match self.leaf(&account)? {
            None => None,
            Some(Leaf::Loaded(entry)) => {
                let persisted = || self.base.storage_root(&self.state, &account);
                self.leaf_of(entry.storage.as_deref(), &slot, persisted)?
            }
            Some(Leaf::Logged(node)) => {
                let storage = node.as_leaf().and_then(|leaf| leaf.storage);
                let mut found = self.base.log.leaf(storage, &slot);
                if found.is_err() && storage.is_some_and(|pos| self.base.log.may_be_gone(pos)) {
                    let storage = self.base.storage_root(&self.state, &account)?;
                    found = self.base.log.leaf(storage, &slot);
                }
                self.base.kept(&self.state, found)?.map(Leaf::Logged)
            }
        };
        leaf.map_or(Ok(U256::ZERO), |leaf| decode_slot(leaf.value()))
    }

    /// Code by its hash.
    ///
    /// # Errors
    /// [`StorageError::UnknownCode`]; the tables' failure to read.
    pub fn code(&self, code_hash: &B256) -> Result<Bytes, StorageError> {
        if *code_hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        if let Some(code) = self.layers.iter().find_map(|layer| layer.executed.changes.code.get(code_hash)) {
            return Ok(code.clone());
        }
        self.base.code(code_hash)?.ok_or(StorageError::UnknownCode { hash: *code_hash })
    }

    /// The state root after `changes` on top of this state, and the tries with it.
    ///
    /// # Errors
    /// As for [`StateView::account`].
    pub fn state_root(&self, changes: &StateChanges) -> Result<(B256, StateTrie), StorageError> {
        let after = trie::state_root(self, &self.trie, changes)?;
        Ok((after.root_hash(), after))
    }

    /// An account and some of its slots with the trie nodes that prove them.
    ///
    /// # Errors
    /// As for [`StateView::state_root`].
    pub fn proof(&self, address: &Address, slots: &[U256]) -> Result<AccountProof, StorageError> {
        trie::prove(self, &self.trie, address, slots)
    }
}

impl Source for StateView {
    fn load(&self, pos: NodePos, hash: &B256, account: Option<&B256>, path: &Nibbles) -> Result<Node, StorageError> {
        self.base.kept(&self.state, self.base.log.load(pos, hash, self.state.root, account, path))
    }

    fn is_kept(&self, pos: NodePos) -> bool {
        self.base.log.is_kept(pos)
    }

    fn warm_bytes(&self) -> usize {
        self.base.warm_bytes
    }
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateView").field("number", &self.header.number).field("hash", &self.header.hash).finish()
    }
}
