//! The state root after a set of changes, and the nodes that change with it.

use super::{
    NodeChanges, NodeSource, StorageTrieChanges, TrieChanges, WarmTries, hashed_path, path_of,
    tree::{Committed, ReadNode, Trie},
};
use crate::StorageError;
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use atoll_primitives::{Address, B256, StateChanges, StorageChanges, U256, keccak256};
use rayon::prelude::*;

/// Below this many changed slots waking other threads costs more than it saves.
const PARALLEL_SLOTS: usize = 32;

/// An account that changes, and its leaf before.
struct Touched {
    address: Address,
    hash: B256,
    old: Option<TrieAccount>,
}

/// Whether a state is needed again after its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parent {
    /// Others may build on it: its loaded nodes are copied where they change.
    Stays,
    /// The chain moves on: its loaded nodes are changed in place.
    Passes,
}

/// Applies `changes` to the state with root `root`.
pub(crate) fn state_root(
    source: &dyn NodeSource,
    root: B256,
    changes: &StateChanges,
    parent: Parent,
) -> Result<(B256, TrieChanges), StorageError> {
    let read = |path: &_| source.account_node(path);
    let mut accounts = open(source, root, parent, &read);
    let touched = touched(&mut accounts, changes)?;
    let slots: usize = changes.storage.values().map(|change| change.slots.len()).sum();
    let storage_of = |account: &Touched| storage_root(source, account, changes, parent);
    let storages: Vec<_> = if slots >= PARALLEL_SLOTS && changes.storage.len() > 1 {
        touched.par_iter().map(storage_of).collect::<Result<_, _>>()?
    } else {
        touched.iter().map(storage_of).collect::<Result<_, _>>()?
    };
    let mut trie = TrieChanges::default();
    for (account, (storage_root, storage)) in touched.iter().zip(storages) {
        if storage.wiped || !storage.nodes.is_empty() {
            trie.storage.insert(account.hash, storage);
        }
        let key = path_of(&account.hash);
        match leaf(account, storage_root, changes)? {
            Some(leaf) => accounts.insert(key, alloy_rlp::encode(leaf))?,
            None => accounts.remove(&key)?,
        }
    }
    let (root, nodes) = keep(source, root, accounts.commit());
    trie.account_nodes = nodes;
    Ok((root, trie))
}

/// The trie with this root, as far as it is loaded from the block before.
fn open<'a>(source: &dyn NodeSource, root: B256, parent: Parent, read: &'a ReadNode<'a>) -> Trie<'a> {
    let find = |warm: &WarmTries| if parent == Parent::Stays { warm.get(&root) } else { warm.take(&root) };
    match source.warm().and_then(find) {
        Some((link, weight)) => Trie::warm(link, weight, read),
        None => Trie::open(root, read),
    }
}

/// Keeps the new trie for the next block.
fn keep(source: &dyn NodeSource, before: B256, committed: Committed) -> (B256, NodeChanges) {
    if let (Some(warm), Some((link, weight))) = (source.warm(), committed.loaded) {
        warm.put(committed.root, before, link, weight);
    }
    (committed.root, committed.nodes)
}

fn touched(accounts: &mut Trie<'_>, changes: &StateChanges) -> Result<Vec<Touched>, StorageError> {
    let storage_only = changes.storage.keys().filter(|address| !changes.accounts.contains_key(*address));
    let mut touched = Vec::with_capacity(changes.accounts.len());
    for address in changes.accounts.keys().chain(storage_only) {
        touched.push(Touched { address: *address, hash: keccak256(address), old: None });
    }
    // In key order nodes that lie together load together.
    touched.sort_unstable_by_key(|account| account.hash);
    for account in &mut touched {
        let leaf = accounts.get(&path_of(&account.hash))?;
        account.old = leaf.map(|mut rlp| TrieAccount::decode(&mut rlp)).transpose().map_err(|err| {
            StorageError::corrupt(format!("leaf of account {} in the account trie: {err}", account.address))
        })?;
    }
    Ok(touched)
}

/// The account's new leaf; `None` when there is no account any more.
fn leaf(account: &Touched, storage_root: B256, changes: &StateChanges) -> Result<Option<TrieAccount>, StorageError> {
    match changes.accounts.get(&account.address) {
        Some(None) => Ok(None),
        Some(Some(new)) => Ok(Some(TrieAccount::new(new.nonce, new.balance, storage_root, new.code_hash))),
        None => match account.old {
            Some(old) => Ok(Some(TrieAccount { storage_root, ..old })),
            None if storage_root == EMPTY_ROOT_HASH => Ok(None),
            None => Err(StorageError::corrupt(format!("storage of {} changes without an account", account.address))),
        },
    }
}

fn storage_root(
    source: &dyn NodeSource,
    account: &Touched,
    changes: &StateChanges,
    parent: Parent,
) -> Result<(B256, StorageTrieChanges), StorageError> {
    let old_root = account.old.as_ref().map_or(EMPTY_ROOT_HASH, |old| old.storage_root);
    let removed = matches!(changes.accounts.get(&account.address), Some(None));
    let none = StorageChanges::default();
    let storage = changes.storage.get(&account.address).unwrap_or(&none);
    // Where no storage was there is nothing to wipe, and no range of nodes to look for.
    let wiped = (removed || storage.wiped) && old_root != EMPTY_ROOT_HASH;
    if removed {
        return Ok((EMPTY_ROOT_HASH, StorageTrieChanges { wiped, ..Default::default() }));
    }
    let read = |path: &_| source.storage_node(&account.hash, path);
    let before = if wiped { EMPTY_ROOT_HASH } else { old_root };
    let mut trie = open(source, before, parent, &read);
    for (slot, value) in &storage.slots {
        let key = hashed_path(&slot.to_be_bytes::<32>());
        if *value == U256::ZERO { trie.remove(&key)? } else { trie.insert(key, alloy_rlp::encode(value))? }
    }
    let (root, nodes) = keep(source, before, trie.commit());
    Ok((root, StorageTrieChanges { wiped, nodes }))
}
